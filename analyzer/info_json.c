/* SPDX-License-Identifier: MIT */
/* `lariat info --format json`: one object a line for each trace. */
#include <errno.h>
#include <string.h>

#include "cmd_info.h"
#include "jsonline.h"

static void put_u64(struct jsonline *j, const char *key, uint64_t value)
{
	jsonline_key(j, key);
	jsonline_unsigned(j, value);
}

static void put_text(struct jsonline *j, const char *key, const char *value)
{
	jsonline_key(j, key);
	jsonline_string(j, value);
}

static void open_object(struct jsonline *j, const char *key)
{
	jsonline_key(j, key);
	jsonline_open(j, '{');
}

static void open_list(struct jsonline *j, const char *key)
{
	jsonline_key(j, key);
	jsonline_open(j, '[');
}

static void put_process(struct jsonline *j, const struct trace_facts *f)
{
	const struct lar_header *h = f->header;

	open_object(j, "process");
	put_u64(j, "pid", h->pid);
	put_u64(j, "parent_pid", h->parent_pid);
	put_text(j, "command", f->command);
	put_text(j, "executable", f->executable);
	open_list(j, "arguments");
	for (uint32_t i = 0; i < f->argc; i++)
		jsonline_string(j, f->argv[i]);
	jsonline_close(j, ']');
	put_text(j, "host", f->host);
	put_text(j, "working_folder", f->cwd);
	put_u64(j, "start_unix_ns", h->start_unix_ns);
	put_u64(j, "duration_ns", f->duration_ns);
	put_text(j, "end", info_end_name(f));
	jsonline_key(j, "exit_code");
	if (h->end == LAR_END_EXIT || h->end == LAR_END_SIGNAL)
		jsonline_signed(j, h->exit_code);
	else
		jsonline_null(j);
	jsonline_close(j, '}');
}

static void put_trace(struct jsonline *j, const struct info *i)
{
	const struct trace_facts *f = i->facts;
	const struct lar_header *h = f->header;

	open_object(j, "trace");
	put_text(j, "file", f->path);
	put_u64(j, "format_version", h->version);
	put_u64(j, "size_bytes", f->file_bytes);
	put_u64(j, "disk_bytes", f->disk_bytes);
	put_u64(j, "bound_bytes", h->bound);
	put_u64(j, "events_written", f->events_written);
	put_u64(j, "events_kept", f->events_kept);
	put_u64(j, "events_folded", f->events_folded);
	put_u64(j, "events_overwritten", f->events_overwritten);
	put_u64(j, "events_dropped", f->events_dropped);
	put_u64(j, "events_damaged", f->damage.events_at_least);
	put_u64(j, "events_unknown", f->damage.skipped);
	put_u64(j, "blocks_kept", f->blocks_kept);
	put_u64(j, "blocks_damaged", f->damage.blocks);
	put_u64(j, "records_damaged", f->damage.records);
	put_u64(j, "stack_frames_folded", f->stacks_folded);
	put_u64(j, "sampled_bytes", h->sample_bytes);
	put_u64(j, "first_kept_ns", i->first_ns == UINT64_MAX ? 0 : i->first_ns);
	put_u64(j, "last_kept_ns", i->last_ns);
	put_u64(j, "folded_until_ns", f->folded_until_ns);
	put_u64(j, "blocks_unlisted", i->unlisted);
	jsonline_key(j, "partial");
	jsonline_bool(j, info_is_partial(i));
	jsonline_key(j, "clock_estimated");
	jsonline_bool(j, f->clock_estimated);
	open_list(j, "sections");
	for (uint32_t s = 0; s < h->section_count; s++) {
		jsonline_open(j, '{');
		put_text(j, "section", info_section_name(h->sections[s].type));
		put_u64(j, "type", h->sections[s].type);
		put_u64(j, "offset", h->sections[s].offset);
		put_u64(j, "size_bytes", h->sections[s].size);
		put_u64(j, "used", h->sections[s].used);
		jsonline_close(j, '}');
	}
	jsonline_close(j, ']');
	jsonline_close(j, '}');
}

/* A test build of the recorder compared its stacks with another unwinder's. */
static void put_check(struct jsonline *j, const struct lar_header *h)
{
	if (!h->check_stacks)
		return;
	open_object(j, "unwind_check");
	put_u64(j, "stacks", h->check_stacks);
	put_u64(j, "different", h->check_different);
	put_u64(j, "incomplete", h->check_incomplete);
	jsonline_close(j, '}');
}

