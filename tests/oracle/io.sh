#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# I/O counts against strace's, for real programs: calls, failures and bytes of each kind of call
# must be equal. And nearly all bytes that the kernel counted are seen.
#
#	tests/oracle/io.sh [--full] [NAME...]
#
# strace sees system calls, the recorder calls of public functions. Which of them are the same is
# read from each system call's stack (strace -k): it counts when the function that made it is in
# libc, is no _nocancel (libc's own, reached by tail calls without a frame of its caller) and was
# called from outside of libc and the dynamic loader. What is left out so: the loader
# reading ELF headers, stdio's own reads and writes, libc's files (locale, nsswitch, passwd).
# shellcheck disable=SC2016 # scripts for other shells
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need strace jq

full=
only=()
for arg; do
	if [ "$arg" = --full ]; then full=1; else only+=("$arg"); fi
done
if ! strace -k -o /dev/null -e trace=exit_group true 2>/dev/null; then
	echo "strace cannot trace or show stacks here"
	exit 77
fi

# One system call's public names; "bytes" when its result is a number of bytes.
cat >"$work/names" <<'END'
read bytes read __read_chk
write bytes write
pread64 bytes pread pread64 __pread_chk __pread64_chk
pwrite64 bytes pwrite pwrite64
readv bytes readv
writev bytes writev
preadv bytes preadv preadv64
pwritev bytes pwritev pwritev64
preadv2 bytes preadv2 preadv64v2
pwritev2 bytes pwritev2 pwritev64v2
sendto bytes send sendto
recvfrom bytes recv recvfrom __recv_chk __recvfrom_chk
sendmsg bytes sendmsg
recvmsg bytes recvmsg
fsync - fsync
fdatasync - fdatasync
openat - open open64 openat openat64 creat creat64 __open_2 __open64_2 __openat_2 __openat64_2
close - close
socket - socket
connect - connect
socketpair - socketpair
accept4 - accept4
accept - accept
pipe2 - pipe pipe2
dup - dup
dup2 - dup2
dup3 - dup3
END
traced=$(cut -d ' ' -f 1 "$work/names" | paste -sd ,),open,creat,pipe

