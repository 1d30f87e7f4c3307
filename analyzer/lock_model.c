/* SPDX-License-Identifier: MIT */
/* Lock figures; see lock_model.h. */
#include "lock_model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void lock_model_init(struct lock_model *m, const struct site_rule *rule, uint64_t since_ns)
{
	memset(m, 0, sizeof(*m));
	sites_init(&m->sites, rule);
	sites_init(&m->condition_sites, rule);
	histogram_init(&m->total.wait, HISTOGRAM_FINE);
	histogram_init(&m->condition_total.wait, HISTOGRAM_FINE);
	m->since_ns = since_ns;
}

void lock_model_fini(struct lock_model *m)
{
	for (uint32_t i = 0; i < m->lock_map.count && i < m->lock_size; i++)
		histogram_fini(&m->lock[i].f.wait);
	for (uint32_t i = 0; i < m->sites.count && i < m->site_size; i++)
		histogram_fini(&m->site[i].f.wait);
	for (uint32_t i = 0; i < m->condition_sites.count && i < m->condition_size; i++)
		histogram_fini(&m->condition[i].wait);
	histogram_fini(&m->total.wait);
	histogram_fini(&m->condition_total.wait);
	free(m->lock);
	free(m->pair);
	free(m->site);
	free(m->condition);
	keymap_fini(&m->lock_map);
	keymap_fini(&m->pair_map);
	sites_fini(&m->sites);
	sites_fini(&m->condition_sites);
}

const char *lock_kind(unsigned call)
{
	static const struct {
		const char *prefix, *kind;
	} kinds[] = {
		{ "pthread_mutex_", "mutex" },
		{ "pthread_rwlock_", "rwlock" },
		{ "pthread_spin_", "spinlock" },
		{ "pthread_cond_", "condition" },
		{ "pthread_barrier_", "barrier" },
		{ "sem_", "semaphore" },
		{ "mtx_", "mutex" },
		{ "cnd_", "condition" },
	};
	const char *name = call_name(call);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strncmp(name, kinds[i].prefix, strlen(kinds[i].prefix)))
			return kinds[i].kind;
	return "lock";
}

uint32_t lock_model_lock(struct lock_model *m, uint64_t address, unsigned call)
{
	uint32_t n = keymap_number(&m->lock_map, address);
	struct lock_one *l;

	if (n == KEYMAP_NONE ||
	    array_reserve((void **)&m->lock, &m->lock_size, n, sizeof(*m->lock)))
		return KEYMAP_NONE;
	l = &m->lock[n];
	if (!l->f.wait.bits) {
		l->address = address;
		l->call = (uint16_t)call;
		l->first_site = l->latest_site = SITE_NONE;
		histogram_init(&l->f.wait, HISTOGRAM_FINE);
	}
	return n;
}

struct lock_pair *lock_model_pair(struct lock_model *m, uint32_t thread, uint32_t lock)
{
	uint32_t known = m->pair_map.count;
	uint32_t n = keymap_number(&m->pair_map, (uint64_t)thread << 32 | lock);

	if (n == KEYMAP_NONE ||
	    array_reserve((void **)&m->pair, &m->pair_size, n, sizeof(*m->pair)))
		return NULL;
	if (n == known) {
		m->pair[n].lock = lock;
		m->pair[n].first_site = SITE_NONE;
	}
	return &m->pair[n];
}

/* The pair, or NULL where the thread has not been first since the last LOCKSUM. */
static struct lock_pair *pair_find(struct lock_model *m, uint32_t thread, uint32_t lock)
{
	uint32_t n = keymap_find(&m->pair_map, (uint64_t)thread << 32 | lock);

	return n == KEYMAP_NONE || m->pair[n].first_site == SITE_NONE ? NULL : &m->pair[n];
}

uint32_t lock_model_site(struct lock_model *m, uint32_t stack, uint32_t thread, uint32_t lock)
{
	uint32_t n = sites_number(&m->sites, stack, thread);
	struct lock_site *s;

	if (n == SITE_NONE || array_reserve((void **)&m->site, &m->site_size, n, sizeof(*m->site)))
		return SITE_NONE;
	s = &m->site[n];
	if (!s->used) {
		histogram_init(&s->f.wait, HISTOGRAM_FINE);
		s->lock = lock;
		s->used = true;
	}
	s->more_locks |= s->lock != lock;
	return n;
}

/*
 * Which lock events are acquisitions that no LOCKSUM counts: a thread that holds very many locks
 * has no cell left for another, and then each of its acquisitions is an event.
 */
static bool is_uncounted(const struct event *e, bool acquired)
{
	return acquired && e->flags & LAR_LOCK_NO_CELL;
}

/* Such an acquisition is in a LOCKSUM, too. */
static bool is_told_twice(const struct event *e)
{
	return (e->flags & (LAR_LOCK_CONTENDED | LAR_LOCK_NO_CELL)) == LAR_LOCK_CONTENDED;
}

/* What one LOCK event adds to each of total, lock and site. */
static void figures_add(struct lock_figures *f, const struct event *e, bool acquired)
{
	f->acquisitions += is_uncounted(e, acquired);
	if (e->flags & LAR_LOCK_TRY && !acquired)
		f->failed_try++;
	else if (e->field[3] == ETIMEDOUT)
		f->timeouts++;
	else if (!acquired)
		f->errors++;
	if (e->flags & LAR_LOCK_CONTENDED && !(e->flags & LAR_LOCK_TRY)) {
		f->contended++;
		histogram_add(&f->wait, e->field[1]);
	}
}

