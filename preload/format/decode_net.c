/* SPDX-License-Identifier: MIT */
/*
 * What a block changed about the blocks in use, without its records; see lar_decode_net() in
 * codec.h. References do most of the work: what they point to is not the last at its address.
 */
#include "decode_impl.h"

/* An event's place in `at`: its ordinal from 1, its balance above; all 0 when a later event of the
 * block is at the same address. */
struct net {
	struct decoder d;
	uint64_t *new_ticks, *new_size, *new_at; /* by number of the allocation */
	uint64_t *old_ticks, *old_at;		 /* by number of the free */
	uint32_t ordinal;
};

static inline uint64_t place(uint32_t ordinal, int32_t balance)
{
	return (uint64_t)(uint32_t)balance << 32 | ordinal;
}

static inline int32_t balance_of(uint64_t at)
{
	return (int32_t)(at >> 32);
}

static inline __attribute__((always_inline)) int take_new(struct net *n, uint64_t code,
							  uint64_t size, uint64_t *addr)
{
	uint32_t number = n->d.addr.allocations, ref;
	int32_t balance = 1;

	if (get_new(&n->d, code, size, addr, &ref))
		return -1;
	if (!*addr)
		return 0;
	if (*addr >> LAR_REF_ADDRESS_BITS) { /* nobody refers to it, and no block is there */
		n->new_at[number] = 0;
		return 0;
	}
	if (ref != NO_REF) {
		balance += balance_of(n->old_at[ref]);
		n->old_at[ref] = 0;
	}
	n->new_ticks[number] = n->d.last_time << n->d.time_shift;
	n->new_size[number] = size;
	n->new_at[number] = place(n->ordinal, balance);
	return 0;
}

/* *ref: the allocation that it undoes, whose place was *was. */
static inline __attribute__((always_inline)) int
take_old(struct net *n, uint64_t code, uint64_t took, uint64_t *addr, uint32_t *ref, uint64_t *was)
{
	uint32_t number = n->d.addr.frees;
	uint64_t now = n->d.last_time << n->d.time_shift;
	int32_t balance = -1;

	if (get_old(&n->d, code, addr, ref))
		return -1;
	if (n->d.addr.frees == number) /* of nothing */
		return 0;
	if (*addr >> LAR_REF_ADDRESS_BITS) {
		n->old_at[number] = 0;
		return 0;
	}
	if (*ref != NO_REF) {
		*was = n->new_at[*ref];
		balance += balance_of(*was);
		n->new_at[*ref] = 0;
	}
	n->old_ticks[number] = took < now ? now - took : 0;
	n->old_at[number] = place(n->ordinal, balance);
	return 0;
}

static int take_realloc(struct net *n, uint64_t symbol, struct form *form)
{
	struct cursor *c = n->d.field[LAR_EV_REALLOC];
	uint64_t took, size, old, addr, code, was = 0;
	uint32_t frees = n->d.addr.frees, ref;

	if (get_varint(&c[1], &took) || get_varint(&c[2], &code) ||
	    take_old(n, code, took << n->d.time_shift, &old, &ref, &was))
		return -1;
	if (get_varint(&c[3], &code) || get_size(&c[4], symbol, form, &size) ||
	    take_new(n, code, size, &addr))
		return -1;
	if (addr || !size || n->d.addr.frees == frees || old >> LAR_REF_ADDRESS_BITS)
		return 0;
	n->old_at[frees] = 0; /* it failed: the old block is as it was */
	if (ref != NO_REF)
		n->new_at[ref] = was;
	return 0;
}

static inline __attribute__((always_inline)) int take_event(struct net *n, uint64_t symbol)
{
	struct decoder *d = &n->d;
	struct form *form = get_form(d, symbol);
	uint64_t addr, was, size, code;
	unsigned kind;
	uint32_t ref;

	if (!form)
		return -1;
	n->ordinal++;
	if (get_time(d, form->freed))
		return -1;
	kind = form->kind;
	switch (kind) {
	case LAR_EV_ALLOC:
		if (get_varint(&d->field[kind][1], &code) ||
		    get_size(&d->field[kind][2], symbol, form, &size))
			return -1;
		return take_new(n, code, size, &addr);
	case LAR_EV_FREE:
	case LAR_EV_FREE_SIZED:
		if (get_varint(&d->field[kind][1], &code))
			return -1;
		return take_old(n, code, 0, &addr, &ref, &was);
	case LAR_EV_REALLOC:
		return take_realloc(n, symbol, form);
	default:
		return 0;
	}
}

/* A PATH's nodes, which forms are held against. */
static int pass_path(struct decoder *d)
{
	uint64_t back, frames;

	if (get_varint(&d->fixed[LAR_STREAM_PARENT], &back) || back > d->nodes ||
	    get_varint(&d->fixed[LAR_STREAM_FRAMES], &frames) || frames > LAR_MAX_DEPTH)
		return -1;
	d->nodes += (uint32_t)frames;
	return 0;
}

static void tell(const struct net *n, lar_net_fn *take, void *arg)
{
	const struct addresses *a = &n->d.addr;
	uint32_t i = 0, j = 0;

	for (;;) {
		uint32_t born, died;

		while (i < a->allocations && !n->new_at[i])
			i++;
		while (j < a->frees && !n->old_at[j])
			j++;
		if (i == a->allocations && j == a->frees)
			return;
		born = i < a->allocations ? (uint32_t)n->new_at[i] : UINT32_MAX;
		died = j < a->frees ? (uint32_t)n->old_at[j] : UINT32_MAX;
		if (died <= born) { /* of a realloc the old block goes first */
			take(arg, &(struct lar_net){ a->freed[j], n->old_ticks[j], 0,
						     balance_of(n->old_at[j]), true });
			j++;
		} else {
			uint64_t address = a->allocated[i] & ((1ull << LAR_REF_ADDRESS_BITS) - 1);

			take(arg, &(struct lar_net){ address, n->new_ticks[i], n->new_size[i],
						     balance_of(n->new_at[i]), false });
			i++;
		}
	}
}

int lar_decode_net(const uint8_t *in, size_t size, uint32_t events, unsigned time_shift,
		   uint64_t *scratch, lar_net_fn *take, void *arg)
{
	struct cursor *sequence;
	struct net n;

	if (time_shift > 32 || size > LAR_BLOCK_MAX_ENCODED)
		return -1;
	memset(&n, 0, sizeof(n));
	n.d.time_shift = time_shift;
	if (lar_read_directory(&n.d, in, size) || lar_read_shapes(&n.d))
		return -1;
	n.d.addr.room = (uint32_t)size;
	lar_forms_init(&n.d, scratch + 7 * size);
	lar_read_steps(&n.d, scratch + 7 * size + 3 * LAR_FORMS);
	n.d.addr.allocated = scratch;
	n.d.addr.freed = scratch + size;
	n.new_ticks = scratch + 2 * size;
	n.new_size = scratch + 3 * size;
	n.new_at = scratch + 4 * size;
	n.old_ticks = scratch + 5 * size;
	n.old_at = scratch + 6 * size;
	sequence = &n.d.fixed[LAR_STREAM_SEQUENCE];
	while (sequence->p < sequence->end) {
		uint64_t symbol;

		if (get_varint(sequence, &symbol) ||
		    (symbol == LAR_FORM_PATH ? pass_path(&n.d) : take_event(&n, symbol)))
			return -1;
	}
	if (n.ordinal != events)
		return -1;
	tell(&n, take, arg);
	return 0;
}
