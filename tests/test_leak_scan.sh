#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What is definitely lost, indirectly lost and still reachable: small programs of which it is known,
# as themselves and, where LeakSanitizer can be had, compiled with it and run without us.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq python3 gdb gcc
corpus=$victims/leak_corpus

classes() { # TRACE -> "DEFINITE/BLOCKS INDIRECT/BLOCKS"
	"$lariat" leaks --format json "$1" | jq -r '.leaks | if .scan.done then
		"\(.definitely_lost.bytes)/\(.definitely_lost.blocks) " +
		"\(.indirectly_lost.bytes)/\(.indirectly_lost.blocks)"
		else "no scan: \(.scan.reason)" end'
}

# Block by block the classes are those that a reader made from the page finds.
second_reader() { # TRACE
	"$lariat" leaks --format json --limit 0 "$1" | jq -cS '[.leaks.sites[] |
		{class, v: [.blocks, .bytes]}] | group_by(.class) | map({key: .[0].class,
		value: (map(.v) | transpose | map(add))}) | from_entries' >first.json
	python3 "$top/tests/format_reader.py" --leaks "$1" | jq -cS . >second.json
	same "$1: second reader" "$(<second.json)" "$(<first.json)"
}

sanitized=
cat >probe.c <<'END'
int main(void) { return 0; }
END
if gcc -fsanitize=leak -o probe probe.c 2>probe.err && ./probe 2>probe.err; then
	gcc -std=gnu11 -D_GNU_SOURCE -O0 -pthread -fsanitize=leak -o "$work/leak_corpus" \
		"$top/tests/victims/leak_corpus.c" && sanitized=$work/leak_corpus
	cp "$victims/libleak_tls.so" "$work"
else
	echo "left out: LeakSanitizer cannot be run here"
fi

by_sanitizer() { # CASE
	LSAN_OPTIONS=exitcode=0 timeout 60 "$sanitized" "$1" 2>&1 | awk '
		/^Direct leak of/ { d += $4; dn += $7 }
		/^Indirect leak of/ { i += $4; in_ += $7 }
		END { printf "%d/%d %d/%d\n", d, dn, i, in_ }'
}

# CASE, what is lost by the source, and "ours" where LeakSanitizer sees it in another way by design.
while read -r case definite indirect ours; do
	record "$case" "$corpus" "$case"
	same "$case: status" 0 "$(status_of "$case")"
	same "$case" "$definite $indirect" "$(classes "$(trace_of "$case")")"
	if [ -n "$sanitized" ] && [ -z "$ours" ]; then
		same "$case: by LeakSanitizer" "$definite $indirect" "$(by_sanitizer "$case")"
	fi
	[ "$case" = busy_at_exit ] || second_reader "$(trace_of "$case")"
done <<'END'
globals 33/1 0/0
globals_cleared 2003/2 0/0
on_stack 34/1 0/0
in_register 35/1 0/0
on_other_stacks 36/1 0/0
tls_static 37/1 0/0
tls_dynamic 38/1 0/0
specific_static 39/1 0/0
specific_dynamic 39/1 0/0
many_keys 40/1 0/0
pointer_to_self 1003/1 0/0
chain 101/1 205/2
coloured 101/1 205/2
interior 64/1 0/0
unaligned 77/1 0/0
freed_memory 51225/50 0/0
large 2097152/1 0/0
reallocated 5000/1 0/0
aligned 1002/1 0/0
thread_exit 10045/10 0/0
contention 8028/8 0/0
busy_at_exit 42/1 0/0
to_and_fro 115/2 0/0
thread_argument 43/1 0/0
swapped 0/0 0/0
waiting 46/1 0/0
unjoined 41/1 0/0 ours
closed_to_itself 47/1 0/0 ours
pending 49/1 0/0 ours
cycle 101/1 205/2 ours
mapped 48/1 0/0 ours
by_break 52/1 0/0 ours
END

