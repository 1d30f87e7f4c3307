/* SPDX-License-Identifier: MIT */
/* What a struct trace is made of; shared by trace.c and stream.c only. */
#ifndef LARIAT_TRACE_IMPL_H
#define LARIAT_TRACE_IMPL_H

#include "checkpoint.h"
#include "dictionary.h"
#include "follow.h"
#include "modmap.h"
#include "path_memo.h"
#include "reach_scan.h"
#include "ringfile.h"
#include "ringindex.h"
#include "stacks.h"
#include "staging.h"
#include "tickclock.h"
#include "trace.h"
#include "unblock.h"

struct trace {
	struct ringfile file;
	struct staging staging;
	struct ringindex ring;
	struct checkpoint checkpoint;
	struct reach reach;
	struct dictionary dictionary;
	struct modmap modmap;
	struct stacks stacks;
	struct path_memo memo; /* of paths in it, for the modules of modmap */
	struct unblock unblock;
	struct tickclock clock;
	struct follow follow;
	struct trace_facts facts;
	uint64_t last_ticks; /* the last sign of life */
	char *path;
};

/* Counts a block that could not be decoded: rc is what unblock_read() returned. */
void trace_count_lost_block(struct trace *t, struct ring_block *b, int rc);

#endif
