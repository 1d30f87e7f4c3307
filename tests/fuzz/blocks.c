/* SPDX-License-Identifier: MIT */
/*
 * Encoded blocks and what lar_decode() makes of them, for a second reader: `blocks N` prints N, of
 * which most are damaged. A line has the number of events, the time shift, the bytes of the block,
 * then "damaged", or how many records were left out and the words decoded; bytes and words in hex.
 */
#include <stdbool.h>

#include "../unit/randomrecords.h"

#define MAX_WORDS 20000

static void print_bytes(const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		printf("%02x", bytes[i]);
}

/* Changes up to three bytes. */
static void damage(uint8_t *bytes, size_t size)
{
	for (uint64_t n = random_word() % 3 + 1; n; n--) {
		uint8_t *p = bytes + random_word() % size;

		*p = random_word() & 1 ? (uint8_t)random_word() : *p ^ 1u << random_word() % 8;
	}
}

static void print_block(struct lar_encoder *enc, struct tb_records *r, bool whole)
{
	static uint8_t bytes[65536];
	static uint64_t out[MAX_WORDS], scratch[4 * sizeof(bytes)];
	unsigned shift = random_word() % 3 * 4;
	size_t size, end = 60 + random_word() % 200;
	uint64_t addresses = 1 + random_word() % 40;
	uint32_t events, skipped;
	int64_t words;

	tb_clear(r);
	while (r->count < end || !r->events)
		add_random(r, addresses);
	size = lar_encode(enc, r->words, r->count, shift, bytes, sizeof(bytes), &events);
	assert(size && events == r->events);
	if (!whole)
		damage(bytes, size);
	words = lar_decode(bytes, size, events, shift, out, MAX_WORDS, scratch, &skipped);
	assert(words >= 0 || !whole);
	printf("%u %u ", events, shift);
	print_bytes(bytes, size);
	if (words < 0)
		printf(" damaged");
	else
		printf(" %u ", skipped);
	for (int64_t i = 0; i < words; i++)
		printf("%016llx", (unsigned long long)out[i]);
	printf("\n");
}

int main(int argc, char **argv)
{
	unsigned long count = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	struct tb_records *r = calloc(1, sizeof(*r));
	struct lar_encoder *enc = tb_encoder(1000);

	if (!count || !r)
		return 2;
	for (unsigned long i = 0; i < count; i++)
		print_block(enc, r, i % 8 == 0);
	tb_encoder_free(enc);
	free(r);
	return 0;
}
