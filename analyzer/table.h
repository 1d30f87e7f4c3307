/* SPDX-License-Identifier: MIT */
/*
 * Text output: a table whose figures are aligned and whose last column, often a call stack of
 * several lines, takes what is left of the width. Missing memory leaves rows out.
 */
#ifndef LARIAT_TABLE_H
#define LARIAT_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "keymap.h"
#include "opts.h"

enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_TITLE, STYLE_ALERT };

/* Prints text in a style, plain where there is no color. Control characters become "?". */
void style_print(const struct cmd_context *c, enum style style, const char *text);

#define TABLE_COLUMNS 10 /* of figures */

struct table;

/*
 * `titles` of the columns of figures, NULL-terminated, and of the last column
 * (NULL = none). A title that begins
 * with '<' is of a column of words, aligned to the left.
 */
struct table *table_new(const struct cmd_context *c, const char *const *titles, const char *last);

/* Starts a row; then its figures from left to right, then lines of its last column. */
void table_row(struct table *t);
void table_cell(struct table *t, const char *text);

/* A line "head  tail" of the last column, shortened when both do not fit. */
void table_line(struct table *t, enum style style, const char *head, const char *tail);
/* Words in the last column, on as many lines as they need. */
void table_words(struct table *t, const char *text);
/* As table_line() for a function's name, shortened as such. */
void table_function(struct table *t, enum style style, const char *function, const char *tail);

/* A blank line between rows. */
void table_space_rows(struct table *t);

/* Leaves out a column in which every row has "0", "0 B" or "-". */
void table_drop_empty(struct table *t, unsigned column);
void table_drop(struct table *t, unsigned column);

/* Prints with an indent of two columns and frees. */
void table_print(struct table *t);

#endif
