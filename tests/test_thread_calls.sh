#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# In what calls threads are when a process ends, is killed, or lives; how long they are idle then; a
# deadlock that goes through a join.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

# Each thread is named after the call.
calls() { # TRACE
	"$lariat" locks --format json "$1" | jq -c '[.locks.waiting[] | select(.call) |
		[.name == .call or (.name == "recv" and (.call | startswith("recv"))), .call]] | sort'
}
those='[[true,"accept"],[true,"connect"],[true,"epoll_wait"],[true,"nanosleep"],[true,"poll"],[true,"poll"],[true,"pthread_join"],[true,"read"],[true,"readv"],[true,"recv"],[true,"stdio_read"],[true,"waitpid"]]'

# A scan at the end would interrupt them.
options=LARIAT_LEAK_SCAN=off
record ends "$victims/thread_calls"
same "at the end" "$those" "$(calls "$(trace_of ends)")"
# What each waits for, although it is its first call on it. A poll of two tells nothing.
same "descriptors and targets" '[["accept","tcp 127.0.0.1:N (listening)"],["connect","unix @fullN"],["epoll_wait","anon_inode:[eventpoll]"],["poll",null],["poll","pipe:[N]"],["read","pipe:[N]"],["readv","tcp 127.0.0.1:N"],["recv","socket:[N]"],["stdio_read","pipe:[N]"]]' \
	"$(field ends '[.locks.waiting[] | select(.fd or .call == "poll") |
		[.call, (.target // null | if . then
			sub("\\[[0-9]+"; "[N") | sub("full[0-9]+"; "fullN") | sub(":[0-9]+"; ":N")
			else . end)]] | sort | tojson')"
same "descriptors" '[2,true]' "$(field ends '[.locks.waiting[] | select(.call == "poll") | .fd] |
	[length, (map(select(. > 2)) | length) == 1] | tojson')"
same "joins" read "$(field ends '(.locks.waiting[] | select(.call == "pthread_join").joined_thread) as $n |
	.threads.list[] | select(.number == $n).name')"
# What each does from then on counts as idle, or as I/O; the one that works does neither.
same "until the end" '[["accept","io"],["connect","io"],["epoll_wait","idle"],["nanosleep","idle"],["poll","idle"],["poll","idle"],["pthread_join","idle"],["read","io"],["readv","io"],["recv","io"],["stdio_read","io"],["waitpid","idle"],["works","none"]]' \
	"$(field ends '[.threads.list[] | select(.number > 1) |
		[.name, if .idle_ns > 15e6 then "idle" elif .io_time_ns > 15e6 then "io" else "none" end]] | sort | tojson')"
same "CPU time of those that have not ended" '[true,true,["works"]]' "$(field ends '.threads.list |
	[all(.cpu_ns > 0), (map(.cpu_ns) | add) < 10e9, map(select(.cpu_ns > 30e6) | .name)] | tojson')"
same "in words" 1 "$("$lariat" locks "$(trace_of ends)" | grep -c 'in read of descriptor [0-9]*, pipe:')"
same "whom it joins" 1 "$("$lariat" locks "$(trace_of ends)" | grep -c 'in pthread_join of thread [0-9]* read')"

LARIAT_OUTPUT=$work/dead.lariat LD_PRELOAD=$lib "$victims/thread_calls" join &
pid=$!
until_deadlock "$work/dead.lariat" $pid
for state in live killed; do
	same "$state: a circle through a join" '[["pthread_join",1,1],[null,2,0]]' "$("$lariat" locks \
		--format json "$work/dead.lariat" | jq -c '[.locks.deadlocks[0] | sort_by(.thread)[] |
		[.call, .thread, (.holds | length)]]')"
	[ $state = killed ] || { kill -KILL $pid && quietly wait $pid; }
done
finish
