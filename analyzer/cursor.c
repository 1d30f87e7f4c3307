/* SPDX-License-Identifier: MIT */
/* Raw records to events; see cursor.h. */
#include "cursor.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "../preload/format/codec.h"

#define PATHS_AHEAD 2 /* of which the memory is asked for */

void cursor_init(struct cursor *c)
{
	memset(c, 0, sizeof(*c));
}

void cursor_fini(struct cursor *c)
{
	free(c->raw.words);
	free(c->nodes);
}

static __attribute__((noinline)) void read_thread(struct cursor *c, struct trace *t,
						  const uint64_t *w)
{
	struct trace_thread *row = dictionary_thread(&t->dictionary, w[2]);

	c->tid = (uint32_t)w[1];
	c->thread = (uint32_t)w[2];
	if (!row)
		return;
	row->tid = c->tid;
	if (w[3])
		row->creator = (uint32_t)w[3];
}

static int reserve_nodes(struct cursor *c, uint32_t more)
{
	uint32_t room = c->node_room ? c->node_room : 1024;
	struct cursor_node *p;

	more += PATH_MEMO_FRAMES; /* as many are written at a time, with what is none behind */
	if (c->hashed + more <= c->node_room)
		return 0;
	while (room < c->hashed + more)
		room *= 2;
	p = realloc(c->nodes, room * sizeof(*p));
	if (!p)
		return -ENOMEM;
	c->nodes = p;
	c->node_room = room;
	return 0;
}

/* What is known of the next node, beside its hash. */
static inline void add_node(struct cursor *c, uint32_t node, uint32_t depth)
{
	c->nodes[c->node_count].node = node;
	c->nodes[c->node_count++].depth = depth;
}

/* Enters frames one below the other, from the last node of c->nodes on; `from` is their parent. */
static void push_frames(struct cursor *c, struct trace *t, const struct cursor_node *from,
			const struct trace_frame *frames, uint32_t count)
{
	struct stacks_path path[PATH_MEMO_FRAMES + 1];

	path[0] = stacks_path_to(&t->stacks, from->node);
	stacks_push(&t->stacks, path, frames, count);
	for (uint32_t i = 1; i <= count; i++)
		add_node(c, path[i].node, from->depth + i);
}

/*
 * The nodes of a part of a path, of at most PATH_MEMO_FRAMES addresses, below `from`. Returns
 * whether it is to be remembered: all of them have found a node, and would again.
 */
static bool look_up_part(struct cursor *c, struct trace *t, struct cursor_node from,
			 const uint64_t *address, uint32_t count, uint64_t ticks)
{
	struct trace_frame frames[PATH_MEMO_FRAMES];
	uint64_t folded = t->stacks.folded;
	bool plain = true;
	uint32_t run = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t ra = address[i];
		uint32_t module = modmap_find(&t->modmap, ra, ticks);
		bool self =
			module != MODMAP_NONE && t->facts.modules[module].flags & LAR_MODULE_SELF;
		/* what is too deep counts as folded, like what finds no room */
		bool deep = from.depth + run >= LAR_MAX_DEPTH;

		plain &= !self && !deep && modmap_was_there(&t->modmap);
		if (!self && !deep)
			frames[run++] = modmap_frame(&t->modmap, ra, module);
		if (run && (self || deep || i + 1 == count)) {
			push_frames(c, t, &from, frames, run);
			from = c->nodes[c->node_count - 1];
			run = 0;
		}
		if (self || deep) /* the recorder's own frames are no part of the program */
			add_node(c, from.node, from.depth);
		t->stacks.folded += deep && !self;
	}
	return plain && t->stacks.folded == folded;
}

