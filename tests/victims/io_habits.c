/* SPDX-License-Identifier: MIT */
/* build: -g */
/*
 * Bad habits of I/O, each on a file of its own and as often as the test knows. Works in the current
 * folder.
 *
 *	io_habits [ROUNDS]	everything so often, default 1
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char block[1 << 16];
#define HABIT __attribute__((__noinline__)) static void

static void must(int ok)
{
	if (!ok)
		abort();
}

static int make(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);

	must(fd >= 0);
	return fd;
}

/* 5000 writes of 20 bytes: 100,000 in all, 2 buffers of 64 KiB. */
HABIT small_writes(void)
{
	int fd = make("h_small");

	for (int i = 0; i < 5000; i++)
		must(write(fd, block, 20) == 20);
	close(fd);
}

HABIT byte_reads(void)
{
	int fd = open("h_small", O_RDONLY);

	for (int i = 0; i < 3000; i++)
		must(read(fd, block, 1) == 1);
	close(fd);
}

HABIT syncs(void)
{
	int fd = make("h_sync");

	for (int i = 0; i < 110; i++)
		must(write(fd, block, 8192) == 8192 && (i % 2 || !fdatasync(fd)) &&
		     (i % 2 == 0 || !fsync(fd)));
	close(fd);
}

HABIT churn(void)
{
	for (int i = 0; i < 150; i++)
		close(make("h_churn"));
}

/* 1200 times at the same 40 places, each set before; 4 KiB each. */
HABIT seeks(void)
{
	int fd = make("h_seek");

	must(!ftruncate(fd, 4096 * 40));
	for (int i = 0; i < 1200; i++) {
		must(lseek(fd, i * 17 % 40 * 4096, SEEK_SET) >= 0);
		must(read(fd, block, 4096) == 4096);
	}
	close(fd);
}

/* Forwards by 7 blocks and back by 6: half of the steps go back. */
HABIT randoms(void)
{
	int fd = make("h_random");

	must(!ftruncate(fd, 4096l * 4000));
	for (long i = 0; i < 3000; i++)
		must(pread(fd, block, 4096, (i / 2 + i % 2 * 7) * 4096 + i % 3 * 512) == 4096);
	close(fd);
}

/* Whole, 64 KiB at a time, in order; and every fourth block. */
HABIT good(void)
{
	int fd = make("h_good");

	for (int i = 0; i < 16; i++)
		must(write(fd, block, 1 << 16) == 1 << 16);
	lseek(fd, 0, SEEK_SET);
	for (int i = 0; i < 16; i++)
		must(read(fd, block, 1 << 16) == 1 << 16);
	close(fd);
	fd = make("h_strided");
	must(!ftruncate(fd, 1 << 20));
	for (int i = 0; i < 64; i++)
		must(pread(fd, block, 4096, i * 16384) == 4096);
	close(fd);
}

/* A database, by what the file begins with. */
HABIT database(void)
{
	int fd = make("h_data");

	must(write(fd, "SQLite format 3", 16) == 16);
	for (int i = 0; i < 200; i++)
		must(pread(fd, block, 16, 0) == 16 && pwrite(fd, "x", 1, 100 + i) == 1);
	memset(block, 0, sizeof(block));
	close(fd);
}

HABIT polls(void)
{
	struct timespec t = { 0, 1000 };

	for (int i = 0; i < 1500; i++)
		nanosleep(&t, NULL);
}

HABIT streams(void)
{
	FILE *f = fopen("h_stream", "w");
	char line[64];

	for (int i = 0; i < 10000; i++)
		fputs("hello world", f);
	fclose(f);
	f = fopen("h_stream", "r");
	while (fgets(line, 12, f))
		;
	fclose(f);
	for (int i = 0; i < 5; i++)
		must(open("h_no/such", O_RDONLY) < 0);
}

/* Calls of which no two are alike: they fill a trace. */
HABIT noise(void)
{
	static unsigned long x = 1;
	int fd = make("h_noise");

	for (int i = 0; i < 40000; i++) {
		x = x * 6364136223846793005ul + 1442695040888963407ul;
		must(pwrite(fd, block, x >> 33 & 2047, (long)(x >> 44)) >= 0);
	}
	close(fd);
}

int main(int argc, char **argv)
{
	long rounds = argc > 1 ? atol(argv[1]) : 1;

	for (long i = 0; i < rounds; i++) {
		small_writes();
		byte_reads();
		if (!i)
			syncs();
		if (rounds > 1)
			noise();
		churn();
		seeks();
		randoms();
		good();
		database();
		polls();
		streams();
	}
	return 0;
}
