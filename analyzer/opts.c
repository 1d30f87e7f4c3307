/* SPDX-License-Identifier: MIT */
/* Options of the reading commands: parsing and help, both made from one table; see opts.h. */
#include "opts.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "diff_sides.h"
#include "format.h"
#include "io_thresholds.h"
#include "paths.h"
#include "suppress.h"

#define TEXT_LIMIT  20
#define OTHER_LIMIT 100

/* Between two refreshes of the live view. */
#define INTERVAL_NS	2000000000u
#define MIN_INTERVAL_NS 10000000u
#define MAX_INTERVAL_NS 3600000000000000u

/* What parsing fills beside the context. */
struct parse {
	struct cmd_context *c;
	regex_t regex;
	bool no_color, help;
	const char *suppressions; /* the file's name */
	size_t second;		  /* arguments behind "--" */
	char why[400];		  /* what is wrong with an argument */
};

typedef int option_fn(struct parse *p, const char *value);

struct option_row {
	unsigned bit; /* enum cmd_option; 0 = every command has it */
	const char *name, *argument;
	const char *help;
	option_fn *set;
};

static int choose(struct parse *p, const char *const *names, const char *value)
{
	size_t used = 0;

	for (int i = 0; names[i]; i++)
		if (!strcmp(names[i], value))
			return i;
	for (int i = 0; names[i] && used < sizeof(p->why); i++)
		used += (size_t)snprintf(p->why + used, sizeof(p->why) - used, "%s%s",
					 i ? ", " : "one of ", names[i]);
	return -EINVAL;
}

static int set_format(struct parse *p, const char *value)
{
	static const char *const three[] = { "text", "json", "csv", NULL };
	static const char *const two[] = { "text", "json", NULL };
	static const char *const of_diff[] = { "text", "json", "folded", NULL };
	unsigned options = p->c->command->options;
	bool diff = options & CMD_OPT_FORMAT_DIFF;
	int n = choose(p, diff ? of_diff : options & CMD_OPT_FORMAT_TWO ? two : three, value);

	p->c->diff.folded = diff && n == CMD_CSV;
	if (n >= 0)
		p->c->format = (enum cmd_format)n;
	return n < 0 ? n : 0;
}

static int set_by(struct parse *p, const char *value)
{
	static const char *const names[] = {
		"stack", "function", "file", "module", "thread", NULL
	};
	int n = choose(p, names, value);

	if (n >= 0)
		p->c->by = (enum cmd_fold)n;
	return n < 0 ? n : 0;
}

static int set_limit(struct parse *p, const char *value)
{
	char *end;

	errno = 0;
	p->c->limit = strtoull(value, &end, 10);
	if (!isdigit((unsigned char)*value) || *end || errno) {
		snprintf(p->why, sizeof(p->why), "a number, 0 = all");
		return -EINVAL;
	}
	if (!p->c->limit)
		p->c->limit = UINT64_MAX;
	p->c->limit_given = true;
	return 0;
}

static int set_sort(struct parse *p, const char *value)
{
	const char *names[32];
	size_t n = 0;

	for (const struct sort_key *k = p->c->command->sort_keys; k && k->name && n < 31; k++)
		names[n++] = k->name;
	names[n] = NULL;
	p->c->sort = value;
	return choose(p, names, value) < 0 ? -EINVAL : 0;
}

static int set_filter(struct parse *p, const char *value)
{
	int error;

	if (p->c->filter_re)
		regfree(p->c->filter_re);
	p->c->filter_re = NULL;
	error = regcomp(&p->regex, value, REG_EXTENDED | REG_NOSUB);
	if (error) {
		regerror(error, &p->regex, p->why, sizeof(p->why));
		return -EINVAL;
	}
	p->c->filter = value;
	p->c->filter_re = &p->regex;
	return 0;
}

static int set_time(struct parse *p, const char *value, uint64_t *ns)
{
	int err = opts_parse_time(value, ns);

	if (err)
		snprintf(p->why, sizeof(p->why), "a time since the start, such as 1.5s or 200ms");
	return err;
}

