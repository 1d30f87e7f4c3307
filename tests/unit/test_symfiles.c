/* SPDX-License-Identifier: MIT */
/* time limit: 300 */
/*
 * Which files a module's names are taken from: separate debug files, stores, replaced, deleted and
 * damaged files. The program is tests/victims/sym_calls.c; its function sym_shared_leaf is
 * exported, leaf is local.
 */
#include <elf.h>
#include <sys/auxv.h>

#include "symtest.h"

static uint64_t leaf_at; /* address of leaf(), the same in all of the files */
static uint8_t id[64];
static uint32_t id_size;

/* Builds `full` once, and what is stripped from it. */
static int setup(void **state)
{
	if (symtest_setup(state) != 0)
		return -1;
	run("gcc -D_GNU_SOURCE -O2 -g -Wl,--build-id \"$V/sym_calls.c\" -o full &&"
	    "objcopy --only-keep-debug full full.debug && strip -s -o stripped full &&"
	    "strip -g -o symtab full");
	leaf_at = address_of("full", "leaf");
	read_id("full", id, &id_size);
	return id_size >= 8 ? 0 : -1;
}

/* Told of it before: once, twice, or of a module that nobody asks for. */
static void foretell(struct symbols *s, bool again)
{
	struct symbols_module more = { .path = "/bin/sh" };

	symbols_expect(s, 0);
	if (!again)
		return;
	symbols_expect(s, 0);
	assert_int_equal(symbols_add_module(s, &more), 1);
	symbols_expect(s, 1);
	symbols_expect(s, 2); /* there is none */
	assert_int_equal(symbols_module_state(s, 1), SYMBOLS_UNUSED);
}

/* Loads `path` and expects a state and, where `named`, the name of leaf() and where `line` its
 * line. `told`: how often the symbols were told before that they would be asked. */
static void expect_told(const char *path, bool with_id, const char *search,
			enum symbols_state state, bool named, bool line, unsigned told)
{
	char folder[16384], unnamed[300];
	struct loaded l;
	const struct symbol *s;

	snprintf(folder, sizeof(folder), "%s/%s", symtest_folder, search ? search : "");
	l = load(path, with_id ? id : NULL, with_id ? id_size : 0, search ? folder : NULL);
	if (told)
		foretell(l.symbols, told > 1);
	assert_int_equal(symbols_module_state(l.symbols, 0), SYMBOLS_UNUSED);
	s = resolve_at(&l, leaf_at);
	assert_int_equal(symbols_module_state(l.symbols, 0), state);
	assert_int_equal(s->named, named);
	snprintf(unnamed, sizeof(unnamed), "%s+0x%llx", symbols_module_name(l.symbols, 0),
		 (unsigned long long)leaf_at + 1);
	assert_string_equal(s->function, named ? "leaf" : unnamed);
	assert_int_equal(s->line > 0, line);
	assert_int_equal(s->file != NULL, line);
	if (line)
		assert_non_null(strstr(s->file, "sym_calls.c"));
	symbols_free(l.symbols);
}

static void expect_of(const char *path, bool with_id, const char *search, enum symbols_state state,
		      bool named, bool line)
{
	for (unsigned told = 0; told < 3; told++)
		expect_told(path, with_id, search, state, named, line, told);
}

static void plain_and_stripped(void **state)
{
	(void)state;
	expect_of("full", true, NULL, SYMBOLS_DWARF, true, true);
	expect_of("full", false, NULL, SYMBOLS_DWARF, true, true);
	expect_of("symtab", true, NULL, SYMBOLS_ELF, true, false);
	expect_of("stripped", true, NULL, SYMBOLS_STRIPPED, false, false);
	expect_of("nowhere", true, NULL, SYMBOLS_MISSING, false, false);
	expect_of("nowhere", false, NULL, SYMBOLS_MISSING, false, false);
}

static void debuglink(void **state)
{
	(void)state;
	run("rm -rf link && mkdir -p link/.debug && cp stripped link/prog && cp full.debug link/ &&"
	    "cd link && objcopy --add-gnu-debuglink=full.debug prog");
	expect_of("link/prog", true, NULL, SYMBOLS_DWARF, true, true);
	run("mv link/full.debug link/.debug/");
	expect_of("link/prog", true, NULL, SYMBOLS_DWARF, true, true);
	run("mv link/.debug/full.debug .");
	expect_of("link/prog", true, NULL, SYMBOLS_STRIPPED, false, false);
	/* In a folder that the user names. */
	expect_of("link/prog", true, ".", SYMBOLS_DWARF, true, true);
	/* Another program's debug file under that name. */
	run("gcc -D_GNU_SOURCE -O2 -g -DSYM_VERSION=7 \"$V/sym_calls.c\" -o other &&"
	    "objcopy --only-keep-debug other link/full.debug");
	expect_of("link/prog", true, NULL, SYMBOLS_STRIPPED, false, false);
}

