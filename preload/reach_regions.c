/* SPDX-License-Identifier: MIT */
/* The mappings of the snapshot, and which of their pages hold anything; see reach.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "reach.h"
#include "sys.h"

#define PAGE	      4096ull
#define REGIONS_FIRST 256u
#define LINE	      8192u /* of a mapping with its path */
#define ENTRIES	      2048u /* of the page map, read at once */
#define PAGE_PRESENT  (1ull << 63)
#define PAGE_SWAPPED  (1ull << 62)
#define PAGE_FILE     (1ull << 61) /* not a page of the process's own */
#define PAGE_GUARD    (1ull << 58) /* MADV_GUARD_INSTALL: must not be touched */
#define RUNS_MOST     1024u
#define PASSED_OVER   (64u << 10) /* from this size on it is worth a call of its own */
#define SURELY_OWN    (256u << 10)
#define ADDRESS_MOST  ((1ull << 47) - PAGE) /* behind it no process has memory */

/* Linux 6.7, linux/fs.h: struct pm_scan_arg, PAGEMAP_SCAN and PAGE_IS_*. */
struct pages_wanted {
	uint64_t size, flags, start, end, walk_end, runs, runs_room, most;
	uint64_t inverted, all_of, any_of, told;
};
#define PAGES_FIND  _IOWR('f', 16, struct pages_wanted)
#define RUN_FILE    (1ull << 2)
#define RUN_PRESENT (1ull << 3)
#define RUN_SWAPPED (1ull << 4)
#define RUN_GUARD   (1ull << 8) /* from Linux 6.15 on */

struct text {
	const char *at, *end;
};

static uint64_t number(struct text *t, unsigned base)
{
	uint64_t v = 0;

	for (; t->at < t->end; t->at++) {
		char c = *t->at;
		unsigned digit = c >= 'a' ? (unsigned)(c - 'a') + 10 : (unsigned)(c - '0');

		if (digit >= base)
			break;
		v = v * base + digit;
	}
	return v;
}

static void skip(struct text *t, char c)
{
	while (t->at < t->end && *t->at != c)
		t->at++;
	while (t->at < t->end && *t->at == c)
		t->at++;
}

static bool is(const struct text *t, const char *name)
{
	size_t n = strlen(name);

	return (size_t)(t->end - t->at) >= n && !memcmp(t->at, name, n);
}

/* What a path says about a region. Memory that the kernel or a device lends is left alone. */
static uint32_t kind_of(const struct text *path)
{
	if (path->at == path->end || is(path, "[anon"))
		return 0;
	if (is(path, "[heap]"))
		return REACH_HEAP;
	if (is(path, "[stack]"))
		return REACH_STACK;
	if (*path->at == '[')
		return REACH_IGNORE;
	if (is(path, "/dev/") && !is(path, "/dev/shm/") && !is(path, "/dev/zero"))
		return REACH_IGNORE | REACH_FILE;
	return *path->at == '/' ? REACH_FILE : REACH_IGNORE;
}

static bool inside(const struct reach_region *g, uint64_t start, uint64_t end)
{
	return g->start < end && g->end > start;
}

static void add_region(struct reach *r, struct text t)
{
	const struct snapshot *s = r->s;
	struct reach_region *g = &r->region[r->regions];
	const char *perms;

	g->start = number(&t, 16);
	t.at++;
	g->end = number(&t, 16);
	skip(&t, ' ');
	perms = t.at;
	g->flags = (perms[0] == 'r' ? REACH_READ : 0) | (perms[1] == 'w' ? REACH_WRITE : 0) |
		   (perms[3] == 's' ? REACH_SHARED : 0) |
		   (memcmp(perms, "---", 3) ? 0 : REACH_NONE);
	for (int i = 0; i < 4; i++) /* offset, device, inode, path */
		skip(&t, ' ');
	g->flags |= kind_of(&t);
	if (g->flags & REACH_FILE && perms[1] != 'w' && perms[2] == 'x')
		g->flags |= REACH_CODE;
	if (inside(g, (uint64_t)s->base, (uint64_t)s->base + s->map_size) ||
	    (g->flags & REACH_FILE && inside(g, s->self_start, s->self_end)))
		g->flags |= REACH_IGNORE;
	if (inside(g, s->libc_start, s->libc_end))
		g->flags |= REACH_LIBC;
	r->regions++;
}

static bool regions_grow(struct reach *r, size_t *room)
{
	size_t more = *room ? 4 * *room : REGIONS_FIRST;
	struct reach_region *wide = reach_memory(r, more * sizeof(*wide));

	if (!wide)
		return false;
	if (r->regions)
		memcpy(wide, r->region, r->regions * sizeof(*wide));
	reach_memory_free(r->region, *room * sizeof(*wide));
	r->region = wide;
	*room = more;
	return true;
}

/* The whole lines of a buffer; how many bytes of it they were. */
static size_t take_lines(struct reach *r, const char *buf, size_t n, size_t *room)
{
	size_t done = 0;

	for (;;) {
		const char *end = memchr(buf + done, '\n', n - done);

		if (!end)
			return done;
		if (r->regions == *room && !regions_grow(r, room))
			return n;
		add_region(r, (struct text){ buf + done, end });
		done = (size_t)(end - buf) + 1;
	}
}

