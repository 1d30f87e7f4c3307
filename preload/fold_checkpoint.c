/* SPDX-License-Identifier: MIT */
/* Writes checkpoints; see fold.h and format/checkpoint.h. */
#define ZSTD_STATIC_LINKING_ONLY
#include <string.h>
#include <zstd.h>

#include "fault.h"
#include "fold_impl.h"
#include "note.h"
#include "pool.h"
#include "recorder.h"
#include "tracefile.h"

#define OUT_BUFFER (64u << 10)
#define OUT_LEVEL  1
#define AREA_STEP  (64u << 10)

struct fold_out {
	uint8_t *area; /* behind the header */
	size_t room;   /* bytes that have disk behind them */
	size_t most;   /* bytes of the area behind the header */
	size_t used;
	uint64_t *ready; /* of the whole area */
	uint64_t raw;
	ZSTD_CCtx *cctx;
	bool failed;
	unsigned left_out;
	size_t filled;
	uint8_t buffer[OUT_BUFFER];
};

/* Compresses what is in the buffer into the area, which takes more disk as it goes. */
static void out_flush(struct fold_out *o, ZSTD_EndDirective end)
{
	ZSTD_inBuffer in = { o->buffer, o->filled, 0 };

	o->raw += o->filled;
	o->filled = 0;
	while (!o->failed) {
		ZSTD_outBuffer out = { o->area, o->room, o->used };
		size_t left = ZSTD_compressStream2(o->cctx, &out, &in, end);

		o->used = out.pos;
		if (ZSTD_isError(left)) {
			o->failed = true;
		} else if (end == ZSTD_e_continue ? in.pos == in.size : !left) {
			return;
		} else if (out.pos == out.size) {
			uint64_t header = sizeof(struct lar_checkpoint);

			if (o->room < o->most &&
			    tracefile_extend(o->area - header, o->ready, header + o->room + 1,
					     header + o->most, AREA_STEP)) {
				o->room = *o->ready - header;
			} else {
				o->most = o->room; /* of a full disk, too */
				o->failed = true;
			}
		}
	}
}

void fold_put(struct fold_out *o, uint64_t v)
{
	uint8_t *p;

	if (o->filled + 10 > sizeof(o->buffer))
		out_flush(o, ZSTD_e_continue);
	p = o->buffer + o->filled;
	for (; v >= 0x80; v >>= 7)
		*p++ = (uint8_t)(v | 0x80);
	*p++ = (uint8_t)v;
	o->filled = (size_t)(p - o->buffer);
}