/* Without a build-id the checksum in the link decides. */
static void debuglink_checksum(void **state)
{
	uint64_t before = leaf_at;

	(void)state;
	run("rm -rf sum && mkdir sum && cd sum && gcc -D_GNU_SOURCE -O2 -g -Wl,--build-id=none "
	    "\"$V/sym_calls.c\" -o prog && objcopy --only-keep-debug prog prog.debug");
	leaf_at = address_of("sum/prog", "leaf");
	run("cd sum && strip -s prog && objcopy --add-gnu-debuglink=prog.debug prog");
	expect_of("sum/prog", false, NULL, SYMBOLS_DWARF, true, true);
	run("printf x >>sum/prog.debug");
	expect_of("sum/prog", false, NULL, SYMBOLS_STRIPPED, false, false);
	leaf_at = before;
}

/* A build-id store and a sysroot, also for a module that is gone. */
static void stores(void **state)
{
	char hex[130] = "", folders[8192];

	(void)state;
	for (uint32_t i = 0; i < id_size; i++)
		sprintf(hex + 2 * i, "%02x", id[i]);
	run("rm -rf store && mkdir -p store/.build-id/%.2s && "
	    "cp full.debug store/.build-id/%.2s/%s.debug",
	    hex, hex, hex + 2);
	expect_of("stripped", true, "store", SYMBOLS_DWARF, true, true);
	/* The id may come from the file alone. */
	expect_of("stripped", false, "store", SYMBOLS_DWARF, true, true);
	expect_of("nowhere", true, "store", SYMBOLS_DWARF, true, true);
	expect_of("nowhere", false, "store", SYMBOLS_MISSING, false, false);
	expect_of("[anything]", true, "store", SYMBOLS_DWARF, true, true);
	run("mv store/.build-id/%.2s/%s.debug store/.build-id/%.2s/%s && "
	    "cp full store/.build-id/%.2s/%s",
	    hex, hex + 2, hex, hex + 2, hex, hex + 2);
	expect_of("nowhere", true, "store", SYMBOLS_DWARF, true, true);

	run("rm -rf root && mkdir -p root/usr/lib/debug/.build-id/%.2s root/\"$PWD\" &&"
	    "cp full.debug root/usr/lib/debug/.build-id/%.2s/%s.debug",
	    hex, hex, hex + 2);
	expect_of("stripped", true, "root", SYMBOLS_DWARF, true, true);
	run("rm -r root/usr && cp symtab \"root/$PWD/gone\"");
	expect_of("gone", true, "root", SYMBOLS_ELF, true, false);
	expect_of("gone", false, "root", SYMBOLS_ELF, true, false);
	/* The second of several folders. */
	snprintf(folders, sizeof(folders), "nothing::%s/root:", symtest_folder);
	expect_of("gone", true, folders, SYMBOLS_ELF, true, false);
	expect_of("gone", true, "nothing", SYMBOLS_MISSING, false, false);
}

static void changed_file(void **state)
{
	(void)state;
	run("gcc -D_GNU_SOURCE -O2 -g -DSYM_VERSION=9 \"$V/sym_calls.c\" -o changed");
	expect_of("changed", true, NULL, SYMBOLS_CHANGED, false, false);
	/* Nothing says that it is another one. */
	expect_of("changed", false, NULL, SYMBOLS_DWARF, true, true);
	run("gcc -D_GNU_SOURCE -O2 -g -Wl,--build-id=none \"$V/sym_calls.c\" -o changed");
	expect_of("changed", true, NULL, SYMBOLS_CHANGED, false, false);
	run("printf 'no program\\n' >changed");
	expect_of("changed", true, NULL, SYMBOLS_CHANGED, false, false);
	expect_of("changed", false, NULL, SYMBOLS_STRIPPED, false, false);
	run("rm changed && mkfifo changed");
	expect_of("changed", true, NULL, SYMBOLS_MISSING, false, false);
	run("rm changed && mkdir changed");
	expect_of("changed", true, NULL, SYMBOLS_MISSING, false, false);
}

