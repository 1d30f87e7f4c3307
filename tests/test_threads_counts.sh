#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Threads and locks: creations, joins and what nobody joined, acquisitions, waits, failed tries and
# timeouts of every type of mutex, contention with known counts; the same of locks for readers and
# writers, spinlocks, semaphores, conditions of both versions, C11's, barriers and futexes. Cancelled threads and jumps out of
# handlers leave the recorder ready for what comes next.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

record locks "$victims/locks"
counts_right locks
record more "$victims/locks_more"
counts_right more
record life "$victims/threads_life"
counts_right life
same 'the named thread' 1 "$(field life '[.threads.list[] | select(.name == "a-named-thread")] | length')"

# Threads that share a slot, which is sealed at any time: each has what it did itself, and no other.
for share in 16M:300 2M:150; do
	options="LARIAT_SIZE=${share%:*}" record "share${share%:*}" "$victims/thread_share" "${share#*:}"
	"$lariat" threads --format json --limit 0 "$(trace_of "share${share%:*}")" >shared.json
	same "$share: none is wrong" '[]' "$(jq -c '[.threads.list[] | select(.number > 1 and
		(.allocations != 1500 or .allocated_bytes != 1500 * (998 + .number))) |
		[.number, .allocations, .allocated_bytes]]' shared.json)"
	same "$share: enough of them are told apart" true "$(jq '.threads.list | length > 100' shared.json)"
done

record cancelled "$victims/harm_cancel" counts
counts_right cancelled
record jumped "$victims/harm_longjmp" counts
counts_right jumped
finish
