/* SPDX-License-Identifier: MIT */
/* One run for a benchmark; see bench_run.h. */
#include "bench_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "analysis.h"
#include "elfcheck.h"
#include "family.h"
#include "findcmd.h"
#include "launch.h"
#include "paths.h"
#include "run_trace.h"

#define SETUP_CODE 125 /* as `run` has them */

static int fail(struct bench_run *b, int code, const char *what, const char *why)
{
	snprintf(b->why, sizeof(b->why), "%s: %s", what, why);
	return code;
}

int bench_run_prepare(struct bench_run *b)
{
	struct elfcheck check;
	int err = findcmd_path(b->argv[0], &b->path);

	if (err)
		return fail(b, err == -ENOENT ? 127 : 126, b->argv[0],
			    err == -ENOENT ? "command not found" : strerror(-err));
	elfcheck_file(b->path, &check);
	if (check.verdict != ELFCHECK_FINE)
		return fail(b, SETUP_CODE, b->argv[0], check.reason);
	err = findcmd_library(&b->library);
	if (err || strpbrk(b->library, ": \t\n$") || access(b->library, R_OK))
		return fail(b, SETUP_CODE, b->library ? b->library : "liblariat.so",
			    err ? strerror(-err) : "it cannot be preloaded from there");
	return 0;
}

void bench_run_fini(struct bench_run *b)
{
	free(b->path);
	free(b->library);
}

/* Where the command's input comes from and its output goes to; the old ones come back after it. */
static void swap_descriptors(const struct bench_run *b, int kept[3], bool back)
{
	for (int fd = 0; fd < 3; fd++) {
		int to;

		if (fd && b->output)
			continue;
		if (back) {
			if (kept[fd] >= 0) {
				dup2(kept[fd], fd);
				close(kept[fd]);
			}
			continue;
		}
		kept[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		to = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (to >= 0) {
			dup2(to, fd);
			close(to);
		}
	}
}

static double cpu_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_CHILDREN, &u);
	return ((double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec) * 1e9 +
	       ((double)u.ru_utime.tv_usec + (double)u.ru_stime.tv_usec) * 1e3;
}

static uint64_t mono_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* 0, or the exit code with `why`. */
static int run(struct bench_run *b, struct launch *l, double *wall, double *cpu)
{
	int kept[3] = { -1, -1, -1 }, err, status;
	double before = cpu_ns();
	uint64_t start;

	fflush(NULL);
	swap_descriptors(b, kept, false);
	start = mono_ns();
	err = launch_program(b->path, b->argv, environ, l);
	swap_descriptors(b, kept, true);
	/* from here to the next run a signal is for us */
	sigprocmask(SIG_SETMASK, &b->mask, NULL);
	if (err)
		return fail(b, err == -ENOENT ? 127 : 126, b->argv[0], strerror(-err));
	/* the command may have ended before it got the signal, or go on to do so in its own way */
	if (l->asked)
		return 128 + l->asked;
	*wall = (double)(l->end_mono_ns - start);
	*cpu = cpu_ns() - before;
	status = WIFSIGNALED(l->wait_status) ? 128 + WTERMSIG(l->wait_status)
					     : WEXITSTATUS(l->wait_status);
	if (!status || (b->failures && !WIFSIGNALED(l->wait_status)))
		return 0;
	b->status = status;
	if (WIFSIGNALED(l->wait_status)) {
		snprintf(b->why, sizeof(b->why), "%s: killed by signal %d", b->argv[0],
			 status - 128);
		return status;
	}
	snprintf(b->why, sizeof(b->why), "%s: it exited with %d; --ignore-failure goes on",
		 b->argv[0], status);
	return CMD_UNDECIDED;
}

