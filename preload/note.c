/* SPDX-License-Identifier: MIT */
/* The recorder's few words to the user; see note.h. */
#include "note.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/stat.h>

#include "sys.h"

#define NOTE_SIZE 256

static char note_texts[NOTE_KINDS][NOTE_SIZE];
static atomic_int note_said[NOTE_KINDS]; /* 0, 1 = being written, 2 = said */
static int note_quiet;

/* The file that standard error was when the program started. */
static struct {
	int known; /* 1 = it was there, -1 = it was not, 0 = nobody has looked */
	uint64_t dev, ino;
} note_err;

struct writer {
	char *p, *end;
};

static void put_char(struct writer *w, char c)
{
	if (w->p < w->end)
		*w->p++ = c;
}

static void put_string(struct writer *w, const char *s)
{
	for (s = s ? s : "(null)"; *s; s++)
		put_char(w, *s);
}

static void put_number(struct writer *w, uint64_t v)
{
	char digits[20];
	int n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	while (n)
		put_char(w, digits[--n]);
}

size_t note_vformat(char *buf, size_t size, const char *format, va_list ap)
{
	struct writer w = { buf, buf + size - 1 };

	for (const char *f = format; *f; f++) {
		if (*f != '%') {
			put_char(&w, *f);
			continue;
		}
		f++;
		if (*f == 's') {
			put_string(&w, va_arg(ap, const char *));
		} else if (*f == 'd') {
			int v = va_arg(ap, int);

			if (v < 0)
				put_char(&w, '-');
			put_number(&w, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
		} else if (*f == 'u') {
			put_number(&w, va_arg(ap, unsigned));
		} else if (*f == 'l') { /* %lu */
			f++;
			put_number(&w, va_arg(ap, unsigned long));
		} else {
			put_char(&w, '%');
		}
	}
	*w.p = 0;
	return (size_t)(w.p - buf);
}

size_t note_format(char *buf, size_t size, const char *format, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, format);
	n = note_vformat(buf, size, format, ap);
	va_end(ap);
	return n;
}

void note_set_quiet(int quiet)
{
	note_quiet = quiet;
}

static int err_file(uint64_t *dev, uint64_t *ino)
{
	struct stat st;

	if (sys_call3(SYS_fstat, 2, (long)&st, 0))
		return -1;
	*dev = (uint64_t)st.st_dev;
	*ino = (uint64_t)st.st_ino;
	return 1;
}

void note_learn_err(void)
{
	note_err.known = err_file(&note_err.dev, &note_err.ino);
}

/* A program that has closed it may have a file of its own there, which a note must not go into.
 * Where it filters its system calls one more may be its end. */
static int err_is_the_same(void)
{
	uint64_t dev, ino;

	return !note_err.known || sys_forbidden || sys_filtered ||
	       (err_file(&dev, &ino) > 0 && note_err.known > 0 && dev == note_err.dev &&
		ino == note_err.ino);
}

void note_once(enum note kind, const char *format, ...)
{
	char line[NOTE_SIZE + 16];
	va_list ap;
	size_t n;
	int fresh = 0;

	if (!atomic_compare_exchange_strong(&note_said[kind], &fresh, 1))
		return;
	va_start(ap, format);
	note_vformat(note_texts[kind], NOTE_SIZE, format, ap);
	va_end(ap);
	atomic_store(&note_said[kind], 2);
	if (note_quiet || !err_is_the_same())
		return;
	n = note_format(line, sizeof(line), "lariat: %s\n", note_texts[kind]);
	sys_write(2, line, n);
}

const char *note_text(enum note kind)
{
	return atomic_load(&note_said[kind]) == 2 ? note_texts[kind] : NULL;
}
