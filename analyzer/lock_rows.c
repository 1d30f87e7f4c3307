/* SPDX-License-Identifier: MIT */
/* The rows of the lock model: locks, sites, first uses; see lock_model.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lock_model.h"

static void figures_init(struct lock_figures *f)
{
	histogram_init(&f->wait, HISTOGRAM_FINE);
	histogram_init(&f->held, HISTOGRAM_FINE);
}

static void figures_fini(struct lock_figures *f)
{
	histogram_fini(&f->wait);
	histogram_fini(&f->held);
}

void lock_model_init(struct lock_model *m, const struct site_rule *rule, uint64_t since_ns)
{
	memset(m, 0, sizeof(*m));
	sites_init(&m->sites, rule);
	sites_init(&m->condition_sites, rule);
	figures_init(&m->total);
	histogram_init(&m->condition_total.wait, HISTOGRAM_FINE);
	histogram_init(&m->other_total.wait, HISTOGRAM_FINE);
	m->since_ns = since_ns;
}

void lock_model_fini(struct lock_model *m)
{
	for (uint32_t i = 0; i < m->lock_count; i++)
		figures_fini(&m->lock[i].f);
	for (uint32_t i = 0; i < m->sites.count && i < m->site_size; i++)
		figures_fini(&m->site[i].f);
	for (uint32_t i = 0; i < m->condition_sites.count && i < m->condition_size; i++)
		histogram_fini(&m->condition[i].wait);
	figures_fini(&m->total);
	histogram_fini(&m->condition_total.wait);
	histogram_fini(&m->other_total.wait);
	lock_waits_fini(&m->waits);
	lock_order_fini(&m->order);
	free(m->lock);
	free(m->address);
	free(m->pair);
	free(m->site);
	free(m->condition);
	keymap_fini(&m->addresses);
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
		{ "pthread_once", "once" },
		{ "sem_", "semaphore" },
		{ "mtx_", "mutex" },
		{ "cnd_", "condition" },
		{ "call_once", "once" },
		{ "syscall", "futex" },
	};
	const char *name = call_name(call);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strncmp(name, kinds[i].prefix, strlen(kinds[i].prefix)))
			return kinds[i].kind;
	return "lock";
}

bool lock_call_condition(unsigned call)
{
	return call_operation(call) == LAR_OP_CONDWAIT;
}

/* A new row; KEYMAP_NONE = no memory. */
static uint32_t lock_new(struct lock_model *m, uint64_t address, unsigned call)
{
	uint32_t n = m->lock_count;
	struct lock_one *l;

	if (array_reserve((void **)&m->lock, &m->lock_size, n, sizeof(*m->lock)))
		return KEYMAP_NONE;
	l = &m->lock[n];
	l->address = address;
	l->call = (uint16_t)call;
	l->first_site = SITE_NONE;
	l->instance = 1;
	figures_init(&l->f);
	m->lock_count++;
	return n;
}

/* The element of what is at an address now: a row + 1, or 0. */
static uint32_t *lock_now(struct lock_model *m, uint64_t address)
{
	uint32_t n = keymap_number(&m->addresses, address);

	if (n == KEYMAP_NONE ||
	    array_reserve((void **)&m->address, &m->address_size, n, sizeof(*m->address)))
		return NULL;
	return &m->address[n];
}

uint32_t lock_model_lock(struct lock_model *m, uint64_t address, unsigned call)
{
	uint32_t *now = lock_now(m, address);

	if (!now)
		return KEYMAP_NONE;
	if (!*now)
		*now = lock_new(m, address, call) + 1; /* KEYMAP_NONE + 1 is 0 */
	return *now - 1;
}

uint32_t lock_model_life(struct lock_model *m, uint64_t address, uint32_t life, unsigned call)
{
	uint32_t n = lock_model_lock(m, address, call), fresh;

	if (n == KEYMAP_NONE || life <= m->lock[n].life)
		return n;
	if (m->lock[n].life && m->lock_count < LOCK_ROWS_MOST) {
		fresh = lock_new(m, address, call);
		if (fresh == KEYMAP_NONE)
			return fresh;
		m->lock[fresh].instance = m->lock[n].instance + 1;
		*lock_now(m, address) = fresh + 1;
		n = fresh;
	} else if (m->lock[n].life) {
		m->lock[n].more_lives++;
	}
	m->lock[n].life = life;
	return n;
}

static uint64_t pair_key(uint32_t thread, uint64_t address, uint64_t caller)
{
	return lock_mix(lock_mix(lock_mix(1, thread), address), caller);
}

struct lock_pair *lock_model_pair(struct lock_model *m, uint32_t thread, uint64_t address,
				  uint64_t caller)
{
	uint32_t n = keymap_number(&m->pair_map, pair_key(thread, address, caller));

	if (n == KEYMAP_NONE ||
	    array_reserve((void **)&m->pair, &m->pair_size, n, sizeof(*m->pair)))
		return NULL;
	return &m->pair[n];
}

struct lock_pair *lock_model_pair_find(const struct lock_model *m, uint32_t thread,
				       uint64_t address, uint64_t caller)
{
	uint32_t n = keymap_find(&m->pair_map, pair_key(thread, address, caller));

	return n == KEYMAP_NONE || !m->pair[n].open ? NULL : &m->pair[n];
}

uint32_t lock_model_site(struct lock_model *m, uint32_t stack, uint32_t thread, uint32_t lock)
{
	uint32_t n = sites_number(&m->sites, stack, thread);
	struct lock_site *s;

	if (n == SITE_NONE || array_reserve((void **)&m->site, &m->site_size, n, sizeof(*m->site)))
		return SITE_NONE;
	s = &m->site[n];
	if (!s->used) {
		figures_init(&s->f);
		s->lock = lock;
		s->used = true;
	}
	s->more_locks |= s->lock != lock;
	return n;
}

struct condition_site *lock_model_condition(struct lock_model *m, uint32_t stack, uint32_t thread,
					    unsigned call)
{
	uint32_t n = sites_number(&m->condition_sites, stack, thread);

	if (n == SITE_NONE ||
	    array_reserve((void **)&m->condition, &m->condition_size, n, sizeof(*m->condition)))
		return NULL;
	if (!m->condition[n].wait.bits) {
		histogram_init(&m->condition[n].wait, HISTOGRAM_FINE);
		m->condition[n].call = (uint16_t)call;
	}
	return &m->condition[n];
}
