/* SPDX-License-Identifier: MIT */
/* Mappings, I/O and samples of the process; no blocks. */
#include <errno.h>

#include "heap_model.h"

static int take_map(struct heap_model *m, const struct event *e)
{
	struct heap_mapped *t = &m->mapped;
	uint32_t site;

	if (e->time_ns < m->since_ns)
		return 0;
	if ((int64_t)e->field[6] < 0) {
		t->failed++;
		return 0;
	}
	switch (e->call) {
	case LAR_CALL_munmap:
		t->unmaps++;
		t->unmapped_bytes += e->field[5];
		m->mapped_now -= e->field[5] < m->mapped_now ? e->field[5] : m->mapped_now;
		return 0;
	case LAR_CALL_mremap:
		t->remaps++;
		m->mapped_now -= e->field[5] < m->mapped_now ? e->field[5] : m->mapped_now;
		m->mapped_now += e->field[3];
		return 0;
	case LAR_CALL_brk:
	case LAR_CALL_sbrk:
		t->breaks++;
		return 0;
	default:
		break;
	}
	t->maps++;
	t->mapped_bytes += e->field[3];
	m->mapped_now += e->field[3];
	site = sites_number(&m->map_sites, e->stack, e->thread);
	if (site == SITE_NONE ||
	    array_reserve((void **)&m->map_site, &m->map_site_size, site, sizeof(*m->map_site)))
		return -ENOMEM;
	m->map_site[site].maps++;
	m->map_site[site].mapped_bytes += e->field[3];
	return 0;
}

/* Whether the timeline's rate of I/O counts it: no wait, and not what was asked of streams. */
static bool call_moves(unsigned call)
{
	unsigned op = call_operation(call);

	return op != LAR_OP_WAIT && !lar_io_is_stdio(op);
}

/* Bytes that a read or write moved. */
static uint64_t call_bytes(unsigned call, int64_t result)
{
	enum lar_operation op = call_operation(call);

	return result > 0 && (op == LAR_OP_READ || op == LAR_OP_WRITE) ? (uint64_t)result : 0;
}

static void take_tick(struct heap_model *m, const struct event *e)
{
	if (e->field[1]) {
		m->tick.rss_bytes = e->field[1];
		m->tick.rss_is_peak = e->flags & LAR_TICK_MOST;
	}
	if (e->field[2] < m->tick.heap_bytes)
		m->break_fell_bytes += m->tick.heap_bytes - e->field[2];
	m->tick.heap_bytes = e->field[2];
	m->tick.trim_bytes =
		e->field[2] > m->main_held_bytes ? e->field[2] - m->main_held_bytes : 0;
	m->tick.threads = e->field[4];
}

int heap_model_other(struct heap_model *m, const struct event *e)
{
	switch (e->kind) {
	case LAR_EV_MAP:
		return take_map(m, e);
	case LAR_EV_IO:
		m->io_calls += call_moves(e->call);
		m->io_bytes += call_bytes(e->call, (int64_t)e->field[3]);
		return 0;
	case LAR_EV_TICK:
		take_tick(m, e);
		return 0;
	default:
		return 0;
	}
}
