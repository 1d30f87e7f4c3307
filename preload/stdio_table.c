/* SPDX-License-Identifier: MIT */
/*
 * libc's streams read and write through tables of functions, not through the public symbols. In
 * libc 2.31 to 2.42 the entries of the tables for files are _IO_file_read, _IO_file_write,
 * _IO_file_seek and _IO_file_close, one behind another, in memory that the loader has made
 * read-only. They are found by what they hold; where they are not as expected, nothing is changed.
 */
#include "stdio_table.h"

#include <elf.h>
#include <link.h>
#include <sys/mman.h>

#include "hook_stdio.h"
#include "kernelio.h"
#include "sys.h"

/* Entries of a table, one behind another. */
struct entries {
	ssize_t (*read)(FILE *f, void *buf, ssize_t n);
	ssize_t (*write)(FILE *f, const void *buf, ssize_t n);
	off64_t (*seek)(FILE *f, off64_t at, int whence);
	int (*close)(FILE *f);
};

bool stdio_table_patched;
LAR_TLS uint64_t stdio_bytes_in, stdio_bytes_out;
static struct entries libc;

/* The cells of the stream come before what they led to. */
static void flush_cells(const FILE *f, uint64_t frame)
{
	struct thread *t = lar_self;

	if (t->gate != GATE_OPEN || !t->stdio_used)
		return;
	t = span_open(frame);
	if (!t)
		return;
	stdiocell_flush(t, f);
	span_close(t);
}

static ssize_t read_entry(FILE *f, void *buf, ssize_t n)
{
	uint64_t before = io_begin(LAR_CALL_stdio_read, f->_fileno);
	ssize_t result = libc.read(f, buf, n);
	int e = errno;

	stdio_bytes_in += result > 0 ? (uint64_t)result : 0;
	flush_cells(f, HOOK_FRAME);
	errno = e;
	io_record_usual(LAR_CALL_stdio_read, before, (uint64_t)n, IO_NO_OFFSET, HOOK_FRAME,
			f->_fileno, result);
	return result;
}

/* What was written before an error is the result, and less than was asked for. */
static ssize_t write_entry(FILE *f, const void *buf, ssize_t n)
{
	uint64_t before = io_begin(LAR_CALL_stdio_write, f->_fileno);
	ssize_t result = libc.write(f, buf, n);
	int e = errno;
	bool failed = result <= 0 && n > 0;

	stdio_bytes_out += result > 0 ? (uint64_t)result : 0;
	flush_cells(f, HOOK_FRAME);
	errno = e;
	io_record_usual(LAR_CALL_stdio_write, before, (uint64_t)n, IO_NO_OFFSET, HOOK_FRAME,
			f->_fileno, failed ? -1 : result);
	/* libc writes what is left in buffers when all else has ended */
	if (unlikely(before && lar->header->end))
		kernelio_sample();
	return result;
}

static off64_t seek_entry(FILE *f, off64_t at, int whence)
{
	struct io_call io = IO_CALL_ON(stdio_seek, f->_fileno);
	off64_t result = libc.seek(f, at, whence);

	io_record(&io, f->_fileno, 0, result);
	return result;
}

/* The descriptor's number may be another's in a moment. */
static int close_entry(FILE *f)
{
	int e = errno;

	flush_cells(f, HOOK_FRAME);
	errno = e;
	__atomic_fetch_add(&stdio_generation, 1, __ATOMIC_RELAXED);
	target_forget(f->_fileno);
	return libc.close(f);
}

/* The part of libc that the loader makes read-only when it has relocated it. */
static bool read_only_part(uint64_t *start, uint64_t *end)
{
	struct dl_find_object found;
	const Elf64_Ehdr *h;
	const Elf64_Phdr *p;

	if (_dl_find_object((void *)libc.read, &found))
		return false;
	h = found.dlfo_map_start;
	p = (const void *)((const char *)h + h->e_phoff);
	for (unsigned i = 0; i < h->e_phnum; i++) {
		if (p[i].p_type != PT_GNU_RELRO)
			continue;
		*start = found.dlfo_link_map->l_addr + p[i].p_vaddr;
		*end = (*start + p[i].p_memsz) & ~4095ull;
		*start = (*start + 7) & ~7ull;
		return *start < *end;
	}
	return false;
}

static bool is_table(const struct entries *e)
{
	return e->read == libc.read && e->write == libc.write && e->seek == libc.seek;
}

static bool protect(uint64_t start, uint64_t end, int how)
{
	start &= ~4095ull;
	end = (end + 4095) & ~4095ull;
	return !sys_call3(SYS_mprotect, (long)start, (long)(end - start), how);
}

static void patch(struct entries *e)
{
	if (e->close == libc.close)
		__atomic_store_n(&e->close, close_entry, __ATOMIC_RELAXED);
	__atomic_store_n(&e->seek, seek_entry, __ATOMIC_RELAXED);
	__atomic_store_n(&e->write, write_entry, __ATOMIC_RELAXED);
	__atomic_store_n(&e->read, read_entry, __ATOMIC_RELAXED);
}

/* Where the first table begins and the last one ends, of those in [*start, *end). */
static bool tables_within(uint64_t *start, uint64_t *end)
{
	uint64_t first = 0, behind = 0;

	for (uint64_t at = *start; at + sizeof(struct entries) <= *end; at += 8) {
		if (!is_table((const struct entries *)at))
			continue;
		first = first ? first : at;
		behind = at + sizeof(struct entries);
	}
	*start = first;
	*end = behind;
	return first != 0;
}

void stdio_table_patch(void)
{
	static bool tried;
	uint64_t at, end;

	if (tried)
		return;
	tried = true;
	*(void **)&libc.read = real_find_late("_IO_file_read");
	*(void **)&libc.write = real_find_late("_IO_file_write");
	*(void **)&libc.seek = real_find_late("_IO_file_seek");
	*(void **)&libc.close = real_find_late("_IO_file_close");
	if (!libc.read || !libc.write || !libc.seek || !libc.close || !read_only_part(&at, &end))
		return;
	if (!tables_within(&at, &end) || !protect(at, end, PROT_READ | PROT_WRITE))
		return;
	for (uint64_t i = at; i < end; i += 8)
		if (is_table((struct entries *)i))
			patch((struct entries *)i);
	protect(at, end, PROT_READ);
	stdio_table_patched = true;
}
