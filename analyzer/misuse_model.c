/* SPDX-License-Identifier: MIT */
/* Wrong frees; see misuse_model.h. */
#include "misuse_model.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* A recorder tells fewer apart; each event of an address is held against all. */
#define PLACES_MOST 256

const char *misuse_name(enum lar_misuse kind)
{
	static const char *const name[LAR_MISUSE_KINDS] = {
		[LAR_MISUSE_DOUBLE] = "double_free",
		[LAR_MISUSE_FOREIGN] = "foreign_free",
		[LAR_MISUSE_MISMATCHED] = "mismatched_free",
		[LAR_MISUSE_REALLOC] = "dead_reallocation",
		[LAR_MISUSE_MISSIZED] = "missized_free",
	};

	return kind < LAR_MISUSE_KINDS && name[kind] ? name[kind] : "unknown";
}

static bool is_dead_block(const struct misuse_place *p)
{
	return p->kind == LAR_MISUSE_DOUBLE || p->kind == LAR_MISUSE_REALLOC;
}

/* A live block that was there before the wrong free: of its own address, or around it. */
static const struct live_block *block_of(const struct misuse_model *m, const struct misuse_place *p)
{
	const struct live_table *live = &m->heap->live;
	uint64_t address = p->record->address;
	const struct live_block *b = live_find(live, address);

	if (b || p->kind == LAR_MISUSE_MISMATCHED || p->kind == LAR_MISUSE_MISSIZED)
		return b;
	for (uint64_t i = 0; live->count && i <= live->mask; i++) {
		b = &live->slots[i];
		if (b->address && address > b->address && address - b->address < b->size_bytes)
			return b;
	}
	return NULL;
}

static void take_block(struct misuse_model *m, struct misuse_place *p)
{
	const struct live_block *b = block_of(m, p);

	if (!b || b->site == SITE_NONE || b->born_ticks > p->record->ticks)
		return;
	p->inside_bytes = p->record->address - b->address;
	p->made = (struct misuse_act){
		.known = true,
		.has_stack = !m->heap->sites.rule.group && !m->heap->sites.rule.by_thread,
		.stack = m->heap->sites.stack[b->site],
		.thread = b->thread,
		.time_ns = trace_ns(m->trace, b->born_ticks),
		.size_bytes = b->size_bytes,
	};
	if (p->kind == LAR_MISUSE_UNKNOWN && p->inside_bytes)
		p->kind = LAR_MISUSE_FOREIGN;
}

/* What is known of the block just before the wrong free is what there is to know. */
static void settle(struct misuse_model *m, struct misuse_place *p, const struct misuse_track *t)
{
	p->settled = true;
	if (p->kind != LAR_MISUSE_UNKNOWN && p->kind != LAR_MISUSE_FOREIGN) {
		p->made = t->made;
		if (is_dead_block(p))
			p->freed = t->freed;
	}
	if (!p->made.known && !is_dead_block(p))
		take_block(m, p);
	if (is_dead_block(p) && p->freed_stack) {
		p->freed.known = p->freed.has_stack = true;
		p->freed.stack = p->freed_stack;
	}
}

static void settle_before(struct misuse_model *m, const struct event *e, uint64_t address,
			  const struct misuse_track *t)
{
	for (uint32_t i = 0; i < m->places; i++) {
		struct misuse_place *p = &m->place[i];

		if (p->settled || p->record->address != address ||
		    p->record->ticks >> m->time_shift > e->ticks >> m->time_shift)
			continue;
		/* times are in steps: this may still be the first free */
		if (is_dead_block(p) && t->in_use)
			continue;
		settle(m, p, t);
		if (p->kind == LAR_MISUSE_UNKNOWN && p->record->thread == e->thread) {
			p->awaited = true;
			m->awaited++;
		}
	}
}

static void track_end(struct misuse_model *m, const struct event *e, uint64_t address)
{
	uint32_t n = keymap_find(&m->addresses, address);

	if (n == KEYMAP_NONE)
		return;
	settle_before(m, e, address, &m->track[n]);
	m->track[n].in_use = false;
	m->track[n].freed = (struct misuse_act){
		.known = true, .call = e->call, .thread = e->thread, .time_ns = e->time_ns
	};
}

static void track_begin(struct misuse_model *m, const struct event *e, uint64_t address,
			uint64_t size)
{
	uint32_t n = keymap_find(&m->addresses, address);

	if (n == KEYMAP_NONE)
		return;
	settle_before(m, e, address, &m->track[n]);
	m->track[n] = (struct misuse_track){ .in_use = true,
					     .made = { .known = true,
						       .has_stack = true,
						       .call = e->call,
						       .thread = e->thread,
						       .stack = e->stack,
						       .time_ns = e->time_ns,
						       .size_bytes = size } };
}

/* A thread that does more after the free has survived it. */
static void note_going_on(struct misuse_model *m, uint32_t thread)
{
	for (uint32_t i = 0; i < m->places; i++) {
		struct misuse_place *p = &m->place[i];

		if (!p->awaited || p->record->thread != thread)
			continue;
		p->awaited = false;
		p->went_on = true;
		m->awaited--;
	}
}

