/* SPDX-License-Identifier: MIT */
/* What `lariat info` has gathered of one trace, and its two forms. */
#ifndef LARIAT_CMD_INFO_H
#define LARIAT_CMD_INFO_H

#include "opts.h"
#include "symbols.h"
#include "trace.h"

struct info {
	const struct trace_facts *facts;
	struct trace *trace;
	uint64_t events[LAR_EV_MAX]; /* by kind, lock cells' sums not among them */
	uint64_t lock_cells, stream_cells;
	uint64_t unlisted;		  /* heap_load_unlisted() */
	uint64_t first_ns, last_ns;	  /* of the events that are kept */
	enum symbols_state *module_state; /* by module */
};

/* Are there figures that are not whole? As `partial` of reports. */
bool info_is_partial(const struct info *i);

/* A word for programs ("running", "exit", ...) as in reports. */
const char *info_end_name(const struct trace_facts *f);

/* Reason of a loss: a short name for programs and plain words; "" for unknown ones. */
const char *info_lost_name(unsigned reason);
const char *info_lost_meaning(unsigned reason);

/* A section's type. */
const char *info_section_name(uint32_t type);

const char *info_symbols_name(enum symbols_state state);

/* Both return 0 or -ENOMEM. */
int info_print_json(const struct cmd_context *c, const struct info *i);
int info_print_text(const struct cmd_context *c, const struct info *i);

#endif
