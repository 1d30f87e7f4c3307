#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Patterns of use, streams and findings of a program whose habits are known; the same figures when
# the ring has wrapped many times.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

record habits "$victims/io_habits"
same "exit status" 0 "$(status_of habits)"
target() { field habits "[.io.targets[] | select(.name == \"$PWD/$1\") | $2] | tojson"; }

same "small writes, then bytes" '[[5000,100000,3000,3000,3000,5000,2,3000]]' "$(target h_small \
	'[.write.calls, .write.bytes, .read.calls, .pattern.read.one_byte, .pattern.read.consecutive,
	.pattern.write.consecutive, .pattern.opens, .pattern.cache_pages]')"
same "all bytes are in one page: it is found again" '[2999]' "$(target h_small .pattern.cache_hits)"
same "syncs" '[[110,1,110]]' "$(target h_sync '[.pattern.syncs, .pattern.writes_per_sync, .write.calls]')"
same "churn" '[[150,301]]' "$(target h_churn '[.pattern.opens, .calls + 1]')"
# 40 places of 4 KiB are new, the others have been read; of 1200 pages 1160 would be in the cache.
same "seeks" '[[1200,1200,4751360,1160,1200,0]]' "$(target h_seek '[.pattern.seeks,
	.pattern.seeks_before_read, .pattern.read_again_bytes, .pattern.cache_hits,
	.pattern.cache_pages, .pattern.read.unaligned]')"
# Every second step goes back; 512 and 1024 bytes into a block are not aligned.
same "random" '[[3000,true,2000]]' "$(target h_random '[(.pattern.read | .consecutive + .sequential +
	.strided + .random), (.pattern.read.random >= 1400 and .pattern.read.random <= 1500),
	.pattern.read.unaligned]')"
same "good" '[[16,0,0,0,16,65536,65536,1]]' "$(target h_good '.pattern | [.read.consecutive,
	.read.random, .read.sequential, .read_again_bytes, .write.consecutive, .read.size_bytes.p50,
	.write.size_bytes.max, .most_in_flight]')"
# The first is from where the file begins, the second sets the distance.
same "strided" '[[1,1,62,0]]' "$(target h_strided '.pattern.read | [.consecutive, .sequential,
	.strided, .random]')"
# 10,000 times 11 bytes in buffers of 4 KiB: 26 full ones and the rest; the last fgets finds nothing.
same "streams" '[[10000,110000,27,110000,10001,110000,110000]]' "$(target h_stream '[
	.stdio_write.calls, .stdio_write.bytes, .stdio_write.system.calls,
	.stdio_write.system.bytes, .stdio_read.calls, .stdio_read.bytes, .read.bytes]')"
same "a database by what is in it" '["SQLite"]' "$(target h_data .service)"
same "other files are none" 1 "$(field habits '[.io.targets[] | select(.service)] | length')"
same "errors" '[[5,[{"error":"ENOENT","errno":2,"count":5}]]]' "$(target h_no/such '[.errors, .errors_by_errno]')"

rules() { jq -c '[.io.findings[] | .rule + " " + (.site.function // .target.name | sub(".*/"; ""))] | sort' "$1"; }
same "findings" "$(jq -cn '["fsync-storm h_sync", "one-byte-reads h_small", "open-close-churn h_churn",
	"polling polls", "random-access h_random", "reads-again h_seek",
	"seek-before-read h_seek", "small-reads byte_reads", "small-writes small_writes"] | sort')" \
	"$(rules "$(report_of habits)")"
same "what a buffer would leave" '5,000 writes of 20 B in the mean; a buffer of 64.0 KiB would leave 2' \
	"$(field habits '.io.findings[] | select(.rule == "small-writes").evidence')"
io() { "$lariat" io --format json --limit 0 "$@"; }
io --threshold syncs=111 --threshold opens=1K --threshold cache_bytes=4K --threshold polls=1501 \
	--threshold seeks=1201 "$(trace_of habits)" >other
