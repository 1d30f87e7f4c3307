#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Whose fault a wait was, with waits of known length; the orders of locks that can end in a deadlock,
# and those that cannot; a deadlock that is one, live and after the process was killed.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq "$lariat"

is() { # WHAT QUERY EXPECTED FILE
	same "$1" "$3" "$("$lariat" locks --format json "$4" | jq -c ".locks | $2" 2>&1)"
}

"$lariat" run -q -o blame.lariat "$victims/lock_blame"
# Of two who take turns at a lock, libc wakes the other at each release: the one who waited cannot know
# that nobody else does.
is "acquisitions" '.totals | [.acquisitions, .contended, .waking_releases]' '[40,20,40]' \
	blame.lariat
is "who waited for whom" \
	'.blame | map([.waiter.function, .holder.function, .waits]) | sort' \
	'[["wait_for_it","quick",10],["wait_for_it","slow",10]]' blame.lariat
is "the times that were put in" \
	'.blame | map({(.holder.function): .wait_ns}) | add |
		[.slow >= 200e6, .quick >= 50e6, .slow > .quick]' '[true,true,true]' blame.lariat
is "causes" '.causes | map([.function, .caused_waits])' '[["slow",10],["quick",10]]' blame.lariat
is "blamed by site" '.sites[0] | [.function, (.blamed | map(.function))]' \
	'["wait_for_it",["slow","quick"]]' blame.lariat
same "blamed by site, in a list of one" '[1,["slow","quick"]]' "$("$lariat" locks --limit 1 --format json \
	blame.lariat | jq -c '.locks | [(.blame | length), (.sites[0].blamed | map(.function))]')"
is "all of a wait is somebody's" '(.blame | map(.wait_ns) | add) - .totals.wait_ns | fabs < 100' \
	true blame.lariat
is "holds" '.sites | map(select(.function == "slow"))[0].hold_ns |
	[.count, .min > 15e6, .p50 > 15e6, .max >= 20e6, .sum >= 200e6]' \
	'[10,true,true,true,true]' blame.lariat

"$lariat" run -q -o semaphore.lariat "$victims/lock_blame" semaphore
is "a semaphore as a lock" '.blame | map([.waiter.function, .holder.function, .waits,
	.wait_ns > 15e6, .kind])' '[["sem_waiter","hold_semaphore",1,true,"semaphore"]]' semaphore.lariat
is "its holds" '.sites | map(select(.function == "hold_semaphore"))[0].hold_ns | [.count, .sum > 15e6]' \
	'[1,true]' semaphore.lariat

# The kernel's side: each wait is a call, and each waking.
if have strace; then
	strace -f -e trace=futex -o futexes "$victims/lock_blame"
	same "calls of the kernel" "20 40" \
		"$(grep -c 'FUTEX_WAIT_PRIVATE, 2' futexes) $(grep -c FUTEX_WAKE_PRIVATE, futexes)"
fi

"$lariat" run -q -o order.lariat "$victims/lock_order"
is "circles" '.inversions | map([.edges[] | .acquired.stack[0:2] | map(.function) |
	map(select(. != "take_two"))[0]] | sort) | sort' \
	'[["a_then_b","b_then_a"],["x_then_y","y_then_x"]]' order.lariat
is "both sides of each" '[.inversions[].edges[] | .held.lock != .acquired.lock and
	(.held.stack | length) > 0] | unique' '[true]' order.lariat
is "a circle" '.inversions[0].edges | .[0].held.lock == .[1].acquired.lock and
	.[1].held.lock == .[0].acquired.lock' true order.lariat
is "all looked at" '[.inversions_complete, .deadlocks, .waiting]' '[true,[],[]]' order.lariat

# Another tool warns of the same two, and of those that a lock guards or one thread takes alone.
if have valgrind; then
	valgrind --tool=helgrind "$victims/lock_order" >/dev/null 2>helgrind
	same "orders that helgrind finds violated" 4 "$(grep -c 'lock order .* violated' helgrind)"
fi

# The same where the ring has given up the events: what is known of them is in the figures.
wrapped() { same "$1 has wrapped" true "$("$lariat" info --format json "$1" |
	jq '.trace.events_folded > 10000')"; }
"$lariat" run -q --size 1M -o blame2.lariat "$victims/lock_blame" wrap
wrapped blame2.lariat
is "who waited for whom, of before" \
	'.blame | map([.waiter.function, .holder.function, .waits]) | sort' \
	'[["wait_for_it","quick",10],["wait_for_it","slow",10]]' blame2.lariat
