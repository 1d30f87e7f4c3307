/* SPDX-License-Identifier: MIT */
/*
 * disk_ends N WAY: N blocks of 100 bytes come and go, then the process ends: `exit`; `late` leaves
 * 5 bytes in a stream, which libc writes when all else is over; `kill` dies of SIGKILL.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[1]) : 0;
	void *volatile p;

	for (int i = 0; i < n; i++) {
		p = malloc(100);
		free(p);
	}
	if (n && !strcmp(argv[2], "late"))
		fputs("late\n", stdout);
	if (n && !strcmp(argv[2], "kill"))
		raise(SIGKILL);
	return 0;
}
