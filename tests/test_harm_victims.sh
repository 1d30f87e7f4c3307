#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Programs that do what breaks interposers, run plainly and recorded: same output, same status, and
# a trace that can be read.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

run() { # VICTIM [ARG...]
	harmless "$(tr ' /' '--' <<<"$*")" "$victims/$1" "${@:2}"
}

run harm_ctor
run harm_signal write
run harm_signal malloc
run harm_signal threads
run harm_fork
run harm_fork grand
run harm_spawn
run harm_tls
run harm_cancel
run harm_unwound
run harm_locks
run harm_longjmp
run harm_misaligned
for mode in create c11 vector message over nowhere; do run harm_gone $mode; done
for mode in alt caught uncaught small narrow deep; do run harm_stack $mode; done
# a small ring is soon half full: what is in it is folded from then on
options=LARIAT_SIZE=1M
run harm_stack long
options=
same 'small stacks: folded' true "$("$lariat" info --format json "$(trace_of harm_stack-long)" |
	jq '.trace.events_folded > 0')"
for mode in closefrom close_range loop standard cwd data; do run harm_fds $mode; done
# a PID namespace whose first process the recorder must not be
run harm_namespace exit
options=LARIAT_LEAK_SCAN=USR2
run harm_namespace fork
options=
run harm_coro
run harm_switch
for end in return kill term abort crash trap double-free bad-free _exit _Exit quick_exit exit \
	'chain 5' thread-exit thread-_exit thread-crash thread-last; do
	# shellcheck disable=SC2086
	run harm_ends $end
done
# daemon() ends the process, which its child outlives
run_as daemon "LD_PRELOAD=$lib" "LARIAT_OUTPUT=$work/daemon.%p.lariat" -- "$victims/harm_ends" daemon
same 'daemon: exit status' 0 "$(status_of daemon)"
for _ in $(seq 100); do
	[ "$(for t in "$work"/daemon.*.lariat; do "$lariat" info --format json "$t"; done 2>/dev/null |
		jq -s '[.[] | select(.process.exit_code != null)] | length')" = 2 ] && break
	sleep 0.1
done
same 'daemon: both ends are known' '[0,25]' "$(for t in "$work"/daemon.*.lariat; do
	"$lariat" info --format json "$t"; done | jq -sc '[.[].process.exit_code] | sort')"
for limit in nofile fsize as data seccomp replaced; do run harm_limits $limit; done
run harm_errno
run harm_exit_calls
run harm_faults
run harm_ifunc
run harm_state
run harm_plugin throw
run harm_plugin reload
run harm_operators
run harm_ownmalloc
# somebody's operators, behind the recorder and in front of it
preload=$victims/libnew.so
harmless operators-behind "$victims/harm_operators"
options=LD_PRELOAD=$victims/libnew.so:$lib
harmless operators-before "$victims/harm_operators"
checks=$((checks + 1))
grep -q '^operators new [1-9]' "$work/operators-before.out" || fail 'operators: nobody counted'
# an allocator in front of it, whose functions the loader takes though nothing says that they are
preload=$victims/libasm.so
options=LD_PRELOAD=$victims/libasm.so:$lib
harmless allocator-before "$victims/harm_operators"
preload=$victims/libfail.so options=''
harmless no-memory "$victims/harm_nomemory"
checks=$((checks + 1))
grep -q 'has none' "$work/no-memory.out" || fail 'no memory: nothing failed'
preload=''

rm -f daemon.out
run harm_fds daemon
for _ in $(seq 100); do [ -s daemon.out ] && break; sleep 0.1; done
same 'what the daemon left' 'the daemon was here, 3' "$(cat daemon.out 2>&1)"
finish