is "holds, of before" '.sites | map(select(.function == "slow"))[0].hold_ns |
	[.count, .min > 15e6, .max >= 20e6, .sum >= 200e6]' '[10,true,true,true]' blame2.lariat
"$lariat" run -q --size 1M -o order2.lariat "$victims/lock_order" wrap
wrapped order2.lariat
is "circles, of before" '.inversions | map([.edges[] | .acquired.stack[0:2] | map(.function) |
	map(select(. != "take_two"))[0]] | sort) | sort' \
	'[["a_then_b","b_then_a"],["x_then_y","y_then_x"]]' order2.lariat

# What threads wait for when the process ends counts as well, and so does their life until then.
for how in "" wrap; do
	"$lariat" run -q --size 1M -o "idle$how.lariat" "$victims/thread_idle" $how
	[ -z "$how" ] || wrapped "idle$how.lariat"
	is "who waits at the end $how" '.waiting | map([.kind, (.stack | map(.function) |
		map(select(startswith("wait_for")))[0])]) | sort' '[["condition","wait_for_work"],["mutex","wait_for_lock"]]' \
		"idle$how.lariat"
	same "idle and waiting to the end $how" '[[true,false,true],[false,true,true]]' \
		"$("$lariat" threads --format json "idle$how.lariat" | jq -c '.threads.list[1:] |
		map([.idle_ns > 90e6, .lock_wait_ns > 90e6, .end_ns - .start_ns > 90e6])')"
	same "over time $how" true "$("$lariat" threads --format json "idle$how.lariat" |
		jq '.threads.concurrency | .slot_ns as $n | .slots[-8].waiting_ns > 2 * $n')"
done

# The program's own function stands for what the C++ library's inlined ones did.
if [ -e "$victims/lock_cxx" ]; then
	"$lariat" run -q -o cxx.lariat "$victims/lock_cxx"
	is "who waited for whom in C++" '.blame | map([.waiter.function, .holder.function |
		sub("[<(].*"; "") | sub("^void "; "")]) | sort' \
		'[["try_it","hold_it"],["want_it","hold_it"]]' cxx.lariat
fi

# Locks that are not the C library's show as futexes.
"$lariat" run -q -o futex.lariat "$victims/thread_idle" futex
is "futexes" '[.totals.acquisitions, .totals.other_waits, (.conditions | map([.kind, .waits]))]' \
	'[0,3,[["futex",3]]]' futex.lariat
same "futexes in words" 2 "$("$lariat" locks futex.lariat | grep -cE '3 waits for|futexes  ')"

LARIAT_OUTPUT=$work/dead.lariat LD_PRELOAD=$lib "$victims/lock_order" deadlock &
pid=$!
until_deadlock "$work/dead.lariat" $pid
circle='.deadlocks | map(map([.stack[0:2] | map(.function)[]]) | sort)'
those='[[["take_for_ever","first"],["take_for_ever","second"],["take_for_ever","third"]]]'
for state in live killed; do
	is "$state: who waits" "$circle" "$those" "$work/dead.lariat"
	is "$state: each holds what the one before waits for" \
		'.deadlocks[0] as $d | [range(3) | $d[.].lock as $l |
		$d[(. + 1) % 3].holds | map(.lock) | index($l) != null]' '[true,true,true]' \
		"$work/dead.lariat"
	same "$state: waits that are not over" 1 \
		"$("$lariat" locks "$work/dead.lariat" | grep -c '3 waits for a lock at the end')"
	same "$state: not that nobody waits" 0 \
		"$("$lariat" locks "$work/dead.lariat" | grep -c 'No thread had to wait')"
	[ $state = killed ] || { kill -TERM $pid && quietly wait $pid; }
done
same "words of the deadlock" 1 "$("$lariat" locks "$work/dead.lariat" | grep -c 'Deadlock: 3 threads wait for')"

# What a thread has recorded is written before it takes a lock, not while others may wait for it.
LARIAT_OUTPUT=$work/seals.lariat LD_PRELOAD=$lib "$victims/lock_seals" "$work/seals.lariat" >seals
read -r inside outside <seals
same "blocks while a lock is held" "0 true" "$inside $([ "$outside" -gt 10 ] && echo true)"
finish
