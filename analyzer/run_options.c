/* SPDX-License-Identifier: MIT */
/*
 * Options of `lariat run`. The accepted texts are those of the recorder (preload/config.c), which
 * cannot be called from here; a unit test holds the two against each other.
 */
#include "run_options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../preload/format/trace_format.h"

#define OUTPUT_MAX 511 /* bytes the recorder keeps of the pattern */
#define SIZE_MIN   (1ull << 20)
#define SAMPLE_MAX (1ull << 40)
#define DEPTH_MIN  8

/* getopt values of options without a letter; letters are below. */
#define LONG_ONLY 256
#define HELP	  (LONG_ONLY + RUN_OPTIONS)
#define GATE	  (HELP + 1)

static const struct {
	const char *name;
	char letter;
	const char *env, *argument, *fallback, *help;
} table[RUN_OPTIONS] = {
#define OPTION(id, name, letter, env, argument, fallback, help)                                    \
	[RUN_##id] = { name, letter, env, argument, fallback, help },
#include "../preload/format/options.def"
#undef OPTION
};

static const struct {
	const char *name, *argument, *help;
} gate_table[RUN_GATE_OPTIONS] = {
	[RUN_GATE_ASSERT] = { "gate", "EXPR...",
			      "then judge the traces as `lariat gate --assert EXPR` does" },
	[RUN_GATE_BASELINE] = { "baseline", "FILE",
				"a JSON report: what leaked then may leak now" },
	[RUN_GATE_SUPPRESSIONS] = { "suppressions", "FILE",
				    "leave out leaks that a line leak:PATTERN of FILE matches" },
	[RUN_GATE_JUNIT] = { "junit", "FILE", "write the gate's results as JUnit XML" },
	[RUN_GATE_SARIF] = { "sarif", "FILE", "write the sites at fault as SARIF 2.1.0" },
	[RUN_GATE_SUMMARY] = { "summary", "FILE", "append the gate's results as Markdown" },
};

struct unit {
	const char *suffix;
	uint64_t factor;
};

/* Digits and one of the units, nothing else. */
static bool read_number(const char *s, const struct unit *unit, uint64_t *value)
{
	uint64_t n = 0;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++) {
		if (n > (1ull << 56) / 10)
			return false;
		n = n * 10 + (uint64_t)(*s - '0');
	}
	for (; unit->suffix; unit++) {
		if (strcmp(s, unit->suffix))
			continue;
		if (n && unit->factor > (1ull << 62) / n)
			return false;
		*value = n * unit->factor;
		return true;
	}
	return false;
}

static const struct unit no_unit[] = { { "", 1 }, { NULL, 0 } };
static const struct unit size_units[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "k", 1 << 10 },
	{ "K", 1 << 10 },
	{ "KiB", 1 << 10 },
	{ "m", 1 << 20 },
	{ "M", 1 << 20 },
	{ "MiB", 1 << 20 },
	{ "g", 1 << 30 },
	{ "G", 1 << 30 },
	{ "GiB", 1 << 30 },
	{ "T", 1ull << 40 },
	{ "TiB", 1ull << 40 },
	{ NULL, 0 },
};
static const struct unit time_units[] = {
	{ "ns", 1 },	    { "us", 1000 },	     { "ms", 1000000 },		{ "s", 1000000000 },
	{ "", 1000000000 }, { "m", 60000000000ull }, { "h", 3600000000000ull }, { NULL, 0 },
};
static const char *const record_words[] = { "heap", "io", "locks", "threads", "all", "cpu" };
static const char *const yes_no[] = { "yes", "no", "1", "0" };

static const char *const scan_words[] = {
	"exit",
	"main",
	"off",
#define SCAN_SIGNAL(name) #name,
#include "../preload/format/scan_signals.def"
#undef SCAN_SIGNAL
};

static bool is_one_of(const char *s, size_t n, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(words[i]) == n && !strncmp(words[i], s, n))
			return true;
	return false;
}