static int take_lock(struct lock_model *m, const struct event *e)
{
	uint32_t lock = lock_model_lock(m, e->field[2], e->call);
	bool acquired = !e->field[3] || e->field[3] == EOWNERDEAD;
	struct lock_pair *pair;
	uint32_t site;

	if (lock == KEYMAP_NONE)
		return -ENOMEM;
	site = lock_model_site(m, e->stack, e->thread, lock);
	if (site == SITE_NONE)
		return -ENOMEM;
	if (e->flags & LAR_LOCK_FIRST) {
		pair = lock_model_pair(m, e->thread, lock);
		if (!pair)
			return -ENOMEM;
		pair->first_site = m->lock[lock].latest_site = site;
	} else {
		pair = pair_find(m, e->thread, lock);
	}
	if (m->lock[lock].first_site == SITE_NONE)
		m->lock[lock].first_site = site;
	if (acquired && is_told_twice(e) && (!pair || site != pair->first_site)) {
		m->site[site].f.acquisitions++;
		*(pair ? &pair->elsewhere : &m->lock[lock].elsewhere) += 1;
	}
	if (e->time_ns < m->since_ns)
		return 0;
	figures_add(&m->total, e, acquired);
	figures_add(&m->lock[lock].f, e, acquired);
	figures_add(&m->site[site].f, e, acquired);
	return 0;
}

static void sum_add(struct lock_figures *f, const struct event *e, uint64_t acquisitions)
{
	f->acquisitions += acquisitions;
	f->failed_try += e->field[5]; /* those that made no event */
	f->hold_ticks += e->field[3];
	if (e->field[4] > f->hold_max_ticks)
		f->hold_max_ticks = e->field[4];
}

/* The site of a thread's first acquisition has all of them that no event of another site has. */
static int take_sum(struct lock_model *m, const struct event *e)
{
	uint32_t lock = lock_model_lock(m, e->field[1], e->call);
	uint64_t elsewhere = 0;
	struct lock_pair *pair;
	uint32_t site;

	if (lock == KEYMAP_NONE)
		return -ENOMEM;
	pair = pair_find(m, e->thread, lock);
	site = pair ? pair->first_site : m->lock[lock].latest_site;
	if (site == SITE_NONE) { /* the event is lost: the stack is unknown */
		site = lock_model_site(m, 0, e->thread, lock);
		if (site == SITE_NONE)
			return -ENOMEM;
		m->lock[lock].latest_site = site;
	}
	if (pair) {
		elsewhere = pair->elsewhere;
		pair->first_site = SITE_NONE;
		pair->elsewhere = 0;
	}
	sum_add(&m->total, e, e->field[2]);
	sum_add(&m->lock[lock].f, e, e->field[2]);
	sum_add(&m->site[site].f, e, e->field[2] - elsewhere);
	return 0;
}

void lock_model_finish(struct lock_model *m)
{
	for (uint32_t i = 0; i < m->pair_map.count && i < m->pair_size; i++)
		if (m->pair[i].first_site != SITE_NONE)
			m->site[m->pair[i].first_site].f.acquisitions -= m->pair[i].elsewhere;
	for (uint32_t i = 0; i < m->lock_map.count && i < m->lock_size; i++) {
		const struct lock_one *l = &m->lock[i];

		if (l->latest_site != SITE_NONE)
			m->site[l->latest_site].f.acquisitions -= l->elsewhere;
	}
	/* less than none: events are lost */
	for (uint32_t i = 0; i < m->sites.count && i < m->site_size; i++)
		if ((int64_t)m->site[i].f.acquisitions < 0)
			m->site[i].f.acquisitions = 0;
}

static void condition_add(struct condition_site *c, const struct event *e)
{
	c->waits++;
	if (e->field[3] == ETIMEDOUT)
		c->timeouts++;
	else if (e->field[3])
		c->errors++;
	histogram_add(&c->wait, e->field[1]);
}

struct condition_site *lock_model_condition(struct lock_model *m, uint32_t stack, uint32_t thread)
{
	uint32_t n = sites_number(&m->condition_sites, stack, thread);

	if (n == SITE_NONE ||
	    array_reserve((void **)&m->condition, &m->condition_size, n, sizeof(*m->condition)))
		return NULL;
	if (!m->condition[n].wait.bits)
		histogram_init(&m->condition[n].wait, HISTOGRAM_FINE);
	return &m->condition[n];
}

static int take_condition(struct lock_model *m, const struct event *e)
{
	struct condition_site *c;

	if (e->time_ns < m->since_ns)
		return 0;
	c = lock_model_condition(m, e->stack, e->thread);
	if (!c)
		return -ENOMEM;
	condition_add(&m->condition_total, e);
	condition_add(c, e);
	return 0;
}

int lock_model_event(struct lock_model *m, const struct event *e)
{
	if (e->kind == LAR_EV_LOCKSUM)
		return take_sum(m, e);
	if (e->kind != LAR_EV_LOCK)
		return 0;
	switch (call_operation(e->call)) {
	case LAR_OP_CONDWAIT:
		return take_condition(m, e);
	case LAR_OP_UNLOCK:
		m->unowned_unlocks += !!(e->flags & LAR_LOCK_UNOWNED);
		return 0;
	case LAR_OP_DESTROY:
		return 0;
	default:
		return take_lock(m, e);
	}
}
