/* SPDX-License-Identifier: MIT */
/*
 * Log-linear histogram of 64-bit values: exact count, sum, least and most; quantiles within one
 * part in 2^(bits + 1). Zeroed memory and histogram_init() make one; only the range of buckets in
 * use takes memory, and a few values of one bucket take none: many histograms have no more. One
 * thread at a time.
 */
#ifndef LARIAT_HISTOGRAM_H
#define LARIAT_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

struct histogram {
	uint64_t count, sum, min, max; /* the sum stops at UINT64_MAX */
	union {
		uint64_t *bucket; /* buckets first .. first + length - 1 */
		uint64_t only;	  /* without a length: values in bucket `first`, all there are */
	};
	uint16_t first, length;
	uint8_t bits;	   /* each power of two is cut into 2^bits buckets */
	uint8_t truncated; /* memory ran out: quantiles leave values out, all else is exact */
};

/* Relative error of a quantile: 1/32 at 4 bits, 1/8 at 2. */
enum { HISTOGRAM_FINE = 4, HISTOGRAM_COARSE = 2 };

void histogram_init(struct histogram *h, unsigned bits);
void histogram_fini(struct histogram *h);

/* Values below 2^bits have a bucket each; above, the top bits + 1 binary digits name it. */
static inline unsigned histogram_bucket(uint64_t value, unsigned bits)
{
	unsigned exponent;

	if (value < 1u << bits)
		return (unsigned)value;
	exponent = 63u - (unsigned)__builtin_clzll(value) - bits;
	return (exponent << bits) + (unsigned)(value >> exponent);
}

/* Never fails; see `truncated`. */
void histogram_add(struct histogram *h, uint64_t value);

/* The same value `count` times, count > 0. */
void histogram_add_many(struct histogram *h, uint64_t value, uint64_t count);

/*
 * histogram_add() in two steps, between which the memory of the bucket is fetched: true when the
 * second, histogram_count_bucket(), is still to be done with *bucket.
 */
static inline bool histogram_count_later(struct histogram *h, uint64_t value, uint32_t *bucket)
{
	unsigned number = histogram_bucket(value, h->bits), at = number - h->first;
	uint64_t sum = h->sum + value;

	if (__builtin_expect(at >= h->length || sum < value || !h->count, 0)) {
		histogram_add(h, value);
		return false;
	}
	__builtin_prefetch(&h->bucket[at]);
	h->min = value < h->min ? value : h->min;
	h->max = value > h->max ? value : h->max;
	h->count++;
	h->sum = sum;
	*bucket = number;
	return true;
}

/* The buckets in use only become more. */
static inline void histogram_count_bucket(struct histogram *h, uint32_t bucket)
{
	h->bucket[bucket - h->first]++;
}

/* Adds what `from` holds; both were made with the same bits. */
void histogram_merge(struct histogram *h, const struct histogram *from);

/*
 * Two halves of a merge with a histogram whose buckets are stored elsewhere: first its count, sum,
 * least and most, each value `times` times; then what each of its buckets holds.
 */
void histogram_add_sums(struct histogram *h, const struct histogram *from, uint64_t times);
void histogram_add_bucket(struct histogram *h, unsigned bucket, uint64_t count);

/*
 * The value below or at which `parts_per_thousand` of all values lie (nearest rank): the middle of
 * its bucket, kept between min and max. 0 when empty.
 */
uint64_t histogram_quantile(const struct histogram *h, unsigned parts_per_thousand);

/* Sum / count, rounded down; 0 when empty. */
uint64_t histogram_mean(const struct histogram *h);

#endif
