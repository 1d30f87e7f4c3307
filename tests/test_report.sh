#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The reports of a program whose figures are known: right, the same in every form, in order, cut
# and filtered as asked for, fit for a terminal of any width, and honest about what is missing.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq python3

unset COLUMNS NO_COLOR
record sites "$victims/report_sites"
trace=$(trace_of sites)
same "the program's exit status" 0 "$(status_of sites)"

# get JQ COMMAND...: a field of a command's JSON report of the trace
get() {
	local path=$1
	shift
	"$lariat" "$@" --format json "$trace" | jq -c "$path"
}

is() { # WHAT JQ EXPECTED COMMAND...
	local what=$1 path=$2 expected=$3
	shift 3
	same "$what" "$expected" "$(get "$path" "$@")"
}

### figures by site
site() { # FUNCTION BYTES: the only site of that function and total size
	jq -c --arg f "$1" --argjson b "$2" '[.heap.sites[] |
		select(.function == $f and .allocated_bytes == $b) | [.allocations, .frees,
		.live_blocks, .live_bytes, .peak_bytes, .at_peak_bytes, .temporary_allocations,
		.size_bytes.min, .size_bytes.max]]' "$(report_of sites)"
}
same temporary '[[1000,1000,0,0,64,0,1000,64,64]]' "$(site temporary 64000)"
same held '[[100,100,0,0,1000000,1000000,0,10000,10000]]' "$(site held 1000000)"
same leaked '[[7,0,7,168,168,168,0,24,24]]' "$(site leaked 168)"
same "behind a wrapper" '[[1,1,0,0,500,0,1,500,500]]' "$(site wrapped 500)"
same grown '[[8,8,0,0,800,0,8,100,800]]' "$(site grown 3600)"
same "the peak" 1000168 "$(field sites .heap.peak_bytes)"
same "reallocations" 7 "$(field sites .heap.reallocations)"
is "lines and files" '[.heap.sites[] | select(.function == "leaked")][0] |
	[(.file | endswith("report_sites.c")), .line > 30, .stack[0].function,
	.stack[1].function, (.module | endswith("report_sites"))]' \
	'[true,true,"leaked","main",true]' report --limit 0
is "leaks" '[.leaks.sites[] | select(.function == "leaked")] |
	map([.class, .blocks, .bytes])' '[["definitely_lost",7,168]]' leaks
is "leaks in all" '.leaks.unfreed == (.leaks | {blocks: (.sites | map(.blocks) | add),
	bytes: (.sites | map(.bytes) | add)})' true leaks --limit 0
is "each in one class" '.leaks | .unfreed == ([.definitely_lost, .indirectly_lost,
	.still_reachable, .unclassified] | {blocks: (map(.blocks) | add), bytes: (map(.bytes) | add)})' \
	true leaks

target='[.io.targets[] | select(.name | endswith("report-sites.tmp"))][0]'
is "written" "$target.write | [.calls, .bytes, .errors, .short]" '[10,1000,0,0]' io
is "read" "$target.read | [.calls, .bytes, .errors, .short]" '[4,1000,0,1]' io
is "errors" '[.io.errors[] | select(.operation == "open") | [.error, .count]]' \
	'[["ENOENT",1]]' io
is "I/O sites" '[.io.sites[] | select(.function == "writes") | [.calls, .operations]] | sort' \
	'[[1,{"sync":1}],[10,{"write":10}]]' io
is "slowest" '.io.slowest | map(.time_ns) | . == (sort | reverse) and length == 20' true io
is "slowest, two" '.io.slowest | length' 2 io --limit 2
is "latencies in order" '[.io.totals[] | .latency_ns | [.min, .p50, .p90, .p99, .p999, .max] |
	. == sort] | all' true io
is "latencies and time" '[.io.totals[] | .union_ns <= .time_ns and
	.latency_ns.mean * .calls <= .time_ns] | all' true io
is "locks" '.locks.totals | [.acquisitions, .contended, .wait_ns]' '[50,0,0]' locks
is "lock sites" '.locks.sites | map([.function, .kind, .acquisitions])' '[["locked","mutex",50]]' \
	locks
is "threads" '.threads | [.created, .peak, .unjoined, (.list | map(.name))]' \
	'[1,2,0,["","worker"]]' threads
