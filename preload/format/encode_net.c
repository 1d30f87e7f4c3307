/* SPDX-License-Identifier: MIT */
/* What a block that was just encoded changed about the blocks in use; see codec.h. */
#include "codec.h"

/* The next of the numbers from i on that something is known of. Of most there is nothing. */
static uint32_t next_known(uint32_t (*at)[2], unsigned which, uint32_t i, uint32_t count)
{
	while (i < count && !at[i][which])
		i++;
	return i;
}

static int32_t balance_of(uint32_t place)
{
	return (int8_t)place;
}

static struct lar_net allocation(const uint64_t *r, uint32_t place, unsigned time_shift)
{
	bool moved = lar_word0_kind(*r) == LAR_EV_REALLOC;

	return (struct lar_net){ .address = r[moved ? 4 : 2],
				 .ticks = r[1] >> time_shift << time_shift,
				 .size = r[moved ? 5 : 3],
				 .balance = balance_of(place) };
}

static struct lar_net release(const uint64_t *r, uint32_t place, unsigned time_shift)
{
	bool moved = lar_word0_kind(*r) == LAR_EV_REALLOC;
	uint64_t now = r[1] >> time_shift << time_shift;
	uint64_t took = moved ? lar_round_up(r[2], time_shift) : 0;

	return (struct lar_net){ .address = r[moved ? 3 : 2],
				 .ticks = took < now ? now - took : 0,
				 .balance = balance_of(place),
				 .freed = true };
}

void lar_encode_net(const struct lar_encoder *enc, const uint64_t *records, unsigned time_shift,
		    lar_net_fn *take, void *arg)
{
	uint32_t i = 0, j = 0;

	for (;;) {
		uint32_t born, died;
		struct lar_net net;

		i = next_known(enc->at, LAR_AT_BORN, i, enc->allocations);
		j = next_known(enc->at, LAR_AT_DIED, j, enc->frees);
		if (i == enc->allocations && j == enc->frees)
			return;
		born = i < enc->allocations ? enc->at[i][LAR_AT_BORN] : UINT32_MAX;
		died = j < enc->frees ? enc->at[j][LAR_AT_DIED] : UINT32_MAX;
		if (died >> 8 <= born >> 8) { /* of a realloc the old block goes first */
			net = release(records + (died >> 8), died, time_shift);
			j++;
		} else {
			net = allocation(records + (born >> 8), born, time_shift);
			i++;
		}
		if (!(net.address >> LAR_REF_ADDRESS_BITS))
			take(arg, &net);
	}
}
