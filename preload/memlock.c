/* SPDX-License-Identifier: MIT */
/*
 * Locking all memory but the recorder's own; see memlock.h.
 *
 * The system can only be asked for all mappings, and each is made resident at once. So they are
 * locked first without that (MCL_ONFAULT), the recorder's are let go, and then the program's are
 * asked for one by one, as /proc/self/maps has them. Where the limit is too low for all mappings
 * but not for the program's, the first step is left out.
 */
#include "memlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "apart.h"
#include "cfi.h"
#include "pool.h"
#include "recorder.h"
#include "sys.h"

#define PAGE   4096ull
#define PIECE  1024 /* bytes read at a time: the program's stack may be small */
#define TRIES  300
#define FAULTS 1 /* MLOCK_ONFAULT of mlock2() */

typedef void range_fn(void *arg, uint64_t start, uint64_t end);

/* Each mapping of the recorder: its memory, the trace and its own module. */
static void each_own(range_fn *fn, void *arg)
{
	static const char here;
	struct cfi_object self;

	pool_each(fn, arg);
	if (lar && lar->base)
		fn(arg, (uint64_t)lar->base, (uint64_t)lar->base + lar->map_size);
	if (cfi_find_object((uint64_t)&here, &self))
		fn(arg, self.start & ~(PAGE - 1), (self.end + PAGE - 1) & ~(PAGE - 1));
}

static void let_go(void *arg, uint64_t start, uint64_t end)
{
	(void)arg;
	sys_call3(SYS_munlock, (long)start, (long)(end - start), 0);
}

static void add_size(void *sum, uint64_t start, uint64_t end)
{
	*(uint64_t *)sum += end - start;
}

/* The recorder's first mapping that ends behind `at`. */
struct nearest {
	uint64_t at, start, end;
};

static void look_nearer(void *arg, uint64_t start, uint64_t end)
{
	struct nearest *n = arg;

	if (end > n->at && start < n->start) {
		n->start = start;
		n->end = end;
	}
}

/* Errors are no matter, as for mlockall(): not each mapping can be locked or be resident. */
static void lock_range(uint64_t start, uint64_t end, bool on_fault)
{
	if (on_fault)
		sys_call3(SYS_mlock2, (long)start, (long)(end - start), FAULTS);
	else
		sys_call3(SYS_mlock, (long)start, (long)(end - start), 0);
}

/* What of a mapping is the program's. */
static void lock_others(uint64_t start, uint64_t end, bool on_fault)
{
	while (start < end) {
		struct nearest own = { start, end, end };

		each_own(look_nearer, &own);
		if (own.start > start)
			lock_range(start, own.start, on_fault);
		start = own.end;
	}
}

struct task {
	bool by_one;	 /* in: that nothing is locked yet, since all mappings are too much */
	int flags;	 /* in: of mlockall() */
	bool was_future; /* in: what is mapped later may be locked already */
	bool too_much;	 /* out: for the program's alone, too */
	bool done;	 /* out */
};

/* The size of all mappings, in pages; 0 if it is not known. */
static uint64_t pages_mapped(void)
{
	int fd = sys_openat(AT_FDCWD, "/proc/self/statm", O_RDONLY | O_CLOEXEC, 0);
	uint64_t pages = 0;
	char text[32];
	ssize_t n;

	if (fd < 0)
		return 0;
	n = sys_read(fd, text, sizeof(text));
	sys_close(fd);
	for (ssize_t i = 0; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		pages = pages * 10 + (uint64_t)(text[i] - '0');
	return pages;
}

/* As the kernel asks it, of the program's mappings. */
static bool fits_limit(void)
{
	uint64_t pages = pages_mapped(), own = 0;
	struct rlimit limit;

	each_own(add_size, &own);
	if (!pages || sys_call6(SYS_prlimit64, 0, RLIMIT_MEMLOCK, 0, (long)&limit, 0, 0))
		return false;
	return pages - own / PAGE <= limit.rlim_cur / PAGE;
}

static uint64_t digit_of(char c)
{
	return (uint64_t)(c >= 'a' ? c - 'a' + 10 : c - '0');
}

/* Every line begins "start-end ". */
static bool lock_mappings(int fd, bool on_fault)
{
	uint64_t limit[2] = { 0, 0 };
	unsigned field = 0;
	char piece[PIECE];
	ssize_t n;

	while ((n = sys_read(fd, piece, sizeof(piece))) > 0)
		for (ssize_t i = 0; i < n; i++) {
			if (piece[i] == '\n') {
				limit[0] = limit[1] = field = 0;
			} else if (field < 2 && piece[i] != '-' && piece[i] != ' ') {
				limit[field] = limit[field] << 4 | digit_of(piece[i]);
			} else if (field < 2 && ++field == 2) {
				lock_others(limit[0], limit[1], on_fault);
			}
		}
	return !n;
}

static void lock_one_by_one(void *argument)
{
	struct task *t = argument;
	int fd = sys_openat(AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC, 0);

	if (fd < 0)
		return;
	t->too_much = t->by_one && !fits_limit();
	if (t->by_one && !t->too_much) {
		if (t->was_future) /* of an earlier call; this one ends it or says it anew */
			sys_call3(SYS_munlockall, 0, 0, 0);
		if (t->flags & MCL_FUTURE)
			sys_call3(SYS_mlockall, t->flags & ~MCL_CURRENT, 0, 0);
	}
	t->done = !t->too_much && lock_mappings(fd, t->flags & MCL_ONFAULT);
	sys_close(fd);
}

/* False when the mappings are not known. Where no thread can be made for it, this one opens a file
 * for the moment: that is less than to have it all resident. */
static bool run(struct task *t)
{
	for (unsigned i = 0; i < TRIES; i++) {
		if (apart_run(lock_one_by_one, t))
			return t->done;
		sys_yield();
	}
	lock_one_by_one(t);
	return t->done;
}

/* All of it after all, and the recorder's let go of. */
static int lock_and_let_go(int flags, int (*real)(int))
{
	int result = real(flags);

	if (result)
		return result;
	each_own(let_go, NULL);
	if (lar && lar->base) /* nothing is lost of a shared mapping */
		sys_madvise(lar->base, lar->map_size, MADV_DONTNEED);
	return 0;
}

static int lock_current(int flags, bool was_future, int (*real)(int))
{
	struct task task = { .flags = flags, .was_future = was_future };
	int result = real(flags | MCL_ONFAULT);

	if (result && errno == EINVAL) /* a kernel before 4.4, or flags that there are not */
		return lock_and_let_go(flags, real);
	if (result && errno != ENOMEM)
		return result;
	if (result) {
		task.by_one = true;
		return run(&task) ? 0 : result;
	}
	each_own(let_go, NULL);
	if (flags & MCL_ONFAULT)
		return 0;
	if (flags & MCL_FUTURE)
		sys_call3(SYS_mlockall, MCL_FUTURE, 0, 0);
	return run(&task) ? 0 : lock_and_let_go(flags, real);
}

int memlock_all(int flags, int (*real)(int flags))
{
	int was_future = sys_locks_future, result, saved = errno, failure;
	uint64_t mask;

	if (flags & MCL_FUTURE)
		sys_locks_future = 1;
	if (!(flags & MCL_CURRENT) || sys_forbidden)
		return real(flags);
	sys_block_signals(&mask);
	result = lock_current(flags, was_future, real);
	failure = errno;
	sys_restore_signals(&mask);
	errno = result ? failure : saved;
	return result;
}