same "other thresholds" "$(jq -cn '["one-byte-reads h_small", "random-access h_random",
	"reads-again h_seek", "small-reads byte_reads",
	"small-writes small_writes"]')" "$(rules other)"
same "a cache of one page" 0 "$(jq --arg n "$PWD/h_seek" \
	'.io.targets[] | select(.name == $n).pattern.cache_hits' other)"
"$lariat" io --threshold none=1 "$(trace_of habits)" 2>/dev/null
same "no such threshold" 2 $?
# The manual has the table's rows.
same "thresholds in the manual" "$(jq -r '.io.thresholds | to_entries[] | "\(.key) = \(.value)"' \
	"$(report_of habits)" | sort)" "$(sed -n 's/^\.BR \([a-z_]*\) " = \([0-9]*\)"$/\1 = \2/p' \
	"$top/analyzer/lariat.1" | sort)"
same "the map has all calls but waits" true "$(field habits '.io as $io |
	([$io.heatmap.rows[].calls[]] | add) == ([$io.totals | to_entries[] |
	select(.key != "wait" and (.key | startswith("stdio") | not)).value.calls] | add)')"
text=$("$lariat" io "$(trace_of habits)")
for part in "When calls took how long" "Sites with errors" "Time of threads" "Findings" "Seen: "; do
	case $text in *"$part"*) ;; *) fail "text: no $part" ;; esac
done

# Eight rounds in a small ring and in a file without bound: all that is of the whole life is the
# same, streams too, and the kernel's count is met in both.
options=LARIAT_SIZE=0 record whole "$victims/io_habits" 8
options=LARIAT_SIZE=1M record ring "$victims/io_habits" 8
same "the ring has wrapped" true "$(field ring '.trace.events_folded > 2 * .trace.events_kept')"
same "nothing is lost" '[0,0,false]' \
	"$(field ring '.trace | [.events_overwritten, .events_dropped, .partial] | tojson')"
figures='def op: [.calls, .bytes, .errors, .short, (.system // {} | [.calls, .bytes, .errors])];
	.io | [.totals | map_values(op)], ([.targets[] | select(.name | test("/h_")) | [.name, .calls,
	.bytes, .errors, .errors_by_errno, (.read, .write, .other, (.stdio_read // {}), (.stdio_write // {}) | op)]] |
	sort), ([.sites[] | [.function, .calls, .bytes, .stdio_calls, .stdio_bytes, .errors,
	.errors_by_errno, .operations]] | sort)'
same "the same figures" "$(field whole "$figures" | md5sum)" "$(field ring "$figures" | md5sum)"
# The map is of the whole life, too; what is not says so, and is of the same calls in itself.
same "ring: threads' time is since the calls that are known" true "$(field ring '.io as $io |
	.process.duration_ns as $all | $io.threads[0] | .wall_ns <= $all - $io.ordered_calls_from_ns + 1000
	and .wall_ns > 0 and .running_ns <= .wall_ns')"
for name in whole ring; do
	same "$name: the map has all calls but waits" true "$(field $name '.io as $io |
		([$io.heatmap.rows[].calls[]] | add) == ([$io.totals | to_entries[] |
		select(.key != "wait" and (.key | startswith("stdio") | not)).value.calls] | add)')"
done
text=$("$lariat" io "$(trace_of ring)")
case $text in *"Of the calls since"*"those before are in sums"*) ;; *) fail "text: not said" ;; esac
case $("$lariat" io "$(trace_of whole)") in *"those before are in sums"*) fail "text: said" ;; esac
for name in whole ring; do
	same "$name: seen" true "$(field $name '.io.coverage | .kernel_bytes > 0 and
		.seen_bytes == .kernel_bytes')"
done

# What is written when a stream is flushed at the end, and nothing that the leak scan read.
printf '#include <stdio.h>\nint main(void) { printf("hello\\n"); return 0; }\n' >hello.c
gcc -o hello hello.c || exit 1
record hello ./hello
same "flushed at the end" '[6,6]' "$(field hello '.io.coverage | [.seen_bytes, .kernel_bytes]' | jq -c .)"

finish
