#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# `lariat run --gate`: recording and judging in one step. The command's output stays its own, its
# failure stays its failure, children are judged too, and what cannot be judged is said before
# anything runs. And the verdicts do not depend on how threads happen to run.
. "$(dirname "$0")/lib.sh"

need gcc
run() { # EXPECTED-STATUS ARGUMENT...
	local expected=$1
	shift
	"$lariat" run "$@" >"$work/out" 2>"$work/err"
	same "run $*: exit status" "$expected" $?
}
says() { # PATTERN
	checks=$((checks + 1))
	grep -q -- "$1" "$work/err" || fail "no '$1' in: $(head -n 20 "$work/err")"
}
cat >program.c <<'END'
#include <stdio.h>
#include <stdlib.h>
static void *volatile sink;
int main(int argc, char **argv)
{
	for (int i = 0; i < 10; i++)
		sink = malloc(1000);
	if (argc > 1)
		printf("%s\n", argv[1]);
	fprintf(stderr, "own words\n");
	return argc > 2;
}
END
gcc -g -o program program.c

run 0 -q --gate 'leaks.unfreed.blocks >= 10' -- ./program hello
same "standard output is the command's" hello "$(cat "$work/out")"
same "quiet, and passed" 'own words' "$(cat "$work/err")"
run 1 -q --gate 'leaks.unfreed.blocks < 10' -- ./program hello
same "standard output is the command's" hello "$(cat "$work/out")"
says '^  FAIL  *leaks.unfreed.blocks < 10: is 11'
says '9.77 KiB in 10 blocks: main .*program.c:7'
run 0 --gate 'leaks.unfreed.blocks >= 10' 'heap.peak_bytes < 1M' -- ./program
says 'gate passed: 2 passed'
run 0 --gate 'leaks.unfreed.blocks >= 10' 'heap.peak_bytes < 1M' ./program
says 'gate passed: 2 passed'
run 4 --gate 'heap.nothing == 0' ./program
run 1 --gate 'leaks.unfreed.blocks < 10' ./program fails now
says 'gate failed'
same "standard output is the command's" fails "$(cat "$work/out")"
run 7 --gate 'heap.peak_bytes < 1M' sh -c 'exit 7'
run 137 --gate 'heap.peak_bytes < 1M' sh -c 'kill -9 $$'

run 130 --gate 'heap.peak_bytes < 1' sh -c 'kill -INT $$'
says 'interrupted: nothing was judged'

### children are judged
run 1 -q --record heap --gate 'heap.misuse.double_frees == 0' 'leaks.unfreed.blocks < 10' \
	sh -c './program 1; true'
says 'lariat.program\.[0-9]*\.lariat$'
says '10 blocks: main'

### what is lost: of each program, but not of what became another one
cat >loses.c <<'END'
#include <stdlib.h>
#include <unistd.h>
static __attribute__((noinline)) void lose(void)
{
	void *volatile p = malloc(100);
	p = NULL;
}
static __attribute__((noinline)) void clear(void)
{
	char stack[4096];
	for (volatile char *p = stack; p < stack + sizeof(stack); p++)
		*p = 0;
}
int main(int argc, char **argv)
{
	for (int i = 0; i < 10 && argc > 1; i++)
		lose();
	clear();
	if (argc > 2)
		execl(argv[0], argv[0], (char *)NULL);
	return 0;
}
END
gcc -g -w -o loses loses.c
run 0 --record heap --gate -- ./loses
says 'gate passed: 2 passed'
run 1 --record heap --gate -- ./loses now
says '1000 B in 10 blocks: lose .*loses.c:5'
run 0 --record heap --gate -- ./loses now exec
says 'PASS  *leaks.definitely_lost.bytes == 0: the process became another program'
run 4 --record heap --leak-scan=off --gate -- ./loses now
says 'no leak scan'

### files, baseline, suppressions
run 0 -q -o base.lariat ./program
"$lariat" report --format json --limit 0 base.lariat >base.json
run 0 -q --baseline base.json --gate 'leaks.unfreed.bytes == 0' --junit j.xml --sarif s.sarif \
	--summary s.md ./program
same "files" 3 "$(find . -name j.xml -o -name s.sarif -o -name s.md | wc -l)"
printf 'leak:main\nleak:never\n' >known.supp
run 0 -q --record heap --suppressions known.supp --gate 'leaks.unfreed.bytes == 0' ./program
says 'never used: leak:never (line 2)'

### slips are told before anything runs
for wrong in "--gate heap.peak" "--gate heap.peak<1Q" "--gate heap.x==1 --baseline /nowhere" \
	"--gate heap.x==1 --suppressions program.c"; do
	# shellcheck disable=SC2086 # several words
	run 2 $wrong -- touch it-ran
	same "$wrong: one line" 1 "$(wc -l <"$work/err")"
done
run 2 --gate 'heap.frees == 0' 'heap.frees == 0' --junit j.xml -- touch it-ran
run 2 --gate
run 2 --gate 'heap.frees == 0' --
same "nothing ran" no "$([ -e it-ran ] && echo yes || echo no)"

rm -f ./*.lariat

"$top/tests/repeat" 25 >"$work/repeat" 2>&1
same "the same verdicts each time" '25 runs, the same verdicts each time' "$(cat "$work/repeat")"
finish
