/* SPDX-License-Identifier: MIT */
/* The trace file; see tracefile.h. */
#include "tracefile.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>

#include "fault.h"
#include "format/event.h"
#include "note.h"
#include "recorder.h"
#include "sys.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define PAGE	       4096ull
#define UNBOUNDED_SIZE (1ull << 38) /* address space and apparent size of a trace without bound */
#define SAME_NAME_FEW  4	    /* traces of one name, whose numbers are tried in turn */
#define SAME_NAME_MOST 1000000000u  /* the last number */
#define SAME_NAME_RACE 10000	    /* times that another process was faster */
#define DISK_PLENTY    (64ull << 20)
/* The threads that record first are most of it in most programs, and the larger a block, the less
 * of it is what other blocks hold as well. */
#define WIDE_SLOTS 2
#define WIDE_UNITS 3 /* sizes of a usual slot */
#define WIDE_LEAST (32u << 10)
#define LEAKS_MOST (64ull << 20)

/* Written when the file is made, which takes the system a third of the time of a mapping's first
 * use: the header with the start of the dictionary behind it. */
#define FIRST_HEAD  (8u << 10)
#define FIRST_PARTS (FIRST_HEAD / PAGE)

/* The folder in which relative names are meant: that of the first recording in this program, also
 * for children that have gone elsewhere. Survives fork, unlike all else. */
static char first_cwd[1024];

struct name_writer {
	char *p, *end;
};

static void name_char(struct name_writer *w, char c)
{
	if (w->p < w->end)
		*w->p++ = c;
}

/* Text from outside: no slash, no control character gets into a file name. */
static void name_text(struct name_writer *w, const char *s)
{
	for (; *s; s++)
		name_char(w, *s == '/' || (unsigned char)*s < ' ' ? '_' : *s);
}

static void name_number(struct name_writer *w, uint64_t v)
{
	char text[24];

	note_format(text, sizeof(text), "%lu", (unsigned long)v);
	name_text(w, text);
}

static void name_field(struct name_writer *w, char what)
{
	struct utsname host;
	char comm[17] = "";

	switch (what) {
	case 'p':
		name_number(w, lar->pid);
		break;
	case 'c':
		sys_call6(SYS_prctl, PR_GET_NAME, (long)comm, 0, 0, 0, 0);
		name_text(w, comm);
		break;
	case 'h':
		memset(&host, 0, sizeof(host));
		sys_call3(SYS_uname, (long)&host, 0, 0);
		name_text(w, host.nodename);
		break;
	case 't':
		name_number(w, sys_clock_ns(CLOCK_REALTIME) / 1000000000u);
		break;
	case '%':
		name_char(w, '%');
		break;
	default:
		name_char(w, '%');
		name_char(w, what);
		break;
	}
}

/* Expands the pattern; `again` > 0 tells apart images of one process with one name. */
static void name_make(char *out, size_t size, const char *pattern, unsigned again)
{
	struct name_writer w = { out, out + size - 16 };
	static const char ending[] = ".lariat";
	size_t n = sizeof(ending) - 1;

	if (*pattern != '/' && first_cwd[0] == '/') {
		for (const char *s = first_cwd; *s; s++)
			name_char(&w, *s);
		name_char(&w, '/');
	}
	for (const char *s = pattern; *s; s++) {
		if (*s == '%' && s[1])
			name_field(&w, *++s);
		else
			name_char(&w, *s);
	}
	if (again) {
		bool ends = (size_t)(w.p - out) > n && !memcmp(w.p - n, ending, n);

		if (ends)
			w.p -= n;
		name_char(&w, '.');
		w.end += 15;
		name_number(&w, again);
		if (ends)
			name_text(&w, ending);
	}
	*w.p = 0;
}

/* The file's name; the again'th that the pattern makes when those before are taken. */
static void path_make(unsigned again)
{
	if (!first_cwd[0])
		sys_call3(SYS_getcwd, (long)first_cwd, sizeof(first_cwd), 0);
	name_make(lar->trace_path, sizeof(lar->trace_path), lar->config.output, again);
}

