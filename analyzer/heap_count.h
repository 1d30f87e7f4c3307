/* SPDX-License-Identifier: MIT */
/*
 * What an allocation and a free count, inline in the loop over events; only for heap_model.c and
 * heap_early.c.
 */
#ifndef LARIAT_HEAP_COUNT_H
#define LARIAT_HEAP_COUNT_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "heap_model.h"

/*
 * The usual trace: all of it, no block standing for others, with a timeline. What needs no look
 * then, the compiler leaves out.
 */
static inline bool is_plain(const struct heap_model *m)
{
	return !m->look.event && !m->sampling.period && !m->since_ns && m->line;
}

static inline bool in_window(const struct heap_model *m, const struct event *e, bool plain)
{
	return plain || e->time_ns >= m->since_ns;
}

static inline uint64_t period_of(const struct heap_model *m, bool plain)
{
	return plain ? 0 : m->sampling.period;
}

/*
 * Puts what a site and the process hold now on the timeline: units are whole numbers, or bytes. A
 * site may hold what its series has not been told yet.
 */
static inline __attribute__((always_inline)) void line_rose(const struct heap_model *m,
							    struct heap_site *s, bool plain)
{
	uint64_t period = period_of(m, plain);

	if (!plain && !m->line)
		return;
	series_rose(&s->line, m->line, lar_weight_whole(period, s->live_bytes));
	timeline_rose(m->line, lar_weight_whole(period, m->total.live_bytes));
}

static inline __attribute__((always_inline)) void line_fell(const struct heap_model *m,
							    struct heap_site *s, bool plain)
{
	uint64_t period = period_of(m, plain);

	if (!plain && !m->line)
		return;
	series_note(&s->line, m->line, lar_weight_whole(period, s->live_bytes));
	timeline_fell(m->line, lar_weight_whole(period, m->total.live_bytes));
}

/*
 * What a site holds only changes behind a call of this, so what it held at the last peak is what
 * it holds at the first such call after that peak.
 */
static inline void site_keep_peak(const struct heap_model *m, struct heap_site *s)
{
	if (s->peak_number == m->peak_number)
		return;
	s->at_peak_bytes = s->live_bytes;
	s->at_peak_blocks = s->live_blocks;
	s->peak_number = m->peak_number;
}

static inline __attribute__((always_inline)) void
count_birth(struct heap_model *m, struct heap_site *s, uint64_t size, uint64_t now, bool plain)
{
	struct lar_weight w = lar_weight(period_of(m, plain), size);
	struct heap_totals *t = &m->total;

	site_keep_peak(m, s);
	s->allocations += w.blocks;
	s->allocated_bytes += w.bytes;
	s->live_blocks += w.blocks;
	s->live_bytes += w.bytes;
	if (s->live_bytes > s->peak_bytes)
		s->peak_bytes = s->live_bytes;
	if (size < s->size_min)
		s->size_min = size;
	if (size > s->size_max)
		s->size_max = size;
	t->samples++;
	t->allocations += w.blocks;
	t->allocated_bytes += w.bytes;
	t->live_blocks += w.blocks;
	t->live_bytes += w.bytes;
	if (t->live_bytes > t->peak_bytes) {
		t->peak_bytes = t->live_bytes;
		t->peak_at_ticks = now;
		m->peak_number++;
	}
	line_rose(m, s, plain);
}

static inline void life_settle(struct heap_model *m, struct heap_life *l)
{
	if (l->bucket)
		histogram_count_bucket(&m->site[l->site].lifetime, l->bucket - 1);
	l->bucket = 0;
}

/* Which bucket it is cannot be foreseen: its memory is waited for while other events are taken. */
static inline void life_add(struct heap_model *m, uint32_t site, uint64_t age)
{
	struct heap_life *l = &m->life[m->lives % HEAP_LIVES];
	uint32_t bucket;

	if (!histogram_count_later(&m->site[site].lifetime, age, &bucket))
		return;
	life_settle(m, l);
	l->site = site;
	l->bucket = bucket + 1;
	m->lives++;
}