void fold_put_signed(struct fold_out *o, int64_t v)
{
	fold_put(o, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

void fold_table(struct fold_out *o, enum lar_table table, uint64_t rows, unsigned columns)
{
	fold_put(o, table);
	fold_put(o, rows);
	fold_put(o, columns);
}

void fold_put_histogram(struct fold_out *o, const struct fold_histogram *h)
{
	uint32_t n = 0, last = 0;

	fold_put(o, h->count);
	if (!h->count)
		return;
	fold_put(o, h->sum);
	fold_put(o, h->min);
	fold_put(o, h->max);
	for (uint32_t i = 0; i < h->length; i++)
		n += fold_histogram_count(h, i) != 0;
	fold_put(o, n);
	for (uint32_t i = 0; i < h->length; i++) {
		if (!fold_histogram_count(h, i))
			continue;
		fold_put(o, h->first + i - last);
		fold_put(o, fold_histogram_count(h, i));
		last = h->first + i;
	}
}

static void positions_write(struct fold_out *o, const struct fold *f)
{
	uint32_t rows = 0, last = 0;

	for (uint32_t i = 0; i < lar->slot_count; i++)
		rows += f->source[i].fill || f->source[i].taken;
	fold_table(o, LAR_TABLE_POSITIONS, rows, 3);
	for (uint32_t i = 0; i < lar->slot_count; i++) {
		const struct fold_source *s = &f->source[i];

		if (!s->fill && !s->taken)
			continue;
		fold_put_signed(o, (int64_t)i - (int64_t)last);
		fold_put(o, s->fill);
		fold_put(o, s->taken);
		last = i;
	}
}

static void tables_write(struct fold_out *o, struct fold *f)
{
	positions_write(o, f);
	fold_tree_write(o, &f->tree);
	if (f->heap_state)
		fold_heap_write(o, f->heap_state);
	if (f->io_state)
		fold_io_write(o, f->io_state);
	if (f->lock_state)
		fold_lock_write(o, f->lock_state);
	if (f->thread_state)
		fold_thread_write(o, f->thread_state);
	if (f->cpu_state)
		fold_cpu_write(o, f->cpu_state);
	fold_put(o, LAR_TABLE_END);
	out_flush(o, ZSTD_e_end);
}

static ZSTD_CCtx *stream_context(struct fold *f)
{
	ZSTD_compressionParameters p = ZSTD_getCParams(OUT_LEVEL, 0, 0);
	size_t size;

	if (f->cctx)
		return f->cctx;
	p.windowLog = 17;
	size = ZSTD_estimateCStreamSize_usingCParams(p);
	f->cctx = ZSTD_initStaticCStream(pool_map(size), size);
	if (!f->cctx)
		return NULL;
	ZSTD_CCtx_setParameter(f->cctx, ZSTD_c_compressionLevel, OUT_LEVEL);
	ZSTD_CCtx_setParameter(f->cctx, ZSTD_c_windowLog, 17);
	ZSTD_CCtx_setParameter(f->cctx, ZSTD_c_checksumFlag, 1);
	return f->cctx;
}

/* What is in blocks of these fills can be read from the checkpoint from now on. */
static void note_committed(struct fold *f)
{
	for (uint32_t i = 0; i < lar->slot_count; i++) {
		const struct fold_source *s = &f->source[i];

		f->committed_fill[i] = s->fill;
	}
}

static uint64_t area_size(void)
{
	return (lar->accounts_size / 2) & ~4095ull;
}

void fold_reserve(uint64_t bytes)
{
	for (unsigned i = 0; i < 2; i++) {
		uint64_t had = lar->area_ready[i], want = bytes;
		uint8_t *area = lar->accounts + i * area_size();

		if (want > area_size())
			want = area_size();
		if (want > had &&
		    tracefile_extend(area, &lar->area_ready[i], want, area_size(), AREA_STEP))
			tracefile_leave(area + had, lar->area_ready[i] - had);
	}
}

void fold_release(void)
{
	for (unsigned i = 0; i < 2; i++) {
		tracefile_release(lar->accounts + i * area_size(), lar->area_ready[i]);
		lar->area_ready[i] = 0;
	}
}

static bool checkpoint(struct fold *f)
{
	unsigned which = f->checkpoints & 1;
	uint64_t size = area_size();
	uint8_t *area = lar->accounts + which * size;
	struct lar_checkpoint *to = (struct lar_checkpoint *)area, c;
	struct fold_out *o;

	if (!f->out)
		f->out = pool_map(sizeof(struct fold_out));
	o = f->out;
	if (!o || !size || !stream_context(f) ||
	    !tracefile_extend(area, &lar->area_ready[which], AREA_STEP, size, AREA_STEP))
		return false;
	memset(o, 0, offsetof(struct fold_out, buffer));
	o->area = area + sizeof(c);
	o->most = size - sizeof(c);
	o->room = lar->area_ready[which] - sizeof(c);
	o->ready = &lar->area_ready[which];
	o->cctx = f->cctx;
	o->left_out = f->left_out;
	ZSTD_CCtx_reset(o->cctx, ZSTD_reset_session_only);
	FAULT_POINT(checkpoint_begin);
	__atomic_store_n(&to->magic, 0, __ATOMIC_RELEASE);
	FAULT_POINT(checkpoint_cleared);
	tables_write(o, f);
	if (o->failed)
		return false;
	FAULT_POINT(checkpoint_tables);
	memset(&c, 0, sizeof(c));
	c.seq = ++f->checkpoints;
	c.events = f->events;
	c.raw_size = o->raw;
	c.comp_size = o->used;
	c.last_ticks = f->last_ticks;
	c.check = lar_checkpoint_check(&c);
	*to = c;
	FAULT_POINT(checkpoint_header);
	__atomic_store_n(&to->magic, LAR_CHECKPOINT_MAGIC, __ATOMIC_RELEASE);
	FAULT_POINT(checkpoint_magic);
	/* what only the memory lacks so far, the file still has */
	lar->header->lost[LAR_LOST_FOLD_FRAME] = f->frames_left_out;
	lar->header->lost[LAR_LOST_FOLD_ROW] = f->rows_left_out;
	note_committed(f);
	return true;
}

unsigned fold_left_out(const struct fold_out *o)
{
	return o->left_out;
}

/* A checkpoint is written as whole as it fits. */
bool fold_checkpoint(struct fold *f)
{
	while (!checkpoint(f)) {
		if (!f->out || f->out->used < f->out->most || f->left_out == FOLD_LEFT_ALL)
			return false;
		if (++f->left_out < FOLD_LEFT_LIVE)
			continue;
		note_once(NOTE_ACCOUNTS,
			  "%s: the figures of what the ring gives up no longer all fit: %s",
			  lar->trace_path,
			  "of old blocks in use it will be known how many, but not which");
	}
	return true;
}
