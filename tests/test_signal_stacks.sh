#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Signal handlers that interrupt the recording and come back, or do not, or come back later, on
# stacks of their own, wherever these lie: nothing hangs or crashes, and what is not recorded is
# counted.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

events_dropped() { "$lariat" info --format json "$(trace_of "$1")" | jq .trace.events_dropped; }
for i in 1 2 3; do
	record "altstack$i" "$victims/signal_stacks" altstack
	counts_right "altstack$i"
	same "altstack$i: dropped" 0 "$(events_dropped "altstack$i")"
done
for i in 1 2 3; do
	record "jumps$i" "$victims/signal_stacks" jumps
	same "jumps$i: exit status" 0 "$(status_of "jumps$i")"
	same "jumps$i: dropped" 0 "$(events_dropped "jumps$i")"
	# a jump comes between the call and the program's count of it, or the recorder's
	same "jumps$i: recorded" right "$(events_of "$(trace_of "jumps$i")" |
		jq -rn --slurpfile e "$work/jumps$i.out" '[inputs | select(.call == "write")] | length as $n |
			$e[0] as $said | ($n - $said.written) as $more |
			if $more >= -$said.jumps and $more <= $said.jumps then "right" else "\($n) of \($said)" end')"
done
for mode in contexts contexts-frame; do
	for i in 1 2 3; do
		harmless "$mode$i" timeout -s KILL 60 "$victims/signal_stacks" $mode
	done
done

finish
