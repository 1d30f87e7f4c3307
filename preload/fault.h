/* SPDX-License-Identifier: MIT */
/*
 * The test build (-DLAR_FAULT) can be killed between any two stores that a reader of the trace may
 * see apart: LARIAT_FAULT=NAME:N kills the process as if from outside when it comes by
 * FAULT_POINT(NAME) for the N-th time, counted over all threads and from parent to child. The
 * released library has nothing of this. tests/test_kill.sh finds the points in the source: each
 * name stands there once.
 */
#ifndef LARIAT_FAULT_H
#define LARIAT_FAULT_H

#ifdef LAR_FAULT

struct fault_site {
	const char *name;
	int state; /* 0 not looked up yet, 1 the one that is asked for, -1 another */
};

/* Any context. */
void fault_pass(struct fault_site *site);

#define FAULT_POINT(name)                                                                          \
	do {                                                                                       \
		static struct fault_site site_ = { #name, 0 };                                     \
                                                                                                   \
		__asm__ volatile("" ::: "memory");                                                 \
		fault_pass(&site_);                                                                \
	} while (0)

#else

#define FAULT_POINT(name) ((void)0)

#endif
#endif
