/* SPDX-License-Identifier: MIT */
/* JSON text: commas, extreme numbers, every byte that needs care. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "../../analyzer/jsonline.h"

static void expect(struct jsonline *j, const char *text)
{
	assert_false(j->failed);
	assert_int_equal(j->size, strlen(text));
	assert_memory_equal(j->text, text, j->size);
	jsonline_clear(j);
}

static void test_shape(void **state)
{
	struct jsonline j = { .text = NULL }, inner = { .text = NULL };

	(void)state;
	jsonline_open(&inner, '[');
	jsonline_close(&inner, ']');
	jsonline_open(&j, '{');
	jsonline_key(&j, "a");
	jsonline_unsigned(&j, UINT64_MAX);
	jsonline_key(&j, "b");
	jsonline_open(&j, '[');
	jsonline_signed(&j, INT64_MIN);
	jsonline_signed(&j, -1);
	jsonline_signed(&j, 0);
	jsonline_open(&j, '{');
	jsonline_close(&j, '}');
	jsonline_bool(&j, true);
	jsonline_close(&j, ']');
	jsonline_key(&j, "c");
	jsonline_raw(&j, &inner);
	jsonline_key(&j, "d");
	jsonline_null(&j);
	jsonline_close(&j, '}');
	expect(&j, "{\"a\":18446744073709551615,\"b\":[-9223372036854775808,-1,0,{},true],"
		   "\"c\":[],\"d\":null}");
	jsonline_fini(&j);
	jsonline_fini(&inner);
}

static void test_strings(void **state)
{
	static const struct {
		const char *in, *out;
	} row[] = {
		{ "", "\"\"" },
		{ "a/b c", "\"a/b c\"" },
		{ "\"\\", "\"\\\"\\\\\"" },
		{ "\n\x01\x7f", "\"\\u000a\\u0001\\u007f\"" },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
		  "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		/* a lone continuation, an overlong slash, a surrogate, beyond U+10FFFF, cut short
		 */
		{ "\x80x", "\"\xef\xbf\xbdx\"" },
		{ "\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
	};
	struct jsonline j = { .text = NULL };

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++) {
		jsonline_string(&j, row[i].in);
		expect(&j, row[i].out);
	}
	jsonline_fini(&j);
}

/* Every pair of bytes makes text that a strict parser takes. */
static void test_all_bytes(void **state)
{
	struct jsonline j = { .text = NULL };

	(void)state;
	for (unsigned a = 1; a < 256; a++) {
		for (unsigned b = 1; b < 256; b++) {
			char text[] = { (char)a, (char)b, 'z', 0 };
			json_t *parsed;

			jsonline_clear(&j);
			jsonline_string(&j, text);
			parsed = json_loadb(j.text, j.size, JSON_DECODE_ANY, NULL);
			assert_non_null(parsed);
			assert_non_null(strchr(json_string_value(parsed), 'z'));
			json_decref(parsed);
		}
	}
	jsonline_fini(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_all_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
