#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Wrong frees: each kind is in the file although the allocator then ends the program, with where the
# block was made and first given back; the program ends as without us; right frees raise no alarm,
# whatever made the block; the gate counts them.
. "$(dirname "$0")/lib.sh"

need jq gcc
options=LARIAT_RECORD=heap
victim=$victims/misuse

counts() { field "$1" '.heap.misuse | [.double_frees, .foreign_frees, .mismatched_frees,
	.dead_reallocations] + (if .missized_frees > 0 then ["sizes", .missized_frees] else [] end) |
	join(" ")'; } # NAME

### what ends the program
ends() { # WHAT COUNTS JQ EXPECTED
	harmless "end-$1" "$victim" right "$1"
	same "$1: the allocator ends the program" 134 "$(status_of "end-$1")"
	same "$1: counts" "$2" "$(counts "end-$1")"
	same "$1: what is said of it" "$4" "$(field "end-$1" ".heap.misuse.sites[0] | $3")"
}
both='[(.function, .first_free.function, .allocation.function | sub("[(].*"; "")), .allocation.size_bytes, .call,
	.count] | join(" ")'
ends double '1 0 0 0' "$both" 'free_wrongly free_first make_block 40 free 1'
ends realloc '0 0 0 1' "$both" 'ending free_first make_block 40 realloc 1'
for what in stack static odd; do
	ends $what '0 1 0 0' '[.kind, (.function | sub("[(].*"; "")), .first_free] | tojson' \
		'["foreign_free","free_wrongly",null]'
done
ends inside '0 1 0 0' '[(.function, .allocation.function | sub("[(].*"; "")), .bytes_inside, .allocation.size_bytes] |
	join(" ")' 'free_wrongly make_block 16 40'

### pairs
harmless pairs "$victim" new[]/free new[]/free new/free new[]/delete new/delete[] malloc/delete \
	malloc/delete[] new[]/realloc right
same "pairs" '0 0 8 0' "$(counts pairs)"
same "each by its place, with both ends" '_Znam/_ZdlPvm 40
_Znam/free 40
_Znam/realloc 10
_Znwm/_ZdaPv 4
_Znwm/free 4
malloc/_ZdaPv 10
malloc/_ZdlPv 10' "$(field pairs '.heap.misuse.sites[] |
	"\(.allocation.call)/\(.call) \(.allocation.size_bytes)"' | sort)"
same "one place, twice" 2 "$(field pairs '[.heap.misuse.sites[] |
	select(.allocation.call == "_Znam" and .call == "free").count] | add')"
checks=$((checks + 1))
"$lariat" alloc "$(trace_of pairs)" | grep -q 'made by new\[\] and given back by delete' ||
	fail "the text names the pair"

# memcheck's own word on the same pairs: as many wrong frees.
if have valgrind; then
	valgrind "$victim" new[]/free new[]/free new/free new[]/delete new/delete[] malloc/delete \
		malloc/delete[] new[]/realloc right >/dev/null 2>"$work/memcheck"
	same "as memcheck has it" "$(field pairs .heap.misuse.mismatched_frees)" \
		"$(sed -n 's/.*ERROR SUMMARY: \([0-9]*\) errors.*/\1/p' "$work/memcheck" | tail -n 1)"
fi

### sizes: of what new was asked for, and what delete names
harmless sizes "$victim" derived/base 30/20 30/20 right derived/base
same "sizes" '0 0 0 0 sizes 4' "$(counts sizes)"
same "each by its place, with both sizes" 'missized_free _ZdaPvm 30 20 2 pair
missized_free _ZdlPvm 40 4 2 pair' "$(field sizes '.heap.misuse.sites[] |
	"\(.kind) \(.call) \(.allocation.size_bytes) \(.named_bytes) \(.count) \(.function | sub("[(].*"; ""))"' | sort)"
same "the text names both" 'made with 40 B and given back as 4 B' \
	"$("$lariat" alloc "$(trace_of sizes)" | grep -o 'made with 40 B.*')"
"$lariat" gate --assert 'heap.misuse.missized_frees == 0' "$(trace_of sizes)" >"$work/out"
same "a gate" "1 1" "$? $(grep -c 'FAIL' "$work/out")"
# AddressSanitizer's word on the same pairs
g++ -std=c++17 -g -O1 -w -fsanitize=address -o asan "$top/tests/victims/misuse.cc" || exit 1
for what in 'derived/base 40 4' '30/20 30 20'; do
	# shellcheck disable=SC2086 # three words
	set -- $what
	ASAN_OPTIONS=detect_leaks=0 ./asan "$1" >/dev/null 2>"$work/asan.err"
	same "as AddressSanitizer has it: $1" "new-delete-type-mismatch $2 $3" "$(
		grep -oE 'new-delete-type-mismatch' "$work/asan.err" | head -n 1) $(
		sed -n 's/.*size of the .*type: *\([0-9]*\) bytes.*/\1/p' "$work/asan.err" | tr '\n' ' ' | sed 's/ $//')"