static void remember_part(struct path_memo *memo, struct path_memo_row *row, const struct cursor *c,
			  uint32_t parent, uint32_t epoch, const uint64_t *address, uint32_t count)
{
	const struct cursor_node *node = &c->nodes[c->node_count - count];

	memo->remembered += memo->remembered < PATH_MEMO_MANY;
	row->parent = parent;
	row->epoch = epoch;
	row->count = count;
	for (uint32_t i = 0; i < PATH_MEMO_FRAMES; i++) {
		row->address[i] = address[i];
		row->node[i] = i < count ? node[i].node : 0;
	}
}

/* The addresses of a part of a path, and zeros. */
static inline void part_of(const struct cursor *c, const uint64_t *address, uint32_t count,
			   uint64_t part[PATH_MEMO_FRAMES])
{
	static const uint64_t mask[PATH_MEMO_FRAMES + 1][PATH_MEMO_FRAMES] = {
		{ 0, 0, 0, 0 },
		{ UINT64_MAX, 0, 0, 0 },
		{ UINT64_MAX, UINT64_MAX, 0, 0 },
		{ UINT64_MAX, UINT64_MAX, UINT64_MAX, 0 },
		{ UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX },
	};

	if (__builtin_expect(c->words + c->count - address >= PATH_MEMO_FRAMES, 1)) {
		for (uint32_t i = 0; i < PATH_MEMO_FRAMES; i++)
			part[i] = address[i] & mask[count][i];
		return;
	}
	for (uint32_t i = 0; i < PATH_MEMO_FRAMES; i++)
		part[i] = i < count ? address[i] : 0;
}

/*
 * Finds out where the memo has the parts of a PATH record, which takes nothing but the addresses,
 * and asks for that memory. 0 or -ENOMEM.
 */
static int hash_path(struct cursor *c, const struct trace *t, const uint64_t *w)
{
	uint32_t count = lar_word0_call(w[0]), n;
	uint32_t hash;

	if (reserve_nodes(c, count))
		return -ENOMEM;
	hash = c->nodes[lar_word0_node(w[0])].hash;
	for (w++; count; count -= n, w += n) {
		struct cursor_node *node = &c->nodes[c->hashed];
		uint32_t hashes[PATH_MEMO_FRAMES];
		uint64_t part[PATH_MEMO_FRAMES];

		n = count < PATH_MEMO_FRAMES ? count : PATH_MEMO_FRAMES;
		part_of(c, w, n, part);
		path_memo_hash(hash, part, hashes);
		for (uint32_t i = 0; i < PATH_MEMO_FRAMES; i++)
			node[i].hash = hashes[i];
		c->hashed += n;
		hash = c->nodes[c->hashed - 1].hash;
		__builtin_prefetch(path_memo_row(&t->memo, hash));
	}
	return 0;
}

/* The same for the record at c->at, if it is not done yet, and for the next ones that are known. */
static inline int look_ahead(struct cursor *c, const struct trace *t)
{
	uint32_t end = c->path_read + PATHS_AHEAD;
	int rc = 0;

	if (c->path_read >= c->path_count)
		return hash_path(c, t, c->words + c->at);
	for (; !rc && c->path_hashed < end && c->path_hashed < c->path_count; c->path_hashed++)
		rc = hash_path(c, t, c->words + c->paths[c->path_hashed]);
	c->path_read++;
	return rc;
}

/* The nodes of a PATH record; `ticks` is the time of the event that needed them. */
static void read_path(struct cursor *c, struct trace *t, const uint64_t *w, uint64_t ticks)
{
	uint32_t count = lar_word0_call(w[0]), epoch = modmap_epoch(&t->modmap, ticks), n;
	const uint64_t *address = w + 1;
	struct cursor_node from;

	from = c->nodes[lar_word0_node(w[0])];
	for (; count; count -= n, address += n) {
		uint64_t part[PATH_MEMO_FRAMES];
		struct path_memo_row *row;

		n = count < PATH_MEMO_FRAMES ? count : PATH_MEMO_FRAMES;
		part_of(c, address, n, part);
		row = path_memo_row(&t->memo, c->nodes[c->node_count + n - 1].hash);
		if (path_memo_is(row, from.node, epoch, part, n) &&
		    from.depth + n <= LAR_MAX_DEPTH) {
			struct cursor_node *node = &c->nodes[c->node_count];

			for (uint32_t i = 0; i < PATH_MEMO_FRAMES; i++) {
				node[i].node = row->node[i];
				node[i].depth = from.depth + 1 + i;
			}
			c->node_count += n;
		} else if (look_up_part(c, t, from, part, n, ticks)) {
			remember_part(&t->memo, row, c, from.node, epoch, part, n);
		}
		from = c->nodes[c->node_count - 1];
	}
}

