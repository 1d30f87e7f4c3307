/* SPDX-License-Identifier: MIT */
/* Options and times of the command line, figures as people read them, text made fit for output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../analyzer/format.h"
#include "../../analyzer/opts.h"
#include "../../analyzer/utf8.h"

static struct cmd_context seen;
static int calls;
static char seen_path[200];

static int look(const struct cmd_context *c)
{
	seen = *c;
	snprintf(seen_path, sizeof(seen_path), "%s", c->paths[0]);
	calls++;
	if (c->filter_re)
		assert_int_equal(regexec(c->filter_re, "xparsex", 0, NULL, 0), 0);
	return 4;
}

static const struct sort_key keys[] = { { "bytes", 0 }, { "calls", 8 }, { NULL, 0 } };

static const struct command command = { .name = "look",
					.help = "looks",
					.arguments = "TRACE...",
					.options = CMD_OPT_COMMON,
					.sort_keys = keys,
					.fn = look };

/* Runs with these arguments (the last is NULL); the exit code. */
static int run(const char *first, ...)
{
	char *argv[16] = { (char[]){ "look" } };
	int argc = 1;
	va_list ap;

	va_start(ap, first);
	for (const char *arg = first; arg; arg = va_arg(ap, const char *))
		argv[argc++] = strdup(arg);
	va_end(ap);
	calls = 0;
	memset(&seen, 0, sizeof(seen));
	{
		int code = opts_run_command(&command, argc, argv);

		for (int i = 1; i < argc; i++)
			free(argv[i]);
		return code;
	}
}

static void defaults(void **state)
{
	(void)state;
	assert_int_equal(run("a.lariat", NULL), 4);
	assert_int_equal(calls, 1);
	assert_string_equal(seen_path, "a.lariat");
	assert_int_equal(seen.format, CMD_TEXT);
	assert_int_equal(seen.limit, 20);
	assert_int_equal(seen.since_ns, 0);
	assert_true(seen.until_ns == UINT64_MAX);
	assert_null(seen.filter_re);
	assert_null(seen.sort);
	assert_int_equal(run("--format=json", "a", NULL), 4);
	assert_int_equal(seen.limit, 100);
}

static void all_options(void **state)
{
	(void)state;
	assert_int_equal(run("a", "--format", "csv", "--limit", "0", "--sort=calls", "--filter",
			     "^x.*x$", "--since", "5ms", "--until=1.5s", "--no-color", "b", NULL),
			 4);
	assert_int_equal(seen.format, CMD_CSV);
	assert_true(seen.limit == UINT64_MAX);
	assert_non_null(seen.sort);
	assert_int_equal(seen.since_ns, 5000000);
	assert_int_equal(seen.until_ns, 1500000000);
	assert_int_equal(seen.path_count, 2);
	assert_false(seen.color);
}

static void wrong_usage(void **state)
{
	(void)state;
	assert_int_equal(run(NULL), CMD_USAGE);
	assert_int_equal(run("--formt", "x", "a", NULL), CMD_USAGE);
	assert_int_equal(run("--format", "xml", "a", NULL), CMD_USAGE);
	assert_int_equal(run("--format", NULL), CMD_USAGE);
	assert_int_equal(run("--limit", "-1", "a", NULL), CMD_USAGE);
	assert_int_equal(run("--limit", "3x", "a", NULL), CMD_USAGE);
	assert_int_equal(run("--sort", "colour", "a", NULL), CMD_USAGE);
	assert_int_equal(run("--filter", "(", "a", NULL), CMD_USAGE);
	assert_int_equal(run("--since", "soon", "a", NULL), CMD_USAGE);
	assert_int_equal(run("--since", "2s", "--until", "1s", "a", NULL), CMD_USAGE);
	assert_int_equal(run("--by", "module", "a", NULL), CMD_USAGE); /* not in its mask */
	assert_int_equal(run("--no-color=yes", "a", NULL), CMD_USAGE);
	assert_int_equal(calls, 0);
}

static void times(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = { { "0", 0 },
		     { "2", 2000000000 },
		     { "1.5s", 1500000000 },
		     { "10ms", 10000000 },
		     { "3us", 3000 },
		     { "7ns", 7 },
		     { "2m", 120000000000 },
		     { "1h", 3600000000000 } };
	static const char *const bad[] = { "",	  "s",	 "-1",	 "1x", "1 s",
					   "nan", "inf", "1e30", "0x", "1s2ms" };
	uint64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(opts_parse_time(good[i].text, &ns), 0);
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_not_equal(opts_parse_time(bad[i], &ns), 0);
}

static void figures(void **state)
{
	char b[FORMAT_SIZE];

	(void)state;
	assert_string_equal(format_bytes(b, 0), "0 B");
	assert_string_equal(format_bytes(b, 1023), "1023 B");
	assert_string_equal(format_bytes(b, 1024), "1.00 KiB");
	assert_string_equal(format_bytes(b, 10239), "10.0 KiB");
	assert_string_equal(format_bytes(b, 1048575), "1.00 MiB");
	assert_string_equal(format_bytes(b, 5ull << 30), "5.00 GiB");
	assert_string_equal(format_bytes(b, UINT64_MAX), "16.0 EiB");
	assert_string_equal(format_count(b, 0), "0");
	assert_string_equal(format_count(b, 999), "999");
	assert_string_equal(format_count(b, 1000), "1,000");
	assert_string_equal(format_count(b, UINT64_MAX), "18,446,744,073,709,551,615");
	assert_string_equal(format_things(b, 1, "block"), "1 block");
	assert_string_equal(format_things(b, 2000, "block"), "2,000 blocks");
	assert_string_equal(format_time(b, 999), "999 ns");
	assert_string_equal(format_time(b, 1500), "1.50 us");
	assert_string_equal(format_time(b, 999700), "1.00 ms");
	assert_string_equal(format_time(b, 34200000), "34.2 ms");
	assert_string_equal(format_time(b, 125000000000), "2 min 05 s");
	assert_string_equal(format_percent(b, 0, 0), "-");
	assert_string_equal(format_percent(b, 1, 1000), "<1 %");
	assert_string_equal(format_percent(b, 999, 1000), ">99 %");
	assert_string_equal(format_percent(b, 5, 5), "100 %");
}

static void text_is_tamed(void **state)
{
	char escape[] = "a\033[2Jb\nc", broken[] = "x\xff\xc3y", fine[] = "gr\xc3\xbc\xc3\x9f";
	char c1[] = "a\xc2\x9b"
		    "b";

	(void)state;
	utf8_tame(escape);
	assert_string_equal(escape, "a?[2Jb?c");
	utf8_repair(broken);
	assert_string_equal(broken, "x??y");
	utf8_tame(fine);
	assert_string_equal(fine, "gr\xc3\xbc\xc3\x9f");
	utf8_tame(c1);
	assert_string_equal(c1, "a??b");
	assert_int_equal(utf8_columns(fine), 4);
	assert_int_equal(utf8_prefix(fine, 3), 4);
	assert_int_equal(utf8_prefix(fine, 9), 6);
}

/* Each command can say what it does, and its keys are its own. */
static void table(void **state)
{
	(void)state;
	for (const struct command *c = commands; c->name; c++) {
		assert_non_null(c->help);
		assert_true(!c->fn != !c->fn_argv);
		assert_true(!(c->options & CMD_OPT_SORT) == !c->sort_keys);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),    cmocka_unit_test(all_options),
		cmocka_unit_test(wrong_usage), cmocka_unit_test(times),
		cmocka_unit_test(figures),     cmocka_unit_test(text_is_tamed),
		cmocka_unit_test(table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