done
ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 ./asan right >/dev/null 2>&1
same "AddressSanitizer finds the right pairs right" 0 $?

### no alarm: right pairs, blocks of the parent, blocks from functions that are not wrapped
record right "$victim" right
for trace in "$work"/right.*.lariat "$work"/pairs.*.lariat; do
	pid=${trace%.lariat}
	if [ "${pid##*.}" = "$(cat "$work/pairs.pid")" ]; then continue; fi
	same "$trace: no alarm" 0 "$("$lariat" alloc --format json "$trace" |
		jq '.heap.misuse | .site_count')"
done
cat >own.cc <<'END'
#include <cstdlib>
#include <new>
void *operator new(std::size_t n)
{
	void *p = std::malloc(n);
	if (!p)
		throw std::bad_alloc();
	return p;
}
int main()
{
	for (int i = 0; i < 10; i++) {
		int *volatile p = new int, *volatile q = new int[4];
		delete p;
		delete[] q;
	}
}
END
cat >hidden.cc <<'END'
#include <cstdlib>
#include <new>
void *operator new(std::size_t n)
{
	void *p = std::malloc(n);
	if (!p)
		throw std::bad_alloc();
	return p;
}
extern "C" int *make() { return new int(5); }
END
cat >user.cc <<'END'
extern "C" int *make();
int main()
{
	for (int i = 0; i < 10; i++) {
		int *volatile p = make();
		delete p;
	}
}
END
cat >direct.c <<'END'
#include <stdlib.h>
void *__libc_malloc(size_t n);
int main(void)
{
	void *volatile p[100];
	for (int i = 0; i < 100; i++)
		p[i] = __libc_malloc(100);
	for (int i = 0; i < 100; i++)
		free(p[i]);
}
END
g++ -g -o own own.cc && g++ -g -shared -fPIC -Wl,-Bsymbolic -o libhidden.so hidden.cc &&
	g++ -g -o user user.cc -L. -lhidden -Wl,-rpath,"$PWD" && gcc -g -o direct direct.c
for program in own user direct; do
	record $program ./$program
	same "$program: no alarm" '0 0 0 0' "$(counts $program)"
done

### a plug-in whose calls are not seen: what it leaves is no wrong free, and no gate passes on it
cp "$victims/libbypass.so" .
harmless seen "$victims/bypass" ./libbypass.so before
same "a plug-in that is seen: the wrong pair" '0 0 1 0' "$(counts seen)"
same "... and nobody is bypassed" null "$(field seen .trace.bypassed_by)"
same "... functions of a library opened by a relative path" bypass_make "$(
	cd / && "$lariat" report --format json "$(trace_of seen)" |
		jq -r '[.heap.sites[].function | select(test("bypass"))] | unique | join(" ")')"
