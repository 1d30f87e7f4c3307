/* SPDX-License-Identifier: MIT */
/* build: -O2 */
/*
 * Puts characters, lines and records into a large buffer, says how much, and is killed: nothing of
 * it reaches the file.
 *
 *	io_unflushed FILE TURNS
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	static char buffer[1 << 20];
	char record[32] = { 0 };
	FILE *f = argc == 3 ? fopen(argv[1], "w") : NULL;
	long turns = f ? atol(argv[2]) : 0, bytes = 0;

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
