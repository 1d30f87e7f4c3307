/* SPDX-License-Identifier: MIT */
/* Which frame of a stack leads its row: who wanted the memory or the lock, not who passed the
 * request on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../analyzer/frames.h"

#define MOST 6

/* "function module", innermost first; an empty module is the program. */
struct stack {
	const char *frame[MOST][2];
	uint32_t lead;
};

static const struct stack stacks[] = {
	{ { { "__GI___libc_malloc", "libc.so.6" }, { "load", "" }, { "main", "" } }, 1 },
	{ { { "xmalloc", "" }, { "load", "" }, { "main", "" } }, 1 },
	{ { { "Perl_safesysmalloc", "perl" }, { "Perl_newSVpvn_flags", "perl" } }, 1 },
	{ { { "ztrymalloc_usable_internal", "" }, { "zmalloc", "" }, { "createObject", "" } }, 2 },
	{ { { "sqlite3MemMalloc", "libsqlite3.so.0" },
	    { "mallocWithAlarm", "libsqlite3.so.0" },
	    { "sqlite3Malloc", "libsqlite3.so.0" },
	    { "pcache1Alloc", "libsqlite3.so.0" } },
	  3 },
	/* a stripped library's own functions have no names */
	{ { { "libsqlite3.so.0+0xa7504", "libsqlite3.so.0" },
	    { "sqlite3Malloc", "libsqlite3.so.0" },
	    { "libsqlite3.so.0+0x3974e", "libsqlite3.so.0" } },
	  2 },
	{ { { "a.so+0x10", "a.so" }, { "a.so+0x20", "a.so" }, { "make_things", "a.so" } }, 0 },
	{ { { "a.so+0x10", "a.so" }, { "xmalloc", "b.so" }, { "main", "" } }, 0 },
	{ { { "a.so+0x10", "a.so" }, { "a.so+0x20", "a.so" } }, 0 },
	{ { { "operator new(unsigned long)", "libstdc++.so.6" }, { "grow", "" } }, 1 },
	{ { { "uv_mutex_lock", "libuv.so.1" }, { "uv__work_done", "libuv.so.1" } }, 1 },
	/* alike, but no allocators */
	{ { { "zmalloc_get_private_dirty", "" }, { "main", "" } }, 0 },
	{ { { "xmallocs", "" }, { "main", "" } }, 0 },
	{ { { "emallo", "" }, { "main", "" } }, 0 },
	/* nothing else there */
	{ { { "malloc", "libc.so.6" }, { "xmalloc", "" } }, 0 },
};

static void leads(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
		struct frame frames[MOST] = { 0 };
		uint32_t n = 0;

		for (; n < MOST && stacks[i].frame[n][0]; n++)
			frames[n] = (struct frame){ .function = stacks[i].frame[n][0],
						    .module = stacks[i].frame[n][1],
						    .real = true };
		assert_int_equal(frames_lead(frames, n), stacks[i].lead);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(leads) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
