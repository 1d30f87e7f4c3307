/* SPDX-License-Identifier: MIT */
/* What the kernel counts; see kernelio.h. */
#include "kernelio.h"

#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "apart.h"
#include "note.h"
#include "recorder.h"
#include "sys.h"

struct counts {
	uint64_t read, written;
	bool known;
};

/* The number behind "name: " in the text. */
static bool number_of(const char *text, const char *name, uint64_t *n)
{
	const char *p = strstr(text, name);

	if (!p)
		return false;
	*n = 0;
	for (p += strlen(name); *p >= '0' && *p <= '9'; p++)
		*n = *n * 10 + (uint64_t)(*p - '0');
	return true;
}

static int first_object(struct dl_phdr_info *info, size_t size, void *adds)
{
	(void)size;
	*(uint64_t *)adds = info->dlpi_adds;
	return 1;
}

/*
 * Objects that the loader has ever loaded: it reads the beginning of each. Another thread may hold
 * its lock for as long as it likes, or may have held it when this process was forked.
 */
static uint64_t objects_loaded(void)
{
	uint64_t adds = 0;

	if (!lar->header->parent_start_ns && atomic_load(&lar->threads) <= 1)
		dl_iterate_phdr(first_object, &adds);
	return adds;
}

static void note_objects(void)
{
	uint64_t objects = objects_loaded();

	if (objects > lar->kernel_objects)
		lar->header->loaded_objects = objects - lar->kernel_objects;
}

/* Reads a file of counts; c->known says whether it could. */
static void ask_file(const char *path, struct counts *c)
{
	char text[512];
	ssize_t n;
	int fd;

	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return;
	n = sys_read(fd, text, sizeof(text) - 1);
	sys_close(fd);
	if (n <= 0)
		return;
	text[n] = 0;
	c->known = number_of(text, "rchar: ", &c->read) && number_of(text, "wchar: ", &c->written);
}

/* While there is one, it has the process's number. */
static void ask_thread(void *counts)
{
	char path[48];

	note_format(path, sizeof(path), "/proc/self/task/%u/io", lar->pid);
	ask_file(path, counts);
}

/* The process: what its threads have, those that have ended, and its children that it has waited
 * for. */
static void ask_process(void *counts)
{
	ask_file("/proc/self/io", counts);
}

/* Changes whenever a child is waited for: none runs without page faults. */
static uint64_t children_seen(void)
{
	struct rusage usage;

	if (sys_call3(SYS_getrusage, RUSAGE_CHILDREN, (long)&usage, 0))
		return 0;
	return (uint64_t)(usage.ru_minflt + usage.ru_majflt);
}

/*
 * Without what the recorder itself has read and written. One thread is asked for itself. Of several
 * the whole process is, which also has what children had that were waited for: before the second
 * thread starts that much is known, and as long as no other is waited for it stays the same.
 */
static bool ask(struct counts *c)
{
	uint64_t own_read = __atomic_load_n(&sys_bytes_read, __ATOMIC_RELAXED);
	uint64_t own_written = __atomic_load_n(&sys_bytes_written, __ATOMIC_RELAXED);

	c->known = false;
	if (lar->kernel_threads && children_seen() != lar->kernel_children)
		return false;
	if (!apart_run(lar->kernel_threads ? ask_process : ask_thread, c) || !c->known)
		return false;
	if (lar->kernel_threads && children_seen() != lar->kernel_children)
		return false;
	c->read -= own_read + lar->children_read;
	c->written -= own_written + lar->children_written;
	return true;
}

void kernelio_second_thread(void)
{
	struct counts all = { .known = false }, own = { .known = false };
	uint64_t before, between, mask;

	if (!lar || lar->kernel_threads || !lar->kernel_known)
		return;
	/* the last time that the loader can be asked */
	note_objects();
	sys_block_signals(&mask);
	lar->kernel_children = children_seen();
	before = __atomic_load_n(&sys_bytes_read, __ATOMIC_RELAXED);
	apart_run(ask_process, &all);
	between = __atomic_load_n(&sys_bytes_read, __ATOMIC_RELAXED) - before;
	apart_run(ask_thread, &own);
	sys_restore_signals(&mask);
	lar->kernel_known = all.known && own.known;
	/* the second has what reading the first one took */
	lar->children_read = all.read - (own.read - between);
	lar->children_written = all.written - own.written;
	lar->kernel_threads = true;
}

void kernelio_begin(void)
{
	struct counts c;

	lar->kernel_known = ask(&c);
	if (!lar->kernel_known)
		return;
	lar->kernel_read = c.read;
	lar->kernel_written = c.written;
	lar->kernel_objects = objects_loaded();
}

void kernelio_sample(void)
{
	struct lar_header *h = lar->header;
	struct counts c;
	uint64_t now = lar_ticks(), before = sys_clock_ns(CLOCK_MONOTONIC);

	if (!lar->kernel_known || !ask(&c))
		return;
	h->kernel_read_bytes = c.read - lar->kernel_read;
	h->kernel_written_bytes = c.written - lar->kernel_written;
	note_objects();
	__atomic_store_n(&h->kernel_ticks, now,
			 __ATOMIC_RELEASE); /* resident memory is asked for at the same times */
	__atomic_store_n(&lar->resident_due_ns, apart_due(before), __ATOMIC_RELAXED);
}