int reach_regions(struct reach *r)
{
	int fd = sys_openat(AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);
	size_t filled = 0, room = 0;
	char buf[LINE];
	ssize_t n;

	if (fd < 0)
		return fd;
	while ((n = sys_read(fd, buf + filled, sizeof(buf) - filled)) > 0) {
		size_t done;

		filled += (size_t)n;
		done = take_lines(r, buf, filled, &room);
		memmove(buf, buf + done, filled - done);
		filled -= done;
	}
	sys_close(fd);
	if (n < 0 || r->failed || !r->regions)
		return n < 0 ? (int)n : -ENOMEM;
	r->pagemap = sys_openat(AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
	return 0;
}

const struct reach_region *reach_region_at(const struct reach *r, uint64_t address)
{
	size_t low = 0, high = r->regions;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (r->region[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->regions && r->region[low].start <= address ? &r->region[low] : NULL;
}

/* Runs of pages that are the process's own, from one piece of the page map. */
static void present_pages(struct reach *r, uint64_t start, uint64_t end, const uint64_t *entry,
			  size_t entries, reach_part_fn *fn)
{
	uint64_t page = start & ~(PAGE - 1), from = 0;
	bool run = false;

	for (size_t i = 0; i <= entries; i++, page += PAGE) {
		bool own = i < entries && entry[i] & (PAGE_PRESENT | PAGE_SWAPPED) &&
			   !(entry[i] & (PAGE_FILE | PAGE_GUARD));

		if (own == run)
			continue;
		if (own)
			from = page < start ? start : page;
		else
			fn(r, from, page < end ? page : end);
		run = own;
	}
}

/* Whether it takes long to look for pages in a region that has none of interest. */
static bool passed_over(const struct reach_region *g)
{
	return g->flags & (REACH_IGNORE | REACH_CODE) && g->end - g->start >= PASSED_OVER;
}

/* All that is there is the process's own: the kernel need not look at every page. */
static bool surely_own(const struct reach_region *g)
{
	return !(g->flags & (REACH_FILE | REACH_SHARED)) && g->end - g->start >= SURELY_OWN;
}

/* The runs from the start of one region to the end of another, all of them surely_own() or not,
 * behind those that there are; false when that is not all. */
static bool own_find_in(struct reach *r, const struct reach_region *from,
			const struct reach_region *to)
{
	bool sure = surely_own(from);
	struct pages_wanted w = { .size = sizeof(w),
				  .start = from->start,
				  .end = to->end < ADDRESS_MOST ? to->end : ADDRESS_MOST,
				  .runs = (uint64_t)(r->own + r->owns),
				  .runs_room = RUNS_MOST - r->owns,
				  .inverted = RUN_GUARD | (sure ? 0 : RUN_FILE),
				  .any_of = RUN_PRESENT | RUN_SWAPPED,
				  .told = RUN_PRESENT };
	long n;

	if (w.start >= w.end)
		return true;
	w.all_of = w.inverted;
	n = w.runs_room ? sys_call3(SYS_ioctl, r->pagemap, (long)PAGES_FIND, (long)&w) : -1;
	if (n == -EINVAL) { /* there are no such pages yet, or they are not told of */
		w.all_of = w.inverted &= ~RUN_GUARD;
		n = sys_call3(SYS_ioctl, r->pagemap, (long)PAGES_FIND, (long)&w);
	}
	if (n < 0)
		return false;
	r->owns += (size_t)n;
	r->own_until = w.walk_end;
	return w.walk_end == w.end;
}

/* The process's own pages, or the first runs of them, where the kernel tells of many regions at
 * once. */
static void own_find(struct reach *r)
{
	const struct reach_region *g = r->region, *end = g + r->regions, *last;

	r->own_asked = true;
	if (r->pagemap < 0 || sys_filtered || sys_emulated)
		return;
	r->own = reach_memory(r, RUNS_MOST * sizeof(*r->own));
	for (; r->own && g < end; g = last) {
		bool sure = surely_own(g);

		for (last = g; last < end && !passed_over(last) && surely_own(last) == sure; last++)
			;
		if (last > g && !own_find_in(r, g, last - 1))
			return;
		last += last == g; /* one that is passed over */
	}
}

/* As present_pages(), of a part that is in front of r->own_until. */
static void own_pages(struct reach *r, uint64_t start, uint64_t end, reach_part_fn *fn)
{
	size_t low = 0, high = r->owns;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (r->own[middle].end <= start)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < r->owns && r->own[low].start < end; low++) {
		uint64_t from = r->own[low].start, to = r->own[low].end;

		fn(r, from < start ? start : from, to < end ? to : end);
	}
}

void reach_present(struct reach *r, uint64_t start, uint64_t end, reach_part_fn *fn)
{
	const struct reach_region *g = reach_region_at(r, start);
	uint64_t entry[ENTRIES];

	if (!r->own_asked)
		own_find(r);
	if (g && !passed_over(g) && end <= g->end && end <= r->own_until) {
		own_pages(r, start, end, fn);
		return;
	}
	while (start < end) {
		uint64_t page = start / PAGE, pages = (end + PAGE - 1) / PAGE - page, part;
		long n = -EBADF;

		if (pages > ENTRIES)
			pages = ENTRIES;
		part = (page + pages) * PAGE < end ? (page + pages) * PAGE : end;
		if (r->pagemap >= 0)
			n = sys_pread(r->pagemap, entry, pages * 8, (off_t)(page * 8));
		if (n == (long)(pages * 8))
			present_pages(r, start, part, entry, pages, fn);
		else
			fn(r, start, part);
		start = part;
	}
}
