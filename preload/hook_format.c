/* SPDX-License-Identifier: MIT */
/* The printf and scanf families on streams and descriptors, narrow and wide. */
#include "hook_stdio.h"

/* The forms with a list of arguments call libc's own; those with `...` call these by list. */
#define PRINT_LIST(symbol, parameters, arguments, f)                                               \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		int result = REAL(symbol) arguments;                                               \
                                                                                                   \
		STDIO_DONE(symbol, f, result < 0, result);                                         \
		return result;                                                                     \
	}

#define PRINT_MORE(symbol, by_list, parameters, arguments, f)                                      \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		va_list ap;                                                                        \
		int result;                                                                        \
                                                                                                   \
		va_start(ap, format);                                                              \
		result = REAL(by_list) arguments;                                                  \
		va_end(ap);                                                                        \
		STDIO_DONE(symbol, f, result < 0, result);                                         \
		return result;                                                                     \
	}

PRINT_LIST(vprintf, (const char *format, va_list ap), (format, ap), stdout)
PRINT_LIST(vfprintf, (FILE * f, const char *format, va_list ap), (f, format, ap), f)
PRINT_LIST(_IO_vfprintf, (FILE * f, const char *format, va_list ap), (f, format, ap), f)
PRINT_LIST(__vprintf_chk, (int flag, const char *format, va_list ap), (flag, format, ap), stdout)
PRINT_LIST(__vfprintf_chk, (FILE * f, int flag, const char *format, va_list ap),
	   (f, flag, format, ap), f)
PRINT_MORE(printf, vprintf, (const char *format, ...), (format, ap), stdout)
PRINT_MORE(_IO_printf, vprintf, (const char *format, ...), (format, ap), stdout)
PRINT_MORE(fprintf, vfprintf, (FILE * f, const char *format, ...), (f, format, ap), f)
PRINT_MORE(_IO_fprintf, vfprintf, (FILE * f, const char *format, ...), (f, format, ap), f)
PRINT_MORE(__printf_chk, __vprintf_chk, (int flag, const char *format, ...), (flag, format, ap),
	   stdout)
PRINT_MORE(__fprintf_chk, __vfprintf_chk, (FILE * f, int flag, const char *format, ...),
	   (f, flag, format, ap), f)

/* wide: characters are counted, which have a byte or more each */
PRINT_LIST(vwprintf, (const wchar_t *format, va_list ap), (format, ap), stdout)
PRINT_LIST(vfwprintf, (FILE * f, const wchar_t *format, va_list ap), (f, format, ap), f)
PRINT_LIST(__vwprintf_chk, (int flag, const wchar_t *format, va_list ap), (flag, format, ap),
	   stdout)
PRINT_LIST(__vfwprintf_chk, (FILE * f, int flag, const wchar_t *format, va_list ap),
	   (f, flag, format, ap), f)
PRINT_MORE(wprintf, vwprintf, (const wchar_t *format, ...), (format, ap), stdout)
PRINT_MORE(fwprintf, vfwprintf, (FILE * f, const wchar_t *format, ...), (f, format, ap), f)
PRINT_MORE(__wprintf_chk, __vwprintf_chk, (int flag, const wchar_t *format, ...),
	   (flag, format, ap), stdout)
PRINT_MORE(__fwprintf_chk, __vfwprintf_chk, (FILE * f, int flag, const wchar_t *format, ...),
	   (f, flag, format, ap), f)

/*
 * To a descriptor: libc makes a stream for the call, whose write is seen like any other's; from
 * 2.37 on it writes by itself, all at once.
 */
static void print_direct(unsigned call, uint64_t before, int fd, int result, uint64_t out,
			 uint64_t frame)
{
	struct io_call io = { LAR_CALL_stdio_write, before, (uint64_t)result, IO_NO_OFFSET, frame };

	if (result < 0) {
		stdio_failed(call, fd, frame);
		return;
	}
	if (result && stdio_bytes_out == out && fd >= 0)
		io_record(&io, fd, 0, result);
}

