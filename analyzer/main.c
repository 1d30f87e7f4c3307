/* SPDX-License-Identifier: MIT */
/* Entry of `lariat`: finds the command and hands over. */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "../preload/format/trace_format.h"
#include "opts.h"
#include "version.h"

static const struct command *find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

static int unknown(const char *name)
{
	fprintf(stderr, "lariat: unknown command %s; try `lariat --help`\n", name);
	return CMD_USAGE;
}

/* `lariat help [COMMAND]`, `lariat --help` */
static int help(int argc, char **argv)
{
	const struct command *c;

	if (argc < 2) {
		opts_print_overview(stdout);
		return opts_flush(stdout, "the help", CMD_DONE);
	}
	c = find(argv[1]);
	if (!c)
		return unknown(argv[1]);
	if (c->fn_argv)
		return c->fn_argv(2, (char *[]){ argv[1], (char[]){ "--help" }, NULL });
	opts_print_help(stdout, c);
	return opts_flush(stdout, "the help", CMD_DONE);
}

int main(int argc, char **argv)
{
	const struct command *c;

	setlocale(LC_CTYPE, "");
	if (argc < 2) {
		fprintf(stderr, "lariat: no command given; try `lariat --help`\n");
		return CMD_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return help(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--version")) {
		printf("lariat %s (trace format %d)\n", LARIAT_VERSION, LAR_VERSION);
		return opts_flush(stdout, "the version", CMD_DONE);
	}
	c = find(argv[1]);
	if (!c)
		return unknown(argv[1]);
	if (c->fn_argv)
		return c->fn_argv(argc - 1, argv + 1);
	return opts_run_command(c, argc - 1, argv + 1);
}
