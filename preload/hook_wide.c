/* SPDX-License-Identifier: MIT */
/* What a program asks of streams of wide characters; bytes are those of UTF-8. */
#include "hook_stdio.h"

static uint64_t string_bytes(const wchar_t *s)
{
	uint64_t n = 0;

	for (; s && *s; s++)
		n += stdio_wide_bytes(*s);
	return n;
}

#define READ_STRING(symbol, parameters, arguments)                                                 \
	LAR_EXPORT wchar_t *symbol parameters                                                      \
	{                                                                                          \
		wchar_t *result = REAL(symbol) arguments;                                          \
                                                                                                   \
		STDIO_DONE(symbol, f, !result && stdio_read_failed(f), string_bytes(result));      \
		return result;                                                                     \
	}

READ_STRING(fgetws, (wchar_t * s, int n, FILE *f), (s, n, f))
READ_STRING(fgetws_unlocked, (wchar_t * s, int n, FILE *f), (s, n, f))
READ_STRING(__fgetws_chk, (wchar_t * s, size_t room, int n, FILE *f), (s, room, n, f))
READ_STRING(__fgetws_unlocked_chk, (wchar_t * s, size_t room, int n, FILE *f), (s, room, n, f))

#define READ_CHAR(symbol, parameters, arguments, f)                                                \
	LAR_EXPORT wint_t symbol parameters                                                        \
	{                                                                                          \
		wint_t result = REAL(symbol) arguments;                                            \
                                                                                                   \
		STDIO_DONE(symbol, f, result == WEOF && stdio_read_failed(f),                      \
			   result == WEOF ? 0 : stdio_wide_bytes((wchar_t)result));                \
		return result;                                                                     \
	}

READ_CHAR(fgetwc, (FILE * f), (f), f)
READ_CHAR(fgetwc_unlocked, (FILE * f), (f), f)
READ_CHAR(getwc, (FILE * f), (f), f)
READ_CHAR(getwc_unlocked, (FILE * f), (f), f)
READ_CHAR(getwchar, (void), (), stdin)
READ_CHAR(getwchar_unlocked, (void), (), stdin)
READ_CHAR(__wuflow, (FILE * f), (f), f)

#define WRITE_STRING(symbol)                                                                       \
	LAR_EXPORT int symbol(const wchar_t *s, FILE *f)                                           \
	{                                                                                          \
		uint64_t n = string_bytes(s);                                                      \
		int result = REAL(symbol)(s, f);                                                   \
                                                                                                   \
		STDIO_DONE(symbol, f, result < 0, n);                                              \
		return result;                                                                     \
	}

WRITE_STRING(fputws)
WRITE_STRING(fputws_unlocked)

#define WRITE_CHAR(symbol, parameters, arguments, f)                                               \
	LAR_EXPORT wint_t symbol parameters                                                        \
	{                                                                                          \
		wint_t result = REAL(symbol) arguments;                                            \
                                                                                                   \
		STDIO_DONE(symbol, f, result == WEOF, stdio_wide_bytes((wchar_t)c));               \
		return result;                                                                     \
	}

WRITE_CHAR(fputwc, (wchar_t c, FILE *f), (c, f), f)
WRITE_CHAR(fputwc_unlocked, (wchar_t c, FILE *f), (c, f), f)
WRITE_CHAR(putwc, (wchar_t c, FILE *f), (c, f), f)
WRITE_CHAR(putwc_unlocked, (wchar_t c, FILE *f), (c, f), f)
WRITE_CHAR(putwchar, (wchar_t c), (c), stdout)
WRITE_CHAR(putwchar_unlocked, (wchar_t c), (c), stdout)

/* with WEOF for a character it only makes the stream ready for writing, or flushes it */
LAR_EXPORT wint_t __woverflow(FILE *f, wint_t c)
{
	wint_t result = REAL(__woverflow)(f, c);

	STDIO_DONE(__woverflow, f, result == WEOF && c != WEOF,
		   c == WEOF ? 0 : stdio_wide_bytes((wchar_t)c));
	return result;
}
