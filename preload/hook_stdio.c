/* SPDX-License-Identifier: MIT */
/* What a program asks of streams of bytes; failed reads and writes. */
#include "hook_stdio.h"

#include <string.h>

/* macros where the compiler optimizes */
#undef fread_unlocked
#undef fwrite_unlocked

void stdio_count_slow(const struct stdio_call *c, uint64_t frame)
{
	int e = errno;
	struct thread *t;

	if (!hook_wants(LAR_RECORD_IO))
		return;
	/* streams in memory never get a cell: it is here that they are known */
	if (c->stream != &stdio_bytes_out && stdio_fd(c->stream) < 0)
		return;
	t = span_open(frame);
	if (t) {
		stdiocell_count(t, c, frame);
		span_close(t);
	}
	errno = e;
}

void stdio_failed(unsigned call, int fd, uint64_t frame)
{
	struct io_call io = { call, 0, 1, IO_NO_OFFSET, frame };

	if (fd >= 0)
		io_record(&io, fd, 0, -1);
}

/* A wrapper of a call on the stream f: how to tell that it failed, and the bytes it moved. */
#define ON_STREAM(type, symbol, parameters, arguments, f, failed, bytes)                           \
	LAR_EXPORT type symbol parameters                                                          \
	{                                                                                          \
		type result = REAL(symbol) arguments;                                              \
                                                                                                   \
		STDIO_DONE(symbol, f, failed, bytes);                                              \
		return result;                                                                     \
	}

/* ---- reading ---- */

#define READ_FAILED(f, none) ((none) && stdio_read_failed(f))

#define READ_ITEMS(symbol, parameters, arguments)                                                  \
	ON_STREAM(size_t, symbol, parameters, arguments, f, READ_FAILED(f, !result && n && size),  \
		  result *size)

READ_ITEMS(fread, (void *p, size_t size, size_t n, FILE *f), (p, size, n, f))
READ_ITEMS(fread_unlocked, (void *p, size_t size, size_t n, FILE *f), (p, size, n, f))
READ_ITEMS(_IO_fread, (void *p, size_t size, size_t n, FILE *f), (p, size, n, f))
READ_ITEMS(__fread_chk, (void *p, size_t room, size_t size, size_t n, FILE *f),
	   (p, room, size, n, f))
READ_ITEMS(__fread_unlocked_chk, (void *p, size_t room, size_t size, size_t n, FILE *f),
	   (p, room, size, n, f))

#define READ_STRING(symbol, parameters, arguments, f, ends)                                        \
	ON_STREAM(char *, symbol, parameters, arguments, f, READ_FAILED(f, !result),               \
		  result ? strlen(result) + (ends) : 0)

READ_STRING(fgets, (char *s, int n, FILE *f), (s, n, f), f, 0)
READ_STRING(fgets_unlocked, (char *s, int n, FILE *f), (s, n, f), f, 0)
READ_STRING(_IO_fgets, (char *s, int n, FILE *f), (s, n, f), f, 0)
READ_STRING(__fgets_chk, (char *s, size_t room, int n, FILE *f), (s, room, n, f), f, 0)
READ_STRING(__fgets_unlocked_chk, (char *s, size_t room, int n, FILE *f), (s, room, n, f), f, 0)
/* these leave out the end of the line that they read */
READ_STRING(gets, (char *s), (s), stdin, 1)
READ_STRING(_IO_gets, (char *s), (s), stdin, 1)
READ_STRING(__gets_chk, (char *s, size_t room), (s, room), stdin, 1)

#define READ_CHAR(symbol, parameters, arguments, f)                                                \
	ON_STREAM(int, symbol, parameters, arguments, f, READ_FAILED(f, result == EOF),            \
		  result != EOF)

READ_CHAR(fgetc, (FILE * f), (f), f)
READ_CHAR(fgetc_unlocked, (FILE * f), (f), f)
READ_CHAR(getc, (FILE * f), (f), f)
READ_CHAR(getc_unlocked, (FILE * f), (f), f)
READ_CHAR(_IO_getc, (FILE * f), (f), f)
READ_CHAR(__uflow, (FILE * f), (f), f)
READ_CHAR(getchar, (void), (), stdin)
READ_CHAR(getchar_unlocked, (void), (), stdin)
ON_STREAM(int, getw, (FILE * f), (f), f, READ_FAILED(f, result == EOF), sizeof(int))

#define READ_LINE(symbol, parameters, arguments)                                                   \
	ON_STREAM(ssize_t, symbol, parameters, arguments, f, READ_FAILED(f, result < 0),           \
		  result < 0 ? 0 : result)

READ_LINE(getline, (char **line, size_t *n, FILE *f), (line, n, f))
READ_LINE(getdelim, (char **line, size_t *n, int end, FILE *f), (line, n, end, f))
READ_LINE(__getdelim, (char **line, size_t *n, int end, FILE *f), (line, n, end, f))

/* ---- writing ---- */

#define WRITE_ITEMS(symbol)                                                                        \
	ON_STREAM(size_t, symbol, (const void *p, size_t size, size_t n, FILE *f),                 \
		  (p, size, n, f), f, !result && n && size, result * size)

WRITE_ITEMS(fwrite)
WRITE_ITEMS(fwrite_unlocked)
WRITE_ITEMS(_IO_fwrite)

/* The length is taken before: another thread may change the string when it is written. */
#define WRITE_STRING(symbol, parameters, arguments, f, more)                                       \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		size_t n = strlen(s) + (more);                                                     \
		int result = REAL(symbol) arguments;                                               \
                                                                                                   \
		STDIO_DONE(symbol, f, result < 0, n);                                              \
		return result;                                                                     \
	}

WRITE_STRING(fputs, (const char *s, FILE *f), (s, f), f, 0)
WRITE_STRING(fputs_unlocked, (const char *s, FILE *f), (s, f), f, 0)
WRITE_STRING(_IO_fputs, (const char *s, FILE *f), (s, f), f, 0)
WRITE_STRING(puts, (const char *s), (s), stdout, 1)
WRITE_STRING(_IO_puts, (const char *s), (s), stdout, 1)

#define WRITE_CHAR(symbol, parameters, arguments, f)                                               \
	ON_STREAM(int, symbol, parameters, arguments, f, result == EOF, 1)

WRITE_CHAR(fputc, (int c, FILE *f), (c, f), f)
WRITE_CHAR(fputc_unlocked, (int c, FILE *f), (c, f), f)
WRITE_CHAR(putc, (int c, FILE *f), (c, f), f)
WRITE_CHAR(putc_unlocked, (int c, FILE *f), (c, f), f)
WRITE_CHAR(_IO_putc, (int c, FILE *f), (c, f), f)
WRITE_CHAR(putchar, (int c), (c), stdout)
WRITE_CHAR(putchar_unlocked, (int c), (c), stdout)
/* with EOF for a character it only makes the stream ready for writing, or flushes it */
ON_STREAM(int, __overflow, (FILE * f, int c), (f, c), f, result == EOF && c != EOF, c != EOF)
ON_STREAM(int, putw, (int w, FILE *f), (w, f), f, result != 0, sizeof(int))

LAR_EXPORT void perror(const char *s)
{
	uint64_t out = stdio_bytes_out;

	REAL(perror)(s);
	stdio_count(LAR_CALL_perror, stderr, STDERR_FILENO, stdio_bytes_out - out, STDIO_CALLER,
		    HOOK_FRAME);
}
