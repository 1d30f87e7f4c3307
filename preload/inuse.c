/* SPDX-License-Identifier: MIT */
/* The tables of blocks in use; see inuse.h. */
#include "inuse.h"

#include <stdatomic.h>
#include <sys/mman.h>

#include "recorder.h"
#include "thread.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#define MADV_KEEPONFORK 19
#endif

#define EACH	    sizeof(struct inuse_block)
#define FIRST	    128u  /* places of a table */
#define ROOMY	    4096u /* places of a table: 1.5 MiB in all */
#define BATCH	    32	  /* on the stack of a thread of the program */
#define YIELDS	    200000u
#define WHILE	    (1ull << 32) /* ticks, some seconds */
#define RECENT_MOST (16u << 10)	 /* entries, in all tables */

enum state { STATE_NONE = 0, STATE_ON, STATE_OFF };

struct shard {
	struct spin lock;
	struct addrtable table;
} __attribute__((aligned(64)));

struct inuse {
	_Atomic uint32_t state;
	_Atomic uint32_t applying; /* threads that are at it */
	_Atomic uint32_t closed;   /* who wants them not to be */
	struct shard shard[INUSE_SHARDS];
	uint32_t behind[RECORDER_MAX_SLOTS]; /* by slot: the fill behind the last known one */
};

struct batch {
	struct inuse *u;
	uint32_t slot;
	unsigned count;
	bool failed;
	struct lar_net net[BATCH];
};

/* What a buffer has changed comes in the order of lar_address_hash(): for one shard, and in each
 * from one end of the table to the other. */
static unsigned shard_of(uint64_t address)
{
	return (unsigned)(addrtable_hash(address) >> 60);
}
_Static_assert(INUSE_SHARDS == 1 << 4, "bits that shard_of() takes");

/* As many frees as allocations. Where it is not known what came last, a late event may yet say that
 * something is there, and then its size is what is known here. */
static bool is_over(const struct inuse_block *x)
{
	return !(x->time & 255) && !(x->key & (INUSE_LIVE | INUSE_TIE));
}

static bool is_wanted(const void *entry, uint64_t since)
{
	const struct inuse_block *x = entry;

	return !is_over(x) || x->time >> 8 >= since;
}

/*
 * In a full table. Where several threads have buffers, what is over stays for a while, since a late
 * buffer may be about the same address: until the table is full, and as long as it is not too much.
 */
static bool make_room(struct addrtable *t)
{
	uint64_t since = (lar_ticks() - WHILE) >> lar->time_shift, needed = 0, recent = 0;
	uint64_t room;

	for (uint64_t i = 0; t->entry && i < t->room; i++) {
		const struct inuse_block *x = &((const struct inuse_block *)t->entry)[i];

		if (!x->key)
			continue;
		needed += !is_over(x);
		recent += is_over(x) && is_wanted(x, since);
	}
	if (recent > needed / 4 + RECENT_MOST / INUSE_SHARDS)
		since = UINT64_MAX;
	else
		needed += recent;
	if (t->entry && needed <= addrtable_most(t) / 13 * 9) {
		addrtable_thin(t, EACH, INUSE_ADDRESS, is_wanted, since);
		return true;
	}
	room = t->entry ? addrtable_wider(t) : FIRST;
	return addrtable_rebuild(t, EACH, INUSE_ADDRESS, room, is_wanted, since);
}

static bool apply(struct addrtable *t, uint32_t slot, const struct lar_net *e)
{
	struct inuse_block *x;
	bool alone = atomic_load_explicit(&lar->slots_used, memory_order_relaxed) <= 1, fresh;

	if (!inuse_address_fits(e->address))
		return true;
	if (addrtable_is_full(t) && !make_room(t))
		return false;
	x = addrtable_place_of(t, EACH, INUSE_ADDRESS, e->address);
	fresh = !x->key;
	if (fresh && alone && e->freed && !(e->balance & 255)) /* it came and went */
		return true;
	if (fresh) {
		*x = (struct inuse_block){ 0 };
		t->count++;
	}
	inuse_apply(x, fresh, slot, e, lar->time_shift);
	if (is_over(x) && alone)
		addrtable_remove(t, EACH, INUSE_ADDRESS, x);
	return true;
}

/* The tables are larger than a cache: what a batch needs is fetched at once. */
static void flush(struct batch *b)
{
	struct shard *held = NULL;

	for (unsigned i = 0; i < b->count; i++) {
		const struct addrtable *t = &b->u->shard[shard_of(b->net[i].address)].table;

		if (t->entry)
			__builtin_prefetch(
				addrtable_at(t, EACH, addrtable_place(t, b->net[i].address)), 1);
	}
	for (unsigned i = 0; i < b->count && !b->failed; i++) {
		struct shard *s = &b->u->shard[shard_of(b->net[i].address)];

		if (s != held) {
			if (held)
				spin_unlock(&held->lock);
			held = spin_lock(&s->lock) ? s : NULL;
		}
		b->failed = !held || !apply(&s->table, b->slot, &b->net[i]);
	}
	if (held)
		spin_unlock(&held->lock);
}

