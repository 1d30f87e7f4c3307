#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# `lariat run`: statuses, options, what it refuses to run and why, what the program sees of it, and
# what it says. Job control and signals are in test_signals.py.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq gcc objcopy python3
unset LARIAT_LIB

# launch ARG...: runs `lariat run`, output in out and err, status in $status.
launch() {
	"$lariat" run "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
}

contains() { # WHAT TEXT PART
	checks=$((checks + 1))
	case $2 in
	*"$3"*) ;;
	*) fail "$1: '$3' is not in '$2'" ;;
	esac
}

lines_of() { grep -c '' "$1"; }

compile() { # OUT FLAGS...: the program in $code
	local out=$1
	shift
	printf '%s\n' "$code" | gcc -w -x c -o "$out" - "$@" || fail "cannot compile $out"
}

# --- exit statuses are the program's
for code in 0 1 7 124 255; do
	launch -q -- sh -c "exit $code"
	same "exit $code" "$code" "$status"
done
for signal in TERM KILL SEGV USR1 PIPE; do
	launch -q -- bash -c "kill -$signal \$\$; sleep 5"
	same "killed by $signal" $((128 + $(kill -l "$signal"))) "$status"
done

# --- what cannot be found or executed
launch no-such-command-here
same 'not found' 127 "$status"
same 'not found: message' 'lariat: no-such-command-here: command not found' "$(cat "$work/err")"
launch ./no-such-file
same 'no such file' 127 "$status"
launch /etc
same 'a folder' 126 "$status"
echo 'echo ran' >plain
launch ./plain
same 'not executable' 126 "$status"
same 'not executable: message' 'lariat: ./plain: Permission denied' "$(cat "$work/err")"
chmod +x plain
launch -q ./plain
same 'a script without #!' "0 ran" "$status $(cat "$work/out")"
printf '#!/no/such/interpreter\n' >orphan
chmod +x orphan
launch ./orphan
same 'no interpreter' 127 "$status"
mkdir -p path/one path/two
echo 'echo one' >path/one/tool
printf '#!/bin/sh\necho two "$0" "$@"\n' >path/two/tool
chmod +x path/two/tool
(PATH=$PWD/path/one:$PWD/path/two:$PATH "$lariat" run -q tool 'a b' '' c) >"$work/out" 2>&1
same 'PATH goes on behind what cannot be executed' "two $PWD/path/two/tool a b  c" \
	"$(cat "$work/out")"
(cd path/two && PATH=/bin::/usr/bin "$lariat" run -q tool) >"$work/out" 2>&1
same 'an empty PATH element is the current folder' "two ./tool" \
	"$(sed 's,two tool,two ./tool,' "$work/out")"

# --- wrong usage: status 2, one line
usage() {
	launch "$@"
	same "usage $*: status" 2 "$status"
	same "usage $*: one line" 1 "$(lines_of "$work/err")"
	contains "usage $*" "$(cat "$work/err")" 'lariat: run: '
	same "usage $*: nothing ran" '' "$(cat "$work/out")"
}
usage
usage --
usage --no-such-option echo ran
usage --output
for value in '' 12 64X 1.5G -1 99999999999G; do usage --size "$value" echo ran; done
for value in 7 4097 x ''; do usage --depth "$value" echo ran; done
for value in '' 0 1x 100msec; do usage --interval "$value" echo ran; done
for value in '' heap,x ,heap 'heap io'; do usage --record "$value" echo ran; done
usage --follow maybe echo ran
usage --output "$(head -c 600 /dev/zero | tr '\0' x)" echo ran
for value in '%q' 'a%' '%p%%%x'; do usage --output "$value" echo ran; done
LARIAT_SIZE=lots usage echo ran
contains 'a wrong variable is named' "$(cat "$work/err")" 'LARIAT_SIZE'
launch --help
same 'help' 0 "$status"
for name in $(grep -oE 'OPTION\([A-Z]+, "[a-z-]+"' "$top/preload/format/options.def" |
	cut -d '"' -f 2); do
	contains 'help' "$(cat "$work/out")" "--$name"
done

# --- options reach the recorder, `--` ends them, the command's own options are its own
launch -q --depth 99 --record heap,io --size 8M --interval 250ms --follow no -o x.lariat -- \
	env --ignore-environment=no 2>/dev/null
