/* SPDX-License-Identifier: MIT */
/* Threads: creation, start and end, joining, names. */
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>

#include "dict.h"
#include "apart.h"
#include "cpu.h"
#include "fold_rows.h"
#include "hook.h"
#include "kernelio.h"
#include "sys.h"
#include "unwound.h"

/* What the creator hands to the new thread; from a fixed table in the wiped state, not the heap. */
static struct recorder_start *start_take(void)
{
	for (uint32_t i = 0; lar && i < RECORDER_STARTS; i++) {
		uint32_t none = 0;

		if (atomic_compare_exchange_strong(&lar->start[i].taken, &none, 1))
			return &lar->start[i];
	}
	return NULL;
}

static uint32_t known_hash(uint64_t handle)
{
	return (uint32_t)((handle * 0x9e3779b97f4a7c15ull) >> 40) % RECORDER_HANDLES;
}

/* The thread's number by its pthread_t; a handle that is used again replaces the old one. */
static void handle_enter(uint64_t handle, uint32_t number)
{
	uint32_t at = known_hash(handle);

	for (uint32_t i = 0; i < 16; i++) {
		struct recorder_handle *h = &lar->handle[(at + i) % RECORDER_HANDLES];
		uint64_t found = atomic_load(&h->handle);

		if (found == handle ||
		    (!found && atomic_compare_exchange_strong(&h->handle, &found, handle))) {
			atomic_store(&h->number, number);
			return;
		}
	}
}

static uint32_t handle_number(uint64_t handle)
{
	uint32_t at = known_hash(handle);

	for (uint32_t i = 0; lar && i < 16; i++) {
		struct recorder_handle *h = &lar->handle[(at + i) % RECORDER_HANDLES];

		if (atomic_load(&h->handle) == handle)
			return atomic_load(&h->number);
	}
	return 0;
}

static void record_simple(unsigned kind, uint64_t a, uint64_t b, uint64_t c, unsigned fields)
{
	struct thread *t = span_open((uint64_t)__builtin_frame_address(0));
	uint64_t *r;

	if (!t)
		return;
	r = span_record(t, kind, 0, 0, fields);
	if (r) {
		r[0] = lar_ticks();
		r[1] = a;
		if (fields > 2)
			r[2] = b;
		if (fields > 3)
			r[3] = c;
		span_commit(t);
	}
	span_close(t);
}

#define STACK_PAGES 512 /* looked at in one call */

/* Bytes of a stack from its lowest page that is resident. */
static uint64_t stack_used(uint64_t low, uint64_t high)
{
	unsigned char there[STACK_PAGES];

	for (uint64_t at = low; at < high;) {
		uint64_t size = high - at < STACK_PAGES * 4096u ? high - at : STACK_PAGES * 4096u;

		if (sys_call3(SYS_mincore, (long)at, (long)size, (long)there))
			return 0;
		for (uint64_t i = 0; i < (size + 4095) / 4096; i++)
			if (there[i] & 1)
				return high - at - i * 4096;
		at += size;
	}
	return 0;
}

/* Libc puts a thread's descriptor at the top of its stack. */
static void record_stack(uint64_t number, uint64_t size)
{
	uint64_t high = ((uint64_t)__builtin_thread_pointer() + 4095) & ~4095ull;

	size &= ~4095ull;
	if (size && size < high)
		record_simple(LAR_EV_THREAD_STACK, number, size, stack_used(high - size, high), 4);
}

/* Runs when the start function returns, calls pthread_exit, or is cancelled. */
static void thread_over(void *arg)
{
	const struct recorder_start *s = arg;

	if (hook_wants(LAR_RECORD_THREADS)) {
		record_stack(s->number, s->stack_size);
		record_simple(LAR_EV_THREAD_END, s->number, sys_clock_ns(CLOCK_THREAD_CPUTIME_ID),
			      0, 3);
	}
	cpu_thread_end((uint64_t)__builtin_frame_address(0));
	thread_end();
}

