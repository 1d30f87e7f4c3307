/* SPDX-License-Identifier: MIT */
/* Events of what the cells of slots hold and no event has said. */
#ifndef LARIAT_STREAM_CELLS_H
#define LARIAT_STREAM_CELLS_H

#include "trace_impl.h"

/* Behind all other events: hands them to fn, each in *place. 0, -ENOMEM, or what fn returned. */
int stream_cells(struct trace *t, struct event **place, trace_event_fn *fn, void *arg);

#endif
