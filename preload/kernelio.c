/* SPDX-License-Identifier: MIT */
/* What the kernel counts; see kernelio.h. */
#include "kernelio.h"

#include <dirent.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>

#include "note.h"
#include "recorder.h"
#include "sys.h"

struct counts {
	uint64_t read, written;
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

/* What the kernel has counted for one thread. Returns the bytes that were read to learn it. */
static ssize_t ask_thread(const char *path, struct counts *c)
{
	char text[512];
	ssize_t n;
	int fd;

	fd = sys_openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	n = sys_read(fd, text, sizeof(text) - 1);
	sys_close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	if (!number_of(text, "rchar: ", &c->read) || !number_of(text, "wchar: ", &c->written))
		return 0;
	return n;
}

static bool has_ended(uint32_t tid)
{
	for (uint32_t i = 0; i < RECORDER_ENDED; i++)
		if (lar->ended[i] == tid)
			return true;
	return false;
}

/* Adds what the threads of one part of the list have. */
static void add_threads(const uint8_t *list, long size, struct counts *sum)
{
	for (long at = 0; at < size;) {
		const struct dirent64 *entry = (const void *)(list + at);
		struct counts c;
		char path[48];
		uint32_t tid = 0;

		for (const char *p = entry->d_name; *p >= '0' && *p <= '9'; p++)
			tid = tid * 10 + (uint32_t)(*p - '0');
		note_format(path, sizeof(path), "/proc/self/task/%u/io", tid);
		/* one that is gone in between has said at its end what it had */
		if (tid && !has_ended(tid) && ask_thread(path, &c)) {
			sum->read += c.read;
			sum->written += c.written;
		}
		at += entry->d_reclen;
	}
}

/*
 * What the threads have read and written, those that have ended too, less what the recorder itself
 * has. The process's own figures would not do: they have those of its children in them.
 */
static bool ask(struct counts *c)
{
	uint64_t own_read = __atomic_load_n(&sys_bytes_read, __ATOMIC_RELAXED);
	uint64_t own_written = __atomic_load_n(&sys_bytes_written, __ATOMIC_RELAXED);
	uint8_t list[2048] __attribute__((aligned(8)));
	long n;
	int fd;

	c->read = atomic_load(&lar->ended_read) - own_read;
	c->written = atomic_load(&lar->ended_written) - own_written;
	fd = sys_openat(AT_FDCWD, "/proc/self/task", O_RDONLY | O_CLOEXEC | O_DIRECTORY, 0);
	if (fd < 0)
		return false;
	while ((n = sys_call3(SYS_getdents64, fd, (long)list, sizeof(list))) > 0)
		add_threads(list, n, c);
	sys_close(fd);
	return !n;
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
	uint64_t now = lar_ticks(), objects;

	if (!lar->kernel_known || !ask(&c))
		return;
	h->kernel_read_bytes = c.read - lar->kernel_read;
	h->kernel_written_bytes = c.written - lar->kernel_written;
	objects = objects_loaded();
	if (objects > lar->kernel_objects)
		h->loaded_objects = objects - lar->kernel_objects;
	__atomic_store_n(&h->kernel_ticks, now, __ATOMIC_RELEASE);
}

void kernelio_thread_ends(uint32_t tid)
{
	struct counts c;
	ssize_t n;

	if (!lar->kernel_known)
		return;
	n = ask_thread("/proc/thread-self/io", &c);
	if (!n)
		return;
	lar->ended[atomic_fetch_add(&lar->ended_next, 1) % RECORDER_ENDED] = tid;
	/* this was counted behind what it read, and is taken off with all that the recorder read */
	atomic_fetch_add(&lar->ended_read, c.read + (uint64_t)n);
	atomic_fetch_add(&lar->ended_written, c.written);
}
