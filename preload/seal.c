/* SPDX-License-Identifier: MIT */
/*
 * Sealing: encode, compress, append to the ring, start the buffer anew. Runs on the thread whose
 * buffer is full, with all signals blocked: no handler sees it half done, and a handler's own
 * recording never waits for a lock that the interrupted code holds.
 */
#include "seal.h"

#define ZSTD_STATIC_LINKING_ONLY
#include <string.h>

#include <sys/mman.h>
#include <time.h>
#include <zstd.h>

#include "fault.h"
#include "format/codec.h"
#include "inuse.h"
#include "kernelio.h"
#include "note.h"
#include "pool.h"
#include "recorder.h"
#include "resident.h"
#include "ring.h"
#include "snapshot.h"
#include "stdiocell.h"
#include "sys.h"
#include "tracefile.h"
#include "unwind.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define SEAL_LEVEL	  1
#define SEAL_HASH_LOG	  12 /* 16 KiB, which finds as much as more, and leaves the cache alone */
#define SEAL_MIN_MATCH	  5
#define DENSE_BYTES	  2ul  /* of an event, compressed */
#define DENSE_STEP	  2    /* ZSTD_c_targetLength of the fast strategy: its acceleration */
#define FRAME_MOST	  1024 /* bytes that compressing in one more part can take more */
#define SEAL_MAX_CONTEXTS 64
#define SEAL_RETRY	  1000000000ull /* ns, when the disk is full */
#define SEAL_YIELDS	  100		/* times to let others run */
#define SEAL_PATIENCE	  200		/* times, behind those, to sleep for so long */
#define SEAL_NAP	  100000	/* ns */
#define SLOT_STEP	  (32u << 10)
#define SLOT_MORE	  (64u << 10) /* the steps behind: what a slot does not need takes time */
#define SLOT_KEPT	  (64u << 10) /* of the first slot, not worth sealing at the end */
#define SLOT_CELLS	  (8u << 10)  /* of a slot, written without asking whether it is there */
#define SLOT_LATE	  (4u << 10)
#define SLOT_LARGE	  (256u << 10)
#define SLOT_OPEN	  (128u << 10) /* how far a thread goes on before it looks what is due */
#define TICK_WORDS	  6

_Static_assert(sizeof(struct lar_slot) + sizeof(struct lar_slot_holds) <= SLOT_CELLS,
	       "what lock cells are made of");

/* Working memory of one seal; as many as threads seal at the same time. */
struct seal_context {
	struct seal_context *next;
	struct lar_encoder *encoder;
	uint8_t *encoded, *compressed;
	size_t encoded_size, compressed_size;
	size_t populated; /* of the encoder */
	bool dense;	  /* the last block had little that repeats */
	ZSTD_CCtx *zstd;
};

static size_t round_page(size_t n)
{
	return (n + 4095) & ~(size_t)4095;
}

/* Of the largest slot. */
static size_t slot_words(void)
{
	return (lar->slot_most - LAR_SLOT_HEADER_SIZE) / 8;
}

/* Where the parts of a context lie in its memory; at[6] is its size. */
static void context_parts(size_t at[7])
{
	size_t words = slot_words(), bound = lar_encode_bound(words);

	at[0] = round_page(sizeof(struct seal_context));
	at[1] = at[0] + round_page(sizeof(struct lar_encoder));
	at[2] = at[1] + round_page(lar_encode_regions_size(words));
	at[3] = at[2] + round_page(bound);
	at[4] = at[3] + round_page(ZSTD_compressBound(bound) + LAR_ENC_PARTS * FRAME_MOST);
	at[5] = at[4] + ZSTD_estimateCCtxSize_usingCParams(ZSTD_getCParams(SEAL_LEVEL, 0, 0));
	at[5] = round_page(at[5]);
	at[6] = at[5] + round_page(lar_encode_gone_size(words));
}

void seal_prepare(void)
{
	size_t at[7];

	context_parts(at);
	lar->seal_memory = pool_map_apart(at[6]);
}

