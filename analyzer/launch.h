/* SPDX-License-Identifier: MIT */
/*
 * Runs a program as if the launcher were not there: its signal mask and dispositions, descriptors,
 * terminal and process group are the launcher's own; signals sent to the launcher reach it, and
 * the shell's job control stops and continues both.
 */
#ifndef LARIAT_LAUNCH_H
#define LARIAT_LAUNCH_H

#include <stdint.h>
#include <sys/types.h>

struct launch {
	pid_t pid;
	int wait_status;	/* as of waitpid(): exited or killed */
	int asked;		/* SIGINT, SIGTERM or SIGHUP that came to us meanwhile; 0 = none */
	uint64_t start_unix_ns; /* before the fork */
	uint64_t end_tsc;	/* both clocks when its end was noticed */
	uint64_t end_mono_ns;
};

/*
 * Runs `path` with argv and env and waits for its end. Returns 0, or -errno when it could not be
 * started: exec's own error, or fork's. From then on the caller's signals stay blocked, so that
 * one sent late does not change the exit status. One thread only.
 */
int launch_program(const char *path, char **argv, char **env, struct launch *l);

#endif
