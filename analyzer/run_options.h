/* SPDX-License-Identifier: MIT */
/*
 * The options of `lariat run`, made from preload/format/options.def: parsed, checked, and handed
 * to the recorder as environment variables.
 */
#ifndef LARIAT_RUN_OPTIONS_H
#define LARIAT_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

enum run_option {
#define OPTION(id, ...) RUN_##id,
#include "../preload/format/options.def"
#undef OPTION
	RUN_OPTIONS
};

/* Options that are not the recorder's: those of a gate behind the run. */
enum run_gate_option {
	RUN_GATE_ASSERT,
	RUN_GATE_BASELINE,
	RUN_GATE_SUPPRESSIONS,
	RUN_GATE_JUNIT,
	RUN_GATE_SARIF,
	RUN_GATE_SUMMARY,
	RUN_GATE_OPTIONS
};
#define RUN_GATE_WORDS 80

/* What was given of them, in order. */
struct run_gate_words {
	bool given; /* any */
	unsigned count;
	struct {
		enum run_gate_option option;
		const char *value;
	} word[RUN_GATE_WORDS];
};

struct run_options {
	const char *value[RUN_OPTIONS]; /* as given, or the default */
	bool given[RUN_OPTIONS];	/* on the command line or in the environment */
	struct run_gate_words gate;
	bool help;
	int command; /* index in argv of the command, argc = there is none */
};

/*
 * Reads argv[1..] up to the command, and for what is not there the environment. Returns 0, or
 * -EINVAL with what is wrong in `error`, a clause without newline.
 */
int run_options_parse(struct run_options *o, int argc, char **argv, char *error, size_t error_size);

/* Whether the recorder accepts `value` for the option. */
bool run_options_check(enum run_option option, const char *value);

/* Whether `name` ("heap", ...) is among what is to be recorded. */
bool run_options_records(const struct run_options *o, const char *name);

bool run_options_quiet(const struct run_options *o);

/* Sets the environment variables of the options that were given. 0 or -errno. */
int run_options_export(const struct run_options *o);

/* The option's name for `lariat gate`. */
const char *run_gate_option_name(enum run_gate_option option);

void run_options_help(FILE *out);

#endif
