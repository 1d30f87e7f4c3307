/* SPDX-License-Identifier: MIT */
/* Decodes blocks ahead; see readahead.h. */
#include "readahead.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "processors.h"

#define ENTRIES	  6
#define DECODERS  3		    /* threads that decode at once */
#define MIN_COUNT 4		    /* blocks that are worth a thread */
#define MAX_WORDS ((32u << 20) / 8) /* decoded and not taken: no more are begun */

enum entry_state { ENTRY_FREE = 0, ENTRY_BUSY, ENTRY_READY };

struct entry {
	enum entry_state state;
	uint32_t block;
	uint32_t skipped;
	int rc;
	struct raw_records raw;
};

struct planned {
	uint64_t key;
	uint32_t block;
};

/* Who decodes has one of these. */
struct decoder {
	struct unblock unblock;
	bool busy;
};

/* The lock guards all that changes but what is in a busy decoder or entry. */
struct readahead {
	pthread_t thread;
	bool threaded;
	pthread_mutex_t lock;
	pthread_cond_t ready, room;
	const struct ringfile *file;
	const struct ringindex *index;
	struct decoder decoder[DECODERS];
	struct planned *plan;
	size_t planned, next;
	bool *begun; /* by block: by whomever */
	struct entry entry[ENTRIES];
	unsigned held; /* entries in use */
	size_t words;
	bool stop;
};

static int by_key(const void *a, const void *b)
{
	const struct planned *p = a, *q = b;

	if (p->key != q->key)
		return p->key < q->key ? -1 : 1;
	return (p->block > q->block) - (p->block < q->block);
}

/* A merge opens a block at its first time, but not before the one before it in its slot is done. */
static void make_plan(struct readahead *r, bool by_time, bool folded)
{
	const struct ringindex *index = r->index;
	uint64_t done = 0;

	for (size_t i = 0; i < index->count; i++) {
		uint32_t block = by_time ? index->by_slot[i] : (uint32_t)i;
		const struct ring_block *b = &index->blocks[block];

		if (!i || !by_time || b->slot != index->blocks[index->by_slot[i - 1]].slot)
			done = 0;
		if (b->lost || (!folded && b->folded == b->events))
			continue;
		if (done < b->first_ticks)
			done = b->first_ticks;
		r->plan[r->planned++] = (struct planned){ by_time ? done : i, block };
		if (done < b->last_ticks)
			done = b->last_ticks;
	}
	qsort(r->plan, r->planned, sizeof(*r->plan), by_key);
}

/* Under the lock: a place for the next block; NULL when enough lies ready. */
static struct entry *free_entry(struct readahead *r)
{
	for (size_t i = 0; i < ENTRIES && r->words <= MAX_WORDS; i++)
		if (r->entry[i].state == ENTRY_FREE)
			return &r->entry[i];
	return NULL;
}

/* Under the lock: one that is not busy, or NULL. */
static struct decoder *free_decoder(struct readahead *r)
{
	for (size_t i = 0; i < DECODERS; i++)
		if (!r->decoder[i].busy)
			return &r->decoder[i];
	return NULL;
}

/* Under the lock: is there a block left that nobody has begun? It is the next one then. */
static bool is_left(struct readahead *r)
{
	while (r->next < r->planned && r->begun[r->plan[r->next].block])
		r->next++;
	return r->next < r->planned;
}

/* Decodes one block with the lock released meanwhile; false when there is no place for it. */
static bool decode_next(struct readahead *r)
{
	struct decoder *d = free_decoder(r);
	struct entry *e = free_entry(r);

	if (!d || !e)
		return false;
	e->block = r->plan[r->next++].block;
	e->state = ENTRY_BUSY;
	d->busy = true;
	r->held++;
	r->begun[e->block] = true;
	pthread_mutex_unlock(&r->lock);
	memset(&e->raw, 0, sizeof(e->raw));
	e->skipped = 0;
	e->rc = unblock_read(&d->unblock, r->file, &r->index->blocks[e->block], &e->raw,
			     &e->skipped);
	pthread_mutex_lock(&r->lock);
	d->busy = false;
	e->state = ENTRY_READY;
	r->words += e->raw.capacity;
	pthread_cond_signal(&r->ready);
	return true;
}

static void *work(void *arg)
{
	struct readahead *r = arg;

	pthread_mutex_lock(&r->lock);
	while (!r->stop && is_left(r))
		if (!decode_next(r))
			pthread_cond_wait(&r->room, &r->lock);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

bool readahead_help(void *arg)
{
	struct readahead *r = arg;
	bool did;

	pthread_mutex_lock(&r->lock);
	did = is_left(r) && decode_next(r);
	pthread_mutex_unlock(&r->lock);
	return did;
}

static void readahead_free(struct readahead *r)
{
	for (size_t i = 0; i < ENTRIES; i++)
		if (r->entry[i].state == ENTRY_READY)
			free(r->entry[i].raw.words);
	for (size_t i = 0; i < DECODERS; i++)
		unblock_fini(&r->decoder[i].unblock);
	free(r->plan);
	free(r->begun);
	free(r);
}

struct readahead *readahead_start(const struct ringfile *file, const struct ringindex *index,
				  bool by_time, bool folded, bool helped)
{
	struct readahead *r;
	int err = 0;

	if (index->count < MIN_COUNT || !processors_several())
		return NULL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->file = file;
	r->index = index;
	r->plan = calloc(index->count, sizeof(*r->plan));
	r->begun = calloc(index->count, sizeof(*r->begun));
	for (size_t i = 0; i < DECODERS && !err; i++)
		err = unblock_init(&r->decoder[i].unblock);
	if (!r->plan || !r->begun || err) {
		readahead_free(r);
		return NULL;
	}
	make_plan(r, by_time, folded);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->ready, NULL);
	pthread_cond_init(&r->room, NULL);
	if (!helped || processors_count() > 2)
		r->threaded = !pthread_create(&r->thread, NULL, work, r);
	return r;
}

void readahead_stop(struct readahead *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->room);
	pthread_mutex_unlock(&r->lock);
	if (r->threaded)
		pthread_join(r->thread, NULL);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->ready);
	pthread_cond_destroy(&r->room);
	readahead_free(r);
}

bool readahead_take(struct readahead *r, uint32_t block, struct raw_records *out, uint32_t *skipped,
		    int *rc)
{
	struct entry *e = NULL;

	pthread_mutex_lock(&r->lock);
	for (size_t i = 0; i < ENTRIES; i++)
		if (r->entry[i].state != ENTRY_FREE && r->entry[i].block == block)
			e = &r->entry[i];
	if (!e) {
		r->begun[block] = true;
		pthread_mutex_unlock(&r->lock);
		return false;
	}
	while (e->state == ENTRY_BUSY)
		if (!is_left(r) || !decode_next(r))
			pthread_cond_wait(&r->ready, &r->lock);
	*out = e->raw;
	*skipped = e->skipped;
	*rc = e->rc;
	e->state = ENTRY_FREE;
	r->words -= e->raw.capacity;
	r->held--;
	/* a few blocks for each time that it wakes */
	if (r->held <= ENTRIES / 2)
		pthread_cond_signal(&r->room);
	pthread_mutex_unlock(&r->lock);
	return true;
}
