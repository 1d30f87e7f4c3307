/* SPDX-License-Identifier: MIT */
/* A checkpoint's threads into a model; see thread_load.h. */
#include "thread_load.h"

#include <errno.h>

/* Columns of the tables, as format/checkpoint.h has them. */
enum total_column {
	TOTAL_CREATED,
	TOTAL_CREATE_FAILURES,
	TOTAL_RUNNING,
	TOTAL_PEAK,
	TOTAL_PEAK_AT,
	TOTAL_GONE,
	TOTAL_GONE_UNJOINED,
	TOTAL_GONE_BELOW,
};
enum thread_column {
	THREAD_NUMBER,
	THREAD_FLAGS,
	THREAD_TID,
	THREAD_CREATOR,
	THREAD_NODE,
	THREAD_START,
	THREAD_LIFE,
	THREAD_CPU,
	THREAD_ALLOCATIONS,
	THREAD_ALLOCATED,
	THREAD_IO_CALLS,
	THREAD_IO_BYTES,
	THREAD_IO_TICKS,
	THREAD_LOCK_WAITS,
	THREAD_LOCK_TICKS,
	THREAD_IDLE_TICKS,
	THREAD_STACK_BYTES,
	THREAD_STACK_USED,
	THREAD_SAMPLES,
	THREAD_MISSED,
	THREAD_IN_RECORDER,
	THREAD_IN_LOCKS,
	THREAD_IN_IO,
	THREAD_IN_IDLE,
	THREAD_CPU_BEFORE,
	THREAD_IDLE_WAITS,
	THREAD_IDLE_WEIGHT,
	THREAD_IDLE_NODE,
	THREAD_IDLE_CALL,
};
enum { FLAG_CREATED = 1, FLAG_STARTED = 2, FLAG_ENDED = 4, FLAG_JOINED = 8, FLAG_DETACHED = 16 };

static void load_totals(struct thread_model *m, const struct checkpoint *c)
{
	struct checkpoint_rows r;
	const uint64_t *v = r.value;

	checkpoint_rows(c, LAR_TABLE_THREAD_TOTALS, &r);
	if (!checkpoint_next(&r))
		return;
	m->created = v[TOTAL_CREATED];
	m->create_failures = v[TOTAL_CREATE_FAILURES];
	m->running = v[TOTAL_RUNNING];
	m->peak = v[TOTAL_PEAK];
	m->peak_at_ticks = v[TOTAL_PEAK_AT];
	m->gone = v[TOTAL_GONE];
	m->gone_unjoined = v[TOTAL_GONE_UNJOINED];
	m->gone_below = (uint32_t)v[TOTAL_GONE_BELOW];
}

static void load_life(struct thread_figures *t, const struct checkpoint *c, const uint64_t *v)
{
	t->tid = (uint32_t)v[THREAD_TID];
	t->creator = (uint32_t)v[THREAD_CREATOR];
	t->stack = checkpoint_stack(c, v[THREAD_NODE]);
	t->created = v[THREAD_FLAGS] & FLAG_CREATED;
	t->started = v[THREAD_FLAGS] & FLAG_STARTED;
	t->ended = v[THREAD_FLAGS] & FLAG_ENDED;
	t->joined = v[THREAD_FLAGS] & FLAG_JOINED;
	t->detached = v[THREAD_FLAGS] & FLAG_DETACHED;
	t->start_ticks = v[THREAD_START];
	t->end_ticks = v[THREAD_START] + (uint64_t)checkpoint_signed(v[THREAD_LIFE]);
	t->cpu_ns = v[THREAD_CPU];
	t->cpu_before_ns = v[THREAD_CPU_BEFORE];
	t->stack_bytes = v[THREAD_STACK_BYTES];
	t->stack_used = v[THREAD_STACK_USED];
}

static void load_work(struct thread_figures *t, const struct checkpoint *c, const uint64_t *v)
{
	t->allocations = v[THREAD_ALLOCATIONS];
	t->allocated_bytes = v[THREAD_ALLOCATED];
	t->io_calls = v[THREAD_IO_CALLS];
	t->io_bytes = v[THREAD_IO_BYTES];
	t->io_ticks = v[THREAD_IO_TICKS];
	t->lock_waits = v[THREAD_LOCK_WAITS];
	t->lock_wait_ticks = v[THREAD_LOCK_TICKS];
	t->idle_ticks = v[THREAD_IDLE_TICKS];
	t->samples = v[THREAD_SAMPLES];
	t->missed = v[THREAD_MISSED];
	t->in_recorder = v[THREAD_IN_RECORDER];
	t->in_locks = v[THREAD_IN_LOCKS];
	t->in_io = v[THREAD_IN_IO];
	t->in_idle = v[THREAD_IN_IDLE];
	t->idle = (struct lar_idle){ .waits = v[THREAD_IDLE_WAITS],
				     .weight = v[THREAD_IDLE_WEIGHT],
				     .where = checkpoint_stack(c, v[THREAD_IDLE_NODE]),
				     .call = (uint32_t)v[THREAD_IDLE_CALL] };
}

/* Waits that were not over, as far as the thread has done nothing since. */
static void load_waits(struct thread_model *m, const struct checkpoint *c)
{
	enum { WAIT_THREAD, WAIT_CALL = 2, WAIT_SINCE = 4 };
	struct checkpoint_rows r;
	const uint64_t *v = r.value;

	checkpoint_rows(c, LAR_TABLE_LOCK_WAITING, &r);
	while (checkpoint_next(&r)) {
		uint32_t n = keymap_find(&m->map, v[WAIT_THREAD]);

		if (n == KEYMAP_NONE || m->thread[n].end_ticks > v[WAIT_SINCE])
			continue;
		m->thread[n].wait_ticks = v[WAIT_SINCE];
		m->thread[n].wait_idle = !lar_op_locks(call_operation((unsigned)v[WAIT_CALL]));
	}
}

int thread_load(struct thread_model *m, const struct checkpoint *c, bool sums)
{
	struct checkpoint_rows r;
	const uint64_t *v = r.value;

	load_totals(m, c);
	checkpoint_rows(c, LAR_TABLE_THREADS, &r);
	while (checkpoint_next(&r)) {
		struct thread_figures *t = &m->others;

		if (v[THREAD_NUMBER] > UINT32_MAX)
			continue;
		if (v[THREAD_NUMBER])
			t = thread_model_thread(m, (uint32_t)v[THREAD_NUMBER]);
		if (!t)
			return -ENOMEM;
		load_life(t, c, v);
		if (sums)
			load_work(t, c, v);
	}
	m->last_ticks = c->header.last_ticks;
	if (sums)
		load_waits(m, c);
	return 0;
}