# What stops the scan does nothing to the program.
record guarded "$corpus" guarded
same "guarded: status" 7 "$(status_of guarded)"
if [ "$(cat "$work/guarded.out")" = guarded ]; then
	same "guarded" 'no scan: it ended early (wait status 11)' "$(classes "$(trace_of guarded)")"
else
	echo "left out: pages cannot be guarded here"
fi

# What the system says must not be touched is not.
record guarded_root "$corpus" guarded_root
if [ "$(cat "$work/guarded_root.out")" = guarded ]; then
	same "guarded_root" '50/1 0/0' "$(classes "$(trace_of guarded_root)")"
else
	echo "left out: the system does not tell of guarded pages here"
fi

# Threads that do not rest: the result is that of one moment, and always the same.
for i in $(seq 12); do
	record "churning$i" "$corpus" churning
	classes "$(trace_of "churning$i")"
done | sort | uniq -c >churning
same "churning" "12 52/1 0/0" "$(xargs <churning)"

# A fork: each process has what it lost itself.
record forked "$corpus" forked
for trace in "$work"/forked.*.lariat; do classes "$trace"; done | sort >forked
same "forked" "44/1 0/0 45/1 0/0" "$(xargs <forked)"

options=LARIAT_LEAK_SCAN=main
record parent "$corpus" forked
options=
for trace in "$work"/parent.*.lariat; do classes "$trace"; done | sort >forked
same "forked, --leak-scan=main" \
	"45/1 0/0 no scan: the process is a fork, and --leak-scan=main leaves those out" "$(xargs <forked)"

# Where nothing may be traced, threads are stopped by a signal.
for case in in_register tls_static on_other_stacks; do
	"$victims/leak_noptrace" env "LD_PRELOAD=$lib" "LARIAT_OUTPUT=$work/$case.stopped.lariat" \
		"$corpus" "$case"
	same "$case, no tracing" "$(classes "$(trace_of "$case")")" \
		"$(classes "$work/$case.stopped.lariat")"
	same "$case: by signal" true "$("$lariat" leaks --format json \
		"$work/$case.stopped.lariat" | jq .leaks.scan.stopped_by_signal)"
done

# While the program runs: asked by a signal, or by a word in the trace that it comes to see.
# Where nothing may be traced, threads are stopped by a signal.
start() { # CASE WRAPPER OPTION: $pid, when it is up
	rm -f "$work/$1.out" "$work/$1.lariat"
	"$2" env "$3" "LD_PRELOAD=$lib" "LARIAT_OUTPUT=$work/$1.lariat" LARIAT_RECORD=heap \
		"$corpus" "$1" >"$work/$1.out" &
	pid=$!
	for _ in $(seq 500); do
		[ -s "$work/$1.out" ] && break
		sleep 0.02
	done
}
for how in 'idle env LARIAT_LEAK_SCAN=USR2 49' 'active env A_VARIABLE=1 50' 'slow env A_VARIABLE=1 51' \
	'idle env A_VARIABLE=1 49' "slow $victims/leak_noptrace A_VARIABLE=1 51"; do
	read -r case wrapper option bytes <<<"$how"
	start "$case" "$wrapper" "$option"
	for number in 1 2; do
		"$lariat" leaks --now --format json "$work/$case.lariat" >now.json
		same "$case: status $number" 0 $?
		same "$case: scan $number" "[true,false,$number,true]" "$(jq -c '.leaks |
			[.scan.done, .scan.at_exit, .scan.number,
			.scan.threads == .scan.threads_stopped]' now.json)"
		same "$case: by signal" "$([ "$wrapper" = env ] && echo false || echo true)" \
			"$(jq .leaks.scan.stopped_by_signal now.json)"
		same "$case: lost $number" "[1,$bytes]" \
			"$(jq -c '[.leaks.definitely_lost.blocks, .leaks.definitely_lost.bytes]' now.json)"
	done
	same "$case: still there" 0 "$(kill -0 $pid && echo 0)"
	kill -9 $pid
	wait $pid 2>/dev/null
	same "$case: it is gone" 3 "$("$lariat" leaks --now "$work/$case.lariat" >now.out 2>&1; echo $?)"
