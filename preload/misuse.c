/* SPDX-License-Identifier: MIT */
/* Wrong frees; see misuse.h. */
#include "misuse.h"

#include <stdbool.h>
#include <stddef.h>

#include "dict.h"
#include "real.h"
#include "recorder.h"
#include "shadow.h"
#include "sight.h"
#include "span.h"
#include "sys.h"

uint64_t shadow_entry[1u << SHADOW_LOG2];

#define FRAMES_MOST  64 /* of a stack: it is put together on the program's */
#define FRAMES_OUTER 16 /* ... of which the outermost, when it is deeper */
#define EACH_UP_TO   16 /* so often each time is written down, then at powers of two */

/* The record as it goes to the dictionary. */
struct record {
	struct lar_dict_misuse m;
	uint64_t ra[FRAMES_MOST];
};

/* Is it in the image of something loaded: a variable, a constant? */
static bool in_module(uint64_t address)
{
	for (uint32_t i = 0; i < lar->module_count; i++)
		if (lar->module[i].id && address >= lar->module[i].start &&
		    address < lar->module[i].end)
			return true;
	return false;
}

/*
 * No entry, or another address's. Most such are blocks whose entry was taken over, so that only
 * what cannot be a block is called wrong: no allocator gives out odd addresses, stacks or
 * variables. Where there was no entry at all the block was not made by a function we know; the
 * reader sees whether the address lies within another block.
 */
static enum lar_misuse judge_unknown(uint64_t address, uint64_t was, uint64_t frame)
{
	const struct stack *s = &lar_self->stack;

	if (address > frame && address < s->high && address >= s->low)
		return LAR_MISUSE_FOREIGN;
	if (was && address >= lar->first_break)
		return LAR_MISUSE_NONE;
	if (in_module(address))
		return LAR_MISUSE_FOREIGN;
	return was ? LAR_MISUSE_NONE : LAR_MISUSE_UNKNOWN;
}

static enum lar_misuse judge(unsigned call, uint64_t address, uint64_t was, uint64_t frame)
{
	if (address >= SHADOW_ADDRESS || address & 7)
		return LAR_MISUSE_FOREIGN;
	if (!was || !shadow_is_of(was, address))
		return judge_unknown(address, was, frame);
	if (shadow_state(was) == LAR_BLOCK_FREED || shadow_state(was) == LAR_BLOCK_REALLOCATED)
		return call == LAR_CALL_realloc || call == LAR_CALL_reallocarray
			       ? LAR_MISUSE_REALLOC
			       : LAR_MISUSE_DOUBLE;
	return real_operators_replaced() ? LAR_MISUSE_NONE : LAR_MISUSE_MISMATCHED;
}

/* The last stack of the thread, its middle left out where it is deep. */
static uint32_t copy_frames(const struct stack *s, uint64_t *ra)
{
	uint32_t n = unwind_count(s), left_out = n > FRAMES_MOST ? n - FRAMES_MOST + 1 : 0;
	uint32_t id = s->last;

	for (uint32_t i = n; i--; id = s->nodes.node[id].parent)
		if (i < FRAMES_OUTER || i >= FRAMES_OUTER + left_out)
			ra[left_out && i >= FRAMES_OUTER ? i - left_out + 1 : i] =
				s->nodes.node[id].ra;
	if (left_out)
		ra[FRAMES_OUTER] = LAR_RA_CUT;
	return left_out ? FRAMES_MOST : n;
}

static uint64_t hash_of(const struct record *r)
{
	uint64_t h = 0xcbf29ce484222325ull ^ r->m.kind ^ (uint64_t)r->m.state << 8;

	for (uint32_t i = 0; i < r->m.frames; i++)
		h = (h ^ r->ra[i]) * 0x100000001b3ull;
	return h | 1;
}

/* The place of a stack in the list; NULL when it is full. Those that may be nothing are not to
 * keep the others out. */
