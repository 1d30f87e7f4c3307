/* SPDX-License-Identifier: MIT */
/* Log-linear histogram; see histogram.h. */
#include "histogram.h"

#include <stdlib.h>
#include <string.h>

#define FEW	    16u /* values of one bucket that are counted without an array */
#define FEW_BUCKETS 32u /* with fewer, a histogram grows by a few */

void histogram_init(struct histogram *h, unsigned bits)
{
	memset(h, 0, sizeof(*h));
	h->bits = (uint8_t)bits;
}

void histogram_fini(struct histogram *h)
{
	if (h->length)
		free(h->bucket);
	h->only = 0;
	h->length = 0;
}

static uint64_t bucket_middle(unsigned bucket, unsigned bits)
{
	unsigned exponent;
	uint64_t low;

	if (bucket < 2u << bits)
		return bucket;
	exponent = (bucket >> bits) - 1;
	low = (uint64_t)((bucket & ((1u << bits) - 1)) + (1u << bits)) << exponent;
	return low + (((uint64_t)1 << exponent) >> 1);
}

/* Makes room for `bucket`, with some to spare on the side that grew. There is room for one already.
 */
static bool window_grow(struct histogram *h, unsigned bucket)
{
	unsigned length = h->length ? h->length : 1;
	unsigned spare = length < FEW_BUCKETS ? (1u << h->bits) / 2 : 2u << h->bits;
	unsigned first = h->first, end = h->first + length;
	uint64_t *grown;

	if (bucket < first)
		first = bucket > spare ? bucket - spare : 0;
	else if (bucket >= end)
		end = bucket + spare;
	grown = calloc(end - first, sizeof(*grown));
	if (!grown)
		return false;
	memcpy(grown + (h->first - first), h->length ? h->bucket : &h->only,
	       length * sizeof(*grown));
	if (h->length)
		free(h->bucket);
	h->bucket = grown;
	h->first = (uint16_t)first;
	h->length = (uint16_t)(end - first);
	return true;
}

static void bucket_add(struct histogram *h, unsigned bucket, uint64_t count)
{
	if (!h->length && (!h->only || (bucket == h->first && h->only + count <= FEW))) {
		h->first = (uint16_t)bucket;
		h->only += count;
		return;
	}
	/* below `first` wraps around and is too large as well */
	if (bucket - h->first >= h->length && !window_grow(h, bucket)) {
		h->truncated = 1;
		return;
	}
	h->bucket[bucket - h->first] += count;
}

void histogram_add_many(struct histogram *h, uint64_t value, uint64_t count)
{
	uint64_t sum;

	if (!h->count || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->count += count;
	if (__builtin_mul_overflow(value, count, &sum) ||
	    __builtin_add_overflow(h->sum, sum, &h->sum))
		h->sum = UINT64_MAX;
	bucket_add(h, histogram_bucket(value, h->bits), count);
}

void histogram_add(struct histogram *h, uint64_t value)
{
	histogram_add_many(h, value, 1);
}

void histogram_add_sums(struct histogram *h, const struct histogram *from, uint64_t times)
{
	uint64_t sum;

	if (!from->count)
		return;
	if (!h->count || from->min < h->min)
		h->min = from->min;
	if (from->max > h->max)
		h->max = from->max;
	h->count += from->count * times;
	if (__builtin_mul_overflow(from->sum, times, &sum) ||
	    __builtin_add_overflow(h->sum, sum, &h->sum))
		h->sum = UINT64_MAX;
	h->truncated |= from->truncated;
}

void histogram_add_bucket(struct histogram *h, unsigned bucket, uint64_t count)
{
	if (count)
		bucket_add(h, bucket, count);
}

/* What is in bucket first + i, of as many as has buckets_of(). */
static uint64_t in_bucket(const struct histogram *h, unsigned i)
{
	return h->length ? h->bucket[i] : h->only;
}

static unsigned buckets_of(const struct histogram *h)
{
	return h->length ? h->length : h->only != 0;
}

void histogram_merge(struct histogram *h, const struct histogram *from)
{
	histogram_add_sums(h, from, 1);
	for (unsigned i = 0; i < buckets_of(from); i++)
		histogram_add_bucket(h, from->first + i, in_bucket(from, i));
}

uint64_t histogram_quantile(const struct histogram *h, unsigned parts_per_thousand)
{
	/* in two steps: count * 1000 may not fit */
	uint64_t rank = h->count / 1000 * parts_per_thousand +
			(h->count % 1000 * parts_per_thousand + 999) / 1000;
	uint64_t seen = 0, middle;

	if (!h->count)
		return 0;
	if (rank <= 1)
		return h->min;
	if (rank >= h->count)
		return h->max;
	for (unsigned i = 0; i < buckets_of(h); i++) {
		seen += in_bucket(h, i);
		if (seen < rank)
			continue;
		middle = bucket_middle(h->first + i, h->bits);
		return middle < h->min ? h->min : middle > h->max ? h->max : middle;
	}
	return h->max;
}

uint64_t histogram_mean(const struct histogram *h)
{
	return h->count ? h->sum / h->count : 0;
}
