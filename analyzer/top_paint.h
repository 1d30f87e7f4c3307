/* SPDX-License-Identifier: MIT */
/*
 * The live view as lines of text, for a terminal or a file: a header of a process's figures and a
 * table. Lines are plain UTF-8 and no wider than asked for.
 */
#ifndef LARIAT_TOP_PAINT_H
#define LARIAT_TOP_PAINT_H

#include "table.h"
#include "top_rows.h"

struct top_line {
	enum style style;
	char *text;
	uint32_t lead; /* columns at its start that are not in the style */
};

struct top_lines {
	struct top_line *line;
	uint32_t count, size;
	unsigned width;
	bool failed; /* no memory: lines are missing */
};

void top_lines_init(struct top_lines *l, unsigned width);
void top_lines_fini(struct top_lines *l);

/* Appends a line, cut to the width. */
void top_lines_add(struct top_lines *l, enum style style, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* What the header says of the view itself. */
struct top_pace {
	uint64_t interval_ns; /* asked for */
	uint64_t slower_ns;   /* what it is, where reading takes more than half a processor; 0 */
	bool paused;
};

/* The header, in at most `most` lines. */
void top_paint_header(struct top_lines *l, const struct top_process *p, const struct top_pace *pace,
		      unsigned most);

/* One line of a list of processes: pid, in use, grown, allocations and I/O a second, program. */
void top_paint_process(struct top_lines *l, const struct top_process *p);

/* A table: its title line, then `shown` rows from `from` on in the order of `index`. */
void top_paint_table(struct top_lines *l, struct top_rows *rows, struct top_process *p,
		     const struct top_column *by, const uint32_t *index, uint32_t from,
		     uint32_t shown);

#endif
