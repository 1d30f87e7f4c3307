#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Programs that filter system calls, with filters that kill: they go on as without the recorder, which
# makes none then that it was not allowed.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

victim=$victims/harm_seccomp

# A filter that is refused leaves the one before in force.
harmless twice "$victim" twice

# What comes first after that is recorded, too.
all_recorded() { # WHAT TRACE
	same "$1: what is recorded" '[[100000,100000],0]' "$("$lariat" report --format json "$2" |
		jq -c '[[.heap.sites[] | select(.function == "work") | .allocations],
			.trace.events_dropped]')"
}
harmless first "$victim" first
all_recorded first "$(trace_of first)"
harmless child "$victim" child
for trace in "$work"/child.*.lariat; do
	[ "$trace" = "$(trace_of child)" ] || all_recorded child "$trace"
done

# Threads that start later: each has a slot of its own, of one that has ended.
harmless threads "$victim" threads
same 'threads: numbers in the trace' 9 "$(field threads .threads.thread_count)"

# A filter of a child in the parent's memory is none of the parent.
harmless vfork "$victim" vfork
all_recorded vfork "$(trace_of vfork)"

# Who takes the clock from itself is recorded until then.
for mode in strict no-clock; do
	harmless $mode "$victim" $mode
	same "$mode: what is said" 1 "$(grep -c '^lariat: .* takes the processor.s clock' "$work/$mode.err")"
done
same "no-clock: what is recorded" 100000 \
	"$(field no-clock '[.heap.sites[] | select(.function == "work") | .allocations] | max')"

# One that cannot be a filter changes nothing, and nothing is said of it.
options=LARIAT_RECORD=all,cpu harmless probe "$victim" probe
same 'probe: what is said' '' "$(grep '^lariat: ' "$work/probe.err")"

# A program that is started under one is not recorded where it kills for a call that this needs, and
# has no leak scan where it kills for one of these. Refusals are no harm.
does=work
started() { # NAME KIND CALLS...
	native "$1.native" "$victim" start "${@:2}" "$victim" "$does"
	run_as "$1" "LARIAT_OUTPUT=$work/$1.%p.lariat" ${options:+$options} -- \
		"$victim" start "${@:2}" env "LD_PRELOAD=$lib" "$victim" "$does"
	same "$1: exit status" "$(status_of "$1.native")" "$(status_of "$1")"
	same "$1: output" "$(cat "$work/$1.native.out")" "$(cat "$work/$1.out")"
}
said() { # NAME WORDS
	same "$1: what is said" "$2" "$(grep -o 'nothing is recorded\|there is none' "$work/$1.err")"
}
none() { # NAME
	same "$1: traces" '' "$(compgen -G "$work/$1.*.lariat")"
}
scanned() { # NAME WHETHER
	same "$1: allocations, whether there was a scan" "[100000,$2]" "$(field "$1" \
		'[([.heap.sites[] | select(.function == "work") | .allocations] | max), .leaks.scan.done]' |
		jq -c .)"
}
# madvise, ftruncate, wait4, prctl, munlock, ...
for calls in 28 77 61 157 150 '28 324' '102 110'; do
	# shellcheck disable=SC2086
	started "kill-${calls// /-}" kill $calls
	none "kill-${calls// /-}"
	said "kill-${calls// /-}" 'nothing is recorded'
done
options=LARIAT_QUIET=1 started quiet kill 28
same 'quiet: what is said' '' "$(cat "$work/quiet.err")"
for calls in 101 141; do # ptrace, setpriority
	started "kill-$calls" kill $calls
	scanned "kill-$calls" false
	said "kill-$calls" 'there is none'
done
for calls in 101 141 '319 324'; do
	# shellcheck disable=SC2086
	started "errno-${calls// /-}" errno $calls
	scanned "errno-${calls// /-}" true
	said "errno-${calls// /-}" ''
done
# exit_group: it has another way to end
started errno-231 errno 231
# timer_create
started no-cpu kill 222
scanned no-cpu true
options=LARIAT_RECORD=all,cpu started cpu kill 222
none cpu
# The process that finds it out is none of the program's.
does=alone
started alone-none kill 28
started alone-no-scan kill 101
scanned alone-no-scan false
no_trace=1
# where it could not even be found out: clone
for kind in kill errno; do harmless "clone-$kind" "$victim" start $kind 56 "$victim" work; done
said clone-kill ''
does=work started clone-refused errno 56
none clone-refused
said clone-refused 'nothing is recorded'
harmless few "$victim" start few ls -d /
finish
