/* SPDX-License-Identifier: MIT */
/* CPU samples by function, and where each thread's time went. One thread at a time. */
#ifndef LARIAT_CPU_FUNCTIONS_H
#define LARIAT_CPU_FUNCTIONS_H

#include <stdint.h>

#include "analysis.h"

/* Samples in the function itself, and with what it calls. Strings belong to the symbols. */
struct cpu_function {
	const char *function, *file, *module;
	uint64_t self, total;
};

/*
 * All functions that pass --filter, those with the most samples of their own first; for free().
 * NULL and *count 0 where there is none, or no memory.
 */
struct cpu_function *cpu_functions(struct analysis *a, uint32_t *count);

/* Samples of stacks that differ only in where the innermost function was. */
struct cpu_stack {
	uint32_t stack; /* the one with the most samples */
	uint64_t samples, kernel, most;
};

/* All that pass --filter, those with the most samples first; as above. */
struct cpu_stack *cpu_stacks(struct analysis *a, uint32_t *count);

/* A number of samples as CPU time. */
static inline uint64_t cpu_ns_of(const struct analysis *a, uint64_t samples)
{
	return samples * a->facts->header->cpu_period_ns;
}

/* Only a part of the run is asked for: lives are whole, waits are not. */
static inline bool cpu_windowed(const struct analysis *a)
{
	return a->context->since_ns || a->context->until_ns != UINT64_MAX;
}

/*
 * A thread's life in parts that add up to it: work, and waiting as far as it did not work in it.
 * Waits are those that the recorder sees; other: it could not run, or waited in another way.
 */
struct cpu_split {
	uint64_t life_ns, work_ns, lock_ns, io_ns, idle_ns, other_ns;
};

/* Of all threads: CPU time by the kernel's count, periods without a sample, samples in the
 * recorder. */
void cpu_totals(const struct analysis *a, uint64_t *cpu_ns, uint64_t *missed, uint64_t *recorder);

struct cpu_split cpu_split_of(const struct analysis *a, const struct thread_figures *t);

#endif
