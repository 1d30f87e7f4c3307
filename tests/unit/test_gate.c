/* SPDX-License-Identifier: MIT */
/* Assertions, names of sites across builds, and baselines, on reports written by hand. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../analyzer/gate.h"
#include "../../analyzer/site_key.h"

static json_t *json(const char *text)
{
	json_error_t error;
	json_t *o = json_loads(text, 0, &error);

	if (!o)
		fail_msg("%s: %s", text, error.text);
	return o;
}

static const char head[] =
	"{\"schema\":\"lariat/1\",\"process\":{\"command\":\"c\",\"end\":\"exit\"},"
	"\"trace\":{\"partial\":%s,\"sampled_bytes\":%d},%s}";

static json_t *report(const char *partial, int sampled, const char *rest)
{
	char text[4000];

	snprintf(text, sizeof(text), head, partial, sampled, rest);
	return json(text);
}

static enum gate_verdict verdict(const char *text, json_t *r)
{
	struct gate g = { .exprs = 1 };
	enum gate_verdict v;
	char why[200];

	if (gate_expr_parse(&g.expr[0], text, why, sizeof(why)))
		fail_msg("%s: %s", text, why);
	assert_int_equal(gate_judge(&g, "t", r), 0);
	v = g.result[0].verdict;
	gate_fini(&g);
	return v;
}

static void comparisons(void **state)
{
	static const struct {
		const char *text;
		enum gate_verdict verdict;
	} rows[] = {
		{ "heap.peak_bytes < 64M", GATE_PASSED },
		{ "heap.peak_bytes<1M", GATE_FAILED },
		{ "  heap.peak_bytes  <=  1048576 ", GATE_PASSED },
		{ "heap.peak_bytes >= 1MiB", GATE_PASSED },
		{ "heap.peak_bytes > 1.0M", GATE_FAILED },
		{ "heap.peak_bytes == 1048576", GATE_PASSED },
		{ "heap.peak_bytes != 1M", GATE_FAILED },
		{ "io.totals.write.latency_ns.p99 < 5ms", GATE_PASSED },
		{ "io.totals.write.latency_ns.p99 < 4ms", GATE_FAILED },
		{ "io.totals.write.latency_ns.p99 == 4500000", GATE_PASSED },
		{ "io.list.count == 3", GATE_PASSED },
		{ "io.list[1].calls == 7", GATE_PASSED },
		{ "io.list[9].calls == 7", GATE_UNDECIDED },
		{ "process.end == exit", GATE_PASSED },
		{ "process.end != exit", GATE_FAILED },
		{ "io.flag == true", GATE_PASSED },
		{ "io.nothing == 0", GATE_UNDECIDED },
		{ "io.unknown == 0", GATE_UNDECIDED },
		{ "io.totals == 0", GATE_UNDECIDED },
		{ "locks.totals.contended == 0", GATE_UNDECIDED },
	};
	static const char rest[] =
		"\"heap\":{\"peak_bytes\":1048576},\"io\":{\"flag\":true,\"nothing\":null,"
		"\"totals\":{\"write\":{\"latency_ns\":{\"p99\":4500000}}},"
		"\"list\":[{\"calls\":1},{\"calls\":7},{}]}";

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (verdict(rows[i].text, report("false", 0, rest)) != rows[i].verdict)
			fail_msg("%s is not %s", rows[i].text, gate_verdict_name(rows[i].verdict));
}

static void what_is_no_assertion(void **state)
{
	static const char *const rows[] = { "",
					    "heap",
					    "heap.x",
					    "heap.x <",
					    "heap.x = 3",
					    "< 3",
					    "io.x < 3K",
					    "heap.x_bytes < 3s",
					    "io.t_ns < 3M",
					    "io.x < three" };
	struct gate_expr e;
	char why[200];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (!gate_expr_parse(&e, rows[i], why, sizeof(why)))
			fail_msg("%s is accepted", rows[i]);
}

/* What is not whole fails where it would have passed; what it is enough for is decided. */
static void partial_data_fails(void **state)
{
	static const char rest[] = "\"heap\":{\"peak_bytes\":5},\"io\":{\"calls\":5}";

	(void)state;
	assert_int_equal(verdict("heap.peak_bytes < 9", report("true", 0, rest)), GATE_FAILED);
	assert_int_equal(verdict("io.calls < 9", report("true", 0, rest)), GATE_FAILED);
	assert_int_equal(verdict("trace.sampled_bytes == 0", report("true", 0, rest)), GATE_PASSED);
	assert_int_equal(verdict("heap.peak_bytes < 9", report("false", 64, rest)), GATE_FAILED);
	assert_int_equal(verdict("io.calls < 9", report("false", 64, rest)), GATE_PASSED);
}

