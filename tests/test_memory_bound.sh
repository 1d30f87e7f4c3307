#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What recording adds to a process's memory stays within what liblariat(7) says: 8 MiB, 64 bytes for
# each block in use and 1 MiB for each thread that allocates. All that the kernel counts as resident
# is taken together: anonymous memory, the library's own pages, and those of the trace.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

bounded() { # NAME THREADS CALLS LIVE PLACES
	local name=$1 threads=$2 live=$4 plain recorded most
	shift
	native "$name.plain" "$victims/memory_use" "$@"
	record "$name" "$victims/memory_use" "$@"
	same "$name: exit status" 0 "$(status_of "$name")"
	plain=$(tail -n 1 "$work/$name.plain.out" | tr ' ' '+')
	recorded=$(tail -n 1 "$work/$name.out" | tr ' ' '+')
	# the initial thread allocates, too
	most=$((8192 + threads * live * 64 / 1024 + 1024 * (threads + 1)))
	checks=$((checks + 1))
	echo "$name: $((recorded - (plain))) KiB added ($recorded less $plain), at most $most"
	[ $((recorded - (plain))) -le "$most" ] ||
		fail "$name: $((recorded - (plain))) KiB added, more than $most"
}

bounded one 1 300000 100 1
bounded one-varied 1 100000 100 16
bounded one-full 1 300000 200000 1
bounded eight 8 50000 100 1
bounded eight-varied 8 50000 100 16
bounded many-varied 64 10000 100 16
bounded names 1 1000 100 1 300000

# a ring that has wrapped many times: what it gave up is kept as figures
options=LARIAT_SIZE=4M
bounded wrapped 1 3000000 100 1
bounded wrapped-full 1 2000000 200000 1
bounded wrapped-eight 8 300000 100 1
options=
checks=$((checks + 1))
[ "$("$lariat" info --format json "$(trace_of wrapped)" | jq .trace.events_folded)" -gt 0 ] ||
	fail "wrapped: nothing was folded"
finish
