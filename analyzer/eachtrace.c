/* SPDX-License-Identifier: MIT */
/* Opens trace after trace; see eachtrace.h. */
#include "eachtrace.h"

#include <errno.h>
#include <string.h>

int each_trace(const struct cmd_context *c, each_trace_fn *fn, void *arg)
{
	int code = CMD_DONE, rc = 0;

	for (size_t i = 0; i < c->path_count && rc != 1; i++) {
		struct trace_error error;
		struct trace *t;

		if (trace_open(c->paths[i], &t, &error)) {
			fprintf(c->err, "lariat: %s: offset %llu: %s\n", c->paths[i],
				(unsigned long long)error.offset, error.text);
			code = CMD_UNREADABLE;
			continue;
		}
		rc = fn(c, t, arg);
		trace_close(t);
		if (rc < 0) {
			fprintf(c->err, "lariat: %s: offset 0: %s, the rest is not shown\n",
				c->paths[i], strerror(-rc));
			code = CMD_UNREADABLE;
		}
	}
	/* a reader that has seen enough (EPIPE) is no failure */
	if ((fflush(c->out) || ferror(c->out)) && errno != EPIPE) {
		fprintf(c->err, "lariat: the output cannot be written: %s\n", strerror(errno));
		code = CMD_UNREADABLE;
	}
	return code;
}
