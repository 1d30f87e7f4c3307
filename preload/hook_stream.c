/* SPDX-License-Identifier: MIT */
/* The life of streams and of open folders: opening, positions, flushing, closing. */
#include "hook_stdio.h"
#include "stdio_table.h"

static int fd_of(const FILE *f)
{
	return f ? stdio_fd(f) : -1;
}

/* The new stream's or folder's descriptor is known by the path that it was opened by. */
static void record_opened(struct io_call *io, const char *path, int fd, bool folder)
{
	int e = errno;
	uint32_t target = 0;
	struct thread *t;

	if (!hook_wants(LAR_RECORD_IO))
		return;
	t = span_open(io->frame);
	if (t) {
		if (path && folder && fd >= 0)
			target = target_of_folder(AT_FDCWD, path, false, fd);
		else if (path)
			target = target_of_path(AT_FDCWD, path, fd >= 0, fd);
		if (fd >= 0)
			target_set(fd, target);
		span_close(t);
	}
	errno = e;
	io_record(io, fd, target, fd);
}

/* As open() would have been told. */
static uint64_t flags_of(const char *mode)
{
	return mode[0] == 'a' ? O_APPEND : 0;
}

#define OPENS(symbol, parameters, arguments, path, mode)                                           \
	LAR_EXPORT FILE *symbol parameters                                                         \
	{                                                                                          \
		struct io_call io = IO_CALL(symbol);                                               \
		FILE *f = REAL(symbol) arguments;                                                  \
                                                                                                   \
		io.offset = flags_of(mode);                                                        \
		record_opened(&io, path, fd_of(f), false);                                         \
		return f;                                                                          \
	}

OPENS(fopen, (const char *path, const char *mode), (path, mode), path, mode)
OPENS(fopen64, (const char *path, const char *mode), (path, mode), path, mode)
OPENS(tmpfile, (void), (), NULL, "w")
OPENS(tmpfile64, (void), (), NULL, "w")
OPENS(popen, (const char *command, const char *mode), (command, mode), NULL, mode)

/* Closes the stream first: what was asked of it comes before. */
static void leave(FILE *f, uint64_t frame)
{
	struct thread *t = lar_self;

	__atomic_fetch_add(&stdio_generation, 1, __ATOMIC_RELAXED);
	if (t->gate == GATE_OPEN && t->stdio_used) {
		int e = errno;

		t = span_open(frame);
		if (t) {
			stdiocell_flush(t, f);
			span_close(t);
		}
		errno = e;
	}
	if (!stdio_table_patched && stdio_fd(f) >= 0)
		target_forget(stdio_fd(f));
}

#define REOPENS(symbol)                                                                            \
	LAR_EXPORT FILE *symbol(const char *path, const char *mode, FILE *old)                     \
	{                                                                                          \
		struct io_call io = IO_CALL(symbol);                                               \
		FILE *f;                                                                           \
                                                                                                   \
		leave(old, io.frame);                                                              \
		f = REAL(symbol)(path, mode, old);                                                 \
		io.offset = flags_of(mode);                                                        \
		record_opened(&io, path, fd_of(f), false);                                         \
		return f;                                                                          \
	}

REOPENS(freopen)
REOPENS(freopen64)

LAR_EXPORT FILE *fdopen(int fd, const char *mode)
{
	struct io_call io = IO_CALL(fdopen);
	FILE *f = REAL(fdopen)(fd, mode);

	io_record(&io, fd, 0, f ? 0 : -1);
	return f;
}

/* Its name must be known before the descriptor goes. */
static uint32_t target_before(int fd, uint64_t frame)
{
	uint32_t target = 0;
	int e = errno;
	struct thread *t;

	if (fd < 0 || !hook_wants(LAR_RECORD_IO))
		return 0;
	t = span_open(frame);
	if (t) {
		target = target_of_fd(fd);
		span_close(t);
	}
	errno = e;
	return target;
}

#define CLOSES(symbol)                                                                             \
	LAR_EXPORT int symbol(FILE *f)                                                             \
	{                                                                                          \
		struct io_call io = IO_CALL(symbol);                                               \
		int fd = stdio_fd(f), result;                                                      \
		uint32_t target = target_before(fd, io.frame);                                     \
                                                                                                   \
		leave(f, io.frame);                                                                \
		result = REAL(symbol)(f);                                                          \
		if (fd >= 0)                                                                       \
			io_record(&io, fd, target, result);                                        \
		return result;                                                                     \
	}

CLOSES(fclose)
CLOSES(pclose)

