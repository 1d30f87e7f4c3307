/* SPDX-License-Identifier: MIT */
/* A comparison of runs as text, JSON and differential folded stacks. */
#ifndef LARIAT_DIFF_TEXT_H
#define LARIAT_DIFF_TEXT_H

#include "opts.h"
#include "run_diff.h"

/* `per`: what figures are divided by, for the reader; "" = nothing. */
void diff_print(const struct cmd_context *c, const struct run_diff *d, const char *per);
void diff_print_json(const struct cmd_context *c, const struct run_diff *d, const char *per);

/* A line for each stack: its functions from the outermost, joined by ;, then both sides' figures.
 */
void diff_print_folded(const struct cmd_context *c, const struct run_diff *d);

#endif
