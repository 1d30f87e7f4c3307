/* SPDX-License-Identifier: MIT */
/*
 * The command line: which commands there are, which options each takes, and what was asked for.
 *
 * One thread. A command gets a struct cmd_context that stays valid while it runs and owns nothing
 * in it. Commands print their output to `out` and complaints to `err`, and return the exit code.
 */
#ifndef LARIAT_OPTS_H
#define LARIAT_OPTS_H

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit codes of every command but `run`. */
enum cmd_exit {
	CMD_DONE = 0,
	CMD_GATE_FAILED = 1,
	CMD_USAGE = 2,
	CMD_UNREADABLE = 3, /* no trace could be read, or the output could not be written */
	CMD_UNDECIDED = 4,
};

enum cmd_format { CMD_TEXT, CMD_JSON, CMD_CSV };
enum cmd_fold { CMD_BY_STACK, CMD_BY_FUNCTION, CMD_BY_FILE, CMD_BY_MODULE, CMD_BY_THREAD };

/* Options of the reading commands; a command's mask says which of them it takes. */
enum cmd_option {
	CMD_OPT_FORMAT = 1 << 0,       /* text, json, csv */
	CMD_OPT_FORMAT_TWO = 1 << 14,  /* text, json */
	CMD_OPT_FORMAT_DIFF = 1 << 15, /* text, json, folded */
	CMD_OPT_LIMIT = 1 << 1,
	CMD_OPT_SORT = 1 << 2,
	CMD_OPT_FILTER = 1 << 3,
	CMD_OPT_SINCE = 1 << 4,
	CMD_OPT_UNTIL = 1 << 5,
	CMD_OPT_NO_COLOR = 1 << 6,
	CMD_OPT_SYMBOLS = 1 << 7,
	CMD_OPT_BY = 1 << 8,
	CMD_OPT_LIMIT_BYTES = 1 << 9,
	CMD_OPT_SUPPRESSIONS = 1 << 10,
	CMD_OPT_DIFF = 1 << 12,	     /* two sides of traces, --per */
	CMD_OPT_GATE = 1 << 11,	     /* --assert, --baseline and the files that a gate writes */
	CMD_OPT_TOP = 1 << 20,	     /* how the live view goes */
	CMD_OPT_THRESHOLD = 1 << 13, /* of findings about I/O */
	CMD_OPT_NOW = 1 << 21,	     /* ask the process for a leak scan */
	CMD_OPT_COMMON = CMD_OPT_FORMAT | CMD_OPT_LIMIT | CMD_OPT_SORT | CMD_OPT_FILTER |
			 CMD_OPT_SINCE | CMD_OPT_UNTIL | CMD_OPT_NO_COLOR | CMD_OPT_SYMBOLS,
};

struct command;
struct suppressions;

#define CMD_ASSERTIONS 64

/* The options of a gate; files NULL = none. */
struct cmd_gate_options {
	const char *assertion[CMD_ASSERTIONS];
	unsigned assertions;
	const char *baseline, *junit, *sarif, *summary;
};

/* The options of a comparison. */
struct cmd_diff_options {
	const char *per; /* what figures are divided by, NULL = nothing */
	bool folded;
	size_t first;		  /* traces of the first side */
	const uint64_t *until_ns; /* per trace: how far to read it */
};

/* The options of the live view. */
struct cmd_top_options {
	bool batch;
	uint64_t iterations; /* 0 = until the end */
	uint64_t interval_ns;
	unsigned view; /* a number of top_view_names */
};

/* What was asked for. */
struct cmd_context {
	const struct command *command;
	const char *const *paths; /* trace files: folders and pids are already expanded */
	size_t path_count;	  /* at least 1 */
	const char *const *names; /* as they were given */
	size_t name_count;
	FILE *out, *err;
	enum cmd_format format;
	enum cmd_fold by;
	uint64_t limit;	      /* entries of a list; UINT64_MAX = all */
	bool limit_given;     /* else limit is the format's default: text 20, JSON and CSV 100 */
	const char *sort;     /* a name of command->sort_keys, NULL = the first */
	const char *filter;   /* the text of --filter, NULL = none */
	regex_t *filter_re;   /* compiled (extended, no subexpressions), NULL = none */
	uint64_t since_ns;    /* 0 = from the start */
	uint64_t until_ns;    /* UINT64_MAX = to the end */
	const char *symbols;  /* for symbols_new(), NULL = none */
	uint64_t limit_bytes; /* memory that the process may have, 0 = not told */
	struct suppressions *suppress; /* NULL = none */
	struct cmd_gate_options gate;
	struct cmd_diff_options diff;
	struct cmd_top_options top;
	bool now;	/* ask the process first */
	bool color;	/* escape sequences may be written to `out` */
	bool progress;	/* `err` is a terminal: show progress of long work */
	unsigned width; /* columns of the output, 40 and up */
};

typedef int cmd_fn(const struct cmd_context *c);

/* An order of a list: by which uint64_t of its elements. The first of a table is the default. */
struct sort_key {
	const char *name; /* as in the report's JSON */
	size_t offset;	  /* of the uint64_t in the element */
};

/* A row of the table of commands. Either fn or fn_argv (gets argv from the command's name on). */
struct command {
	const char *name;
	const char *help;		  /* one line */
	const char *arguments;		  /* "TRACE..." */
	unsigned options;		  /* mask of enum cmd_option */
	const struct sort_key *sort_keys; /* for --sort, ends with a NULL name; NULL = none */
	cmd_fn *fn;
	int (*fn_argv)(int argc, char **argv);
};

/* The tables of the live view, for --view; ends with NULL. */
extern const char *const top_view_names[];

/* Ends with a row whose name is NULL; stands in commands.c. */
extern const struct command commands[];

cmd_fn cmd_report, cmd_alloc, cmd_leaks, cmd_growth, cmd_gate, cmd_diff, cmd_io, cmd_locks,
	cmd_threads, cmd_info, cmd_dump, cmd_top;
int cmd_run(int argc, char **argv);
int cmd_bench(int argc, char **argv);

/*
 * Parses argv[1..] for `command` and runs it; returns the exit code. Wrong usage: one line and a
 * hint on stderr, CMD_USAGE.
 */
int opts_run_command(const struct command *command, int argc, char **argv);

/*
 * Flushes an output; returns `code`, or CMD_UNREADABLE after a line on stderr where it cannot be
 * written and `code` was 0. Of a closed pipe nothing is said. `what` is "the report", say.
 */
int opts_flush(FILE *out, const char *what, int code);

/* Prints the overview of commands, or one command's help made from the tables. */
void opts_print_overview(FILE *out);
void opts_print_help(FILE *out, const struct command *command);

/*
 * "1500", "2.5s", "10ms", "3us", "7ns", "1m", "2h"; a bare number is seconds. Returns 0 or -EINVAL
 * (not a time, or out of range).
 */
int opts_parse_time(const char *text, uint64_t *ns);

/* "1500", "64K", "1.5M", "2GiB": powers of 1024. Returns 0 or -EINVAL. */
int opts_parse_size(const char *text, uint64_t *bytes);

#endif