harmless deep "$victims/bypass" ./libbypass.so before deep
same "deep: what was wrong before it was opened" '0 0 1 0' "$(counts deep)"
same "deep: who is not seen" ./libbypass.so "$(field deep .trace.bypassed_by)"
same "deep: it is said, once" 1 "$(grep -c '^lariat: .*libbypass.so' "$work/deep.err")"
same "deep: and in the report" 1 "$("$lariat" report "$(trace_of deep)" | grep -c 'sight by libbypass.so')"
gcc -O1 -shared -fPIC -fno-plt -o libnoplt.so "$top/tests/victims/libbypass.c"
cat >taken.c <<'END'
#include <stdlib.h>
static void *(*volatile make)(size_t);
static void (*volatile give)(void *);
__attribute__((constructor)) static void take(void) { make = malloc; give = free; }
void *bypass_make(size_t size) { return make(size); }
void bypass_free(void *p) { give(p); }
END
gcc -O1 -shared -fPIC -o libtaken.so taken.c
for library in noplt taken; do
	harmless "deep-$library" "$victims/bypass" ./lib$library.so deep
	same "deep: called by address, $library" "./lib$library.so 0 0 0 0" \
		"$(field "deep-$library" .trace.bypassed_by) $(counts "deep-$library")"
done

# An allocator in the program itself, which the recorder stands behind; libc's by another name; and a
# malloc in front that calls the recorder's.
cat >alone.c <<'END'
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
void *__libc_malloc(size_t size);
void __libc_free(void *p);
#ifdef OWN
static char room[1 << 16] __attribute__((aligned(16))), *next = room;
void *malloc(size_t size) { char *p = next; next += (size + 15) & ~15ul; return p; }
void free(void *p) { (void)p; }
void *calloc(size_t n, size_t size) { return malloc(n * size); }
void *realloc(void *p, size_t size) { (void)p; return malloc(size); }
#endif
int main(int argc, char **argv)
{
	puts("begun");
	fflush(stdout);
	mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 100; i++) {
		void *volatile p = malloc(100), *volatile q;
		free(p);
#ifndef OWN
		q = __libc_malloc(100);
		free(q);
		q = malloc(50);
		__libc_free(q);
#endif
	}
	if (argc > 1)
		raise(SIGKILL);
	puts("done");
	return !argv;
}
END
cat >front.c <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
static void *(*next)(size_t);
void *malloc(size_t size)
{
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "malloc");
	return next(size);
}
END
gcc -O1 -DOWN -o own-malloc alone.c && gcc -O1 -o other-name alone.c &&
	gcc -O1 -shared -fPIC -o libfront.so front.c
harmless own-malloc ./own-malloc
same "an allocator of its own: who is not seen, what is" "$PWD/own-malloc 0" \
	"$(field own-malloc '.trace.bypassed_by + " " + (.heap.allocations | tostring)')"
same "an allocator of its own: is said, once" 1 "$(grep -c '^lariat: malloc is that of own-malloc' "$work/own-malloc.err")"
same "an allocator of its own: nothing is called freed" 'Nothing: every block that was seen was freed.' \
	"$("$lariat" report "$(trace_of own-malloc)" | grep -o 'Nothing: .*')"
# One that is killed cannot say it.
record own-killed ./own-malloc kill
same "an allocator of its own, killed: nothing is called freed" "Not seen: malloc is that of own-malloc." \
	"$("$lariat" report "$(trace_of own-killed)" | grep -o 'Not seen: .*')"
harmless other-name ./other-name
same "libc's malloc by another name: no alarm" "$PWD/other-name 0 0 0 0" \
	"$(field other-name .trace.bypassed_by) $(counts other-name)"
for sample in 0 64; do
	run_as "front-$sample" "LARIAT_OUTPUT=$work/front-$sample.%p.lariat" "LARIAT_SAMPLE=$sample" -- \
		env "LD_PRELOAD=$PWD/libfront.so:$lib" "$victims/heap_calls"
	same "a malloc in front that calls ours: exit status" 0 "$(status_of "front-$sample")"
	same "a malloc in front that calls ours: nobody is bypassed" null \
		"$(field "front-$sample" .trace.bypassed_by)"
	[ "$(field "front-$sample" .heap.allocations)" -gt 0 ] ||
		fail "a malloc in front that calls ours: nothing is recorded"
done
for what in 'heap.misuse.double_frees == 0' 'leaks.definitely_lost.blocks < 1000' 'heap.peak_bytes < 1G'; do
	for seen in deep own-malloc other-name; do
		same "$seen: no gate passes on what is not seen: $what" 'not all that the program allocates was seen' \
			"$("$lariat" gate --format json --assert "$what" "$(trace_of $seen)" |
				jq -r '.gate.assertions[0].reason')"
	done
