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

#include "pool.h"
#include "sys.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#define RANGES_FIRST 256u
#define CHUNK	     (256u << 10)
#define PIECE_MOST   (32u << 10)
#define MAPS_MOST    256u
#define DESCRIPTORS  65536
#define PAUSE_TRIES  1000

/* What small pieces are cut from, and the larger ones, which are mappings of their own. */
static struct {
	uint8_t *at, *end;
	uint32_t count;
	bool untold; /* there have been more */
	struct reach_range map[MAPS_MOST];
} memory;

static void *memory_map(struct reach *r, size_t size, int flags)
{
	void *p = sys_map_own(size, flags);

	if (sys_failed((long)p)) {
		r->failed = true;
		return NULL;
	}
	if (memory.count < MAPS_MOST)
		memory.map[memory.count++] =
			(struct reach_range){ (uint64_t)p, (uint64_t)p + size };
	else
		memory.untold = true;
	return p;
}

static size_t memory_size(size_t size)
{
	return size ? (size + 63) & ~63ul : 64;
}

void *reach_memory(struct reach *r, size_t size)
{
	uint8_t *p;

	size = memory_size(size);
	if (size > PIECE_MOST)
		return memory_map(r, size, 0);
	if ((size_t)(memory.end - memory.at) < size) {
		memory.at = memory_map(r, CHUNK, 0);
		memory.end = memory.at ? memory.at + CHUNK : NULL;
		if (!memory.at)
			return NULL;
	}
	p = memory.at;
	memory.at += size;
	return p;
}

void *reach_memory_filled(struct reach *r, size_t size)
{
	if (memory_size(size) <= PIECE_MOST)
		return reach_memory(r, size);
	return memory_map(r, memory_size(size), MAP_POPULATE);
}

void reach_memory_free(void *p, size_t size)
{
	size = memory_size(size);
	if (!p || size <= PIECE_MOST)
		return;
	for (uint32_t i = 0; i < memory.count; i++)
		if (memory.map[i].start == (uint64_t)p)
			memory.map[i] = memory.map[--memory.count];
	sys_munmap(p, size);
}

static void exclude_map(void *r, uint64_t start, uint64_t end)
{
	reach_add_range(r, &((struct reach *)r)->excluded, start, (end + 4095) & ~4095ull);
}

bool reach_exclude_own(struct reach *r)
{
	const struct snapshot *s = r->s;

	for (uint32_t i = 0; i < memory.count; i++)
		exclude_map(r, memory.map[i].start, memory.map[i].end);
	exclude_map(r, (uint64_t)s, (uint64_t)s + s->size);
	exclude_map(r, (uint64_t)s->slot, (uint64_t)s->slot + s->slots_bytes);
	for (unsigned i = 0; s->tables && i < INUSE_SHARDS; i++)
		exclude_map(r, (uint64_t)s->table[i].entry,
			    (uint64_t)s->table[i].entry +
				    s->table[i].room * sizeof(struct inuse_block));
	if (!s->inplace)
		return true;
	return pool_each(exclude_map, r) && !memory.untold;
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
	if (s->inplace)
		return;
	for (unsigned i = 0; i < PAUSE_TRIES && !atomic_load(&s->shared->pause_ns); i++)
		sys_yield();
}

static bool look_around(struct reach *r)
{
	int error = reach_regions(r);

	if (error) {
		r->result.detail = (uint64_t)-error;
		return false;
	}
	r->mem = sys_openat(AT_FDCWD, "/proc/self/mem", O_RDONLY | O_CLOEXEC, 0);
	/* a crash leaves no core; not before now, as it closes /proc */
	if (!r->s->inplace)
		sys_call6(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0, 0);
	return true;
}

/* Where a sanitizer keeps notes about every word of the address space, the look alone at what of
 * that is there takes minutes, and would make it be there. */
#define MAPPED_MOST  (256ull << 30)
#define INPLACE_MOST (4ull << 30) /* in the process itself such a look is not for more */

static bool too_large(struct reach *r)
{
	uint64_t mapped = 0;

	for (size_t i = 0; i < r->regions; i++)
		if (r->region[i].flags & REACH_WRITE && !(r->region[i].flags & REACH_SHARED))
			mapped += r->region[i].end - r->region[i].start;
	r->needs_copy |= r->s->inplace && mapped > INPLACE_MOST;
	if (mapped <= MAPPED_MOST)
		return false;
	r->result.detail = mapped >> 30;
	return true;
}

static uint32_t scan(struct reach *r)
{
	if (!r->s->inplace && !look_around(r))
		return LAR_LEAKSCAN_PROC;
	if (!reach_live(r))
		return r->failed ? LAR_LEAKSCAN_MEMORY : LAR_LEAKSCAN_TRACE;
	if (r->s->inplace && !r->count)
		return LAR_LEAKSCAN_DONE;
	if (r->s->inplace && !look_around(r))
		return LAR_LEAKSCAN_PROC;
	if (too_large(r))
		return LAR_LEAKSCAN_LARGE;
	if (r->needs_copy)
		return LAR_LEAKSCAN_MEMORY;
	if (!reach_exclude_own(r))
		return LAR_LEAKSCAN_MEMORY;
	reach_exclude(r);
	if (!r->failed)
		reach_index(r);
	if (!r->failed)
		reach_mark(r);
	if (r->failed || r->needs_copy)
		return LAR_LEAKSCAN_MEMORY;
	if (r->unknown_blocks)
		r->result.flags |= LAR_LEAKSCAN_UNKNOWN_BLOCKS;
	await_pause(r->s);
	return LAR_LEAKSCAN_DONE;
}

static struct reach reach;

long reach_scan(const struct snapshot *s)
{
	struct reach *r = &reach;

	memset(r, 0, sizeof(*r));
	memset(&memory, 0, offsetof(typeof(memory), map));
	r->pagemap = r->mem = -1;
	r->s = s;
	r->header = (const struct lar_header *)s->base;
	r->unknown_blocks = s->flags & LAR_LEAKSCAN_UNKNOWN_BLOCKS;
	r->result.seq = s->seq;
	r->result.ticks = s->ticks;
	r->result.flags = s->flags;
	for (uint32_t i = 0; i < s->threads; i++) {
		/* one that ended before it could be stopped is none */
		r->result.threads += s->thread[i].stopped || !s->thread[i].gone;
		r->result.stopped += s->thread[i].stopped;
	}
	r->result.status = scan(r);
	if (r->result.status == LAR_LEAKSCAN_DONE) {
		r->result.flags |= LAR_LEAKSCAN_EQUALS;
		reach_write(r);
		reach_equals(r);
	} else if (!s->inplace) {
		reach_write_status(s->base, &r->result);
	}
	return r->result.status == LAR_LEAKSCAN_DONE;
}

void reach_tidy(void)
{
	if (reach.pagemap >= 0)
		sys_close(reach.pagemap);
	if (reach.mem >= 0)
		sys_close(reach.mem);
	for (uint32_t i = 0; i < memory.count; i++)
		sys_munmap((void *)memory.map[i].start, memory.map[i].end - memory.map[i].start);
	memset(&memory, 0, offsetof(typeof(memory), map));
}

void reach_run(const struct snapshot *s)
{
	bool done;

	detach(s);
	done = reach_scan(s);
	atomic_store(&s->shared->over, 1);
	sys_call6(SYS_futex, (long)&s->shared->over, FUTEX_WAKE, 1, 0, 0, 0);
	for (;;)
		sys_call3(SYS_exit_group, !done, 0, 0);
}