/* As /proc/self/maps names a file that was removed. */
static void deleted_file(void **state)
{
	(void)state;
	expect_of("full (deleted)", true, NULL, SYMBOLS_DWARF, true, true);
	/* What is there now need not be what ran. */
	expect_of("full (deleted)", false, NULL, SYMBOLS_MISSING, false, false);
	run("gcc -D_GNU_SOURCE -O2 -g -DSYM_VERSION=9 \"$V/sym_calls.c\" -o replaced");
	expect_of("replaced (deleted)", true, NULL, SYMBOLS_CHANGED, false, false);
	/* A file that bears the mark in its name. */
	run("mv replaced 'odd (deleted)' && cp full 'odd (deleted)'");
	expect_of("odd (deleted)", true, NULL, SYMBOLS_DWARF, true, true);
}

/* A stripped library's exported functions, and nothing beyond their ends. */
static void exported_names(void **state)
{
	struct loaded l;
	uint64_t entry, local, behind;

	(void)state;
	run("gcc -O2 -g -shared -fPIC -fno-toplevel-reorder \"$V/libsym_plugin.c\" -o "
	    "libplugin.so");
	entry = address_of("libplugin.so", "sym_plugin_entry");
	local = address_of("libplugin.so", "plugin_local");
	behind = address_of("libplugin.so", "plugin_behind");
	assert_true(local < entry && entry < behind);
	run("strip -s libplugin.so");
	l = load("libplugin.so", NULL, 0, NULL);
	assert_string_equal(resolve_at(&l, entry)->function, "sym_plugin_entry");
	assert_false(resolve_at(&l, local)->named);
	assert_false(resolve_at(&l, behind)->named);
	assert_int_equal(symbols_module_state(l.symbols, 0), SYMBOLS_ELF);
	assert_string_equal(symbols_module_name(l.symbols, 0), "libplugin.so");
	symbols_free(l.symbols);
}

/* The compressed symbol table of Fedora and its kin. */
static void mini_debug_info(void **state)
{
	(void)state;
	if (!works("command -v xz >/dev/null"))
		skip();
	run("strip -g -o mini full.debug && xz -kf mini &&"
	    "objcopy --add-section .gnu_debugdata=mini.xz stripped with_mini");
	expect_of("with_mini", true, NULL, SYMBOLS_ELF, true, false);
	run("printf garbage >mini.xz &&"
	    "objcopy --add-section .gnu_debugdata=mini.xz stripped with_mini");
	expect_of("with_mini", true, NULL, SYMBOLS_STRIPPED, false, false);
}

/* libc, whose lines are in a file that only its build-id leads to. */
static void system_debug_files(void **state)
{
	uint8_t libc_id[64];
	uint32_t libc_id_size;
	const struct symbol *s;
	struct loaded l;
	uint64_t address;

	(void)state;
	run("ln -sf $(ldd full | awk '$1 == \"libc.so.6\" { print $3 }') libc &&"
	    "nm -D libc | sed -n 's/ T qsort@@.*/ T qsort/p' >qsort.txt");
	read_id("libc", libc_id, &libc_id_size);
	address = read_address("qsort.txt");
	l = load("libc", libc_id, libc_id_size, NULL);
	s = resolve_at(&l, address);
	if (symbols_module_state(l.symbols, 0) == SYMBOLS_DWARF) {
		assert_non_null(strstr(s->function, "qsort"));
		assert_non_null(strstr(s->file, "msort.c"));
	} else {
		assert_string_equal(s->function, "qsort");
	}
	symbols_free(l.symbols);
}

/* The running kernel's, as a file for readelf to take the build-id from. */
static void write_vdso(const char *image)
{
	const Elf64_Ehdr *header = (const Elf64_Ehdr *)image;
	size_t size = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
	char path[8192];
	FILE *out;

	snprintf(path, sizeof(path), "%s/vdso", symtest_folder);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(image, 1, size, out), size);
	assert_int_equal(fclose(out), 0);
}

static void vdso(void **state)
{
	const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
	uint8_t vdso_id[64];
	uint32_t vdso_id_size = 0;
	struct loaded l;
	bool found = false;

	(void)state;
	if (image) {
		write_vdso(image);
		read_id("vdso", vdso_id, &vdso_id_size);
	}
	if (vdso_id_size == 0)
		skip();
	l = load("[vdso]", vdso_id, vdso_id_size, NULL);
	for (uint64_t i = 0; i < 8192; i += 16)
		found |= strstr(resolve_at(&l, i)->function, "clock_gettime") != NULL;
	assert_true(found);
	symbols_free(l.symbols);
	vdso_id[0] ^= 1;
	l = load("[vdso]", vdso_id, vdso_id_size, NULL);
	assert_false(resolve_at(&l, 0x800)->named);
	assert_int_equal(symbols_module_state(l.symbols, 0), SYMBOLS_MISSING);
	symbols_free(l.symbols);
}