static struct seal_context *context_new(void)
{
	size_t at[7];
	struct seal_context *c;
	uint8_t *p = lar->seal_memory;

	context_parts(at);
	lar->seal_memory = NULL;
	if (!p)
		p = pool_map_apart(at[6]);
	if (!p)
		return NULL;
	c = (struct seal_context *)p;
	c->encoder = (struct lar_encoder *)(p + at[0]);
	c->encoder->regions = p + at[1];
	c->encoder->most_words = slot_words();
	c->encoder->gone = (uint32_t *)(p + at[5]);
	c->encoded = p + at[2];
	c->encoded_size = at[3] - at[2];
	c->compressed = p + at[3];
	c->compressed_size = at[4] - at[3];
	c->zstd = ZSTD_initStaticCCtx(p + at[4], at[5] - at[4]);
	if (!c->zstd) {
		pool_unmap(p, at[6]);
		return NULL;
	}
	ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel, SEAL_LEVEL);
	ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_checksumFlag, 1);
	ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_hashLog, SEAL_HASH_LOG);
	ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_minMatch, SEAL_MIN_MATCH);
	return c;
}

/*
 * How many contexts there may be before a thread waits for one. They are large, and a seal takes
 * about a millisecond: in many threads few are at it together.
 */
static uint32_t contexts_enough(void)
{
	return 2 + atomic_load_explicit(&lar->slots_used, memory_order_relaxed) / 8;
}

/* Another thread's seal takes about a millisecond, once it is on a processor. */
static void wait_for_context(bool yield)
{
	static const struct timespec nap = { .tv_nsec = SEAL_NAP };

	if (yield)
		sys_yield();
	else
		sys_call3(SYS_nanosleep, (long)&nap, 0, 0);
}

/*
 * One that is free or new. Who holds one may be stopped: nobody waits for ever, and a thread that
 * others may wait for does not sleep.
 */
static struct seal_context *context_get(bool may_sleep)
{
	unsigned naps = may_sleep ? SEAL_PATIENCE : 0;

	for (unsigned left = SEAL_YIELDS + naps;; left--) {
		struct seal_context *c;
		bool none = false;

		if (!spin_lock(&lar->seal_lock))
			return NULL;
		c = lar->seal_free;
		if (c) {
			lar->seal_free = c->next;
		} else if (lar->seal_contexts < SEAL_MAX_CONTEXTS &&
			   (!left || lar->seal_contexts < contexts_enough())) {
			c = context_new();
			lar->seal_contexts += c != NULL;
			none = !c && !lar->seal_contexts;
		}
		spin_unlock(&lar->seal_lock);
		if (none)
			note_once(NOTE_NO_MEMORY, "no memory to compress events: they are lost");
		if (c || none || !left)
			return c;
		wait_for_context(left > naps);
	}
}

static void context_put(struct seal_context *c)
{
	if (!spin_lock(&lar->seal_lock))
		return;
	c->next = lar->seal_free;
	lar->seal_free = c;
	spin_unlock(&lar->seal_lock);
}

/* Records in the buffer, for the count of what could not be kept. */
static uint32_t count_records(const struct thread *t)
{
	uint32_t n = 0;

	for (const uint64_t *r = t->buffer; r < t->head; r += lar_record_step(*r))
		n += lar_word0_kind(*r) != LAR_EV_PATH;
	return n;
}

/*
 * A frame for each part; 0 when one does not fit. In the parts behind the first no match is sought,
 * and in the first not at every byte where matches are few: a third less of work for an eighth more
 * of bytes.
 */
static size_t compress(struct seal_context *c)
{
	const struct lar_encoder *enc = c->encoder;
	size_t from = 0, size = 0;

	for (uint32_t i = 0; i < enc->parts; i++) {
		size_t n;

		if (i < 2) {
			ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_targetLength,
					       i	  ? ZSTD_TARGETLENGTH_MAX
					       : c->dense ? DENSE_STEP
							  : 0);
			ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_literalCompressionMode,
					       i ? ZSTD_ps_enable : ZSTD_ps_auto);
		}
		n = ZSTD_compress2(c->zstd, c->compressed + size, c->compressed_size - size,
				   c->encoded + from, enc->part[i] - from);
		if (ZSTD_isError(n))
			return 0;
		size += n;
		from = enc->part[i];
	}
	return size;
}

