/* SPDX-License-Identifier: MIT */
/*
 * `lariat bench`: runs a command again and again and gives the middle and the spread of what it
 * does, alone, against a second command, or against what was saved before.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench_run.h"
#include "bench_stats.h"
#include "bench_text.h"
#include "opts.h"

#define RUNS	  10
#define WARMUP	  1
#define RUNS_MOST 100000

struct bench {
	struct cmd_context context;
	unsigned runs, warmup;
	const char *compare, *save, *keep;
	bool output, failures, help;
	char **command[2]; /* argv of each, ends with NULL */
	unsigned commands;
	char folder[4096]; /* of the traces */
	struct bench_set set[2];
	unsigned sets;
};

enum { OPT_COMPARE = 256, OPT_SAVE, OPT_KEEP, OPT_OUTPUT, OPT_FAILURE, OPT_FORMAT, OPT_COLOR };

static const struct option longs[] = {
	{ "runs", required_argument, NULL, 'n' },
	{ "warmup", required_argument, NULL, 'w' },
	{ "compare", required_argument, NULL, OPT_COMPARE },
	{ "save", required_argument, NULL, OPT_SAVE },
	{ "keep", required_argument, NULL, OPT_KEEP },
	{ "show-output", no_argument, NULL, OPT_OUTPUT },
	{ "ignore-failure", no_argument, NULL, OPT_FAILURE },
	{ "format", required_argument, NULL, OPT_FORMAT },
	{ "no-color", no_argument, NULL, OPT_COLOR },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static const char help[] =
	"Usage: lariat bench [OPTIONS] -- CMD [ARG...] [-- CMD2 [ARG...]]\n\n"
	"Runs CMD repeatedly: what it allocates, its I/O and its time, with their spread.\n"
	"Each run is made twice: as it is, for its time, and recorded, for all else.\n"
	"CMD reads nothing, and what it prints is dropped.\n\n"
	"Options:\n"
	"  -n, --runs N           runs (default: 10)\n"
	"  -w, --warmup N         runs before, which do not count (default: 1)\n"
	"      --compare FILE     compare with what --save wrote; A is what was saved\n"
	"      --save FILE        write all figures as JSON, too\n"
	"      --keep FOLDER      keep the traces, in FOLDER/COMMAND.RUN, for lariat diff\n"
	"      --show-output      let CMD print; the figures then go to standard error\n"
	"      --ignore-failure   go on when CMD exits with another status than 0\n"
	"      --format FORMAT    text or json (default: text)\n"
	"      --no-color         no colors, also with NO_COLOR set\n"
	"  -h, --help             show this\n\n"
	"A CMD with an argument -- of its own is to be put into `sh -c`.\n";

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
	interrupted = number;
}

static int usage(const char *what, const char *which)
{
	fprintf(stderr, "lariat: bench: %s%s; try `lariat bench --help`\n", what, which);
	return CMD_USAGE;
}

static int number(const char *text, unsigned least, unsigned *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n < least || n > RUNS_MOST)
		return -EINVAL;
	*out = (unsigned)n;
	return 0;
}

static int take_option(struct bench *b, int code)
{
	switch (code) {
	case 'n':
		return number(optarg, 1, &b->runs);
	case 'w':
		return number(optarg, 0, &b->warmup);
	case OPT_COMPARE:
		b->compare = optarg;
		return 0;
	case OPT_SAVE:
		b->save = optarg;
		return 0;
	case OPT_KEEP:
		b->keep = optarg;
		return 0;
	case OPT_OUTPUT:
		b->output = true;
		return 0;
	case OPT_FAILURE:
		b->failures = true;
		return 0;
	case OPT_FORMAT:
		b->context.format = strcmp(optarg, "json") ? CMD_TEXT : CMD_JSON;
		return strcmp(optarg, "json") && strcmp(optarg, "text") ? -EINVAL : 0;
	case OPT_COLOR:
		setenv("NO_COLOR", "1", 1);
		return 0;
	default:
		b->help = true;
		return 0;
	}
}

