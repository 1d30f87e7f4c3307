/* SPDX-License-Identifier: MIT */
/* What a leak scan found, as text and JSON: totals by class, and how the scan went. */
#include "report_json.h"
#include "report_text.h"

static json_t *blocks_json(uint64_t blocks, uint64_t bytes)
{
	json_t *o = json_object();

	json_set_u64(o, "blocks", blocks);
	json_set_u64(o, "bytes", bytes);
	return o;
}

/* Why nothing is known of what is lost. Without a result in the trace its end tells. */
static const char *why_not(const struct analysis *a, char *buf, size_t size)
{
	static const char *const ends[] = {
		[LAR_END_NONE] = "the process ended before, without a word",
		[LAR_END_EXIT] = "it was off, or the process ended by _exit",
		[LAR_END_SIGNAL] = "a signal ended the process",
		[LAR_END_EXEC] = "the process became another program (exec)",
		[LAR_END_DETACHED] = "the recording ended before the process",
	};
	uint32_t end = a->facts->header->end;

	if (a->leaks.reach->scan.seq || a->leaks.reach->damaged)
		return reach_failure(a->leaks.reach, buf, size);
	if (a->facts->running)
		return "the process runs: `lariat leaks --now` asks it for one";
	return end < sizeof(ends) / sizeof(*ends) ? ends[end] : "there was none";
}

static json_t *scan_json(struct analysis *a)
{
	const struct lar_leakscan *s = &a->leaks.reach->scan;
	json_t *o = json_object();
	char reason[200];

	json_set(o, "done", json_boolean(reach_done(a->leaks.reach)));
	json_set(o, "reason",
		 reach_done(a->leaks.reach) ? json_null()
					    : json_string(why_not(a, reason, sizeof(reason))));
	if (!s->seq)
		return o;
	json_set_u64(o, "number", s->seq);
	json_set(o, "at_exit", json_boolean(s->flags & LAR_LEAKSCAN_AT_EXIT));
	json_set_u64(o, "at_ns", trace_ns(a->trace, s->ticks));
	json_set_u64(o, "pause_ns", s->pause_ns);
	json_set_u64(o, "duration_ns", s->duration_ns);
	json_set_u64(o, "threads", s->threads);
	json_set_u64(o, "threads_stopped", s->stopped);
	json_set(o, "stopped_by_signal", json_boolean(s->flags & LAR_LEAKSCAN_BY_SIGNAL));
	json_set_u64(o, "root_bytes", s->root_bytes);
	json_set(o, "unknown_blocks", json_boolean(s->flags & LAR_LEAKSCAN_UNKNOWN_BLOCKS));
	json_set_u64(o, "unlisted_blocks",
		     reach_done(a->leaks.reach)
			     ? s->definite_blocks + s->indirect_blocks - s->listed
			     : 0);
	return o;
}

void json_set_leak_classes(struct analysis *a, json_t *o)
{
	const struct leaks *l = &a->leaks;

	for (int class = REACH_DEFINITE; class < REACH_CLASSES && reach_done(l->reach); class ++)
		json_set(o, reach_class_names[class],
			 blocks_json(l->total[class].blocks, l->total[class].bytes));
	json_set(o, "unclassified",
		 blocks_json(l->total[REACH_UNKNOWN].blocks, l->total[REACH_UNKNOWN].bytes));
	json_set(o, "scan", scan_json(a));
}

static void say_class(struct analysis *a, enum reach_class class, const char *what)
{
	char x[FORMAT_SIZE], y[FORMAT_SIZE];
	const struct leaks *l = &a->leaks;

	if (l->total[class].blocks || class == REACH_DEFINITE)
		text_say(a, "%s in %s %s", format_bytes(x, l->total[class].bytes),
			 format_things(y, l->total[class].blocks, "block"), what);
}

static void say_scan(struct analysis *a)
{
	const struct lar_leakscan *s = &a->leaks.reach->scan;
	char x[FORMAT_SIZE], y[FORMAT_SIZE], z[FORMAT_SIZE];

	if (!(s->flags & LAR_LEAKSCAN_AT_EXIT))
		text_say(a, "Looked at %s after the start; the program stood still for %s",
			 format_time(x, trace_ns(a->trace, s->ticks)), format_time(y, s->pause_ns));
	if (s->flags & LAR_LEAKSCAN_UNKNOWN_BLOCKS)
		text_say(a,
			 "Not all blocks are known (events were lost, or the process is a fork): "
			 "what they may hold counts as reachable");
	if (s->definite_blocks + s->indirect_blocks > s->listed)
		text_say(a, "%s of the lost %s had no room in the trace",
			 format_count(z, s->definite_blocks + s->indirect_blocks - s->listed),
			 "blocks");
}

void text_leak_classes(struct analysis *a)
{
	const struct lar_leakscan *s = &a->leaks.reach->scan;
	char reason[200];

	if (!reach_done(a->leaks.reach)) {
		if (leak_blocks(a))
			text_say(a, "What of that is lost is not known: no leak scan, as %s",
				 why_not(a, reason, sizeof(reason)));
		return;
	}
	say_class(a, REACH_DEFINITE, "definitely lost: nothing points to them");
	say_class(a, REACH_INDIRECT, "indirectly lost: only lost blocks point to them");
	say_class(a, REACH_REACHABLE, "still reachable");
	say_class(a, REACH_UNKNOWN,
		  s->definite_blocks + s->indirect_blocks > s->listed
			  ? "not classified: younger than the leak scan, or not listed by it"
			  : "not classified: younger than the leak scan");
	say_scan(a);
}
