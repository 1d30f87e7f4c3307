/* SPDX-License-Identifier: MIT */
/* Heap figures; see heap_model.h. */
#include "heap_model.h"

#include <stdlib.h>
#include <string.h>

#include "heap_count.h"

/* Threads above this number are too many to watch for temporary allocations. */
#define MAX_WATCHED_THREADS (1u << 20)

void heap_model_init(struct heap_model *m, const struct site_rule *rule, uint64_t since_ns)
{
	memset(m, 0, sizeof(*m));
	sites_init(&m->sites, rule);
	sites_init(&m->map_sites, rule);
	m->map_sites.few = true;
	m->since_ns = since_ns;
}

static void site_fini(struct heap_site *s)
{
	histogram_fini(&s->lifetime);
	series_fini(&s->line);
}

void heap_model_fini(struct heap_model *m)
{
	for (uint32_t i = 0; i < m->sites_ready; i++)
		site_fini(&m->site[i]);
	free(m->site);
	free(m->map_site);
	free(m->last_allocation);
	free(m->line);
	live_fini(&m->live);
	sites_fini(&m->sites);
	sites_fini(&m->map_sites);
}

/* Estimates are kept in units of theirs while the events come; a timeline is in bytes. */
static inline uint64_t in_bytes(const struct heap_model *m, uint64_t sum)
{
	return lar_weight_whole(m->sampling.period, sum);
}

static struct timeline_sample sample_now(const struct heap_model *m)
{
	const struct heap_totals *t = &m->total;

	return (struct timeline_sample){ .live_bytes = in_bytes(m, t->live_bytes),
					 .allocations = in_bytes(m, t->allocations),
					 .allocated_bytes = in_bytes(m, t->allocated_bytes),
					 .frees = in_bytes(m, t->frees),
					 .freed_bytes = in_bytes(m, t->freed_bytes),
					 .unpaired_frees = t->unpaired_frees + m->outside_frees,
					 .mapped_bytes = m->mapped_now,
					 .held_bytes = m->held_bytes,
					 .system_bytes = m->tick.heap_bytes + m->own_mapped_bytes,
					 .trim_bytes = m->tick.trim_bytes,
					 .io_calls = m->io_calls,
					 .io_bytes = m->io_bytes,
					 .rss_bytes = m->tick.rss_bytes,
					 .heap_bytes = m->tick.heap_bytes,
					 .threads = m->tick.threads };
}

int heap_model_start_line(struct heap_model *m, uint64_t now_ns)
{
	if (!m->line)
		m->line = calloc(1, sizeof(*m->line));
	if (!m->line)
		return -ENOMEM;
	timeline_start(m->line, now_ns, in_bytes(m, m->total.live_bytes));
	return 0;
}

static __attribute__((noinline)) void line_advance(struct heap_model *m, uint64_t now_ns)
{
	struct timeline_sample now = sample_now(m);

	timeline_advance(m->line, now_ns, &now);
}

static inline void note_last(struct heap_model *m, uint32_t thread, uint64_t address)
{
	if (__builtin_expect(thread >= m->thread_size, 0) &&
	    (thread >= MAX_WATCHED_THREADS ||
	     array_reserve((void **)&m->last_allocation, &m->thread_size, thread,
			   sizeof(*m->last_allocation))))
		return;
	m->last_allocation[thread] = address;
}

void heap_model_last(struct heap_model *m, uint32_t thread, uint64_t address)
{
	note_last(m, thread, address);
}

/* Room for all sites up to a new one; 0 or -ENOMEM. */
static __attribute__((noinline)) int sites_set_up(struct heap_model *m, uint32_t last)
{
	if (last == SITE_NONE ||
	    (last >= m->site_size &&
	     array_grow_raw((void **)&m->site, &m->site_size, last, sizeof(*m->site))))
		return -ENOMEM;
	for (; m->sites_ready <= last; m->sites_ready++) {
		struct heap_site *s = &m->site[m->sites_ready];

		*s = (struct heap_site){ .size_min = UINT64_MAX };
		histogram_init(&s->lifetime, HISTOGRAM_COARSE);
	}
	return 0;
}

