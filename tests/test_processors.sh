#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A report is the same whether it is made on one processor or on several, where blocks are decoded
# ahead and the heap's events are worked on by a thread of their own: traces of one thread, of many,
# one whose ring has wrapped, and one that is cut in the middle.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq taskset
[ "$(nproc)" -gt 1 ] || { echo "one processor only"; exit 77; }

first=$(taskset -cp $$ | sed 's/.*: //; s/[-,].*//')

alike() { # WHAT TRACE [COMMAND OPTION...]
	local what=$1 trace=$2
	shift 2
	[ $# -gt 0 ] || set -- report
	checks=$((checks + 1))
	"$lariat" "$@" --format json "$trace" >"$work/several" 2>"$work/several.err"
	echo "status $?" >>"$work/several"
	taskset -c "$first" "$lariat" "$@" --format json "$trace" >"$work/one" \
		2>"$work/one.err"
	echo "status $?" >>"$work/one"
	tail -n 1 "$work/several" | grep -q '^status [01]$' || fail "$what: $(cat "$work/several.err")"
	cmp -s "$work/several" "$work/one" || fail "$what: reports differ"
	cmp -s "$work/several.err" "$work/one.err" || fail "$what: messages differ"
}

# enough for several blocks and batches
events_at_least() { # NAME COUNT
	checks=$((checks + 1))
	[ "$(field "$1" '.trace.events_kept')" -ge "$2" ] || fail "$1: too few events to tell"
}

record threads "$victims/heap_threads" crowd
events_at_least threads 20000
alike threads "$(trace_of threads)"
alike "threads by function" "$(trace_of threads)" alloc --by function
alike "threads by thread" "$(trace_of threads)" alloc --by thread
alike "threads in a window" "$(trace_of threads)" report --since 5ms --until 20ms

record perl perl -e 'for my $i (1 .. 40) { my %h = map { $_ => [$_, "x$_"] } 1 .. 300; }'
events_at_least perl 20000
alike perl "$(trace_of perl)"

options=LARIAT_SIZE=2M
record wrapped perl -e 'for my $i (1 .. 1500) { my %h = map { $_ => [$_, "x$_"] } 1 .. 300; }'
options=
checks=$((checks + 1))
[ "$(field wrapped '.trace.events_folded')" -gt 0 ] || fail "wrapped: nothing was folded"
alike wrapped "$(trace_of wrapped)"

head -c $(($(stat -c %b "$(trace_of perl)") * 256)) "$(trace_of perl)" >"$work/cut.lariat"
alike cut "$work/cut.lariat"
finish
