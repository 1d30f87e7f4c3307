#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A small ring that wrapped a hundred times and a file without bound tell the same of the heap.
# time limit: 300
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

rounds=${FOREVER_ROUNDS:-2400}
options=LARIAT_SIZE=0 record whole "$victims/forever" "$rounds"
options=LARIAT_SIZE=1M record ring "$victims/forever" "$rounds"
options=LARIAT_SIZE=1M record nothing "$victims/forever" 0
options=
counts_right whole nothing
counts_right ring nothing

trace=$(trace_of ring)
same "on disk" true "$(jq -n "$(stat -c '%b * 512 <= 1048576' "$trace")")"
# What the ring holds is as much as is kept, or somewhat more.
same "wrapped a hundred times" true "$(field ring '.trace | .events_folded > 100 * .events_kept')"
same "nothing is lost" '[0,0,0,false,0]' "$(field ring '.trace as $t | .heap as $h |
	[$t.events_overwritten, $t.events_dropped, $t.blocks_damaged, $t.partial,
	$h.peak_error_bytes] | tojson')"
same "written is kept and folded" true \
	"$(field ring '.trace | .events_written == .events_kept + .events_folded')"
same "the whole file folded nothing" 0 "$(field whole .trace.events_folded)"

totals='.heap | [.samples, .failed_allocations, .unpaired_frees, .implied_frees, .mapped,
	.temporary_allocations] | tojson'
same "totals" "$(field whole "$totals")" "$(field ring "$totals")"

heap='[.heap.sites[] | [.function, .line, .module, [.stack[]? | .function, .line, .module],
	.allocations, .allocated_bytes, .frees, .freed_bytes, .live_blocks, .live_bytes,
	.temporary_allocations, .failed, .size_bytes]] | sort[]'
leaks='.leaks.unfreed, ([.leaks.sites[] | [.function, .line, .module, .blocks, .bytes]] | sort[])'
for by in stack function module; do
	for name in whole ring; do
		"$lariat" alloc --by "$by" --limit 0 --format json "$(trace_of "$name")" >"$name.json"
		"$lariat" leaks --by "$by" --limit 0 --format json "$(trace_of "$name")" |
			jq -c "$leaks" >"$name.leaks"
		jq -c "$heap" "$name.json" >"$name.heap"
	done
	same "by $by: sites" "$(<whole.heap)" "$(<ring.heap)"
	same "by $by: leaks" "$(<whole.leaks)" "$(<ring.leaks)"
	# the module, and what each function and line allocates
	[ "$(wc -l <ring.heap)" -ge "$([ "$by" = module ] && echo 1 || echo 5)" ] ||
		fail "by $by: $(wc -l <ring.heap) sites"
	# What sites held at the peak of all of them is the peak.
	same "by $by: the peak" '[true,true]' "$(jq -c '.heap | [
		([.sites[].at_peak_bytes] | add) == .peak_bytes,
		(.sites | all(.peak_bytes >= .at_peak_bytes and .peak_bytes >= .live_bytes))]' ring.json)"
done
"$lariat" leaks --by function --limit 0 --format json "$trace" >leaks.json
same "blocks leaked" "$((4 * ((rounds + 15) / 16)))" \
	"$(jq '.leaks.sites[] | select(.function == "leaky").blocks' leaks.json)"

# How long blocks lived is another matter in each run, but not that all were counted.
same "lifetimes" '[true,true]' "$(field ring '[.heap.sites[] | select(.frees > 0) | .lifetime_ns] |
	[length > 3, all(.p50 <= .p90 and .p90 <= .p99 and .p99 > 0)] | tojson')"

# The timeline spans the whole life and ends with what is live.
"$lariat" growth --format json "$trace" >growth.json
same "timeline" '[true,true]' "$(jq -c '[
	(.growth.samples[0].at_ns < .process.duration_ns / 50), (.growth.samples[-1].live_bytes ==
	'"$(field ring .heap.live_bytes)"')]' growth.json)"

# A process that runs is read while it overwrites what is being read: still nothing is lost.
LARIAT_SIZE=1M LD_PRELOAD=$lib LARIAT_OUTPUT=$work/live.lariat "$victims/forever" 100000 >live.out &
live=$!
sleep 1
for look in 1 2 3 4 5; do
	"$lariat" alloc --format json "$work/live.lariat" >live.json
	same "look $look at a running process" '["running",0,0,0,false,true]' "$(jq -c '
		.trace as $t | .heap as $h | [.process.end, $t.events_overwritten,
		$t.blocks_damaged, $t.records_damaged, $t.partial,
		$h.allocations == $h.frees + $h.implied_frees + $h.live_blocks]' live.json)"
	jq .trace.events_written live.json >>written
done
same "it went on" true "$(jq -s '. == (sort | unique)' written)"
kill -9 "$live"
wait "$live" 2>/dev/null
same "killed" '["unknown",0,0,false]' "$("$lariat" alloc --format json "$work/live.lariat" |
	jq -c '.trace as $t | [.process.end, $t.events_overwritten, $t.blocks_damaged, $t.partial]')"
finish
