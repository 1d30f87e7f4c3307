/* SPDX-License-Identifier: MIT */
/* Asks for leak scans; see reach_now.h. */
#include "reach_now.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "alive.h"
#include "reach_scan.h"
#include "sleeper.h"

#define ANSWER_S 30	   /* the most that is waited for all of a scan */
#define IDLE_S	 3	   /* ... of a process that does nothing in all that time */
#define STEP_NS	 10000000  /* between two looks */
#define ALONE_NS 200000000 /* for a process to see the word by itself, before the signal */

/* A process that was asked. */
struct asked {
	const struct ringfile *rf;
	const char *path;
	struct timespec since;
	struct timespec ran; /* when it was last seen to have run */
	uint64_t switches;   /* of its threads, in and out of the processor */
	uint32_t word;	     /* that it is to see */
	bool signalled;	     /* or there is no signal */
	int sent;	     /* why no thread could be sent, -errno */
};

static int __attribute__((format(printf, 4, 5)))
complain(const struct cmd_context *c, const char *path, int code, const char *format, ...)
{
	char text[300];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(c->err, "lariat: %s: %s\n", path, text);
	return code;
}

/* The number of the newest scan that is over. */
static uint64_t newest(const struct ringfile *rf)
{
	struct reach r;
	uint64_t seq;

	if (reach_init(&r, rf))
		return 0;
	seq = r.scan.seq;
	reach_fini(&r);
	return seq;
}

static double since(const struct timespec *t)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - t->tv_sec) + (double)(now.tv_nsec - t->tv_nsec) / 1e9;
}

/* A number of a file in /proc, behind `key`; the last one of several. */
static uint64_t number_of(const char *path, const char *key, int base)
{
	char *line = NULL, *at;
	uint64_t v = 0;
	size_t room = 0;
	FILE *f = fopen(path, "re");

	while (f && getline(&line, &room, f) > 0) {
		at = strstr(line, key);
		if (at)
			v += strtoull(at + strlen(key), NULL, base);
	}
	free(line);
	if (f)
		fclose(f);
	return v;
}

/* How often all threads of the process have begun or ended to run. */
static uint64_t switches_of(uint32_t pid)
{
	char path[300];
	const struct dirent *d;
	uint64_t sum = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%u/task/%.20s/status", pid, d->d_name);
		sum += 1 + number_of(path, "ctxt_switches:", 10);
	}
	if (dir)
		closedir(dir);
	return sum;
}

/* The program may have gone back on it: sent nonetheless, the signal would end it. */
static bool is_caught(uint32_t pid, unsigned signal)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	return number_of(path, "SigCgt:", 16) >> (signal - 1) & 1;
}

/* Adds 1 to the word that the process looks at. */
static int ask(struct asked *a)
{
	uint32_t word = a->word = a->rf->header.scan_request + 1;
	int fd = open(a->path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (pwrite(fd, &word, sizeof(word), offsetof(struct lar_header, scan_request)) !=
	    sizeof(word))
		err = -errno;
	close(fd);
	return err;
}

static bool is_taken(const struct asked *a)
{
	uint32_t taken = 0;

	return ringfile_read(a->rf, offsetof(struct lar_header, scan_taken), &taken,
			     sizeof(taken)) == sizeof(taken) &&
	       taken == a->word;
}

/*
 * If the process has not answered by itself, sends the signal that it listens to; without one, a
 * thread that sleeps is sent to do it, where tracing is allowed.
 */
static int remind(struct asked *a)
{
	uint32_t signal = a->rf->header.scan_signal, pid = a->rf->header.pid;

	if (a->signalled || since(&a->since) < ALONE_NS / 1e9)
		return 0;
	a->signalled = true;
	if (is_taken(a))
		return 0;
	if (!signal || signal >= (unsigned)SIGRTMIN || !is_caught(pid, signal)) {
		a->sent = sleeper_send(pid, a->rf->header.scan_entry);
		return 0;
	}
	return kill((pid_t)pid, (int)signal) ? -errno : 0;
}

/* Is there no point in waiting any longer? */
static bool is_over(struct asked *a)
{
	uint64_t switches = switches_of(a->rf->header.pid);

	if (switches != a->switches || !a->signalled || is_taken(a))
		clock_gettime(CLOCK_MONOTONIC, &a->ran);
	a->switches = switches;
	return since(&a->since) > ANSWER_S || since(&a->ran) > IDLE_S;
}

static int no_answer(const struct cmd_context *c, struct asked *a)
{
	uint32_t signal = a->rf->header.scan_signal;

	if (is_taken(a))
		return complain(c, a->path, CMD_UNDECIDED, "the scan takes longer than %d s",
				ANSWER_S);
	if (signal && is_caught(a->rf->header.pid, signal))
		return complain(c, a->path, CMD_UNDECIDED,
				"no answer to signal %u, which the process may have blocked or "
				"taken for something else",
				signal);
	return complain(c, a->path, CMD_UNDECIDED,
			"no answer: the process %s%s%s%s; the scan follows when it next does I/O "
			"or fills a buffer of events (one recorded with --leak-scan=USR2 answers "
			"at once)",
			since(&a->ran) > IDLE_S ? "sleeps" : "is busy with something else",
			a->sent ? " (it could not be made to look: " : "",
			a->sent ? strerror(-a->sent) : "", a->sent ? ")" : "");
}

static int await(const struct cmd_context *c, struct asked *a, uint64_t before)
{
	struct timespec step = { 0, STEP_NS };
	int err;

	while (newest(a->rf) == before) {
		nanosleep(&step, NULL);
		if (!alive_check(a->rf) && newest(a->rf) == before)
			return complain(c, a->path, CMD_UNDECIDED,
					"the process ended before it was looked at");
		err = remind(a);
		if (err)
			return complain(c, a->path, CMD_UNREADABLE,
					"cannot ask process %u for a scan: %s", a->rf->header.pid,
					strerror(-err));
		if (is_over(a))
			return no_answer(c, a);
	}
	return CMD_DONE;
}

static int ask_one(const struct cmd_context *c, const char *path)
{
	struct asked a = { .path = path };
	struct trace_error error;
	struct ringfile rf;
	uint64_t before;
	int err, code;

	if (ringfile_open(&rf, path, &error))
		return complain(c, path, CMD_UNREADABLE, "%s", error.text);
	before = newest(&rf);
	a.rf = &rf;
	clock_gettime(CLOCK_MONOTONIC, &a.since);
	a.ran = a.since;
	if (!alive_check(&rf))
		code = complain(c, path, CMD_UNREADABLE,
				"its process does not run any more: it cannot be asked for a scan");
	else if ((err = ask(&a)))
		code = complain(c, path, CMD_UNREADABLE, "cannot ask process %u for a scan: %s",
				rf.header.pid, strerror(-err));
	else
		code = await(c, &a, before);
	ringfile_close(&rf);
	return code;
}

int reach_now(const struct cmd_context *c)
{
	int code = CMD_DONE;

	for (size_t i = 0; i < c->path_count; i++) {
		int one = ask_one(c, c->paths[i]);

		code = one ? one : code;
	}
	return code;
}
