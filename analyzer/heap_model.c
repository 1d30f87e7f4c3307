/* SPDX-License-Identifier: MIT */
/* Heap figures; see heap_model.h. */
#include "heap_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Threads above this number are too many to watch for temporary allocations. */
#define MAX_WATCHED_THREADS (1u << 20)

void heap_model_init(struct heap_model *m, const struct site_rule *rule, uint64_t since_ns)
{
	memset(m, 0, sizeof(*m));
	sites_init(&m->sites, rule);
	sites_init(&m->map_sites, rule);
	m->since_ns = since_ns;
}

static void site_fini(struct heap_site *s)
{
	histogram_fini(&s->lifetime);
	series_fini(&s->line);
}

void heap_model_fini(struct heap_model *m)
{
	for (uint32_t i = 0; i < m->sites.count && i < m->site_size; i++)
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
	    array_reserve((void **)&m->site, &m->site_size, last, sizeof(*m->site)))
		return -ENOMEM;
	for (; m->sites_ready <= last; m->sites_ready++) {
		histogram_init(&m->site[m->sites_ready].lifetime, HISTOGRAM_COARSE);
		m->site[m->sites_ready].size_min = UINT64_MAX;
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

/* A block from before the window has no site. Returns what the block stood for. */
static inline __attribute__((always_inline)) struct lar_weight
count_death(struct heap_model *m, const struct live_block *b, const struct event *e, uint64_t now,
	    bool plain)
{
	struct lar_weight w = lar_weight(period_of(m, plain), b->size_bytes);
	struct heap_site *s;
	uint64_t age;

	m->total.freed_bytes += w.bytes;
	m->total.frees += w.blocks;
	if (__builtin_expect(b->site == SITE_NONE, 0)) {
		m->outside_frees++;
		return w;
	}
	watch_died(m, b, e, now);
	s = &m->site[b->site];
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
	return w;
}

/*
 * Was the block that e allocates freed at that very time, by another thread whose event came first?
 * When the own thread freed another block there in between, that is the one that was known.
 */
static __attribute__((noinline)) bool freed_before_born(struct heap_model *m, uint64_t address,
							const struct event *e)
{
	if (moment_take(&m->stray, address, e, false))
		return true;
	if (!moment_take(&m->stray, address, e, true))
		return false;
	if (moment_take(&m->freed, address, e, false))
		return true;
	moment_add(&m->stray, e->ticks, address, e->thread);
	return false;
}

/* Room for one more; when all is taken, the oldest, whose realloc does not seem to come, goes. */
static struct heap_early *early_new(struct heap_model *m)
{
	struct heap_early *oldest = &m->early[0];

	if (m->early_count < HEAP_EARLY)
		return &m->early[m->early_count++];
	for (uint32_t i = 1; i < HEAP_EARLY; i++)
		if (m->early[i].ticks < oldest->ticks)
			oldest = &m->early[i];
	return oldest;
}

/*
 * The address is given out again while we think it is in use. A realloc is recorded when it is
 * done, so another thread can have got its old block, and be recorded, before. If no such realloc
 * follows, the free was never recorded.
 */
static __attribute__((noinline)) void
block_given_out_again(struct heap_model *m, struct live_block *b, const struct event *e)
{
	struct heap_early *early;

	/* its free came before it did: of that step of the clock the order is not known */
	if (m->stray.count && (moment_take(&m->stray, b->address, e, false) ||
			       moment_take(&m->stray, b->address, e, true))) {
		m->total.unpaired_frees--;
		count_death(m, b, e, e->ticks, false);
		live_remove(&m->live, b);
		return;
	}
	early = early_new(m);
	early->address = b->address;
	early->ticks = e->ticks;
	early->site = b->site;
	early->thread = b->thread;
	early->weight = count_death(m, b, e, e->ticks, false);
	m->total.frees -= early->weight.blocks;
	m->total.freed_bytes -= early->weight.bytes;
	m->total.implied_frees += early->weight.blocks;
	live_remove(&m->live, b);
}

/* The place of a block that e makes; NULL = no memory. */
static __attribute__((noinline)) struct live_block *
place_again(struct heap_model *m, struct live_block *b, const struct event *e)
{
	uint64_t address = b->address;
	bool known;

	block_given_out_again(m, b, e);
	return live_claim(&m->live, address, &known);
}

/* A block whose free came before it. */
static __attribute__((noinline)) void block_was_freed(struct heap_model *m, struct live_block *b,
						      const struct event *e)
{
	uint64_t address = b->address;

	m->total.unpaired_frees--;
	count_death(m, b, e, e->ticks, false);
	live_remove(&m->live, b);
	moment_add(&m->freed, e->ticks, address, 0); /* if it is resized in place yet */
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
		b = place_again(m, b, e);
	if (!b)
		return -ENOMEM;
	b->size_bytes = size;
	b->born_ticks = e->ticks;
	b->site = site;
	b->thread = e->thread;
	if (s && block_known(m, s, b, e, plain))
		return -ENOMEM;
	note_last(m, e->thread, address);
	if (m->stray.ticks == e->ticks && m->stray.count && freed_before_born(m, address, e))
		block_was_freed(m, b, e);
	return 0;
}

/* Was the allocation of the block that e ends the last that its thread did? Of a sampled trace the
 * calls in between are not all known. */
static inline void count_temporary(struct heap_model *m, const struct event *e, uint64_t address,
				   uint32_t site, uint32_t thread, bool plain)
{
	if (e->thread >= m->thread_size || m->last_allocation[e->thread] != address ||
	    thread != e->thread || site == SITE_NONE || period_of(m, plain) ||
	    !in_window(m, e, plain))
		return;
	m->site[site].temporary++;
	m->total.temporary++;
}

/*
 * Was the block's end announced by block_given_out_again()? Then it is counted already. The oldest
 * announcement since the realloc began is its own: when several threads were held up in reallocs of
 * one address, the later announcements are the others'. A free's is of its very time: two threads
 * can free and allocate in one step of the clock, and the free has its place behind what its thread
 * did before it.
 */
static __attribute__((noinline)) bool death_was_early(struct heap_model *m, const struct event *e,
						      uint64_t address, uint64_t start)
{
	struct heap_early *own = NULL;

	for (uint32_t i = 0; i < m->early_count; i++) {
		struct heap_early *early = &m->early[i];

		if (early->address == address && early->ticks >= start &&
		    (!own || early->ticks < own->ticks))
			own = early;
	}
	if (!own)
		return false;
	m->total.frees += own->weight.blocks;
	m->total.freed_bytes += own->weight.bytes;
	m->total.implied_frees -= own->weight.blocks;
	count_temporary(m, e, address, own->site, own->thread, false);
	*own = m->early[--m->early_count];
	return true;
}

static inline __attribute__((always_inline)) void
block_died(struct heap_model *m, const struct event *e, uint64_t address, uint64_t now, bool plain)
{
	struct live_block *b = live_find(&m->live, address);
	bool counts = in_window(m, e, plain);

	if ((!b || b->born_ticks > now || (b->born_ticks == now && b->thread != e->thread)) &&
	    death_was_early(m, e, address, now))
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
static void count_realloc(struct heap_model *m, uint64_t old, uint64_t size)
{
	const struct live_block *b = m->sampling.period ? live_find(&m->live, old) : NULL;

	m->total.reallocations += lar_weight_pair(m->sampling.period, b ? b->size_bytes : 0, size);
}

static __attribute__((noinline)) int take_realloc(struct heap_model *m, const struct event *e)
{
	uint64_t took = e->field[1], old = e->field[2], now = e->field[3], size = e->field[4];

	if (!now && (size || !old))
		return count_failure(m, e);
	if (old && now && e->time_ns >= m->since_ns)
		count_realloc(m, old, size);
	if (old == now && m->freed.ticks == e->ticks && !live_find(&m->live, old) &&
	    moment_take(&m->freed, old, e, false)) {
		/* Resized in place, then freed by another thread, whose free came first and was
		 * taken for the old size's. */
		m->total.unpaired_frees++;
		moment_add(&m->stray, e->ticks, old, 0);
		return block_born(m, e, now, size, false);
	}
	if (old)
		block_died(m, e, old, e->ticks > took ? e->ticks - took : 0, false);
	if (now)
		return block_born(m, e, now, size, false);
	heap_model_last(m, e->thread, 0);
	return 0;
}

static __attribute__((noinline)) int take_other(struct heap_model *m, const struct event *e)
{
	return e->kind == LAR_EV_REALLOC ? take_realloc(m, e) : heap_model_other(m, e);
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

static inline __attribute__((always_inline)) const struct event *
take_events(struct heap_model *m, const struct event *e, const struct event *end, int *err,
	    bool plain)
{
	const struct event *ahead = end - e > HEAP_AHEAD ? end - HEAP_AHEAD : e;
	int rc = 0;

	for (; e < ahead && !rc && m->live.slots; e++) {
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
	for (uint32_t i = 0; i < m->sites.count && i < m->site_size; i++) {
		struct heap_site *s = &m->site[i];

		site_keep_peak(m, s);
		ROUND_ALL(m, s);
		sampling_round(&m->sampling, &s->at_peak_bytes);
		sampling_round(&m->sampling, &s->at_peak_blocks);
	}
}
