#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A wait of known length in every function that can make a thread wait, against the program's own
# clock; functions of older versions and found by name; threads that are cancelled or leave; what
# C++20's and Rust's libraries wait with.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq "$lariat"

# The wait is in the call: it is no shorter than the while for which the main thread let it wait,
# having seen it asleep, and no longer than the waiter's clock says around the call. So both bounds
# hold however busy the machine is. The tolerance is for the two clocks: what is recorded are the
# processor's ticks, the program's clock is one that the system may run up to 0.05 % faster or
# slower, and a tick is rounded.
record injected "$victims/lock_injected"
counts_right injected
grep '^{"function"' "$work/injected.out" >"$work/families"
same "injected: families" 39 "$(wc -l <"$work/families")"
"$lariat" dump "$(trace_of injected)" | jq -c 'select(.kind == "thread_join" and .thread != 1) |
	{kind: .call, wait_ns: {sum: .duration_ns}, waits: 1, contended: 0}' >"$work/joins"
same "injected: waits out of bounds" '' "$(jq -rn --slurpfile families "$work/families" \
	--slurpfile joins "$work/joins" --slurpfile report "$(report_of injected)" '
	$families[] as $f |
	[if $f.kind | test("join") then $joins[] | select(.kind == $f.kind)
	 else $report[0].locks | .sites[], .conditions[] |
		select(.function == $f.function and .wait_ns.sum > 0) end] as $s |
	($f.most_ns / 1000 + 5000) as $off |
	select(($s | length) != 1 or $s[0].kind != $f.kind or
		$s[0].wait_ns.sum < $f.least_ns - $off or $s[0].wait_ns.sum > $f.most_ns + $off) |
	"\($f.function): \($f.least_ns) to \($f.most_ns), found \($s | map([.kind, .wait_ns.sum]))"')"
# Their sums by kind are those of the totals.
same "injected: sums" '[0,0]' "$(field injected '.locks | [
	(([.sites[].wait_ns.sum] | add) - .totals.wait_ns),
	(([.conditions[].wait_ns.sum] | add) - .totals.condition_wait_ns - .totals.other_wait_ns)] |
	map(if fabs < 1000 then 0 else . end) | tojson')"

# The kernel's side: a thread's wait is a call that the kernel had to do, one for each, and there is
# none that is not told. They agree because each was seen asleep and is woken once; what spins never
# comes to the kernel. The main thread is left out: its joins may find the thread over.
if have strace; then
	strace -ff -e trace=futex,execve -o "$work/futex" "$victims/lock_injected" >"$work/strace.out"
	# numbers of threads that have begun anew from the lowest are of the last ones
	(cd "$work" && main=$(grep -l 'execve(' futex.*) && printf '%s\n' futex.* |
		awk -F . -v main="${main#futex.}" '$2 != main { print ($2 < main), $2 }' | sort -n -k 1,1 -k 2,2 |
		while read -r _ thread; do grep -cE 'FUTEX_(WAIT|LOCK_PI)' "futex.$thread"; done) |
		paste -sd , >"$work/kernel"
	"$lariat" dump "$(trace_of injected)" | jq -nr '[inputs] as $all |
		[$all[] | select(.kind == "lockwait" or .kind == "thread_join") |
		select(.call != "pthread_spin_lock").thread] as $waits |
		[$all[] | select(.kind == "thread_create").other_thread] | sort |
		map(. as $n | $waits | map(select(. == $n)) | length) | join(",")' >"$work/recorded"
	same "injected: waits in the kernel by thread" "$(<"$work/kernel")" "$(<"$work/recorded")"
fi

# Another thread takes the lock after the recorder has found it free.
options=LD_PRELOAD=$lib:$victims/libgap.so record gap "$victims/lock_gap"
counts_right gap
same "gap: who waited" "$(sed -n 's/^{"function":"\(.*\)"}$/\1/p' "$work/gap.out" | sort)" "$(field gap \
	'.locks.sites[] | select(.contended == 1 and .function != "writes") | .function' | sort)"

record versions "$victims/lock_versions"
counts_right versions
record ends "$victims/threads_ends"
counts_right ends
# With the time until then. Calls that wait are not in the report by function, but events.
"$lariat" dump "$(trace_of ends)" | jq -c 'select(.thread != 1 and .result == -125 or
	(.call == "pthread_join" and .result == 125)) | {call, duration_ns}' | jq -sc 'group_by(.call)[] |
	{function: .[0].call, cancelled: length, wait_ns: {sum: map(.duration_ns) | add}}' >"$work/calls"
same "ends: cancelled waits and their bounds" '' "$(grep '^{"function"' "$work/ends.out" |
	jq -r --slurpfile calls "$work/calls" --slurpfile report "$(report_of ends)" '. as $f |
	($report[0].locks | [.sites[], .conditions[], $calls[] |
		select(.function == $f.function and .wait_ns.sum > 0)]) as $s |
	($f.most_ns / 1000 + 5000) as $off |
	select(($s | length) != 1 or $s[0].cancelled != (if .function == "pause" then 6 else 5 end) or
		$s[0].wait_ns.sum < $f.least_ns - $off or
		($s[0].wait_ns.sum > $f.most_ns + $off and .function != "pause")) |
	"\($f): found \($s | map([.cancelled, .wait_ns]))"')"
same "ends: how many kinds" 12 "$(grep -c '^{"function"' "$work/ends.out")"
# All of them are over, those that were cancelled while they waited, too; also where it was long ago.
same "ends: who waits at the end" '[]' "$(field ends '.locks.waiting | tojson')"
options=LARIAT_SIZE=1M record wrapped "$victims/threads_ends" wrap
counts_right wrapped
same "wrapped: who waits at the end" '[[],true]' "$(field wrapped \
	'[.locks.waiting, .trace.events_folded > 1000000] | tojson')"

if [ -e "$victims/lock_cxx20" ]; then
	record cxx20 "$victims/lock_cxx20"
	counts_right cxx20
fi

if have rustc; then
	rustc -O -g -o lock_rust "$top/tests/victims/lock_rust.rs" 2>"$work/rustc" ||
		fail "rustc: $(head -n 5 "$work/rustc")"
	record rust ./lock_rust
	counts_right rust
	same "rust: the program's own functions" '[true]' "$(field rust '[.locks.conditions[] |
		select(.waits > 0) | .function | startswith("lock_rust::")] | unique | tojson')"
	same "rust: nothing but futexes" '[0,["futex"]]' "$(field rust '.locks |
		[.totals.acquisitions, (.conditions | map(.kind) | unique)] | tojson')"
fi
finish
