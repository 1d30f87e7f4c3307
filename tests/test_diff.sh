#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# `lariat diff`: sites new, gone, grown, shrunk and the same, between programs of which it is known;
# groups of runs with their noise; moments of one run; what figures are divided by.
. "$(dirname "$0")/lib.sh"

need jq gcc
options=LARIAT_RECORD=heap

# Sites by what the second argument of the compiler says; -DROUNDS more of all of them.
cat >sites.c <<'END'
#include <stdlib.h>
#include <time.h>
#define SITE static __attribute__((noinline))
#ifndef ROUNDS
#define ROUNDS 1
#endif
static void *volatile sink;
static void use(size_t size) { sink = malloc(size); free(sink); }
SITE void same(void) { use(100); sink = NULL; }
SITE void more(void) { use(GROWS); sink = NULL; }
SITE void less(void) { use(SHRINKS); sink = NULL; }
#ifdef OLD
SITE void old(void) { use(300); sink = NULL; }
#else
SITE void fresh(void) { use(400); sink = NULL; }
#endif
int main(int argc, char **argv)
{
	(void)argv;
	for (int i = 0; i < 10 * ROUNDS + argc - 1; i++) {
		same();
		more();
		less();
#ifdef OLD
		old();
#else
		fresh();
#endif
	}
	return 0;
}
END
mkdir a b
gcc -g -O0 -DOLD -DGROWS=200 -DSHRINKS=90 -o a/sites sites.c
{ echo; echo; cat sites.c; } >moved.c
gcc -g -O0 -DGROWS=210 -DSHRINKS=50 -o b/sites moved.c
record a1 a/sites
record b1 b/sites
a=$(trace_of a1) b=$(trace_of b1)

statuses() { # FUNCTION of the site that calls malloc's caller
	jq -c '[.diff.sites[] | [([.stack[].function] - ["use", "malloc", "main"])[0], .status,
		.a.mean, .b.mean]] | sort'
}
same "each kind of change" '[["fresh","new",0,4000],["less","shrunk",900,500],["more","grown",2000,2100],["old","gone",3000,0],["same","same",1000,1000]]' \
	"$("$lariat" diff --format json "$a" "$b" | statuses)"
same "counts" '[1,1,1,1,1]' "$("$lariat" diff --format json "$a" "$b" |
	jq -c '.diff.counts | [.new, .gone, .grown, .shrunk, .same]')"
same "by another figure nothing but new and gone" '[1,1,0,0,3]' "$("$lariat" diff --sort allocations \
	--format json "$a" "$b" | jq -c '.diff.counts | [.new, .gone, .grown, .shrunk, .same]')"
same "totals" '[["allocated_bytes",6900,7600,"grown"],["allocations",40,40,"same"]]' "$("$lariat" \
	diff --format json "$a" "$b" | jq -c '[.diff.totals[] | select(.figure | startswith("alloc")) |
	[.figure, .a.mean, .b.mean, .status]] | sort')"
same "text names them" 4 "$("$lariat" diff "$a" "$b" | grep -cE '^ .* (new|gone|[+-][0-9.]+ %)  use')"
same "the largest change first" 4000 "$("$lariat" diff --format json "$a" "$b" |
	jq '.diff.sites[0].change')"
same "folded, for a differential flame graph" 'main;more;use 2000 2100' "$("$lariat" diff \
	--format folded "$a" "$b" | grep -o 'main;more;.*')"

### groups: 10, 11 and 12 rounds against 11 and 13 are the same, against 20 and 21 more
for n in 1 2 3; do record "n$n" a/sites $(seq 2 $n); done
for n in 2 4; do record "m$n" a/sites $(seq 2 $n); done
for n in 11 12; do record "l$n" a/sites $(seq 2 $n); done
traces() { for name; do trace_of "$name"; done; }
mapfile -t n < <(traces n1 n2 n3)
mapfile -t m < <(traces m2 m4)
mapfile -t l < <(traces l11 l12)
same "bands that meet" '[0,0,0,0,4]' "$("$lariat" diff --format json "${n[@]}" -- "${m[@]}" |
	jq -c '.diff.counts | [.new, .gone, .grown, .shrunk, .same]')"
same "bands that do not" '[0,0,4,0,0]' "$("$lariat" diff --format json "${n[@]}" -- "${l[@]}" |
	jq -c '.diff.counts | [.new, .gone, .grown, .shrunk, .same]')"
same "the band" '[3,1000,1200,1100]' "$("$lariat" diff --format json "${n[@]}" -- "${l[@]}" | jq -c '
	.diff.sites[] | select(any(.stack[]; .function == "same")) |
	[.a.runs, .a.min, .a.max, .a.mean]')"
# A round more is a round more of everything: divided by allocations nothing has changed.
same "per allocation" '[0,0,0,0,4]' "$("$lariat" diff --per allocation --format json "${n[@]}" -- \
	"${l[@]}" | jq -c '.diff.counts | [.new, .gone, .grown, .shrunk, .same]')"
same "per field" 25 "$("$lariat" diff --per heap.allocations --format json "$a" "$a" | jq '.diff.sites[] |
	select(any(.stack[]; .function == "same")).a.mean')"

### two moments of one run
record late "$victims/trend_corpus" late_leak 1
late=$(trace_of late)
same "from 0.3 s to the end" '[["leak","new",true]]' "$("$lariat" diff --sort live_bytes --format json \
	"$late@300ms" "$late" | jq -c '[.diff.sites[] | select(.function == "leak") |
	[.function, .status, .b.mean > 30000]]')"

### wrong usage
for arguments in "$a" "$a $b $a" "-- $a" "$a --"; do
	# shellcheck disable=SC2086
	"$lariat" diff $arguments >/dev/null 2>"$work/err"
	same "diff ${arguments//$work\//}" 2 $?
done
"$lariat" diff "$a" /nowhere.lariat 2>/dev/null
same "a trace that is not there" 3 $?
"$lariat" diff --per heap.nothing "$a" "$b" >/dev/null 2>"$work/err"
same "no such field" 4 $?

### what is not whole is said
head -c 60000 "$late" >cut.lariat
same "a cut trace" '["it is not whole: the figures are of a part of the run"]' \
	"$("$lariat" diff --format json cut.lariat "$late" | jq -c '[.diff.doubtful[].reason]')"
checks=$((checks + 1))
"$lariat" diff cut.lariat "$late" | grep -q '^! cut.lariat: it is not whole' || fail "the text says it"
same "whole ones" '[]' "$("$lariat" diff --format json "$a" "$b" | jq -c .diff.doubtful)"
finish
