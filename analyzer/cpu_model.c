/* SPDX-License-Identifier: MIT */
/* CPU samples; see cpu_model.h. */
#include "cpu_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../preload/format/recent.h"

/* Columns of the table, as format/checkpoint.h has them. */
enum cpu_column { CPU_SITE, CPU_SAMPLES, CPU_KERNEL };

void cpu_model_init(struct cpu_model *m, const struct site_rule *rule, uint64_t since_ns)
{
	memset(m, 0, sizeof(*m));
	sites_init(&m->sites, rule);
	m->since_ns = since_ns;
}

void cpu_model_fini(struct cpu_model *m)
{
	sites_fini(&m->sites);
	free(m->site);
}

static int add(struct cpu_model *m, uint32_t stack, uint32_t thread, const struct cpu_site *more)
{
	uint32_t n = sites_number(&m->sites, stack, thread);

	if (n == SITE_NONE || array_reserve((void **)&m->site, &m->size, n, sizeof(*m->site)))
		return -ENOMEM;
	m->site[n].samples += more->samples;
	m->site[n].kernel += more->kernel;
	m->samples += more->samples;
	m->kernel += more->kernel;
	return 0;
}

int cpu_model_event(struct cpu_model *m, const struct event *e)
{
	uint64_t weight = lar_sample_weight(e->flags, e->field[2]);
	struct cpu_site one = { weight, e->flags & LAR_CPU_KERNEL ? weight : 0 };

	if (e->kind != LAR_EV_CPU || e->flags & (LAR_CPU_RECORDER | LAR_CPU_CLOCK) ||
	    e->time_ns < m->since_ns)
		return 0;
	return add(m, e->stack, e->thread, &one);
}

int cpu_model_load(struct cpu_model *m, const struct checkpoint *c)
{
	struct checkpoint_rows r;
	const uint64_t *v = r.value;

	checkpoint_rows(c, LAR_TABLE_CPU, &r);
	while (checkpoint_next(&r)) {
		struct cpu_site some = { v[CPU_SAMPLES], v[CPU_KERNEL] };
		uint32_t stack = v[CPU_SITE] ? checkpoint_stack(c, v[CPU_SITE] - 1) : 0;

		if (add(m, stack, SITE_FOLDED_THREADS, &some))
			return -ENOMEM;
	}
	return 0;
}
