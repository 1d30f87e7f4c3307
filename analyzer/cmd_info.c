/* SPDX-License-Identifier: MIT */
/* `lariat info`: what a trace holds, lost and dropped. */
#include "cmd_info.h"
#include "heap_load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "eachtrace.h"

const char *info_end_name(const struct trace_facts *f)
{
	switch (f->header->end) {
	case LAR_END_EXIT:
		return "exit";
	case LAR_END_SIGNAL:
		return "signal";
	case LAR_END_EXEC:
		return "exec";
	default:
		return f->running ? "running" : "unknown";
	}
}

static const struct {
	const char *name, *meaning;
} lost_rows[LAR_LOST_REASONS] = {
	[LAR_LOST_NO_SLOT] = { "no_slot",
			       "events of threads beyond the number that can record at once; a "
			       "larger --size allows more" },
	[LAR_LOST_NESTED] = { "nested", "events in signal handlers that interrupted the recording "
					"of another signal handler" },
	[LAR_LOST_RING_BUSY] = { "ring_busy", "events for which the file had no room in time" },
	[LAR_LOST_EARLY] = { "early", "events before recording could start" },
	[LAR_LOST_TARGET] = { "target", "times that the name of a file found no room, whose "
					"operations have none: the dictionary is full" },
	[LAR_LOST_MODULE] = { "module", "loaded modules without a name: the dictionary is full" },
	[LAR_LOST_OFF] = { "off", "events while recording was switched off" },
	[LAR_LOST_STACK_CUT] = { "stack_cut", "stacks deeper than --depth: frames in the middle "
					      "are left out" },
	[LAR_LOST_FOLD_FRAME] = { "folded_frames",
				  "inner frames of stacks in the figures of what the ring gave "
				  "up: more different ones than there is room for" },
	[LAR_LOST_FOLD_ROW] = { "folded_rows",
				"operations in those figures without their own file, lock or "
				"stack, likewise" },
	[LAR_LOST_CPU] = { "cpu_samples", "CPU samples of threads for which there was no slot" },
};

const char *info_lost_name(unsigned reason)
{
	return reason < LAR_LOST_REASONS && lost_rows[reason].name ? lost_rows[reason].name : "";
}

const char *info_lost_meaning(unsigned reason)
{
	return *info_lost_name(reason) ? lost_rows[reason].meaning
				       : "a reason that this version does not know";
}

const char *info_section_name(uint32_t type)
{
	static const char *const name[] = {
		[LAR_SECTION_STAGING] = "staging",   [LAR_SECTION_DICT] = "dictionary",
		[LAR_SECTION_RING] = "ring",	     [LAR_SECTION_ACCOUNTS] = "accounts",
		[LAR_SECTION_LEAKS] = "leak_scans",  [LAR_SECTION_LIVE] = "live_blocks",
		[LAR_SECTION_TIMELINE] = "timeline",
	};

	return type < sizeof(name) / sizeof(*name) && name[type] ? name[type] : "unknown";
}

const char *info_symbols_name(enum symbols_state state)
{
	switch (state) {
	case SYMBOLS_UNUSED:
		return "unused";
	case SYMBOLS_DWARF:
		return "dwarf";
	case SYMBOLS_ELF:
		return "elf";
	case SYMBOLS_STRIPPED:
		return "stripped";
	case SYMBOLS_MISSING:
		return "missing";
	case SYMBOLS_CHANGED:
		return "changed";
	}
	return "unknown";
}

bool info_is_partial(const struct info *i)
{
	const struct trace_facts *f = i->facts;

	return f->events_overwritten || f->events_dropped || f->damage.blocks ||
	       f->damage.records || i->unlisted;
}

static int take_event(void *arg, const struct event *e)
{
	struct info *i = arg;

	/* those made of cells; the file's own have sums of the same kinds */
	if (e->flags & TRACE_FROM_CELL) {
		i->lock_cells += e->kind == LAR_EV_LOCKSUM;
		i->stream_cells += e->kind == LAR_EV_IO;
		return 0;
	}
	i->events[e->kind]++;
	if (e->time_ns < i->first_ns)
		i->first_ns = e->time_ns;
	if (e->time_ns > i->last_ns)
		i->last_ns = e->time_ns;
	return 0;
}

/* How well each module on some stack can be named: asks for one address in each. */
static int look_at_symbols(const struct cmd_context *c, struct info *i)
{
	const struct trace_facts *f = i->facts;
	struct symbols *s;
	int rc = 0;

	i->module_state = calloc(f->module_count + 1, sizeof(*i->module_state));
	s = symbols_new(c->symbols);
	if (!i->module_state || !s)
		rc = -ENOMEM;
	for (uint32_t m = 0; !rc && m < f->module_count; m++) {
		struct symbols_module module = { .path = f->modules[m].path,
						 .build_id = f->modules[m].build_id,
						 .build_id_size = f->modules[m].build_id_size,
						 .bias = f->modules[m].bias,
						 .start = f->modules[m].start,
						 .end = f->modules[m].end };

		rc = symbols_add_module(s, &module) < 0 ? -ENOMEM : 0;
	}
	for (uint32_t id = 1; !rc && id < trace_stack_count(i->trace); id++) {
		struct trace_frame leaf = trace_stack_leaf(i->trace, id);
		const struct symbol *unused;

		if (leaf.module >= f->module_count || i->module_state[leaf.module])
			continue;
		symbols_resolve(s, leaf.module, leaf.address, &unused);
		i->module_state[leaf.module] = symbols_module_state(s, leaf.module);
	}
	for (uint32_t m = 0; !rc && m < f->module_count; m++)
		i->module_state[m] = i->module_state[trace_module_in_stacks(i->trace, m)];
	symbols_free(s);
	return rc;
}

static int info_trace(const struct cmd_context *c, struct trace *t, void *arg)
{
	bool *first = arg;
	struct info i = { .trace = t, .first_ns = UINT64_MAX };
	int rc = trace_events(t, false, take_event, &i);

	i.facts = trace_facts(t);
	i.unlisted = trace_checkpoint(t) ? heap_load_unlisted(trace_checkpoint(t)) : 0;
	if (!rc)
		rc = look_at_symbols(c, &i);
	if (!rc && c->format == CMD_TEXT && !*first)
		fputc('\n', c->out);
	*first = false;
	if (!rc)
		rc = c->format == CMD_TEXT ? info_print_text(c, &i) : info_print_json(c, &i);
	free(i.module_state);
	return rc;
}

int cmd_info(const struct cmd_context *c)
{
	bool first = true;

	return each_trace(c, info_trace, &first);
}
