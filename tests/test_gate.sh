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

# what a checkpoint has of blocks that are missing is not counted again, wherever the cut is
written() { "$lariat" info --format json "$1" | jq .trace.events_written; }
for size in 1000000 900000 700000 650000 600000 400000; do
	head -c "$size" "$(trace_of wrapped)" >cut.lariat
	same "events of a trace cut to $size" "$(written "$(trace_of wrapped)")" "$(written cut.lariat)"
done

### what a folder has and cannot be read is not passed over
mkdir folder
cp --sparse=always "$trace" folder/whole.lariat
printf 'no trace' >folder/notes.txt
gate "a folder" 0 --assert 'heap.frees > 0' folder
for kind in empty short magic; do
	cp --sparse=always "$trace" folder/bad.lariat
	case $kind in
	empty) : >folder/bad.lariat ;;
	short) truncate -s 100 folder/bad.lariat ;;
	magic) printf X | dd of=folder/bad.lariat conv=notrunc status=none ;;
	esac
	gate "a folder with one of no use, $kind" 3 --assert 'heap.frees > 0' folder
	says "it is named, $kind" '^lariat: folder/bad.lariat: ' err
	same "and by info, $kind" 3 "$("$lariat" info folder >out 2>err; echo $?)"
	rm folder/whole.lariat
	gate "a folder with nothing else, $kind" 3 --assert 'heap.frees > 0' folder
	says "it is named, $kind" '^lariat: folder/bad.lariat: ' err
	cp --sparse=always "$trace" folder/whole.lariat
done
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	# our scratch folder is nobody else's
	open=$(mktemp -d)
	chmod 755 "$open"
	cp "$lariat" "$open/lariat"
else
	user=()
	open=$work
	cp "$lariat" "$open/lariat"
fi
mkdir "$open/closed"
cp --sparse=always "$trace" "$open/closed/whole.lariat"
cp --sparse=always "$trace" "$open/closed/secret.lariat"
cp --sparse=always "$trace" "$open/closed/other"
chmod 644 "$open/closed/whole.lariat"
chmod 000 "$open/closed/secret.lariat" "$open/closed/other"
same "a folder with one that cannot be opened" 3 \
	"$("${user[@]}" "$open/lariat" gate --assert 'heap.frees > 0' "$open/closed" >out 2>err; echo $?)"
same "both are said" "$open/closed/secret.lariat: cannot open|left out, as they cannot be opened: 1 file" \
	"$(grep -o "$open/closed/secret.lariat: cannot open" err)|$(grep -o 'left out.*' err)"
[ "$open" = "$work" ] || rm -r "$open"

### a trace that was cut before its ring began: what stood behind is not known
for size in 20000000 60000000 120000000; do
	cp --sparse=always "$trace" cut.lariat
	truncate -s "$size" cut.lariat
	gate "cut to $size" 1 --assert 'process.exit_code == 0' --assert 'heap.misuse.double_frees == 0' \
		cut.lariat
	says "cut to $size" 'heap.misuse.double_frees == 0: is 0, but the trace is damaged'
	same "partial, cut to $size" 'true' "$("$lariat" info --format json cut.lariat | jq .trace.partial)"
done
same "whole" false "$("$lariat" info --format json "$trace" | jq .trace.partial)"
# the end of a ring that was never used is a hole: nothing stood there
cp --sparse=always "$trace" cut.lariat
truncate -s -4096 cut.lariat
gate "cut where nothing was" 0 --assert 'heap.misuse.double_frees == 0' cut.lariat

### a scan that was asked for tells nothing of what was lost behind it
cat >late.c <<'END'
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static void *volatile sink;
int main(void)
{
	char line[8];

	sink = malloc(10);
	while (read(0, line, 1) == 1)
		if (line[0] == 'x')
			syscall(SYS_exit_group, 0);
		else
			for (int i = 0; i < 1000; i++) {
				sink = malloc(100);
				if (write(1, "", i == 999) < 0)
					return 1;
			}
	return 0;
}
END
gcc -g -o late late.c
late() { # NAME HOW: a scan on request, 1000 blocks lost behind it, then its end
	local pid
	mkfifo "$1.in" "$1.up"
	LARIAT_OUTPUT=$work/$1.lariat LARIAT_RECORD=heap LD_PRELOAD=$lib ./late <"$1.in" >"$1.up" &
	pid=$!
	exec 7>"$1.in" 8<"$1.up"
	for _ in {1..300}; do
		"$lariat" leaks --now "$work/$1.lariat" >out 2>&1 && break
		sleep 0.1
	done
	printf g >&7
	head -c 1 <&8 >/dev/null
	case $2 in
	kill) kill -9 "$pid" ;;
	unseen) printf x >&7 ;;
	esac
	exec 7>&- 8<&-
	wait "$pid" 2>/dev/null
	same "$1: the scan was before" '[false,true]' "$("$lariat" leaks --format json \
		"$work/$1.lariat" | jq -c '[.leaks.scan.at_exit, .leaks.unclassified.blocks >= 1000]')"
	gate "$1: not known" 1 "$work/$1.lariat"
	says "$1: not known" 'but the last leak scan was before the end'
	gate "$1: other figures" 0 --assert 'heap.allocations > 1000' "$work/$1.lariat"
}
late killed kill
late by_exit unseen