/* Takes the PATH records in front of the next event. */
static __attribute__((noinline)) int read_paths(struct cursor *c, struct trace *t)
{
	uint64_t ticks = t->last_ticks;
	size_t end = c->at;

	if (__builtin_expect(t->memo.remembered == PATH_MEMO_MANY, 0))
		path_memo_spread(&t->memo);
	while (end < c->count && lar_word0_kind(c->words[end]) == LAR_EV_PATH)
		end += lar_record_words(c->words[end]);
	if (end < c->count)
		ticks = c->words[end + 1] >> c->time_shift << c->time_shift;
	for (; c->at < end; c->at += lar_record_words(c->words[c->at])) {
		if (look_ahead(c, t))
			return -ENOMEM;
		read_path(c, t, c->words + c->at, ticks);
	}
	return 0;
}

int cursor_start(struct cursor *c, struct trace *t, const uint64_t *words, size_t count,
		 unsigned time_shift)
{
	c->words = words;
	c->count = count;
	c->at = 0;
	c->time_shift = time_shift;
	c->thread = c->tid = 0;
	c->node_count = c->hashed = 0;
	c->path_hashed = c->path_read = 0;
	c->paths = c->raw.paths;
	c->path_count = words == c->raw.words ? c->raw.path_count : 0;
	if (reserve_nodes(c, 1))
		return -ENOMEM;
	c->nodes[0] = (struct cursor_node){ 0 };
	c->node_count = c->hashed = 1;
	return read_paths(c, t);
}

/* Which of the words behind a record's time are fields of it; and how many words it has. */
static const uint64_t field_mask[LAR_EV_MAX][LAR_EVENT_MAX_FIELDS - 1] = {
#define IF(nfields, f) (nfields) > (f) ? UINT64_MAX : 0
#define EVENT(name, number, stack, nfields, a, b, c, d, e, f, g)                                   \
	[number] = { IF(nfields, 1), IF(nfields, 2), IF(nfields, 3),                               \
		     IF(nfields, 4), IF(nfields, 5), IF(nfields, 6) },
#include "../preload/format/events.def"
#undef EVENT
#undef IF
};
_Static_assert(LAR_EVENT_MAX_FIELDS == 7, "a column of the table for each field but the time");

static const uint8_t record_words[LAR_EV_MAX] = {
#define EVENT(name, number, stack, nfields, ...) [number] = 1 + (nfields),
#include "../preload/format/events.def"
#undef EVENT
};

/* The low half of a record's first word is the beginning of an event. */
_Static_assert(offsetof(struct event, kind) == 0 && offsetof(struct event, flags) == 1 &&
		       offsetof(struct event, call) == 2,
	       "as word 0 of a record has them");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "as the file is");

/* Two words, wherever they lie. */
typedef uint64_t words_2 __attribute__((vector_size(16), aligned(8), may_alias));

/*
 * All fields at once: how many there are differs from event to event, and a branch on what cannot
 * be foreseen costs more than all else here. `left`: words from w on.
 */
