/* SPDX-License-Identifier: MIT */
/* Opens trace after trace; see eachtrace.h. */
#include "eachtrace.h"

#include <inttypes.h>
#include <string.h>

static void complain(const struct cmd_context *c, const char *path, uint64_t offset,
		     const char *what, const char *follows)
{
	/* what is wrong with the file as a whole is at no offset */
	if (offset)
		fprintf(c->err, "lariat: %s: offset %" PRIu64 ": %s%s\n", path, offset, what,
			follows);
	else
		fprintf(c->err, "lariat: %s: %s%s\n", path, what, follows);
}

int each_trace(const struct cmd_context *c, each_trace_fn *fn, void *arg)
{
	int code = CMD_DONE, rc = 0;

	for (size_t i = 0; i < c->path_count && rc != 1; i++) {
		struct trace_error error;
		struct trace *t;

		if (trace_open(c->paths[i], &t, &error)) {
			complain(c, c->paths[i], error.offset, error.text, "");
			code = CMD_UNREADABLE;
			continue;
		}
		rc = fn(c, t, arg);
		trace_close(t);
		if (rc < 0) {
			complain(c, c->paths[i], 0, strerror(-rc), ", the rest is not shown");
			code = CMD_UNREADABLE;
		}
	}
	return code;
}