static inline struct heap_site *site_of(struct heap_model *m, uint32_t stack, uint32_t thread,
					uint32_t *number)
{
	uint32_t n = sites_number(&m->sites, stack, thread);

	if (__builtin_expect(n >= m->sites_ready, 0) && sites_set_up(m, n))
		return NULL;
	*number = n;
	return &m->site[n];
}

struct heap_site *heap_model_site(struct heap_model *m, uint32_t stack, uint32_t thread,
				  uint32_t *number)
{
	return site_of(m, stack, thread, number);
}

/* Blocks of a thread that is not the one of the first. */
static __attribute__((noinline)) int second_thread(struct heap_model *m, const struct live_block *b)
{
	struct heap_second *second = &m->second;
	int err;

	if (!second->thread) {
		second->thread = b->thread;
		return 0;
	}
	err = second->begin(second->watch.arg, b);
	m->watch[m->watches++] = second->watch;
	second->begin = NULL;
	return err;
}

/* What is counted of a block that e made. */
static inline __attribute__((always_inline)) int block_known(struct heap_model *m,
							     struct heap_site *s,
							     const struct live_block *b,
							     const struct event *e, bool plain)
{
	count_birth(m, s, b->size_bytes, e->ticks, plain);
	if (__builtin_expect(m->second.begin && m->second.thread != b->thread, 0) &&
	    second_thread(m, b))
		return -ENOMEM;
	return watch_born(m, b, e);
}

static inline __attribute__((always_inline)) int
block_born(struct heap_model *m, const struct event *e, uint64_t address, uint64_t size, bool plain)
{
	struct heap_site *s = NULL;
	uint32_t site = SITE_NONE;
	struct live_block *b;
	bool known;

	if (__builtin_expect(in_window(m, e, plain), 1)) {
		s = site_of(m, e->stack, e->thread, &site);
		if (!s)
			return -ENOMEM;
	}
	b = live_claim(&m->live, address, &known);
	if (b && __builtin_expect(known, 0))
		b = early_place(m, b, e);
	if (!b)
		return -ENOMEM;
	b->size_bytes = size;
	b->born_ticks = e->ticks;
	b->site = site;
	b->thread = e->thread;
	if (s && block_known(m, s, b, e, plain))
		return -ENOMEM;
	note_last(m, e->thread, address);
	if (m->stray.ticks == e->ticks && m->stray.count && early_freed(m, address, e))
		early_is_free_of(m, b, e);
	return 0;
}

static inline __attribute__((always_inline)) void
block_died(struct heap_model *m, const struct event *e, uint64_t address, uint64_t now, bool plain)
{
	struct live_block *b = live_find(&m->live, address);
	bool counts = in_window(m, e, plain);

	if ((!b || b->born_ticks > now || (b->born_ticks == now && b->thread != e->thread)) &&
	    early_death(m, e, address, now))
		return;
	if (!b) {
		m->total.unpaired_frees += counts;
		if (counts)
			moment_add(&m->stray, e->ticks, address, e->thread);
		return;
	}
	if (counts) {
		count_temporary(m, e, address, b->site, b->thread, plain);
		count_death(m, b, e, now, plain);
		moment_add(&m->freed, e->ticks, address, e->thread);
	}
	live_remove(&m->live, b);
}

static __attribute__((noinline)) int count_failure(struct heap_model *m, const struct event *e)
{
	struct heap_site *s;
	uint32_t site;

	heap_model_last(m, e->thread, 0);
	if (e->time_ns < m->since_ns)
		return 0;
	s = heap_model_site(m, e->stack, e->thread, &site);
	if (!s)
		return -ENOMEM;
	s->failed++;
	m->total.failed++;
	return 0;
}

/*
 * Only reallocs whose both blocks were recorded can be told from an allocation or a free, so they
 * stand for the others. A block that is unknown stands for itself.
 */
