/* SPDX-License-Identifier: MIT */
/* Findings about I/O; see io_findings.h. */
#include "io_findings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"
#include "io_service.h"
#include "io_thresholds.h"

#define T(name) io_threshold(IO_THRESHOLD_##name)

/* One finding more; NULL when there are enough. */
static struct io_finding *add(struct io_findings *all, const char *rule, const char *advice)
{
	struct io_finding *f;

	if (all->count == IO_FINDINGS_MOST) {
		all->left_out++;
		return NULL;
	}
	f = &all->finding[all->count++];
	f->rule = rule;
	f->advice = advice;
	f->target = f->site = KEYMAP_NONE;
	return f;
}

static bool share(uint64_t part, uint64_t all, uint64_t percent)
{
	return (double)part * 100 >= (double)all * (double)percent;
}

/* ---- by site: of the whole life ---- */

static void small_calls(struct io_findings *all, const struct io_site *s, uint32_t site,
			bool writes)
{
	uint64_t calls = s->by_op[writes ? IO_WRITE : IO_READ];
	uint64_t bytes = writes ? s->written_bytes : s->read_bytes, left;
	char count[FORMAT_SIZE], mean[FORMAT_SIZE], rest[FORMAT_SIZE], buffer[FORMAT_SIZE];
	struct io_finding *f;

	if (calls < T(small_calls) || !calls || !bytes || bytes / calls >= T(small_bytes) ||
	    !T(merge_bytes))
		return;
	left = (bytes + T(merge_bytes) - 1) / T(merge_bytes);
	f = add(all, writes ? "small-writes" : "small-reads",
		"collect the data in a buffer, or let a stream do it");
	if (!f)
		return;
	f->site = site;
	f->warning = true;
	f->weight = calls;
	snprintf(f->evidence, sizeof(f->evidence),
		 "%s %s of %s in the mean; a buffer of %s would leave %s",
		 format_count(count, calls), writes ? "writes" : "reads",
		 format_bytes(mean, bytes / calls), format_bytes(buffer, T(merge_bytes)),
		 format_count(rest, left));
}

static void polling(struct analysis *a, struct io_findings *all, const struct io_site *s,
		    uint32_t site)
{
	double seconds = (double)a->facts->duration_ns / 1e9;
	uint64_t waits = s->by_op[IO_WAIT];
	char count[FORMAT_SIZE];
	struct io_finding *f;

	if (waits < T(polls) || seconds <= 0 || (double)waits / seconds < (double)T(polls_per_s))
		return;
	f = add(all, "polling", "wait for the event itself, or with a longer timeout");
	if (!f)
		return;
	f->site = site;
	f->weight = waits;
	snprintf(f->evidence, sizeof(f->evidence), "%s waits, %.0f a second",
		 format_count(count, waits), (double)waits / seconds);
}

/* ---- by target: of the calls that are in the trace ---- */

static struct io_finding *on_target(struct io_findings *all, const char *rule, const char *advice,
				    uint32_t target, uint64_t weight)
{
	struct io_finding *f = add(all, rule, advice);

	if (f) {
		f->target = target;
		f->weight = weight;
		f->warning = true;
	}
	return f;
}

static void syncing(struct analysis *a, struct io_findings *all, uint32_t i,
		    const struct io_pattern *p)
{
	uint64_t writes = a->io->target[i].op[IO_TARGET_WRITE].calls;
	char n[FORMAT_SIZE];
	struct io_finding *f;

	if (p->syncs < T(syncs) || writes >= p->syncs * T(writes_per_sync))
		return;
	f = on_target(all, "fsync-storm", "write more between two fsyncs, or commit in groups", i,
		      p->syncs);
	if (f)
		snprintf(f->evidence, sizeof(f->evidence), "%s fsyncs, %.1f writes to each",
			 format_count(n, p->syncs), (double)writes / (double)p->syncs);
}

static void opening(struct io_findings *all, uint32_t i, const struct io_pattern *p)
{
	char n[FORMAT_SIZE];
	struct io_finding *f;

	if (p->opens < T(opens))
		return;
	f = on_target(all, "open-close-churn", "keep it open", i, p->opens);
	if (f)
		snprintf(f->evidence, sizeof(f->evidence), "opened %s times",
			 format_count(n, p->opens));
}