/* Its tables are hashed into all over: at once costs less than page by page. */
static void encoder_populate(struct seal_context *c, size_t words)
{
	size_t size = round_page(lar_encoder_used(words));

	if (size <= c->populated)
		return;
	sys_madvise((uint8_t *)c->encoder + c->populated, size - c->populated, MADV_POPULATE_WRITE);
	c->populated = size;
}

static bool block_write(struct thread *t, struct seal_context *c)
{
	struct lar_block block;
	size_t encoded, size, words = (size_t)(t->head - t->buffer);

	memset(&block, 0, sizeof(block));
	encoder_populate(c, words);
	encoded = lar_encode(c->encoder, t->buffer, words, lar->time_shift, c->encoded,
			     c->encoded_size, &block.events);
	if (!encoded)
		return false;
	FAULT_POINT(seal_encoded);
	size = compress(c);
	if (!size)
		return false;
	block.raw_size = (uint32_t)(words * 8);
	block.encoded_size = (uint32_t)encoded;
	block.comp_size = (uint32_t)size;
	c->dense = size > block.events * DENSE_BYTES;
	block.first_ticks = t->buffer[1]; /* of the THREAD record */
	block.last_ticks = lar_ticks();
	block.slot = t->index;
	block.slot_seq = (uint32_t)(t->slot_seq >> 32);
	block.time_shift = lar->time_shift;
	FAULT_POINT(seal_compressed);
	return ring_append(&block, c->compressed);
}

static void open_until(struct thread *t, uint64_t bytes)
{
	t->open = bytes < t->ready ? bytes : t->ready;
	thread_set_limit(t);
}

/* Enters the THREAD record that every buffer starts with. */
static void begin_buffer(struct thread *t)
{
	uint64_t *r = t->buffer;

	open_until(t, SLOT_OPEN);
	t->stack.nodes.number = 0;
	stack_void_numbers(&t->stack);
	r[0] = lar_word0(LAR_EV_THREAD, 0, 0, 0);
	r[1] = lar_ticks();
	r[2] = t->tid;
	r[3] = t->number;
	FAULT_POINT(begin_fields);
	r[4] = t->creator;
	t->head = r + 5;
	FAULT_POINT(begin_record);
	__atomic_store_n(&t->slot->state, t->slot_seq | 5 * 8, __ATOMIC_RELEASE);
	FAULT_POINT(begin_commit);
}

/* A sample of the process, when it is time for one. There is room for it. */
static void tick(struct thread *t, uint64_t now_ns)
{
	uint64_t due = atomic_load_explicit(&lar->tick_due_ns, memory_order_relaxed);
	struct resident resident;
	uint64_t *r = t->head;

	if (now_ns < due || !atomic_compare_exchange_strong(&lar->tick_due_ns, &due,
							    now_ns + lar->config.interval_ns))
		return;
	resident = resident_now(now_ns);
	r[0] = lar_word0(LAR_EV_TICK, resident.most ? LAR_TICK_MOST : 0, 0, 0);
	r[1] = lar_ticks();
	r[2] = resident.bytes;
	r[3] = (uint64_t)sys_call3(SYS_brk, 0, 0, 0) - lar->first_break;
	r[4] = 0;
	r[5] = atomic_load(&lar->threads);
	t->head = r + TICK_WORDS;
	if (resident.bytes && lar->config.record & LAR_RECORD_IO)
		kernelio_sample();
	__atomic_store_n(&t->slot->state,
			 t->slot_seq | (uint64_t)((uint8_t *)t->head - (uint8_t *)t->buffer),
			 __ATOMIC_RELEASE);
}

/* What is to be done now and then. With signals blocked; not where other threads may wait. */
static void look_around(struct thread *t)
{
	if (t->held.count || t->head <= t->buffer + 5)
		return;
	if (t->head + TICK_WORDS <= t->limit)
		tick(t, sys_clock_ns(CLOCK_MONOTONIC));
	if (unlikely(snapshot_asked()))
		snapshot_now((uint64_t)__builtin_frame_address(0), NULL, 0);
}

