/* SPDX-License-Identifier: MIT */
/* Names and paths as text: demangling, short names, source paths, address ranges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../analyzer/demangle.h"
#include "../../analyzer/symbols.h"
#include "../../analyzer/symspan.h"
#include "../../analyzer/symtext.h"

static void demangled(void **state)
{
	static const char *const names[][2] = {
		{ "_ZNSt6vectorIiSaIiEE9push_backERKi",
		  "std::vector<int, std::allocator<int> >::push_back(int const&)" },
		{ "_ZN12_GLOBAL__N_16secretEi", "(anonymous namespace)::secret(int)" },
		{ "_ZN12_GLOBAL__N_16secretEi.isra.0", "(anonymous namespace)::secret(int)" },
		{ "_ZN3FooC4Ev", "Foo::Foo()" },
		{ "_ZN4core3ptr13drop_in_place17h0123456789abcdefE", "core::ptr::drop_in_place" },
		{ "_RNvMNtCs1234_7mycrate3fooNtB2_3Bar4work", "<mycrate::foo::Bar>::work" },
		{ "main", NULL },
		{ "_start", NULL },
		{ "_Rest_of_it", NULL },
		{ "_Z", NULL },
		{ "_ZN3Foo", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *text = demangle_name(names[i][0]);

		if (names[i][1]) {
			assert_non_null(text);
			assert_string_equal(text, names[i][1]);
		} else {
			assert_null(text);
		}
		free(text);
	}
}

/* "_Z1f" with `count` times `part` in its parameter and `end`. */
static char *repeat(const char *part, size_t count, const char *end)
{
	size_t size = strlen(part);
	char *name = malloc(size * count + strlen(end) + 8), *p = name;

	assert_non_null(name);
	p += sprintf(p, "_Z1f");
	for (size_t i = 0; i < count; i++, p += size)
		memcpy(p, part, size + 1);
	strcpy(p, end);
	return name;
}

/* Long, deep and exploding names: an answer or none, but no crash and no gigabyte. */
static void hostile_names(void **state)
{
	char *name, *text, bomb[1024] = "_Z1f", *p = bomb + 4;

	(void)state;
	/* As template libraries make them: long, but not deep. */
	name = repeat("24a_class_with_a_long_name", 400, "");
	assert_true(strlen(name) > 10000);
	text = demangle_name(name);
	assert_non_null(text);
	assert_int_equal(strlen(text),
			 strlen("f()") + 400 * strlen("a_class_with_a_long_name, ") - 2);
	free(text);
	free(name);

	/* Longer than any real one. */
	name = repeat("i", 1000000, "");
	assert_null(demangle_name(name));
	free(name);
	for (int i = 0; i < 4; i++) {
		static const char *const parts[] = { "PP", "N1a", "I1bI", "DpPFiX" };

		name = repeat(parts[i], 2700, "iE");
		free(demangle_name(name));
		free(name);
	}

	/* Each parameter is a template of the one before, twice. */
	p += sprintf(p, "1aIiE");
	for (int i = 0; i < 30; i++) {
		char digit = (char)(i < 10 ? '0' + i : 'A' + i - 10);

		p += sprintf(p, "S_IS%c_S%c_E", digit, digit);
		text = demangle_name(bomb);
		/* 2^10 of "a<int>" and what parts them would still do, 2^20 not. */
		if (i < 10)
			assert_true(text && strlen(text) > (size_t)6 << i);
		if (i > 20)
			assert_null(text);
		free(text);
	}
}

static void short_names(void **state)
{
	static const char *const names[][2] = {
		{ "main", "main" },
		{ "libfoo.so.1+0x1234", "libfoo.so.1+0x1234" },
		{ "my library.so+0x1234", "my library.so+0x1234" },
		{ "[anon]+0x1234", "[anon]+0x1234" },
		{ "std::vector<int, std::allocator<int> >::push_back(int const&)",
		  "std::vector::push_back" },
		{ "void std::sort<int*, bool (*)(int, int)>(int*, int*, bool (*)(int, int))",
		  "std::sort" },
		{ "(anonymous namespace)::Hidden::get(int) const",
		  "(anonymous namespace)::Hidden::get" },
		{ "main::{lambda(int)#1}::operator()(int) const", "main::{lambda#1}::operator()" },
		{ "with_local(int)::Local::run(int)", "with_local::Local::run" },
		{ "Foo::bar(int) const::{lambda()#2}::operator()() const",
		  "Foo::bar::{lambda#2}::operator()" },
		{ "bool operator< <int>(Box<int> const&, Box<int> const&)", "operator<" },
		{ "std::ostream& operator<< <char>(std::ostream&, char const*)", "operator<<" },
		{ "Box<int>::operator<=>(Box<int> const&) const", "Box::operator<=>" },
		{ "Box<int>::operator->() const", "Box::operator->" },
		{ "Box<int>::operator bool() const", "Box::operator bool" },
		{ "Box<int>::operator unsigned long() const", "Box::operator unsigned long" },
		{ "Counter::operator[](std::string const&)", "Counter::operator[]" },
		{ "operator new(unsigned long)", "operator new" },
		{ "operator delete[](void*)", "operator delete[]" },
		{ "decltype ({parm#1}(1)) "
		  "outer::apply<main::{lambda(int)#1}>(main::{lambda(int)#1})",
		  "outer::apply" },
		{ "std::string make[abi:cxx11](int)", "make" },
		{ "my_operator_x", "my_operator_x" },
		{ "f(int) &&", "f" },
		{ "core::ptr::drop_in_place::<alloc::string::String>", "core::ptr::drop_in_place" },
		{ "<hello::Stack<T> as core::ops::Drop>::drop",
		  "<hello::Stack as core::ops::Drop>::drop" },
		{ "core::num::<impl core::fmt::Debug for [u8]>::fmt",
		  "core::num::<impl core::fmt::Debug for [u8]>::fmt" },
		{ "<alloc::vec::Vec<u8>>::push", "<alloc::vec::Vec>::push" },
		{ "r::main::{{closure}}", "r::main::{{closure}}" },
		{ "", "" },
		{ "broken<int", "broken" },
		{ "<", "" },
	};
	char text[200];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_ptr_equal(symbols_short_name(names[i][0], text, sizeof(text)), text);
		assert_string_equal(text, names[i][1]);
	}
	/* The end of a name tells more than its start. */
	assert_string_equal(symbols_short_name("namespace::function", text, 12), "...function");
	assert_string_equal(symbols_short_name("function", text, 9), "function");
	assert_string_equal(symbols_short_name("function", text, 8), "...tion");
	assert_string_equal(symbols_short_name("function", text, 3), "");
	assert_string_equal(symbols_short_name("function", text, 1), "");
}