static int set_threshold(struct parse *p, const char *value)
{
	size_t used;

	if (!io_threshold_set(value))
		return 0;
	used = (size_t)snprintf(p->why, sizeof(p->why), "NAME=NUMBER, NAME one of");
	for (unsigned i = 0; i < IO_THRESHOLD_COUNT && used < sizeof(p->why); i++)
		used += (size_t)snprintf(p->why + used, sizeof(p->why) - used, " %s",
					 io_threshold_rows[i].name);
	return -EINVAL;
}

static int set_since(struct parse *p, const char *value)
{
	return set_time(p, value, &p->c->since_ns);
}

static int set_until(struct parse *p, const char *value)
{
	return set_time(p, value, &p->c->until_ns);
}

static int set_now(struct parse *p, const char *value)
{
	(void)value;
	p->c->now = true;
	return 0;
}

static int set_no_color(struct parse *p, const char *value)
{
	(void)value;
	p->no_color = true;
	return 0;
}

static int set_symbols(struct parse *p, const char *value)
{
	if (access(value, R_OK)) {
		snprintf(p->why, sizeof(p->why), "%s", strerror(errno));
		return -EINVAL;
	}
	p->c->symbols = value;
	return 0;
}

static int set_limit_bytes(struct parse *p, const char *value)
{
	int err = opts_parse_size(value, &p->c->limit_bytes);

	if (!err && !p->c->limit_bytes)
		err = -EINVAL;
	if (err)
		snprintf(p->why, sizeof(p->why), "a size, such as 512M or 2G");
	return err;
}

static int set_suppressions(struct parse *p, const char *value)
{
	uint32_t line;
	int err;

	suppressions_free(p->c->suppress);
	p->c->suppress = NULL;
	err = suppressions_load(value, &p->c->suppress, &line);
	p->suppressions = value;
	if (err == -EINVAL)
		snprintf(p->why, sizeof(p->why), "line %" PRIu32 " is not leak:PATTERN", line);
	else if (err)
		snprintf(p->why, sizeof(p->why), "%s", strerror(-err));
	return err;
}

static int set_assert(struct parse *p, const char *value)
{
	struct cmd_gate_options *g = &p->c->gate;

	if (g->assertions == CMD_ASSERTIONS) {
		snprintf(p->why, sizeof(p->why), "the %dth", CMD_ASSERTIONS + 1);
		return -EINVAL;
	}
	g->assertion[g->assertions++] = value;
	return 0;
}

static int set_baseline(struct parse *p, const char *value)
{
	p->c->gate.baseline = value;
	return 0;
}

static int set_per(struct parse *p, const char *value)
{
	p->c->diff.per = value;
	return 0;
}

static int set_junit(struct parse *p, const char *value)
{
	p->c->gate.junit = value;
	return 0;
}

static int set_sarif(struct parse *p, const char *value)
{
	p->c->gate.sarif = value;
	return 0;
}

static int set_summary(struct parse *p, const char *value)
{
	p->c->gate.summary = value;
	return 0;
}

static int set_batch(struct parse *p, const char *value)
{
	(void)value;
	p->c->top.batch = true;
	return 0;
}

static int set_iterations(struct parse *p, const char *value)
{
	char *end;

	errno = 0;
	p->c->top.iterations = strtoull(value, &end, 10);
	if (isdigit((unsigned char)*value) && !*end && !errno && p->c->top.iterations)
		return 0;
	snprintf(p->why, sizeof(p->why), "a number from 1 up");
	return -EINVAL;
}

static int set_interval(struct parse *p, const char *value)
{
	int err = opts_parse_time(value, &p->c->top.interval_ns);

	if (!err && p->c->top.interval_ns >= MIN_INTERVAL_NS &&
	    p->c->top.interval_ns <= MAX_INTERVAL_NS)
		return 0;
	snprintf(p->why, sizeof(p->why), "a time from 10ms to 1000h, such as 2s");
	return -EINVAL;
}