static struct recorder_start thread_introduce(struct recorder_start *from)
{
	struct recorder_start s = { .number = from->number,
				    .creator = from->creator,
				    .function = from->function,
				    .argument = from->argument,
				    .stack_size = from->stack_size };

	thread_begin(s.number, s.creator, s.stack_size);
	/* it may detach itself before its creator knows its handle */
	handle_enter((uint64_t)pthread_self(), s.number);
	atomic_store(&from->taken, 0);
	if (hook_wants(LAR_RECORD_THREADS))
		record_simple(LAR_EV_THREAD_START, s.number, 0, 0, 2);
	cpu_thread_enter((uint64_t)__builtin_frame_address(0));
	return s;
}

/*
 * The creator may detach, name or join the thread before that has begun and told its handle. Once
 * it has, it may also have freed what its handle was stored in: that is not looked at any more.
 */
static void handle_learn(struct recorder_start *s, uint32_t number, const uint64_t *handle)
{
	if (atomic_load(&s->taken) && s->number == number && sys_readable(handle) &&
	    atomic_load(&s->taken) && s->number == number)
		handle_enter(*handle, number);
}

static void *trampoline(void *arg)
{
	struct recorder_start s = thread_introduce(arg);
	void *result;

	/* compiled without exceptions this is libc's own mechanism, which needs no libgcc_s */
	pthread_cleanup_push(thread_over, &s);
	result = s.function(s.argument);
	pthread_cleanup_pop(1);
	return result;
}

/* A thread of C11 has another type of function. */
static int trampoline_c11(void *arg)
{
	struct recorder_start s = thread_introduce(arg);
	int result;

	pthread_cleanup_push(thread_over, &s);
	result = ((thrd_start_t)(void (*)(void))s.function)(s.argument);
	pthread_cleanup_pop(1);
	return result;
}

static uint64_t stack_size_of(const pthread_attr_t *attr)
{
	size_t size = 0;
	pthread_attr_t standard;

	if (attr)
		return pthread_attr_getstacksize(attr, &size) ? 0 : size;
	if (pthread_attr_init(&standard))
		return 0;
	if (pthread_attr_getstacksize(&standard, &size))
		size = 0;
	pthread_attr_destroy(&standard);
	return size;
}

static bool is_detached(const pthread_attr_t *attr)
{
	int state;

	return attr && !pthread_attr_getdetachstate(attr, &state) &&
	       state == PTHREAD_CREATE_DETACHED;
}

static void record_thread(unsigned kind, unsigned flags, unsigned call, uint64_t before,
			  uint32_t number, int result, uint64_t frame)
{
	struct thread *t;
	uint64_t *r;

	if (!hook_wants(LAR_RECORD_THREADS))
		return;
	t = span_open(frame);
	if (!t)
		return;
	hook_call_end(t);
	r = span_record_stack(t, kind, flags, call, 4, frame);
	if (r) {
		r[0] = lar_ticks();
		r[1] = before ? r[0] - before : 0;
		r[2] = number;
		r[3] = (uint64_t)result;
		span_commit(t);
	}
	span_close(t);
}

LAR_EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			      void *(*function)(void *), void *argument)
{
	uint64_t before = hook_ticks();
	uint32_t creator = thread_number(), number;
	struct recorder_start *s = creator ? start_take() : NULL;
	bool detached = is_detached(attr);
	int result;

	kernelio_second_thread();
	apart_alone = false;
	if (!s)
		return REAL(pthread_create)(thread, attr, function, argument);
	number = thread_number_new();
	s->function = function;
	s->argument = argument;
	s->number = number;
	s->creator = creator;
	s->stack_size = stack_size_of(attr);
	result = REAL(pthread_create)(thread, attr, trampoline, s);
	if (result)
		atomic_store(&s->taken, 0);
	else
		handle_learn(s, number, (const uint64_t *)thread);
	record_thread(LAR_EV_THREAD_CREATE, detached ? LAR_THREAD_DETACHED : 0,
		      LAR_CALL_pthread_create, before, number, result, HOOK_FRAME);
	return result;
}

