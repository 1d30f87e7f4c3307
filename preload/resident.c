/* SPDX-License-Identifier: MIT */
/*
 * Resident memory, from /proc/self/statm; the peak is all that is told where that cannot be read
 * without harm.
 */
#include "resident.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "apart.h"
#include "recorder.h"
#include "sys.h"

#define PAGE 4096u

/* The second number of the file: pages. 0 when there is none. */
static uint64_t second_number(const char *text, size_t n)
{
	uint64_t pages = 0;
	size_t i = 0;

	while (i < n && text[i] != ' ')
		i++;
	for (i++; i < n && text[i] >= '0' && text[i] <= '9'; i++)
		pages = pages * 10 + (uint64_t)(text[i] - '0');
	return pages;
}

static void read_statm(void *bytes)
{
	int fd = sys_openat(AT_FDCWD, "/proc/self/statm", O_RDONLY | O_CLOEXEC, 0);
	char text[128];
	ssize_t n;

	if (fd < 0)
		return;
	n = sys_read(fd, text, sizeof(text));
	sys_close(fd);
	if (n > 0)
		*(uint64_t *)bytes = second_number(text, (size_t)n) * PAGE;
}

static uint64_t peak_bytes(void)
{
	struct rusage usage;

	if (sys_call3(SYS_getrusage, RUSAGE_SELF, (long)&usage, 0))
		return 0;
	return (uint64_t)usage.ru_maxrss << 10;
}

struct resident resident_now(uint64_t now_ns)
{
	struct resident r = { 0, 0 };

	if (now_ns < __atomic_load_n(&lar->resident_due_ns, __ATOMIC_RELAXED))
		return r;
	apart_run(read_statm, &r.bytes);
	if (!r.bytes) {
		r.bytes = peak_bytes();
		r.most = 1;
	}
	__atomic_store_n(&lar->resident_due_ns, apart_due(now_ns), __ATOMIC_RELAXED);
	return r;
}
