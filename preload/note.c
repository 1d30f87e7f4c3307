/* SPDX-License-Identifier: MIT */
/* The recorder's few words to the user; see note.h. */
#include "note.h"

#include <stdatomic.h>
#include <stdint.h>

#include "sys.h"

#define NOTE_SIZE 256

static char note_texts[NOTE_KINDS][NOTE_SIZE];
static atomic_int note_said[NOTE_KINDS]; /* 0, 1 = being written, 2 = said */
static int note_quiet;

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
	if (note_quiet)
		return;
	n = note_format(line, sizeof(line), "lariat: %s\n", note_texts[kind]);
	sys_write(2, line, n);
}

const char *note_text(enum note kind)
{
	return atomic_load(&note_said[kind]) == 2 ? note_texts[kind] : NULL;
}
