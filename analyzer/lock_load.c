/* SPDX-License-Identifier: MIT */
/* A checkpoint's tables of locks into a model; see lock_load.h. */
#include "lock_load.h"

#include <errno.h>
#include <stdlib.h>

/* Columns of the tables, as format/checkpoint.h has them. */
enum figure_column {
	FIGURE_ACQUISITIONS,
	FIGURE_FAILED_TRY,
	FIGURE_TIMEOUTS,
	FIGURE_ERRORS,
	FIGURE_HOLD,
	FIGURE_HOLD_MAX,
	FIGURE_OWNER_DIED,
	FIGURE_WAITERS,
	FIGURE_OWNER_CHANGES,
	FIGURE_CANCELLED,
};
enum lock_column {
	LOCK_ADDRESS,
	LOCK_CALL,
	LOCK_FIRST,
	LOCK_SHARED,
	LOCK_LIFE,
	LOCK_MORE_LIVES,
	LOCK_FIGURES
};
enum site_column {
	SITE_NODE,
	SITE_LOCK,
	SITE_MORE_LOCKS,
	SITE_CAUSED,
	SITE_CAUSED_TICKS,
	SITE_FIGURES
};
enum pair_column { PAIR_THREAD, PAIR_ADDRESS, PAIR_CALLER, PAIR_NODE, PAIR_LOCK };
enum condition_column {
	CONDITION_NODE,
	CONDITION_CALL,
	CONDITION_TIMEOUTS,
	CONDITION_ERRORS,
	CONDITION_SIGNALS,
	CONDITION_IN_VAIN,
	CONDITION_CANCELLED
};
enum order_column {
	ORDER_LOCK,
	ORDER_HELD,
	ORDER_NODE,
	ORDER_HELD_NODE,
	ORDER_THREAD,
	ORDER_INFO,
	ORDER_TIME
};
enum blame_column { BLAME_WAITS, BLAME_HOLDS, BLAME_LOCK, BLAME_COUNT, BLAME_TICKS, BLAME_MOST };
enum waiting_column {
	WAITING_THREAD,
	WAITING_NODE,
	WAITING_CALL,
	WAITING_ADDRESS,
	WAITING_SINCE,
	WAITING_HOLDER
};

struct load {
	struct lock_model *m;
	const struct checkpoint *c;
	bool sums;
	uint32_t *lock; /* by row of the table + 1; [0]: those that share a row */
	uint64_t locks; /* elements of it */
};

/* A site as a first column has it. */
static uint32_t stack_of(const struct load *l, uint64_t site)
{
	return site ? checkpoint_stack(l->c, site - 1) : 0;
}

/* A site as another column has it into *to, SITE_NONE for none. Returns 0 or -ENOMEM. */
static int load_site_of(const struct load *l, uint64_t site, uint32_t thread, uint32_t lock,
			uint32_t *to)
{
	*to = SITE_NONE;
	if (!site)
		return 0;
	*to = lock_model_site(l->m, stack_of(l, site - 1), thread, lock);
	return *to == SITE_NONE ? -ENOMEM : 0;
}

static void add(struct lock_figures *f, const uint64_t *v, const struct histogram *wait,
		const struct histogram *held, bool sums)
{
	f->acquisitions += v[FIGURE_ACQUISITIONS];
	f->failed_try += v[FIGURE_FAILED_TRY];
	f->hold_ticks += v[FIGURE_HOLD];
	if (v[FIGURE_HOLD_MAX] > f->hold_max_ticks)
		f->hold_max_ticks = v[FIGURE_HOLD_MAX];
	f->waiters += v[FIGURE_WAITERS];
	f->owner_died += v[FIGURE_OWNER_DIED];
	f->owner_changes += v[FIGURE_OWNER_CHANGES];
	histogram_merge(&f->held, held);
	if (!sums)
		return;
	f->timeouts += v[FIGURE_TIMEOUTS];
	f->errors += v[FIGURE_ERRORS];
	f->cancelled += v[FIGURE_CANCELLED];
	f->contended += wait->count;
	histogram_merge(&f->wait, wait);
}

/* The row's figures into one or two sums. */
static void load_figures(const struct load *l, struct checkpoint_rows *r, unsigned column,
			 struct lock_figures *f, struct lock_figures *total)
{
	struct histogram wait, held;

	histogram_init(&wait, HISTOGRAM_FINE);
	histogram_init(&held, HISTOGRAM_FINE);
	checkpoint_histogram(r, &wait, 1);
	checkpoint_histogram(r, &held, 1);
	add(f, r->value + column, &wait, &held, l->sums);
	if (total)
		add(total, r->value + column, &wait, &held, l->sums);
	histogram_fini(&wait);
	histogram_fini(&held);
}