static void take_event(void *arg, const struct event *e)
{
	struct misuse_model *m = arg;

	if (m->awaited)
		note_going_on(m, e->thread);
	switch (e->kind) {
	case LAR_EV_ALLOC:
		track_begin(m, e, e->field[1], e->field[2]);
		break;
	case LAR_EV_FREE:
		track_end(m, e, e->field[1]);
		break;
	case LAR_EV_REALLOC:
		if (!e->field[3] && e->field[4]) /* failed */
			break;
		track_end(m, e, e->field[2]);
		track_begin(m, e, e->field[3], e->field[4]);
		break;
	default:
		break;
	}
}

/* One place for each id; a later record of it only counts. */
static int add_places(struct misuse_model *m)
{
	const struct trace_facts *f = trace_facts(m->trace);
	struct keymap ids = { 0 };
	int err = 0;

	m->place = calloc(f->misuse_count, sizeof(*m->place));
	if (!m->place)
		return -ENOMEM;
	for (uint32_t i = 0; !err && i < f->misuse_count; i++) {
		const struct trace_misuse *r = &f->misuses[i];
		uint32_t n = keymap_number(&ids, r->id), track;

		if (n == KEYMAP_NONE) {
			err = -ENOMEM;
			break;
		}
		if (n >= PLACES_MOST)
			continue;
		if (m->place[n].count < r->count)
			m->place[n].count = r->count;
		if (n < m->places)
			continue;
		m->places = n + 1;
		m->place[n].record = r;
		m->place[n].kind = (enum lar_misuse)r->kind;
		m->place[n].stack = trace_misuse_stack(m->trace, r);
		if (r->freed_at && is_dead_block(&m->place[n]))
			m->place[n].freed_stack = trace_misuse_freed_stack(m->trace, r);
		track = keymap_number(&m->addresses, r->address);
		if (track == KEYMAP_NONE ||
		    array_reserve((void **)&m->track, &m->track_size, track, sizeof(*m->track)))
			err = -ENOMEM;
	}
	keymap_fini(&ids);
	return err;
}

int misuse_model_init(struct misuse_model *m, struct heap_model *heap, struct trace *trace)
{
	const struct trace_facts *f = trace_facts(trace);
	int err;

	memset(m, 0, sizeof(*m));
	m->heap = heap;
	m->trace = trace;
	m->time_shift = f->header->time_shift;
	m->counts_exact = f->header->end == LAR_END_EXIT || f->header->end == LAR_END_EXEC;
	if (!f->misuse_count)
		return 0;
	err = add_places(m);
	heap->look.arg = m;
	heap->look.event = take_event;
	return err;
}

void misuse_model_fini(struct misuse_model *m)
{
	keymap_fini(&m->addresses);
	free(m->track);
	free(m->place);
	memset(m, 0, sizeof(*m));
}

void misuse_model_finish(struct misuse_model *m)
{
	const struct lar_header *h = trace_facts(m->trace)->header;
	bool aborted = h->end == LAR_END_SIGNAL && h->exit_code == SIGABRT;

	for (uint32_t i = 0; i < m->places; i++) {
		struct misuse_place *p = &m->place[i];
		uint32_t n = keymap_find(&m->addresses, p->record->address);

		if (!p->settled && n != KEYMAP_NONE)
			settle(m, p, &m->track[n]);
		/* the allocator has called it wrong, and ended the process */
		if (p->kind == LAR_MISUSE_UNKNOWN && p->awaited && aborted)
			p->kind = LAR_MISUSE_FOREIGN;
		if (p->kind == LAR_MISUSE_UNKNOWN)
			p->kind = LAR_MISUSE_NONE;
	}
}

/* What a call of the malloc family is part of: `hidden` is the operator that made it. */
static enum lar_block_state family_of(unsigned call, const char *hidden)
{
	if (call < LAR_CALL__Znwm && hidden)
		return strstr(hidden, "[]") ? LAR_BLOCK_NEW_ARRAY : LAR_BLOCK_NEW;
	return call < LAR_CALL__Znwm ? LAR_BLOCK_MALLOC
	       : call & 1	     ? LAR_BLOCK_NEW_ARRAY
				     : LAR_BLOCK_NEW;
}

void misuse_model_weigh(struct misuse_model *m, const char *(*allocator)(void *arg, uint32_t stack),
			void *arg)
{
	for (uint32_t i = 0; i < m->places; i++) {
		struct misuse_place *p = &m->place[i];
		enum lar_block_state made = (enum lar_block_state)p->record->state;

		if (p->kind == LAR_MISUSE_MISMATCHED) {
			if (made == LAR_BLOCK_MALLOC && p->made.has_stack)
				made = family_of(0, allocator(arg, p->made.stack));
			if (made == family_of(p->record->call, allocator(arg, p->stack)))
				p->kind = LAR_MISUSE_NONE;
		}
		if (p->kind != LAR_MISUSE_NONE)
			m->total[p->kind] += p->count;
	}
}
