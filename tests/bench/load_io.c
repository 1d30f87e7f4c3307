/* SPDX-License-Identifier: MIT */
/* Small I/O on known descriptors: load_io COUNT reads and writes 16 bytes, COUNT times each. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int in = open("/dev/zero", O_RDONLY), out = open("/dev/null", O_WRONLY);
	long count = argc > 1 ? atol(argv[1]) : 0;
	char buffer[16];

	if (in < 0 || out < 0)
		return 1;
	for (long i = 0; i < count; i++)
		if (read(in, buffer, sizeof(buffer)) != sizeof(buffer) ||
		    write(out, buffer, sizeof(buffer)) != sizeof(buffer))
			return 1;
	printf("calls %ld\n", count * 2);
	return 0;
}