done

# The thread that was sent to look finds its call and all its registers as they were.
mkfifo "$work/wake"
LD_PRELOAD=$lib LARIAT_OUTPUT=$work/asleep.lariat "$victims/leak_asleep" <"$work/wake" \
	>"$work/asleep.out" &
pid=$!
exec 8>"$work/wake"
for _ in $(seq 500); do
	[ -s "$work/asleep.out" ] && break
	sleep 0.02
done
for number in 1 2 3; do
	same "sent, scan $number" "[$number,1,77]" "$("$lariat" leaks --now --format json \
		"$work/asleep.lariat" | jq -c '.leaks | [.scan.number, .definitely_lost.blocks,
		.definitely_lost.bytes]')"
done
echo >&8
exec 8>&-
wait $pid
same "sent: registers and call" "up same, read 1" "$(xargs <"$work/asleep.out")"

# One that sleeps and listens to nothing is given up soon where who asks may not send its thread to
# look; what was asked for comes when it wakes up.
start idle env A_VARIABLE=1
same "asleep" 4 "$("$victims/leak_noptrace" "$lariat" leaks --now "$work/idle.lariat" >now.out \
	2>now.err; echo $?)"
same "asleep: why" 1 "$(grep -c 'the process sleeps (.*Operation not permitted); the scan follows when' now.err)"
same "asleep: still there" 0 "$(kill -0 $pid && echo 0)"
kill -9 $pid
wait $pid 2>/dev/null

# The loader's first blocks may lie right behind the recorder's variables, in the same mapping: what
# only they point to is not lost.
cat >once.cc <<'END'
#include <mutex>
int main()
{
	static std::once_flag flag;
	try {
		std::call_once(flag, [] { throw 5; });
	} catch (int) {
	}
}
END
g++ -o once once.cc -pthread || exit 1
record once ./once
same "an exception through call_once" '0 0' "$("$lariat" leaks --format json "$(trace_of once)" |
	jq -r '.leaks | "\(.definitely_lost.blocks) \(.indirectly_lost.blocks)"')"

# No wait of a thread that is stopped for the scan ends because of it: at the end and live, by
# tracing and by a signal.
for way in traced signal; do
	by=
	[ $way = signal ] && by=$victims/leak_noptrace
	for i in 1 2 3 4 5; do
		record "waits-$way$i" ${by:+"$by"} "$victims/leak_waits" 50
		same "waits, $way: the end" "0 bye" "$(status_of "waits-$way$i") $(cat "$work/waits-$way$i.out")"
	done
	${by:+"$by"} env "LD_PRELOAD=$lib" "LARIAT_OUTPUT=$work/waits.lariat" "$victims/leak_waits" 3000 \
		>"$work/waits.out" 2>"$work/waits.err" &
	pid=$!
	sleep 0.5
	for number in 1 2 3; do
		same "waits, $way: live scan $number" "[$number,$([ $way = signal ] && echo true || echo false)]" \
			"$("$lariat" leaks --now --format json "$work/waits.lariat" |
			jq -c '.leaks.scan | [.number, .stopped_by_signal]')"
	done
	wait $pid
	same "waits, $way: live" "0 bye" "$? $(cat "$work/waits.out")"
	rm -f "$work/waits.lariat"
done

# A handler of the program's that comes while the scan holds its thread up ends the calls that it
# ends without us.
"$victims/leak_interrupted" 3 >interrupted.out
same "interrupted: without us" "read: 3 read that is restarted: 0 poll: 3 other results: 0, handlers: 7" \
	"$(tr '\n' ' ' <interrupted.out | sed 's/ $//')"
env "LD_PRELOAD=$lib" LARIAT_LEAK_SCAN=USR2 LARIAT_QUIET=1 "LARIAT_OUTPUT=$work/interrupted.%p.lariat" \
	"$victims/leak_interrupted" 3 >interrupted.with
