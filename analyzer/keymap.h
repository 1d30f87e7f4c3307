/* SPDX-License-Identifier: MIT */
/*
 * Numbers keys in the order of their first use: 64-bit key -> 0, 1, 2, ... Keys are never taken
 * out. Zeroed memory is an empty map. One thread at a time.
 */
#ifndef LARIAT_KEYMAP_H
#define LARIAT_KEYMAP_H

#include <stddef.h>
#include <stdint.h>

#define KEYMAP_NONE UINT32_MAX

struct keymap_slot {
	uint64_t key;
	uint32_t number;
	uint32_t used;
};

struct keymap {
	struct keymap_slot *slots;
	uint32_t mask; /* slots - 1; 0 = none yet */
	uint32_t count;
};

static inline uint32_t keymap_slot_of(const struct keymap *m, uint64_t key)
{
	key ^= key >> 32;
	return (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> 32) & m->mask;
}

/* The slow paths of the next two. */
uint32_t keymap_number_new(struct keymap *m, uint64_t key);
uint32_t keymap_search(const struct keymap *m, uint64_t key);

/* The key's number, given to it now if it is new (then it was `count`); KEYMAP_NONE = no memory. */
static inline uint32_t keymap_number(struct keymap *m, uint64_t key)
{
	const struct keymap_slot *s = m->mask ? &m->slots[keymap_slot_of(m, key)] : NULL;

	return s && s->used && s->key == key ? s->number : keymap_number_new(m, key);
}

/* The key's number or KEYMAP_NONE. */
static inline uint32_t keymap_find(const struct keymap *m, uint64_t key)
{
	const struct keymap_slot *s = m->mask ? &m->slots[keymap_slot_of(m, key)] : NULL;

	return s && s->used && s->key == key ? s->number : keymap_search(m, key);
}

void keymap_fini(struct keymap *m);

/* The slow path of array_reserve(). */
int array_grow(void **array, uint32_t *size, uint32_t index, uint32_t element_size);

/* The same with new elements that hold anything: memory that is not needed yet is not touched. */
int array_grow_raw(void **array, uint32_t *size, uint32_t index, uint32_t element_size);

/*
 * Room for element `index` in an array that grows by doubling, new elements zeroed. *array may
 * move; *size counts elements. Returns 0 or -ENOMEM.
 */
static inline int array_reserve(void **array, uint32_t *size, uint32_t index, uint32_t element_size)
{
	return index < *size ? 0 : array_grow(array, size, index, element_size);
}

#endif
