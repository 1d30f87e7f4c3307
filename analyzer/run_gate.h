/* SPDX-License-Identifier: MIT */
/* `lariat run --gate`: the gate behind a run, and what can be checked of it before. */
#ifndef LARIAT_RUN_GATE_H
#define LARIAT_RUN_GATE_H

#include <stdint.h>

#include "run_options.h"

/*
 * Takes further assertions that stand in front of "--" or the command, and looks whether all of
 * them, and the files that the gate needs, can be read: nobody waits an hour to be told of a slip.
 * Returns 0, or -EINVAL with what is wrong in `error`, a clause without newline.
 */
int run_gate_check(struct run_options *o, int argc, char **argv, char *error, size_t error_size);

/*
 * Runs `lariat gate` on a trace and its family since a time: see paths_family(). Its words go
 * to standard error: standard output is the command's. `quiet`: only those of a gate that has not
 * passed. Returns its exit code.
 */
int run_gate_judge(const struct run_gate_words *g, const char *trace, uint64_t since_unix_ns,
		   bool quiet);

#endif