#define PRINT_TO(symbol, by_list, parameters, arguments, begin, finish)                            \
	LAR_EXPORT int symbol parameters                                                           \
	{                                                                                          \
		uint64_t before = hook_ticks(), out = stdio_bytes_out;                             \
		int result;                                                                        \
                                                                                                   \
		begin;                                                                             \
		result = REAL(by_list) arguments;                                                  \
		finish;                                                                            \
		print_direct(LAR_CALL_##symbol, before, fd, result, out, HOOK_FRAME);              \
		if (result >= 0)                                                                   \
			stdio_count(LAR_CALL_##symbol, &stdio_bytes_out, fd, (uint64_t)result,     \
				    STDIO_CALLER, HOOK_FRAME);                                     \
		return result;                                                                     \
	}

#define LIST_BEGIN                                                                                 \
	va_list ap;                                                                                \
	va_start(ap, format)

PRINT_TO(vdprintf, vdprintf, (int fd, const char *format, va_list ap), (fd, format, ap), , )
PRINT_TO(__vdprintf_chk, __vdprintf_chk, (int fd, int flag, const char *format, va_list ap),
	 (fd, flag, format, ap), , )
PRINT_TO(dprintf, vdprintf, (int fd, const char *format, ...), (fd, format, ap), LIST_BEGIN,
	 va_end(ap))
PRINT_TO(__dprintf_chk, __vdprintf_chk, (int fd, int flag, const char *format, ...),
	 (fd, flag, format, ap), LIST_BEGIN, va_end(ap))

/*
 * What a scan consumed: what was in the stream's buffer before, and came into it meanwhile, less
 * what is there now.
 */
static inline uint64_t buffered(const FILE *f)
{
	return (uint64_t)(f->_IO_read_end - f->_IO_read_ptr);
}

static inline uint64_t consumed(const FILE *f, uint64_t before, uint64_t in)
{
	int64_t n = (int64_t)(before + (stdio_bytes_in - in) - buffered(f));

	/* pushed back characters are in another buffer */
	return n < 0 ? 0 : (uint64_t)n;
}

/* The headers make the old names of scanf the new ones: under names of their own here. */
#define SCAN_LIST(symbol, parameters, arguments, f)                                                \
	LAR_EXPORT int scan_##symbol parameters __asm__(#symbol);                                  \
	LAR_EXPORT int scan_##symbol parameters                                                    \
	{                                                                                          \
		uint64_t before = buffered(f), in = stdio_bytes_in;                                \
		int result = REAL(symbol) arguments;                                               \
                                                                                                   \
		STDIO_DONE(symbol, f, result == EOF && stdio_read_failed(f),                       \
			   consumed(f, before, in));                                               \
		return result;                                                                     \
	}

#define SCAN_MORE(symbol, by_list, parameters, arguments, f)                                       \
	LAR_EXPORT int scan_##symbol parameters __asm__(#symbol);                                  \
	LAR_EXPORT int scan_##symbol parameters                                                    \
	{                                                                                          \
		uint64_t before = buffered(f), in = stdio_bytes_in;                                \
		va_list ap;                                                                        \
		int result;                                                                        \
                                                                                                   \
		va_start(ap, format);                                                              \
		result = REAL(by_list) arguments;                                                  \
		va_end(ap);                                                                        \
		STDIO_DONE(symbol, f, result == EOF && stdio_read_failed(f),                       \
			   consumed(f, before, in));                                               \
		return result;                                                                     \
	}

SCAN_LIST(vscanf, (const char *format, va_list ap), (format, ap), stdin)
SCAN_LIST(vfscanf, (FILE * f, const char *format, va_list ap), (f, format, ap), f)
SCAN_LIST(__vfscanf, (FILE * f, const char *format, va_list ap), (f, format, ap), f)
SCAN_LIST(__isoc99_vscanf, (const char *format, va_list ap), (format, ap), stdin)
SCAN_LIST(__isoc99_vfscanf, (FILE * f, const char *format, va_list ap), (f, format, ap), f)
SCAN_MORE(scanf, vscanf, (const char *format, ...), (format, ap), stdin)
SCAN_MORE(fscanf, vfscanf, (FILE * f, const char *format, ...), (f, format, ap), f)
SCAN_MORE(__isoc99_scanf, __isoc99_vscanf, (const char *format, ...), (format, ap), stdin)
SCAN_MORE(__isoc99_fscanf, __isoc99_vfscanf, (FILE * f, const char *format, ...), (f, format, ap),
	  f)
SCAN_LIST(vwscanf, (const wchar_t *format, va_list ap), (format, ap), stdin)
SCAN_LIST(vfwscanf, (FILE * f, const wchar_t *format, va_list ap), (f, format, ap), f)
SCAN_LIST(__isoc99_vwscanf, (const wchar_t *format, va_list ap), (format, ap), stdin)
SCAN_LIST(__isoc99_vfwscanf, (FILE * f, const wchar_t *format, va_list ap), (f, format, ap), f)
SCAN_MORE(wscanf, vwscanf, (const wchar_t *format, ...), (format, ap), stdin)
SCAN_MORE(fwscanf, vfwscanf, (FILE * f, const wchar_t *format, ...), (f, format, ap), f)
SCAN_MORE(__isoc99_wscanf, __isoc99_vwscanf, (const wchar_t *format, ...), (format, ap), stdin)
SCAN_MORE(__isoc99_fwscanf, __isoc99_vfwscanf, (FILE * f, const wchar_t *format, ...),
	  (f, format, ap), f)