same "the command's options are its own" 125 "$status"
launch -q --depth 99 --record heap,io --size 8M --interval 250ms --follow no -o x.lariat -- env
same 'env' 0 "$status"
for line in LARIAT_DEPTH=99 LARIAT_RECORD=heap,io LARIAT_SIZE=8M LARIAT_INTERVAL=250ms \
	LARIAT_FOLLOW=no LARIAT_QUIET=1 "LARIAT_OUTPUT=$PWD/x.lariat"; do
	contains 'environment' "$(cat "$work/out")" "$line"
done
LARIAT_DEPTH=50 launch -q --depth=60 env
contains 'an option overrides its variable' "$(cat "$work/out")" 'LARIAT_DEPTH=60'

# --- refused, with the reason, in one line, and not run
refused() { # REASON-PART CMD...
	local part=$1
	shift
	rm -f ran
	launch "$@"
	same "refused $*: status" 125 "$status"
	same "refused $*: one line" 1 "$(lines_of "$work/err")"
	contains "refused $*" "$(cat "$work/err")" "lariat: ${!#}: "
	contains "refused $*" "$(cat "$work/err")" "$part"
	same "refused $*: it did not run" '' "$(cat "$work/out")$(ls ran 2>/dev/null)"
}

accepted() { # CMD...
	rm -f ran
	launch "$@"
	same "accepted $*: status" 0 "$status"
	same "accepted $*: it ran" ran "$(ls ran)"
}

code='#include <stdio.h>
int main(void) { return fclose(fopen("ran", "w")); }'
compile fine
accepted ./fine
compile static -static
refused 'statically linked' ./static
compile static-pie -static-pie
refused 'statically linked' ./static-pie
echo x >section
objcopy --add-section .go.buildinfo=section static go-static
refused 'Go program' ./go-static
objcopy --add-section .go.buildinfo=section fine go-dynamic
accepted ./go-dynamic
contains 'Go with C parts: a warning' "$(cat "$work/err")" 'only what its C parts do'

