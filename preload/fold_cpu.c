/* SPDX-License-Identifier: MIT */
/*
 * CPU samples by call stack, of folded events, by the rules of the analyzer's CPU model. What they
 * tell of threads is in fold_thread.c.
 */
#include "fold_rows.h"
#include "format/recent.h"

struct site {
	uint64_t samples, kernel;
	uint32_t node;
};

struct cpu {
	uint32_t most;
	struct fold_rows sites;
	struct site others;
};

void fold_cpu_event(struct fold *f, void **state, const struct fold_event *e)
{
	struct cpu *c = *state;
	struct site *s;
	uint64_t weight;
	uint32_t n;

	if (e->flags & (LAR_CPU_RECORDER | LAR_CPU_CLOCK))
		return;
	if (!c) {
		c = *state = fold_alloc(f, sizeof(*c));
		if (!c)
			return;
		c->most = fold_rows_most();
	}
	n = fold_row(f, &c->sites, sizeof(*s), e->node + 1ull, c->most);
	s = n == FOLD_NONE ? &c->others : (struct site *)c->sites.row + n;
	s->node = e->node;
	weight = lar_sample_weight(e->flags, e->field[2]);
	s->samples += weight;
	s->kernel += e->flags & LAR_CPU_KERNEL ? weight : 0;
}

static void put_site(struct fold_out *o, const struct site *s, uint64_t name, uint64_t *last)
{
	fold_put_site(o, name, last);
	fold_put(o, s->samples);
	fold_put(o, s->kernel);
}

void fold_cpu_write(struct fold_out *o, void *state)
{
	const struct cpu *c = state;
	uint64_t last = 0;

	fold_table(o, LAR_TABLE_CPU, c->sites.map.count + (c->others.samples != 0), 3);
	for (uint32_t i = 0; i < c->sites.map.count; i++) {
		const struct site *s = (const struct site *)c->sites.row + i;

		put_site(o, s, s->node + 1ull, &last);
	}
	if (c->others.samples)
		put_site(o, &c->others, 0, &last);
}