static void put_recording(struct jsonline *j, const struct lar_header *h)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} part[] = { { LAR_RECORD_HEAP, "heap" },
		     { LAR_RECORD_IO, "io" },
		     { LAR_RECORD_LOCKS, "locks" },
		     { LAR_RECORD_THREADS, "threads" },
		     { LAR_RECORD_CPU, "cpu" } };

	open_object(j, "options");
	open_list(j, "record");
	for (size_t p = 0; p < sizeof(part) / sizeof(*part); p++)
		if (h->record & part[p].bit)
			jsonline_string(j, part[p].name);
	jsonline_close(j, ']');
	put_u64(j, "depth", h->depth);
	put_u64(j, "sample_bytes", h->sample_bytes);
	put_u64(j, "interval_ns", h->interval_ns);
	jsonline_close(j, '}');
}

static void put_counts(struct jsonline *j, const struct info *i)
{
	const struct lar_header *h = i->facts->header;
	uint32_t threads;

	open_object(j, "events");
	for (unsigned k = 0; k < LAR_EV_MAX; k++)
		if (i->events[k])
			put_u64(j, event_kind_name(k), i->events[k]);
	jsonline_close(j, '}');
	open_list(j, "lost");
	for (unsigned r = 0; r < LAR_LOST_REASONS; r++) {
		if (!h->lost[r])
			continue;
		jsonline_open(j, '{');
		put_text(j, "reason", info_lost_name(r));
		put_u64(j, "count", h->lost[r]);
		put_text(j, "meaning", info_lost_meaning(r));
		jsonline_close(j, '}');
	}
	jsonline_close(j, ']');
	trace_threads(i->trace, &threads);
	put_u64(j, "threads", threads ? threads - 1 : 0);
	put_u64(j, "stacks", trace_stack_count(i->trace) - 1);
	put_u64(j, "targets", i->facts->target_count - 1);
	put_u64(j, "lock_cells", i->lock_cells);
	put_u64(j, "stream_cells", i->stream_cells);
}

static void put_module(struct jsonline *j, const struct info *i, const struct trace_module *m)
{
	static const char digit[] = "0123456789abcdef";
	char id[2 * 64 + 1];
	uint32_t n = 0;

	for (; n < m->build_id_size && n < 64; n++) {
		id[2 * n] = digit[m->build_id[n] >> 4];
		id[2 * n + 1] = digit[m->build_id[n] & 15];
	}
	id[2 * n] = 0;
	jsonline_open(j, '{');
	put_text(j, "module", m->path);
	put_text(j, "build_id", id);
	put_u64(j, "start", m->start);
	put_u64(j, "end", m->end);
	put_u64(j, "bias", m->bias);
	put_u64(j, "first_seen_ns", trace_ns(i->trace, m->first_seen_ticks));
	jsonline_key(j, "unload_ns");
	if (m->unload_ticks == UINT64_MAX)
		jsonline_null(j);
	else
		jsonline_unsigned(j, trace_ns(i->trace, m->unload_ticks));
	put_text(j, "symbols", info_symbols_name(i->module_state[m - i->facts->modules]));
	jsonline_close(j, '}');
}

int info_print_json(const struct cmd_context *c, const struct info *i)
{
	const struct trace_facts *f = i->facts;
	struct jsonline j = { NULL, 0, 0, false, false };
	int rc = 0;

	jsonline_open(&j, '{');
	put_text(&j, "schema", "lariat/1");
	put_process(&j, f);
	put_trace(&j, i);
	put_recording(&j, f->header);
	put_check(&j, f->header);
	put_counts(&j, i);
	open_list(&j, "modules");
	for (uint32_t m = 0; m < f->module_count; m++)
		put_module(&j, i, &f->modules[m]);
	jsonline_close(&j, ']');
	open_list(&j, "notes");
	for (uint32_t n = 0; n < f->note_count; n++)
		jsonline_string(&j, f->notes[n]);
	jsonline_close(&j, ']');
	jsonline_close(&j, '}');
	if (j.failed)
		rc = -ENOMEM;
	else
		jsonline_write(&j, c->out);
	jsonline_fini(&j);
	return rc;
}
