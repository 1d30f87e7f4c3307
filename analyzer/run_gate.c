/* SPDX-License-Identifier: MIT */
/* The gate behind a run; see run_gate.h. */
#include "run_gate.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gate_expr.h"
#include "opts.h"
#include "paths.h"
#include "suppress.h"

/* Words behind --gate EXPR that are expressions, too. */
static void take_more(struct run_options *o, int argc, char **argv)
{
	struct run_gate_words *g = &o->gate;
	struct gate_expr e;
	char why[400];

	if (!g->count || g->word[g->count - 1].option != RUN_GATE_ASSERT)
		return;
	while (o->command < argc && g->count < RUN_GATE_WORDS &&
	       !gate_expr_parse(&e, argv[o->command], why, sizeof(why))) {
		g->word[g->count].option = RUN_GATE_ASSERT;
		g->word[g->count++].value = argv[o->command++];
	}
	if (o->command < argc && !strcmp(argv[o->command], "--"))
		o->command++;
}

static int check_word(enum run_gate_option option, const char *value, char *error, size_t size)
{
	struct suppressions *s = NULL;
	struct gate_expr e;
	char why[400];
	uint32_t line;
	int err = 0;

	if (option == RUN_GATE_ASSERT) {
		err = gate_expr_parse(&e, value, why, sizeof(why));
		if (err)
			snprintf(error, size, "--gate cannot be %.80s: %s", value, why);
	} else if (option == RUN_GATE_BASELINE && access(value, R_OK)) {
		err = -errno;
		snprintf(error, size, "--baseline %.200s: %s", value, strerror(errno));
	} else if (option == RUN_GATE_SUPPRESSIONS) {
		err = suppressions_load(value, &s, &line);
		suppressions_free(s);
		if (err == -EINVAL)
			snprintf(error, size, "--suppressions %.200s: line %u is not leak:PATTERN",
				 value, line);
		else if (err)
			snprintf(error, size, "--suppressions %.200s: %s", value, strerror(-err));
	}
	return err ? -EINVAL : 0;
}

int run_gate_check(struct run_options *o, int argc, char **argv, char *error, size_t error_size)
{
	int err = 0;

	/* "--" in front of the command is behind us: nothing more belongs to the gate */
	if (strcmp(argv[o->command - 1], "--") != 0)
		take_more(o, argc, argv);
	if (strcmp(argv[o->command - 1], "--") != 0 && o->command < argc &&
	    *argv[o->command] == '-') {
		snprintf(error, error_size, "%.80s: options stand in front of several expressions",
			 argv[o->command]);
		return -EINVAL;
	}
	for (unsigned i = 0; !err && i < o->gate.count; i++)
		err = check_word(o->gate.word[i].option, o->gate.word[i].value, error, error_size);
	return err;
}

/* "gate", options, "--", traces */
static char **gate_words(const struct run_gate_words *g, const struct paths *traces, int *count)
{
	char **word = calloc(2 * (size_t)g->count + traces->count + 3, sizeof(*word));
	int n = 0;

	if (!word)
		return NULL;
	word[n++] = (char *)"gate";
	for (unsigned i = 0; i < g->count; i++) {
		if (asprintf(&word[n], "--%s", run_gate_option_name(g->word[i].option)) < 0)
			return NULL;
		word[++n] = (char *)g->word[i].value;
		n++;
	}
	word[n++] = (char *)"--";
	for (size_t i = 0; i < traces->count; i++)
		word[n++] = traces->path[i];
	*count = n;
	return word;
}

/* Where the gate's standard output goes: standard error, or aside until its verdict is known. */
static int redirect(bool quiet)
{
	int fd = quiet ? memfd_create("gate", MFD_CLOEXEC) : -1;

	/* the gate prints to standard output, which was the command's */
	fflush(stdout);
	if (dup2(fd < 0 ? STDERR_FILENO : fd, STDOUT_FILENO) < 0)
		return -errno;
	return fd;
}

static void show(int fd)
{
	char buf[4096];
	ssize_t n;

	for (off_t at = 0; (n = pread(fd, buf, sizeof(buf), at)) > 0; at += n)
		if (write(STDERR_FILENO, buf, (size_t)n) < 0)
			return;
}

/* They were kept back for the command; from here on they are meant for us. */
static void let_signals_through(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int run_gate_judge(const struct run_gate_words *g, const char *trace, uint64_t since_unix_ns,
		   bool quiet)
{
	const struct command *c = commands;
	struct paths traces;
	char **word;
	int count, code, aside;

	while (c->name && strcmp(c->name, "gate") != 0)
		c++;
	if (!c->name || paths_family(trace, since_unix_ns, &traces))
		return CMD_UNREADABLE;
	word = gate_words(g, &traces, &count);
	if (!word)
		return CMD_UNREADABLE;
	aside = redirect(quiet);
	let_signals_through();
	code = opts_run_command(c, count, word);
	if (aside >= 0 && code)
		show(aside);
	paths_fini(&traces);
	return code; /* what the words take ends with the process */
}
