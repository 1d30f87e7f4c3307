#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# However a process ends, all that it did until then is in its trace: 1000 blocks of 100 bytes and
# 500 writes, and how it ended. Children that end through exit() have traces of their own.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

# The blocks of 100 bytes and the writes of harm_ends in one trace.
work_in() { # TRACE
	events_of "$1" 2>&1 | jq -rs '
		([.[] | select(.kind == "alloc" and .size == 100)] | length),
		([.[] | select(.call == "write" and .target_name == "/dev/null" and .result == 1)] |
			length)' | xargs
}

for end in return exit quick_exit _exit _Exit thread-exit thread-_exit thread-last kill term abort \
	crash trap double-free bad-free thread-crash; do
	record "$end" "$victims/harm_ends" "$end"
	status=$(status_of "$end")
	same "$end: blocks and writes" '1000 500' "$(work_in "$(trace_of "$end")")"
	if [ "$status" -lt 128 ]; then
		same "$end: how it ended" "exit $status" \
			"$(field "$end" '.process | "\(.end) \(.exit_code)"')"
	else
		same "$end: how it ended" unknown "$(field "$end" .process.end)"
	fi
done

# Each image of a chain of execs has its trace, all of the same process.
record chain "$victims/harm_ends" chain 3
traces=("$work"/chain.*.lariat*)
same 'chain: traces' 4 ${#traces[@]}
for trace in "${traces[@]}"; do
	same "chain: blocks and writes in ${trace##*/}" '1000 500' "$(work_in "$trace")"
done
same 'chain: ends' 'exec exec exec exit' "$(for trace in "${traces[@]}"; do
	"$lariat" report --format json "$trace" | jq -r .process.end
done | sort | xargs)"

# 60 children of a process with allocating threads, each with work of its own.
record forks "$victims/harm_fork"
traces=("$work"/forks.*.lariat)
same 'forks: traces' 61 ${#traces[@]}
whole=0
for trace in "${traces[@]}"; do
	[ "$trace" = "$(trace_of forks)" ] && continue
	"$lariat" report --format json "$trace" >"$work/child.json" 2>>"$work/child.err"
	jq -e '.process.end == "exit" and .process.exit_code == 23 and .heap.allocations >= 50 and
		.trace.events_dropped == 0 and .trace.blocks_damaged == 0' "$work/child.json" \
		>/dev/null && whole=$((whole + 1))
done
same 'forks: whole traces of children' 60 $whole
finish
