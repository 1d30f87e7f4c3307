/* SPDX-License-Identifier: MIT */
/* The leak scan from its first to its last step, in the snapshot; see reach.h. */
#include "reach.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "sys.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#define RANGES_FIRST 256u
#define DESCRIPTORS  65536
#define PAUSE_TRIES  1000

void *reach_memory(struct reach *r, size_t size)
{
	void *p = sys_mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (!sys_failed((long)p))
		return p;
	r->failed = true;
	return NULL;
}

void reach_memory_free(void *p, size_t size)
{
	if (p)
		sys_munmap(p, size ? size : 1);
}

void reach_add_range(struct reach *r, struct reach_ranges *a, uint64_t start, uint64_t end)
{
	if (a->count && a->range[a->count - 1].start == start && a->range[a->count - 1].end == end)
		return;
	if (a->count == a->room) {
		size_t room = a->room ? 4 * a->room : RANGES_FIRST;
		struct reach_range *wide = reach_memory(r, room * sizeof(*wide));

		if (!wide)
			return;
		if (a->count)
			memcpy(wide, a->range, a->count * sizeof(*wide));
		reach_memory_free(a->range, a->room * sizeof(*wide));
		a->range = wide;
		a->room = room;
	}
	a->range[a->count++] = (struct reach_range){ start, end };
}

/* Heapsort: in place, and no worse for ranges that come in order. */
static void sift(struct reach_range *x, size_t at, size_t count)
{
	struct reach_range v = x[at];

	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= count)
			break;
		if (child + 1 < count && x[child + 1].start > x[child].start)
			child++;
		if (x[child].start <= v.start)
			break;
		x[at] = x[child];
		at = child;
	}
	x[at] = v;
}

void reach_sort_ranges(struct reach *r, struct reach_ranges *a)
{
	struct reach_range *x = a->range;
	size_t n = 0;

	(void)r;
	for (size_t i = a->count / 2; i-- > 0;)
		sift(x, i, a->count);
	for (size_t i = a->count; i-- > 1;) {
		struct reach_range v = x[0];

		x[0] = x[i];
		x[i] = v;
		sift(x, 0, i);
	}
	for (size_t i = 0; i < a->count; i++) {
		if (n && x[i].start <= x[n - 1].end) {
			if (x[i].end > x[n - 1].end)
				x[n - 1].end = x[i].end;
		} else {
			x[n++] = x[i];
		}
	}
	a->count = n;
}

/*
 * Of what the copy shares with the program, files are the only thing that others could wait for.
 * Where memory gets short, it is the copy that is to go.
 */
static void detach(const struct snapshot *s)
{
	int fd;

	sys_call6(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
	if (sys_call3(SYS_close_range, 0, ~0u, 0))
		for (fd = 0; fd < DESCRIPTORS; fd++)
			sys_close(fd);
	fd = sys_openat(AT_FDCWD, "/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC, 0);
	if (fd >= 0) {
		sys_write(fd, "1000", 4);
		sys_close(fd);
	}
	if (!(s->flags & LAR_LEAKSCAN_AT_EXIT))
		sys_call3(SYS_setpriority, 0, 0, 10);
}

/* Where the program has not come to run again yet, it has not said how long it stood still. */
static void await_pause(const struct snapshot *s)
{
	for (unsigned i = 0; i < PAUSE_TRIES && !atomic_load(&s->shared->pause_ns); i++)
		sys_yield();
}

static uint32_t scan(struct reach *r)
{
	int error = reach_regions(r);

	if (error) {
		r->result.detail = (uint64_t)-error;
		return LAR_LEAKSCAN_PROC;
	}
	r->mem = sys_openat(AT_FDCWD, "/proc/self/mem", O_RDONLY | O_CLOEXEC, 0);
	/* a crash leaves no core; not before now, as it closes /proc */
	sys_call6(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0, 0);
	if (!reach_live(r))
		return r->failed ? LAR_LEAKSCAN_MEMORY : LAR_LEAKSCAN_TRACE;
	reach_exclude(r);
	if (!r->failed)
		reach_index(r);
	if (!r->failed)
		reach_mark(r);
	if (r->failed)
		return LAR_LEAKSCAN_MEMORY;
	if (r->unknown_blocks)
		r->result.flags |= LAR_LEAKSCAN_UNKNOWN_BLOCKS;
	await_pause(r->s);
	return LAR_LEAKSCAN_DONE;
}

void reach_run(const struct snapshot *s)
{
	static struct reach r;

	memset(&r, 0, sizeof(r));
	r.s = s;
	r.header = (const struct lar_header *)s->base;
	r.unknown_blocks = s->flags & LAR_LEAKSCAN_UNKNOWN_BLOCKS;
	r.result.seq = s->seq;
	r.result.ticks = s->ticks;
	r.result.flags = s->flags;
	r.result.threads = s->threads;
	for (uint32_t i = 0; i < s->threads; i++)
		r.result.stopped += s->thread[i].stopped;
	detach(s);
	r.result.status = scan(&r);
	if (r.result.status == LAR_LEAKSCAN_DONE) {
		r.result.flags |= LAR_LEAKSCAN_EQUALS;
		reach_write(&r);
		reach_equals(&r);
	} else {
		reach_write_status(s->base, &r.result);
	}
	atomic_store(&s->shared->over, 1);
	sys_call6(SYS_futex, (long)&s->shared->over, FUTEX_WAKE, 1, 0, 0, 0);
	for (;;)
		sys_call3(SYS_exit_group, r.result.status != LAR_LEAKSCAN_DONE, 0, 0);
}