static void no_module(void **state)
{
	struct symbols *s = symbols_new(NULL);
	const struct symbol *found;

	(void)state;
	assert_int_equal(symbols_resolve(s, UINT32_MAX, 0x7f1234567890, &found), 1);
	assert_false(found->named);
	assert_string_equal(found->function, "[anon]+0x7f1234567890");
	assert_string_equal(symbols_module_name(s, UINT32_MAX), "[anon]");
	assert_int_equal(symbols_module_state(s, 3), SYMBOLS_UNUSED);
	symbols_free(s);
}

/* Asks for addresses all over a damaged file: any answer will do, but there has to be one. */
static void ask_damaged(const char *data, size_t size)
{
	char path[8192];
	struct loaded l;
	FILE *out;

	snprintf(path, sizeof(path), "%s/damaged", symtest_folder);
	out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(data, 1, size, out), size);
	assert_int_equal(fclose(out), 0);
	l = load("damaged", NULL, 0, NULL);
	for (uint64_t address = leaf_at - 200; address < leaf_at + 1200; address += 5)
		assert_non_null(resolve_at(&l, address)->function);
	symbols_free(l.symbols);
}

static void ask_damages_of(const char *file)
{
	static char data[256 * 1024], copy[sizeof(data)];
	uint32_t random = 12345;
	FILE *in = open_text(file);
	size_t size = fread(data, 1, sizeof(data), in);

	fclose(in);
	assert_in_range(size, 1000, sizeof(data) - 1);
	for (size_t part = 0; part < 100; part++)
		ask_damaged(data, size * part / 100);
	for (int round = 0; round < 400; round++) {
		memcpy(copy, data, size);
		for (int i = 0; i < 1 + round % 40; i++) {
			random = random * 1664525 + 1013904223;
			/* Every other round hits the headers alone. */
			copy[random % (round % 2 ? size : 1024)] = (char)(random >> 24);
		}
		ask_damaged(copy, size);
	}
}

static void damaged_files(void **state)
{
	(void)state;
	ask_damages_of("full");
}

static void damaged_packed_files(void **state)
{
	(void)state;
	run("objcopy --compress-debug-sections=zlib-gabi full packed");
	ask_damages_of("packed");
	run("objcopy --compress-debug-sections=zstd full packed");
	ask_damages_of("packed");
}

/* A section that says it is packed from more than it can be, or to more than there is. */
static void wrong_sizes(void **state)
{
	char data[64 * 1024];
	size_t size, at = 0;
	Elf64_Chdr header;
	FILE *in;

	(void)state;
	run("objcopy --compress-debug-sections=zlib-gabi full packed &&"
	    "readelf -SW packed | sed -n 's/.* \\.debug_info *[A-Z]* *[0-9a-f]* *\\([0-9a-f]*\\) .*"
	    "/\\1/p' >at.txt");
	at = read_address("at.txt");
	in = open_text("packed");
	size = fread(data, 1, sizeof(data), in);
	fclose(in);
	assert_in_range(at, sizeof(Elf64_Ehdr), size - sizeof(header));
	memcpy(&header, data + at, sizeof(header));
	assert_int_equal(header.ch_type, ELFCOMPRESS_ZLIB);
	for (int shift = 0; shift < 64; shift++) {
		Elf64_Chdr wrong = header;

		wrong.ch_size = header.ch_size - 1 + ((uint64_t)1 << shift);
		memcpy(data + at, &wrong, sizeof(wrong));
		ask_damaged(data, size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_and_stripped),
		cmocka_unit_test(debuglink),
		cmocka_unit_test(debuglink_checksum),
		cmocka_unit_test(stores),
		cmocka_unit_test(changed_file),
		cmocka_unit_test(deleted_file),
		cmocka_unit_test(exported_names),
		cmocka_unit_test(mini_debug_info),
		cmocka_unit_test(system_debug_files),
		cmocka_unit_test(vdso),
		cmocka_unit_test(no_module),
		cmocka_unit_test(damaged_files),
		cmocka_unit_test(damaged_packed_files),
		cmocka_unit_test(wrong_sizes),
	};

	return cmocka_run_group_tests(tests, setup, symtest_teardown);
}