static struct recorder_misuse *site_of(uint64_t hash, enum lar_misuse kind, uint32_t *number)
{
	uint32_t most = kind == LAR_MISUSE_UNKNOWN ? RECORDER_MISUSES / 4 : RECORDER_MISUSES;

	for (uint32_t i = 0; i < most; i++) {
		struct recorder_misuse *site = &lar->misuse[i];

		if (!site->hash)
			site->hash = hash;
		if (site->hash != hash)
			continue;
		*number = i + 1;
		return site;
	}
	return NULL;
}

/* Does it rest on what was done last with the address, as far as we know? */
static bool is_of_history(enum lar_misuse kind)
{
	return kind != LAR_MISUSE_FOREIGN;
}

/* With the lock held. A place that is known was true before what bypasses us was there. */
static void count(struct record *r)
{
	uint32_t number;
	struct recorder_misuse *site = site_of(hash_of(r), (enum lar_misuse)r->m.kind, &number);

	if (!site ||
	    (!site->count && is_of_history((enum lar_misuse)r->m.kind) && sight_bypassed(true)))
		return;
	site->kind = r->m.kind;
	r->m.count = ++site->count;
	if (site->count > EACH_UP_TO && (site->count & (site->count - 1)))
		return;
	if (dict_append(LAR_DICT_MISUSE, number, r,
			offsetof(struct record, ra) + r->m.frames * sizeof(r->ra[0])))
		site->written = site->count;
}

static lar_noinline void record(enum lar_misuse kind, unsigned call, uint64_t address, uint64_t was,
				size_t size, uint64_t frame)
{
	struct thread *t = span_open(frame);
	struct record r;
	uint64_t mask;

	if (!t)
		return;
	unwind_capture(&t->stack, frame);
	r.m = (struct lar_dict_misuse){ .ticks = lar_ticks(),
					.address = address,
					.thread = t->number,
					.kind = (uint16_t)kind,
					.call = (uint16_t)call,
					.frames = copy_frames(&t->stack, r.ra),
					.named_size = (uint32_t)size };
	if (was && shadow_is_of(was, address)) {
		r.m.state = shadow_state(was);
		if (r.m.state >= LAR_BLOCK_FREED || kind == LAR_MISUSE_MISSIZED)
			r.m.freed_at = (uint32_t)(was & SHADOW_RETURNED);
	}
	sys_block_signals(&mask);
	if (spin_lock(&lar->misuse_lock)) {
		count(&r);
		spin_unlock(&lar->misuse_lock);
	}
	sys_restore_signals(&mask);
	span_close(t);
}

static bool is_recording(void)
{
	return lar && atomic_load_explicit(&lar->phase, memory_order_relaxed) == PHASE_ON;
}

void misuse_look(unsigned call, const void *p, uint64_t was, uint64_t frame)
{
	enum lar_misuse kind;

	if (!is_recording())
		return;
	if (unlikely(shadow_is_sampled(was, p))) {
		was = shadow_word((uint64_t)p, LAR_BLOCK_MALLOC);
		if (shadow_right(was, p, shadow_made_by(call)))
			return;
	}
	kind = judge(call, (uint64_t)p, was, frame);
	if (unlikely(kind != LAR_MISUSE_NONE))
		record(kind, call, (uint64_t)p, was, 0, frame);
}

void misuse_look_size(unsigned call, const void *p, uint64_t was, size_t size, uint64_t frame)
{
	if (is_recording())
		record(LAR_MISUSE_MISSIZED, call, (uint64_t)p, was, size, frame);
}

void misuse_finish(void)
{
	for (uint32_t i = 0; i < RECORDER_MISUSES && lar->misuse[i].hash; i++) {
		const struct recorder_misuse *site = &lar->misuse[i];
		struct lar_dict_misuse m = { .ticks = lar_ticks(),
					     .count = site->count,
					     .kind = site->kind };

		if (site->written && site->written != site->count)
			dict_append(LAR_DICT_MISUSE, i + 1, &m, sizeof(m));
	}
}