done
"$lariat" gate --assert 'process.exit_code == 0' "$(trace_of deep)" >"$work/out" ||
	fail "deep: a gate of what is not about the heap: $(cat "$work/out")"

### what is not whole: the ring has wrapped, the heap is sampled
cat >long.c <<'END'
#include <stdlib.h>
static void *volatile sink;
int main(int argc, char **argv)
{
	void *volatile p = malloc(77);
	for (int i = 0; i < 1000000; i++)
		free(sink = malloc((size_t)i % 1000));
	free(p);
	if (argc > 1)
		free(p);
	return !argv;
}
END
gcc -g -O1 -w -o long long.c
LARIAT_SIZE=1M record wrapped ./long
same "wrapped: no alarm" '0 0 0 0' "$(counts wrapped)"
LARIAT_SIZE=1M record wrapped2 ./long twice
same "wrapped: found" '1 0 0 0' "$(counts wrapped2)"
LARIAT_SAMPLE=1M record sampled ./long twice
same "sampled: found" '1 0 0 0' "$(counts sampled)"
LARIAT_SAMPLE=1K record sampled1 "$victim" right
same "sampled: no alarm" '0 0 0 0' "$(counts sampled1)"
LARIAT_SAMPLE=1 record sampled2 ./long twice
same "all sampled: found" '1 0 0 0' "$(counts sampled2)"
LARIAT_SAMPLE=1 record sampled3 "$victim" right
same "all sampled: no alarm" '0 0 0 0' "$(counts sampled3)"

### at the top of a report
same "the report begins with them" '! Wrong frees: 1 block freed twice. See below.' \
	"$("$lariat" report "$(trace_of end-double)" | sed '/^$/q' | grep '^!')"
same "nothing to begin with" 0 "$("$lariat" report "$(trace_of right)" | grep -c '^! Wrong')"
same "and they are findings" '["heap","double-free","error","free_wrongly"]' \
	"$(field end-double '.findings[0] | [.part, .rule, .severity, (.site.function | sub("[(].*"; ""))] | tojson')"
same "each place is one: of eight frees two are at one" '[6,1]' "$(field pairs '[.findings[] |
	select(.rule == "mismatched-free") | .evidence[:6]] |
	[map(select(. == "1 time")), map(select(. == "2 time"))] | map(length) | tojson')"
same "none is one" 0 "$(field right '[.findings[] | select(.part == "heap")] | length')"

### gate
gate() { # EXPECTED NAME EXPR
	"$lariat" gate --assert "$3" "$(trace_of "$2")" >"$work/gate.out" 2>&1
	same "gate: $3 of $2" "$1" $?
}
gate 0 right 'heap.misuse.double_frees == 0'
gate 1 end-double 'heap.misuse.double_frees == 0'
checks=$((checks + 1))
grep -q '1 time: free_wrongly.*misuse.cc:' "$work/gate.out" ||
	fail "gate names the place: $(cat "$work/gate.out")"
gate 1 pairs 'heap.misuse.mismatched_frees < 8'
gate 0 pairs 'heap.misuse.mismatched_frees == 8'
gate 0 sampled1 'heap.misuse.mismatched_frees == 0'

### a baseline lets through what was there, by place
"$lariat" report --format json --limit 0 "$(trace_of pairs)" >base.json
record more "$victim" new[]/free new[]/free new/free new[]/delete new/delete[] malloc/delete \
	malloc/delete[] new[]/realloc new[]/free right
baseline() { # EXPECTED NAME
	"$lariat" gate --baseline base.json --sarif s.sarif \
		--assert 'heap.misuse.mismatched_frees == 0' "$(trace_of "$2")" >"$work/gate.out" 2>&1
	same "gate: $2 with a baseline" "$1" $?
}
baseline 0 pairs
baseline 1 more
checks=$((checks + 1))
grep -q "is 1 beyond the baseline's 8" "$work/gate.out" || fail "$(cat "$work/gate.out")"
same "SARIF: only the place that has more" '["misuse.cc"]' "$(jq -c '[.runs[0].results[].locations[0] |
	.physicalLocation.artifactLocation.uri | split("/")[-1]]' s.sarif)"
finish