static inline void count_realloc(struct heap_model *m, uint64_t old, uint64_t size, bool plain)
{
	uint64_t period = period_of(m, plain);
	const struct live_block *b = period ? live_find(&m->live, old) : NULL;

	m->total.reallocations += period ? lar_weight_pair(period, b ? b->size_bytes : 0, size) : 1;
}

static inline __attribute__((always_inline)) int take_realloc(struct heap_model *m,
							      const struct event *e, bool plain)
{
	uint64_t took = e->field[1], old = e->field[2], now = e->field[3], size = e->field[4];

	if (!now && (size || !old))
		return count_failure(m, e);
	if (old && now && in_window(m, e, plain))
		count_realloc(m, old, size, plain);
	if (old == now && m->freed.ticks == e->ticks && !live_find(&m->live, old) &&
	    moment_take(&m->freed, old, e, false)) {
		/* Resized in place, then freed by another thread, whose free came first and was
		 * taken for the old size's. */
		m->total.unpaired_frees++;
		moment_add(&m->stray, e->ticks, old, 0);
		return block_born(m, e, now, size, plain);
	}
	if (old)
		block_died(m, e, old, e->ticks > took ? e->ticks - took : 0, plain);
	if (now)
		return block_born(m, e, now, size, plain);
	heap_model_last(m, e->thread, 0);
	return 0;
}

static __attribute__((noinline)) int take_other(struct heap_model *m, const struct event *e)
{
	return e->kind == LAR_EV_REALLOC ? take_realloc(m, e, false) : heap_model_other(m, e);
}

/* Is a realloc at `start` one of a block that stays where it is, and nothing of it in doubt? */
static inline bool is_settled(const struct heap_model *m, const struct event *e,
			      const struct live_block *b, uint64_t start)
{
	return b && b->site != SITE_NONE && b->born_ticks <= start &&
	       (b->born_ticks < start || b->thread == e->thread) &&
	       (m->stray.ticks != e->ticks || !m->stray.count) &&
	       (!m->second.begin || m->second.thread == e->thread);
}

/* As block_died() and block_born(), of a block that keeps its place in the table. */
static inline __attribute__((always_inline)) int
block_resized(struct heap_model *m, const struct event *e, struct live_block *b, uint64_t start)
{
	struct live_block old = *b;
	struct heap_site *s;
	uint32_t site;

	m->total.reallocations++;
	count_temporary(m, e, old.address, old.site, old.thread, true);
	count_end(m, &old, lar_weight(0, old.size_bytes), start, true);
	moment_add(&m->freed, e->ticks, old.address, e->thread);
	s = site_of(m, e->stack, e->thread, &site);
	if (!s)
		return -ENOMEM;
	b->size_bytes = e->field[4];
	b->born_ticks = e->ticks;
	b->site = site;
	b->thread = e->thread;
	count_birth(m, s, b->size_bytes, e->ticks, true);
	note_last(m, e->thread, b->address);
	return watch_resized(m, &old, b, e);
}

static __attribute__((noinline)) int take_plain_realloc(struct heap_model *m, const struct event *e)
{
	uint64_t took = e->field[1], start = e->ticks > took ? e->ticks - took : 0;
	struct live_block *b = NULL;

	if (e->field[2] && e->field[2] == e->field[3])
		b = live_find(&m->live, e->field[2]);
	return is_settled(m, e, b, start) ? block_resized(m, e, b, start)
					  : take_realloc(m, e, true);
}

static inline __attribute__((always_inline)) int take_event(struct heap_model *m,
							    const struct event *e, bool plain)
{
	if (!plain && m->look.event)
		m->look.event(m->look.arg, e);
	if ((plain || m->line) && __builtin_expect(e->time_ns >= m->line->end_ns, 0) &&
	    in_window(m, e, plain))
		line_advance(m, e->time_ns);
	if (e->kind == LAR_EV_ALLOC) {
		if (__builtin_expect(e->field[1] != 0, 1))
			return block_born(m, e, e->field[1], e->field[2], plain);
		return e->field[2] ? count_failure(m, e) : 0;
	}
	if (plain && e->kind == LAR_EV_REALLOC)
		return take_plain_realloc(m, e);
	if (e->kind != LAR_EV_FREE)
		return take_other(m, e);
	if (__builtin_expect(e->field[1] != 0, 1)) { /* else no recorder wrote it */
		block_died(m, e, e->field[1], e->ticks, plain);
		note_last(m, e->thread, 0);
	}
	return 0;
}

