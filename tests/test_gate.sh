#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# `lariat gate` on recorded programs: exit status, partial data, suppressions with the unused named,
# a baseline over a rebuild, and the files that other tools read.
. "$(dirname "$0")/lib.sh"

need jq gcc python3
options=LARIAT_RECORD=heap

# gate NAME EXPECTED-STATUS ARGUMENT...: its output goes to $work/gate.out and .err.
gate() {
	local name=$1 expected=$2
	shift 2
	"$lariat" gate "$@" >"$work/gate.out" 2>"$work/gate.err"
	same "$name: exit status" "$expected" $?
}
says() { # NAME PATTERN [FILE]
	checks=$((checks + 1))
	grep -q -- "$2" "$work/gate.${3:-out}" || fail "$1: no '$2' in: $(head -n 20 "$work/gate.${3:-out}")"
}

# 50 blocks of 100 bytes lost in `spill`, one of 1000 in `keep_one`; the line of each moves with
# -DSHIFT, which also lets gcc inline and clone; -DMORE adds a site.
cat >leaky.c <<'END'
#include <stdlib.h>
#ifdef SHIFT
/* some lines
 * more than
 * before */
#define SITE static
#else
#define SITE static __attribute__((noinline))
#endif
static void *volatile sink;
SITE void spill(int n)
{
	for (int i = 0; i < n; i++)
		sink = malloc(100);
}
SITE void keep_one(void) { sink = malloc(1000); }
#ifdef MORE
static __attribute__((noinline)) void more(void) { sink = malloc(40); sink = NULL; }
#endif
int main(int argc, char **argv)
{
	(void)argv;
	spill(50 * argc);
	keep_one();
	for (int i = 0; i < 1000; i++) {
		sink = malloc(10);
		free(sink);
	}
#ifdef MORE
	more();
#endif
	return 0;
}
END
gcc -g -O0 -o leaky leaky.c && gcc -g -O2 -DSHIFT -o shifted leaky.c && gcc -g -O0 -DMORE -o more leaky.c
mkdir one two three
for pair in one:leaky two:shifted three:more; do
	cp "${pair#*:}" "${pair%:*}/leaky"
	record "${pair%:*}" "${pair%:*}/leaky"
done
trace=$(trace_of one)

### exit status
gate "holds" 0 --assert 'leaks.unfreed.bytes == 6000' --assert 'heap.allocations == 1051' "$trace"
says "holds" 'PASS  *leaks.unfreed.bytes == 6000'
says "holds" '^gate passed: 2 passed, 0 failed, 0 undecided'
gate "fails" 1 --assert 'leaks.unfreed.bytes <= 5K' --assert 'heap.peak_bytes < 1M' "$trace"
says "fails" 'FAIL  *leaks.unfreed.bytes <= 5K: is 5.86 KiB'
says "names the sites" '4.88 KiB in 50 blocks: spill .*leaky.c:14'
gate "no such field" 4 --assert 'leaks.nothing == 0' "$trace"
gate "failed and undecided" 1 --assert 'leaks.nothing == 0' --assert 'heap.frees == 0' "$trace"
gate "nothing recorded of it" 4 --assert 'io.totals.write.calls == 0' "$trace"
says "nothing recorded of it" 'no record of it'
gate "not an assertion" 2 --assert 'leaks' "$trace"
gate "no trace" 3 --assert 'heap.frees > 0' /nowhere.lariat
gate "one trace of two" 3 --assert 'heap.frees > 0' "$trace" /nowhere.lariat
gate "failed, and one cannot be read" 1 --assert 'heap.frees == 0' "$trace" /nowhere.lariat
if [ "$("$lariat" leaks --format json "$trace" | jq '.leaks | has("definitely_lost")')" = false ]; then
	gate "no scan, nothing to say of what is lost" 4 "$trace"
	says "no scan" 'no leak scan'
fi

### partial data
LARIAT_SAMPLE=1K record sampled one/leaky
gate "sampled" 1 --assert 'heap.peak_bytes < 1G' "$(trace_of sampled)"
says "sampled" 'but the heap was sampled'
LARIAT_SIZE=1M record wrapped "$victims/trend_corpus" below_noise 1
same "the ring has wrapped" true "$("$lariat" info --format json "$(trace_of wrapped)" |
	jq '.. | .events_folded? // empty | . > 0')"
