/* SPDX-License-Identifier: MIT */
/* A program of several threads, made up: its I/O, locks and threads; and the models that take it.
 */
#ifndef LARIAT_FOLDPROGRAM_H
#define LARIAT_FOLDPROGRAM_H

#include <errno.h>
#include <stdlib.h>

#include "../../analyzer/cpu_model.h"
#include "../../analyzer/io_load.h"
#include "../../analyzer/lock_load.h"
#include "../../analyzer/thread_load.h"
#include "foldtest.h"

#define EVENTS	30000u
#define THREADS 24u
#define LOCKS	9u

static struct ft_event event[EVENTS];
static uint32_t events;

static uint64_t now;

static inline uint32_t any(uint32_t below)
{
	return (uint32_t)rand() % below;
}

static inline struct ft_event *add(unsigned kind, unsigned flags, unsigned call, uint32_t thread)
{
	struct ft_event *e = &event[events++];

	now += any(50);
	*e = (struct ft_event){ .kind = kind,
				.flags = flags,
				.call = call,
				.thread = thread,
				.creator = thread > 1,
				.ticks = now };
	e->field[0] = now;
	return e;
}

static inline void add_io(uint32_t thread)
{
	static const unsigned calls[] = { LAR_CALL_read,  LAR_CALL_write,   LAR_CALL_pread64,
					  LAR_CALL_close, LAR_CALL_openat,  LAR_CALL_fsync,
					  LAR_CALL_none,  LAR_CALL_connect, LAR_CALL_pwrite };
	struct ft_event *e = add(LAR_EV_IO, 0, calls[any(9)], thread);

	e->node = 1 + any(40);
	e->field[1] = any(20) ? any(200) : any(20000);
	e->field[2] = lar_fd_target((int)any(9) - 1, any(60));
	e->field[3] = any(10) ? any(5000) : (uint64_t) - (int64_t)(1 + any(5));
	e->field[4] = any(5000);
	if (!any(30))
		e->flags = LAR_IO_NO_TARGET;
}

/* Cells of the threads, as the recorder has them: acquisitions that no event tells yet. */
static struct {
	uint64_t acquisitions, caller;
	bool first;
} cell[THREADS + 1][LOCKS];

static inline unsigned lock_call(uint32_t lock)
{
	static const unsigned calls[] = { LAR_CALL_pthread_mutex_lock,
					  LAR_CALL_pthread_rwlock_rdlock, LAR_CALL_sem_wait,
					  LAR_CALL_pthread_cond_signal, LAR_CALL_syscall };

	return calls[lock % 5];
}

/* Numbers of what is at the locks' addresses now. */
static uint32_t lock_life[LOCKS], lock_lives;

static inline void add_first(uint32_t thread, uint32_t lock)
{
	struct ft_event *e = add(LAR_EV_LOCK, LAR_LOCK_FIRST, lock_call(lock), thread);

	cell[thread][lock].caller = 0x4000 + any(3);
	cell[thread][lock].first = true;
	if (lock % 3 && (!lock_life[lock] || !any(4)))
		lock_life[lock] = ++lock_lives;
	e->node = 1 + any(6);
	e->field[1] = lock_life[lock];
	e->field[2] = 0x1000 + lock;
	e->field[3] = cell[thread][lock].caller;
}

static inline void add_sum(uint32_t thread, uint32_t lock)
{
	struct ft_event *e;
	unsigned holds = any(4);

	if (holds > 1) {
		e = add(LAR_EV_LOCKHOLDS, 0, lock_call(lock), thread);
		e->field[1] = 0x1000 + lock;
		e->field[2] = cell[thread][lock].caller;
		e->field[3] = 4 * any(9) | (uint64_t)any(3) << 16;
		e->field[4 + any(3)] = 7 | (uint64_t)any(500) << 16;
		e->field[5] = (uint64_t)any(9) << 48;
	}
	e = add(LAR_EV_LOCKSUM, holds ? 0 : LAR_LOCKSUM_ONE, lock_call(lock), thread);
	e->field[1] = 0x1000 + lock;
	e->field[2] = cell[thread][lock].acquisitions;
	e->field[3] = any(10000);
	e->field[4] = any(1000);
	e->field[5] = any(3) | (uint64_t)any(5) << 32;
	e->field[6] = cell[thread][lock].caller;
	cell[thread][lock].acquisitions = 0;
	cell[thread][lock].first = false;
}

