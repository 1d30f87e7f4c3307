#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What extended the heap, seen from addresses, against what the kernel was asked for (strace); and
# candidates for pools, arenas and reserves in a program made to have them.
. "$(dirname "$0")/lib.sh"

need jq strace gcc
options=LARIAT_RECORD=heap

# How often the break went up and by how many bytes, the first look at it not counted.
breaks() { # FILE OF STRACE
	sed -nE 's/.*= 0x([0-9a-f]+)$/\1/p' "$1" | (
		last=
		count=0 bytes=0
		while read -r at; do
			if [ -n "$last" ] && [ $((16#$at)) -gt $((16#$last)) ]; then
				count=$((count + 1))
				bytes=$((bytes + 16#$at - 16#$last))
			fi
			last=$at
		done
		echo "$count $bytes"
	)
}

for scenario in linear_leak full_cache startup_tables freed_at_exit; do
	strace -f -e trace=brk -o "$work/strace" "$victims/trend_corpus" "$scenario" 0.4 >/dev/null
	record "$scenario" "$victims/trend_corpus" "$scenario" 0.4
	"$lariat" growth --format json --limit 0 "$(trace_of "$scenario")" >"$work/growth.json"
	same "$scenario: extensions of the main heap" "$(breaks "$work/strace")" "$(jq -r '.growth |
		.extension_totals[] | select(.kind == "brk" and (.recorded | not)) |
		"\(.count) \(.bytes)"' "$work/growth.json")"
	same "$scenario: the list has them all" "$(breaks "$work/strace")" "$(jq -r '.growth |
		[.extensions[] | select(.kind == "brk")] | "\(length) \(map(.bytes) | add)"' \
		"$work/growth.json")"
done
# The last scenario's blocks of 80 bytes lie in chunks of 96: five sixths are in use at the peak.
same "use of pages at the peak" true "$(jq '.growth | .peak_bytes / .held_peak_bytes |
	. > 0.80 and . < 0.85' "$work/growth.json")"
same "nothing is held at the end" true "$(jq '.growth.held_bytes < 32768' "$work/growth.json")"
same "the chart is there" 8 "$("$lariat" growth "$(trace_of freed_at_exit)" | grep -c '[█▁▂▃▄▅▆▇░]')"
same "without UTF-8 too" 8 "$(LC_ALL=C "$lariat" growth "$(trace_of freed_at_exit)" |
	sed -n '/Live heap/,/^ *0 ns/p' | sed '1d;$d' | grep -cE '^ .{11}.*[:#_o.]')"

# What the heap keeps although nothing is in it: 20,000 blocks below one that stays, so that the
# break cannot fall; then a block with a mapping of its own, which goes back at once.
cat >kept.c <<'END'
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void *volatile p[20000], *volatile top, *volatile sink;
static void churn(void)
{
	for (int k = 0; k < 25; k++) {
		for (int i = 0; i < 20000; i++) {
			sink = malloc(24);
			free(sink);
		}
		usleep(10000);
	}
}
int main(void)
{
	for (int i = 0; i < 20000; i++)
		memset(p[i] = malloc(1000), 1, 1000);
	top = malloc(1000);
	churn();
	for (int i = 0; i < 20000; i++)
		free(p[i]);
	churn();
	sink = malloc(50 << 20);
	memset(sink, 1, 50 << 20);
	free(sink);
	churn();
	return 0;
}
END
gcc -O1 -w -o kept kept.c
record kept ./kept
"$lariat" growth --format json --limit 0 "$(trace_of kept)" >"$work/growth.json"
same "what could be given back: all pages of the 20 MB" '[true,true,true]' "$(jq -c '.growth | .trim |
	[.bytes > 20160000 and .bytes < 20480000, .bytes == .most_bytes, .most_at_ns > 0]' \
	"$work/growth.json")"
same "what was" '[52428800,0]' "$(jq -c '.growth.given_back | [.own_mappings_bytes, .break_bytes]' \
	"$work/growth.json")"
same "in use, of the pages with blocks" 1000 "$(jq '.growth | .live_bytes' "$work/growth.json")"
same "held and resident are more" true "$(jq '.growth | .heap_bytes > 20000000 and
	.rss_bytes > .held_bytes and .fragmentation > 0.5 and .fragmentation < 1' "$work/growth.json")"
same "the last cycle gave the mapping back" true "$(jq '.growth.cycles[-1] |
	.given_back_bytes > 51000000 and .trim_bytes > 20160000' "$work/growth.json")"
same "extensions have a bound of how long they took" true "$(jq '.growth |
	([.extensions[1:][].took_at_most_ns] | all(. > 0)) and
	(.extension_totals[0].took_at_most_ns >= ([.extensions[] | select(.kind == "brk" and
	(.recorded | not)).took_at_most_ns // 0] | add))' "$work/growth.json")"
same "the text says it" 2 "$("$lariat" growth "$(trace_of kept)" |
	grep -cE 'malloc_trim\(\) could have given back 19\.|on pages : held : resident = 1000 B')"

# What was resident: more than the 128 MiB while they were there, little before and after.
for threads in '' two; do
	options="LARIAT_RECORD=heap LARIAT_INTERVAL=1ms LARIAT_SIZE=1M"
	# shellcheck disable=SC2086
	record "resident$threads" "$victims/resident" $threads
	same "exit status of resident $threads" 0 "$(status_of "resident$threads")"
	"$lariat" growth --format json "$(trace_of "resident$threads")" >"$work/growth.json"
	same "resident memory rose and fell, $threads" true "$(jq '[.growth.samples[].rss_bytes |
		numbers] | (.[0] < 5e7 and .[-1] < 5e7 and max > 134217728 and max < 2e8)' \
		"$work/growth.json")"
	same "as it is, not as it was at most, $threads" false "$(jq .growth.rss_is_peak \
		"$work/growth.json")"
done
options=LARIAT_RECORD=heap

cat >churn.c <<'END'
#include <stdlib.h>
#include <string.h>
#define SITE __attribute__((noipa))
static void *volatile sink;
SITE static void *pooled(void) { return sink = malloc(48); }
SITE static void *together(size_t n) { return sink = malloc(n); }
SITE static void *grown(void *p, size_t n) { return sink = realloc(p, n); }
int main(void)
{
	static void *part[50];
	char *p = NULL;

	for (int i = 0; i < 20000; i++)
		free(pooled());
	for (int i = 0; i < 100; i++) {
		for (int k = 0; k < 50; k++)
			part[k] = together(16 + 16 * k);
		for (int k = 0; k < 50; k++)
			free(part[k]);
	}
	for (int i = 1; i <= 1000; i++)
		p = grown(p, 1000 * i);
	free(p);
	return 0;
}
END
gcc -g -O1 -o churn churn.c
record churn ./churn
"$lariat" alloc --format json "$(trace_of churn)" >"$work/churn.json"
same "a pool of one answers all but the first" '[["pooled",48,20000,1,19999]]' "$(jq -c '.heap.pools |
	map([.function, .size_bytes, .allocations, .pool_blocks, .allocations_saved])' \
	"$work/churn.json")"
same "an arena has one free a batch" '["together",100,5000,4900]' "$(jq -c '.heap.arenas[] |
	select(.function == "together") | [.function, .batches, .blocks, .frees_saved]' \
	"$work/churn.json")"
same "what is grown" '["grown",999,true]' "$(jq -c '.heap.reserves[0] |
	[.function, .reallocations, .copied_bytes >= 1000 * .moved]' "$work/churn.json")"
# realloc(3) says whether it moved a block: the events do.
same "what was copied" "$("$lariat" dump "$(trace_of churn)" | jq -n '[inputs |
	select(.kind == "realloc" and .old_address != .address and .old_address != 0) |
	.size - 1000] | add')" "$(jq '.heap.reserves[0].copied_bytes' "$work/churn.json")"
same "the text has all three" 3 "$("$lariat" alloc "$(trace_of churn)" |
	grep -cE 'A pool of free blocks|Made together and freed|Grown again and again')"

### blocks of two threads on one cache line: as many as the program finds by its own addresses
cat >share.c <<'END'
/* Two threads take turns: each allocates 500 blocks of 24 bytes from one arena. Prints how many
 * came onto a line with a block of the other. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <semaphore.h>
#define N 500
static sem_t turn[2];
static void *mine[2][N];
static int shared;
static uint64_t taken[2][N]; static int counts[2];
static void put(int me, int i)
{
	mine[me][i] = malloc(24);
	uint64_t a = (uint64_t)mine[me][i], first = a / 64, last = (a + 23) / 64;
	int meets = 0;
	for (int k = 0; k < counts[!me]; k++) {
		uint64_t b = (uint64_t)mine[!me][k];
		meets |= b / 64 <= last && (b + 23) / 64 >= first;
	}
	counts[me]++;
	shared += meets;
}
static void *work(void *arg)
{
	int me = arg != NULL;
	for (int i = 0; i < N; i++) {
		sem_wait(&turn[me]);
		put(me, i);
		sem_post(&turn[!me]);
	}
	return NULL;
}
int main(void)
{
	pthread_t t;
	sem_init(&turn[0], 0, 1);
	sem_init(&turn[1], 0, 0);
	pthread_create(&t, NULL, work, &t);
	work(NULL);
	pthread_join(t, NULL);
	for (int i = 0; i < N; i++)
		free(mine[0][i]), free(mine[1][i]);
	printf("%d\n", shared);
	return 0;
}
END
gcc -O1 -g -w -pthread -o share share.c
options=LARIAT_RECORD=heap
MALLOC_ARENA_MAX=1 record share ./share
record alone ./kept
shared=$(cat "$work/share.out")
"$lariat" alloc --format json "$work"/share.*.lariat >"$work/share.json"
same "blocks that came next to another thread's" "$shared" "$(jq '[.. | .line_sharing? // empty |
	.[].blocks] | add' "$work/share.json")"
same "what a line for each would take" "$((shared * 40))" "$(jq '[.. | .line_sharing? // empty |
	.[].padding_bytes] | add' "$work/share.json")"
same "whose they are" '[1,2,"put","put"]' "$(jq -c '[.. | .line_sharing? // empty] | add | .[0] |
	([.thread, .other_thread] | sort) + [.function, .other.function]' "$work/share.json")"
same "the text says it" 1 "$("$lariat" alloc "$work"/share.*.lariat |
	grep -c 'On a cache line with a block that another thread allocated')"
options=LARIAT_RECORD=heap
same "one thread shares with nobody" 0 "$("$lariat" alloc --format json "$(trace_of alone)" |
	jq '.heap.line_sharing_count')"
# What falls of the break is given back by the cycle that fell meanwhile, though it is seen later:
# each of them frees all of 20 MB, of which malloc keeps the least part.
cat >cycles.c <<'END'
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *held[20000];

int main(void)
{
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 20000; i++)
			held[i] = memset(malloc(1000), 1, 1000);
		usleep(100000);
		for (int i = 0; i < 20000; i++)
			free(held[i]);
		usleep(100000);
	}
	return 0;
}
END
gcc -O1 -o cycles cycles.c && record cycles ./cycles
"$lariat" growth --format json "$(trace_of cycles)" >cycles.json
same "cycles of a heap that is freed" 4 "$(jq '.growth.cycles | length' cycles.json)"
same "they give back what all of it has" true "$(jq '.growth | ([.cycles[].given_back_bytes] | add) as $all |
	(.given_back.break_bytes >= $all and $all > 0)' cycles.json)"
# What fell has to be asked for again: never more than there was, and more than the first time's.
there_was=0 before=0
while read -r now; do
	now=$((now))
	[ $before -gt 0 ] && [ $now -gt $before ] && there_was=$((there_was + now - before))
	before=$now
done < <(strace -e trace=brk ./cycles 2>&1 >cycles.strace-out | sed -n 's/^brk(.*= //p')
same "what extended the heap ($there_was)" true "$(jq --argjson most "$there_was" '.growth.extension_totals |
	map(.bytes) | add | . > 40000000 and . <= $most' cycles.json)"
same "the first begins with the program" '[0,0]' "$(jq -c '.growth.cycles[0] | [.start_ns, .start_bytes]' cycles.json)"
same "... and has allocated all of it" true "$(jq '.growth.cycles[0].allocated_bytes | . >= 20000000 and . < 20200000' cycles.json)"

finish