/* Every text of a few brackets ends, within its buffer. */
static void short_names_of_anything(void **state)
{
	static const char alphabet[] = "<>(){}[: oa-";
	static const char *const words[] = { "operator",   " as ",  "<impl ",
					     "(anonymous", "[abi:", "::" };
	uint32_t random = 1;
	char name[64], text[24];

	(void)state;
	for (int round = 0; round < 200000; round++) {
		size_t size = 0;

		while (size < 40 && (random = random * 1664525 + 1013904223) >> 28) {
			uint32_t pick = random >> 8 & 31;

			if (pick < 6)
				size += (size_t)sprintf(name + size, "%s", words[pick]);
			else
				name[size++] = alphabet[pick % (sizeof(alphabet) - 1)];
		}
		name[size] = '\0';
		symbols_short_name(name, text, sizeof(text));
		assert_true(strlen(text) < sizeof(text));
		assert_true(strlen(text) <= size);
	}
}

static void source_paths(void **state)
{
	static const char *const paths[][3] = {
		{ "/src", "a.c", "/src/a.c" },
		{ "/src", "/usr/include/x.h", "/usr/include/x.h" },
		{ "/src/build", "../lib/a.c", "/src/lib/a.c" },
		{ "/src", "./lib/.//a.c", "/src/lib/a.c" },
		{ "/src/build/", "../../../../a.c", "/a.c" },
		{ "", "../a.c", "../a.c" },
		{ "", "../../x/../a.c", "../../a.c" },
		{ "./stdlib", "./stdlib/abort.c", "stdlib/abort.c" },
		{ "./stdlib", "../include/x.h", "include/x.h" },
		{ ".", "a.c", "a.c" },
	};
	struct symtext text = { 0 };
	char longest[10000];

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_string_equal(symtext_keep_path(&text, paths[i][0], paths[i][1]),
				    paths[i][2]);
	assert_string_equal(symtext_keep_path(&text, NULL, "a/b/../c.c"), "a/c.c");
	assert_ptr_equal(symtext_keep_path(&text, "/src", "a.c"),
			 symtext_keep(&text, "/src/a.c", 8));
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_string_equal(symtext_keep_path(&text, "/src", longest), longest);
	symtext_free(&text);
}

/* Against a search through all ranges. */
static void ranges(void **state)
{
	struct symspans spans = { 0 };
	uint32_t random = 7;

	(void)state;
	assert_int_equal(symspans_find(&spans, 5, SYMSPAN_NONE), SYMSPAN_NONE);
	for (uint32_t i = 0; i < 500; i++) {
		uint64_t low = (random = random * 1664525 + 1013904223) >> 20;
		uint64_t size = (random = random * 1664525 + 1013904223) >> (i % 9 ? 28 : 21);

		assert_int_equal(symspans_add(&spans, low, low + size, random >> 30, i), 0);
	}
	symspans_sort(&spans);
	for (uint64_t address = 0; address < 5000; address++) {
		uint32_t want = SYMSPAN_NONE, got = SYMSPAN_NONE;

		/* All that hold it, from the nearest start on. */
		for (uint32_t i = spans.count; i-- > 0;) {
			const struct symspan *s = &spans.list[i];

			if (address < s->low || address >= s->high)
				continue;
			want = i;
			got = symspans_find(&spans, address, got);
			assert_int_equal(got, want);
		}
		assert_int_equal(symspans_find(&spans, address, got), SYMSPAN_NONE);
		if (got == SYMSPAN_NONE)
			continue;
		got = symspans_find(&spans, address, SYMSPAN_NONE);
		for (uint32_t i = 0; i < spans.count; i++) {
			const struct symspan *s = &spans.list[i], *best = &spans.list[got];

			if (address >= s->low && address < s->high && s->low == best->low)
				assert_true(best->rank <= s->rank);
			if (address >= s->low && address < s->high)
				assert_true(s->low <= best->low);
		}
	}
	symspans_free(&spans);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(demangled),
		cmocka_unit_test(hostile_names),
		cmocka_unit_test(short_names),
		cmocka_unit_test(source_paths),
		cmocka_unit_test(short_names_of_anything),
		cmocka_unit_test(ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