static inline void add_contended(uint32_t thread, uint32_t lock)
{
	static const int results[] = { 0, 0, 0, 0, ETIMEDOUT, EOWNERDEAD, EDEADLK };
	uint32_t holder = any(THREADS + 1);
	struct ft_event *e = add(LAR_EV_LOCKWAIT, 0, LAR_CALL_pthread_mutex_lock, thread);

	e->node = 1 + any(6);
	e->field[1] = 0x1000 + lock;
	e->field[2] = holder;
	e->field[3] = cell[holder][lock].caller;
	if (!any(10)) /* the next event of the thread ends it */
		return;
	e = add(LAR_EV_LOCK, LAR_LOCK_CONTENDED, LAR_CALL_pthread_mutex_lock, thread);
	e->node = 1 + any(6);
	e->field[1] = any(3000);
	e->field[2] = 0x1000 + (any(20) ? lock : lock + 1);
	e->field[3] = (uint64_t)results[any(7)];
	if (!e->field[3] || e->field[3] == EOWNERDEAD)
		e->flags |= LAR_LOCK_NO_CELL;
}

static inline void add_order(uint32_t thread, uint32_t lock)
{
	uint32_t held = 1 + any(3);

	for (uint32_t i = 0; i < held; i++) {
		struct ft_event *e = add(LAR_EV_LOCKORDER, 0, LAR_CALL_pthread_mutex_lock, thread);

		e->node = 1 + any(6);
		e->field[1] = 0x1000 + lock;
		e->field[2] = 0x1000 + (lock + 1 + i) % LOCKS;
		e->field[3] = cell[thread][(lock + 1 + i) % LOCKS].caller;
		e->field[4] = i | (uint64_t)held << 8 | (uint64_t)any(4) << 16;
	}
}

static inline void add_wait(uint32_t thread)
{
	static const unsigned calls[] = { LAR_CALL_pthread_cond_timedwait, LAR_CALL_syscall,
					  LAR_CALL_pthread_barrier_wait };
	uint32_t which = any(3);
	struct ft_event *e = add(LAR_EV_LOCK, 0, calls[which], thread);

	e->node = 10 + 3 * which + any(3); /* a stack is of one call */
	e->field[1] = any(5000);
	e->field[2] = 0x2000;
	e->field[3] = any(2) ? ETIMEDOUT : 0;
}

static inline void add_lock(uint32_t thread)
{
	uint32_t lock = any(LOCKS);
	struct ft_event *e;

	if (!cell[thread][lock].first && any(20))
		add_first(thread, lock);
	cell[thread][lock].acquisitions += any(5);
	switch (any(10)) {
	case 0:
		add_sum(thread, lock);
		break;
	case 1:
		e = add(LAR_EV_LOCK, LAR_LOCK_TRY, LAR_CALL_pthread_mutex_trylock, thread);
		e->field[2] = 0x1000 + lock;
		e->field[3] = EBUSY;
		break;
	case 2:
		add_wait(thread);
		break;
	case 3:
		add(LAR_EV_LOCK, LAR_LOCK_UNOWNED, LAR_CALL_pthread_mutex_unlock, thread);
		break;
	case 4:
		e = add(LAR_EV_LOCK, LAR_LOCK_HELD | (any(4) ? 0u : LAR_LOCK_UNOWNED),
			LAR_CALL_pthread_mutex_unlock, thread);
		e->field[1] = 1u << 23;
		e->field[2] = 0x1000 + lock;
		e->field[3] = cell[thread][lock].caller;
		break;
	case 5:
		if (!any(4))
			add_order(thread, lock);
		break;
	case 6:
		e = add(LAR_EV_LOCK, LAR_LOCK_NO_CELL | (any(2) ? LAR_LOCK_TRY : 0),
			LAR_CALL_sem_post, thread);
		e->node = 1 + any(3);
		break;
	default:
		add_contended(thread, lock);
	}
}

static inline void add_stack(uint32_t thread)
{
	struct ft_event *e = add(LAR_EV_THREAD_STACK, 0, LAR_CALL_none, thread);

	e->field[1] = thread;
	e->field[2] = 8 << 20;
	e->field[3] = any(9) * 4096;
}