# The machine and class of an ELF header, changed in a good program.
patched() { # NAME OFFSET BYTE
	cp fine "$1"
	printf "%b" "\\x$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
patched arm64 18 b7
refused '64-bit ARM' ./arm64
patched i386 18 03
refused 'i386' ./i386
patched other 18 f7
refused 'machine type' ./other
compile x32 -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1
refused 'GNU C library' ./x32

code='#include <stdio.h>
#include <stddef.h>
static char heap[1 << 20]; static size_t used;
void *malloc(size_t n) { void *p = heap + used; used += (n + 15) & ~15ul; return p; }
void free(void *p) { (void)p; }
void *calloc(size_t n, size_t m) { return malloc(n * m); }
void *realloc(void *p, size_t n) { (void)p; return malloc(n); }
int main(void) { return fclose(fopen("ran", "w")); }'
compile own-malloc
refused 'allocator linked into the executable' ./own-malloc
strip -o own-stripped own-malloc
refused 'allocator linked into the executable' ./own-stripped
accepted -q --record io,locks,threads ./own-malloc

code='#include <stdio.h>
int main(void) { return fclose(fopen("ran", "w")); }'
compile asan -fsanitize=address
refused 'AddressSanitizer' ./asan
compile tsan -fsanitize=thread
refused 'ThreadSanitizer' ./tsan
if have clang; then
	printf '%s\n' "$code" | clang -w -fsanitize=address -x c -o asan-inside - 2>/dev/null &&
		refused 'AddressSanitizer' ./asan-inside
fi

# Set-id files lose LD_PRELOAD only where they change who one is. Only root can make them.
if [ "$(id -u)" = 0 ] && cp fine setuid && chown 65534 setuid && chmod 4755 setuid; then
	refused 'set-user-ID' ./setuid
	cp fine setgid && chgrp 65534 setgid && chmod 2755 setgid
	refused 'set-group-ID' ./setgid
	cp fine own-setuid && chmod 4755 own-setuid
	accepted ./own-setuid
	if have setcap && have setpriv && cp fine capable && setcap cap_net_raw+ep capable; then
		# As another user, in a folder that is theirs.
		mkdir theirs && cp -a capable theirs/ && setcap cap_net_raw+ep theirs/capable
		cp "$lariat" "$lib" theirs/ && chown 65534 theirs && chmod 711 "$work" "$work/cwd"
		(cd theirs && setpriv --reuid 65534 --clear-groups ./lariat run ./capable) \
			>"$work/out" 2>"$work/err"
		if [ $? = 126 ]; then
			echo "left out: another user cannot run a program here"
		else
			contains 'file capabilities' "$(cat "$work/err")" 'file capabilities'
		fi
	fi
else
	echo "left out: set-id programs need root"
fi

# A script is its interpreter's.
printf '#!%s\n' "$PWD/static" >script-static
printf '#! %s -x\n' "$PWD/script-static" >script-twice
printf '#!/usr/bin/env -S A=1 %s\n' "$PWD/static" >script-env
printf '#!/bin/sh\ntouch ran\n' >script-fine
printf '#!/usr/bin/env sh\ntouch ran\n' >script-env-fine
chmod +x script-*
refused 'its interpreter' ./script-static
refused 'statically linked' ./script-twice
refused 'statically linked' ./script-env
accepted ./script-fine
accepted ./script-env-fine
linker=$(readelf -l fine | sed -n 's/.*interpreter: \(.*\)\]/\1/p')
accepted "$linker" ./fine

# Damaged executables are the kernel's business, not ours to fall over.
for size in 4 20 64 200 1000 4000; do
	head -c "$size" fine >./cut
	chmod +x cut
	native=$(env ./cut >/dev/null 2>&1; echo $?)
	launch ./cut
	checks=$((checks + 1))
	[ "$status" = 125 ] || [ "$status" = "$native" ] ||
		fail "cut to $size bytes: status $status, without us $native"
done

rm -f ran
launch -o /no/such/folder/x ./fine
same 'no folder: status' 125 "$status"
contains 'no folder' "$(cat "$work/err")" 'lariat: /no/such/folder: No such file or directory'
mkdir folder
for name in "$PWD/folder" folder/ /dev/null "$(printf 'x%.0s' {1..256})"; do
	launch -o "$name" ./fine
	same "$name is no name for a trace: status" 125 "$status"
	contains "$name is no name for a trace" "$(cat "$work/err")" 'fine was not run'
	name=${name%/}
	ls "$name".[0-9]* >/dev/null 2>&1 && fail "there is a trace beside $name"
done
LARIAT_LIB=/no/such/lib.so launch ./fine
same 'no library: status' 125 "$status"
contains 'no library' "$(cat "$work/err")" 'lariat: /no/such/lib.so: No such file or directory'
mkdir 'a b' && cp "$lib" 'a b/' && LARIAT_LIB="$PWD/a b/liblariat.so" launch ./fine
same 'a library that cannot be named: status' 125 "$status"
same 'none of them ran' '' "$(ls ran 2>/dev/null)"

# --- the program's world is its own
printf 'a\0b\377\n' >binary
"$lariat" run -q cat <binary >"$work/out"
same 'bytes in and out' "$(md5sum <binary)" "$(md5sum <"$work/out")"
for what in 'grep ^Sig[PBIC] /proc/self/status' 'ls /proc/self/fd' 'umask' 'ulimit -a' 'pwd' \
	'cut -d" " -f5,6,7 /proc/self/stat'; do
	# shellcheck disable=SC2086
	plain=$(trap '' HUP CHLD; sh -c "$what" </dev/null 2>&1)
	recorded=$(trap '' HUP CHLD; "$lariat" run -q sh -c "$what" </dev/null 2>&1)
	same "what it sees: $what" "$plain" "$recorded"
done
printf '%s\n' '#include <unistd.h>' \
	'__attribute__((constructor)) static void c(void) { write(1, "other\n", 6); }' |
	gcc -w -shared -fPIC -x c -o other.so - || fail 'cannot compile other.so'
LD_PRELOAD=$PWD/other.so launch -q ./fine
contains 'LD_PRELOAD keeps what was in it' "$(cat "$work/out")" other
launch -q sh -c 'echo $LD_PRELOAD'
same 'LD_PRELOAD' "$lib" "$(cat "$work/out")"
"$lariat" run -q "$lariat" run -q sh -c 'echo $LD_PRELOAD' >"$work/out"
same 'the recorder is loaded once' "$lib" "$(cat "$work/out")"

# --- the trace and what is said about it
mkdir traces
launch -o traces/t.%p.lariat -- sh -c 'ls / >/dev/null; exit 3'
same 'status' 3 "$status"
line=$(grep recorded "$work/err")
checks=$((checks + 1))
[[ $line =~ ^lariat:\ recorded\ ([0-9]+)\ events\ of\ sh\ \(pid\ ([0-9]+)\)\ in\ ([^ ]+)\ \(.*B\)$ ]] ||
	fail "what is said: $line"
file=${BASH_REMATCH[3]-} pid=${BASH_REMATCH[2]-} events=${BASH_REMATCH[1]-}
same 'its file' "traces/t.$pid.lariat" "$file"
contains 'what next' "$(cat "$work/err")" "lariat: try: lariat report $file"
same 'the trace: pid' "$pid" "$("$lariat" report --format json "$file" | jq .process.pid)"
same 'the trace: events' "$events" \
	"$("$lariat" report --format json "$file" | jq .trace.events_written)"
same 'the trace: end' 'exit 3' \
	"$("$lariat" report --format json "$file" | jq -r '.process | "\(.end) \(.exit_code)"')"
launch -q -o q.lariat -- ./fine
same 'quiet' '' "$(cat "$work/err")"
same 'quiet, but recorded' q.lariat "$(ls q.lariat)"
LARIAT_QUIET=1 launch ./fine
same 'quiet by the variable' '' "$(cat "$work/err")"

end_of() { "$lariat" report --format json "$1" | jq -r '.process | "\(.end) \(.exit_code)"'; }
launch -q -o killed.lariat -- bash -c 'kill -9 $$'
same 'killed: the trace knows' 'signal 9' "$(end_of killed.lariat)"
code='#include <sys/syscall.h>
#include <unistd.h>
#include <stdlib.h>
int main(void) { free(malloc(3)); syscall(SYS_exit_group, 9); }'
compile rawexit
launch -q -o raw.lariat -- ./rawexit
same 'an exit behind our back: status' 9 "$status"
same 'an exit behind our back: the trace' 'exit 9' "$(end_of raw.lariat)"
launch -q -o fine.lariat ./fine
same 'an ordinary end' 'exit 0' "$(end_of fine.lariat)"

launch -o '100%%.%c.lariat' ./fine
contains '%% and %c' "$(cat "$work/err")" 'in 100%.fine.lariat ('
mkdir '[a-z]*?'
launch -o '[a-z]*?/x\.lariat' ./fine
contains 'no wildcards of ours' "$(cat "$work/err")" 'in [a-z]*?/x\.lariat ('
launch -o twice.lariat ./fine
launch -o twice.lariat ./fine
contains 'a taken name' "$(cat "$work/err")" 'in twice.1.lariat ('

# A build's processes, all with one name: none tries all that are taken, a link is none of them.
mkdir build-of-many && cd build-of-many || exit 1
seq -f one.%g.lariat 12000 | xargs touch one.lariat
ln -s nowhere one.12001.lariat
strace -f -e trace=openat -o tries env LD_PRELOAD="$lib" LARIAT_OUTPUT=one.lariat true
same 'a name taken 12,000 times' one.12002.lariat \
	"$(find . -size +1k -name '*.lariat' -printf '%f\n' | sort | xargs)"
[ "$(grep -c 'one\.[0-9]*\.*lariat' tries)" -lt 100 ] ||
	fail "a name taken 12,000 times: $(grep -c one tries) looks"
cd .. && rm -r build-of-many
mkdir elsewhere
launch -o t2.%c.lariat -- sh -c 'cd elsewhere; exec ../fine'
contains 'another folder: the newest image' "$(cat "$work/err")" 'in t2.fine.lariat ('
same 'another folder: the file' t2.fine.lariat "$(ls t2.fine.lariat)"

# A program that loads nothing of ours leaves nothing, and we say so.
launch -o none.lariat -- env -u LD_PRELOAD LARIAT_LIB=x ./fine
same 'cleared LD_PRELOAD: status' 0 "$status"
finish