LAR_EXPORT int fcloseall(void)
{
	struct io_call io = IO_CALL(fcloseall);
	int result = REAL(fcloseall)();

	io_record(&io, -1, 0, result);
	return result;
}

/* A call on a stream with a descriptor, or on all streams. */
#define ON_STREAM(type, symbol, parameters, arguments)                                             \
	LAR_EXPORT type symbol parameters                                                          \
	{                                                                                          \
		struct io_call io = IO_CALL(symbol);                                               \
		type result = REAL(symbol) arguments;                                              \
                                                                                                   \
		if (!f || stdio_fd(f) >= 0)                                                        \
			io_record(&io, fd_of(f), 0, result);                                       \
		return result;                                                                     \
	}

ON_STREAM(int, fflush, (FILE * f), (f))
ON_STREAM(int, fflush_unlocked, (FILE * f), (f))
ON_STREAM(int, _IO_fflush, (FILE * f), (f))
ON_STREAM(int, setvbuf, (FILE * f, char *buf, int mode, size_t n), (f, buf, mode, n))
ON_STREAM(int, fseek, (FILE * f, long at, int whence), (f, at, whence))
ON_STREAM(int, fseeko, (FILE * f, off_t at, int whence), (f, at, whence))
ON_STREAM(int, fseeko64, (FILE * f, off64_t at, int whence), (f, at, whence))
ON_STREAM(long, ftell, (FILE * f), (f))
ON_STREAM(off_t, ftello, (FILE * f), (f))
ON_STREAM(off64_t, ftello64, (FILE * f), (f))
ON_STREAM(int, fgetpos, (FILE * f, fpos_t *at), (f, at))
ON_STREAM(int, fgetpos64, (FILE * f, fpos64_t *at), (f, at))
ON_STREAM(int, fsetpos, (FILE * f, const fpos_t *at), (f, at))
ON_STREAM(int, fsetpos64, (FILE * f, const fpos64_t *at), (f, at))

LAR_EXPORT void rewind(FILE *f)
{
	struct io_call io = IO_CALL(rewind);

	REAL(rewind)(f);
	if (stdio_fd(f) >= 0)
		io_record(&io, stdio_fd(f), 0, 0);
}

/* ---- folders ---- */

LAR_EXPORT DIR *opendir(const char *path)
{
	struct io_call io = IO_CALL(opendir);
	DIR *d = REAL(opendir)(path);

	record_opened(&io, path, d ? dirfd(d) : -1, true);
	return d;
}

LAR_EXPORT DIR *fdopendir(int fd)
{
	struct io_call io = IO_CALL(fdopendir);
	DIR *d = REAL(fdopendir)(fd);

	io_record(&io, fd, 0, d ? 0 : -1);
	return d;
}

LAR_EXPORT int closedir(DIR *d)
{
	struct io_call io = IO_CALL(closedir);
	uint32_t target;
	int fd, result;

	/* declared nonnull, yet NULL is an error like others */
	__asm__("" : "+r"(d));
	fd = d ? dirfd(d) : -1;
	target = target_before(fd, io.frame);
	target_forget(fd);
	result = REAL(closedir)(d);
	io_record(&io, fd, target, result);
	return result;
}

/* The end of the folder is no error, and leaves errno alone. */
#define READS_FOLDER(type, symbol)                                                                 \
	LAR_EXPORT type *symbol(DIR *d)                                                            \
	{                                                                                          \
		struct io_call io = IO_CALL(symbol);                                               \
		int old = errno;                                                                   \
		type *result;                                                                      \
                                                                                                   \
		errno = 0;                                                                         \
		result = REAL(symbol)(d);                                                          \
		io_record(&io, dirfd(d), 0, result || !errno ? 0 : -1);                            \
		if (!errno)                                                                        \
			errno = old;                                                               \
		return result;                                                                     \
	}

READS_FOLDER(struct dirent, readdir)
READS_FOLDER(struct dirent64, readdir64)

#define READS_FOLDER_INTO(type, symbol)                                                            \
	LAR_EXPORT int symbol(DIR *d, type *entry, type **end)                                     \
	{                                                                                          \
		struct io_call io = IO_CALL(symbol);                                               \
		int result = REAL(symbol)(d, entry, end);                                          \
                                                                                                   \
		io_record_error(&io, dirfd(d), result);                                            \
		return result;                                                                     \
	}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
READS_FOLDER_INTO(struct dirent, readdir_r)
READS_FOLDER_INTO(struct dirent64, readdir64_r)
