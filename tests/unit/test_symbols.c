/* SPDX-License-Identifier: MIT */
/* time limit: 300 */
/*
 * Addresses to names and lines: binutils' addr2line is asked the same for every function of what is
 * built here by gcc, g++, clang and rustc, and programs say themselves where their calls stand.
 */
#include <inttypes.h>
#include <limits.h>

#include "symtest.h"

#define MAX_FRAMES 64
#define LINE_BYTES 8192

struct place {
	char function[LINE_BYTES];
	char file[LINE_BYTES];
	uint32_t line;
};

struct answer {
	uint64_t address;
	uint32_t count;
	struct place frames[MAX_FRAMES];
};

static bool chomp(char *line)
{
	line[strcspn(line, "\n")] = '\0';
	return line[0] != '\0';
}

/* "file:12 (discriminator 3)", "??:?" */
static void parse_place(struct place *p, char *line)
{
	char *colon, *note = strstr(line, " (discriminator");

	if (note)
		*note = '\0';
	colon = strrchr(line, ':');
	assert_non_null(colon);
	*colon = '\0';
	p->line = (uint32_t)strtoul(colon + 1, NULL, 10);
	snprintf(p->file, sizeof(p->file), "%s", line);
}

/* The next address of addr2line's output; `next` holds the line read ahead. */
static bool read_answer(FILE *file, char next[LINE_BYTES], struct answer *a)
{
	if (strncmp(next, "0x", 2) != 0)
		return false;
	a->address = strtoull(next, NULL, 16);
	a->count = 0;
	next[0] = '\0';
	while (fgets(next, LINE_BYTES, file) && chomp(next) && strncmp(next, "0x", 2) != 0) {
		struct place *p = &a->frames[a->count++];

		assert_true(a->count <= MAX_FRAMES);
		snprintf(p->function, sizeof(p->function), "%s", next);
		assert_non_null(fgets(next, LINE_BYTES, file));
		assert_true(chomp(next));
		parse_place(p, next);
		next[0] = '\0';
	}
	return true;
}

/*
 * addr2line gives a function without a linkage name as DWARF has it, bare; we add its scopes and,
 * where the symbol table has them, parameters. It also leaves gcc's marks on copies.
 */
static bool same_function(const char *mine, char *its)
{
	static const char *const marks[] = { ".cold", ".part.", ".isra.", ".constprop.",
					     ".lto_priv." };
	const char *found;

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strstr(its, marks[i]))
			*strstr(its, marks[i]) = '\0';
	if (strstr(its, " [clone"))
		*strstr(its, " [clone") = '\0';
	if (strcmp(mine, its) == 0)
		return true;
	if (strchr(its, '(') && strncmp(its, "operator", 8) != 0)
		return false;
	for (found = mine; (found = strstr(found, its)); found++) {
		char before = found == mine ? ':' : found[-1], after = found[strlen(its)];

		if (before == ':' && (after == '\0' || after == '('))
			return true;
	}
	return false;
}

static bool same_file(const char *mine, const char *its)
{
	char a[PATH_MAX], b[PATH_MAX];

	/* Sources of the compilers' own libraries are not on this machine. */
	if (!realpath(mine, a) || !realpath(its, b))
		return strcmp(strrchr(mine, '/') ? strrchr(mine, '/') : mine,
			      strrchr(its, '/') ? strrchr(its, '/') : its) == 0;
	return strcmp(a, b) == 0;
}

/* Code that is of no line has no file either; addr2line gives the unit's name, or nothing. */
static bool same_place(const struct symbol *mine, const struct place *its)
{
	if (!mine->file)
		return mine->line == 0 && its->line == 0;
	return mine->line == its->line && same_file(mine->file, its->file);
}

static void compare(struct loaded *l, struct answer *a)
{
	const struct symbol *found;
	uint32_t count = symbols_resolve(l->symbols, l->module, a->address + 1, &found);

	if (count != a->count)
		fail_msg("%" PRIx64 ": %u frames (%s), addr2line has %u (%s)", a->address, count,
			 found[0].function, a->count, a->frames[0].function);
	for (uint32_t i = 0; i < count; i++) {
		struct place *p = &a->frames[i];
		bool same = same_function(found[i].function, p->function);

		assert_int_equal(found[i].inlined, i < count - 1);
		if (!found[i].named && p->function[0] == '?')
			continue;
		/* The innermost one, without a linkage name, gets the outermost's in addr2line. */
		if (!same && i == 0 && count > 1)
			same = same_function(found[count - 1].function, p->function);
		if (!same || !same_place(&found[i], p))
			fail_msg("%" PRIx64 " frame %u: %s %s:%u, addr2line has %s %s:%u",
				 a->address, i, found[i].function, found[i].file, found[i].line,
				 p->function, p->file, p->line);
	}
}