static int name_open(unsigned again, int flags)
{
	path_make(again);
	return sys_openat(AT_FDCWD, lar->trace_path, flags | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static bool name_taken(unsigned again)
{
	int fd = name_open(again, O_PATH);

	if (fd >= 0)
		sys_close(fd);
	return fd >= 0;
}

/* A number behind one that is taken which is free, the next one where none between is: a build's
 * thousands of processes do not each try all. */
static unsigned name_free(unsigned taken)
{
	unsigned step = 1, free;

	while (taken < SAME_NAME_MOST && name_taken(taken + step)) {
		taken += step;
		step *= 2;
	}
	for (free = taken + step; free - taken > 1;) {
		unsigned middle = taken + (free - taken) / 2;

		if (name_taken(middle))
			taken = middle;
		else
			free = middle;
	}
	return free;
}

/* A device, a folder, a pipe: whoever names that does not mean a file beside it. */
static bool name_is_special(void)
{
	struct stat st;

	return !sys_call6(SYS_newfstatat, AT_FDCWD, (long)lar->trace_path, (long)&st, 0, 0, 0) &&
	       !S_ISREG(st.st_mode);
}

static int file_open(void)
{
	unsigned again = 0;
	int fd;

	for (unsigned tries = 0;; tries++) {
		fd = name_open(again, O_RDWR | O_CREAT | O_EXCL);
		if (fd != -EEXIST || tries > SAME_NAME_RACE)
			return fd;
		if (!again && name_is_special())
			return -ENOTBLK;
		again = again < SAME_NAME_FEW ? again + 1 : name_free(again);
	}
}

/* The bound under the limits of this process: no file larger than it may be, and with a limited
 * address space only a small part of that. */
static uint64_t size_in_limits(uint64_t size)
{
	struct rlimit limit;

	if (!size)
		size = UNBOUNDED_SIZE;
	if (!sys_call6(SYS_prlimit64, 0, RLIMIT_FSIZE, 0, (long)&limit, 0, 0) &&
	    limit.rlim_cur < size)
		size = limit.rlim_cur;
	if (!sys_call6(SYS_prlimit64, 0, RLIMIT_AS, 0, (long)&limit, 0, 0) &&
	    limit.rlim_cur / 16 < size)
		size = limit.rlim_cur / 16;
	return size & ~(PAGE - 1);
}

static void section_set(struct lar_header *h, enum lar_section_type type, uint64_t *at,
			uint64_t size, uint32_t unit)
{
	struct lar_section *s = &h->sections[h->section_count++];

	s->type = type;
	s->unit_size = unit;
	s->offset = *at;
	s->size = size & ~(PAGE - 1);
	*at += s->size;
}

/*
 * How staging is divided. The first threads have large slots. The second half of it is for the many
 * that a server has: a slot that several threads share costs each of their events system calls.
 */
static void slots_plan(struct lar_header *h, uint64_t *at, uint64_t size)
{
	uint64_t slot = size >= 256u << 20  ? 512u << 10
			: size >= 64u << 20 ? 256u << 10
			: size >= 16u << 20 ? 64u << 10
			: size >= 4u << 20  ? 32u << 10
					    : 16u << 10;
	uint64_t narrow = size >= 64u << 20 ? 64u << 10 : size >= 16u << 20 ? 32u << 10 : 0;
	uint64_t wide = WIDE_SLOTS * (slot < WIDE_LEAST ? 1 : WIDE_UNITS), slots = size / 4 / slot;
	uint64_t usual, bytes;

	h->wide_slots = WIDE_SLOTS;
	h->wide_size = (uint32_t)(wide / WIDE_SLOTS * slot);
	usual = (narrow ? slots / 2 : slots) - wide;
	if (usual > RECORDER_MAX_SLOTS / 2)
		usual = RECORDER_MAX_SLOTS / 2;
	bytes = (wide + usual) * slot;
	if (narrow) {
		uint64_t more = (size / 4 - bytes) / narrow;

		if (more > RECORDER_MAX_SLOTS / 2 - WIDE_SLOTS)
			more = RECORDER_MAX_SLOTS / 2 - WIDE_SLOTS;
		h->incompat_flags |= LAR_INCOMPAT_NARROW;
		h->narrow_from = (uint32_t)(WIDE_SLOTS + usual);
		h->narrow_size = (uint32_t)narrow;
		bytes += more * narrow;
	}
	section_set(h, LAR_SECTION_STAGING, at, bytes, (uint32_t)slot);
}

/* Shares of the bound: an eighth for the dictionary, a quarter for staging, a quarter for two
 * checkpoints, a thirty-second for leak scans, the rest is the ring, last in the file so that an
 * unused end can be cut off. A ring without bound gives nothing up. */
static void sections_plan(struct lar_header *h, uint64_t size)
{
	uint64_t at = LAR_HEADER_SIZE;

	/* with the header, so that the slots are aligned and lie in few large pages of the cache */
	section_set(h, LAR_SECTION_DICT, &at, (size / 8 < 1ull << 33 ? size / 8 : 1ull << 33) - at,
		    0);
	slots_plan(h, &at, size);
	if (lar->config.size)
		section_set(h, LAR_SECTION_ACCOUNTS, &at, size / 4, 0);
	section_set(h, LAR_SECTION_LEAKS, &at, size / 32 < LEAKS_MOST ? size / 32 : LEAKS_MOST, 0);
	section_set(h, LAR_SECTION_RING, &at, size - at, 0);
}

static void sections_map(struct lar_header *h)
{
	for (uint32_t i = 0; i < h->section_count; i++) {
		struct lar_section *s = &h->sections[i];
		uint8_t *p = lar->base + s->offset;

		if (s->type == LAR_SECTION_DICT) {
			lar->dict = p;
			lar->dict_size = s->size;
		} else if (s->type == LAR_SECTION_STAGING) {
			lar->staging = p;
			lar->slot_sizes = lar_slot_sizes(h, s->unit_size);
			lar->slot_most = h->wide_size;
			lar->slot_count = lar_slot_count(&lar->slot_sizes, s->size);
		} else if (s->type == LAR_SECTION_ACCOUNTS) {
			lar->accounts = p;
			lar->accounts_size = s->size;
		} else if (s->type == LAR_SECTION_RING) {
			lar->ring = p;
			lar->ring_size = s->size;
			h->ring_limit = s->size;
		}
	}
}

struct lar_section *tracefile_section(enum lar_section_type type)
{
	struct lar_header *h = lar->header;

	for (uint32_t i = 0; i < h->section_count; i++)
		if (h->sections[i].type == type)
			return &h->sections[i];
	return NULL;
}

bool tracefile_extend(uint8_t *base, uint64_t *ready, uint64_t need, uint64_t size, uint64_t step)
{
	uint64_t to;
	int result;

	if (need <= *ready)
		return true;
	to = (need + step - 1) / step * step;
	to = to > size ? size : to;
	result = sys_madvise(base + *ready, to - *ready, MADV_POPULATE_WRITE);
	if (result && to > need) { /* the last bytes of a nearly full disk */
		to = (need + PAGE - 1) & ~(PAGE - 1);
		result = sys_madvise(base + *ready, to - *ready, MADV_POPULATE_WRITE);
	}
	if (result == -EINVAL) /* a kernel before 5.14: all of it was allocated at the start */
		result = 0;
	if (result == -EPERM) /* no system calls any more */
		return false;
	if (result) {
		note_once(NOTE_FULL, "%s: no more disk space, the trace goes on in the %s it has",
			  lar->trace_path, "space");
		return false;
	}
	*ready = to;
	return true;
}

bool tracefile_disk_plenty(void)
{
	struct statfs disk;

	return !sys_call3(SYS_statfs, (long)lar->trace_path, (long)&disk, 0) && disk.f_bsize > 0 &&
	       (uint64_t)disk.f_bavail >= DISK_PLENTY / (uint64_t)disk.f_bsize;
}

void tracefile_reserve(uint64_t bytes)
{
	uint64_t to = lar->header->ring_head + bytes;

	if (!spin_lock(&lar->ring_lock))
		return;
	tracefile_extend(lar->ring, &lar->ring_ready, to < lar->ring_size ? to : lar->ring_size,
			 lar->ring_size, PAGE);
	spin_unlock(&lar->ring_lock);
}

void tracefile_release(uint8_t *from, uint64_t size)
{
	uint64_t start = ((uint64_t)from + PAGE - 1) & ~(PAGE - 1);
	uint64_t end = ((uint64_t)from + size) & ~(PAGE - 1);

	if (end > start)
		sys_madvise((void *)start, end - start, MADV_REMOVE);
}

void tracefile_leave(uint8_t *from, uint64_t size)
{
	uint64_t start = (uint64_t)from & ~(PAGE - 1);

	/* of a shared mapping nothing is lost, whatever lies beside it */
	sys_madvise((void *)start, (uint64_t)from + size - start, MADV_DONTNEED);
}

uint64_t tracefile_clock_pair(void)
{
	struct lar_header *h = lar->header;
	uint32_t next = (h->clock_last_index + 1) & 1;
	struct lar_clock_pair *pair = &h->clock_last[next];

	pair->mono_ns = sys_clock_ns(CLOCK_MONOTONIC);
	FAULT_POINT(clock_half);
	pair->ticks = lar_ticks();
	FAULT_POINT(clock_pair);
	__atomic_store_n(&h->clock_last_index, next, __ATOMIC_RELEASE);
	FAULT_POINT(clock_index);
	return pair->mono_ns;
}

static uint32_t processors(void)
{
	uint64_t mask[64];
	long bytes = sys_call3(SYS_sched_getaffinity, 0, sizeof(mask), (long)mask);
	uint32_t n = 0;

	for (long i = 0; i < bytes / 8; i++)
		for (; mask[i]; mask[i] &= mask[i] - 1)
			n++;
	return n;
}

static void header_fill(struct lar_header *h, uint64_t size)
{
	h->version = LAR_VERSION;
	h->header_size = LAR_HEADER_SIZE;
	h->machine = EM_X86_64;
	h->page_size = PAGE;
	h->bound = lar->config.size ? size : 0;
	h->slot_header_size = LAR_SLOT_HEADER_SIZE;
	h->record = lar->config.record;
	h->processors = processors();
	h->depth = lar->config.depth;
	h->interval_ns = lar->config.interval_ns;
	h->sample_bytes = lar->config.sample_bytes;
	for (unsigned kind = 0; kind < LAR_EV_MAX; kind++)
		h->kind_form[kind] = lar_event_form(kind);
	h->pid = lar->pid;
	h->parent_pid = (uint32_t)sys_call3(SYS_getppid, 0, 0, 0);
	h->start_unix_ns = sys_clock_ns(CLOCK_REALTIME);
	h->clock_source = lar->tsc ? LAR_CLOCK_TSC : LAR_CLOCK_MONOTONIC;
	h->time_shift = lar->time_shift;
	h->clock_start.mono_ns = sys_clock_ns(CLOCK_MONOTONIC);
	h->clock_start.ticks = lar_ticks();
}

/* Zeros into the file, for its start; 0 or -errno. */
static int file_begin(int fd)
{
	static const uint8_t zeros[PAGE];
	struct iovec part[FIRST_PARTS];
	long result;

	for (unsigned i = 0; i < FIRST_PARTS; i++)
		part[i] = (struct iovec){ (void *)zeros, PAGE };
	result = sys_call6(SYS_pwritev, fd, (long)part, FIRST_PARTS, 0, 0, 0);
	if (result < 0)
		return (int)result;
	return result == FIRST_HEAD ? 0 : -ENOSPC;
}

static int file_map(int fd, uint64_t size)
{
	int result = (int)sys_call3(SYS_ftruncate, fd, (long)size, 0);
	void *p;

	FAULT_POINT(file_sized);
	if (!result)
		result = file_begin(fd);
	if (result)
		return result;
	p = sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (sys_failed((long)p))
		return (int)(long)p;
	/* no read-ahead into holes: on ext4 that costs 2 ms at each first touch of a region,
	 * against 20 us */
	sys_madvise(p, size, MADV_RANDOM);
	result = sys_madvise(p, FIRST_HEAD, MADV_POPULATE_WRITE);
	if (result == -EINVAL) {
		result = (int)sys_call6(SYS_fallocate, fd, 0, 0, (long)size, 0, 0);
		if (!result)
			sys_madvise(p, size, MADV_POPULATE_READ);
	}
	if (result) {
		sys_munmap(p, size);
		return result == -EFAULT ? -ENOSPC : result;
	}
	/* a child forked behind our back must fault rather than write into this trace; our own
	 * per-thread state is wiped there, so it never gets that far */
	sys_madvise(p, size, MADV_DONTDUMP);
	lar->base = p;
	lar->map_size = size;
	lar->dict_ready = FIRST_HEAD - LAR_HEADER_SIZE;
	return 0;
}

int tracefile_create(const char **what)
{
	uint64_t size = size_in_limits(lar->config.size);
	int fd, result;

	*what = "cannot be created";
	path_make(0);
	if (size < CONFIG_SIZE_MIN)
		return -EFBIG;
	fd = file_open();
	if (fd < 0)
		return fd;
	FAULT_POINT(file_made);
	*what = "cannot be mapped";
	result = file_map(fd, size);
	if (result) {
		sys_call3(SYS_unlink, (long)lar->trace_path, 0, 0);
		sys_close(fd);
		return result;
	}
	lar->header = (struct lar_header *)lar->base;
	FAULT_POINT(file_mapped);
	header_fill(lar->header, size);
	FAULT_POINT(header_filled);
	sections_plan(lar->header, size);
	FAULT_POINT(header_sections);
	sections_map(lar->header);
	sys_close(fd);
	return 0;
}

void tracefile_publish(void)
{
	struct lar_header *h = lar->header;
	uint64_t magic;

	memcpy(&magic, LAR_MAGIC, sizeof(magic));
	FAULT_POINT(header_described);
	__atomic_store_n((uint64_t *)(void *)h->magic, magic, __ATOMIC_RELEASE);
	FAULT_POINT(header_magic);
}