static void seeking(struct io_findings *all, uint32_t i, const struct io_pattern *p)
{
	char n[FORMAT_SIZE];
	struct io_finding *f;

	if (p->seeks_before_read < T(seeks))
		return;
	f = on_target(all, "seek-before-read", "use pread(), which takes the position", i,
		      p->seeks_before_read);
	if (f)
		snprintf(f->evidence, sizeof(f->evidence), "%s reads right behind an lseek",
			 format_count(n, p->seeks_before_read));
}

static void reading_again(struct analysis *a, struct io_findings *all, uint32_t i,
			  const struct io_pattern *p)
{
	uint64_t read = a->io->target[i].op[IO_TARGET_READ].bytes;
	char again[FORMAT_SIZE], of[FORMAT_SIZE], cache[FORMAT_SIZE];
	struct io_finding *f;

	if (p->read_again_bytes < T(reread_bytes) ||
	    !share(p->read_again_bytes, read, T(reread_percent)))
		return;
	f = on_target(all, "reads-again", "keep what was read, or map the file", i,
		      p->read_again_bytes);
	if (f)
		snprintf(f->evidence, sizeof(f->evidence),
			 "%s of %s had been read before; a cache of %s would have had %.1f %% of "
			 "the pages",
			 format_bytes(again, p->read_again_bytes), format_bytes(of, read),
			 format_bytes(cache, T(cache_bytes)),
			 p->cache_pages ? 100.0 * (double)p->cache_hits / (double)p->cache_pages
					: 0);
}

static void at_random(struct io_findings *all, uint32_t i, const struct io_pattern *p)
{
	for (unsigned w = 0; w < IO_WAYS; w++) {
		const struct io_way_pattern *y = &p->way[w];
		uint64_t calls = y->consecutive + y->sequential + y->strided + y->random;
		char n[FORMAT_SIZE];
		struct io_finding *f;

		if (y->random < T(random_calls) || !share(y->random, calls, T(random_percent)))
			continue;
		f = on_target(all, "random-access",
			      "sort the requests by offset, or tell posix_fadvise()", i, y->random);
		if (f)
			snprintf(f->evidence, sizeof(f->evidence),
				 "%s %s at random places, %.0f %% of all",
				 format_count(n, y->random), w ? "writes" : "reads",
				 100.0 * (double)y->random / (double)calls);
	}
}

static void talking(struct analysis *a, struct io_findings *all, uint32_t i,
		    const struct io_pattern *p)
{
	uint32_t id = a->io->target[i].id;
	const struct trace_target *t = id < a->facts->target_count ? &a->facts->targets[id] : NULL;
	const struct io_service *service = t ? io_service_of(t) : NULL;
	char n[FORMAT_SIZE];
	struct io_finding *f = NULL;

	if (p->delayed_sends >= T(delayed_sends))
		f = on_target(all, "nagle-delay", "set TCP_NODELAY, or send at once with writev()",
			      i, p->delayed_sends);
	if (f)
		snprintf(f->evidence, sizeof(f->evidence),
			 "%s times small sends in a row and a late answer, without TCP_NODELAY",
			 format_count(n, p->delayed_sends));
	f = p->slow_connects ? on_target(all, "blocking-connect",
					 "connect ahead, keep connections, or do not block", i,
					 p->longest_connect_ticks)
			     : NULL;
	if (f)
		snprintf(f->evidence, sizeof(f->evidence), "%s connect%s took long, %s%.0f ms",
			 format_count(n, p->slow_connects), p->slow_connects > 1 ? "s" : "",
			 p->slow_connects > 1 ? "the slowest " : "",
			 (double)trace_span_ns(a->trace, p->longest_connect_ticks) / 1e6);
	f = service && service->database && p->turns >= T(queries)
		    ? on_target(all, "many-queries",
				"ask for many rows at once, or send in a pipeline", i, p->turns)
		    : NULL;
	if (f)
		snprintf(f->evidence, sizeof(f->evidence),
			 "%s questions, each answered before the next, to %s",
			 format_count(n, p->turns), service->name);
}

/* Is it known what streams were asked for and wrote, to the end? */
static bool end_known(const struct analysis *a)
{
	return !a->facts->running && !analysis_partial(a) && !a->context->since_ns &&
	       a->context->until_ns == UINT64_MAX && a->facts->header->end != LAR_END_DETACHED;
}

