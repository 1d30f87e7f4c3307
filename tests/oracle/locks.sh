#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Lock counts of real programs against the kernel's: probes on libc's lock functions see every call
# of the recorded run itself, and who made it. Those through the recorder must be the report's, all
# of them; none may come past the recorder but libc's own and the loader's.
#
#	tests/oracle/locks.sh [--full] [NAME...]
#
# And of the calls that waited in the kernel (futex system calls on the lock's words) none may be
# untold: a lock that found nobody in its way does not wait. More are told than those: who finds a
# lock taken that is given back before the kernel is asked has waited, too. (Of robust mutexes, those
# with a protocol and readers beside others some may be missed: another thread may be faster between
# the look at the lock and libc's. The probes make that time a thousand times longer.)
#
# Needs root, perf and probes in user space; nothing is left of them afterwards.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need perf jq python3

full=
only=()
for arg; do
	if [ "$arg" = --full ]; then full=1; else only+=("$arg"); fi
done
wanted() { [ ${#only[@]} -eq 0 ] || [[ " ${only[*]} " == *" $1 "* ]]; }

libc=$(ldd /usr/bin/env | sed -n 's/.*libc\.so\.6 => \([^ ]*\).*/\1/p')
locks=(pthread_mutex_{lock,trylock,timedlock,clocklock} mtx_{lock,trylock,timedlock}
	pthread_rwlock_{,try,timed,clock}{rd,wr}lock
	sem_{wait,trywait,timedwait,clockwait})
conditions=(pthread_cond_{wait,timedwait,clockwait} cnd_{wait,timedwait})
signals=(pthread_cond_{signal,broadcast} cnd_{signal,broadcast})
others=(sem_post pthread_create thrd_create pthread_{mutex,rwlock}_unlock mtx_unlock
	pthread_barrier_wait)

trap 'perf probe -q -d "probe_libc:lariat_*" 2>/dev/null; rm -rf "$work"' EXIT
for function in "${locks[@]}" "${conditions[@]}" "${signals[@]}" "${others[@]}"; do
	perf probe -q -x "$libc" "lariat_$function=$function ret=+0(%sp):x64 lock=%di:x64" \
		2>"$work/probe" || { echo "no probes here: $(head -n 1 "$work/probe")" && exit 77; }
done

# Records CMD by perf and by the recorder at once; its pid goes to NAME.pid.
watch() { # NAME CMD...
	local name=$1
	shift
	# shellcheck disable=SC2016 # expanded by the inner shell
	LARIAT_QUIET=1 LARIAT_OUTPUT=$work/$name.%p.lariat perf record -q -m 4096 -o "$work/$name.perf" \
		-e 'probe_libc:lariat_*' -e syscalls:sys_enter_futex -- sh -c \
		'echo $$ >"$0"; exec env LD_PRELOAD='"$lib"' "$@"' "$work/$name.pid" "$@" \
		</dev/null >"$work/$name.out" 2>"$work/$name.err"
}

sum_of() { # NAME WHO FUNCTION...
	local name=$1 who=$2
	shift 2
	jq --arg names "$*" "[.${who}[\$names | split(\" \")[]] // 0] | add" "$work/$name.calls"
}

# Spinlocks are left out: an instruction with a lock prefix cannot be probed. A thread's start may
# come from an allocator that has a function of that name, too.
spins='[.locks.sites[] | select(.kind == "spinlock") | .acquisitions + .failed_try] | add // 0'
compare() { # NAME
	local name=$1 blocked told
	"$top/tests/oracle/lockcalls.py" "$work/$name.perf" "$lib" >"$work/$name.calls"
	same "$name: events lost by perf" 0 "$(jq .lost "$work/$name.calls")"
	same "$name: calls past the recorder" '{}' \
		"$(jq -c '.past | del(.[].pthread_create) | del(.[] | select(. == {}))' "$work/$name.calls")"
	# A call that has not come back, or never will (its thread was cancelled), is none yet.
	same "$name: lock calls" "$(sum_of "$name" recorder "${locks[@]}")" "$(field "$name" "
		(.locks.totals | .acquisitions + .failed_try + .timeouts + .errors) - ($spins) +
		([.locks.waiting[] | select(.kind != \"condition\")] | length)")"
	same "$name: waits on conditions" "$(sum_of "$name" recorder "${conditions[@]}")" \
		"$(field "$name" '.locks.totals.condition_waits +
		([.locks.waiting[] | select(.kind == "condition")] | length)')"
	same "$name: signals" "$(sum_of "$name" recorder "${signals[@]}")" \
		"$(field "$name" '.locks.totals.signals')"
	same "$name: posts" "$(sum_of "$name" recorder sem_post)" \
		"$(field "$name" '.locks.totals.posts')"
	same "$name: threads" "$(sum_of "$name" recorder pthread_create thrd_create)" \
		"$(field "$name" '.threads.created')"
	blocked=$(sum_of "$name" waited "${locks[@]}")
	checks=$((checks + 1))
	told=$(field "$name" '.locks | .totals.contended +
		([.waiting[] | select(.kind != "condition")] | length)')
	[ "$blocked" -le "$told" ] || fail "$name: $blocked waited in the kernel, told $told"
	jq -r --arg name "$name" --argjson blocked "$blocked" --slurpfile calls "$work/$name.calls" '
		.locks.totals | "\($name): \(.acquisitions) acquisitions, \(.failed_try) failed tries, " +
		"\(.contended) contended, \($blocked) calls waited in the kernel, \(.condition_waits) " +
		"waits on conditions, \(.signals) signals, \(.posts) posts; by libc itself " +
		"\([$calls[0].libc, $calls[0].loader | add // 0] | add)"' "$(report_of "$name")"
}

program() { # NAME CMD...
	wanted "$1" || return 0
	have "$2" || return 0
	watch "$@"
	compare "$1"
}

# Starts a server; its pid is known when it writes.
serve() { # NAME CMD...
	watch "$@" &
	server=$!
	for _ in $(seq 100); do
		[ -s "$work/$1.pid" ] && return
		sleep 0.1
	done
	fail "$1 does not start"
}

stop() { # NAME
	kill -TERM "$(cat "$work/$1.pid")"
	wait "$server"
	compare "$1"
}

until_answered() {
	for _ in $(seq 100); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	fail "the server does not answer"
}

times=1
[ -z "$full" ] || times=10

# The victims, whose counts are known twice.
program more "$victims/locks_more"
program injected "$victims/lock_injected"
program versions "$victims/lock_versions"
gcc -O2 -pthread -o load_locks "$top/tests/bench/load_locks.c"
program share2 ./load_locks share $((20000 * times)) 2
program share4 ./load_locks share $((20000 * times)) 4
program turns ./load_locks turns $((2000 * times))
program readers ./load_locks read $((20000 * times)) 4

# uftrace sees what a program calls through its table of functions of libraries: in these programs all
# of the locks. Both at once must do, too: uftrace puts its own return addresses on the stack.
if wanted uftrace && have uftrace; then
	for name in locks locks_more lock_cxx20; do
		uftrace record --force --no-pager -d "$name.uftrace" "$victims/$name" >/dev/null 2>&1
		record "$name" "$victims/$name"
		same "$name by uftrace" "$(uftrace report --no-pager -f call -d "$name.uftrace" |
			awk -v names=" ${locks[*]} pthread_spin_lock pthread_spin_trylock " \
				'index(names, " " $2 " ") { n += $1 } END { print n }')" \
			"$(field "$name" '.locks.totals | .acquisitions + .failed_try + .timeouts + .errors')"
		LARIAT_QUIET=1 LARIAT_OUTPUT=$PWD/%c.%p.both LD_PRELOAD=$lib uftrace record --force \
			--no-pager -d both "$victims/$name" >/dev/null 2>both.err
		same "$name under both" "0 " "$? $(grep -o 'signal: .*' both.err)"
	done
fi

cat >gil.py <<'END'
import sys, threading
def work(n):
    x = 0
    for i in range(n):
        x += i
threads = [threading.Thread(target=work, args=(int(sys.argv[1]),)) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
END
program python3 /usr/bin/python3 gil.py $((200000 * times))

cat >pool.js <<'END'
const { Worker, isMainThread } = require('worker_threads');
const crypto = require('crypto'), fs = require('fs');
const work = (n) => {
	for (let i = 0; i < n; i++) {
		crypto.pbkdf2('a', 'b', 200, 16, 'sha1', () => {});
		fs.stat('/', () => {});
	}
};
work(+process.argv[2]);
if (isMainThread)
	for (let i = 0; i < 2; i++)
		new Worker(__filename, { argv: process.argv.slice(2) });
END
program node "$(command -v node || echo node)" pool.js $((20 * times))

if wanted redis && have redis-server && have redis-benchmark; then
	serve redis redis-server --port 0 --unixsocket "$work/redis.sock" --dir "$work" --save '' \
		--io-threads 4 --io-threads-do-reads yes
	until_answered redis-cli -s "$work/redis.sock" ping
	redis-benchmark -s "$work/redis.sock" -q -n $((1000 * times)) -c 20 -P 8 -t set,get \
		>"$work/benchmark" 2>&1
	same 'redis: benchmark' 0 $?
	stop redis
fi

if wanted nginx && have nginx && have curl; then
	mkdir -p "$work/www"
	seq 200000 >"$work/www/numbers"
	chmod 755 "$work" "$work/www"
	port=$((20000 + RANDOM % 20000))
	cat >"$work/nginx.conf" <<END
daemon off;
master_process off;
pid $work/nginx-pid;
error_log $work/nginx-errors;
thread_pool default threads=4;
events { worker_connections 64; }
http {
	access_log off;
	aio threads;
	sendfile off;
	output_buffers 1 16k;
	server { listen 127.0.0.1:$port; root $work/www; }
}
END
	serve nginx nginx -c "$work/nginx.conf" -e "$work/nginx-errors"
	until_answered curl -sf "http://127.0.0.1:$port/numbers"
	for _ in $(seq $((5 * times))); do
		curl -sf "http://127.0.0.1:$port/numbers" | cmp - "$work/www/numbers" ||
			fail "nginx: wrong answer"
	done
	stop nginx
fi
finish