static inline __attribute__((always_inline)) void copy_fields(const uint64_t *w, size_t left,
							      unsigned kind, struct event *e)
{
	const uint64_t *mask = field_mask[kind];

	if (__builtin_expect(left > LAR_EVENT_MAX_FIELDS, 1)) {
		*(words_2 *)&e->field[1] = *(const words_2 *)&w[2] & *(const words_2 *)&mask[0];
		*(words_2 *)&e->field[3] = *(const words_2 *)&w[4] & *(const words_2 *)&mask[2];
		*(words_2 *)&e->field[5] = *(const words_2 *)&w[6] & *(const words_2 *)&mask[4];
		return;
	}
	for (unsigned f = 1; f < LAR_EVENT_MAX_FIELDS; f++)
		e->field[f] = 1 + f < record_words[kind] ? w[1 + f] : 0;
}

/* What is not changed by making an event; kept where no event can seem to overlap it. */
struct maker {
	struct tickclock clock;
	const uint64_t *end; /* of the records */
	const struct cursor_node *nodes;
	unsigned time_shift;
	uint32_t thread, tid;
};

static inline struct maker maker_of(const struct cursor *c, const struct trace *t)
{
	return (struct maker){ t->clock,      c->words + c->count, c->nodes,
			       c->time_shift, c->thread,	   c->tid };
}

#define KIND_BIT(kind) (1u << (kind))
_Static_assert(LAR_EV_MAX <= 32, "a kind is a bit");

static __attribute__((noinline)) void finish_event(struct cursor *c, struct trace *t,
						   const uint64_t *w, struct event *e)
{
	if (e->kind == LAR_EV_REALLOC)
		e->field[1] = lar_round_up(e->field[1], c->time_shift);
	if (e->kind != LAR_EV_THREAD)
		return;
	read_thread(c, t, w + 1);
	e->thread = c->thread;
	e->tid = c->tid;
}

/* Returns the words of the record. */
static inline __attribute__((always_inline)) unsigned
make_event(const struct maker *m, const uint64_t *w, uint64_t ticks, struct event *e)
{
	uint64_t w0 = w[0];
	unsigned kind = lar_word0_kind(w0);
	uint32_t head = (uint32_t)w0 & ~((uint32_t)TRACE_FROM_CELL << 8);

	if (kind == LAR_EV_FREE_SIZED)
		head += (uint32_t)LAR_EV_FREE - LAR_EV_FREE_SIZED;
	memcpy(e, &head, sizeof(head));
	e->thread = m->thread;
	e->tid = m->tid;
	e->stack = m->nodes[lar_word0_node(w0)].node;
	e->ticks = ticks;
	e->time_ns = tickclock_ns(&m->clock, ticks);
	e->field[0] = ticks;
	copy_fields(w, (size_t)(m->end - w), kind, e);
	return record_words[kind];
}

uint32_t cursor_fill(struct cursor *c, struct trace *t, uint32_t number,
		     const struct cursor_limit *limit, struct event *e, uint32_t room, int *rc)
{
	const uint32_t seldom =
		KIND_BIT(LAR_EV_THREAD) | (c->time_shift ? KIND_BIT(LAR_EV_REALLOC) : 0);
	struct maker m = maker_of(c, t);
	const uint64_t *w = c->words + c->at;
	uint64_t ticks = cursor_time(c);
	uint32_t n = 0;

	do {
		const uint64_t *record = w;

		w += make_event(&m, record, ticks, &e[n++]);
		if (__builtin_expect(seldom >> lar_word0_kind(*record) & 1, 0)) {
			finish_event(c, t, record, &e[n - 1]);
			m.thread = c->thread;
			m.tid = c->tid;
		}
		if (w == m.end)
			break;
		if (__builtin_expect(lar_word0_kind(*w) == LAR_EV_PATH, 0)) {
			c->at = (size_t)(w - c->words);
			*rc = read_paths(c, t);
			w = c->words + c->at;
			m.nodes = c->nodes;
			if (*rc || w == m.end)
				break;
		}
		ticks = w[1] >> m.time_shift << m.time_shift;
	} while (n < room && cursor_key_before(w, ticks, number, limit));
	c->at = (size_t)(w - c->words);
	return n;
}