LAR_EXPORT int thrd_create(thrd_t *thread, thrd_start_t function, void *argument)
{
	uint64_t before = hook_ticks();
	uint32_t creator = thread_number(), number;
	struct recorder_start *s = creator ? start_take() : NULL;
	int result;

	if (!s)
		return REAL(thrd_create)(thread, function, argument);
	number = thread_number_new();
	s->function = (void *(*)(void *))(void (*)(void))function;
	s->argument = argument;
	s->number = number;
	s->creator = creator;
	s->stack_size = stack_size_of(NULL);
	result = REAL(thrd_create)(thread, trampoline_c11, s);
	if (result != thrd_success)
		atomic_store(&s->taken, 0);
	else
		handle_learn(s, number, (const uint64_t *)thread);
	record_thread(LAR_EV_THREAD_CREATE, 0, LAR_CALL_thrd_create, before, number,
		      result == thrd_success ? 0 : EAGAIN, HOOK_FRAME);
	return result;
}

static void join_begin(unsigned call, uint32_t number, uint64_t now, uint64_t frame)
{
	struct thread *t = lar_self;

	if (t->gate != GATE_OPEN || !hook_wants(LAR_RECORD_THREADS))
		return;
	hook_call_begin(t, call, (int)number, 0, now);
	t->waited.call = call;
	t->waited.addr = number;
	t->waited.frame = frame;
	t->waited.since = now;
}

static void join_end(unsigned call, uint32_t number, uint64_t before, int result, uint64_t frame)
{
	if (lar_self->waited.since)
		lar_self->waited.since = 0;
	record_thread(LAR_EV_THREAD_JOIN, 0, call, before, number, result, frame);
}

/* The thread is cancelled in it; the other one is not joined. */
static void join_left(void)
{
	const struct thread *t = lar_self;

	if (t->waited.since && fold_operation(t->waited.call) == LAR_OP_JOIN)
		join_end(t->waited.call, (uint32_t)t->waited.addr, t->waited.since, ECANCELED,
			 t->waited.frame);
}

UNWOUND_PERSONALITY(join_unwound, join_left)

#define JOIN(symbol, parameters, arguments)                                                        \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		uint64_t before = hook_ticks();                                                    \
		uint32_t number = handle_number((uint64_t)thread);                                 \
		int result;                                                                        \
                                                                                                   \
		UNWOUND_TELLS(join_unwound);                                                       \
		join_begin(LAR_CALL_##symbol, number, before, HOOK_FRAME);                         \
		result = REAL(symbol) arguments;                                                   \
		join_end(LAR_CALL_##symbol, number, before, result, HOOK_FRAME);                   \
		return result;                                                                     \
	}

JOIN(pthread_join, (pthread_t thread, void **value), (thread, value))
JOIN(pthread_tryjoin_np, (pthread_t thread, void **value), (thread, value))
JOIN(pthread_timedjoin_np, (pthread_t thread, void **value, const struct timespec *until),
     (thread, value, until))
JOIN(pthread_clockjoin_np,
     (pthread_t thread, void **value, clockid_t clock, const struct timespec *until),
     (thread, value, clock, until))
JOIN(pthread_detach, (pthread_t thread), (thread))
JOIN(thrd_join, (thrd_t thread, int *value), (thread, value))
JOIN(thrd_detach, (thrd_t thread), (thread))

void thread_named(uint32_t number, const char *name)
{
	struct {
		struct lar_dict_thread d;
		char name[16];
	} record;

	if (!number || !hook_wants(LAR_RECORD_THREADS))
		return;
	memset(&record, 0, sizeof(record));
	record.d.ticks = hook_ticks();
	memcpy(record.name, name, strnlen(name, sizeof(record.name) - 1));
	dict_append(LAR_DICT_THREAD, number, &record, sizeof(record));
}

LAR_EXPORT int pthread_setname_np(pthread_t thread, const char *name)
{
	uint32_t number = pthread_equal(thread, pthread_self()) ? thread_number()
								: handle_number((uint64_t)thread);
	int result = REAL(pthread_setname_np)(thread, name);

	if (!result)
		thread_named(number, name);
	return result;
}