is "a thread's work" '.threads.list[1] | [.allocations, .allocated_bytes, .joined, .creator,
	.function]' '[1,3000,true,1,"main"]' threads

### totals are the sums of the sites
sums='.heap | . as $h | [["allocations", "frees", "allocated_bytes", "freed_bytes", "live_blocks",
	"live_bytes", "temporary_allocations"][] | . as $k | ($h.sites | map(.[$k]) | add) ==
	$h[$k]] + [($h.sites | map(.at_peak_bytes) | add) == $h.peak_bytes] | all'
is "sums by stack" "$sums" true alloc --limit 0
for by in function file module thread; do
	is "sums by $by" "$sums" true alloc --limit 0 --by "$by"
done
is "folded by function" '[.heap.sites[] | select(.function == "held")] |
	map([.allocations, .peak_bytes])' '[[101,1000000]]' alloc --by function
is "folded by thread" '.heap.sites | map([.thread, .name, .allocations]) | sort | .[1]' \
	'[2,"worker",1]' alloc --by thread

### parts, order, limit, filter
is "all parts" keys '["findings","growth","heap","io","leaks","locks","process","schema","threads","trace"]' \
	report
for pair in alloc:heap leaks:leaks growth:growth io:io locks:locks threads:threads; do
	is "${pair%:*} alone" 'keys - ["process", "schema", "trace"]' "[\"${pair#*:}\"]" "${pair%:*}"
done
is "process" '.process | [.command, .end, .exit_code, .pid > 0, .duration_ns > 0]' \
	'["report_sites","exit",0,true,true]' report
is "trace" '.trace | [.events_kept == .events_written, .events_overwritten, .events_dropped,
	.blocks_damaged, .partial]' '[true,0,0,0,false]' report
is "limit" '.heap | [(.sites | length), .site_count > 5, .allocations > 1100]' '[2,true,true]' \
	alloc --limit 2
# many sites of one call each: what is cut off is nothing that would come first
record many perl -e 'my @l = map { { "key $_" => [$_, "x" x $_] } } 1 .. 2000; print scalar @l'
for key in allocations allocated_bytes live_bytes; do
	for n in 1 3 10 40; do
		same "the first $n by $key" \
			"$("$lariat" alloc --format json --limit 0 --sort $key "$(trace_of many)" |
				jq -cS --argjson n $n '.heap | [.site_count, .sites[:$n]]' | md5sum)" \
			"$("$lariat" alloc --format json --limit $n --sort $key "$(trace_of many)" |
				jq -cS '.heap | [.site_count, .sites]' | md5sum)"
	done
done
same "sites enough to cut" true "$(field many '.heap.site_count > 100')"
for key in allocated_bytes allocations peak_bytes at_peak_bytes live_bytes live_blocks \
	temporary_allocations frees; do
	is "sorted by $key" ".heap.sites | map(.$key) | . == (sort | reverse) and .[0] > 0" true \
		alloc --sort "$key"
done
is "io sorted by calls" '.io.sites | map(.calls) | . == (sort | reverse)' true io --sort calls
is "filter by function" '[.heap.sites[].function] | unique' '["leaked"]' alloc --filter '^leaked$'
is "filter by a caller" '.heap.site_count' 1 alloc --filter '^worker$'
is "filter by file" '.heap.site_count > 5' true alloc --filter 'report_sites\.c$'
is "a filter leaves totals alone" '.heap | [.site_count, .allocations > 1100]' '[0,true]' \
	alloc --filter 'no such thing'

### a window of time
half=$(get '.heap.peak_at_ns' report)
is "until" '.heap | [.allocations, .frees >= 1000, .frees < 1020, .peak_bytes]' \
	'[1107,true,true,1000168]' \
	alloc --until "${half}ns"
is "since" '.heap | .allocations < 30 and .allocations > 8 and .frees > 100' true \
	alloc --since "$((half + 1))ns"
is "nothing" '.heap.allocations, .heap.site_count' '0
0' alloc --until 0

### several traces
cp "$trace" "$work/cwd/second.lariat"
mkdir "$work/folder"
cp "$trace" "$work/folder/one.lariat"
cp "$trace" "$work/folder/two.lariat"
echo 'not a trace' >"$work/folder/notes.txt"
same "two traces" '["lariat/1",2]' \
	"$("$lariat" leaks --format json "$trace" second.lariat | jq -c '[.schema, (.traces | length)]')"
