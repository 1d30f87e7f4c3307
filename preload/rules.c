/* SPDX-License-Identifier: MIT */
/* Cache of unwinding rules; see rules.h. */
#include "rules.h"

#include <sys/mman.h>

#include "cfi.h"
#include "module.h"
#include "pool.h"
#include "recorder.h"
#include "sys.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define RULES_FIRST   (1u << 9) /* entries of the first table: 8 KiB */
#define RULES_GROW    4
#define RULES_MAX     (1u << 21)
#define RULES_WRITING 1

static size_t table_size(uint32_t entries)
{
	return sizeof(struct rules_table) + (size_t)entries * sizeof(struct rules_entry);
}

static struct rules_table *table_new(uint32_t entries)
{
	struct rules_table *t = pool_map(table_size(entries));

	if (t)
		t->mask = entries - 1;
	return t;
}

/* Where `key` is, or the free place where it may go, or NULL when the table is full. */
static struct rules_entry *table_place(struct rules_table *t, uint64_t key, uint64_t *found)
{
	uint32_t i = rules_hash(key) & t->mask;

	for (uint32_t n = 0; n <= t->mask; n++, i = (i + 1) & t->mask) {
		*found = atomic_load_explicit(&t->entry[i].key, memory_order_acquire);
		if (!*found || *found == key)
			return &t->entry[i];
	}
	return NULL;
}

static void table_insert(struct rules_table *t, uint64_t key, uint64_t rule)
{
	for (;;) {
		uint64_t found, expected = 0;
		struct rules_entry *e = table_place(t, key, &found);

		if (!e || found == key)
			return;
		if (!atomic_compare_exchange_strong(&e->key, &expected, RULES_WRITING))
			continue;
		e->rule = rule;
		atomic_store_explicit(&e->key, key, memory_order_release);
		atomic_fetch_add_explicit(&t->used, 1, memory_order_relaxed);
		return;
	}
}

/*
 * Replaces the table by one of four times the size. The old one stays mapped: a thread may be
 * reading it. All old ones together are a third of the current one.
 */
static void table_grow(struct rules_table *t)
{
	struct rules_table *bigger;

	if (t->mask + 1 >= RULES_MAX || !spin_lock(&lar->rules_lock))
		return;
	if (atomic_load(&lar->rules) == t && (bigger = table_new((t->mask + 1) * RULES_GROW))) {
		/* rules go to nearly all of its pages at once */
		sys_madvise(bigger, table_size(bigger->mask + 1), MADV_POPULATE_WRITE);
		for (uint32_t i = 0; i <= t->mask; i++) {
			uint64_t key = atomic_load_explicit(&t->entry[i].key, memory_order_acquire);

			if (key > RULES_WRITING)
				table_insert(bigger, key, t->entry[i].rule);
		}
		bigger->older = t;
		atomic_store_explicit(&lar->rules, bigger, memory_order_release);
	}
	spin_unlock(&lar->rules_lock);
}

static uint64_t rule_compute(uint64_t key)
{
	uint64_t pc = key & ~RULES_EXACT;
	struct cfi_object object;

	if (!cfi_find_object(pc, &object))
		return RULE_NONE;
	module_register(&object);
	return rule_plain(cfi_rule(&object, pc, !(key & RULES_EXACT)));
}

uint64_t rules_fill(uint64_t key)
{
	struct rules_table *t = atomic_load_explicit(&lar->rules, memory_order_acquire);
	uint32_t generation = atomic_load(&lar->generation);
	uint64_t rule = rule_compute(key);

	if (!t) {
		struct rules_table *none = NULL;

		t = table_new(RULES_FIRST);
		if (!t)
			return rule;
		if (!atomic_compare_exchange_strong(&lar->rules, &none, t)) {
			pool_unmap(t, table_size(RULES_FIRST));
			t = none;
		}
	}
	/* a module that went away meanwhile must leave no rule behind; a search ends at a free
	 * place, so some always are */
	if (atomic_load(&lar->generation) == generation &&
	    atomic_load_explicit(&t->used, memory_order_relaxed) < t->mask - t->mask / 4)
		table_insert(t, key, rule);
	if (atomic_load_explicit(&t->used, memory_order_relaxed) > t->mask / 2)
		table_grow(t);
	return rule;
}

void rules_forget(uint64_t start, uint64_t end)
{
	struct rules_table *t;

	if (!spin_lock(&lar->rules_lock)) {
		/* without the lock the cache is only given up, never cleared under a writer */
		atomic_store(&lar->rules, NULL);
		return;
	}
	t = atomic_load(&lar->rules);
	for (uint32_t i = 0; t && i <= t->mask; i++) {
		uint64_t key = atomic_load_explicit(&t->entry[i].key, memory_order_relaxed);

		/* a hole may end the search for an entry further on: that is then made again */
		if (key > RULES_WRITING && (key & ~RULES_EXACT) >= start &&
		    (key & ~RULES_EXACT) <= end) {
			atomic_store_explicit(&t->entry[i].key, 0, memory_order_release);
			atomic_fetch_sub_explicit(&t->used, 1, memory_order_relaxed);
		}
	}
	spin_unlock(&lar->rules_lock);
}

void rules_new_generation(void)
{
	atomic_fetch_add(&lar->generation, 1);
	cfi_forget();
}
