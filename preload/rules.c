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

#define PAGE	    4096ul
#define RULES_FIRST (1u << 9)  /* entries of the first table: one page */
#define RULES_SMALL (1u << 12) /* below, a table grows to four times its size */
#define RULES_MAX   (1u << 21)

static size_t table_size(uint32_t entries)
{
	return sizeof(struct rules_table) + (size_t)entries * sizeof(uint64_t);
}

/* `distinct` NULL: with memory for the rules of its own. */
static struct rules_table *table_new(uint32_t entries, const uint64_t *distinct)
{
	size_t size = table_size(entries);
	struct rules_table *t = pool_map(size + (distinct ? 0 : RULES_DISTINCT * 8));

	if (!t)
		return NULL;
	/* hashed into all over at once: a fault for each page would cost more */
	sys_madvise(t, (size + (distinct ? 0 : RULES_DISTINCT * 8) + PAGE - 1) & ~(PAGE - 1),
		    MADV_POPULATE_WRITE);
	t->mask = entries - 1;
	t->distinct = distinct ? distinct : (const uint64_t *)((uint8_t *)t + size);
	return t;
}

/* Where the key is, or the free place where it may go, or NULL when the table is full. */
static _Atomic uint64_t *table_place(struct rules_table *t, uint64_t key48, uint64_t *found)
{
	uint32_t i = rules_place(key48) & t->mask;

	for (uint32_t n = 0; n <= t->mask; n++, i = (i + 1) & t->mask) {
		*found = atomic_load_explicit(&t->entry[i], memory_order_acquire);
		if (!*found || *found >> 16 == key48)
			return &t->entry[i];
	}
	return NULL;
}

static void table_insert(struct rules_table *t, uint64_t entry)
{
	for (;;) {
		uint64_t found, expected = 0;
		_Atomic uint64_t *e = table_place(t, entry >> 16, &found);

		if (!e || found)
			return;
		if (!atomic_compare_exchange_strong(e, &expected, entry))
			continue;
		atomic_fetch_add_explicit(&t->used, 1, memory_order_relaxed);
		return;
	}
}

#define RULES_KNOWN 0x80u /* a bit that rules do not use: none is 0 in the list */

/* The number of a rule among the distinct ones, or -1 when there are too many. */
static int32_t distinct_number(struct rules_table *t, uint64_t rule)
{
	_Atomic uint64_t *distinct = (_Atomic uint64_t *)t->distinct;
	uint32_t i = (uint32_t)((rule * 0x9e3779b97f4a7c15ull) >> 53);

	for (uint32_t n = 0; n < RULES_DISTINCT / 2; n++, i = (i + 1) % RULES_DISTINCT) {
		uint64_t there = 0;

		if (atomic_load(&distinct[i]) == rule ||
		    atomic_compare_exchange_strong(&distinct[i], &there, rule) || there == rule)
			return (int32_t)i;
	}
	return -1;
}
_Static_assert(RULES_DISTINCT == 1 << 11 && RULES_DISTINCT <= 1 << 16, "bits of a rule's number");

/*
 * Replaces the table by one of twice the size. The old one stays mapped: a thread may be reading
 * it. All old ones together are as large as the current one.
 */
static void table_grow(struct rules_table *t)
{
	struct rules_table *bigger;
	uint32_t entries;

	if (t->mask + 1 >= RULES_MAX || !spin_lock(&lar->rules_lock))
		return;
	entries = (t->mask + 1) * (t->mask + 1 < RULES_SMALL ? 4 : 2);
	if (atomic_load(&lar->rules) == t && (bigger = table_new(entries, t->distinct))) {
		for (uint32_t i = 0; i <= t->mask; i++) {
			uint64_t e = atomic_load_explicit(&t->entry[i], memory_order_acquire);

			if (e)
				table_insert(bigger, e);
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
	int32_t number;

	if (!t) {
		struct rules_table *none = NULL;

		t = table_new(RULES_FIRST, NULL);
		if (!t)
			return rule;
		if (!atomic_compare_exchange_strong(&lar->rules, &none, t)) {
			pool_unmap(t, table_size(RULES_FIRST) + RULES_DISTINCT * 8);
			t = none;
		}
	}
	number = (key & ~RULES_EXACT) >> 47 ? -1 : distinct_number(t, rule | RULES_KNOWN);
	/* a module that went away meanwhile must leave no rule behind; a search ends at a free
	 * place, so some always are */
	if (number >= 0 && atomic_load(&lar->generation) == generation &&
	    atomic_load_explicit(&t->used, memory_order_relaxed) < t->mask - t->mask / 4)
		table_insert(t, rules_key48(key) << 16 | (uint64_t)number);
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
		uint64_t e = atomic_load_explicit(&t->entry[i], memory_order_relaxed);
		uint64_t pc = e >> 16 & ((1ull << 47) - 1);

		/* a hole may end the search for an entry further on: that is then made again */
		if (e && pc >= start && pc <= end) {
			atomic_store_explicit(&t->entry[i], 0, memory_order_release);
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
