#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Every entry point of the heap is counted once, with its bytes and failures, under glibc's
# allocator and under those that are preloaded after the recorder.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

record calls "$victims/heap_calls"
counts_right calls
record map "$victims/heap_map"
counts_right map
# a thread's first event, and the first of all, is an operator's, once with nothing else recorded
record newfirst "$victims/heap_newfirst"
counts_right newfirst
options=LARIAT_RECORD=heap
record newfirst-heap "$victims/heap_newfirst"
options=
counts_right newfirst-heap
record threads-nothing "$victims/heap_threads" nothing
record threads "$victims/heap_threads"
counts_right threads threads-nothing

# As many threads as a server has: none need share a place to record in, which costs them more. A
# shared one says whose the next events are at each turn of another thread.
record throng-nothing "$victims/heap_threads" throng nothing
record throng "$victims/heap_threads" throng
counts_right throng throng-nothing
same 'a throng: owners of places to record in' 401 \
	"$("$lariat" info --format json "$(trace_of throng)" | jq .events.THREAD)"

# What is asked for in libc's own handle is counted as well, and dlsym() answers as without us.
native dlsym-plain "$victims/heap_dlsym"
record dlsym-nothing "$victims/heap_dlsym" nothing
record dlsym "$victims/heap_dlsym"
counts_right dlsym dlsym-nothing
for how in dlsym-plain dlsym; do
	same "$how: what is wrong" '' "$(grep '^dlsym: ' "$work/$how.err")"
done

# How long a realloc took is recorded where other threads can be given the old block meanwhile.
reallocs() { # NAME JQ-CONDITION
	events_of "$(trace_of "$1")" | jq -n \
		"[inputs | select(.call == \"realloc\" and .duration_ns != null and ($2))] | length"
}
checks=$((checks + 1))
[ "$(reallocs threads '.thread > 1')" -gt 0 ] || fail "threads: no realloc by another thread"
same "threads: reallocs beside others that took no time" 0 \
	"$(reallocs threads '.thread > 1 and .duration_ns == 0')"
same "calls: reallocs of the only thread whose time was taken" 0 \
	"$(reallocs calls '.duration_ns > 0')"

cxx() { # SUFFIX [ARG]
	local victim
	for victim in heap_new heap_newhandler heap_ownnew; do
		# mimalloc gives up where no memory is to be had, with or without us
		native "$victim-plain$1" "$victims/$victim" ${2:+"$2"}
		[ "$(status_of "$victim-plain$1")" = 0 ] || [ -z "$1" ] || continue
		record "$victim-nothing$1" "$victims/$victim" nothing
		record "$victim$1" "$victims/$victim" ${2:+"$2"}
		counts_right "$victim$1" "$victim-nothing$1"
	done
}
cxx ''

# One place is one site, whatever becomes of the calls there.
record newsite "$victims/heap_newsite"
same 'sites of one place' 40 "$("$lariat" report --format json "$(trace_of newsite)" | jq -r \
	'[.heap.sites[] | select(any(.stack[]; .function | startswith("get("))) |
	select(all(.stack[]; .function | test("^(fail|__cxa)") | not)) | .allocations] | join(" ")')"

# Blocks that go from one arena of addresses to another's hands: none may look leaked.
for i in 1 2 3; do
	mode=
	[ "$i" = 1 ] || mode=crowd
	GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.malloc.tcache_count=0 \
		record "race$i-nothing" "$victims/heap_threads" ${mode:+$mode} nothing
	GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.malloc.tcache_count=0 \
		record "race$i" "$victims/heap_threads" ${mode:+$mode}
	counts_right "race$i" "race$i-nothing"
done

for allocator in libjemalloc.so.2 libtcmalloc_minimal.so.4 libmimalloc.so.2; do
	preload=$allocator
	native there true
	if grep -q "$allocator" "$work/there.err"; then
		echo "left out: $allocator is not installed"
		continue
	fi
	record "calls-nothing-$allocator" "$victims/heap_calls" nothing
	record "calls-$allocator" "$victims/heap_calls" portable
	counts_right "calls-$allocator" "calls-nothing-$allocator"
	record "threads-nothing-$allocator" "$victims/heap_threads" nothing
	record "threads-$allocator" "$victims/heap_threads"
	counts_right "threads-$allocator" "threads-nothing-$allocator"
	cxx "-$allocator" other
done
finish