static void unwritten(struct analysis *a, struct io_findings *all, uint32_t i)
{
	const struct io_buffered *b = &a->io->target[i].buffered;
	char bytes[FORMAT_SIZE];
	struct io_finding *f;

	if (b->bytes <= 0 || (uint64_t)b->bytes < T(unwritten_bytes) || !end_known(a))
		return;
	f = on_target(all, "unwritten-data", "flush what matters, and leave by exit()", i,
		      (uint64_t)b->bytes);
	if (!f)
		return;
	f->site = b->site ? b->site - 1 : KEYMAP_NONE;
	snprintf(f->evidence, sizeof(f->evidence),
		 "%s were in the buffer of a stream when the process ended",
		 format_bytes(bytes, (uint64_t)b->bytes));
}

static void unflushed(struct analysis *a, struct io_findings *all, uint32_t i)
{
	const struct io_buffered *b = &a->io->target[i].buffered;
	uint64_t longest_ns = trace_span_ns(a->trace, b->longest), times = b->times;
	uint64_t since_ns = b->since ? trace_ns(a->trace, b->since) : UINT64_MAX;
	uint32_t site = b->longest_site;
	char count[FORMAT_SIZE], limit[FORMAT_SIZE], time[FORMAT_SIZE];
	struct io_finding *f;

	/* what is there stays there till the end, so far */
	if (since_ns < a->facts->duration_ns && a->facts->duration_ns - since_ns > longest_ns) {
		longest_ns = a->facts->duration_ns - since_ns;
		times += longest_ns > T(unflushed_ns);
		site = b->site;
	}
	if (!times)
		return;
	f = on_target(all, "unflushed-data", "flush after what matters, or buffer lines (setvbuf)",
		      i, longest_ns);
	if (!f)
		return;
	f->site = site ? site - 1 : KEYMAP_NONE;
	snprintf(f->evidence, sizeof(f->evidence),
		 "%s time%s data was in the buffer of a stream for longer than %s, at most for %s",
		 format_count(count, times), times > 1 ? "s" : "",
		 format_time(limit, T(unflushed_ns)), format_time(time, longest_ns));
}

static void byte_by_byte(struct io_findings *all, uint32_t i, const struct io_pattern *p)
{
	uint64_t calls = p->way[IO_WAY_READ].one_byte;
	char n[FORMAT_SIZE];
	struct io_finding *f;

	if (calls < T(one_byte_calls))
		return;
	f = on_target(all, "one-byte-reads", "read more at once", i, calls);
	if (f)
		snprintf(f->evidence, sizeof(f->evidence), "%s reads of one byte",
			 format_count(n, calls));
}

const struct io_beside *io_beside_of(const struct analysis *a, const struct io_slow *s)
{
	return s->beside == IO_OVERLAP_NONE ? NULL : &a->io->overlaps.beside[s->beside];
}

bool io_beside_at_least(const struct analysis *a, const struct io_beside *b)
{
	return b->at_least || (a->facts->events_folded &&
			       trace_ns(a->trace, b->of.start) < a->facts->folded_until_ns);
}

static int by_rule(const void *x, const void *y)
{
	const struct io_finding *a = x, *b = y;

	int rules = strcmp(a->rule, b->rule);

	if (rules)
		return rules;
	return a->weight > b->weight ? -1 : a->weight < b->weight;
}

struct io_findings *io_findings_new(struct analysis *a)
{
	struct io_findings *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	for (uint32_t i = 0; i < a->io->sites.count; i++) {
		small_calls(all, &a->io->site[i], i, false);
		small_calls(all, &a->io->site[i], i, true);
		polling(a, all, &a->io->site[i], i);
	}
	for (uint32_t i = 0; i < a->io->target_map.count; i++) {
		const struct io_pattern *p = io_patterns_of(&a->io->patterns, i);

		if (a->io->target[i].id != IO_OTHERS) {
			unwritten(a, all, i);
			unflushed(a, all, i);
		}
		if (!p)
			continue;
		byte_by_byte(all, i, p);
		syncing(a, all, i, p);
		opening(all, i, p);
		seeking(all, i, p);
		reading_again(a, all, i, p);
		at_random(all, i, p);
		talking(a, all, i, p);
	}
	qsort(all->finding, all->count, sizeof(all->finding[0]), by_rule);
	return all;
}