/* Of the table: a realloc's old block, any other's only one. */
static inline void fetch(const struct heap_model *m, const struct event *e)
{
	uint64_t address = e->field[e->kind == LAR_EV_REALLOC ? 2 : 1];
	const struct live_block *b = &m->live.slots[live_slot(&m->live, address)];

	__builtin_prefetch(b);
	__builtin_prefetch(b + 2); /* the next line: most runs of blocks end there */
}

void heap_model_fetch(const struct heap_model *m, const struct event *e, const struct event *end)
{
	for (; m->live.slots && e < end; e++)
		fetch(m, e);
}

/* Another processor has made it: that takes longer than one waits for memory. */
static inline void fetch_event(const struct event *e)
{
	__builtin_prefetch(e);
	__builtin_prefetch((const char *)e + 64);
}

static inline __attribute__((always_inline)) const struct event *
take_events(struct heap_model *m, const struct event *e, const struct event *end, int *err,
	    bool plain)
{
	const struct event *ahead = end - e > HEAP_AHEAD ? end - HEAP_AHEAD : e;
	int rc = 0;

	for (; e < ahead && !rc && m->live.slots; e++) {
		fetch_event(e + 2 * HEAP_AHEAD);
		fetch(m, e + HEAP_AHEAD);
		rc = take_event(m, e, plain);
		if (__builtin_expect(e->kind == LAR_EV_MAP, 0)) {
			*err = rc;
			return e + 1;
		}
	}
	for (; e < end && !rc; e++) {
		rc = take_event(m, e, plain);
		if (__builtin_expect(e->kind == LAR_EV_MAP, 0)) {
			*err = rc;
			return e + 1;
		}
	}
	*err = rc;
	return e;
}

static __attribute__((noinline)) const struct event *
take_plain(struct heap_model *m, const struct event *e, const struct event *end, int *err)
{
	return take_events(m, e, end, err, true);
}

static __attribute__((noinline)) const struct event *
take_any(struct heap_model *m, const struct event *e, const struct event *end, int *err)
{
	return take_events(m, e, end, err, false);
}

const struct event *heap_model_events(struct heap_model *m, const struct event *e,
				      const struct event *end, int *err)
{
	*err = 0;
	return is_plain(m) ? take_plain(m, e, end, err) : take_any(m, e, end, err);
}

int heap_model_event(struct heap_model *m, const struct event *e)
{
	int err;

	heap_model_events(m, e, e + 1, &err);
	return err;
}

/* The members of a site or of the totals that are sums of weights. */
#define ROUND_ALL(m, f)                                                                            \
	do {                                                                                       \
		uint64_t *sums[] = { &(f)->allocations, &(f)->allocated_bytes, &(f)->frees,        \
				     &(f)->freed_bytes, &(f)->live_blocks,     &(f)->live_bytes,   \
				     &(f)->peak_bytes };                                           \
		for (size_t k = 0; k < sizeof(sums) / sizeof(*sums); k++)                          \
			sampling_round(&(m)->sampling, sums[k]);                                   \
	} while (0)

void heap_model_finish(struct heap_model *m)
{
	for (unsigned i = 0; i < HEAP_LIVES; i++)
		life_settle(m, &m->life[i]);
	if (m->line)
		line_advance(m, m->line->end_ns - 1);
	ROUND_ALL(m, &m->total);
	sampling_round(&m->sampling, &m->total.implied_frees);
	sampling_round(&m->sampling, &m->total.reallocations);
	for (uint32_t i = 0; i < m->sites_ready; i++) {
		struct heap_site *s = &m->site[i];

		site_keep_peak(m, s);
		ROUND_ALL(m, s);
		sampling_round(&m->sampling, &s->at_peak_bytes);
		sampling_round(&m->sampling, &s->at_peak_blocks);
	}
}