/*
 * Brings the records into the ring: the slot is empty then. With signals blocked. False when not
 * one block has room, because the disk was full before the first: the buffer keeps what it holds,
 * later events are lost until there is room.
 */
static bool seal_out(struct thread *t, uint64_t *now_ns)
{
	struct seal_context *c;
	bool done;

	stdiocell_into_buffer(t);
	c = context_get(!t->held.count); /* no lock of the program's is held */
	done = c && block_write(t, c);
	if (done)
		inuse_seal(t, c->encoder);
	if (c)
		context_put(c);
	if (!done && ring_without_disk()) {
		__atomic_store_n(&lar->seal_retry_ns, sys_clock_ns(CLOCK_MONOTONIC) + SEAL_RETRY,
				 __ATOMIC_RELAXED);
		return false;
	}
	if (!done)
		lar_lost_add(LAR_LOST_RING_BUSY, count_records(t));
	FAULT_POINT(seal_block);
	*now_ns = tracefile_clock_pair();
	t->slot->cpu_ns = thread_cpu_ns(t->tid, CLOCK_THREAD_CPUTIME_ID);
	t->slot_seq += 1ull << 32;
	FAULT_POINT(seal_state);
	/* the commit word of the seal: the slot is empty, its records are in the block */
	__atomic_store_n(&t->slot->state, t->slot_seq, __ATOMIC_RELEASE);
	FAULT_POINT(seal_commit);
	return true;
}

/* The same, and the buffer begins anew. */
static bool seal(struct thread *t)
{
	uint64_t now_ns;

	if (!seal_out(t, &now_ns))
		return false;
	begin_buffer(t);
	tick(t, now_ns);
	if (unlikely(snapshot_asked()))
		snapshot_now((uint64_t)__builtin_frame_address(0), NULL, 0);
	return true;
}

static bool seal_is_hopeless(void)
{
	uint64_t retry = __atomic_load_n(&lar->seal_retry_ns, __ATOMIC_RELAXED);

	return __builtin_expect(retry != 0, 0) && sys_clock_ns(CLOCK_MONOTONIC) < retry;
}

/* A large buffer is for speed; on a small disk the ring is to have what there is. */
static bool slot_extend(struct thread *t)
{
	uint64_t end = lar_slot_size(&lar->slot_sizes, t->index);
	uint64_t step = t->ready < SLOT_MORE ? SLOT_STEP : SLOT_MORE;

	if (t->ready >= SLOT_LARGE && t->ready < end && !tracefile_disk_plenty())
		return false;
	if (t->ready == SLOT_CELLS) /* finished: few come yet */
		step = SLOT_LATE;
	if (t->ready >= end ||
	    !tracefile_extend((uint8_t *)t->slot, &t->ready, t->ready + 1, end, step))
		return false;
	FAULT_POINT(slot_grown);
	return true;
}

bool seal_grow(struct thread *t)
{
	if (t->open == t->ready && !slot_extend(t))
		return false;
	open_until(t, t->open + SLOT_OPEN);
	/* seal_finish() has left it without its first record */
	if (t->head == t->buffer)
		begin_buffer(t);
	return true;
}

/* The same on the way, with signals blocked. */
static bool grow_and_look(struct thread *t)
{
	bool done = seal_grow(t);

	if (done)
		look_around(t);
	return done;
}

bool seal_begin(struct thread *t)
{
	if (t->head > t->buffer)
		return true;
	if (t->buffer + 5 > t->limit)
		return seal_grow(t);
	begin_buffer(t);
	return true;
}