/* The commands: words up to "--", each list ending with NULL. */
static int take_commands(struct bench *b, int argc, char **argv)
{
	for (int i = optind; i < argc; i++) {
		if (i > optind && strcmp(argv[i - 1], "--") != 0)
			continue;
		if (!strcmp(argv[i], "--"))
			return usage("a command is missing in front of --", "");
		if (b->commands == 2)
			return usage("more than two commands: ", argv[i]);
		b->command[b->commands++] = argv + i;
	}
	for (int i = optind; i < argc; i++)
		if (!strcmp(argv[i], "--")) {
			if (i + 1 == argc)
				return usage("a command is missing behind --", "");
			argv[i] = NULL;
		}
	if (!b->commands)
		return usage("no command given", "");
	if (b->commands == 2 && b->compare)
		return usage("--compare and a second command: only one of them", "");
	return 0;
}

static int parse(struct bench *b, int argc, char **argv)
{
	int code;

	b->runs = RUNS;
	b->warmup = WARMUP;
	opterr = 0;
	optind = 0;
	while ((code = getopt_long(argc, argv, "+:n:w:h", longs, NULL)) != -1) {
		if (code == ':')
			return usage("no argument to ", argv[optind - 1]);
		if (code == '?')
			return usage("unknown option ", argv[optind - 1]);
		if (take_option(b, code)) {
			char what[64];

			snprintf(what, sizeof(what), "%s cannot be ",
				 code == 'n'   ? "-n"
				 : code == 'w' ? "--warmup"
					       : "--format");
			return usage(what, optarg);
		}
		if (b->help)
			return 0;
	}
	return take_commands(b, argc, argv);
}

static void make_context(struct bench *b)
{
	struct cmd_context *c = &b->context;
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	long n = columns ? strtol(columns, NULL, 10) : 0;

	c->out = b->output ? stderr : stdout;
	c->err = stderr;
	c->limit = UINT64_MAX;
	c->until_ns = UINT64_MAX;
	c->color = !getenv("NO_COLOR") && isatty(fileno(c->out));
	if (n <= 0 && !ioctl(fileno(c->out), TIOCGWINSZ, &size))
		n = size.ws_col;
	c->width = n <= 0 ? 80 : n < 40 ? 40 : n > 240 ? 240 : (unsigned)n;
	c->progress = false;
}

/* What people typed. */
static char *joined(char *const *argv)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	for (size_t i = 0; argv[i]; i++)
		fprintf(out, "%s%s", i ? " " : "", argv[i]);
	return fclose(out) ? NULL : text;
}

/* Removes a run's folder with its traces; nothing else is in it. */
static void remove_traces(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(folder);
}

static void progress(const struct bench *b, unsigned which, unsigned done)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\rlariat: bench: command %u, run %u of %u\033[K", which + 1, done,
			b->warmup + b->runs);
}

/* All runs of a command; 0 or the exit code after a message. */
static int run_all(struct bench *b, unsigned which, struct bench_run *r, struct bench_set *set)
{
	double value[BENCH_COUNT];
	char folder[sizeof(b->folder) + 64];
	int code = 0;

	for (unsigned i = 0; !code && !interrupted && i < b->warmup + b->runs; i++) {
		bool counts = i >= b->warmup;

		snprintf(folder, sizeof(folder), "%s/%u.%u", b->folder, which + 1,
			 counts ? i - b->warmup + 1 : 0);
		if (mkdir(folder, 0700) && errno != EEXIST) {
			snprintf(r->why, sizeof(r->why), "%.500s: %s", folder, strerror(errno));
			code = CMD_UNREADABLE;
			break;
		}
		progress(b, which, i + 1);
		r->folder = folder;
		code = bench_run_once(r, value);
		if (!b->keep || !counts || code)
			remove_traces(folder);
		if (!code && counts && bench_add(set, value))
			code = CMD_UNREADABLE;
		set->partial += !code && counts && r->partial;
	}
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	return code;
}

static int bench_command(struct bench *b, unsigned which)
{
	struct bench_set *set = &b->set[b->sets];
	struct bench_run r = { .context = &b->context,
			       .argv = b->command[which],
			       .output = b->output,
			       .failures = b->failures };
	int code;

	sigprocmask(SIG_SETMASK, NULL, &r.mask);
	set->command = joined(r.argv);
	set->warmup = b->warmup;
	code = set->command ? bench_run_prepare(&r) : CMD_UNREADABLE;
	if (!code)
		code = run_all(b, which, &r, set);
	/* a signal sent to us went on to the command that was running */
	if (code == 128 + SIGINT || code == 128 + SIGTERM || code == 128 + SIGHUP)
		interrupted = code - 128;
	if (code && !interrupted)
		fprintf(stderr, "lariat: bench: %s\n", *r.why ? r.why : strerror(ENOMEM));
	b->sets += set->runs > 0;
	bench_run_fini(&r);
	return code;
}