/*
 * Writes addresses.txt: each function whose name begins with one of the words of `only` (NULL =
 * all), at its start and at every seventh byte after.
 */
static void list_addresses(const char *file, const char *const *only)
{
	char line[LINE_BYTES], name[LINE_BYTES], type, path[LINE_BYTES];
	unsigned long long start, size;
	FILE *in, *out;

	run("nm -S '%s' >symbols.txt", file);
	in = open_text("symbols.txt");
	snprintf(path, sizeof(path), "%s/addresses.txt", symtest_folder);
	out = fopen(path, "w");
	assert_non_null(out);
	while (fgets(line, sizeof(line), in)) {
		bool wanted = !only;

		if (sscanf(line, "%llx %llx %c %s", &start, &size, &type, name) != 4 ||
		    !strchr("tTwW", type))
			continue;
		for (const char *const *word = only; word && *word; word++)
			wanted |= strncmp(name, *word, strlen(*word)) == 0;
		for (unsigned long long i = 0; wanted && i < size; i += 7)
			fprintf(out, "%llx\n", start + i);
	}
	fclose(in);
	assert_int_equal(fclose(out), 0);
}

/*
 * What is in `file` as addr2line has it of `oracle`: the same code with DWARF 4 in it, since
 * addr2line of binutils 2.40 confuses files of DWARF 5, loses clang's inlined frames there, and
 * does not follow split DWARF. At least `least` addresses have to come of it.
 */
static void compare_all(const char *file, const char *oracle, const char *const *only,
			unsigned least)
{
	static struct answer a;
	struct loaded l = load(file, NULL, 0, NULL);
	char next[LINE_BYTES] = "";
	unsigned count = 0;
	FILE *text;

	run("for f in '%s' '%s'; do objcopy -O binary -j .text $f $f.text; done && cmp %s.text "
	    "%s.text",
	    file, oracle, file, oracle);
	list_addresses(oracle, only);
	run("addr2line -a -f -i -C -e '%s' <addresses.txt >answers.txt", oracle);
	text = open_text("answers.txt");
	if (fgets(next, sizeof(next), text))
		chomp(next);
	for (; read_answer(text, next, &a); count++)
		compare(&l, &a);
	fclose(text);
	assert_int_equal(symbols_module_state(l.symbols, l.module), SYMBOLS_DWARF);
	if (count < least)
		fail_msg("%s: only %u addresses", file, count);
	symbols_free(l.symbols);
}

static const char *const of_calls[] = { "main", "leaf", "report", "sym_", NULL };

