/* SPDX-License-Identifier: MIT */
/*
 * Drives fuzz_trace.c without a fuzz engine: each file as it is, then N mutations of each, the
 * same ones every time. Where one fails, the bytes are left in a file for a second look.
 *
 *	replay N FILE...
 *
 * Mutations know a little of the format: they make headers of blocks valid again after changing
 * them (else every change would end at the check), and recompress what a block holds.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "../../preload/format/trace_format.h"
#include "fuzz_trace.h"

struct input {
	uint8_t *bytes;
	size_t size;
};

static struct input current; /* for the handler */
static char failure[256];

static uint64_t state;
static uint64_t rnd(void) /* splitmix64, Steele, Lea and Flood 2014 */
{
	uint64_t z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static void save(int number)
{
	static const char text[] = "replay: failed; the input is in the file failed.lariat\n";
	FILE *f = fopen("failed.lariat", "wb");

	if (f) {
		fwrite(current.bytes, 1, current.size, f);
		fclose(f);
	}
	(void)!write(2, text, sizeof(text) - 1);
	(void)!write(2, failure, strlen(failure));
	signal(number, SIG_DFL);
	raise(number);
}

static struct input load(const char *path)
{
	struct input in = { NULL, 0 };
	FILE *f = fopen(path, "rb");

	if (!f || fseek(f, 0, SEEK_END))
		goto fail;
	in.size = (size_t)ftell(f);
	in.bytes = malloc(in.size + 1);
	rewind(f);
	if (!in.bytes || fread(in.bytes, 1, in.size, f) != in.size)
		goto fail;
	fclose(f);
	return in;
fail:
	perror(path);
	exit(2);
}

/* Values that are wrong in interesting ways. */
static uint64_t odd_value(void)
{
	static const uint64_t value[] = { 0,	      1,	  7,	      8,
					  31,	      32,	  4095,	      4096,
					  0x7fffffff, 0xffffffff, INT64_MAX,  UINT64_MAX,
					  1ull << 31, 1ull << 32, 1ull << 40, 1ull << 63 };

	return rnd() & 1 ? value[rnd() % 16] : rnd() >> (rnd() & 63);
}

/* An offset where there is something: mutations of zeros find nothing. */
static size_t place(const struct input *in)
{
	size_t at = 0;

	for (int tries = 0; tries < 64; tries++) {
		at = rnd() % in->size;
		if (in->bytes[at])
			break;
	}
	return at;
}

static void change_bytes(struct input *in)
{
	for (uint64_t n = 1 + rnd() % 8; n; n--) {
		size_t at = place(in);
		uint64_t v = odd_value();
		size_t width = (size_t)1 << (rnd() & 3);

		if (rnd() & 1)
			in->bytes[at] ^= (uint8_t)(1u << (rnd() & 7));
		else if ((at &= ~(width - 1)) + width <= in->size)
			memcpy(in->bytes + at, &v, width);
	}
}

static void change_header(struct input *in)
{
	size_t at = 16 + (rnd() % (sizeof(struct lar_header) - 16) & ~(size_t)3);
	uint64_t v = odd_value();

	if (at + 8 <= in->size)
		memcpy(in->bytes + at, &v, rnd() & 1 ? 4 : 8);
}

static void copy_piece(struct input *in)
{
	size_t from = place(in), to = place(in), n = 1 + rnd() % 512;

	if (n > in->size - from)
		n = in->size - from;
	if (n > in->size - to)
		n = in->size - to;
	memmove(in->bytes + to, in->bytes + from, n);
}

/* The offset of some block in the file, or 0. */
static size_t some_block(const struct input *in)
{
	size_t found = 0, count = 0;

	for (size_t at = LAR_HEADER_SIZE; at + sizeof(struct lar_block) <= in->size; at += 32) {
		uint32_t magic;

		memcpy(&magic, in->bytes + at, 4);
		if (magic == LAR_BLOCK_MAGIC && rnd() % ++count == 0)
			found = at;
	}
	return found;
}

static void fix_check(struct lar_block *b)
{
	b->check = lar_block_check(b);
}

static void change_block_header(struct input *in)
{
	size_t at = some_block(in), field;
	struct lar_block b;
	uint64_t v = odd_value();

	if (!at)
		return;
	memcpy(&b, in->bytes + at, sizeof(b));
	field = 4 + (rnd() % (sizeof(b) - 12) & ~(size_t)3);
	memcpy((uint8_t *)&b + field, &v, rnd() & 3 ? 4 : 8);
	fix_check(&b);
	memcpy(in->bytes + at, &b, sizeof(b));
}

/* Decompresses a block, changes what the column codec will see, and puts it back. */
static void change_block(struct input *in)
{
	static uint8_t encoded[1 << 20], frame[2 << 20];
	size_t at = some_block(in), n;
	struct lar_block b;

	if (!at)
		return;
	memcpy(&b, in->bytes + at, sizeof(b));
	if (b.comp_size > in->size - at - sizeof(b))
		return;
	n = ZSTD_decompress(encoded, sizeof(encoded), in->bytes + at + sizeof(b), b.comp_size);
	if (ZSTD_isError(n) || !n)
		return;
	for (uint64_t k = 1 + rnd() % 6; k; k--) {
		size_t where = rnd() & 1 ? rnd() % n : rnd() % (n < 64 ? n : 64);

		encoded[where] = rnd() & 1 ? (uint8_t)rnd() : encoded[where] ^ 0x80;
	}
	if (rnd() % 8 == 0)
		n -= rnd() % n / 2;
	b.encoded_size = (uint32_t)n;
	n = ZSTD_compress(frame, sizeof(frame), encoded, n, 1);
	if (ZSTD_isError(n) || sizeof(b) + n > b.total_size)
		return; /* no room for it where it was */
	b.comp_size = (uint32_t)n;
	if (rnd() & 1)
		b.raw_size = (uint32_t)odd_value() & ~7u;
	fix_check(&b);
	memcpy(in->bytes + at, &b, sizeof(b));
	memcpy(in->bytes + at + sizeof(b), frame, n);
}

static void mutate(struct input *in)
{
	static void (*const kind[])(struct input *) = { change_bytes, change_header,
							copy_piece,   change_block_header,
							change_block, change_block };

	for (uint64_t n = 1 + rnd() % 4; n && in->size; n--)
		kind[rnd() % (sizeof(kind) / sizeof(*kind))](in);
	if (rnd() % 16 == 0)
		in->size = rnd() % (in->size + 1);
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned long runs = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: %s N FILE...\n", argv[0]);
		return 2;
	}
	signal(SIGABRT, save);
	for (int i = 2; i < argc; i++) {
		struct input seed = load(argv[i]);

		current.bytes = malloc(seed.size + 1);
		for (unsigned long n = 0; n <= rounds; n++) {
			state = n << 8 | (unsigned)i;
			current.size = seed.size;
			memcpy(current.bytes, seed.bytes, seed.size);
			if (n && seed.size)
				mutate(&current);
			snprintf(failure, sizeof(failure), "replay: %s, mutation %lu\n", argv[i],
				 n);
			LLVMFuzzerTestOneInput(current.bytes, current.size);
			runs++;
		}
		free(current.bytes);
		free(seed.bytes);
	}
	printf("%lu inputs read\n", runs);
	return 0;
}