# From one thread's strace -k output: "SYSCALL RESULT" for the public calls.
public_calls() {
	awk '
	function flush() {
		if (name != "" && first ~ /libc\.so/ && first !~ /nocancel/ && second !~ /libc\.so|ld-linux/ && result != "?")
			print name, result
		name = first = second = ""
	}
	/^ > / {
		if (first == "") first = $2
		else if (second == "") second = $2
		next
	}
	/^(---|\+\+\+)/ { next }
	match($0, /^[a-z0-9_]+\(/) {
		flush()
		name = substr($0, 1, RLENGTH - 1)
		if (name == "open" || name == "creat") name = "openat"
		if (name == "pipe") name = "pipe2"
		result = $0
		sub(/.* = /, "", result)
		sub(/ .*/, "", result)
	}
	END { flush() }' "$@"
}

# "SYSCALL calls errors bytes" of each kind, sorted.
sum_up() {
	awk -v names="$work/names" '
	BEGIN { while ((getline line <names) > 0) { split(line, w, " "); kind[w[1]] = w[2] } }
	{
		calls[$1]++
		if ($2 < 0) errors[$1]++
		else if (kind[$1] == "bytes") bytes[$1] += $2
	}
	END { for (n in calls) print n, calls[n], errors[n] + 0, bytes[n] + 0 }' | sort
}

ours() { # TRACE
	events_of "$1" | jq -nc -f "$top/tests/oracle/calls.jq" >"$work/calls"
	while read -r name kind publics; do
		# shellcheck disable=SC2016 # jq's variables
		jq -r --arg name "$name" --arg kind "$kind" --arg publics "$publics" '
			. as $c | [$publics | split(" ")[] | $c[.] | select(.)] |
			select(length > 0) | "\($name) \(map(.calls) | add) \(map(.errors) | add) " +
			"\(if $kind == "bytes" then (map(.bytes) | add) else 0 end)"' "$work/calls"
	done <"$work/names" | sort
}

# What the programs make, removed before each run: both start from the same.
made=(copied tree.tar lines.gz lines.xz db python-file perl-file cc1.s)

# Of the bytes that the kernel counted, whoever made the calls.
covered() { # NAME
	same "$1: seen of what the kernel counted" true "$(field "$1" '.io.coverage |
		.kernel_bytes > 0 and .seen_bytes >= 0.999 * .kernel_bytes and
		.seen_bytes <= 1.001 * .kernel_bytes')"
}

# compare NAME CMD...
compare() {
	local name=$1
	shift
	[ ${#only[@]} -eq 0 ] || [[ " ${only[*]} " == *" $name "* ]] || return 0
	have "$1" || return 0
	rm -rf "${made[@]}"
	mkdir -p "$work/$name.strace"
	strace -ff -k -s 0 -e signal=none -e "trace=$traced" -o "$work/$name.strace/t" "$@" \
		</dev/null >"$work/$name.strace-out" 2>&1
	rm -rf "${made[@]}"
	record "$name" "$@"
	cat "$work/$name.err" >>"$work/$name.out"
	checks=$((checks + 1))
	[ "$(status_of "$name")" = 0 ] || fail "$name: exit status $(status_of "$name")"
	public_calls "$work/$name.strace"/t.* | sum_up >"$work/$name.expected"
	ours "$(trace_of "$name")" >"$work/$name.got"
	printf '%s: %s\n' "$name" "$(tr '\n' ';' <"$work/$name.expected")"
	[ -s "$work/$name.expected" ] || fail "$name: strace saw no public call"
	diff "$work/$name.expected" "$work/$name.got" >"$work/diff" ||
		fail "$name (< strace, > here: calls errors bytes): $(sed -n '/^[<>]/p' "$work/diff")"
	covered "$name"
}

n=5000
[ -z "$full" ] || n=20000
seq $n >lines
mkdir tree
for i in $(seq 20); do head -n $((i * 50)) lines >"tree/$i"; done
cat >script.py <<'END'
import os, socket, threading
fd = os.open("python-file", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
for i in range(50):
    os.write(fd, b"x" * i)
os.fsync(fd)
print(len(os.pread(fd, 100, 3)), os.pwrite(fd, b"abc", 1000), os.lseek(fd, 0, 0))
while os.read(fd, 77):
    pass
try:
    os.write(os.open("python-file", os.O_RDONLY), b"no")
except OSError as e:
    print(e.errno)
a, b = socket.socketpair()
def talk():
    for i in range(20):
        b.sendall(b.recv(100) * 2)
t = threading.Thread(target=talk)
t.start()
for i in range(20):
    a.send(b"hello")
    assert len(a.recv(100)) == 10
t.join()
os.writev(fd, [b"one", b"two"])
END
cat >script.pl <<'END'
use Fcntl;
sysopen(my $f, "perl-file", O_RDWR | O_CREAT | O_TRUNC) or die;
syswrite($f, "y" x $_) for 1 .. 60;
sysseek($f, 0, 0);
my ($n, $b) = (0, "");
$n++ while sysread($f, $b, 100);
open(my $g, "<", "lines"); my $lines = 0; $lines++ while <$g>;
print "$n $lines\n";
END
cat >script.sql <<'END'
create table t(a integer primary key, b text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000)
insert into t select i, hex(i * 7919) from n;
update t set b = b || 'x' where a % 7 = 0;
delete from t where a % 5 = 0;
END

# It reads how its own memory is mapped: not the same with a recorder in it.
if [ ${#only[@]} -eq 0 ]; then
	record grep grep -r 77 tree
	covered grep
	# libraries that are loaded before there is a second thread
	record python3-thread /usr/bin/python3 -E -c 'import bz2, lzma, threading
t = threading.Thread(target=print)
t.start()
t.join()'
	covered python3-thread
fi
compare cat cat -A lines tree/3 tree/4
compare dd dd if=lines of=copied bs=512 count=30 conv=fsync status=none
compare dd-short dd if=tree/1 of=copied bs=64k status=none
compare head head -c 3000 lines
compare tac tac lines
compare sort sort -r lines -o copied
compare split split -b 1000 tree/9 part-
compare tar tar -cf tree.tar tree
compare gzip gzip -kf lines
compare python3 /usr/bin/python3 -E -S script.py
compare perl perl script.pl
compare sqlite3 sqlite3 -batch db '.read script.sql'
have git && {
	export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'
	git -c init.defaultBranch=main init -q repository
	git -C repository config user.name Somebody
	git -C repository config user.email somebody@example.org
	cp lines tree/* repository
	git -C repository add .
	git -C repository commit -qm 'first change'
	compare git-log git -C repository --no-pager log -p --stat
	compare git-cat git -C repository --no-pager show HEAD:lines
}
if [ -n "$full" ]; then
	compare xz xz -kf -0 lines
	compare bash bash -c 'while read -r a; do :; done <tree/20; echo $a'
	compare find find tree -name '*7*'
	compare python3-start /usr/bin/python3 -E -c 'import json, re, email'
	compare cc1 "$(gcc -print-prog-name=cc1)" -quiet \
		-imultiarch "$(gcc -print-multiarch)" -o cc1.s "$top/tests/victims/libctor.c"
fi
finish