same "interrupted: the same" "$(cat interrupted.out)" "$(cat interrupted.with)"
same "interrupted: scans were taken" yes "$(for t in "$work"/interrupted.*.lariat; do
	"$lariat" leaks --format json "$t" | jq '.leaks.scan.number // 0'
done | sort -n | tail -1 | awk '{ print ($1 > 4 ? "yes" : $1) }')"

# Sites: the class stands with each, and the totals are the sums of the sites.
trace=$(trace_of chain)
same "sites" '[["definitely_lost",101],["indirectly_lost",102],["indirectly_lost",103]]' \
	"$("$lariat" leaks --format json "$trace" | jq -c '[.leaks.sites[] | [.class, .bytes]] | sort')"
same "what is lost is a finding" '[["definitely-lost","101 B in 1 block that nothing points to"]]' \
	"$("$lariat" report --format json "$trace" |
	jq -c '[.findings[] | select(.part == "leaks") | [.rule, .evidence]]')"
same "the gate's default" 1 "$("$lariat" gate "$trace" >gate.out 2>&1; echo $?)"
same "nothing lost" 0 "$("$lariat" gate "$(trace_of swapped)" >gate.out 2>&1; echo $?)"

# What no scan was made of is in no class.
options=LARIAT_LEAK_SCAN=off
record off "$corpus" chain
options=LARIAT_SAMPLE=100
record sampled "$corpus" chain
options=
same "off" 'null unfreed' "$("$lariat" leaks --format json "$(trace_of off)" |
	jq -r '"\(.leaks.definitely_lost) \(.leaks.sites[0].class)"')"
record execs sh -c "$corpus chain >/dev/null; exec true"
why() { "$lariat" leaks "$1" | tr -s '\n ' ' ' | sed -n 's/.*no leak scan, as \([^.(]*\).*/\1/p'; }
same "off: why" "it was off, or the process ended by _exit" "$(why "$(trace_of off)" | sed 's/ Where.*//')"
same "exec: why" "the process became another program " "$(why "$(trace_of execs)")"
same "sampled" 'no scan: allocations were sampled: not all blocks are known' \
	"$(classes "$(trace_of sampled)")"

# Who is debugged is stopped by no signal: the debugger would show it, and wait for a word.
cat >debugged.c <<'END'
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static void *wait_on(void *arg)
{
	free(malloc(10));
	pause();
	return arg;
}
int main(void)
{
	pthread_t id;
	for (int i = 0; i < 3; i++)
		pthread_create(&id, NULL, wait_on, NULL);
	usleep(100000);
	return 3;
}
END
gcc -g -w -pthread -o debugged debugged.c
for recorded in no yes; do
	set -- -ex "set env LARIAT_OUTPUT $work/debugged.lariat" -ex 'set env LARIAT_QUIET 1'
	[ $recorded = no ] || set -- "$@" -ex "set env LD_PRELOAD $lib"
	gdb -q -nx -batch "$@" -ex 'set startup-with-shell off' -ex run ./debugged >gdb.out 2>&1
	same "debugged, recorded: $recorded" '1 0' "$(grep -c 'exited with code 03' gdb.out) $(
		grep -c 'received signal' gdb.out)"
done
same "debugged" 'no scan: a debugger had the threads (process N)' \
	"$(classes "$work/debugged.lariat" | sed 's/process [0-9]*/process N/')"
# A process with as many mappings as it may have cannot be looked through, and says so.
cat >maps.c <<'END'
#include <stdlib.h>
#include <sys/mman.h>
int main(void)
{
	void *volatile lost = malloc(10);
	int i = 0;
	while (mmap(NULL, 4096, i++ % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	       MAP_FAILED)
		;
	return lost ? 3 : 4;
}
END
gcc -g -w -O1 -o maps maps.c
options=
record maps ./maps
same "no mapping left: exit status" 3 "$(status_of maps)"
same "no mapping left" 'no scan: there was no memory for it' "$(classes "$(trace_of maps)")"
same "off: the gate cannot tell" 4 "$("$lariat" gate "$(trace_of off)" >gate.out 2>&1; echo $?)"

finish