static int load_locks(struct load *l)
{
	struct lock_model *m = l->m;
	struct checkpoint_rows r;
	const uint64_t *v = r.value;

	checkpoint_rows(l->c, LAR_TABLE_LOCKS, &r);
	l->locks = r.left + 1;
	l->lock = calloc(l->locks, sizeof(*l->lock));
	if (!l->lock)
		return -ENOMEM;
	l->lock[0] = KEYMAP_NONE;
	for (uint64_t row = 1; checkpoint_next(&r); row++) {
		uint32_t n = lock_model_life(m, v[LOCK_ADDRESS], (uint32_t)v[LOCK_LIFE],
					     (unsigned)v[LOCK_CALL]);

		if (n == KEYMAP_NONE)
			return -ENOMEM;
		l->lock[v[LOCK_ADDRESS] ? row : 0] = n;
		m->lock[n].more_lives += v[LOCK_MORE_LIVES];
		m->lock[n].shared += v[LOCK_SHARED];
		m->shared += v[LOCK_SHARED];
		load_figures(l, &r, LOCK_FIGURES, &m->lock[n].f, &m->total);
	}
	return 0;
}

/* Of a checkpoint that is not sound: the lock at address 0. */
static uint32_t lock_of(struct load *l, uint64_t lock)
{
	uint32_t n = lock < l->locks ? l->lock[lock] : KEYMAP_NONE;

	return n != KEYMAP_NONE ? n : lock_model_lock(l->m, 0, 0);
}

static int load_sites(struct load *l)
{
	struct lock_model *m = l->m;
	struct checkpoint_rows r;
	const uint64_t *v = r.value;

	checkpoint_rows(l->c, LAR_TABLE_LOCK_SITES, &r);
	while (checkpoint_next(&r)) {
		uint32_t lock = lock_of(l, v[SITE_LOCK]), site;

		if (lock == KEYMAP_NONE)
			return -ENOMEM;
		site = lock_model_site(m, stack_of(l, v[SITE_NODE]), SITE_FOLDED_THREADS, lock);
		if (site == SITE_NONE)
			return -ENOMEM;
		m->site[site].more_locks |= v[SITE_MORE_LOCKS] != 0;
		m->site[site].call = m->lock[lock].call;
		if (l->sums) {
			m->site[site].caused += v[SITE_CAUSED];
			m->site[site].caused_ticks += v[SITE_CAUSED_TICKS];
		}
		load_figures(l, &r, SITE_FIGURES, &m->site[site].f, NULL);
	}
	return 0;
}

/* Where locks are taken first: behind the sites, which have the order in which they were met. */
static int load_places(struct load *l)
{
	struct lock_model *m = l->m;
	struct checkpoint_rows r;
	const uint64_t *v = r.value;
	int err = 0;

	checkpoint_rows(l->c, LAR_TABLE_LOCKS, &r);
	for (uint64_t row = 1; !err && checkpoint_next(&r); row++) {
		uint32_t n = l->lock[v[LOCK_ADDRESS] ? row : 0];
		struct lock_one *lock = &m->lock[n];

		err = load_site_of(l, v[LOCK_FIRST], SITE_FOLDED_THREADS, n, &lock->first_site);
	}
	return err;
}

static int load_pairs(struct load *l)
{
	struct checkpoint_rows r;
	const uint64_t *v = r.value;

	checkpoint_rows(l->c, LAR_TABLE_LOCK_PAIRS, &r);
	while (checkpoint_next(&r)) {
		struct lock_pair *pair = lock_model_pair(l->m, (uint32_t)v[PAIR_THREAD],
							 v[PAIR_ADDRESS], v[PAIR_CALLER]);

		if (!pair)
			return -ENOMEM;
		pair->open = true;
		pair->stack = checkpoint_stack(l->c, v[PAIR_NODE]);
		/* those of signals are of none */
		pair->lock = v[PAIR_LOCK] < l->locks ? l->lock[v[PAIR_LOCK]] : KEYMAP_NONE;
	}
	return 0;
}

static int load_conditions(struct load *l)
{
	struct checkpoint_rows r;
	const uint64_t *v = r.value;

	checkpoint_rows(l->c, LAR_TABLE_CONDITIONS, &r);
	while (checkpoint_next(&r)) {
		unsigned call = (unsigned)v[CONDITION_CALL];
		struct condition_site *s = lock_model_condition(
			l->m, stack_of(l, v[CONDITION_NODE]), SITE_FOLDED_THREADS, call);
		struct condition_site *total =
			lock_call_condition(call) ? &l->m->condition_total : &l->m->other_total;
		struct histogram wait;

		if (!s)
			return -ENOMEM;
		s->signals += v[CONDITION_SIGNALS];
		s->in_vain += v[CONDITION_IN_VAIN];
		histogram_init(&wait, HISTOGRAM_FINE);
		checkpoint_histogram(&r, &wait, 1);
		for (struct condition_site *to = s; to && l->sums; to = to == s ? total : NULL) {
			to->waits += wait.count;
			to->timeouts += v[CONDITION_TIMEOUTS];
			to->errors += v[CONDITION_ERRORS];
			to->cancelled += v[CONDITION_CANCELLED];
			histogram_merge(&to->wait, &wait);
		}
		histogram_fini(&wait);
	}
	return 0;
}