gate "wrapped: its figures are whole" 0 --assert 'heap.live_bytes < 1G' "$(trace_of wrapped)"
# blocks are missing from a file that was cut in the middle of its ring
head -c 900000 "$(trace_of wrapped)" >cut.lariat
gate "cut" 1 --assert 'heap.live_bytes < 1G' cut.lariat
# the cut takes blocks from the middle of the ring: lost either way
says "cut" 'but the trace \(has lost events\|was full and has lost its beginning\)'
gate "what is known of a cut trace" 0 --assert 'process.exit_code == 0' cut.lariat

### suppressions
printf '# known\nleak:spill\nleak:^keep_one$\nleak:never\n' >known.supp
gate "suppressed" 0 --suppressions known.supp --assert 'leaks.unfreed.blocks == 0' \
	--assert 'leaks.suppressed.bytes == 6000' "$trace"
says "unused are named" 'known.supp: never used: leak:never (line 4)$' err
printf 'leak:/leaky.c\n' >file.supp
gate "suppressed by file" 0 --suppressions file.supp --assert 'leaks.unfreed.blocks == 0' "$trace"
same "none is unused" "" "$(cat "$work/gate.err")"
printf 'leak:spill\nrace:foo\n' >bad.supp
gate "no suppressions" 2 --suppressions bad.supp "$trace"
says "no suppressions" 'line 2 is not leak:PATTERN' err

### baseline: over other lines and other inlining; a site more fails, and only that one is named
"$lariat" report --format json --limit 0 "$trace" >baseline.json
gate "baseline" 0 --baseline baseline.json --assert 'leaks.unfreed.bytes == 0' "$trace"
gate "baseline of a rebuild" 0 --baseline baseline.json --assert 'leaks.unfreed.bytes == 0' \
	--assert 'leaks.unfreed.blocks == 0' "$(trace_of two)"
gate "baseline and one site more" 1 --baseline baseline.json --assert 'leaks.unfreed.bytes == 0' \
	"$(trace_of three)"
says "the new site" '40 B in 1 block: more'
same "no old site" 0 "$(grep -c spill "$work/gate.out")"
record twice one/leaky again
gate "baseline and more at a site" 1 --baseline baseline.json \
	--assert 'leaks.unfreed.blocks == 0' "$(trace_of twice)"
says "more at a site" 'is 50 beyond the baseline'
gate "no baseline" 2 --baseline leaky.c "$trace"

### files for other tools
gate "files" 1 --junit j.xml --sarif s.sarif --summary s.md --format json \
	--assert 'leaks.unfreed.bytes == 0' --assert 'heap.frees == 1000' --assert 'a.b < 1' "$trace"
same "JSON" '["failed",1,1,1,["failed","passed","undecided"],2]' "$(jq -c '.gate |
	[.verdict, .passed, .failed, .undecided, (.assertions | map(.verdict)),
	(.assertions[0].sites | length)]' "$work/gate.out")"
same "JUnit" "3 1 1 ['failure', None, 'error']" "$(python3 - <<'END'
import xml.etree.ElementTree as tree
suite = tree.parse("j.xml").getroot()[0]
print(suite.get("tests"), suite.get("failures"), suite.get("errors"),
      [case[0].tag if len(case) else None for case in suite])
END
)"
same "SARIF" '["2.1.0",["leaky.c",14],["leaky.c",16],3]' "$(jq -c '[.version,
	(.runs[0].results | map(select(.locations != []) | .locations[0].physicalLocation |
	[(.artifactLocation.uri | split("/")[-1]), .region.startLine]) | sort[]),
	(.runs[0].results | length)]' s.sarif)"
same "fingerprint" 'leaks.unfreed.bytes;spill;main' \
	"$(jq -r '.runs[0].results[0].partialFingerprints["lariatSite/v1"]' s.sarif)"
same "summary" 1 "$(grep -c '^| failed | leaks.unfreed.bytes == 0 | is 5.86 KiB |' s.md)"
gate "the summary is added to" 0 --summary s.md --assert 'heap.frees == 1000' "$trace"
same "the summary is added to" 2 "$(grep -c '^## lariat gate' s.md)"
gate "a file that cannot be written" 3 --junit /nowhere/j.xml --assert 'heap.frees == 1000' "$trace"
GITHUB_ACTIONS=true GITHUB_WORKSPACE=$PWD gate "annotations" 1 --assert 'leaks.unfreed.bytes == 0' \
	"$trace"
says "annotations" '^::error file=leaky.c,line=14,title=leaks.unfreed.bytes == 0::.* in spill$'

### the same verdict each time, whatever the threads do
for i in 1 2 3 4 5 6 7 8; do
	record "threads$i" "$victims/heap_threads"
	gate "threads, run $i" 0 --assert 'heap.unpaired_frees == 0' --assert 'heap.failed_allocations == 0' \
		"$(trace_of "threads$i")"
done
finish
