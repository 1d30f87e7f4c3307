/* SPDX-License-Identifier: MIT */
/*
 * CPU samples by call stack; what they tell of threads is in thread_model.h. One thread at a time.
 * Memory grows with the distinct stacks.
 */
#ifndef LARIAT_CPU_MODEL_H
#define LARIAT_CPU_MODEL_H

#include <stdint.h>

#include "checkpoint.h"
#include "sites.h"
#include "trace.h"

struct cpu_site {
	uint64_t samples, kernel; /* kernel: of them in system calls */
};

struct cpu_model {
	struct sites sites;
	struct cpu_site *site;
	uint32_t size;
	uint64_t samples, kernel;
	uint64_t since_ns;
};

/* Samples before since_ns are left out. */
void cpu_model_init(struct cpu_model *m, const struct site_rule *rule, uint64_t since_ns);
void cpu_model_fini(struct cpu_model *m);

/* Takes one event, of whatever kind. Returns 0 or -ENOMEM. */
int cpu_model_event(struct cpu_model *m, const struct event *e);

/* A checkpoint's samples, before the first event. Returns 0 or -ENOMEM. */
int cpu_model_load(struct cpu_model *m, const struct checkpoint *c);

#endif