/* The variables of the recorder, or, with NULL, those that were there before. */
static int set_recorder(struct bench_run *b, const char *pattern)
{
	static char *before;
	char *value = NULL;

	if (!pattern) {
		if (before)
			setenv("LD_PRELOAD", before, 1);
		else
			unsetenv("LD_PRELOAD");
		free(before);
		before = NULL;
		return 0;
	}
	before = getenv("LD_PRELOAD") ? strdup(getenv("LD_PRELOAD")) : NULL;
	if (asprintf(&value, "%s%s%s", b->library, before ? ":" : "", before ? before : "") < 0)
		return -ENOMEM;
	setenv("LD_PRELOAD", value, 1);
	free(value);
	setenv("LARIAT_OUTPUT", pattern, 1);
	setenv("LARIAT_QUIET", "1", 1);
	setenv("LARIAT_FOLLOW", "yes", 1);
	setenv("LARIAT_SAMPLE", "0", 1);
	if (!getenv("LARIAT_RECORD"))
		setenv("LARIAT_RECORD", "heap,io", 1);
	return 0;
}

static int add_trace(struct bench_run *b, const char *path, struct family *f,
		     double value[BENCH_COUNT])
{
	struct trace_error error;
	struct analysis *a;

	if (analysis_new(b->context, path, PART_HEAP | PART_IO, &a, &error))
		return fail(b, CMD_UNREADABLE, path, error.text);
	b->partial |= analysis_partial(a);
	if (a->heap) {
		const struct heap_totals *t = &a->heap->total;

		value[BENCH_TEMPORARY] += (double)t->temporary;
		value[BENCH_REALLOCATIONS] += (double)t->reallocations;
		/* processes need not have had their most at the same time */
		if ((double)t->peak_bytes > value[BENCH_PEAK])
			value[BENCH_PEAK] = (double)t->peak_bytes;
	}
	if (family_add(f, a))
		fail(b, CMD_UNREADABLE, path, strerror(ENOMEM));
	analysis_free(a);
	return 0;
}

static int read_traces(struct bench_run *b, const char *pattern, struct launch *l,
		       double value[BENCH_COUNT])
{
	struct paths all = { 0 };
	struct family f = { 0 };
	char *trace = NULL;
	int code = 0;

	if (run_trace_find(pattern, l->pid, l->start_unix_ns, &trace))
		return fail(b, CMD_UNREADABLE, b->argv[0], "it left no trace");
	run_trace_finish(trace, l);
	if (paths_family(trace, 0, &all))
		code = fail(b, CMD_UNREADABLE, trace, "its folder cannot be read");
	free(trace);
	for (size_t i = 0; !code && i < all.count; i++)
		code = add_trace(b, all.path[i], &f, value);
	value[BENCH_ALLOCATIONS] = (double)f.all.allocations;
	value[BENCH_ALLOCATED] = (double)f.all.allocated_bytes;
	value[BENCH_LIVE] = (double)f.all.live_bytes;
	value[BENCH_IO_CALLS] = (double)f.all.io_calls;
	value[BENCH_READ] = (double)f.all.read_bytes;
	value[BENCH_WRITTEN] = (double)f.all.written_bytes;
	value[BENCH_PROCESSES] = (double)f.count;
	family_fini(&f);
	paths_fini(&all);
	return code;
}

int bench_run_once(struct bench_run *b, double value[BENCH_COUNT])
{
	struct launch l;
	char *pattern = NULL;
	double cpu;
	int code;

	memset(value, 0, BENCH_COUNT * sizeof(*value));
	b->partial = false;
	code = run(b, &l, &value[BENCH_WALL], &value[BENCH_CPU]);
	if (code)
		return code;
	if (asprintf(&pattern, "%s/%%p.lariat", b->folder) < 0 || set_recorder(b, pattern)) {
		free(pattern);
		return fail(b, CMD_UNREADABLE, b->argv[0], strerror(ENOMEM));
	}
	code = run(b, &l, &value[BENCH_RECORDED_WALL], &cpu);
	set_recorder(b, NULL);
	if (!code)
		code = read_traces(b, pattern, &l, value);
	free(pattern);
	return code;
}
