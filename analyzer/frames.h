/* SPDX-License-Identifier: MIT */
/*
 * Stacks of a trace as functions, files and lines, and which frame of a stack tells most. Strings
 * belong to the symbols and live until frames_free(). One thread at a time.
 */
#ifndef LARIAT_FRAMES_H
#define LARIAT_FRAMES_H

#include <regex.h>
#include <stdbool.h>
#include <stdint.h>

#include "symbols.h"
#include "trace.h"

struct frame {
	const char *function; /* never NULL */
	const char *file;     /* NULL = unknown */
	uint32_t line;	      /* 0 = unknown */
	const char *module;   /* last component of its path */
	const char *module_path;
	uint64_t offset; /* of the return address, as the module's file counts addresses */
	bool inlined;	 /* into the next frame */
	bool real;	 /* not a mark for frames left out */
	bool marks_cut;	 /* frames were left out here */
};

struct frames;

/* `search` is for symbols_new(). NULL = no memory. The trace must outlive the result. */
struct frames *frames_new(struct trace *trace, const char *search);
void frames_free(struct frames *f);

/* Takes the modules that the trace has got since. 0 or -ENOMEM. */
int frames_more(struct frames *f);

/* Begins what takes long for the modules of the stacks so far, which will be asked for. */
void frames_expect(struct frames *f);

/* What was found of a module's file, as far as its addresses have been asked for. */
enum symbols_state frames_module_state(const struct frames *f, uint32_t module);

/*
 * A stack's frames, innermost first, inlined ones expanded. Valid until the next call. Returns
 * their number; a stack without frames has one, "[unknown]".
 */
uint32_t frames_of_stack(struct frames *f, uint32_t stack, const struct frame **result);

/*
 * The index of the frame that tells most about who called: the innermost that is not in the C or
 * C++ runtime library and not a wrapper around an allocation function.
 */
uint32_t frames_lead(const struct frame *frame, uint32_t count);

/*
 * The frames of a list's row: from the leading one, whose index goes to *lead, with so many callers
 * at most, up to the index returned; nothing that only starts the program or the thread.
 */
uint32_t frames_shown(const struct frame *frame, uint32_t count, unsigned callers, uint32_t *lead);

/*
 * What the leading frame called, where that was a function of the runtime library worth a name
 * ("setlocale", not "malloc"); NULL = nothing.
 */
const char *frames_called(const struct frame *frame, uint32_t lead);

/* Is this one of the functions that only start threads and programs? */
bool frames_is_start(const struct frame *frame);

/*
 * The variable that holds an address of the process, of the one module that was ever there, and how
 * far in it that is; NULL = none that is known.
 */
const char *frames_object(struct frames *f, uint64_t address, uint64_t *offset);

/* Does a function, file or module of the stack match? */
bool frames_match(struct frames *f, uint32_t stack, const regex_t *re);

#endif
