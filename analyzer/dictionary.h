/* SPDX-License-Identifier: MIT */
/*
 * The dictionary of a trace: process facts, modules, targets, thread names, notes.
 *
 * Strings and build-ids point into the dictionary's own copy of the section and live until
 * dictionary_fini(). A record that is not whole is skipped and counted; reading goes on behind it.
 */
#ifndef LARIAT_DICTIONARY_H
#define LARIAT_DICTIONARY_H

#include <stddef.h>
#include <stdint.h>

#include "ringfile.h"

/* Part of the copy of the section, as it was read at one time. */
struct dictionary_part {
	struct dictionary_part *next;
	uint8_t bytes[];
};

struct dictionary {
	struct dictionary_part *parts;
	uint64_t size; /* bytes of the section in all of them */
	uint64_t damaged;

	const char *command, *executable, *host, *cwd;
	const char **argv;
	uint32_t argc;
	uint32_t uid;
	struct trace_module *modules;
	uint32_t module_count, module_room;
	struct trace_target *targets;
	uint32_t target_count, target_room;
	struct trace_thread *threads; /* by number; only tid and name are set here */
	uint32_t thread_count, thread_room;
	char **notes; /* each allocated */
	uint32_t note_count, note_room;
	struct trace_misuse *misuses;
	uint32_t misuse_count, misuse_room;
	const char *bypassed_by;  /* who allocates out of sight, or NULL */
	const char *other_malloc; /* who does if no allocation was seen, or NULL */
	uint64_t last_ticks;	  /* latest time that a record names */
};

/* Threads beyond this number have no row; their events keep their number. */
#define DICTIONARY_MAX_THREADS (1u << 20)

/* Fills *d, which the caller owns in any case and frees with dictionary_fini(). 0 or -Exxx. */
int dictionary_init(struct dictionary *d, const struct ringfile *rf);
void dictionary_fini(struct dictionary *d);

/* Reads what has been appended since. Strings stay where they are, tables may move. 0 or -Exxx. */
int dictionary_more(struct dictionary *d, const struct ringfile *rf);

/* The row of a thread, made when there is none; NULL for a number out of bounds or no memory. */
struct trace_thread *dictionary_thread(struct dictionary *d, uint64_t number);

/* Appends a note of the reader's own. */
int dictionary_note(struct dictionary *d, const char *text, size_t size);

#endif
