/* SPDX-License-Identifier: MIT */
/* Opens a trace file and checks its header; see ringfile.h. */
#include "ringfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KNOWN_INCOMPAT	LAR_INCOMPAT_NARROW /* flags that this reader understands */
#define MAX_SLOT_HEADER (1u << 20)
#define MAX_TIME_SHIFT	32

static int __attribute__((format(printf, 4, 5)))
fail(struct trace_error *error, int code, uint64_t offset, const char *format, ...)
{
	va_list args;

	error->offset = offset;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return code;
}

ssize_t ringfile_read(const struct ringfile *rf, uint64_t offset, void *buf, size_t size)
{
	size_t done = 0;

	if (offset > INT64_MAX || size > INT64_MAX - offset)
		return -EINVAL;
	while (done < size) {
		ssize_t n = pread(rf->fd, (char *)buf + done, size - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

uint64_t ringfile_next_data(const struct ringfile *rf, uint64_t offset)
{
	off_t at;

	if (offset > INT64_MAX)
		return UINT64_MAX;
	at = lseek(rf->fd, (off_t)offset, SEEK_DATA);
	if (at >= 0)
		return (uint64_t)at;
	/* a file system without holes reads all of it */
	return errno == ENXIO ? UINT64_MAX : offset;
}

static int check_magic(const struct lar_header *h, size_t got, struct trace_error *error)
{
	static const char zero[LAR_MAGIC_SIZE];

	if (got >= LAR_MAGIC_SIZE && !memcmp(h->magic, LAR_MAGIC, LAR_MAGIC_SIZE))
		return 0;
	if (got >= LAR_MAGIC_SIZE && !memcmp(h->magic, zero, LAR_MAGIC_SIZE))
		return fail(error, -EINVAL, 0,
			    "the header was never completed: not a trace, or the program died "
			    "before recording began; nothing can be read");
	if (got >= 7 && !memcmp(h->magic, "LARIAT\n", 7))
		return fail(
			error, -EINVAL, 6,
			"line ends were converted when the trace was copied; copy it as binary");
	if (got < LAR_MAGIC_SIZE && !memcmp(h->magic, LAR_MAGIC, got))
		return fail(error, -EINVAL, got,
			    "the file ends after %zu bytes, a header takes %u; nothing can be read",
			    got, LAR_HEADER_SIZE);
	return fail(error, -EINVAL, 0, "not a lariat trace (wrong magic); nothing can be read");
}

static int check_version(const struct lar_header *h, struct trace_error *error)
{
	uint32_t unknown = h->incompat_flags & ~KNOWN_INCOMPAT;

	if (h->version > LAR_VERSION)
		return fail(error, -EPROTONOSUPPORT, offsetof(struct lar_header, version),
			    "trace format version %u is newer than version %u, the newest this "
			    "lariat reads; use a newer lariat",
			    h->version, LAR_VERSION);
	if (h->version < LAR_VERSION_OLDEST)
		return fail(error, -EPROTONOSUPPORT, offsetof(struct lar_header, version),
			    "trace format version %u is older than version %u, the oldest this "
			    "lariat reads; use an older lariat",
			    h->version, LAR_VERSION_OLDEST);
	if (unknown)
		return fail(error, -EPROTONOSUPPORT, offsetof(struct lar_header, incompat_flags),
			    "incompatible format flags 0x%x are unknown to this lariat (format "
			    "version %u, trace version %u); use a newer lariat",
			    unknown, LAR_VERSION, h->version);
	return 0;
}

/* Puts right what can be done without; counts it. */
static uint32_t repair_header(struct lar_header *h)
{
	uint32_t damage = 0;

	if (h->section_count > LAR_MAX_SECTIONS) {
		h->section_count = LAR_MAX_SECTIONS;
		damage++;
	}
	if (h->time_shift > MAX_TIME_SHIFT) {
		h->time_shift = 0;
		damage++;
	}
	return damage;
}

/*
 * Sections that the file's end cuts: the recorder makes it as long as they are, and what was in the
 * part that is missing nobody knows. Of the ring the header has the number of blocks, and its end
 * may be a hole that was never used.
 */
static uint32_t cut_sections(const struct ringfile *rf)
{
	const struct lar_header *h = &rf->header;
	uint32_t cut = 0;

	for (uint32_t i = 0; i < h->section_count; i++) {
		const struct lar_section *s = &h->sections[i];

		if (s->type != LAR_SECTION_NONE && s->type != LAR_SECTION_RING && s->size)
			cut += s->offset > rf->size || s->size > rf->size - s->offset;
	}
	return cut;
}

static int check_header(struct ringfile *rf, size_t got, struct trace_error *error)
{
	struct lar_header *h = &rf->header;
	int rc = check_magic(h, got, error);

	if (rc)
		return rc;
	if (got >= offsetof(struct lar_header, machine)) {
		rc = check_version(h, error);
		if (rc)
			return rc;
	}
	if (got < sizeof(*h) || rf->size < LAR_HEADER_SIZE)
		return fail(error, -EINVAL, rf->size,
			    "the file ends after %llu bytes, a header takes %u; nothing can be "
			    "read",
			    (unsigned long long)rf->size, LAR_HEADER_SIZE);
	if (h->header_size < LAR_HEADER_SIZE)
		return fail(error, -EINVAL, offsetof(struct lar_header, header_size),
			    "the header says it takes %u bytes, less than %u; nothing can be read",
			    h->header_size, LAR_HEADER_SIZE);
	if (h->slot_header_size < sizeof(struct lar_slot) || h->slot_header_size % 8 ||
	    h->slot_header_size > MAX_SLOT_HEADER)
		return fail(error, -EINVAL, offsetof(struct lar_header, slot_header_size),
			    "slot headers of %u bytes are impossible; nothing can be read",
			    h->slot_header_size);
	rf->header_damage = repair_header(h);
	rf->header_damage += cut_sections(rf);
	return 0;
}

static int open_regular(struct ringfile *rf, const char *path, struct trace_error *error)
{
	struct stat st;

	/* no waiting on a FIFO that was named by mistake */
	rf->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (rf->fd < 0) {
		int code = errno;

		return fail(error, -code, 0, "cannot open: %s", strerror(code));
	}
	if (fstat(rf->fd, &st) || !S_ISREG(st.st_mode)) {
		int code = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;

		ringfile_close(rf);
		return fail(error, -code, 0, "not a regular file; nothing can be read");
	}
	rf->size = (uint64_t)st.st_size;
	rf->disk_bytes = (uint64_t)st.st_blocks * 512;
	rf->dev = st.st_dev;
	rf->ino = st.st_ino;
	return 0;
}

int ringfile_open(struct ringfile *rf, const char *path, struct trace_error *error)
{
	ssize_t got;
	int rc;

	memset(rf, 0, sizeof(*rf));
	rc = open_regular(rf, path, error);
	if (rc)
		return rc;
	got = ringfile_read(rf, 0, &rf->header, sizeof(rf->header));
	if (got < 0)
		rc = fail(error, (int)got, 0, "cannot read: %s", strerror((int)-got));
	else if (got == 0)
		rc = fail(error, -EINVAL, 0, "the file is empty; nothing can be read");
	else
		rc = check_header(rf, (size_t)got, error);
	if (rc)
		ringfile_close(rf);
	return rc;
}

void ringfile_close(struct ringfile *rf)
{
	if (rf->fd >= 0)
		close(rf->fd);
	rf->fd = -1;
}

void ringfile_refresh(struct ringfile *rf)
{
	struct ringfile now = *rf;
	struct trace_error ignored;
	struct stat st;
	ssize_t got = ringfile_read(rf, 0, &now.header, sizeof(now.header));

	if (got != sizeof(now.header) || fstat(rf->fd, &st))
		return;
	now.size = (uint64_t)st.st_size;
	now.disk_bytes = (uint64_t)st.st_blocks * 512;
	if (!check_header(&now, (size_t)got, &ignored))
		*rf = now;
}

struct lar_section ringfile_section(const struct ringfile *rf, enum lar_section_type type)
{
	struct lar_section none = { .type = LAR_SECTION_NONE };

	for (uint32_t i = 0; i < rf->header.section_count; i++) {
		struct lar_section s = rf->header.sections[i];

		if (s.type != type)
			continue;
		if (s.offset < rf->header.header_size || s.offset >= rf->size || s.offset % 32)
			continue;
		if (s.size > rf->size - s.offset)
			s.size = rf->size - s.offset;
		return s;
	}
	return none;
}
