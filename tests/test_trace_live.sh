#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Traces of a process that still runs, and of one that was killed: every event that was committed is
# in the trace, once, with a ring that is never full and with one that has wrapped.
. "${BASH_SOURCE[0]%/*}/lib.sh"
need "$lariat" "$lib" "$victims/trace_live" python3 jq strace
threads=3
blocks=20000
size=777 # asked for by nobody else

field() { # TRACE NAME...
	"$lariat" info --format json "$1" | python3 -c '
import json, sys
found = json.load(sys.stdin)
for name in sys.argv[1:]:
    part, key = name.split(".")
    print(found[part].get(key, 0))
' "${@:2}" | tr '\n' ' '
}

counts() { # TRACE: allocations of that size, frees of their addresses in the same thread
	"$lariat" dump "$1" | python3 -c '
import json, sys
size, live, allocs, frees = int(sys.argv[1]), {}, 0, 0
for line in sys.stdin:
    e = json.loads(line)
    if e["kind"] == "alloc" and e["size"] == size:
        allocs += 1
        live[e["address"]] = e["thread"]
    elif e["kind"] == "free" and live.pop(e["address"], None) == e["thread"]:
        frees += 1
print(allocs, frees)
' "$size"
}

start() { # TRACE SIZE
	coproc VICTIM {
		LARIAT_SIZE=$2 LARIAT_OUTPUT=$1 LARIAT_QUIET=1 LD_PRELOAD=$lib \
			exec "$victims/trace_live" "$threads" "$blocks" "$size"
	}
	victim=$VICTIM_PID to=${VICTIM[1]} from=${VICTIM[0]}
	read -r -t 60 line <&"$from"
	same "the program's first word" ready "$line"
}

again() {
	echo >&"$to"
	read -r -t 60 line <&"$from"
	same "the program's next word" ready "$line"
}

kill_it() {
	kill -KILL "$victim"
	wait "$victim" 2>/dev/null
	same "how the program ended" 137 $?
}

n=$((threads * blocks))
start "$work/roomy.lariat" 64M
same "live: events" "$n $n" "$(counts "$work/roomy.lariat")"
same "live: state" "running 0 0 " \
	"$(field "$work/roomy.lariat" process.end trace.blocks_damaged trace.records_damaged)"
again
same "live, later: events" "$((2 * n)) $((2 * n))" "$(counts "$work/roomy.lariat")"
kill_it
same "killed: events" "$((2 * n)) $((2 * n))" "$(counts "$work/roomy.lariat")"
same "killed: state" "unknown 0 0 0 " "$(field "$work/roomy.lariat" process.end \
	trace.blocks_damaged trace.records_damaged trace.events_overwritten)"

# Killed at any moment while it works: nothing is damaged, what the ring gave up is in a checkpoint.
for round in 1 2 3 4 5; do
	trace=$work/wrapped$round.lariat
	start "$trace" 1M
	for _ in 2 3 4 5 6 7 8 9 10; do again; done
	echo >&"$to"
	sleep 0.00$round
	kill_it
	same "killed at work: state" "unknown 0 0 0 0 " "$(field "$trace" process.end \
		trace.blocks_damaged trace.records_damaged trace.events_dropped \
		trace.events_overwritten)"
	read -r written kept folded < <(field "$trace" trace.events_written trace.events_kept \
		trace.events_folded)
	same "killed at work: sum" "$written" "$((kept + folded))"
	[ "$written" -ge "$((20 * n))" ] || fail "only $written of at least $((20 * n)) events"
	[ "$folded" -gt "$((10 * n))" ] || fail "the ring has not wrapped"
	same "killed at work: both readers' counts" "$(field "$trace" trace.events_written \
		trace.events_kept trace.events_folded trace.records_damaged)" "$(python3 "$top/tests/format_reader.py" \
		--facts "$trace" | jq -j '.events_written, " ", .events_kept, " ",
		.events_folded, " ", .records_damaged, " "')"
done
same "both readers of a killed trace" "$("$lariat" dump "$trace" | md5sum)" \
	"$(python3 "$top/tests/format_reader.py" "$trace" | md5sum)"
# The program fills the ring several times over while a reader is held up on its way through it.
yes '' | LARIAT_SIZE=1M LARIAT_OUTPUT=$work/laps.lariat LARIAT_QUIET=1 LD_PRELOAD=$lib \
	exec "$victims/trace_live" "$threads" "$blocks" "$size" >/dev/null 2>&1 &
laps=$!
folded() { "$lariat" info --format json "$work/laps.lariat" 2>/dev/null | jq .trace.events_folded; }
for _ in $(seq 200); do
	sleep 0.05
	before=$(folded)
	[ "${before:-0}" -gt 100000 ] && break
done
strace -c -o "$work/reads" -e trace=pread64 "$lariat" info "$work/laps.lariat" >/dev/null
reads=$(awk '$NF == "pread64" { print $4 }' "$work/reads")
for part in 1 2 3 4 5 6 7; do
	strace -o /dev/null -e trace=pread64 \
		-e "inject=pread64:delay_enter=300000:when=$((reads * part / 8))" \
		"$lariat" info --format json "$work/laps.lariat" >"$work/held-up.json"
	same "held up after $part eighths: damage" '[0,0,0]' \
		"$(jq -c '.trace | [.blocks_damaged, .records_damaged, .events_damaged]' "$work/held-up.json")"
done
# and it was at work all the while
[ $(($(folded) - before)) -gt 700000 ] || fail "held up: the program was not at work"
kill -KILL "$laps" || fail "held up: the program had ended"
wait "$laps" 2>/dev/null
finish