static int set_view(struct parse *p, const char *value)
{
	int n = choose(p, top_view_names, value);

	if (n >= 0)
		p->c->top.view = (unsigned)n;
	return n < 0 ? n : 0;
}

static int set_help(struct parse *p, const char *value)
{
	(void)value;
	p->help = true;
	return 0;
}

static const struct option_row rows[] = {
	{ CMD_OPT_FORMAT, "format", "FORMAT", "text, json or csv (default: text)", set_format },
	{ CMD_OPT_FORMAT_TWO, "format", "FORMAT", "text or json (default: text)", set_format },
	{ CMD_OPT_FORMAT_DIFF, "format", "FORMAT", "text, json or folded (default: text)",
	  set_format },
	{ CMD_OPT_LIMIT, "limit", "N", "entries of a list (text 20, json and csv 100; 0 = all)",
	  set_limit },
	{ CMD_OPT_SORT, "sort", "KEY", "order of the list, largest first", set_sort },
	{ CMD_OPT_FILTER, "filter", "REGEX", "list what matches: function, file or module",
	  set_filter },
	{ CMD_OPT_BY, "by", "WHAT", "fold the list: function, file, module or thread", set_by },
	{ CMD_OPT_SINCE, "since", "TIME", "leave out what was before (1.5s, 200ms, 3m)",
	  set_since },
	{ CMD_OPT_UNTIL, "until", "TIME", "leave out what came after", set_until },
	{ CMD_OPT_SYMBOLS, "symbols", "PATH", "look for symbols here (sysroot or build-id store)",
	  set_symbols },
	{ CMD_OPT_GATE, "assert", "EXPR",
	  "what must hold, such as 'heap.peak_bytes < 64M'; can be given again", set_assert },
	{ CMD_OPT_GATE, "baseline", "FILE", "a JSON report: what leaked then may leak now",
	  set_baseline },
	{ CMD_OPT_GATE, "junit", "FILE", "write the results as JUnit XML", set_junit },
	{ CMD_OPT_GATE, "sarif", "FILE", "write the sites at fault as SARIF 2.1.0", set_sarif },
	{ CMD_OPT_GATE, "summary", "FILE", "append the results as Markdown", set_summary },
	{ CMD_OPT_DIFF, "per", "WHAT",
	  "divide figures by: second, allocation, or a field of the JSON report", set_per },
	{ CMD_OPT_TOP, "interval", "TIME", "between two refreshes (default: 2s)", set_interval },
	{ CMD_OPT_TOP, "iterations", "N", "end after N refreshes", set_iterations },
	{ CMD_OPT_TOP, "view", "NAME", "the table: heap, io, locks or threads (default: heap)",
	  set_view },
	{ CMD_OPT_TOP, "batch", NULL, "plain text, also on a terminal", set_batch },
	{ CMD_OPT_LIMIT_BYTES, "limit-bytes", "SIZE",
	  "memory there is, for when it is used up (default: the cgroup's or machine's)",
	  set_limit_bytes },
	{ CMD_OPT_THRESHOLD, "threshold", "NAME=VALUE",
	  "from when on use of I/O is a finding (see lariat(1))", set_threshold },
	{ CMD_OPT_SUPPRESSIONS, "suppressions", "FILE",
	  "leave out leaks that a line leak:PATTERN of FILE matches", set_suppressions },
	{ CMD_OPT_NOW, "now", NULL, "ask the running process for a leak scan first", set_now },
	{ CMD_OPT_NO_COLOR, "no-color", NULL, "no colors, also with NO_COLOR set", set_no_color },
	{ 0, "help", NULL, "show this", set_help },
};
#define ROWS (sizeof(rows) / sizeof(*rows))

static bool row_applies(const struct option_row *r, const struct command *command)
{
	return !r->bit || command->options & r->bit;
}

#define HELP_LEFT  25 /* columns in front of what an option does */
#define HELP_WIDTH 79

