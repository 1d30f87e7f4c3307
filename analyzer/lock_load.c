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
};
enum lock_column { LOCK_ADDRESS, LOCK_CALL, LOCK_FIRST, LOCK_LATEST, LOCK_ELSEWHERE, LOCK_FIGURES };
enum site_column { SITE_NODE, SITE_LOCK, SITE_MORE_LOCKS, SITE_FIGURES };
enum pair_column { PAIR_THREAD, PAIR_LOCK, PAIR_SITE, PAIR_ELSEWHERE };

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

static void add(struct lock_figures *f, const uint64_t *v, const struct histogram *wait, bool sums)
{
	f->acquisitions += v[FIGURE_ACQUISITIONS];
	f->failed_try += v[FIGURE_FAILED_TRY];
	f->hold_ticks += v[FIGURE_HOLD];
	if (v[FIGURE_HOLD_MAX] > f->hold_max_ticks)
		f->hold_max_ticks = v[FIGURE_HOLD_MAX];
	if (!sums)
		return;
	f->timeouts += v[FIGURE_TIMEOUTS];
	f->errors += v[FIGURE_ERRORS];
	f->contended += wait->count;
	histogram_merge(&f->wait, wait);
}

/* The row's figures into one or two sums. */
static void load_figures(const struct load *l, struct checkpoint_rows *r, unsigned column,
			 struct lock_figures *f, struct lock_figures *total)
{
	struct histogram wait;

	histogram_init(&wait, HISTOGRAM_FINE);
	checkpoint_histogram(r, &wait, 1);
	add(f, r->value + column, &wait, l->sums);
	if (total)
		add(total, r->value + column, &wait, l->sums);
	histogram_fini(&wait);
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
		uint32_t n = lock_model_lock(m, v[LOCK_ADDRESS], (unsigned)v[LOCK_CALL]);

		if (n == KEYMAP_NONE)
			return -ENOMEM;
		l->lock[v[LOCK_ADDRESS] ? row : 0] = n;
		m->lock[n].elsewhere += v[LOCK_ELSEWHERE];
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
		if (!err)
			err = load_site_of(l, v[LOCK_LATEST], SITE_FOLDED_THREADS, n,
					   &lock->latest_site);
	}
	return err;
}

static int load_pairs(struct load *l)
{
	struct checkpoint_rows r;
	const uint64_t *v = r.value;

	checkpoint_rows(l->c, LAR_TABLE_LOCK_PAIRS, &r);
	while (checkpoint_next(&r)) {
		uint32_t lock = lock_of(l, v[PAIR_LOCK]), thread = (uint32_t)v[PAIR_THREAD];
		struct lock_pair *pair;

		if (lock == KEYMAP_NONE)
			return -ENOMEM;
		pair = lock_model_pair(l->m, thread, lock);
		if (!pair || load_site_of(l, v[PAIR_SITE], thread, lock, &pair->first_site))
			return -ENOMEM;
		pair->elsewhere += v[PAIR_ELSEWHERE];
	}
	return 0;
}

static int load_conditions(struct load *l)
{
	struct condition_site *total = &l->m->condition_total;
	struct checkpoint_rows r;
	const uint64_t *v = r.value;

	checkpoint_rows(l->c, LAR_TABLE_CONDITIONS, &r);
	while (checkpoint_next(&r)) {
		struct condition_site *s =
			lock_model_condition(l->m, stack_of(l, v[0]), SITE_FOLDED_THREADS);
		struct histogram wait;

		if (!s)
			return -ENOMEM;
		histogram_init(&wait, HISTOGRAM_FINE);
		checkpoint_histogram(&r, &wait, 1);
		for (struct condition_site *to = s; to; to = to == s ? total : NULL) {
			to->waits += wait.count;
			to->timeouts += v[1];
			to->errors += v[2];
			histogram_merge(&to->wait, &wait);
		}
		histogram_fini(&wait);
	}
	return 0;
}

int lock_load(struct lock_model *m, const struct checkpoint *c, bool sums)
{
	struct load l = { .m = m, .c = c, .sums = sums };
	struct checkpoint_rows r;
	int err;

	checkpoint_rows(c, LAR_TABLE_LOCK_TOTALS, &r);
	if (checkpoint_next(&r))
		m->unowned_unlocks += r.value[0];
	err = load_locks(&l);
	if (!err)
		err = load_sites(&l);
	if (!err)
		err = load_places(&l);
	if (!err)
		err = load_pairs(&l);
	if (!err && sums)
		err = load_conditions(&l);
	free(l.lock);
	return err;
}
