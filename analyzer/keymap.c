/* SPDX-License-Identifier: MIT */
/* Numbers for keys; see keymap.h. */
#include "keymap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int map_grow(struct keymap *m)
{
	struct keymap old = *m;
	uint32_t slots = old.mask ? (old.mask + 1) * 2 : 64;

	if (!slots)
		return -ENOMEM;
	m->slots = calloc(slots, sizeof(*m->slots));
	if (!m->slots) {
		m->slots = old.slots;
		return -ENOMEM;
	}
	m->mask = slots - 1;
	for (uint32_t i = 0; old.mask && i <= old.mask; i++) {
		uint32_t s;

		if (!old.slots[i].used)
			continue;
		for (s = keymap_slot_of(m, old.slots[i].key); m->slots[s].used;
		     s = (s + 1) & m->mask)
			;
		m->slots[s] = old.slots[i];
	}
	free(old.slots);
	return 0;
}

uint32_t keymap_search(const struct keymap *m, uint64_t key)
{
	if (!m->mask)
		return KEYMAP_NONE;
	for (uint32_t s = keymap_slot_of(m, key); m->slots[s].used; s = (s + 1) & m->mask)
		if (m->slots[s].key == key)
			return m->slots[s].number;
	return KEYMAP_NONE;
}

uint32_t keymap_number_new(struct keymap *m, uint64_t key)
{
	uint32_t s;

	if (m->count >= m->mask / 2 && map_grow(m))
		return KEYMAP_NONE;
	for (s = keymap_slot_of(m, key); m->slots[s].used; s = (s + 1) & m->mask)
		if (m->slots[s].key == key)
			return m->slots[s].number;
	m->slots[s] = (struct keymap_slot){ key, m->count, 1 };
	return m->count++;
}

void keymap_fini(struct keymap *m)
{
	free(m->slots);
	memset(m, 0, sizeof(*m));
}

int array_grow_raw(void **array, uint32_t *size, uint32_t index, uint32_t element_size)
{
	uint64_t wanted = *size ? *size : 16;
	void *grown;

	while (wanted <= index)
		wanted *= 2;
	if (wanted > UINT32_MAX)
		return -ENOMEM;
	grown = reallocarray(*array, wanted, element_size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*size = (uint32_t)wanted;
	return 0;
}

int array_grow(void **array, uint32_t *size, uint32_t index, uint32_t element_size)
{
	uint32_t before = *size;
	int err = array_grow_raw(array, size, index, element_size);

	if (!err)
		memset((char *)*array + (size_t)before * element_size, 0,
		       (size_t)(*size - before) * element_size);
	return err;
}