static bool check_list(const char *s)
{
	if (!*s)
		return false;
	while (*s) {
		size_t n = strcspn(s, ",");

		if (!is_one_of(s, n, record_words, sizeof(record_words) / sizeof(*record_words)))
			return false;
		s += n + (s[n] == ',');
	}
	return true;
}

/* Is each % followed by what stands for something? */
static bool is_pattern(const char *s)
{
	for (s = strchr(s, '%'); s; s = strchr(s + 2, '%'))
		if (!s[1] || !strchr("pcht%", s[1]))
			return false;
	return true;
}

bool run_options_check(enum run_option option, const char *value)
{
	uint64_t n;

	switch (option) {
	case RUN_OUTPUT:
		return *value && strlen(value) <= OUTPUT_MAX && is_pattern(value);
	case RUN_SIZE:
		return read_number(value, size_units, &n) && (!n || n >= SIZE_MIN);
	case RUN_DEPTH:
		return read_number(value, no_unit, &n) && n >= DEPTH_MIN && n <= LAR_MAX_DEPTH;
	case RUN_RECORD:
		return check_list(value);
	case RUN_SAMPLE:
		return read_number(value, size_units, &n) && n <= SAMPLE_MAX;
	case RUN_INTERVAL:
		return read_number(value, time_units, &n) && n;
	case RUN_LEAK_SCAN:
		n = strncmp(value, "SIG", 3) ? 0 : 3;
		return is_one_of(value + n, strlen(value + n), scan_words,
				 sizeof(scan_words) / sizeof(*scan_words));
	case RUN_LEAK_SCAN_LIMIT:
		return read_number(value, time_units, &n);
	case RUN_FOLLOW:
		return is_one_of(value, strlen(value), yes_no, sizeof(yes_no) / sizeof(*yes_no));
	case RUN_QUIET:
		return true;
	default:
		return false;
	}
}

/* The option that getopt returned `code` for, or RUN_OPTIONS. */
static enum run_option option_of(int code)
{
	if (code >= LONG_ONLY && code < HELP)
		return (enum run_option)(code - LONG_ONLY);
	for (int i = 0; i < RUN_OPTIONS; i++)
		if (table[i].letter && table[i].letter == code)
			return (enum run_option)i;
	return RUN_OPTIONS;
}

/* getopt's own tables; letters gets ':' first (a missing argument is told apart) and '+'. */
static void fill_getopt(struct option *longs, char *letters)
{
	letters += sprintf(letters, "+:h");
	for (int i = 0; i < RUN_OPTIONS; i++) {
		longs[i].name = table[i].name;
		longs[i].has_arg = *table[i].argument ? required_argument : no_argument;
		longs[i].val = LONG_ONLY + i;
		if (table[i].letter)
			letters += sprintf(letters, "%c%s", table[i].letter,
					   *table[i].argument ? ":" : "");
	}
	longs[RUN_OPTIONS].name = "help";
	longs[RUN_OPTIONS].val = HELP;
	for (int i = 0; i < RUN_GATE_OPTIONS; i++)
		longs[RUN_OPTIONS + 1 + i] =
			(struct option){ gate_table[i].name, required_argument, NULL, GATE + i };
}

static int complain(char *error, size_t size, enum run_option i, bool from_env, const char *value)
{
	snprintf(error, size, "%s%s: '%.80s' is not valid: %s", from_env ? "" : "--",
		 from_env ? table[i].env : table[i].name, value, table[i].help);
	return -EINVAL;
}

/* What the command line leaves open comes from the environment, else from the table. */
static int fill_rest(struct run_options *o, char *error, size_t error_size)
{
	for (int i = 0; i < RUN_OPTIONS; i++) {
		const char *value = getenv(table[i].env);

		if (o->given[i])
			continue;
		o->value[i] = table[i].fallback;
		if (!value)
			continue;
		if (!run_options_check((enum run_option)i, value))
			return complain(error, error_size, (enum run_option)i, true, value);
		o->value[i] = value;
		o->given[i] = true;
	}
	return 0;
}

const char *run_gate_option_name(enum run_gate_option option)
{
	return option == RUN_GATE_ASSERT ? "assert" : gate_table[option].name;
}

