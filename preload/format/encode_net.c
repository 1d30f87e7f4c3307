/* SPDX-License-Identifier: MIT */
/* What a block that was just encoded changed about the blocks in use; see codec.h. */
#include "codec.h"

#define AHEAD 8 /* records are asked for so far in advance */

void lar_encode_net_begin(struct lar_encoder *enc)
{
	uint32_t n = enc->gone_count;

	for (uint32_t i = 0; i < LAR_ENC_BUCKETS / 64; i++)
		for (uint64_t left = enc->used[i]; left; left &= left - 1) {
			const struct lar_enc_address *b =
				enc->address[i * 64 + (uint32_t)__builtin_ctzll(left)];

			for (uint32_t way = 0; way < LAR_ENC_WAYS; way++) {
				enc->gone[n] = b[way].net;
				n += b[way].net != 0;
			}
		}
	enc->gone_count = n;
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
	uint32_t i = at->next, n = 0;

	for (; n < room && i < enc->gone_count; i++) {
		uint32_t word = enc->gone[i];
		const uint64_t *r = records + (word >> 8 & LAR_NET_PLACE);

		if (i + AHEAD < enc->gone_count)
			__builtin_prefetch(records + (enc->gone[i + AHEAD] >> 8 & LAR_NET_PLACE));
		net[n] = (struct lar_net){ .address = r[2],
					   .ticks = r[1] >> time_shift << time_shift,
					   .size = r[3],
					   .balance = (int8_t)word,
					   .freed = word & LAR_NET_FREED };
		if (__builtin_expect(lar_word0_kind(*r) == LAR_EV_REALLOC, 0))
			of_realloc(&net[n], r, time_shift);
		n += word && !(net[n].address >> LAR_REF_ADDRESS_BITS);
	}
	at->next = i;
	return n;
}
