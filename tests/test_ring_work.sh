#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A ring that wrapped many times: totals of I/O, figures of each target, lock and thread are those
# of the whole run, as those of a file without bound are.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

# The sites by line, locks and targets by name: no address is the same twice.
known='[
	(.io.targets | map([(.name | sub(".*/"; "")), .calls, .bytes, .errors,
		.read.calls, .write.calls, .read.bytes, .write.bytes]) | sort),
	(.io.sites | map([.function, .line, .calls, .bytes, .errors, .more_targets]) | sort),
	(.io.errors | map([.operation, .error, .count])),
	(.locks.locks | map([.acquisitions, .timeouts, .errors]) | sort),
	(.locks.conditions | map([.function, .line, .waits, .timeouts])),
	(.threads.list | map([.number, .creator, .ended, .joined, .detached, .allocated_bytes,
		.io_calls, .io_bytes, .function]))
]'

options=LARIAT_SIZE=0 record whole "$victims/ring_work"
counts_right whole
options=LARIAT_SIZE=1M record ring "$victims/ring_work"
counts_right ring

# far more than is left
same 'the ring gave up most of it' true "$(field ring '.trace | .events_folded > 10 * .events_kept')"
same 'nothing of it is lost' '[0,0,false]' \
	"$(field ring '.trace | [.events_overwritten, .events_dropped, .partial] | tojson')"
same 'the whole file gave up nothing' 0 "$(field whole .trace.events_folded)"
for i in 0 1 2 3 4 5; do
	same "list $i" "$(field whole "$known | .[$i]")" "$(field ring "$known | .[$i]")"
done
same 'slowest calls, slowest first' true \
	"$(field ring '.io.slowest | map(.time_ns) | length >= 100 and . == (sort | reverse)')"
same 'the slowest call is the longest of all' true "$(field ring '.io |
	.slowest[0].time_ns == ([.totals | to_entries[] | select(.key != "wait").value.latency_ns.max] |
	max)')"
same 'sums of targets' true "$(field ring '.io |
	([.targets[].time_ns] | add) - ([.totals[].time_ns] | add) | fabs < 100')"

# A thread that waits for others meanwhile does not keep their events from being folded as they come:
# a ring that is full after 13 million events would else stand still until all of them are.
options="LARIAT_SIZE=32M LARIAT_RECORD=heap" record steady "$victims/bound_load" events 20000000
same 'nothing is dropped beside an idle thread' '[0,0,true]' "$("$lariat" info --format json \
	"$(trace_of steady)" | jq -c '.trace | [.events_dropped, .events_overwritten,
	.events_folded > 0]')"
finish
