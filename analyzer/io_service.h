/* SPDX-License-Identifier: MIT */
/* Which service a target is, from its port or path. Pure functions. */
#ifndef LARIAT_IO_SERVICE_H
#define LARIAT_IO_SERVICE_H

#include <stdbool.h>

#include "trace.h"

struct io_service {
	const char *name; /* "PostgreSQL" */
	bool database;	  /* is asked questions */
};

/* The service behind a target; NULL = none known. */
const struct io_service *io_service_of(const struct trace_target *t);

#endif