/* What an option does, behind its name, in lines of a terminal's width. */
static void print_what(FILE *out, const char *left, const char *help)
{
	int at = fprintf(out, "  %-22s", left);

	while (*help) {
		int word = (int)strcspn(help, " ");

		if (at + 1 + word > HELP_WIDTH && at > HELP_LEFT)
			at = fprintf(out, "\n%*s", HELP_LEFT - 1, "") - 1;
		at += fprintf(out, " %.*s", word, help);
		help += word;
		help += strspn(help, " ");
	}
	fputc('\n', out);
}

void opts_print_help(FILE *out, const struct command *command)
{
	fprintf(out, "Usage: lariat %s [OPTIONS] %s\n\n%c%s.\n\nOptions:\n", command->name,
		command->arguments, toupper((unsigned char)command->help[0]), command->help + 1);
	for (size_t i = 0; i < ROWS; i++) {
		char left[64];

		if (!row_applies(&rows[i], command))
			continue;
		snprintf(left, sizeof(left), "%s--%s%s%s", rows[i].bit ? "    " : "-h, ",
			 rows[i].name, rows[i].argument ? " " : "",
			 rows[i].argument ? rows[i].argument : "");
		print_what(out, left, rows[i].help);
	}
	if (!command->sort_keys)
		return;
	fprintf(out, "\nSort keys:\n");
	for (const struct sort_key *k = command->sort_keys; k->name; k++)
		fprintf(out, "  %s%s\n", k->name, k == command->sort_keys ? " (default)" : "");
}

void opts_print_overview(FILE *out)
{
	fprintf(out,
		"Usage: lariat COMMAND [OPTIONS] ...\n\n"
		"Records what a program does with memory, files and locks, and reports on it.\n\n"
		"Commands:\n");
	for (const struct command *c = commands; c->name; c++)
		fprintf(out, "  %-9s %s\n", c->name, c->help);
	fprintf(out,
		"\nTRACE is a file, a folder of traces, or a pid: its trace and its children's.\n"
		"`lariat COMMAND --help` says more; `lariat --version` prints the version.\n\n"
		"First steps:\n"
		"  lariat run -- make -C src      record a program\n"
		"  lariat report *.lariat         what it did, in short\n");
}

static int usage(const struct command *command, const char *what, const char *name, const char *why)
{
	fprintf(stderr, "lariat: %s: %s%s%s%s; try `lariat %s --help`\n", command->name, what, name,
		why && *why ? ": " : "", why ? why : "", command->name);
	return CMD_USAGE;
}

/* The table as getopt_long() wants it; values are row numbers + 256. */
static void long_options(const struct command *command, struct option *o)
{
	for (size_t i = 0; i < ROWS; i++)
		if (row_applies(&rows[i], command))
			*o++ = (struct option){ rows[i].name, rows[i].argument != NULL, NULL,
						256 + (int)i };
	*o = (struct option){ 0 };
}

