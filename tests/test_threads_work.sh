#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What threads are: pools and how idle they are, such that live for a moment, stacks; and findings
# about threads and locks that follow from what a program does.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

is() { # WHAT QUERY EXPECTED
	same "$1" "$3" "$(jq -c "$2" "$work/report.json" 2>&1)"
}

record work "$victims/thread_work"
counts_right work
trace=$(find "$work" -name '*.lariat' -size +0 | sort | head -n 1)
"$lariat" report --format json --limit 0 "$trace" >"$work/report.json"
is "pools" '.threads.pools | map([.function, .threads])' '[["pool",3],["brief",200]]'
# Three threads wait nearly all of their life.
is "the pool is idle" '.threads.pools[0] | [.idle_ns > .life_ns / 2, .idle_ns <= .life_ns]' '[true,true]'
is "where it waits for work" '.threads.pools[0] | [.idle_times, .idle_mostly.call, .idle_mostly.function,
	(.busy_ns + .idle_ns + .lock_wait_ns + .io_time_ns - .life_ns | fabs < 100)]' \
	'[3,"pthread_cond_wait","worker",true]'
is "those of a moment" '.threads.pools[1] | .short_lived > 100 and .short_lived <= .threads' true
is "the deep stack" '.threads.list | map(select(.name == "deep-one")) | length as $n |
	[$n, (.[0].stack_used_bytes | . >= 1048576 and . < 1200000), .[0].stack_bytes >= 1200000]' \
	'[1,true,true]'
is "other stacks" '[.threads.list[] | select(.number > 1 and .name != "deep-one") |
	.stack_used_bytes > 0 and .stack_used_bytes < 200000] | unique' '[true]'
same "processors" "$(nproc)" "$(jq .threads.processors "$work/report.json")"
is "findings of threads" '.threads.findings | map([.rule, .site.function])' '[["thread-churn","brief"]]'
is "findings of locks" '.locks.findings | map([.rule, .site.function]) | map(select(.[0] !=
	"lock-contention" and .[0] != "held-across-io"))' \
	'[["trylock-spinning","unlocker"],["held-across-fork","holding_fork"],["unlock-by-another","unlocker"]]'

# A program that another has become has the CPU time of both, which the system counts on. Its own
# is not more than its life.
for what in all all,cpu; do
	rm -f "$work"/became*
	LARIAT_RECORD=$what LARIAT_OUTPUT=$work/became.lariat LD_PRELOAD=$lib bash -c \
		'for ((i = 0; i < 200000; i++)); do :; done; exec ls /' >/dev/null
	last=$(find "$work" -name 'became*.lariat' -newer "$work/report.json" -print0 |
		xargs -0 -n 1 "$lariat" report --format json | jq -s -c 'map(select(.process.command == "ls"))')
	same "$what: the program that it became" 1 "$(jq length <<<"$last")"
	same "$what: its CPU time" true "$(jq '.[0] | .threads.list[0].cpu_ns | . > 0 and . < 200000000' <<<"$last")"
done
finish
