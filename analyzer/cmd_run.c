/* SPDX-License-Identifier: MIT */
/*
 * `lariat run`: checks that the command can be recorded, runs it with the recorder preloaded, and
 * says where the trace is. The exit status is the command's.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "elfcheck.h"
#include "findcmd.h"
#include "launch.h"
#include "opts.h"
#include "run_gate.h"
#include "run_options.h"
#include "run_trace.h"
#include "trace.h"

#define CLOCK_SLACK_NS 1000000000ull /* the clock may be set meanwhile */

/* Exit codes of `run` beside the command's own, as env, nohup and timeout have them. */
enum {
	RUN_CANNOT_RECORD = 125,
	RUN_CANNOT_EXECUTE = 126,
	RUN_NOT_FOUND = 127,
};

struct run {
	struct run_options options;
	char **argv;   /* of the command, ends with NULL */
	char *path;    /* of its file */
	char *library; /* of the recorder */
	char *trace;   /* of what was recorded */
	struct launch launch;
};

/* One line in one write, so that it stays whole among the program's own. */
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	char line[2048] = "lariat: ";
	size_t n = strlen(line), room = sizeof(line) - n - 1;
	va_list ap;
	int wanted;

	va_start(ap, format);
	wanted = vsnprintf(line + n, room, format, ap);
	va_end(ap);
	if (wanted < 0)
		return;
	n += (size_t)wanted < room ? (size_t)wanted : room - 1;
	line[n++] = '\n';
	while (write(STDERR_FILENO, line, n) < 0 && errno == EINTR)
		;
}

static void format_size(char *text, size_t size, uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	size_t i = 0;

	while (value >= 1024 && i + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		i++;
	}
	snprintf(text, size, i ? "%.1f %s" : "%.0f %s", value, units[i]);
}

/* Finds the command's file and looks whether it can be recorded; 0 or the exit code. */
static int check_command(struct run *r)
{
	const char *name = r->argv[0];
	struct elfcheck check;
	int err = findcmd_path(name, &r->path);

	if (err) {
		say("%s: %s", name,
		    err == -ENOENT && !strchr(name, '/') ? "command not found" : strerror(-err));
		return err == -ENOENT ? RUN_NOT_FOUND : RUN_CANNOT_EXECUTE;
	}
	elfcheck_file(r->path, &check);
	if (check.verdict == ELFCHECK_REFUSED ||
	    (check.verdict == ELFCHECK_HEAP_HIDDEN && run_options_records(&r->options, "heap"))) {
		say("%s: %s; it was not run", name, check.reason);
		return RUN_CANNOT_RECORD;
	}
	if (*check.warning && !run_options_quiet(&r->options))
		say("%s: %s", name, check.warning);
	return 0;
}

/* Finds the recorder and sees that LD_PRELOAD can name it; 0 or the exit code. */
static int check_library(struct run *r)
{
	int err = findcmd_library(&r->library);

	if (err) {
		say("%s: %s: the recorder is missing; LARIAT_LIB can name it",
		    r->library ? r->library : "liblariat.so", strerror(-err));
		return RUN_CANNOT_RECORD;
	}
	/* The linker splits LD_PRELOAD at these, and there is no way to quote them. */
	if (strpbrk(r->library, ": \t\n$")) {
		say("%s: a path with a space, colon or dollar sign cannot be preloaded; "
		    "LARIAT_LIB can name another",
		    r->library);
		return RUN_CANNOT_RECORD;
	}
	if (access(r->library, R_OK)) {
		say("%s: %s: the recorder cannot be loaded", r->library, strerror(errno));
		return RUN_CANNOT_RECORD;
	}
	return 0;
}

/* Why there cannot be a file of that name; NULL = there can. Of a pattern only the recorder knows.
 */
