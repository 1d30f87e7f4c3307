/* SPDX-License-Identifier: MIT */
/*
 * Several traces in one view: which process started which, and the figures of each and of all. A
 * process that went through exec has a trace for each image. One thread at a time.
 */
#ifndef LARIAT_FAMILY_H
#define LARIAT_FAMILY_H

#include "analysis.h"

#define FAMILY_NONE SIZE_MAX

struct family_figures {
	uint64_t allocations, allocated_bytes, frees, freed_bytes, live_blocks, live_bytes;
	uint64_t io_calls, read_bytes, written_bytes;
	uint64_t acquisitions, contended, lock_wait_ns, threads_created;
};

struct family_member {
	uint32_t pid, parent_pid;
	uint64_t start_ns, parent_start_ns; /* wall clock */
	uint64_t duration_ns;
	enum lar_end ended;
	int32_t exit_code;
	const char *end; /* as analysis_end_name() */
	char *command, *file;
	struct family_figures own;
	size_t parent; /* the one that started it, or the image before; FAMILY_NONE = not here */
	unsigned depth;
};

struct family {
	struct family_member *member; /* after family_link(): each behind its parent */
	size_t count;
	struct family_figures all;
	unsigned parts; /* that some trace recorded */
};

/* Takes over what is needed of a trace. 0 or -ENOMEM. */
int family_add(struct family *f, const struct analysis *a);

/* After the last one. 0 or -ENOMEM. */
int family_link(struct family *f);
void family_fini(struct family *f);

#endif
