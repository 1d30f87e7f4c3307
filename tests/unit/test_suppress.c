/* SPDX-License-Identifier: MIT */
/* Suppressions' patterns and files, and limits of memory from made-up system files. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../../analyzer/memlimit.h"
#include "../../analyzer/suppress.h"

static char folder[200];

static const char *put(const char *name, const char *text)
{
	static char path[1000];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	for (char *p = path + strlen(folder) + 1; (p = strchr(p, '/')); p++) {
		*p = '\0';
		mkdir(path, 0700);
		*p = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "%s/suppress.XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	return mkdtemp(folder) ? 0 : -1;
}

/* As the page of LeakSanitizer has it: parts of names, *, ^ and $. */
static void patterns(void **state)
{
	static const struct {
		const char *pattern, *text;
		int matches;
	} rows[] = {
		{ "foo", "foo", 1 },
		{ "foo", "a_foo_b", 1 },
		{ "foo", "fo", 0 },
		{ "^foo", "foobar", 1 },
		{ "^foo", "a_foo", 0 },
		{ "foo$", "a_foo", 1 },
		{ "foo$", "foo_a", 0 },
		{ "foo$", "foo_foo", 1 },
		{ "^foo$", "foo", 1 },
		{ "^foo$", "foofoo", 0 },
		{ "f*r", "a foo bar b", 1 },
		{ "^f*r$", "foobar", 1 },
		{ "^f*r$", "foobarb", 0 },
		{ "f*a*z", "f-z-a", 0 },
		{ "lib*.so", "/usr/lib/libssl.so.3", 1 },
		{ "*", "", 1 },
		{ "a*", "b", 0 },
		{ "^$", "", 1 },
		{ "^$", "x", 0 },
		{ "std::vector<*>::push", "std::vector<int, std::allocator<int> >::push_back", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (suppress_pattern_matches(rows[i].pattern, rows[i].text) != rows[i].matches)
			fail_msg("%s on %s", rows[i].pattern, rows[i].text);
}

static void files(void **state)
{
	struct suppressions *s;
	uint32_t line;

	(void)state;
	assert_int_equal(
		suppressions_load(put("a", "# known\n\nleak:foo\r\n  leak:^bar$\n"), &s, &line), 0);
	assert_int_equal(s->count, 2);
	assert_string_equal(s->list[0].pattern, "foo");
	assert_int_equal(s->list[1].line, 4);
	assert_ptr_equal(suppressions_match(s, "bar"), &s->list[1]);
	assert_null(suppressions_match(s, "bar2"));
	assert_null(suppressions_match(s, NULL));
	suppressions_free(s);
	/* an empty file suppresses nothing */
	assert_int_equal(suppressions_load(put("b", ""), &s, &line), 0);
	assert_null(suppressions_match(s, "foo"));
	suppressions_free(s);
	assert_int_equal(suppressions_load(put("c", "leak:x\nleak:\n"), &s, &line), -EINVAL);
	assert_int_equal(line, 2);
	assert_int_equal(suppressions_load(put("d", "race:x\n"), &s, &line), -EINVAL);
	assert_int_equal(line, 1);
	assert_int_equal(suppressions_load("/nowhere/at all", &s, &line), -ENOENT);
}

static void limits(void **state)
{
	struct memlimit l;

	(void)state;
	assert_int_equal(memlimit_find(folder, 7).bytes, 0);
	assert_string_equal(memlimit_find(folder, 7).source, "none");
	put("proc/meminfo", "MemTotal:       1000 kB\nMemFree: 5 kB\n");
	l = memlimit_find(folder, 7);
	assert_int_equal(l.bytes, 1024000);
	assert_string_equal(l.source, "machine");
	/* unified: the lowest of the group and those around it */
	put("proc/7/cgroup", "0::/a/b\n");
	put("sys/fs/cgroup/a/b/memory.max", "max\n");
	put("sys/fs/cgroup/a/memory.max", "400000\n");
	l = memlimit_find(folder, 7);
	assert_int_equal(l.bytes, 400000);
	assert_string_equal(l.source, "cgroup");
	put("sys/fs/cgroup/a/b/memory.max", "300000\n");
	assert_int_equal(memlimit_find(folder, 7).bytes, 300000);
	/* of the first version, in a mount of its own; no limit is a huge number there */
	put("proc/8/cgroup", "5:cpu:/x\n4:memory:/m\n");
	put("sys/fs/cgroup/memory/m/memory.limit_in_bytes", "200000\n");
	assert_int_equal(memlimit_find(folder, 8).bytes, 200000);
	put("sys/fs/cgroup/memory/m/memory.limit_in_bytes", "9223372036854771712\n");
	assert_string_equal(memlimit_find(folder, 8).source, "machine");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns),
		cmocka_unit_test(files),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests(tests, make_folder, NULL);
}
