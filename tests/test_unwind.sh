#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Call stacks, frame for frame: a test build of the recorder compares every stack with a walk from
# scratch and with libunwind's slow steps. No difference is allowed. One of the two may end a stack
# early only in programs that generate code or are interrupted by signals.
. "$(dirname "$0")/lib.sh"

checked=$build/unwind-check
make -s -C "$top" BUILD="$checked" OPT='-O2 -g -DLAR_UNWIND_CHECK' "$checked/liblariat.so" \
	>"$work/make.log" 2>&1 || { cat "$work/make.log"; exit 1; }
lib=$checked/liblariat.so

# stacks NAME LEAST CMD...: records CMD; at least LEAST stacks compared, none different.
stacks() {
	local name=$1 least=$2 trace
	shift 2
	record "$name" "$@"
	for trace in "$work/$name".*.lariat; do
		"$lariat" info --format json "$trace"
	done | jq -s '[.[].unwind_check // empty] | {
		stacks: map(.stacks) | add, different: map(.different) | add,
		incomplete: map(.incomplete) | add }' >"$work/$name.check"
	checks=$((checks + 1))
	jq -e ".stacks >= $least" "$work/$name.check" >/dev/null ||
		fail "$name: too few stacks compared: $(jq -c . "$work/$name.check")"
	same "$name: different stacks" 0 "$(jq .different "$work/$name.check")"
	[ "$(jq .different "$work/$name.check")" = 0 ] || grep 'lariat check' "$work/$name.err" | head -40
	[ -n "${generated:-}" ] ||
		same "$name: stacks that stop early" 0 "$(jq .incomplete "$work/$name.check")"
}

cat >twice.c <<'END'
#include <stdio.h>
#include <stdlib.h>
int twice(int n) { return printf("%d\n", 2 * n); }
END

# more different stacks than a thread's tree has room for, and one in between that stays
cat >many.c <<'END'
#include <stdlib.h>
static volatile int sink;
static __attribute__((noinline)) void a(unsigned bits, int n);
static __attribute__((noinline)) void b(unsigned bits, int n)
{
	if (n)
		(bits & 1 ? b : a)(bits >> 1, n - 1);
	else
		free(malloc(8));
	sink++;
}
static void a(unsigned bits, int n)
{
	if (n)
		(bits & 1 ? b : a)(bits >> 1, n - 1);
	else
		free(malloc(16));
	sink++;
}
static __attribute__((noinline)) void same(void)
{
	free(malloc(24));
	sink++;
}
int main(void)
{
	for (unsigned i = 0; i < 20000; i++) {
		a(i * 2654435761u >> 19, 13);
		same();
	}
	return 0;
}
END
gcc -O1 many.c -o many || exit 1

stacks many 10000 ./many

# in and out of recursions that are deeper than what is kept of a stack, by frames of several sizes,
# with rbp for the frame and for other things
cat >deeper.c <<'END'
#include <alloca.h>
#include <stdlib.h>
static unsigned state = 1;
static volatile long sink;
static unsigned chance(unsigned n)
{
	state = state * 1103515245 + 12345;
	return (state >> 16) % n;
}
static void down(int depth);
__attribute__((noinline)) static void small(int depth)
{
	down(depth);
	sink++;
}
__attribute__((noinline)) static void large(int depth)
{
	volatile char pad[200];

	pad[0] = (char)depth;
	down(depth);
	sink += pad[0];
}
__attribute__((noinline)) static void framed(int depth)
{
	char *p = alloca(16 + chance(64));

	*(volatile char *)p = 1;
	down(depth);
	sink += *(volatile char *)p;
}
__attribute__((noinline)) static void busy(int depth)
{
	long a = sink, b = a * 3, c = b ^ 5, d = c + a, e = d * b;

	down(depth);
	sink += a ^ b ^ c ^ d ^ e;
	down(depth / 2);
	sink += a + b + c + d + e;
}
static int left;
static void down(int depth)
{
	static void (*const next[])(int) = { small, large, framed, busy };

	if (left <= 0)
		return;
	if (chance(8) == 0) {
		left--;
		free(malloc(16));
	}
	if (depth > 0 && chance(400))
		next[chance(4)](depth - 1);
}
int main(int argc, char **argv)
{
	for (int round = 0; round < atoi(argv[1]); round++) {
		left = 400;
		while (left > 0)
			(argc & 1 ? large : small)(900);
	}
	return 0;
}
END
gcc -O2 -fno-builtin -w deeper.c -o deeper || exit 1
for depth in 8 64 256; do
	options=LARIAT_DEPTH=$depth stacks "deeper-$depth" 4000 ./deeper 10
	checks=$((checks + 1))
	[ "$("$lariat" info --format json "$(trace_of "deeper-$depth")" |
		jq '[.lost[] | select(.reason == "stack_cut").count] | add // 0')" -ge 1500 ] ||
		fail "deeper-$depth: too few stacks were cut"
done
# a stack just too deep, with what is left of a shallow one below its outermost frames
cat >stale.c <<'END'
#include <stdlib.h>
static volatile int sink;
__attribute__((noinline)) static void in(int depth)
{
	if (depth)
		in(depth - 1);
	else
		free(malloc(8));
	sink++;
}
__attribute__((noinline)) static void deep(int depth)
{
	if (depth)
		deep(depth - 1);
	else
		free(malloc(16));
	sink++;
}
/* its frame lies where those of in() were, and leaves alone what they left */
__attribute__((noinline)) static void over(int depth)
{
	volatile char large[8192];

	large[0] = 1;
	deep(depth);
	sink += large[0];
}
int main(void)
{
	static void (*const calls[])(int) = { in, over };

	for (int i = 0; i < 2000; i++)
		calls[i & 1](i & 1 ? 249 : 60);
	return 0;
}
END
gcc -O1 -fno-builtin -w stale.c -o stale || exit 1
stacks stale 1500 ./stale

stacks perl 5000 perl -e 'my %h; $h{$_ % 100} = [ map { $_ x 3 } 1 .. 5 ] for 1 .. 3000; print scalar keys %h'
stacks sqlite3 5000 sqlite3 :memory: \
	'create table t(a); with recursive c(x) as (select 1 union all select x+1 from c where x<3000) insert into t select hex(x) from c; create index i on t(a); select count(*) from t'
stacks git 2000 git -C "$top" log --stat -n 20
stacks bash 500 bash -c 'for i in 1 2 3 4 5; do x=$(echo $i | sed s/1/2/); done; echo $x'
for compiler in gcc clang; do
	for flags in '-O0' '-O2' '-O3 -fno-omit-frame-pointer'; do
		# shellcheck disable=SC2086 # several words
		$compiler $flags -w -pthread "$top/tests/victims/heap_threads.c" -o threads || exit 1
		stacks "threads-$compiler${flags// /}" 20000 ./threads
	done
done
stacks cc1 3000 gcc -O2 -c twice.c -o twice.o
# interrupted anywhere, also where one unwinder or the other knows no way on
generated=1 stacks harm_signal 50 "$victims/harm_signal"
for victim in harm_longjmp harm_coro harm_plugin harm_tls heap_new heap_newhandler; do
	stacks "$victim" 50 "$victims/$victim"
done
stacks deep 10000 "$victims/harm_stack" deep
if have node; then
	generated=1 stacks node 10000 node -e 'console.log([1, 2, 3].map((x) => x * 2).join())'
fi
if have openssl; then stacks openssl 500 openssl dgst -sha256 twice.c; fi
finish