/* Tables are only of use where a scan may come. */
static struct inuse *tables(void)
{
	struct inuse *none = NULL, *u = atomic_load_explicit(&lar->inuse, memory_order_acquire);

	if (u || !(lar->config.record & LAR_RECORD_HEAP) || lar->config.sample_bytes ||
	    lar->config.leak_scan == CONFIG_LEAK_SCAN_OFF || lar->inuse_failed)
		return u;
	u = pool_map(sizeof(*u));
	if (!u) {
		lar->inuse_failed = true;
		return NULL;
	}
	for (unsigned i = 0; i < INUSE_SHARDS; i++)
		u->shard[i].table.roomy = ROOMY;
	atomic_store(&u->state, STATE_ON);
	if (atomic_compare_exchange_strong(&lar->inuse, &none, u))
		return u;
	pool_unmap(u, sizeof(*u));
	return none;
}

/* Not while somebody looks, nor for ever. */
static bool enter(struct inuse *u)
{
	for (unsigned i = 0; i < YIELDS; i++) {
		atomic_fetch_add(&u->applying, 1);
		if (!atomic_load(&u->closed))
			return true;
		atomic_fetch_sub(&u->applying, 1);
		sys_yield();
	}
	return false;
}

static bool await_others(struct inuse *u)
{
	for (unsigned i = 0; i < YIELDS; i++) {
		if (!atomic_load(&u->applying))
			return true;
		sys_yield();
	}
	return false;
}

void inuse_seal(struct thread *t, struct lar_encoder *enc)
{
	struct inuse *u = tables();
	struct lar_net_at at = { 0 };
	struct batch b;

	if (!u || atomic_load(&u->state) != STATE_ON)
		return;
	if (!enter(u)) {
		atomic_store(&u->state, STATE_OFF);
		return;
	}
	b.u = u;
	b.slot = t->index;
	b.failed = false;
	/* the ring may have got half full meanwhile, and who gave the tables back has waited */
	if (atomic_load(&u->state) == STATE_ON) {
		lar_encode_net_begin(enc);
		do {
			b.count =
				lar_encode_net(enc, t->buffer, lar->time_shift, &at, b.net, BATCH);
			flush(&b);
		} while (b.count == BATCH && !b.failed);
		u->behind[t->index] = (uint32_t)(t->slot_seq >> 32) + 1;
		if (b.failed)
			atomic_store(&u->state, STATE_OFF);
	}
	atomic_fetch_sub(&u->applying, 1);
}

void inuse_drop(void)
{
	struct inuse *u = atomic_load(&lar->inuse);

	lar->inuse_failed = true; /* none is made from now on */
	if (!u || atomic_exchange(&u->state, STATE_OFF) != STATE_ON || !await_others(u))
		return;
	for (unsigned i = 0; i < INUSE_SHARDS; i++) {
		struct addrtable *t = &u->shard[i].table;

		if (t->entry)
			pool_unmap(t->entry, t->room * EACH);
		*t = (struct addrtable){ 0 };
	}
}

void inuse_stop(void)
{
	struct inuse *u = atomic_load(&lar->inuse);

	lar->inuse_failed = true;
	if (u)
		atomic_store(&u->state, STATE_OFF);
}

struct inuse *inuse_close(void)
{
	struct inuse *u = atomic_load(&lar->inuse);

	if (u)
		atomic_fetch_add(&u->closed, 1);
	if (u && !await_others(u)) /* one that others will not wait for again */
		atomic_store(&u->state, STATE_OFF);
	return u;
}

void inuse_open(struct inuse *u)
{
	atomic_fetch_sub(&u->closed, 1);
}

bool inuse_whole(const struct inuse *u)
{
	return atomic_load(&u->state) == STATE_ON;
}

const struct addrtable *inuse_table(const struct inuse *u, unsigned shard)
{
	return &u->shard[shard].table;
}

bool inuse_has(const struct inuse *u, uint32_t slot, uint32_t fill)
{
	return slot < RECORDER_MAX_SLOTS && u->behind[slot] == fill + 1;
}

bool inuse_keep_on_fork(const struct inuse *u, bool keep)
{
	bool done = true;

	for (unsigned i = 0; i < INUSE_SHARDS; i++) {
		const struct addrtable *t = inuse_table(u, i);

		if (t->entry)
			done &= !sys_madvise(t->entry, (t->room * EACH + 4095) & ~4095ull,
					     keep ? MADV_KEEPONFORK : MADV_WIPEONFORK);
	}
	return done;
}

uint64_t inuse_count(void)
{
	const struct inuse *u = atomic_load(&lar->inuse);
	uint64_t n = 0;

	if (!u || atomic_load(&u->state) != STATE_ON)
		return lar->header->ring_blocks ? UINT64_MAX : 0;
	for (unsigned i = 0; i < INUSE_SHARDS; i++)
		n += u->shard[i].table.count;
	return n;
}

const struct inuse_block *inuse_find(const struct addrtable *shards, uint64_t address)
{
	return addrtable_find(&shards[shard_of(address)], EACH, INUSE_ADDRESS, address);
}
