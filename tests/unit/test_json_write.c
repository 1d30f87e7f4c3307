/* SPDX-License-Identifier: MIT */
/* Documents are written as the library itself writes them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "../../analyzer/json_write.h"

/* Takes the document over. */
static void expect_same(json_t *document)
{
	char *wanted = json_dumps(document, JSON_INDENT(2) | JSON_REAL_PRECISION(17)), *got = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&got, &size);

	assert_non_null(wanted);
	assert_non_null(out);
	assert_int_equal(json_write(document, out), 0);
	fclose(out);
	assert_int_equal(size, strlen(wanted));
	assert_memory_equal(got, wanted, size);
	free(got);
	free(wanted);
	json_decref(document);
}

static void test_values(void **state)
{
	const double reals[] = { 0, -0.0, 1, -1.5, 0.1, 1e300, -1e-300, 123456789.125, M_PI };
	json_t *list = json_array(), *object = json_object();

	(void)state;
	for (size_t i = 0; i < sizeof(reals) / sizeof(*reals); i++)
		json_array_append_new(list, json_real(reals[i]));
	json_array_append_new(list, json_integer(0));
	json_array_append_new(list, json_integer(-7));
	json_array_append_new(list, json_integer(INT64_MAX));
	json_array_append_new(list, json_integer(INT64_MIN));
	json_array_append_new(list, json_true());
	json_array_append_new(list, json_false());
	json_array_append_new(list, json_null());
	json_array_append_new(list, json_object());
	json_array_append_new(list, json_array());
	json_object_set_new(object, "list", list);
	json_object_set_new(object, "k\"ey\n", json_string("value"));
	json_object_set(object, "again", list);
	expect_same(object);
	expect_same(json_object());
	expect_same(json_array());
}

static void test_strings(void **state)
{
	json_t *list = json_array();
	char *large = malloc(200001);

	(void)state;
	for (int c = 0; c < 128; c++) {
		char text[4] = { 'a', (char)c, 'z' };

		json_array_append_new(list, json_stringn(text, 3));
	}
	json_array_append_new(list, json_string(""));
	json_array_append_new(list, json_string("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"));
	/* larger than what is written at a time */
	assert_non_null(large);
	memset(large, 'x', 200000);
	large[200000] = '\0';
	json_array_append_new(list, json_string(large));
	free(large);
	expect_same(list);
}

static void test_deep(void **state)
{
	json_t *inner = json_integer(1);

	(void)state;
	for (int i = 0; i < 100; i++) {
		json_t *outer = i % 2 ? json_object() : json_array();

		if (i % 2)
			json_object_set_new(outer, "in", inner);
		else
			json_array_append_new(outer, inner);
		inner = outer;
	}
	expect_same(inner);
}

static void test_failures(void **state)
{
	FILE *full = fopen("/dev/full", "w");
	json_t *document = json_object();

	(void)state;
	assert_non_null(full);
	setvbuf(full, NULL, _IONBF, 0);
	assert_int_equal(json_write(document, full), -1);
	fclose(full);
	assert_int_equal(json_write(NULL, stdout), -1);
	json_decref(document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
