/* SPDX-License-Identifier: MIT */
/*
 * One run of a command for a benchmark: as it is, for the time it takes, and once more recorded,
 * for all else. The environment and the standard descriptors of this process are changed while the
 * command runs. One thread.
 */
#ifndef LARIAT_BENCH_RUN_H
#define LARIAT_BENCH_RUN_H

#include <signal.h>
#include <stdbool.h>

#include "bench_stats.h"
#include "opts.h"

struct bench_run {
	const struct cmd_context *context;
	char **argv;	    /* of the command, ends with NULL */
	char *path;	    /* of its file */
	char *library;	    /* of the recorder */
	bool output;	    /* the command's output is shown */
	bool failures;	    /* the command may fail */
	sigset_t mask;	    /* of signals, for the command */
	const char *folder; /* for traces; exists */
	bool partial;	    /* the last trace was not whole */
	char why[700];	    /* what went wrong, a clause */
	int status;	    /* exit status of a command that failed or was killed (128 + N) */
};

/* Finds the command and the recorder. 0 or the exit code, with `why`. */
int bench_run_prepare(struct bench_run *b);

/*
 * Runs it twice and fills the figures; its traces stay in the folder. 0 or the exit code, with
 * `why`; 128 + N when signal N ended it.
 */
int bench_run_once(struct bench_run *b, double value[BENCH_COUNT]);

void bench_run_fini(struct bench_run *b);

#endif