/* Each is told, the first two without a loop. */
static inline __attribute__((always_inline)) int
watch_born(const struct heap_model *m, const struct live_block *b, const struct event *e)
{
	const struct heap_watch *w = m->watch;

	if (m->watches > 0 && w[0].born(w[0].arg, b, e))
		return -ENOMEM;
	if (m->watches > 1 && w[1].born(w[1].arg, b, e))
		return -ENOMEM;
	for (uint32_t i = 2; __builtin_expect(i < m->watches, 0); i++)
		if (w[i].born(w[i].arg, b, e))
			return -ENOMEM;
	return 0;
}

static inline __attribute__((always_inline)) void watch_died(const struct heap_model *m,
							     const struct live_block *b,
							     const struct event *e, uint64_t now)
{
	const struct heap_watch *w = m->watch;

	if (m->watches > 0)
		w[0].died(w[0].arg, b, e, now);
	if (m->watches > 1)
		w[1].died(w[1].arg, b, e, now);
	for (uint32_t i = 2; __builtin_expect(i < m->watches, 0); i++)
		w[i].died(w[i].arg, b, e, now);
}

static inline int watch_resized(const struct heap_model *m, const struct live_block *old,
				const struct live_block *b, const struct event *e)
{
	for (uint32_t i = 0; i < m->watches; i++) {
		const struct heap_watch *w = &m->watch[i];

		if (w->resized) {
			if (w->resized(w->arg, old, b, e))
				return -ENOMEM;
			continue;
		}
		w->died(w->arg, old, e, e->ticks);
		if (w->born(w->arg, b, e))
			return -ENOMEM;
	}
	return 0;
}

/* The death of a block of a site that stood for `w`. */
static inline __attribute__((always_inline)) void count_end(struct heap_model *m,
							    const struct live_block *b,
							    struct lar_weight w, uint64_t now,
							    bool plain)
{
	struct heap_site *s = &m->site[b->site];
	uint64_t age;

	m->total.freed_bytes += w.bytes;
	m->total.frees += w.blocks;
	site_keep_peak(m, s);
	s->frees += w.blocks;
	s->freed_bytes += w.bytes;
	s->live_blocks -= w.blocks;
	s->live_bytes -= w.bytes;
	m->total.live_blocks -= w.blocks;
	m->total.live_bytes -= w.bytes;
	age = now > b->born_ticks ? now - b->born_ticks : 0;
	if (w.blocks == 1)
		life_add(m, b->site, age);
	else
		histogram_add_many(&s->lifetime, age, w.blocks);
	line_fell(m, s, plain);
}

/* A block from before the window has no site. Returns what the block stood for. */
static inline __attribute__((always_inline)) struct lar_weight
count_death(struct heap_model *m, const struct live_block *b, const struct event *e, uint64_t now,
	    bool plain)
{
	struct lar_weight w = lar_weight(period_of(m, plain), b->size_bytes);

	if (__builtin_expect(b->site == SITE_NONE, 0)) {
		m->total.freed_bytes += w.bytes;
		m->total.frees += w.blocks;
		m->outside_frees++;
		return w;
	}
	watch_died(m, b, e, now);
	count_end(m, b, w, now, plain);
	return w;
}

/* Was the allocation of the block that e ends the last that its thread did? Of a sampled trace the
 * calls in between are not all known. */
static inline void count_temporary(struct heap_model *m, const struct event *e, uint64_t address,
				   uint32_t site, uint32_t thread, bool plain)
{
	bool is_last;

	if (e->thread >= m->thread_size || site == SITE_NONE || period_of(m, plain) ||
	    !in_window(m, e, plain))
		return;
	/* a sum, not a branch: it cannot be foreseen */
	is_last = (m->last_allocation[e->thread] == address) & (thread == e->thread);
	m->site[site].temporary += is_last;
	m->total.temporary += is_last;
}

/* heap_early.c: what comes in another order than it happened. */

/*
 * Was the block that e allocates freed at that very time, by another thread whose event came first?
 * When the own thread freed another block there in between, that is the one that was known.
 */
bool early_freed(struct heap_model *m, uint64_t address, const struct event *e);

/* Then its free is that of b, which e made. */
void early_is_free_of(struct heap_model *m, struct live_block *b, const struct event *e);

/* The place of a block that e makes where b is still thought to be in use; NULL = no memory. */
struct live_block *early_place(struct heap_model *m, struct live_block *b, const struct event *e);

/* Whether the end of a block, which began at `start`, has been counted already by early_place(). */
bool early_death(struct heap_model *m, const struct event *e, uint64_t address, uint64_t start);

#endif