static const char *name_trouble(const char *pattern)
{
	const char *slash = strrchr(pattern, '/'), *name = slash ? slash + 1 : pattern;
	struct stat st;

	if (strchr(pattern, '%'))
		return NULL;
	if (!*name)
		return "this is a folder, not the name of a file";
	if (strlen(name) > NAME_MAX || strlen(pattern) >= PATH_MAX)
		return strerror(ENAMETOOLONG);
	if (!stat(pattern, &st) && !S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? "this is a folder, not the name of a file"
					   : "this is no regular file";
	return NULL;
}

/*
 * Makes the output pattern absolute: a child that changes its folder writes its trace where the
 * others are. 0 or the exit code.
 */
static int anchor_output(struct run *r)
{
	const char *pattern = r->options.value[RUN_OUTPUT];
	char cwd[PATH_MAX], *folder, *text = NULL;
	const char *trouble;
	size_t size;
	FILE *out;

	folder = run_trace_folder(pattern);
	if (folder && access(folder, W_OK | X_OK)) {
		say("%s: %s: no trace can be written there; %s was not run", folder,
		    strerror(errno), r->argv[0]);
		free(folder);
		return RUN_CANNOT_RECORD;
	}
	free(folder);
	trouble = name_trouble(pattern);
	if (trouble) {
		say("%s: %s; %s was not run", pattern, trouble, r->argv[0]);
		return RUN_CANNOT_RECORD;
	}
	if (*pattern == '/' || !getcwd(cwd, sizeof(cwd)))
		return 0;
	out = open_memstream(&text, &size);
	if (!out)
		return 0;
	for (const char *s = cwd; *s; s++)
		fprintf(out, *s == '%' ? "%%%%" : "%c", *s);
	fprintf(out, "%s%s", cwd[1] ? "/" : "", pattern);
	/* Too long a folder: the recorder takes it as it was given. */
	if (!fclose(out) && run_options_check(RUN_OUTPUT, text)) {
		r->options.value[RUN_OUTPUT] = text;
		r->options.given[RUN_OUTPUT] = true;
	} else {
		free(text);
	}
	return 0;
}

/* Puts the recorder in front of LD_PRELOAD unless it is there; 0 or -errno. */
static int set_preload(const char *library)
{
	const char *old = getenv("LD_PRELOAD");
	char *value = NULL;
	int err = 0;

	if (!old || !*old)
		return setenv("LD_PRELOAD", library, 1) ? -errno : 0;
	if (!strncmp(old, library, strlen(library)) && strchr(": ", old[strlen(library)]))
		return 0;
	if (asprintf(&value, "%s:%s", library, old) < 0)
		return -ENOMEM;
	if (setenv("LD_PRELOAD", value, 1))
		err = -errno;
	free(value);
	return err;
}

/* The path as the user would type it: below the current folder without the folder. */
static const char *short_path(const char *path)
{
	char cwd[PATH_MAX];
	size_t n;

	if (!getcwd(cwd, sizeof(cwd)) || !cwd[1])
		return path;
	n = strlen(cwd);
	return !strncmp(path, cwd, n) && path[n] == '/' ? path + n + 1 : path;
}

static void say_result(const struct run *r)
{
	const struct trace_facts *facts;
	struct trace_error error = { 0 };
	struct trace *trace;
	const char *name = r->argv[0], *file = short_path(r->trace);
	char size[32];

	if (trace_open(r->trace, &trace, &error)) {
		say("%s: %s", file, error.text);
		return;
	}
	facts = trace_facts(trace);
	format_size(size, sizeof(size), facts->disk_bytes);
	if (facts->events_written) {
		say("recorded %" PRIu64 " events of %s (pid %d) in %s (%s)", facts->events_written,
		    name, (int)r->launch.pid, file, size);
		say("try: lariat report %s", file);
	} else {
		say("recorded no events of %s (pid %d) in %s (%s): it did nothing of what was to "
		    "be "
		    "recorded",
		    name, (int)r->launch.pid, file, size);
	}
	trace_close(trace);
}

static void finish_trace(struct run *r)
{
	bool quiet = run_options_quiet(&r->options);

	if (run_trace_find(r->options.value[RUN_OUTPUT], r->launch.pid, r->launch.start_unix_ns,
			   &r->trace)) {
		if (!quiet)
			say("recorded nothing of %s (pid %d): it left no trace file; it may have "
			    "no right to write one, or has cleared LD_PRELOAD",
			    r->argv[0], (int)r->launch.pid);
		return;
	}
	run_trace_finish(r->trace, &r->launch);
	if (!quiet)
		say_result(r);
}

/* Behind the run: the gate, where one was asked for. A command that failed has failed. */
static int judge(struct run *r, int status)
{
	int code;

	if (!r->options.gate.given)
		return status;
	/* who has interrupted the command does not wait for a verdict on it */
	if (status == 128 + SIGINT) {
		say("gate: %s was interrupted: nothing was judged", r->argv[0]);
		return status;
	}
	if (!r->trace) {
		say("gate: %s left no trace: nothing was judged", r->argv[0]);
		return status ? status : CMD_UNREADABLE;
	}
	code = run_gate_judge(&r->options.gate, r->trace, r->launch.start_unix_ns - CLOCK_SLACK_NS,
			      run_options_quiet(&r->options));
	return status ? status : code;
}

static int run_command(struct run *r)
{
	int code = check_command(r), err;

	if (!code)
		code = check_library(r);
	if (!code)
		code = anchor_output(r);
	if (code)
		return code;
	err = run_options_export(&r->options);
	if (!err)
		err = set_preload(r->library);
	if (err) {
		say("%s: %s; it was not run", r->argv[0], strerror(-err));
		return RUN_CANNOT_RECORD;
	}
	err = launch_program(r->path, r->argv, environ, &r->launch);
	if (err) {
		say("%s: %s", r->argv[0], strerror(-err));
		return err == -ENOENT ? RUN_NOT_FOUND : RUN_CANNOT_EXECUTE;
	}
	finish_trace(r);
	return judge(r, WIFSIGNALED(r->launch.wait_status) ? 128 + WTERMSIG(r->launch.wait_status)
							   : WEXITSTATUS(r->launch.wait_status));
}

int cmd_run(int argc, char **argv)
{
	struct run r = { 0 };
	char error[600];

	if (run_options_parse(&r.options, argc, argv, error, sizeof(error))) {
		say("run: %s", error);
		return CMD_USAGE;
	}
	if (r.options.help) {
		run_options_help(stdout);
		return CMD_DONE;
	}
	if (r.options.gate.given && run_gate_check(&r.options, argc, argv, error, sizeof(error))) {
		say("run: %s", error);
		return CMD_USAGE;
	}
	if (r.options.command >= argc) {
		say("run: no command given; usage: lariat run [OPTIONS] [--] COMMAND "
		    "[ARGUMENT...]");
		return CMD_USAGE;
	}
	/* What is allocated here lives as long as this process. */
	r.argv = argv + r.options.command;
	return run_command(&r);
}