static void c_as_addr2line(void **state)
{
	static const char *const flags[][2] = {
		{ "-O2", "-gdwarf-4" },
		{ "-O2", "-gdwarf-5" },
		{ "-O2", "-gdwarf-3 -gstrict-dwarf" },
		{ "-O0", "-gdwarf-5" },
		{ "-O2 -no-pie -fno-pie", "-gdwarf-5" },
		{ "-Os", "-gdwarf-5 -gz" },
		{ "-O3 -static -w -Wl,--no-warnings", "-gdwarf-5" },
		{ "-O2 -flto -w", "-gdwarf-5" },
		{ "-O2", "-gdwarf-5 -gsplit-dwarf" },
		{ "-O2", "-gdwarf-4 -gsplit-dwarf" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		run("gcc -D_GNU_SOURCE %s -gdwarf-4 \"$V/sym_calls.c\" -o oracle &&"
		    "gcc -D_GNU_SOURCE %s %s \"$V/sym_calls.c\" -o calls",
		    flags[i][0], flags[i][0], flags[i][1]);
		compare_all("calls", "oracle", of_calls, 30);
	}
}

/* Packed as distributions and compilers do; unpacked ones must be asked about for the rest. */
static void packed_as_addr2line(void **state)
{
	static const char *const method[] = { "zlib-gabi", "zlib-gnu", "zstd" };

	(void)state;
	run("gcc -D_GNU_SOURCE -O2 -gdwarf-4 \"$V/sym_calls.c\" -o oracle");
	for (size_t i = 0; i < sizeof(method) / sizeof(method[0]); i++) {
		run("rm -f calls && objcopy --compress-debug-sections=%s oracle calls", method[i]);
		if (!works("readelf -SWt calls | grep -qiE 'compressed|\\.zdebug_info'"))
			fail_msg("%s: nothing was packed", method[i]);
		compare_all("calls", "oracle", of_calls, 30);
	}
	run("gcc -D_GNU_SOURCE -O2 -gdwarf-4 -fdebug-types-section -c \"$V/sym_calls.c\" -o c.o &&"
	    "gcc c.o -gz -o calls && gcc c.o -o oracle");
	compare_all("calls", "oracle", of_calls, 30);
}

static void cc_as_addr2line(void **state)
{
	static const char *const flags[][2] = {
		{ "-O2", "-gdwarf-4" },
		{ "-O2", "-gdwarf-5" },
		{ "-O0", "-gdwarf-5" },
		{ "-O1 -no-pie", "-gdwarf-5 -gsplit-dwarf" },
	};

	(void)state;
	if (!works("command -v g++ >/dev/null"))
		skip();
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		run("g++ %s -gdwarf-4 \"$V/sym_templates.cc\" -o oracle &&"
		    "g++ %s %s \"$V/sym_templates.cc\" -o templates",
		    flags[i][0], flags[i][0], flags[i][1]);
		compare_all("templates", "oracle", NULL, 300);
	}
}

/* clang makes no .debug_aranges and no DW_AT_sibling, and indexes addresses in version 5. */
static void clang_as_addr2line(void **state)
{
	(void)state;
	if (!works("command -v clang >/dev/null"))
		skip();
	run("clang -D_GNU_SOURCE -O2 -gdwarf-4 \"$V/sym_calls.c\" -o oracle &&"
	    "clang -D_GNU_SOURCE -O2 -gdwarf-5 \"$V/sym_calls.c\" -o calls");
	compare_all("calls", "oracle", of_calls, 30);
	run("clang++ -O2 -gdwarf-4 -fdebug-types-section \"$V/sym_templates.cc\" -o oracle &&"
	    "clang++ -O2 -gdwarf-5 \"$V/sym_templates.cc\" -o templates");
	compare_all("templates", "oracle", NULL, 300);
	compare_all("oracle", "oracle", NULL, 300);
}

static void rust_as_addr2line(void **state)
{
	static const char *const own[] = {
		"_ZN8sym_rust", "_ZN4rust", "_RNv", "_RINv", "_RNC", NULL
	};
	static const char *const schemes[] = { "", "-C symbol-mangling-version=v0" };

	(void)state;
	if (!works("rustc --version >/dev/null 2>&1"))
		skip();
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		/* Old compilers know the other scheme as unstable only. */
		if (!works("rustc -O -g %s \"$V/sym_rust.rs\" -o rust 2>/dev/null", schemes[i]) &&
		    i > 0)
			continue;
		compare_all("rust", "rust", own, 30);
	}
}

/* One line of sym_calls' output. */
static void check_call(struct symbols *s, const char *line)
{
	char function[256], file[4096], module[4096];
	const struct symbol *found, *again;
	struct symbols_module m = { .path = module };
	unsigned number;
	uint32_t count;
	int index;
	uint64_t address;

	assert_int_equal(sscanf(line, "%" SCNx64 " %" SCNx64 " %255s %u %4095s %4095s", &address,
				&m.bias, function, &number, file, module),
			 6);
	index = symbols_add_module(s, &m);
	assert_true(index >= 0);
	count = symbols_resolve(s, index, address, &found);
	assert_true(found[0].named);
	assert_string_equal(found[0].function, function);
	assert_int_equal(found[0].line, number);
	assert_true(same_file(found[0].file, file));
	assert_false(found[count - 1].inlined);
	/* sym_inline.h's functions are always inlined, and into each other. */
	if (strcmp(function, "sym_innermost") == 0 && strstr(module, "calls")) {
		assert_int_equal(count, 4);
		assert_string_equal(found[1].function, "sym_middle");
		assert_string_equal(found[2].function, "sym_outer");
		assert_string_equal(found[3].function, "sym_shared_leaf");
		assert_true(found[2].inlined);
	}
	assert_int_equal(symbols_resolve(s, index, address, &again), count);
	assert_ptr_equal(found, again);
}

