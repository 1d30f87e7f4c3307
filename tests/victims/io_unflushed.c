/* SPDX-License-Identifier: MIT */
/* build: -O2 */
/*
 *	io_unflushed FILE		a line that is flushed 60 ms later, then some that never are
 *	io_unflushed FILE TURNS
 *
 * The second puts characters, lines and records into a large buffer, says how much, and is killed:
 *nothing of it reaches the file.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Streams in memory have no descriptor: what their FILE says of one is what was there before. */
static void in_memory(void)
{
	char *text = NULL, room[100];
	void *before = malloc(700);
	size_t size;
	FILE *f;

	memset(before, 1, 700);
	free(before);
	f = open_memstream(&text, &size);
	for (int i = 0; i < 50; i++)
		fputs("in memory", f);
	fflush(f);
	fclose(f);
	free(text);
	f = fmemopen(room, sizeof(room), "w+");
	fputs("in memory", f);
	rewind(f);
	fgetc(f);
	fclose(f);
}

__attribute__((__noinline__)) static void late(FILE *f)
{
	fputs("a line\n", f);
	usleep(60000);
	fflush(f);
}

__attribute__((__noinline__)) static void never(FILE *f)
{
	for (int i = 0; i < 10; i++)
		fputs("a line\n", f);
	fflush(f);
	for (int i = 0; i < 30; i++)
		fputs("a line\n", f);
	_exit(0);
}

int main(int argc, char **argv)
{
	static char buffer[1 << 20];
	char record[32] = { 0 };
	FILE *f = argc > 1 ? fopen(argv[1], "w") : NULL;
	long turns = argc > 2 ? atol(argv[2]) : 0, bytes = 0;

	if (f && argc == 2) {
		in_memory();
		late(f);
		never(f);
	}
	if (!f || setvbuf(f, buffer, _IOFBF, sizeof(buffer)))
		return 2;
	for (long i = 0; i < turns; i++) {
		size_t n = (size_t)(i % sizeof(record)) + 1;

		bytes += putc('x', f) == 'x';
		bytes += fprintf(f, "line %ld\n", i);
		bytes += (long)fwrite(record, 1, n, f);
		memset(record, 'a' + (int)(i % 26), sizeof(record) - 1);
		bytes += (long)strlen(record);
		if (fputs(record, f) < 0)
			return 2;
	}
	printf("calls=%ld\nbytes=%ld\n", 4 * turns, bytes);
	fflush(stdout);
	return raise(SIGKILL);
}