same "a folder" '2' \
	"$("$lariat" leaks --format json "$work/folder" | jq -c '.traces | length')"
pid=$(get .process.pid report)
same "a pid" "$pid" "$("$lariat" leaks --format json "$pid" | jq .process.pid)"
same "a family's total" 1 \
	"$("$lariat" report "$trace" second.lariat | grep -c '^All 2 traces: 2,')"

record family sh -c "$victims/report_sites; true"
family=$(cat "$work/family.pid")
cp "$work"/family.*.lariat .
same "a pid's family" "$(find . -name 'family.*.lariat' | wc -l)" \
	"$("$lariat" leaks --format json "$family" | jq '.traces | length')"

### text
"$lariat" report "$trace" >"$work/text"
checks=$((checks + 3))
grep -q '^  1,1[0-9][0-9] allocations of ' "$work/text" || fail "no totals in the text"
grep -q '1,000 *0 B  temporary  report_sites.c:' "$work/text" || fail "no site in the text"
grep -q $'\033' "$work/text" && fail "escape sequences where there is no terminal"
for columns in 50 80 200; do
	for command in report alloc leaks io locks threads; do
		checks=$((checks + 1))
		COLUMNS=$columns "$lariat" $command "$trace" >"$work/text"
		awk -v n="$columns" 'length > n' "$work/text" >"$work/wide"
		[ -s "$work/wide" ] &&
			fail "$command on $columns columns: too wide: $(head -n 1 "$work/wide")"
	done
done
same "a site by limit" 1 "$("$lariat" alloc --limit 1 "$trace" | grep -c '(1 of ')"
if have script; then
	colored() { script -qec "$*" /dev/null | grep -c $'\033\[1' || true; }
	checks=$((checks + 1))
	[ "$(colored "$lariat" leaks "$trace")" -gt 0 ] || fail "no color on a terminal"
	same "--no-color" 0 "$(colored "$lariat" leaks --no-color "$trace")"
	same "NO_COLOR" 0 "$(NO_COLOR=1 colored "$lariat" leaks "$trace")"
fi
same "two reports are the same" "$(get . report | md5sum)" "$(get . report | md5sum)"

### CSV
cat >"$work/rows.py" <<'PYTHON'
import csv, sys
rows = list(csv.reader(open(sys.argv[1], newline="")))
assert all(len(r) == len(rows[0]) for r in rows), "rows of different length"
rows = [dict(zip(rows[0], r)) for r in rows[1:]]
print(len(rows), sum(int(r["allocations"]) for r in rows),
      [r["size_bytes.max"] for r in rows if r["function"] == "leaked"],
      [r["stack"].split(";")[:2] for r in rows if r["function"] == "leaked"])
PYTHON
"$lariat" alloc --format csv --limit 0 "$trace" >"$work/alloc.csv"
same "CSV" "$(get '"\(.heap.site_count) \(.heap.allocations)"' alloc | tr -d '"') \
['24'] [['leaked', 'main']]" "$(python3 "$work/rows.py" "$work/alloc.csv" 2>&1)"
same "CSV of everything" "$(get .heap.allocations report)" \
	"$("$lariat" report --format csv "$trace" | tr -d '\r' | sed -n 's/^heap.allocations,//p')"

### what is not recorded is left out, not zero
options=LARIAT_RECORD=io record part "$victims/report_sites"
same "only I/O" '["findings","io","process","schema","trace"]' "$(field part 'keys | tojson')"
same "said so" 1 "$("$lariat" alloc "$(trace_of part)" | grep -c 'Not recorded')"

### what the ring gives up is in the figures
options=LARIAT_SIZE=1M record full "$victims/report_sites" 3000000
same "folded" '[true,0,false,true,0]' "$(field full '[.trace.events_folded > 1000000,
	.trace.events_overwritten, .trace.partial, .trace.events_kept > 1000,
	.heap.peak_error_bytes] | tojson')"
same "nothing to say" 0 "$("$lariat" alloc "$(trace_of full)" | grep -c '^!')"
same "two windows" '[true,false]' "$(for since in 1ns "$(field full '.trace.folded_until_ns + 1')ns"; do
	"$lariat" alloc --since "$since" --format json "$(trace_of full)"
done | jq -sc 'map(.trace.partial)')"
same "a window that is not known" 1 \
	"$("$lariat" alloc --since 1ns "$(trace_of full)" | grep -c '^! Up to .* only figures')"
