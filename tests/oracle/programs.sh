#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Real programs, plainly and recorded: same output, same files, same exit status, and a trace that
# can be read. Servers are recorded under load and must answer all of it and end as asked.
#
#	tests/oracle/programs.sh [--full] [NAME...]
# shellcheck disable=SC2016 # scripts for other shells
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need gcc perl git openssl

full=
only=()
for arg; do
	if [ "$arg" = --full ]; then full=1; else only+=("$arg"); fi
done
wanted() { [ ${#only[@]} -eq 0 ] || [[ " ${only[*]} " == *" $1 "* ]]; }

# Runs a script of the shell in a folder of its own, once plainly and once recorded.
script() { # NAME TEXT
	wanted "$1" || return 0
	harmless "$1" bash -c "rm -rf '$work/folder'; mkdir '$work/folder'; cd '$work/folder'; $2"
	rm -f "$work/$1".*.lariat
}

export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'
export GIT_CONFIG_GLOBAL=/dev/null HOME=$work/home
mkdir -p "$HOME"
python3=/usr/bin/python3

script bash '
	trap "echo trapped" USR1; kill -USR1 $$; trap "echo leaving" EXIT
	for i in $(seq 50); do echo $((i * i)); done | sort -n | tail -n 3
	(exit 3); echo $?; sleep 0.1 & wait $!; echo $?
	f() { local n=$1; [ $n -gt 0 ] && f $((n - 1)); }; f 200
	cat <<<"here" <(echo substituted); (ulimit -n 20; echo limited); kill -TERM $BASHPID'
script git '
	git init -q a; cd a; git config user.name N; git config user.email n@example.org
	for i in 1 2 3 4 5 6; do seq $((i * 1000)) >f$((i % 2)); git add .; git commit -qm c$i; done
	cd ..; git clone -q a b; cd b; git log --stat | cat; git gc -q; git fsck; git status --short
	git rev-parse HEAD; git diff HEAD~3 | sha256sum'
script gcc '
	printf "#include <stdio.h>\nint main(void) { puts(\"compiled\"); return 4; }\n" >p.c
	gcc -O2 -o p p.c; ./p; echo $?; gcc -c p.c -o p.o; sha256sum p p.o; gcc -o q missing.c; echo $?'
script make '
	printf "all: a b c\na b c:\n\t@echo \$@; sleep 0.01; touch \$@\n.PHONY: x\n" >Makefile
	make -s -j2 | sort; make -s; make x; echo $?'
script perl '
	perl -e "
		\$| = 1; \$SIG{CHLD} = sub { }; pipe(R, W);
		for (1 .. 10) { my \$p = fork(); if (!\$p) { syswrite(W, \"x\" x \$_); exit(\$_) } }
		my \$sum = 0; while ((my \$p = wait()) > 0) { \$sum += \$? >> 8 } close(W);
		my \$n = 0; while (sysread(R, my \$b, 10)) { \$n += length(\$b) }
		print \"\$sum \$n\n\"; alarm(1); eval { local \$SIG{ALRM} = sub { die \"late\n\" }; alarm(1);
		select(undef, undef, undef, 5) }; print \$@; kill(9, \$\$)"'
script openssl '
	seq 100000 | openssl dgst -sha512; seq 1000 | openssl enc -aes-256-cbc -K 00 -iv 00 | sha256sum
	openssl prime 1000003; openssl dgst nothing-here 2>/dev/null; echo $?'
script pipeline '
	seq 50000 | gzip | gunzip | awk "{ s += \$1 } END { print s }"
	tar cf - /etc/hostname 2>/dev/null | tar tf -; seq 1000 | xargs -n 100 -P 2 echo | wc -l
	find /usr/include/linux -name "*.h" | sort | head -n 20 | xargs grep -c define
	seq 100 | head -n 1; yes | head -n 2; timeout 0.2 sleep 5; echo $?'
if [ -x $python3 ]; then
	cat >"$work/script.py" <<'END'
import concurrent.futures, ctypes, os, queue, signal, subprocess, sys, threading, time
hits = []
signal.signal(signal.SIGALRM, lambda *_: hits.append(1))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(lambda n: len(str(2 ** n)), range(2000))))
q = queue.Queue(10)
def feed():
    for i in range(2000):
        q.put("x" * i)
t = threading.Thread(target=feed); t.start()
print(sum(len(q.get()) for _ in range(2000))); t.join()
while len(hits) < 20:
    time.sleep(0.001)
signal.setitimer(signal.ITIMER_REAL, 0)
print(subprocess.run(["sh", "-c", "echo child; exit 3"], capture_output=True))
print([os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]) for p in
       [os.fork() or os._exit(i) for i in range(5)]])
try:
    subprocess.run(["sleep", "10"], timeout=0.2)
except subprocess.TimeoutExpired:
    print("timed out")
libc = ctypes.CDLL(None); libc.strdup.restype = ctypes.c_void_p
print(bool(libc.strdup(b"text")))
sys.exit(11)
END
	script python3 "$python3 -E '$work/script.py'"
fi
if have node; then
	script node 'node -e "
		const { Worker } = require(\"worker_threads\"), fs = require(\"fs\");
		const w = new Worker(\"require(\\\"worker_threads\\\").parentPort.postMessage([1,2,3].map(x => x * 2))\", { eval: true });
		w.on(\"message\", m => console.log(m)); fs.writeFileSync(\"f\", \"x\".repeat(100000));
		w.on(\"exit\", c => { console.log(\"exit\", c); fs.readFile(\"f\", (e, d) => console.log(d.length)); });
		console.log(require(\"child_process\").execSync(\"echo child\").toString());
		process.on(\"exit\", () => { process.exitCode = 6 })"'
fi
if have java && [ -n "$full" ] && have javac; then
	script java '
		printf "class P { public static void main(String[] a) throws Exception { Thread[] t = new Thread[4]; final int[] n = new int[4]; for (int i = 0; i < 4; i++) { final int k = i; t[i] = new Thread(() -> { for (int j = 0; j < 100000; j++) n[k] += new byte[j %% 100].length; }); t[i].start(); } for (Thread x : t) x.join(); System.out.println(n[0] + n[3]); System.exit(5); } }" >P.java
		javac P.java; java -Xmx128m -cp . P; echo $?'
fi

# start_server NAME CMD...: recorded, in the background; its pid in $server.
start_server() {
	local name=$1
	shift
	env "LD_PRELOAD=$lib" "LARIAT_OUTPUT=$work/$name.%p.lariat" "$@" >"$work/$name.out" \
		2>"$work/$name.err" </dev/null &
	server=$!
	echo $server >"$work/$name.pid"
}

# Until CMD succeeds, or the server is gone.
until_answered() {
	for _ in $(seq 200); do
		"$@" >/dev/null 2>&1 && return
		kill -0 "$server" 2>/dev/null || break
		sleep 0.1
	done
	fail "the server does not answer: $(tail -n 3 "$work"/*.err)"
}

ended() { # NAME: stops the server as it wants to be stopped
	kill -TERM "$server"
	wait "$server"
	same "$1: exit status" 0 $?
	for trace in "$work/$1".*.lariat; do readable "$1" "$trace"; done
}

if wanted redis && have redis-server && have redis-benchmark; then
	requests=2000
	[ -z "$full" ] || requests=50000
	start_server redis redis-server --port 0 --unixsocket "$work/redis.sock" --dir "$work" \
		--save '' --appendonly yes --appendfsync always
	until_answered redis-cli -s "$work/redis.sock" ping
	redis-benchmark -s "$work/redis.sock" -q -n $requests -c 20 -t set,get,lpush,lrange_100 \
		>"$work/benchmark" 2>&1
	same 'redis: benchmark' 0 $?
	for i in $(seq 100); do echo "set key$i $i"; done |
		redis-cli -s "$work/redis.sock" >/dev/null
	redis-cli -s "$work/redis.sock" bgrewriteaof >/dev/null
	same 'redis: what was set' 77 "$(redis-cli -s "$work/redis.sock" get key77)"
	ended redis
fi

if wanted nginx && have nginx && have curl; then
	requests=200
	[ -z "$full" ] || requests=5000
	mkdir -p "$work/www"
	seq 20000 >"$work/www/numbers"
	port=$((20000 + RANDOM % 20000))
	cat >"$work/nginx.conf" <<END
worker_processes 2;
daemon off;
user root;
pid $work/nginx-pid;
error_log $work/nginx-errors;
events { worker_connections 64; }
http {
	access_log $work/nginx-access;
	server { listen 127.0.0.1:$port; root $work/www; gzip on; gzip_types *; }
}
END
	[ "$(id -u)" = 0 ] || sed -i '/^user/d' "$work/nginx.conf"
	chmod 755 "$work" "$work/www"
	start_server nginx nginx -p "$work" -c "$work/nginx.conf"
	until_answered curl -s "http://127.0.0.1:$port/numbers"
	got=$(for i in $(seq $requests); do
		echo "url = http://127.0.0.1:$port/numbers"
		[ $((i % 2)) = 0 ] || echo "output = $work/fetched"
		[ $((i % 2)) = 1 ] || echo "output = /dev/null"
	done | curl -s --compressed -K - -w '%{http_code}\n' | sort | uniq -c | xargs)
	same 'nginx: answers' "$requests 200" "$got"
	checks=$((checks + 1))
	cmp -s "$work/fetched" "$work/www/numbers" || fail "nginx: not the file that was asked for"
	kill -HUP "$server"
	sleep 0.5
	same 'nginx: after a reload' 404 \
		"$(curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$port/none")"
	ended nginx
fi

[ -n "$full" ] || finish

# Postgres does not run as root.
for bin in /usr/lib/postgresql/*/bin; do :; done
if wanted postgres && [ -x "$bin/initdb" ] && [ "$(id -u)" = 0 ] && have setpriv; then
	mkdir "$work/pg"
	chmod 711 "$work"
	chown 65534 "$work/pg"
	time_limit=300
	as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups env "HOME=$work/pg"
		"LARIAT_OUTPUT=$work/pg/%c.%p.lariat")
	for kind in plain recorded; do
		[ $kind = plain ] || as_nobody+=("LD_PRELOAD=$lib")
		"${as_nobody[@]}" "$bin/initdb" -D "$work/pg/$kind" -A trust >"$work/$kind.initdb" 2>&1
		same "postgres: initdb, $kind" 0 $?
		sed -i "s/$kind/FOLDER/g" "$work/$kind.initdb"
		"${as_nobody[@]}" "$bin/pg_ctl" -D "$work/pg/$kind" -w -l "$work/pg/log" \
			-o "-k $work/pg -h ''" start >/dev/null 2>&1
		same "postgres: start, $kind" 0 $?
		"${as_nobody[@]}" "$bin/pgbench" -h "$work/pg" -q -i postgres >/dev/null 2>&1
		"${as_nobody[@]}" "$bin/pgbench" -h "$work/pg" -c 4 -j 2 -t 100 postgres \
			>"$work/$kind.bench" 2>/dev/null
		same "postgres: pgbench, $kind" 0 $?
		grep 'actually processed' "$work/$kind.bench" >"$work/$kind.processed"
		"${as_nobody[@]}" "$bin/pg_ctl" -D "$work/pg/$kind" -w -m fast stop >/dev/null 2>&1
		same "postgres: stop, $kind" 0 $?
	done
	same 'postgres: initdb output' "$(cat "$work/plain.initdb")" "$(cat "$work/recorded.initdb")"
	same 'postgres: transactions' "$(cat "$work/plain.processed")" \
		"$(cat "$work/recorded.processed")"
fi

# Python's own tests of what we are between, with the first Python that has them.
for python3 in /usr/bin/python3 "$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null)"; do
	"$python3" -c 'import test.test_threading' 2>/dev/null && break
done
time_limit=600
# they wait for ever where the machine has no such sockets
skip=(-i "*VSOCK*")
for module in test_threading test_subprocess test_signal test_fork1 test_os test_socket test_mmap \
	test_posix test_thread test_queue test_io test_faulthandler; do
	"$python3" -c "import test.$module" 2>/dev/null || continue
	wanted $module || continue
	native $module.native "$python3" -E -m test -q "${skip[@]}" $module
	LARIAT_SIZE=8M record $module "$python3" -E -m test -q "${skip[@]}" $module
	same "$module" "$(status_of $module.native)" "$(status_of $module)"
	[ "$(status_of $module)" = "$(status_of $module.native)" ] ||
		grep -hE '^(FAIL|ERROR|Fatal|test .* failed)' "$work/$module.out" "$work/$module.err"
	rm -f "$work/$module".*.lariat
done
finish