bool seal_make_room(struct thread *t, uint32_t words)
{
	uint64_t mask;
	bool room = false;

	if (t->open == t->ready && seal_is_hopeless()) {
		lar_lost_add(LAR_LOST_RING_BUSY, 1);
		return false;
	}
	sys_block_signals(&mask);
	while (!room) {
		room = t->head + words <= t->limit;
		if (room)
			break;
		if (grow_and_look(t))
			continue;
		if (t->head <= t->buffer + 5)
			break; /* does not fit even into an empty buffer */
		if (!seal(t))
			break;
	}
	if (!room)
		lar_lost_add(LAR_LOST_RING_BUSY, 1);
	sys_restore_signals(&mask);
	return room;
}

void seal_early(struct thread *t)
{
	uint64_t mask;

	if (seal_is_hopeless())
		return;
	sys_block_signals(&mask);
	while (t->head > t->early && (grow_and_look(t) || (t->head > t->buffer + 5 && seal(t))))
		;
	sys_restore_signals(&mask);
}

/* How many frames of the last stack, from the innermost outward, have no number in this buffer. */
static uint32_t nodes_new(const struct stack *s, uint32_t *parent)
{
	const struct node *node = s->nodes.node;
	uint32_t id = s->last, n = 0;

	for (; id && node[id].epoch != s->epoch; id = node[id].parent)
		n++;
	*parent = id ? node[id].number : 0;
	return n;
}

/* A PATH of the innermost n frames of the last stack, at r. */
static void path_put(struct stack *s, uint64_t *r, uint32_t n, uint32_t parent)
{
	uint32_t number = s->nodes.number + n, id = s->last;

	r[0] = lar_word0(LAR_EV_PATH, 0, n, parent);
	FAULT_POINT(path_word);
	s->nodes.number = number;
	for (uint32_t i = n; i; i--) {
		struct node *node = &s->nodes.node[id];

		r[i] = node->ra;
		node->number = (uint16_t)number--;
		node->epoch = s->epoch;
		id = node->parent;
	}
}

bool seal_make_nodes(struct thread *t, uint32_t words)
{
	struct stack *s = &t->stack;
	uint32_t parent, n = nodes_new(s, &parent);

	if (n && s->nodes.number + n > NODES_NUMBER) {
		uint64_t mask;
		bool done;

		sys_block_signals(&mask);
		done = !seal_is_hopeless() && seal(t);
		sys_restore_signals(&mask);
		if (!done) {
			lar_lost_add(LAR_LOST_RING_BUSY, 1);
			return false;
		}
		n = nodes_new(s, &parent);
	}
	/* a fresh buffer knows no node */
	if (t->head + (n ? 1 + n : 0) + words > t->limit) {
		if (!seal_make_room(t, 1 + s->nodes.node[s->last].depth + words))
			return false;
		n = nodes_new(s, &parent);
	}
	if (n) {
		path_put(s, t->head, n, parent);
		t->head += 1 + n;
		FAULT_POINT(path_nodes);
	}
	unwind_number(s);
	return true;
}

/* For good, as far as is known: what comes later makes the slot grow, and begins it anew. */
static bool seal_last(struct thread *t)
{
	uint64_t now_ns = sys_clock_ns(CLOCK_MONOTONIC);

	if (t->head + TICK_WORDS <= t->limit)
		tick(t, now_ns);
	if (!seal_out(t, &now_ns))
		return false;
	t->head = t->buffer;
	return true;
}

void seal_finish(struct thread *t)
{
	uint64_t keep = SLOT_CELLS, unsealed = t->index ? SLOT_STEP : SLOT_KEPT;

	stdiocell_into_buffer(t);
	/* what is in the first steps of a slot may as well stay in it: a short program takes no
	 * memory and no time for sealing */
	if (t->ready > unsealed && t->head > t->buffer + 5 && !seal_last(t))
		return;
	FAULT_POINT(finish_sealed);
	if (t->head > t->buffer)
		keep = (uint64_t)((uint8_t *)t->head - (uint8_t *)t->slot) + THREAD_ROOM * 8;
	keep = round_page(keep);
	if (keep >= t->ready || (!t->index && t->ready <= SLOT_STEP))
		return;
	tracefile_release((uint8_t *)t->slot + keep, t->ready - keep);
	FAULT_POINT(finish_released);
	t->ready = keep;
	open_until(t, keep);
}