same "threads that are not known" '[null,1]' "$("$lariat" alloc --by thread --format json \
	"$(trace_of full)" | jq -c '[.heap.sites[].thread] | sort')"
same "and said" 1 \
	"$("$lariat" alloc --by thread "$(trace_of full)" | grep -c '^! Up to .* which thread')"

### what is overwritten is said so
python3 - "$(trace_of full)" <<'PYTHON'
import struct, sys
with open(sys.argv[1], "r+b") as f:
    header = f.read(4096)
    for i in range(struct.unpack_from("<I", header, 40)[0]):
        kind, _, offset, size, _ = struct.unpack_from("<IIQQQ", header, 48 + 32 * i)
        if kind == 4:
            f.seek(offset)
            f.write(bytes(size))
PYTHON
same "overwritten" '[true,true,true,null]' "$("$lariat" alloc --format json "$(trace_of full)" |
	jq -c '[.trace.events_overwritten > 0, .trace.partial, .trace.events_kept > 1000,
	.heap.peak_error_bytes]')"
same "and said" 1 "$("$lariat" alloc "$(trace_of full)" | grep -c '^! The trace was full')"

### wrong usage and unreadable files
code() { # EXPECTED ARG...
	local expected=$1
	shift
	"$lariat" "$@" >"$work/out" 2>"$work/err"
	same "lariat $*" "$expected" $?
	if [ "$expected" != 0 ]; then
		same "lariat $*: lines" 1 "$(wc -l <"$work/err")"
		checks=$((checks + 1))
		grep -q '^lariat: ' "$work/err" || fail "lariat $*: $(cat "$work/err")"
	fi
}
code 2
code 2 no-such-command
code 2 report
code 2 report --sort bytes "$trace"
code 2 alloc --sort bytes "$trace"
code 2 alloc --format xml "$trace"
code 2 alloc --filter '(' "$trace"
code 2 alloc --limit many "$trace"
code 3 report /nowhere
code 3 report "$work/folder/notes.txt"
code 3 report /dev/null
mkdir "$work/empty"
code 3 report "$work/empty"
code 3 report 999999999
code 0 --help
code 0 --version
code 0 help alloc
same "options in the help" 10 "$("$lariat" alloc --help | grep -c '^ *\(-h, \)\?--')"
for command in report alloc leaks io locks threads info dump; do code 0 $command --help; done
code 3 report --format json "$trace" /nowhere
same "the others are read" "[$pid]" "$(jq -c '[.traces[].process.pid]' "$work/out")"

head -c 60000 "$trace" >"$work/cut.lariat"
"$lariat" report "$work/cut.lariat" >/dev/null 2>&1
checks=$((checks + 1))
case $? in 0 | 3) ;; *) fail "a trace cut short: exit status $?" ;; esac

### a program that was built anew since: no wrong names, and a word about it
printf 'int filler(void) { return 1; }\n' >"$work/filler.c"
gcc -g -O1 -D_GNU_SOURCE -fno-builtin "$top/tests/victims/report_sites.c" -pthread -o "$work/rebuilt" || exit 1
record rebuilt "$work/rebuilt"
rebuilt=$(trace_of rebuilt)
"$lariat" alloc "$rebuilt" >"$work/out"
same "names of the program as recorded" 0 "$(grep -c 'another build-id' "$work/out")"
functions=$(grep -oE '\b(main|[a-z_]+) +report_sites\.c:[0-9]+' "$work/out" | sort -u | wc -l)
checks=$((checks + 1))
[ "$functions" -gt 0 ] || fail "no function of the program is named: $(head -n 20 "$work/out")"
gcc -g -O2 -D_GNU_SOURCE -fno-builtin "$work/filler.c" "$top/tests/victims/report_sites.c" -pthread -o "$work/rebuilt" || exit 1
"$lariat" alloc "$rebuilt" >"$work/out"
same "no names of another build" 0 "$(grep -c 'report_sites\.c' "$work/out")"
same "said" 1 "$(tr -s '\n ' ' ' <"$work/out" | grep -c 'another build-id')"
rm "$work/rebuilt"
"$lariat" alloc "$rebuilt" >"$work/out"
same "a program that is gone" 1 "$(tr -s '\n ' ' ' <"$work/out" | grep -c 'no longer there')"