static void programs_own_words(void **state)
{
	static const char *const flags[] = { "-pie -fPIE", "-no-pie -fno-pie", "-pie -fPIE -O0" };

	(void)state;
	run("gcc -O2 -g -shared -fPIC \"$V/libsym_plugin.c\" -o libplugin.so");
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct symbols *s = symbols_new("");
		char line[9000];
		unsigned lines = 0, of_library = 0;
		FILE *text;

		run("gcc -D_GNU_SOURCE -O2 -g %s \"$V/sym_calls.c\" -o calls && "
		    "\"$PWD/calls\" \"$PWD/libplugin.so\" >calls.txt",
		    flags[i]);
		text = open_text("calls.txt");
		for (; fgets(line, sizeof(line), text); lines++) {
			of_library += strstr(line, "libplugin.so") != NULL;
			check_call(s, line);
		}
		fclose(text);
		assert_int_equal(lines, 10);
		assert_int_equal(of_library, 3);
		symbols_free(s);
	}
}

static void mangled_rust_names(void **state)
{
	static const char *const names[][2] = {
		{ "_ZN5hello6worker3run17h05af221e174051e9E", "hello::worker::run" },
		{ "_ZN57_$LT$hello..Stack$LT$T$GT$$u20$as$u20$core..ops..Drop$GT$4drop"
		  "17h0123456789abcdefE",
		  "<hello::Stack<T> as core::ops::Drop>::drop" },
		{ "_RNvNtCs1234_7mycrate3foo3bar", "mycrate::foo::bar" },
		{ "_RINvNtC3std3mem8align_ofdE", "std::mem::align_of::<f64>" },
	};

	(void)state;
	run("gcc -O2 -g \"$V/sym_mangled.c\" -o mangled && strip -g -o mangled_elf mangled");
	for (int elf = 0; elf < 2; elf++) {
		struct loaded l = load(elf ? "mangled_elf" : "mangled", NULL, 0, NULL);

		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			const struct symbol *s = resolve_at(&l, address_of("mangled", names[i][0]));

			assert_true(s->named);
			assert_string_equal(s->function, names[i][1]);
			assert_int_equal(s->file != NULL, !elf);
		}
		assert_int_equal(symbols_module_state(l.symbols, 0),
				 elf ? SYMBOLS_ELF : SYMBOLS_DWARF);
		symbols_free(l.symbols);
	}
}

/* What gcc gives no linkage name, and scopes that only the DIE tree has. */
static void scoped_names(void **state)
{
	static const char *const names[] = {
		"(anonymous namespace)::secret(int)",
		"(anonymous namespace)::Hidden::get(int) const",
		"with_local_class(int)::Local::run(int)",
		"main::{lambda(int)#1}::operator()(int) const",
		"shapes::Box<double, 3>::operator bool() const",
		"int twice<main::{lambda(int)#1}>(main::{lambda(int)#1}, int)",
	};
	const struct symbol *found;
	bool folded = false;
	struct loaded l;
	uint64_t start;

	(void)state;
	if (!works("command -v g++ >/dev/null"))
		skip();
	run("g++ -O2 -g -fno-ipa-icf \"$V/sym_templates.cc\" -o templates");
	l = load("templates", NULL, 0, NULL);
	run("nm -C templates >names.txt");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		run("grep -F ' %s' names.txt | grep -v cold | cut -d' ' -f1 >address.txt",
		    names[i]);
		assert_string_equal(resolve_at(&l, read_address("address.txt"))->function,
				    names[i]);
	}
	start = address_of("templates", "main");
	for (uint64_t i = 0; i < 1000 && !folded; i++)
		for (uint32_t n = symbols_resolve(l.symbols, 0, start + i + 1, &found); n-- > 0;)
			folded |= strcmp(found[n].function, "(anonymous namespace)::folded") == 0;
	assert_true(folded);
	symbols_free(l.symbols);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(c_as_addr2line),     cmocka_unit_test(packed_as_addr2line),
		cmocka_unit_test(cc_as_addr2line),    cmocka_unit_test(clang_as_addr2line),
		cmocka_unit_test(rust_as_addr2line),  cmocka_unit_test(programs_own_words),
		cmocka_unit_test(mangled_rust_names), cmocka_unit_test(scoped_names),
	};

	return cmocka_run_group_tests(tests, symtest_setup, symtest_teardown);
}