static inline void add_thread(uint32_t by)
{
	static uint32_t number;
	uint32_t who = 2 + any(THREADS - 2);
	struct ft_event *e;

	switch (any(4)) {
	case 0:
		number = number % (THREADS - 1) + 2;
		e = add(LAR_EV_THREAD_CREATE, any(4) ? 0 : LAR_THREAD_DETACHED,
			LAR_CALL_pthread_create, by);
		e->node = 50 + any(3);
		e->field[2] = number;
		e->field[3] = any(9) ? 0 : EAGAIN;
		break;
	case 1:
		e = add(LAR_EV_THREAD_START, 0, 0, who);
		e->field[1] = who;
		break;
	case 2:
		e = add(LAR_EV_THREAD_END, 0, 0, who);
		e->field[1] = who;
		e->field[2] = any(100000);
		break;
	default:
		e = add(LAR_EV_THREAD_JOIN, 0,
			any(3) ? LAR_CALL_pthread_join : LAR_CALL_pthread_detach, by);
		e->field[2] = who;
		e->field[3] = any(4) ? 0 : EINVAL;
	}
}

static inline void add_cpu(uint32_t thread)
{
	static const unsigned flags[] = {
		0, 0, 0, LAR_CPU_KERNEL, LAR_CPU_RECORDER, LAR_CPU_CLOCK, LAR_CPU_BLOCKED
	};
	struct ft_event *e = add(LAR_EV_CPU, flags[any(7)], 0, thread);

	e->node = e->flags & (LAR_CPU_RECORDER | LAR_CPU_CLOCK) ? 0 : 1 + any(40);
	e->field[1] = now / 2;
	e->field[2] = any(3) ? 0 : any(4);
}

static inline void make_events(unsigned seed, uint32_t count)
{
	srand(seed);
	memset(cell, 0, sizeof(cell));
	events = 0;
	now = 1000000;
	while (events < count) {
		/* threads come one by one */
		uint32_t thread = 1 + any(1 + events * THREADS / count);
		struct ft_event *e;

		switch (any(40)) {
		case 0:
			add_thread(thread);
			break;
		case 1 ... 5:
			e = add(LAR_EV_ALLOC, 0, LAR_CALL_malloc, thread);
			e->field[1] = any(9) ? 0x5000 : 0;
			e->field[2] = any(1000);
			break;
		case 6:
			add_stack(thread);
			break;
		case 7 ... 15:
			add_lock(thread);
			break;
		case 16 ... 20:
			add_cpu(thread);
			break;
		default:
			add_io(thread);
		}
	}
}

/* ---- models ---- */

struct models {
	struct io_model io;
	struct lock_model locks;
	struct thread_model threads;
	struct cpu_model cpu;
};

static inline void models_init(struct models *m, const struct site_rule *rule)
{
	assert(!io_model_init(&m->io, rule, 0, 50));
	lock_model_init(&m->locks, rule, 0);
	thread_model_init(&m->threads, 0);
	cpu_model_init(&m->cpu, rule, 0);
}

static inline void models_fini(struct models *m)
{
	io_model_fini(&m->io);
	lock_model_fini(&m->locks);
	thread_model_fini(&m->threads);
	cpu_model_fini(&m->cpu);
}

/* What the recorder's accounts hold. */
static inline void models_read(struct models *m)
{
	struct checkpoint c;

	ft_read(&c);
	assert(!io_load(&m->io, &c));
	assert(!lock_load(&m->locks, &c, true));
	assert(!thread_load(&m->threads, &c, true));
	assert(!cpu_model_load(&m->cpu, &c));
	checkpoint_fini(&c);
}

static inline void models_load(struct models *m, struct fold *f)
{
	assert(fold_checkpoint(f));
	models_read(m);
}

static inline void models_take(struct models *m, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		struct event e = ft_to_event(&event[i]);

		assert(!io_model_event(&m->io, &e));
		assert(!lock_model_event(&m->locks, &e));
		assert(!thread_model_event(&m->threads, &e));
		assert(!cpu_model_event(&m->cpu, &e));
	}
	io_model_finish(&m->io);
	assert(!lock_model_finish(&m->locks));
	thread_model_finish(&m->threads);
}

#endif