static int load_order(struct load *l)
{
	struct checkpoint_rows r;
	const uint64_t *v = r.value;
	int err = 0;

	checkpoint_rows(l->c, LAR_TABLE_LOCK_ORDER, &r);
	while (!err && checkpoint_next(&r)) {
		struct lock_edge e = { .to = lock_of(l, v[ORDER_LOCK]),
				       .from = lock_of(l, v[ORDER_HELD]),
				       .stack = checkpoint_stack(l->c, v[ORDER_NODE]),
				       .held_stack = checkpoint_stack(l->c, v[ORDER_HELD_NODE]),
				       .thread = (uint32_t)v[ORDER_THREAD],
				       .ticks = v[ORDER_TIME] };

		if (e.to == KEYMAP_NONE || e.from == KEYMAP_NONE)
			return -ENOMEM;
		err = lock_order_add(&l->m->order, &e, v[ORDER_INFO]);
	}
	return err;
}

static int load_blame(struct load *l)
{
	struct checkpoint_rows r;
	const uint64_t *v = r.value;
	int err = 0;

	checkpoint_rows(l->c, LAR_TABLE_LOCK_BLAME, &r);
	while (!err && checkpoint_next(&r)) {
		struct lock_blame b = { .lock = lock_of(l, v[BLAME_LOCK]),
					.count = v[BLAME_COUNT],
					.ticks = v[BLAME_TICKS],
					.most = v[BLAME_MOST] };

		if (b.lock == KEYMAP_NONE)
			return -ENOMEM;
		err = load_site_of(l, v[BLAME_WAITS], SITE_FOLDED_THREADS, b.lock, &b.waits);
		if (!err)
			err = load_site_of(l, v[BLAME_HOLDS], SITE_FOLDED_THREADS, b.lock,
					   &b.holds);
		if (!err && b.waits != SITE_NONE)
			err = lock_waits_blame(&l->m->waits, &b);
	}
	return err;
}

static int load_waiting(struct load *l)
{
	struct checkpoint_rows r;
	const uint64_t *v = r.value;

	checkpoint_rows(l->c, LAR_TABLE_LOCK_WAITING, &r);
	while (checkpoint_next(&r)) {
		struct lock_waiting *w =
			lock_waits_thread(&l->m->waits, (uint32_t)v[WAITING_THREAD]);

		if (!w)
			return -ENOMEM;
		w->waits = true;
		w->stack = checkpoint_stack(l->c, v[WAITING_NODE]);
		w->call = (uint16_t)v[WAITING_CALL];
		w->address = v[WAITING_ADDRESS];
		w->since_ticks = v[WAITING_SINCE];
		w->holder_known = v[WAITING_HOLDER] != 0;
		w->holder_stack =
			w->holder_known ? checkpoint_stack(l->c, v[WAITING_HOLDER] - 1) : 0;
	}
	return 0;
}

int lock_load(struct lock_model *m, const struct checkpoint *c, bool sums)
{
	struct load l = { .m = m, .c = c, .sums = sums };
	struct checkpoint_rows r;
	int err;

	checkpoint_rows(c, LAR_TABLE_LOCK_TOTALS, &r);
	if (checkpoint_next(&r)) {
		m->unowned_unlocks += r.value[0];
		m->order.left_out += r.value[1];
		for (unsigned i = 0; i < LAR_SIGNALS; i++) {
			m->signals[i] += r.value[2 + 2 * i];
			m->in_vain[i] += r.value[3 + 2 * i];
		}
		m->forks_held += r.value[8];
		m->fork_stack = checkpoint_stack(c, r.value[9]);
		m->unowned_stack = checkpoint_stack(c, r.value[10]);
		m->abandoned += r.value[11];
		m->abandoned_stack = checkpoint_stack(c, r.value[12]);
	}
	err = load_locks(&l);
	if (!err)
		err = load_sites(&l);
	if (!err)
		err = load_places(&l);
	if (!err)
		err = load_pairs(&l);
	if (!err)
		err = load_conditions(&l);
	if (!err)
		err = load_order(&l);
	if (!err && sums)
		err = load_blame(&l);
	if (!err)
		err = load_waiting(&l);
	free(l.lock);
	return err;
}
