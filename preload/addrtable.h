/* SPDX-License-Identifier: MIT */
/*
 * A table by address: open addressing, no tombstones. An entry is a struct of `each` bytes whose
 * first word has the address in the bits of `mask`; 0 = a free place. Callers pass the same two
 * constants each time. No lock.
 */
#ifndef LARIAT_ADDRTABLE_H
#define LARIAT_ADDRTABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>

#include "attr.h"
#include "format/addrhash.h"
#include "pool.h"
#include "sys.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define ADDRTABLE_GIVE_BACK (1u << 20) /* bytes */
#define ADDRTABLE_SMALL	    2048u /* places: to move entries seldom is worth more than memory */

struct addrtable {
	void *entry;
	uint64_t room, count; /* places, those taken */
	uint64_t roomy;	      /* with up to so many places it is at most half full */
};

/* The four highest bits may tell which of several tables has an address. */
static always_inline uint64_t addrtable_hash(uint64_t address)
{
	return lar_address_hash(address);
}

/*
 * Places are in the order of the hashes but for these bits, whatever the size of the table: one
 * that grows by three eighths can be moved from front to back, its old pages given back on the way,
 * so that with at most 13 of 16 places taken an entry never takes more than 1.7 times its size, but
 * in a small one, or one that is roomy.
 */
static always_inline uint64_t addrtable_place(const struct addrtable *t, uint64_t address)
{
	return (addrtable_hash(address) << 4 >> 32) * t->room >> 32;
}

static always_inline uint64_t *addrtable_at(const struct addrtable *t, uint64_t each, uint64_t at)
{
	return (uint64_t *)((uint8_t *)t->entry + at * each);
}

static always_inline uint64_t addrtable_next(const struct addrtable *t, uint64_t at)
{
	return at + 1 < t->room ? at + 1 : 0;
}

/* The entry of an address, or NULL; valid until the table changes. */
static always_inline void *addrtable_find(const struct addrtable *t, uint64_t each, uint64_t mask,
					  uint64_t address)
{
	if (!t->count)
		return NULL;
	for (uint64_t at = addrtable_place(t, address);; at = addrtable_next(t, at)) {
		uint64_t *entry = addrtable_at(t, each, at);

		if ((*entry & mask) == address)
			return entry;
		if (!*entry)
			return NULL;
	}
}

/* The entry of an address, or the free place where it belongs. There is one. */
static always_inline void *addrtable_place_of(const struct addrtable *t, uint64_t each,
					      uint64_t mask, uint64_t address)
{
	uint64_t at = addrtable_place(t, address);
	uint64_t *entry = addrtable_at(t, each, at);

	while (*entry && (*entry & mask) != address) {
		at = addrtable_next(t, at);
		entry = addrtable_at(t, each, at);
	}
	return entry;
}

static always_inline uint64_t *addrtable_free_place(const struct addrtable *t, uint64_t each,
						    uint64_t address)
{
	uint64_t at = addrtable_place(t, address);

	while (*addrtable_at(t, each, at))
		at = addrtable_next(t, at);
	return addrtable_at(t, each, at);
}

/* So many entries it may have: nearly full, searches are long, but memory is bounded. */
static always_inline uint64_t addrtable_most(const struct addrtable *t)
{
	return t->room <= t->roomy ? t->room / 2 : t->room / 16 * 13;
}

static always_inline bool addrtable_is_full(const struct addrtable *t)
{
	return !t->entry || t->count >= addrtable_most(t);
}

static always_inline uint64_t addrtable_wider(const struct addrtable *t)
{
	return t->room < ADDRTABLE_SMALL || t->room < t->roomy ? 2 * t->room : t->room / 8 * 11;
}

/* Of another size, with the entries that keep(entry, arg) wants. False without memory: it is as it
 * was. */
static always_inline bool addrtable_rebuild(struct addrtable *t, uint64_t each, uint64_t mask,
					    uint64_t room,
					    bool (*keep)(const void *entry, uint64_t arg),
					    uint64_t arg)
{
	struct addrtable old = *t;
	uint64_t given_back = 0;

	*t = (struct addrtable){ pool_map(room * each), room, 0, old.roomy };
	if (!t->entry) {
		*t = old;
		return false;
	}
	if (old.entry && room <= 2 * ADDRTABLE_SMALL) /* all of it is going to be written to */
		sys_madvise(t->entry, (room * each + 4095) & ~4095ull, MADV_POPULATE_WRITE);
	for (uint64_t i = 0; old.entry && i < old.room; i++) {
		const uint64_t *entry = addrtable_at(&old, each, i);

		if (*entry && (!keep || keep(entry, arg))) {
			__builtin_memcpy(addrtable_free_place(t, each, *entry & mask), entry, each);
			t->count++;
		}
		if (i * each - given_back < ADDRTABLE_GIVE_BACK + 4096)
			continue;
		sys_madvise((uint8_t *)old.entry + given_back, ADDRTABLE_GIVE_BACK, MADV_DONTNEED);
		given_back += ADDRTABLE_GIVE_BACK;
	}
	if (old.entry)
		pool_unmap(old.entry, old.room * each);
	return true;
}

/* A place, zeroed but for the address, for one that is not there, in a table that is not full. */
static always_inline void *addrtable_add(struct addrtable *t, uint64_t each, uint64_t address)
{
	uint64_t *entry = addrtable_free_place(t, each, address);

	__builtin_memset(entry, 0, each);
	*entry = address;
	t->count++;
	return entry;
}

/* Places from `from` to `to`, upwards and around. */
static always_inline uint64_t addrtable_distance(const struct addrtable *t, uint64_t from,
						 uint64_t to)
{
	return to >= from ? to - from : to + t->room - from;
}

/* Takes out an entry that addrtable_find() returned. Those behind it in its run move up, so that no
 * hole ends a search too early. */
static always_inline void addrtable_remove(struct addrtable *t, uint64_t each, uint64_t mask,
					   void *found)
{
	uint64_t hole = (uint64_t)((uint8_t *)found - (uint8_t *)t->entry) / each, at = hole;

	for (;;) {
		uint64_t *entry, want;

		at = addrtable_next(t, at);
		entry = addrtable_at(t, each, at);
		if (!*entry)
			break;
		want = addrtable_place(t, *entry & mask);
		if (addrtable_distance(t, want, at) < addrtable_distance(t, hole, at))
			continue;
		__builtin_memcpy(addrtable_at(t, each, hole), entry, each);
		hole = at;
	}
	*addrtable_at(t, each, hole) = 0;
	t->count--;
}

/* Takes out the entries that keep(entry, arg) does not want. One that moves into a hole is looked
 * at there. */
static always_inline void addrtable_thin(struct addrtable *t, uint64_t each, uint64_t mask,
					 bool (*keep)(const void *entry, uint64_t arg),
					 uint64_t arg)
{
	for (uint64_t i = 0; i < t->room;) {
		uint64_t *entry = addrtable_at(t, each, i);

		if (!*entry || keep(entry, arg))
			i++;
		else
			addrtable_remove(t, each, mask, entry);
	}
}

#endif
