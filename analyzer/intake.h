/* SPDX-License-Identifier: MIT */
/* The events of a trace on their way to an analysis's models. One thread at a time. */
#ifndef LARIAT_INTAKE_H
#define LARIAT_INTAKE_H

#include "analysis.h"

/* Before the first event. */
void intake_init(struct analysis *a);

/*
 * The events that follow, to the models; with `rest` as trace_follow(), those behind the horizon go
 * there. Returns 0, -ENOMEM or what `rest` returned.
 */
int intake_run(struct analysis *a, const struct trace_taker *rest);

#endif
