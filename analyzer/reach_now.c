/* SPDX-License-Identifier: MIT */
/* Asks for leak scans; see reach_now.h. */
#include "reach_now.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "alive.h"
#include "reach_scan.h"

#define ANSWER_S 30 /* the most that is waited for all of a scan */
#define STEP_NS	 10000000

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

/* Adds 1 to the word that the process looks at, and sends the signal that it listens to. */
static int ask(const struct ringfile *rf, const char *path)
{
	uint32_t word = rf->header.scan_request + 1;
	int signal = (int)rf->header.scan_signal, fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (pwrite(fd, &word, sizeof(word), offsetof(struct lar_header, scan_request)) !=
	    sizeof(word))
		err = -errno;
	close(fd);
	if (!err && signal > 0 && signal < SIGRTMIN && kill((pid_t)rf->header.pid, signal))
		err = -errno;
	return err;
}

static int ask_one(const struct cmd_context *c, const char *path)
{
	struct timespec step = { 0, STEP_NS };
	time_t until = time(NULL) + ANSWER_S;
	struct trace_error error;
	struct ringfile rf;
	uint64_t before;
	int err, code = CMD_DONE;

	if (ringfile_open(&rf, path, &error))
		return complain(c, path, CMD_UNREADABLE, "%s", error.text);
	before = newest(&rf);
	if (!alive_check(&rf))
		code = complain(c, path, CMD_UNREADABLE,
				"its process does not run any more: it cannot be asked for a scan");
	else if ((err = ask(&rf, path)))
		code = complain(c, path, CMD_UNREADABLE, "cannot ask process %u for a scan: %s",
				rf.header.pid, strerror(-err));
	while (!code && newest(&rf) == before) {
		nanosleep(&step, NULL);
		if (!alive_check(&rf) && newest(&rf) == before)
			code = complain(c, path, CMD_UNDECIDED,
					"the process ended before it was looked at");
		else if (time(NULL) > until)
			code = complain(
				c, path, CMD_UNDECIDED,
				"no scan within %d s: the process looks for requests %s", ANSWER_S,
				rf.header.scan_signal
					? "when it gets its signal, which it may have blocked"
					: "when a buffer of events is full; one recorded "
					  "with --leak-scan=USR2 answers at once");
	}
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
