/* SPDX-License-Identifier: MIT */
/* link: analyzer/run_options.o preload/config.o */
/*
 * `lariat run` must accept exactly the values that the recorder accepts: the two parsers cannot
 * share code (they are in different rooms), so here the same texts are given to both.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../analyzer/run_options.h"
#include "../../preload/config.h"
#include "../../preload/note.h"

static int complaints;

/* In place of preload/note.c: the recorder says so when a value makes no sense. */
void note_once(enum note kind, const char *format, ...)
{
	(void)kind;
	(void)format;
	complaints++;
}

void note_set_quiet(int quiet)
{
	(void)quiet;
}

static const char *const variable[] = {
#define OPTION(id, name, letter, env, ...) [RUN_##id] = env,
#include "../../preload/format/options.def"
#undef OPTION
};

static bool recorder_accepts(enum run_option option, const char *value)
{
	char text[2048], *env[] = { text, NULL };
	struct config config;

	snprintf(text, sizeof(text), "%s=%s", variable[option], value);
	complaints = 0;
	config_read(&config, env);
	return !complaints;
}

static void check(enum run_option option, const char *value)
{
	bool ours = run_options_check(option, value), theirs = recorder_accepts(option, value);

	if (ours != theirs)
		print_error("%s=%s: run %s it, the recorder %s\n", variable[option], value,
			    ours ? "accepts" : "refuses", theirs ? "does" : "does not");
	assert_int_equal(ours, theirs);
}

static void test_same_values(void **state)
{
	static const char *const values[] = {
		"",
		"0",
		"1",
		"7",
		"8",
		"9",
		"256",
		"4096",
		"4097",
		"-1",
		"+8",
		" 8",
		"8 ",
		"0x10",
		"1M",
		"1m",
		"1023K",
		"1024K",
		"1024k",
		"1MiB",
		"1MB",
		"1G",
		"1GiB",
		"1T",
		"1TiB",
		"1P",
		"1.5G",
		"1048575",
		"1048576B",
		"64X",
		"M",
		"99999999999T",
		"72057594037927936",
		"100ms",
		"1s",
		"2us",
		"3ns",
		"4m",
		"5h",
		"6d",
		"1e3",
		"100 ms",
		"0s",
		"99999999999h",
		"heap",
		"io",
		"locks",
		"threads",
		"all",
		"heap,io",
		"heap,",
		",heap",
		"heap,,io",
		"heap;io",
		"Heap",
		"none",
		"yes",
		"no",
		"Yes",
		"true",
		"on",
		"lariat.%c.%p",
	};

	(void)state;
	for (int option = 0; option < RUN_OPTIONS; option++)
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
			check((enum run_option)option, values[i]);
}

static void test_longest_output(void **state)
{
	char name[600];

	(void)state;
	for (size_t length = 500; length < 520; length++) {
		memset(name, 'x', length);
		name[length] = '\0';
		check(RUN_OUTPUT, name);
	}
	assert_true(run_options_check(RUN_OUTPUT, name + 100));
	assert_false(run_options_check(RUN_OUTPUT, name));
}

static void test_defaults_are_accepted(void **state)
{
	static const char *const fallback[] = {
#define OPTION(id, name, letter, env, argument, fallback, help) [RUN_##id] = fallback,
#include "../../preload/format/options.def"
#undef OPTION
	};

	(void)state;
	for (int option = 0; option < RUN_OPTIONS; option++) {
		assert_true(run_options_check((enum run_option)option, fallback[option]));
		assert_true(recorder_accepts((enum run_option)option, fallback[option]));
	}
}

static void test_command_line(void **state)
{
	char *argv[] = { "run",	 "--depth", "99", "-qo", "x", "--record=io,locks",
			 "prog", "--depth", "7",  NULL };
	struct run_options o;
	char error[200];

	(void)state;
	assert_int_equal(run_options_parse(&o, 9, argv, error, sizeof(error)), 0);
	assert_int_equal(o.command, 6);
	assert_string_equal(o.value[RUN_DEPTH], "99");
	assert_string_equal(o.value[RUN_OUTPUT], "x");
	assert_string_equal(o.value[RUN_SIZE], "256M");
	assert_true(run_options_quiet(&o));
	assert_true(o.given[RUN_DEPTH] && !o.given[RUN_SIZE]);
	assert_true(run_options_records(&o, "io") && run_options_records(&o, "locks"));
	assert_false(run_options_records(&o, "heap"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_values),
		cmocka_unit_test(test_longest_output),
		cmocka_unit_test(test_defaults_are_accepted),
		cmocka_unit_test(test_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
