/* SPDX-License-Identifier: MIT */
/*
 * Numbers keys in the order of their first use: 64-bit key -> 0, 1, 2, ... Keys are never taken
 * out. Zeroed memory is an empty map. One thread at a time.
 */
#ifndef LARIAT_KEYMAP_H
#define LARIAT_KEYMAP_H

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

/* The key's number, given to it now if it is new (then it was `count`); KEYMAP_NONE = no memory. */
uint32_t keymap_number(struct keymap *m, uint64_t key);

/* The key's number or KEYMAP_NONE. */
uint32_t keymap_find(const struct keymap *m, uint64_t key);

void keymap_fini(struct keymap *m);

/*
 * Room for element `index` in an array that grows by doubling, new elements zeroed. *array may
 * move; *size counts elements. Returns 0 or -ENOMEM.
 */
int array_reserve(void **array, uint32_t *size, uint32_t index, uint32_t element_size);

#endif
