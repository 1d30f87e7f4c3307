/* SPDX-License-Identifier: MIT */
/* A library for sym_calls to open: an exported function, a local one, an inlined one. */
#include "sym_inline.h"

int sym_plugin_entry(sym_report_fn *report, int n);
static int plugin_behind(int n);

__attribute__((noinline)) static int plugin_local(sym_report_fn *report, int n)
{
	SYM_HERE(report);
	return sym_innermost(report, n);
}

int sym_plugin_entry(sym_report_fn *report, int n)
{
	int sum = plugin_local(report, n);

	SYM_HERE(report);
	return plugin_behind(sum);
}

/* Behind the exported one when built with -fno-toplevel-reorder. */
__attribute__((noinline)) static int plugin_behind(int n)
{
	__asm__ volatile("");
	return n + 1;
}