### stacks that differ only further out than is shown
cat >"$work/ways.c" <<'END'
#include <stdlib.h>
#define noinline __attribute__((noinline))
void *volatile kept;
static noinline void third(int n) { kept = malloc(n); kept = (char *)kept + 0; }
static noinline void second(int n) { third(n); kept = NULL; }
static noinline void first(int n) { second(n); kept = NULL; }
static noinline void common(int n) { first(n); kept = NULL; }
static noinline void by_day(int n) { common(n); kept = NULL; }
static noinline void by_night(int n) { common(n); kept = NULL; }
int main(void)
{
	by_day(90000);
	by_night(90000);
	second(80000);
	kept = NULL;
	return 0;
}
END
gcc -g -O1 -w -o "$work/ways" "$work/ways.c" || exit 1
record ways "$work/ways"
"$lariat" report "$(trace_of ways)" >"$work/out"
same "each says which way it went" 'third second first ... by_day
third second first ... by_night
third second main' "$(sed -n '/Most allocated/,/^$/p' "$work/out" | grep -oE '(third|second|first|main|by_[a-z]+|\.\.\.)( |$)' |
	tr -d '\n' | sed 's/ *third */\nthird /g' | sed -E 's/ +/ /g; s/\.\.\./... /; s/ +$//; s/ +/ /g' | sed '/^$/d' | sort)"

### a library that is loaded again and again, each time elsewhere: one place is one site
cat >"$work/plug.c" <<'END'
#include <stdlib.h>
void *plugged(void) { return malloc(1000); }
END
cat >"$work/host.c" <<'END'
#include <dlfcn.h>
#include <stdio.h>
#include <sys/mman.h>
int main(int argc, char **argv)
{
	void *last = NULL;
	int moved = 0;
	for (int i = 0; i < 30; i++) {
		void *handle = dlopen(argv[1], RTLD_NOW), *(*plugged)(void) = (void *(*)(void))dlsym(handle, "plugged");
		moved += (void *)plugged != last;
		last = (void *)plugged;
		plugged();
		dlclose(handle);
		mmap(last, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	}
	printf("%d\n", moved);
	return argc != 2;
}
END
gcc -g -O1 -shared -fPIC -o "$work/plug.so" "$work/plug.c" && gcc -g -O1 -w -o "$work/host" "$work/host.c" || exit 1
record host "$work/host" "$work/plug.so"
same "the library was elsewhere each time" 30 "$(cat "$work/host.out")"
same "each time it has functions" 30 "$("$lariat" info "$(trace_of host)" | grep -c 'functions and lines.*plug\.so')"
same "one site" '[[30,30000]]' "$("$lariat" report --format json "$(trace_of host)" |
	jq -c '[.heap.sites[] | select(any(.stack[]; .function == "plugged")) | [.allocations, .allocated_bytes]]')"

### names that are no text: what goes to a terminal, or a file that may, is text all the same
odd=$(printf 'odd \033[31m\377 "name", with more')
mkdir "$work/$odd" && (cd "$work/$odd" && record odd cp /dev/null "$odd") || exit 1
for form in info 'io --format csv --limit 0' 'report'; do
	# shellcheck disable=SC2086
	"$lariat" $form "$(trace_of odd)" >"$work/out"
	same "$form: no text" 0 "$(iconv -f UTF-8 -t UTF-8 "$work/out" | LC_ALL=C grep -c "$(printf '\033')")"
	same "$form: in valid UTF-8" 0 "$(iconv -f UTF-8 -t UTF-8 "$work/out" >"$work/again"; echo $?)"
done
"$lariat" io --format csv --limit 0 "$(trace_of odd)" >"$work/odd.csv"
same "a quoted name is one field" True "$(python3 -c 'import csv, sys
rows = csv.reader(open(sys.argv[1], newline=""))
print(any(f.endswith("/odd ?[31m? \"name\", with more") for r in rows for f in r))' "$work/odd.csv")"

### output that cannot be written
"$lariat" report --format json --limit 0 "$trace" >/dev/full 2>"$work/err"
same "a full disk" "3 1" "$? $(grep -c 'standard output' "$work/err")"
"$lariat" alloc --format json --limit 0 "$trace" "$trace" "$trace" 2>"$work/err" | head -c 1 >/dev/null
same "a closed pipe" "" "$(cat "$work/err")"
finish
