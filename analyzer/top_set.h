/* SPDX-License-Identifier: MIT */
/*
 * The processes of a live view. Of a folder or a family those that run when the view begins, or
 * all when none does, and those that start later. One thread at a time.
 */
#ifndef LARIAT_TOP_SET_H
#define LARIAT_TOP_SET_H

#include "top_rows.h"

struct top_entry {
	struct top_process *process;
	struct top_rows rows[TOP_VIEWS];
	int error;  /* of the last refresh */
	bool shown; /* its end has been told */
	bool complained;
};

struct top_set {
	const struct cmd_context *c;
	struct top_entry **entry;
	size_t count;
	char **known; /* paths that were looked at */
	size_t known_count;
	uint64_t dropped; /* ended ones that were let go of, for want of room */
	uint64_t refreshes;
	uint64_t cpu_ns; /* of the last refresh */
};

/* 0 or -ENOMEM. */
int top_set_init(struct top_set *s, const struct cmd_context *c);
void top_set_fini(struct top_set *s);

/* Looks for new processes, and at each again. 0 or -ENOMEM. */
int top_set_refresh(struct top_set *s);

/* Can one of them still change? */
bool top_set_alive(const struct top_set *s);

/* How long to wait from the beginning of one refresh to the next: reading takes at most half a
 * processor. */
uint64_t top_set_pace(const struct top_set *s, uint64_t interval_ns);

#endif