static void keys_survive_recompilation(void **state)
{
	/* other lines, another clone, an inlined frame that was none, deeper recursion */
	json_t *a = json("{\"stack\":[{\"function\":\"f\",\"line\":1,\"module\":\"/b/p\"},"
			 "{\"function\":\"g\",\"line\":2},{\"function\":\"g\",\"line\":2},"
			 "{\"function\":\"libx.so+0x12\",\"module\":\"/lib/libx.so\"},"
			 "{\"function\":\"main\"},{\"function\":\"__libc_start_main\"}]}");
	json_t *b = json("{\"stack\":[{\"function\":\"f.part.0\",\"line\":9,\"module\":\"/c/p\"},"
			 "{\"function\":\"g\",\"line\":7,\"inlined\":true},"
			 "{\"function\":\"libx.so+0x34\",\"module\":\"/usr/lib/libx.so\"},"
			 "{\"function\":\"main\"}]}");
	json_t *c = json("{\"stack\":[{\"function\":\"f\"},{\"function\":\"h\"},"
			 "{\"function\":\"main\"}]}");
	char x[SITE_KEY], y[SITE_KEY], small[8];

	(void)state;
	assert_string_equal(site_key(a, "p", x, sizeof(x)), "p;f;g;libx.so;main");
	assert_string_equal(x, site_key(b, "p", y, sizeof(y)));
	assert_string_not_equal(x, site_key(c, "p", y, sizeof(y)));
	assert_string_equal(site_key(a, "p", small, sizeof(small)), "p;f;g;l");
	json_decref(a);
	json_decref(b);
	json_decref(c);
}

static json_t *leaks(int old_bytes, int new_bytes, int growing)
{
	char rest[1500];

	snprintf(rest, sizeof(rest),
		 "\"leaks\":{\"unfreed\":{\"blocks\":3,\"bytes\":%d},\"growing\":{\"sites\":%d},"
		 "\"sites\":[{\"class\":\"unfreed\",\"blocks\":1,\"bytes\":%d,\"stack\":"
		 "[{\"function\":\"old\"}]},{\"class\":\"unfreed\",\"blocks\":2,\"bytes\":%d,"
		 "\"stack\":[{\"function\":\"new\"}]}],\"trends\":[%s]}",
		 old_bytes + new_bytes, growing, old_bytes, new_bytes,
		 growing ? "{\"verdict\":\"growing\",\"live_bytes\":7,\"stack\":"
			   "[{\"function\":\"old\"}]}"
			 : "");
	return report("false", 0, rest);
}

static void baselines(void **state)
{
	struct gate g = { .exprs = 2 };
	char path[200], why[200], message[300];
	json_t *base = leaks(100, 0, 1);

	(void)state;
	snprintf(path, sizeof(path), "%s/baseline.%d", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp",
		 (int)getpid());
	assert_int_equal(json_dump_file(base, path, 0), 0);
	json_decref(base);
	assert_int_equal(gate_baseline_load(&g.baseline, path), 0);
	unlink(path);
	assert_int_equal(gate_expr_parse(&g.expr[0], "leaks.unfreed.bytes == 0", why, sizeof(why)),
			 0);
	assert_int_equal(gate_expr_parse(&g.expr[1], "leaks.growing.sites == 0", why, sizeof(why)),
			 0);
	/* the same; less; more at the old site; a new site */
	assert_int_equal(gate_judge(&g, "t", leaks(100, 0, 1)), 0);
	assert_int_equal(gate_judge(&g, "t", leaks(40, 0, 0)), 0);
	assert_int_equal(gate_judge(&g, "t", leaks(130, 0, 1)), 0);
	assert_int_equal(gate_judge(&g, "t", leaks(100, 8, 1)), 0);
	assert_int_equal(g.results, 8);
	assert_int_equal(g.result[0].verdict, GATE_PASSED);
	assert_int_equal(g.result[1].verdict, GATE_PASSED);
	assert_int_equal(g.result[2].verdict, GATE_PASSED);
	assert_int_equal(g.result[3].verdict, GATE_PASSED);
	assert_int_equal(g.result[4].verdict, GATE_FAILED);
	assert_true(g.result[4].value == 30);
	assert_int_equal(g.result[6].verdict, GATE_FAILED);
	assert_true(g.result[6].value == 8);
	assert_string_equal(gate_message(&g.result[6], message, sizeof(message)),
			    "is 8 B beyond the baseline's 100 B");
	assert_int_equal(g.result[6].sites, 1);
	assert_int_equal(g.result[6].site[0].new_bytes, 8);
	assert_int_equal(gate_verdict(&g), GATE_FAILED);
	gate_fini(&g);
	assert_int_equal(gate_baseline_load(&g.baseline, "/nowhere/at all"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comparisons),	      cmocka_unit_test(what_is_no_assertion),
		cmocka_unit_test(partial_data_fails), cmocka_unit_test(keys_survive_recompilation),
		cmocka_unit_test(baselines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
