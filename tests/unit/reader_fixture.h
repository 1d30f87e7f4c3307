/* SPDX-License-Identifier: MIT */
/* For tests of the reader: a trace in memory, the events that it gives, in a fixture. */
#ifndef LARIAT_READER_FIXTURE_H
#define LARIAT_READER_FIXTURE_H

#include <unistd.h>

#include "../../analyzer/trace.h"
#include "tracebuild.h"

#define MAX_SEEN 4096

/* What trace_events() delivered, THREAD records left out. */
struct seen {
	struct event event[MAX_SEEN];
	size_t count;
	size_t stop_at; /* 0 = never */
};

struct fixture {
	struct tb tb;
	struct tb_records r;
	struct trace *trace;
	struct seen seen;
	char path[64];
};

static inline int take(void *arg, const struct event *e)
{
	struct seen *s = arg;

	if (e->kind == LAR_EV_THREAD)
		return 0;
	assert_true(s->count < MAX_SEEN);
	s->event[s->count++] = *e;
	return s->stop_at && s->count == s->stop_at ? 42 : 0;
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *folder = getenv("TMPDIR");

	snprintf(f->path, sizeof(f->path), "%s/reader.%d.lariat", folder ? folder : "/tmp",
		 (int)getpid());
	tb_init(&f->tb, 16384);
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	trace_close(f->trace);
	tb_fini(&f->tb);
	unlink(f->path);
	free(f);
	return 0;
}

static inline const struct trace_facts *open_trace(struct fixture *f)
{
	struct trace_error error;

	tb_write(&f->tb, f->path);
	trace_close(f->trace);
	f->trace = NULL;
	assert_int_equal(trace_open(f->path, &f->trace, &error), 0);
	return trace_facts(f->trace);
}

static inline void read_events(struct fixture *f, bool ordered)
{
	f->seen.count = 0;
	assert_int_equal(trace_events(f->trace, ordered, take, &f->seen), 0);
}

/* Starts a new run of records of a thread. */
static inline void begin(struct fixture *f, uint64_t time, uint32_t thread)
{
	tb_clear(&f->r);
	TB_THREAD(&f->r, time, 100 + thread, thread, thread - 1);
}

static inline void alloc(struct fixture *f, uint64_t time, uint64_t address)
{
	tb_add(&f->r, LAR_EV_ALLOC, 0, LAR_CALL_malloc, U(time), U(address), U(32), U(0));
}

/* The addresses of the events in their order, as one number with a digit for each. */
static inline uint64_t order(const struct fixture *f)
{
	uint64_t n = 0;

	for (size_t i = 0; i < f->seen.count; i++)
		n = n * 10 + f->seen.event[i].field[1];
	return n;
}

#endif