/* Where the traces go; 0 or the exit code after a message. */
static int make_folder(struct bench *b)
{
	const char *tmp = getenv("TMPDIR");

	if (b->keep) {
		if ((mkdir(b->keep, 0777) && errno != EEXIST) || !realpath(b->keep, b->folder) ||
		    access(b->folder, W_OK)) {
			fprintf(stderr, "lariat: bench: %s: %s\n", b->keep, strerror(errno));
			return CMD_UNREADABLE;
		}
	} else {
		snprintf(b->folder, sizeof(b->folder), "%s/lariat-bench.XXXXXX",
			 tmp && *tmp == '/' ? tmp : "/tmp");
		if (!mkdtemp(b->folder)) {
			fprintf(stderr, "lariat: bench: %s: %s\n", b->folder, strerror(errno));
			return CMD_UNREADABLE;
		}
	}
	/* it becomes part of a pattern */
	if (strchr(b->folder, '%') || strlen(b->folder) > 400) {
		fprintf(stderr, "lariat: bench: %s: no place for traces: too long, or a %% in it\n",
			b->folder);
		if (!b->keep)
			rmdir(b->folder);
		return CMD_UNREADABLE;
	}
	return 0;
}

static int load_other(struct bench *b)
{
	int err = bench_load(&b->set[0], b->compare);

	if (!err) {
		b->sets = 1;
		return 0;
	}
	fprintf(stderr, "lariat: %s: %s, nothing was run\n", b->compare,
		err == -EINVAL ? "no JSON of lariat bench" : strerror(-err));
	return CMD_USAGE;
}

static int save(struct bench *b)
{
	struct cmd_context c = b->context;
	unsigned first = b->compare ? 1 : 0;
	FILE *out = fopen(b->save, "we");
	int failed;

	if (out) {
		c.out = out;
		bench_print_json(&c, b->set + first, b->sets - first);
	}
	failed = !out || ferror(out);
	failed |= out && fclose(out);
	if (!failed)
		return 0;
	fprintf(stderr, "lariat: %s: %s, it was not written\n", b->save, strerror(errno));
	return CMD_UNREADABLE;
}

static int report(struct bench *b)
{
	FILE *out = b->context.out;
	bool new_runs = b->sets > (b->compare ? 1u : 0u);
	int code = 0;

	if (new_runs && b->context.format == CMD_JSON)
		bench_print_json(&b->context, b->set, b->sets);
	else if (new_runs)
		bench_print(&b->context, b->set, b->sets);
	if (fflush(out) || ferror(out)) {
		if (errno != EPIPE)
			fprintf(stderr, "lariat: bench: output: %s\n", strerror(errno));
		code = CMD_UNREADABLE;
	}
	return new_runs && b->save && save(b) ? CMD_UNREADABLE : code;
}

static int run_bench(struct bench *b)
{
	struct sigaction action = { .sa_handler = interrupt };
	int code = b->compare ? load_other(b) : 0, reported;

	if (!code)
		code = make_folder(b);
	if (code)
		return code;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	for (unsigned i = 0; !code && !interrupted && i < b->commands; i++)
		code = bench_command(b, i);
	if (!b->keep)
		rmdir(b->folder);
	/* what was measured before the end is not lost */
	reported = !code || interrupted || b->sets ? report(b) : 0;
	if (interrupted) {
		fprintf(stderr, "lariat: bench: interrupted, the figures are of the runs before\n");
		return 128 + interrupted;
	}
	return code ? code : reported;
}

int cmd_bench(int argc, char **argv)
{
	static struct bench b;
	int code = parse(&b, argc, argv);

	if (code)
		return code;
	if (b.help) {
		fputs(help, stdout);
		return fflush(stdout) ? CMD_UNREADABLE : CMD_DONE;
	}
	make_context(&b);
	code = run_bench(&b);
	bench_set_fini(&b.set[0]);
	bench_set_fini(&b.set[1]);
	return code;
}
