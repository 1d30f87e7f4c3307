/* SPDX-License-Identifier: MIT */
/*
 * What the tests of symbolization share: building a victim, running a tool, resolving an address.
 * Everything is made in a folder of the test's own; a failure ends the test.
 */
#ifndef LARIAT_SYMTEST_H
#define LARIAT_SYMTEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../analyzer/symbols.h"

#define SYMTEST_SOURCES "tests/victims"

static char symtest_folder[4096]; /* absolute */

static int symtest_setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char name[4000];

	(void)state;
	snprintf(name, sizeof(name), "%s/lariat-symbols.XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(name) && realpath(name, symtest_folder) ? 0 : -1;
}

/* Runs a shell command in the test's folder, $V being the victims' sources. */
__attribute__((format(printf, 1, 0))) static int symtest_system(const char *format, va_list args)
{
	char command[8192], whole[20000], sources[4096];

	vsnprintf(command, sizeof(command), format, args);
	if (!realpath(SYMTEST_SOURCES, sources))
		fail_msg("run from the top of the source tree");
	snprintf(whole, sizeof(whole), "cd '%s' && V='%s' && { %s; }", symtest_folder, sources,
		 command);
	return system(whole);
}

__attribute__((format(printf, 1, 2))) static void run(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (symtest_system(format, args) != 0)
		fail_msg("failed: %s", format);
	va_end(args);
}

__attribute__((format(printf, 1, 2), unused)) static bool works(const char *format, ...)
{
	va_list args;
	bool ok;

	va_start(args, format);
	ok = symtest_system(format, args) == 0;
	va_end(args);
	return ok;
}

static int symtest_teardown(void **state)
{
	(void)state;
	if (works("rm -rf '%s'", symtest_folder))
		return 0;
	return -1;
}

/* Opens a file of the test's folder. */
__attribute__((unused)) static FILE *open_text(const char *name)
{
	char path[8192];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", symtest_folder, name);
	file = fopen(path, "r");
	assert_non_null(file);
	return file;
}

/* One module of the test's folder, ready to be asked. */
struct loaded {
	struct symbols *symbols;
	uint32_t module;
	uint8_t id[64];
	uint32_t id_size;
};

/* The build-id that readelf prints; *size is 0 when there is none. */
__attribute__((unused)) static void read_id(const char *name, uint8_t id[64], uint32_t *size)
{
	char line[512], *hex;
	FILE *file;

	run("readelf -n '%s' 2>/dev/null >id.txt; true", name);
	file = open_text("id.txt");
	*size = 0;
	while (fgets(line, sizeof(line), file)) {
		hex = strstr(line, "Build ID: ");
		if (!hex)
			continue;
		for (hex += 10; *size < 64 && sscanf(hex, "%2hhx", &id[*size]) == 1; hex += 2)
			++*size;
	}
	fclose(file);
}

/* `path` is below the test's folder unless it starts with '/' or '['. */
__attribute__((unused)) static struct loaded load(const char *path, const uint8_t *id,
						  uint32_t id_size, const char *search)
{
	struct loaded l = { .symbols = symbols_new(search) };
	struct symbols_module m = { .build_id = id, .build_id_size = id_size };
	char whole[8192];
	int index;

	assert_non_null(l.symbols);
	snprintf(whole, sizeof(whole), "%s%s%s",
		 path[0] == '/' || path[0] == '[' ? "" : symtest_folder,
		 path[0] == '/' || path[0] == '[' ? "" : "/", path);
	m.path = whole;
	index = symbols_add_module(l.symbols, &m);
	assert_int_equal(index, 0);
	return l;
}

/* The outermost function at a file's address, as of a call there. */
__attribute__((unused)) static const struct symbol *resolve_at(struct loaded *l, uint64_t address)
{
	const struct symbol *found;
	uint32_t count = symbols_resolve(l->symbols, l->module, address + 1, &found);

	assert_true(count >= 1);
	return &found[count - 1];
}

/* The address at the start of a text file of the test's folder. */
__attribute__((unused)) static uint64_t read_address(const char *name)
{
	unsigned long long address = 0;
	FILE *text = open_text(name);

	assert_int_equal(fscanf(text, "%llx", &address), 1);
	fclose(text);
	return address;
}

/* The address of a symbol as nm gives it. */
__attribute__((unused)) static uint64_t address_of(const char *file, const char *symbol)
{
	run("nm '%s' | awk '$3 == \"%s\" { print $1 }' >address.txt", file, symbol);
	return read_address("address.txt");
}

#endif