/* Returns 0, or CMD_USAGE after a message. */
static int parse_options(struct parse *p, int argc, char **argv)
{
	const struct command *command = p->c->command;
	struct option options[ROWS + 1];
	int n;

	for (int i = 1; i < argc && !p->second; i++)
		if (!strcmp(argv[i], "--"))
			p->second = (size_t)(argc - i - 1);
	long_options(command, options);
	opterr = 0;
	optind = 1;
	while ((n = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		const struct option_row *row;

		if (n == 'h') {
			p->help = true;
			continue;
		}
		if (n == ':')
			return usage(command, "no argument to ", argv[optind - 1], NULL);
		if (n < 256)
			return usage(command, "unknown option ", argv[optind - 1], NULL);
		row = &rows[n - 256];
		if (row->set(p, optarg)) {
			char what[128];

			snprintf(what, sizeof(what), "--%s cannot be ", row->name);
			return usage(command, what, optarg, p->why);
		}
	}
	return 0;
}

static bool is_dumb(void)
{
	const char *term = getenv("TERM");

	return term && !strcmp(term, "dumb");
}

static unsigned output_width(void)
{
	const char *columns = getenv("COLUMNS");
	long n = columns ? strtol(columns, NULL, 10) : 0;
	struct winsize size;

	if (n <= 0 && !ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		n = size.ws_col;
	if (n <= 0)
		n = 80;
	return n < 40 ? 40 : n > 240 ? 240 : (unsigned)n;
}

/* One line for all: a list that has outlived its leaks hides the next ones. */
static void name_unused(const struct parse *p)
{
	const struct suppressions *s = p->c->suppress;
	bool first = true;

	for (uint32_t i = 0; s && i < s->count; i++) {
		if (s->list[i].hits)
			continue;
		if (first)
			fprintf(p->c->err, "lariat: %s: never used:", p->suppressions);
		fprintf(p->c->err, "%s leak:%s (line %" PRIu32 ")", first ? "" : ",",
			s->list[i].pattern, s->list[i].line);
		first = false;
	}
	if (!first)
		fputc('\n', p->c->err);
}

static void interrupted(int number)
{
	(void)number;
	_exit(130);
}

/* The traces that are named; 0 or the exit code after a message. */
static int expand(struct parse *p, int argc, char **argv, struct diff_sides *out)
{
	size_t count = (size_t)(argc - optind);
	bool diff = p->c->command->options & CMD_OPT_DIFF;
	char why[300];
	int err;

	if (diff)
		err = diff_sides_expand(argv + optind, count, p->second, out, why, sizeof(why));
	else
		err = paths_expand(argv + optind, count, &out->paths, why, sizeof(why));
	if (diff && err == -EINVAL)
		return usage(p->c->command, "there must be ", why, NULL);
	if (!err && out->paths.unopened)
		fprintf(stderr, "lariat: left out, as they cannot be opened: %s\n",
			format_things(why, out->paths.unopened, "file"));
	if (!err)
		return 0;
	fprintf(stderr, "lariat: %s\n", why);
	return CMD_UNREADABLE;
}

int opts_flush(FILE *out, const char *what, int code)
{
	errno = 0;
	if (!fflush(out) && !ferror(out))
		return code;
	if (errno != EPIPE)
		fprintf(stderr, "lariat: standard output: %s, %s is not whole\n",
			errno ? strerror(errno) : "write error", what);
	return code ? code : CMD_UNREADABLE;
}

static int run_parsed(struct parse *p, int argc, char **argv)
{
	struct cmd_context *c = p->c;
	struct diff_sides sides = { 0 };
	int code;

	if (optind == argc)
		return usage(c->command, "no trace given", "", NULL);
	if (!c->limit_given)
		c->limit = c->format == CMD_TEXT ? TEXT_LIMIT : OTHER_LIMIT;
	c->color = !p->no_color && !getenv("NO_COLOR") && isatty(STDOUT_FILENO) && !is_dumb();
	c->progress = isatty(STDERR_FILENO);
	c->width = output_width();
	code = expand(p, argc, argv, &sides);
	if (code)
		return code;
	c->paths = (const char *const *)sides.paths.path;
	c->path_count = sides.paths.count;
	c->names = (const char *const *)argv + optind;
	c->name_count = (size_t)(argc - optind);
	c->diff.first = sides.first;
	c->diff.until_ns = sides.until_ns;
	signal(SIGINT, interrupted);
	code = c->command->fn(c);
	diff_sides_fini(&sides);
	if (code != CMD_UNREADABLE)
		name_unused(p);
	return opts_flush(c->out, "the report", code);
}

int opts_run_command(const struct command *command, int argc, char **argv)
{
	struct cmd_context c = { .command = command,
				 .out = stdout,
				 .err = stderr,
				 .until_ns = UINT64_MAX,
				 .top = { .interval_ns = INTERVAL_NS } };
	struct parse p = { .c = &c };
	int code = parse_options(&p, argc, argv);

	if (!code && p.help) {
		opts_print_help(stdout, command);
		code = opts_flush(stdout, "the help", 0);
	} else if (!code && c.since_ns > c.until_ns) {
		code = usage(command, "--since is behind --until", "", NULL);
	} else if (!code) {
		code = run_parsed(&p, argc, argv);
	}
	if (c.filter_re)
		regfree(c.filter_re);
	suppressions_free(c.suppress);
	return code;
}
