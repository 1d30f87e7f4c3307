/* SPDX-License-Identifier: MIT */
/*
 * The recorder's few words to the user: each kind of trouble is said once per process, in one
 * write to descriptor 2, and kept in the trace. Any context, no allocation.
 */
#ifndef LARIAT_NOTE_H
#define LARIAT_NOTE_H

#include <stdarg.h>
#include <stddef.h>

enum note {
	NOTE_NO_FILE,	/* the trace cannot be created */
	NOTE_NO_MEMORY, /* own memory refused */
	NOTE_ACCOUNTS,	/* a checkpoint does not fit */
	NOTE_FULL,	/* the disk is full */
	NOTE_SANDBOX,	/* a system call filter */
	NOTE_CPU,	/* no CPU samples */
	NOTE_CONFIG,	/* an option's value is wrong; its default is used */
	NOTE_BYPASS,	/* allocations and frees that are not seen */
	NOTE_FILTERED,	/* one that was there before the program */
	NOTE_KINDS
};

/*
 * Says "lariat: TEXT" unless it was said or --quiet is in force. The format knows %s, %d, %u, %%.
 */
void note_once(enum note kind, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* snprintf for the same small set of conversions, always terminated; returns the length. */
size_t note_format(char *buf, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
size_t note_vformat(char *buf, size_t size, const char *format, va_list ap);

/* --quiet: from now on nothing is written to descriptor 2. */
void note_set_quiet(int quiet);

/* What is descriptor 2 now is where notes go, as long as it is that. At the program's start. */
void note_learn_err(void);

/* The note's text for the trace, or NULL when that kind was not said. */
const char *note_text(enum note kind);

#endif