/* A bare --gate in front of "--" is one with what a gate asserts by itself. 0 or -EINVAL. */
static int take_gate(struct run_gate_words *g, enum run_gate_option option, const char *value)
{
	g->given = true;
	if (option == RUN_GATE_ASSERT && !strcmp(value, "--")) {
		optind--;
		return 0;
	}
	if (g->count == RUN_GATE_WORDS)
		return -EINVAL;
	g->word[g->count].option = option;
	g->word[g->count++].value = value;
	return 0;
}

int run_options_parse(struct run_options *o, int argc, char **argv, char *error, size_t error_size)
{
	struct option longs[RUN_OPTIONS + RUN_GATE_OPTIONS + 2] = { 0 };
	char letters[4 + 2 * RUN_OPTIONS];
	int code;

	memset(o, 0, sizeof(*o));
	fill_getopt(longs, letters);
	opterr = 0;
	optind = 0;
	while ((code = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		enum run_option i = option_of(code);

		if (code >= GATE) {
			if (take_gate(&o->gate, (enum run_gate_option)(code - GATE), optarg)) {
				snprintf(error, error_size, "too many options of a gate");
				return -EINVAL;
			}
			continue;
		}

		if (code == 'h' || code == HELP) {
			o->help = true;
			return 0;
		}
		if (i == RUN_OPTIONS) {
			snprintf(error, error_size, "%.80s: %s", argv[optind - 1],
				 code == ':' ? "this option needs a value" : "no such option");
			return -EINVAL;
		}
		o->value[i] = *table[i].argument ? optarg : "1";
		o->given[i] = true;
		if (!run_options_check(i, o->value[i]))
			return complain(error, error_size, i, false, o->value[i]);
	}
	o->command = optind;
	return fill_rest(o, error, error_size);
}

bool run_options_records(const struct run_options *o, const char *name)
{
	const char *s = o->value[RUN_RECORD];

	while (*s) {
		size_t n = strcspn(s, ",");

		if (is_one_of(s, n, &name, 1) || is_one_of(s, n, &record_words[4], 1))
			return true;
		s += n + (s[n] == ',');
	}
	return false;
}

bool run_options_quiet(const struct run_options *o)
{
	const char *s = o->value[RUN_QUIET];

	return *s && strcmp(s, "0") && strcmp(s, "no");
}

int run_options_export(const struct run_options *o)
{
	for (int i = 0; i < RUN_OPTIONS; i++)
		if (o->given[i] && setenv(table[i].env, o->value[i], 1))
			return -errno;
	return 0;
}

void run_options_help(FILE *out)
{
	fprintf(out,
		"Usage: lariat run [OPTIONS] [--] COMMAND [ARGUMENT...]\n\n"
		"Runs COMMAND and records its heap, I/O, locks and threads into a trace file.\n\n"
		"Options, each with the variable that does the same without `lariat run`:\n");
	for (int i = 0; i < RUN_OPTIONS; i++) {
		char left[64], letter[8] = "    ";

		if (table[i].letter)
			snprintf(letter, sizeof(letter), "-%c, ", table[i].letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, table[i].name,
			 *table[i].argument ? " " : "", table[i].argument);
		fprintf(out, "  %-27s %s\n", left, table[i].env);
		fprintf(out, "          %s\n", table[i].help);
		if (*table[i].fallback)
			fprintf(out, "          default: %s\n", table[i].fallback);
	}
	fprintf(out, "\nOptions of a gate behind the run:\n");
	for (int i = 0; i < RUN_GATE_OPTIONS; i++)
		fprintf(out, "      --%s %s\n          %s\n", gate_table[i].name,
			gate_table[i].argument, gate_table[i].help);
	fprintf(out,
		"  -h, --help\n          show this\n\n"
		"The exit status is COMMAND's own; 128+N when signal N killed it, 125 when it\n"
		"cannot be recorded, 126 when it cannot be run, 127 when it is not found. With\n"
		"a gate, where COMMAND's is 0: that of `lariat gate`.\n");
}
