#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Processes that start others in every way: one trace for each image, linked to the one it comes
# from, and a report over the whole family. Children of threaded parents never hang.
#
#	FAMILY_ROUNDS=N	rounds of 60 forks each (default 3)
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq
rounds=${FAMILY_ROUNDS:-3}
time_limit=60

# The family's report, by image: its depth, blocks of a size that were allocated, how it ended.
family() { # NAME SIZE...
	local name=$1 sizes
	shift
	mkdir -p "$work/$name"
	mv "$work/$name".*.lariat* "$work/$name"
	"$lariat" report --format json "$work/$name" >"$work/$name.family" 2>"$work/$name.err" ||
		fail "$name: no report: $(head -n 3 "$work/$name.err")"
	sizes=$(printf '%s\n' "$@" | jq -s .)
	jq -c --argjson sizes "$sizes" '
		def depth($p): if $p == null then 0 else 1 + depth(.family.processes[$p].parent) end;
		. as $all | .family.processes[] | . as $one |
		[($all | depth($one.parent)), $one.end, ($all.traces[] | select(.trace.file == $one.file) |
			[.heap.sites[] | select(.size_bytes.min == .size_bytes.max) |
				select(.size_bytes.min as $s | $sizes | index($s)) |
				[.size_bytes.min, .allocations, .frees]] | sort)]' "$work/$name.family"
}

# Of all members, the totals are the sums.
sums() { # NAME
	jq -e '.family | .totals as $t | [.processes[]] as $p |
		($p | map(.heap.allocations) | add) == $t.heap.allocations and
		($p | map(.heap.live_bytes) | add) == $t.heap.live_bytes and
		($p | map(.io.calls) | add) == $t.io.calls and
		($p | map(.locks.acquisitions) | add) == $t.locks.acquisitions' \
		"$work/$1.family" >/dev/null
	same "$1: sums" 0 $?
	jq -e '([.traces[].heap.allocations] | add) == .family.totals.heap.allocations and
		([.traces[].trace | .events_dropped + .blocks_damaged] | add) == 0' \
		"$work/$1.family" >/dev/null
	same "$1: sums of the traces" 0 $?
}

way() { # NAME EXPECTED-LINES
	record "$1" "$victims/family_ways" "$1"
	same "$1: status" 0 "$(status_of "$1")"
	same "$1: the family" "$2" "$(family "$1" 100 200 300)"
	sums "$1"
}

leaf='"exit",[[300,10,10]]]'
way vfork "[0,\"exit\",[[100,10,10]]]
[1,$leaf
[1,$leaf
[1,$leaf"
way spawn "[0,\"exit\",[[100,10,10]]]
[1,$leaf
[1,$leaf
[1,$leaf"
way inherit '[0,"exit",[[100,10,10]]]
[1,"exit",[]]'
same 'inherit: frees of what was inherited' '[0,10]' \
	"$(jq -c '[.traces[].heap.unpaired_frees]' "$work/inherit.family")"
way chain '[0,"exec",[[100,10,0],[300,10,10]]]
[1,"exec",[[300,10,10]]]
[2,"exec",[[300,10,10]]]
[3,"exec",[[300,10,10]]]
[4,"exit",[[300,10,10]]]'
# Of three images one does nothing but fork; in daemon() it ends inside libc.
for detached in daemon double; do
	record $detached "$victims/family_ways" $detached
	same "$detached: status" 0 "$(status_of $detached)"
	family $detached 100 200 300 >"$work/lines"
	same "$detached: who did what" \
		'"exec",[[200,10,10]]] "exit",[[100,10,10]]] "exit",[[300,10,10]]] "exit",[]]' \
		"$(sed 's/^.[0-9]*,//' "$work/lines" | sort | xargs -d '\n')"
	same "$detached: nobody is an orphan" 1 "$(grep -c '^\[0' "$work/lines")"
	sums $detached
done

# 60 forks of a process with three threads that allocate, its children leave through exit().
for round in $(seq "$rounds"); do
	record "forks$round" "$victims/harm_fork"
	same "round $round: status" 0 "$(status_of "forks$round")"
	traces=("$work/forks$round".*.lariat)
	same "round $round: traces" 61 ${#traces[@]}
	"$lariat" info --format json "${traces[@]}" >"$work/infos" 2>&1 ||
		fail "round $round: info: $(head -n 3 "$work/infos")"
	same "round $round: parents" "60 $(cat "$work/forks$round.pid")" \
		"$(jq -rs --argjson p "$(cat "$work/forks$round.pid")" \
			'flatten | map((.traces // [.])[] | .process.parent_pid) |
			map(select(. == $p)) | "\(length) \($p)"' "$work/infos")"
	rm -f "${traces[@]}"
done
finish
