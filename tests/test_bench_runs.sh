#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# `lariat bench`: its figures are those that the program has by construction, in every run; the
# command's output stays out of them; comparisons, saved figures and kept traces; slips.
. "$(dirname "$0")/lib.sh"

need jq gcc
cat >program.c <<'END'
/* program N SIZE [STATUS]: N blocks of SIZE bytes, half of them freed, and N bytes written, one by
 * one. With --child the same in a child, too. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static void *volatile sink;
static void work(int n, size_t size)
{
	for (int i = 0; i < n; i++) {
		sink = malloc(size);
		if (i % 2)
			free(sink);
		if (write(1, "x", 1) != 1)
			_exit(9);
	}
}
int main(int argc, char **argv)
{
	work(atoi(argv[1]), strtoul(argv[2], NULL, 10));
	if (argc > 3 && !strcmp(argv[3], "--child")) {
		if (!fork())
			work(atoi(argv[1]), 10), _exit(0);
		wait(NULL);
		return 0;
	}
	return argc > 3 ? atoi(argv[3]) : 0;
}
END
gcc -O1 -w -o program program.c
bench() { # EXPECTED-STATUS ARGUMENT...
	local expected=$1
	shift
	"$lariat" bench "$@" >"$work/out" 2>"$work/err"
	same "bench $*: exit status" "$expected" $?
}
said() { # JQ
	jq -c "$1" "$work/out"
}

### figures by construction
bench 0 -n 4 --warmup 2 --format json -- ./program 100 1000
same "runs" '[4,2,0]' "$(said '.bench.commands[0] | [.runs, .warmup, .partial_runs]')"
same "counts" '[[100,100,100,100],[100000,100000,100000,100000],[50,50,50,50],[100,100,100,100]]' \
	"$(said '.bench.commands[0].figures | map_values(.values) |
	[.allocations, .allocated_bytes, .temporary_allocations, .written_bytes]')"
same "live and peak: 50 blocks, and the last one of the other half" '[50000,51000,1]' \
	"$(said '.bench.commands[0].figures | map_values(.median) |
	[.live_bytes, .peak_bytes, .processes]')"
same "times" true "$(said '.bench.commands[0].figures | .wall_ns.min > 0 and .cpu_ns.min >= 0 and
	.wall_ns.min <= .wall_ns.median and .wall_ns.median <= .wall_ns.max and
	.recorded_wall_ns.min > 0')"
bench 0 -n 2 --format json -- ./program 100 1000 --child
same "a child counts, the peak is the larger one's" '[200,101000,200,2,51000]' \
	"$(said '.bench.commands[0].figures | map_values(.median) | [.allocations,
	.allocated_bytes, .written_bytes, .processes, .peak_bytes]')"

### comparison
bench 0 -n 3 --save a.json --format json -- ./program 100 1000 -- ./program 100 3000
same "two commands" '["more","same",200000,3]' "$(said '.bench.comparison |
	[.allocated_bytes.verdict, .allocations.verdict, .allocated_bytes.change,
	.allocated_bytes.ratio]')"
same "saved is what was printed" "$(jq -cS . "$work/out")" "$(jq -cS . a.json)"
bench 0 -n 3 --compare a.json --format json -- ./program 100 500
same "against what was saved" '["less",0.5]' "$(said '.bench.comparison.allocated_bytes |
	[.verdict, .ratio]')"
bench 0 -n 3 -- ./program 10 10 -- ./program 20 10
checks=$((checks + 2))
grep -qE '^ +10 +20 +\+100\.0 % +0\.0 % +more +allocations$' "$work/out" ||
	fail "the text says it: $(cat "$work/out")"
if grep -q xxx "$work/out"; then fail "the command's output is mixed in"; fi
same "silent on standard error" "" "$(cat "$work/err")"
bench 0 -n 1 --warmup 0 --show-output -- ./program 3 10
same "shown: as it is, and recorded" xxxxxx "$(cat "$work/out")"

### traces for a diff
bench 0 -n 2 --keep kept -- ./program 10 10 -- ./program 30 10
same "kept" '2 2' "$(find kept/1.1 kept/1.2 -type f | wc -l) $(find kept/2.1 kept/2.2 -type f | wc -l)"
same "diff of them" '[10,30,"grown"]' "$("$lariat" diff --format json kept/1.1 kept/1.2 -- kept/2.1 \
	kept/2.2 | jq -c '.diff.totals[] | select(.figure == "allocations") |
	[.a.mean, .b.mean, .status]')"
same "nothing is left behind" "" "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'lariat-bench.*')"

### slips
bench 4 -n 2 -- ./program 1 1 5
bench 0 -n 2 --ignore-failure -- ./program 1 1 5
bench 127 -n 2 -- no-such-program
bench 2 -n 0 -- ./program 1 1
bench 2 -n 1000000 -- ./program 1 1
bench 2 -- ./program 1 1 --
bench 2 --compare a.json -- true -- true
bench 2 --compare program.c -- ./program 1 1
bench 2
bench 137 -n 2 -- sh -c 'kill -9 $$'

### interrupted: ends, says so, leaves nothing
"$lariat" bench -n 10000 -- sleep 0.02 >"$work/out" 2>"$work/err" &
pid=$!
sleep 1
kill -TERM $pid
wait $pid
same "interrupted" 143 $?
checks=$((checks + 2))
grep -q interrupted "$work/err" || fail "it does not say so: $(cat "$work/err")"
grep -q wall_ns "$work/out" || fail "what was measured is lost"
same "nothing is left behind" "" "$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name 'lariat-bench.*')"
finish
