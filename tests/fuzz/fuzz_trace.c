/* SPDX-License-Identifier: MIT */
/*
 * The reader on hostile bytes, for libFuzzer and for replay.c: opens them as a trace, reads both
 * orders of events, every stack and every table, and checks what must hold for any input.
 *
 * With libFuzzer: clang -fsanitize=fuzzer,address,undefined, this file, the reader's sources.
 */
#include "fuzz_trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../analyzer/checkpoint.h"
#include "../../analyzer/trace.h"

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "fuzz_trace: %s does not hold\n", #condition);             \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct seen {
	struct trace *trace;
	uint64_t events, stacks;
	uint64_t sum; /* keeps every read from being optimized away */
};

/* Every string up to its NUL. */
static void read_string(struct seen *s, const char *text)
{
	MUST(text);
	s->sum += strlen(text);
}

static int take(void *arg, const struct event *e)
{
	struct seen *s = arg;

	MUST(e->kind < LAR_EV_MAX && *event_kind_name(e->kind));
	MUST(e->stack < trace_stack_count(s->trace));
	s->events += !(e->flags & TRACE_FROM_CELL);
	for (unsigned f = 0; f < LAR_EVENT_MAX_FIELDS; f++)
		s->sum += e->field[f];
	read_string(s, call_name(e->call));
	s->sum += call_family(e->call) + call_operation(e->call);
	s->sum += e->time_ns + e->thread + e->tid + e->flags;
	return 0;
}

static void read_stacks(struct seen *s)
{
	const struct trace_facts *f = trace_facts(s->trace);
	uint32_t n = trace_stack_count(s->trace);

	/* deep stacks are read from their leaf down: some of many are enough */
	for (uint32_t id = 0; id < n; id += n / 1000 + 1) {
		const struct trace_frame *frames;
		uint32_t depth = trace_stack(s->trace, id, &frames);

		MUST(depth <= LAR_MAX_DEPTH);
		for (uint32_t i = 0; i < depth; i++) {
			MUST(frames[i].module == UINT32_MAX || frames[i].module < f->module_count);
			s->sum += frames[i].address;
		}
		if (depth)
			MUST(frames[depth - 1].address == trace_stack_leaf(s->trace, id).address);
	}
}

static void read_facts(struct seen *s)
{
	const struct trace_facts *f = trace_facts(s->trace);
	const struct trace_thread *threads;
	uint32_t count;

	read_string(s, f->command);
	read_string(s, f->executable);
	read_string(s, f->host);
	read_string(s, f->cwd);
	for (uint32_t i = 0; i < f->argc; i++)
		read_string(s, f->argv[i]);
	for (uint32_t i = 0; i < f->module_count; i++) {
		const struct trace_module *m = &f->modules[i];

		read_string(s, m->path);
		for (uint32_t b = 0; b < m->build_id_size; b++)
			s->sum += m->build_id[b];
	}
	MUST(f->target_count >= 1);
	for (uint32_t i = 0; i < f->target_count; i++)
		read_string(s, f->targets[i].name);
	for (uint32_t i = 0; i < f->note_count; i++)
		read_string(s, f->notes[i]);
	threads = trace_threads(s->trace, &count);
	for (uint32_t i = 1; i < count; i++) {
		MUST(threads[i].number == i);
		read_string(s, threads[i].name);
	}
	s->sum += trace_ns(s->trace, f->header->end_ticks) + trace_span_ns(s->trace, UINT64_MAX);
}

/* Adds to the stacks, so in front of read_stacks(). */
static void read_misuses(struct seen *s)
{
	const struct trace_facts *f = trace_facts(s->trace);

	for (uint32_t i = 0; i < f->misuse_count; i++) {
		MUST(f->misuses[i].kind < LAR_MISUSE_KINDS);
		s->sum += trace_misuse_stack(s->trace, &f->misuses[i]);
		s->sum += trace_misuse_freed_stack(s->trace, &f->misuses[i]);
	}
}

/* Every row of every table, and every histogram. */
static void read_checkpoint(struct seen *s)
{
	const struct checkpoint *c = trace_checkpoint(s->trace);
	struct checkpoint_rows r;

	for (unsigned table = 0; c && table < LAR_TABLE_MAX; table++) {
		checkpoint_rows(c, table, &r);
		for (uint64_t row = 0; checkpoint_next(&r); row++) {
			struct histogram h;

			MUST(r.left + row + 1 == c->table[table].rows);
			histogram_init(&h, r.bits);
			checkpoint_histogram(&r, &h, 1);
			s->sum += r.value[0] + r.value[CHECKPOINT_COLUMNS - 1];
			MUST(histogram_quantile(&h, 500) <= h.max);
			histogram_fini(&h);
		}
	}
	for (uint64_t node = 0; c && node <= c->node_count; node++)
		MUST(checkpoint_stack(c, node) < trace_stack_count(s->trace));
}

static void read_trace(const char *path)
{
	struct seen s = { .trace = NULL };
	struct trace_error error;
	uint64_t unordered;
	int rc = trace_open(path, &s.trace, &error);

	if (rc) {
		MUST(rc < 0 && *error.text && !strchr(error.text, '\n'));
		return;
	}
	read_facts(&s);
	read_misuses(&s);
	rc = trace_events(s.trace, false, take, &s);
	MUST(rc == 0);
	unordered = s.events;
	/* kept counts all, but those of unknown kinds are not delivered */
	MUST(s.events <= trace_facts(s.trace)->events_kept);
	MUST(s.events + trace_facts(s.trace)->damage.skipped >= trace_facts(s.trace)->events_kept);
	s.events = 0;
	rc = trace_events(s.trace, true, take, &s);
	MUST(rc == 0);
	MUST(s.events == unordered);
	rc = trace_all_events(s.trace, true, take, &s);
	MUST(rc == 0);
	MUST(s.events >= 2 * unordered);
	read_checkpoint(&s);
	read_facts(&s);
	read_stacks(&s);
	trace_close(s.trace);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	static char path[64];

	if (fd < 0) {
		fd = memfd_create("fuzz_trace", MFD_CLOEXEC);
		MUST(fd >= 0);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	MUST(!ftruncate(fd, 0));
	MUST(pwrite(fd, data, size, 0) == (ssize_t)size);
	read_trace(path);
	return 0;
}