### suppressions
printf '# known\nleak:spill\nleak:^keep_one$\nleak:never\n' >known.supp
gate "suppressed" 0 --suppressions known.supp --assert 'leaks.unfreed.blocks == 0' \
	--assert 'leaks.suppressed.bytes == 6000' "$trace"
says "unused are named" 'known.supp: never used: leak:never (line 4)$' err
printf 'leak:/leaky.c\n' >file.supp
gate "suppressed by file" 0 --suppressions file.supp --assert 'leaks.unfreed.blocks == 0' "$trace"
same "none is unused" "" "$(cat "$work/gate.err")"
printf '  leak:spill \t\n\nleak:^keep_one$ \r\n' >blanks.supp
gate "blanks are no part of a pattern" 0 --suppressions blanks.supp \
	--assert 'leaks.unfreed.blocks == 0' "$trace"
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
for wrong in -5 '"50"' 1.5; do
	jq ".leaks.sites[0].blocks = $wrong" baseline.json >wrong.json
	gate "a baseline of $wrong blocks" 2 --baseline wrong.json "$trace"
done
"$lariat" report --format json --limit 1 "$trace" >short.json
gate "a baseline that is cut" 1 --baseline short.json --assert 'leaks.unfreed.bytes == 0' "$trace"
says "a baseline that is cut" 'short.json: leaves out 1 site' err
for path in 'heap.sites[0.allocations' 'heap.sites[].allocations' 'heap.sites[x].allocations'; do
	gate "no field: $path" 2 --assert "$path == 5" "$trace"
done
gate "a field of a list" 0 --assert 'leaks.sites[0].blocks == 50' "$trace"
gate "no table" 2 --format csv "$trace"

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

### names that are made to deceive: whoever may name a file must not write our lines
odd=$'a"<&>\n::error::forged\e[31m\xff\xef\xbf\xbe'
cp --sparse=always "$trace" "$odd.lariat"
cp --sparse=always "$trace" "::error::forged.lariat"
GITHUB_ACTIONS=true gate "odd names" 1 --junit j.xml --sarif s.sarif --summary odd.md \
	--assert 'leaks.unfreed.bytes == 0' "$odd.lariat" "::error::forged.lariat"
same "no forged line" "" "$(grep -h '^ *::error::forged' "$work/gate.out" odd.md)"
same "no escape sequence" 0 "$(cat "$work/gate.out" odd.md j.xml s.sarif | grep -c $'\e')"
same "UTF-8" 0 "$(cat "$work/gate.out" odd.md j.xml s.sarif | iconv -f UTF-8 -t UTF-16 >/dev/null; echo $?)"
same "well-formed" 'a"<&>?::error::forged?[31m??.lariat ::error::forged.lariat' "$(python3 - <<'END'
import xml.etree.ElementTree as tree
print(*[case.get("classname") for case in tree.parse("j.xml").getroot()[0]])
END
)"
mkdir "sp ace%"
cp leaky.c "sp ace%/leaky.c"
gcc -g -O0 -o odd_place "$PWD/sp ace%/leaky.c"
record odd_place ./odd_place
gate "places as URIs" 1 --sarif s.sarif --assert 'leaks.unfreed.bytes == 0' "$(trace_of odd_place)"
same "places as URIs" "file://${PWD// /%20}/sp%20ace%25/leaky.c" \
	"$(jq -r '.runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri' s.sarif)"
GITHUB_WORKSPACE=$PWD/ gate "places in a workspace" 1 --sarif s.sarif \
	--assert 'leaks.unfreed.bytes == 0' "$(trace_of odd_place)"
same "places in a workspace" "sp%20ace%25/leaky.c" \
	"$(jq -r '.runs[0].results[0].locations[0].physicalLocation.artifactLocation.uri' s.sarif)"

### the same verdict each time, whatever the threads do
for i in 1 2 3 4 5 6 7 8; do
	record "threads$i" "$victims/heap_threads"
	gate "threads, run $i" 0 --assert 'heap.unpaired_frees == 0' --assert 'heap.failed_allocations == 0' \
		"$(trace_of "threads$i")"
done
finish
