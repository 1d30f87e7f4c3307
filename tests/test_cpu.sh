#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# CPU samples (--record cpu): their number by the kernel's count of CPU time, functions in
# proportion to the work they do, waits beside them, also where the ring has wrapped; a program
# that looks at signals and uses them sees none of it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

true_of() { # WHAT EXPRESSION-OF-JQ: in $json, with the victim's words as $v
	checks=$((checks + 1))
	jq -e --argjson v "$words" "$2" <<<"$json" >/dev/null ||
		fail "$1: $(jq -c '.threads | {cpu: (.cpu | del(.sites)), list: [.list[] |
			{number, cpu_ns, cpu_samples, cpu_missed, life_ns, off_cpu}]}' <<<"$json")"
}

# Samples are as many as periods in the CPU time, within 5 standard deviations; each function has
# its share of those that were taken; the parts of a thread's life add up to it.
right_of() { # NAME
	json=$("$lariat" threads --format json "$(trace_of "$1")")
	words=$(cat "$work/$1.out")
	# one period of each thread may be under way
	true_of "$1: samples" '.threads.cpu | ((.samples + .recorder_samples + .missed) -
		.cpu_ns / .period_ns) | fabs < 8'
	true_of "$1: CPU time" '.threads.cpu.cpu_ns >= $v.three + $v.one'
	# of the samples in both; one stands for several where the machine is busy
	true_of "$1: proportion" '.threads.cpu | [.functions[] | select(.function == "three_parts" or
		.function == "one_part").self_samples] as $n | ($n | length == 2) and
		(($n | max) - ($n | add) * 0.75 | fabs) < 5 * (2 * ($n | add) * 0.75 * 0.25 | sqrt)'
	true_of "$1: the greater one" '.threads.cpu | first(.functions[] |
		select(.function != "")).function == "three_parts"'
	true_of "$1: their caller" '.threads.cpu | .samples as $n | .functions[] |
		select(.function == "worker") | .total_samples > $n * 0.9 and
		.self_samples < $n * 0.05'
	true_of "$1: the sleeper" '[.threads.list[] | select(.off_cpu.idle_ns >= $v.nap)] | length >= 1'
	true_of "$1: who waited for it" '[.threads.list[] |
		select(.off_cpu.lock_wait_ns > $v.nap / 2)] | length == 1'
	true_of "$1: parts" '[.threads.list[] | (.work_ns + .off_cpu.lock_wait_ns + .off_cpu.io_ns +
		.off_cpu.idle_ns + .off_cpu.other_ns - .life_ns) | select(fabs > 30000000)] == []'
}

options=LARIAT_RECORD=all,cpu record work "$victims/cpu_work" 12
right_of work
# Threads over time: what lives and waits add up to is in the slots.
true_of 'lives over time' '.threads | ([.concurrency.slots[].alive_ns] | add) as $n |
	[.list[] | .life_ns] | add - $n | fabs < 20000000'
true_of 'waits over time' '.threads | ([.concurrency.slots[].waiting_ns] | add) as $n |
	[.list[] | .idle_ns + .lock_wait_ns + .io_time_ns] | add - $n | fabs < 20000000'
true_of 'the last thing is a nap and a wait' '.threads.concurrency | .slot_ns as $n |
	(.slots[-1].waiting_ns > $n / 4) and ([.slots[].waiting_ns] | min) >= 0'
same 'nothing lost' '[]' "$("$lariat" info --format json "$(trace_of work)" | jq -c '.lost // .trace.lost')"
# The figures of what the ring has lost stand in the file.
options="LARIAT_RECORD=all,cpu LARIAT_SIZE=2M" record wrapped "$victims/cpu_work" 6 2000
right_of wrapped
same 'wrapped' true "$("$lariat" info --format json "$(trace_of wrapped)" |
	jq '[.. | .events_folded? // empty] | max > 1000')"

# The recorder itself is on no stack, and only samples are asked for here. One sample stands for
# several where the machine is busy, and may be in the call that asks for the time: it is the
# order of the two that counts.
options=LARIAT_RECORD=cpu record alone "$victims/cpu_work" 4
json=$("$lariat" threads --format json "$(trace_of alone)")
same 'functions' 'three_parts one_part' "$(jq -r '[.threads.cpu.functions[].function |
	select(. == "three_parts" or . == "one_part")] | join(" ")' <<<"$json")"
same 'modules' '' "$(jq -r '.threads.cpu.functions[].module // "none"' <<<"$json" |
	grep -vE '^(cpu_work|libc\.so.*|ld-linux.*|linux-vdso.*)$')"
same 'as text' 1 "$("$lariat" report "$(trace_of alone)" | grep -c 'Functions by their own CPU time')"

if have python3; then
	cpu_events() { grep '"kind":"cpu"' | sort; }
	same 'events, as the second reader has them' \
		"$(python3 "$top/tests/format_reader.py" "$(trace_of alone)" | cpu_events | sha256sum)" \
		"$("$lariat" dump "$(trace_of alone)" | cpu_events | sha256sum)"
fi

# Without being asked for, there are none.
record none "$victims/cpu_work" 1
same 'no samples' 'null 0' "$("$lariat" threads --format json "$(trace_of none)" |
	jq -r '.threads.cpu') $("$lariat" dump "$(trace_of none)" | grep -c '"kind":"cpu"')"

options=LARIAT_RECORD=all,cpu harmless signals "$victims/cpu_signals"
finish
