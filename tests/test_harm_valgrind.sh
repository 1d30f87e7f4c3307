#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A program of several threads in valgrind, which ends whoever makes a thread as the recorder does:
# the program's output and exit status are its own, and what it did is in the trace.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need valgrind gcc jq

cat >threads.c <<'END'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static void *work(void *kept)
{
	for (int i = 0; i < 20000; i++) {
		void *volatile p = malloc(100);
		free(p);
	}
	*(void **)kept = malloc(77);
	return NULL;
}
int main(void)
{
	static void *kept[3];
	for (int k = 0; k < 3; k++) {
		pthread_t thread;
		if (pthread_create(&thread, NULL, work, &kept[k]))
			return 1;
		usleep(150000); /* longer than from one sample of the process to the next */
		pthread_join(thread, NULL);
	}
	puts("done");
	return 3;
}
END
gcc -O1 -pthread -o threads threads.c
for tool in none memcheck; do
	LD_PRELOAD=$lib LARIAT_OUTPUT=$work/%c.lariat valgrind -q --tool=$tool ./threads >out 2>err
	same "$tool: exit status, output" "3 done " "$? $(cat out) $(cat err)"
	# the process still has the name of valgrind's own program
	mv "$work/$tool-"*.lariat "$tool.lariat"
	same "$tool: how it ended" '["exit",3,0]' "$("$lariat" info --format json "$tool.lariat" |
		jq -c '[.process.end, .process.exit_code, .trace.events_dropped]')"
done
# memcheck has the heap for itself
same "what it allocated" '[60003,231]' "$("$lariat" report --format json none.lariat |
	jq -c '[.heap.sites[] | select(.function == "work")] | [(map(.allocations) | add),
		(map(.live_bytes) | add)]')"
finish
