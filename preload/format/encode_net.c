/* SPDX-License-Identifier: MIT */
/*
 * What a block that was just encoded changed about the blocks in use; see codec.h. Which numbers
 * have a place left, and whether an allocation or a free comes next, cannot be predicted where
 * there are many: no branch on it.
 */
#include "codec.h"

void lar_encode_net_begin(struct lar_encoder *enc)
{
	uint32_t most = enc->allocations > enc->frees ? enc->allocations : enc->frees;
	uint32_t born = 0, died = 0;

	for (uint32_t i = 0; i < most; i++) {
		uint32_t b = i < enc->allocations ? enc->at[i][LAR_AT_BORN] : 0;
		uint32_t d = i < enc->frees ? enc->at[i][LAR_AT_DIED] : 0;

		enc->at[born][LAR_AT_BORN] = b;
		enc->at[died][LAR_AT_DIED] = d;
		born += b != 0;
		died += d != 0;
	}
	enc->allocations = born;
	enc->frees = died;
}

/* The block that a realloc was given, or made. */
static void of_realloc(struct lar_net *net, const uint64_t *r, unsigned time_shift)
{
	uint64_t took = lar_round_up(r[2], time_shift);

	net->address = r[net->freed ? 3 : 4];
	net->size = r[5];
	if (net->freed)
		net->ticks = took < net->ticks ? net->ticks - took : 0;
}

uint32_t lar_encode_net(const struct lar_encoder *enc, const uint64_t *records, unsigned time_shift,
			struct lar_net_at *at, struct lar_net *net, uint32_t room)
{
	uint32_t i = at->born, j = at->died, n = 0;

	while (n < room && (i < enc->allocations || j < enc->frees)) {
		uint32_t born = i < enc->allocations ? enc->at[i][LAR_AT_BORN] : UINT32_MAX;
		uint32_t died = j < enc->frees ? enc->at[j][LAR_AT_DIED] : UINT32_MAX;
		bool freed = died >> 8 <= born >> 8; /* of a realloc the old block goes first */
		uint32_t place = freed ? died : born;
		const uint64_t *r = records + (place >> 8);

		net[n] = (struct lar_net){ .address = r[2],
					   .ticks = r[1] >> time_shift << time_shift,
					   .size = r[3],
					   .balance = (int8_t)place,
					   .freed = freed };
		if (__builtin_expect(lar_word0_kind(*r) == LAR_EV_REALLOC, 0))
			of_realloc(&net[n], r, time_shift);
		i += !freed;
		j += freed;
		n += !(net[n].address >> LAR_REF_ADDRESS_BITS);
	}
	at->born = i;
	at->died = j;
	return n;
}
