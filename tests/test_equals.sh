#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Blocks of equal content: how many, and what they would save, as the program that makes them
# counts it; what only looks alike is not among them; nothing of the contents is in the trace.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq python3

figures='[.looked_blocks, .looked_bytes, .groups, .copies, .saved_bytes, .zero_blocks, .zero_bytes]'
record equals "$victims/equals"
trace=$(trace_of equals)
"$lariat" alloc --format json --limit 0 "$trace" | jq '.heap' >heap.json
same "sums" "$(tail -n 1 "$work/equals.out")" "$(jq -r ".equal_contents | $figures | join(\" \")" heap.json)"
same "groups" "$(head -n -1 "$work/equals.out" | sort)" "$(jq -r '.equal_contents.list[] |
	"\(.size_bytes) \(.copies) \(.sites[0].blocks)"' heap.json | sort)"
same "all of them are looked at" "0 0" \
	"$(jq -r '.equal_contents | "\(.unlooked_blocks) \(.unlooked_bytes)"' heap.json)"
same "those that save the most stand first" true \
	"$(jq '.equal_contents.list | map(.saved_bytes) | . == (sort | reverse)' heap.json)"
# 300 blocks of one site and 500 of another: one of each instead of all, site by site
same "by site" '[["make",300,14352],["make_elsewhere",500,23952]]' "$(jq -c '[.interning[] |
	select(.stack[1].function == "in_two_sites") | [.function, .blocks, .saved_bytes]] | sort' heap.json)"
same "a second reader" "$(python3 "$top/tests/format_reader.py" --equals "$trace" | jq -cS .)" \
	"$(jq -cS '.equal_contents | {looked_blocks, looked_bytes, unlooked_blocks, unlooked_bytes,
	zero_blocks, zero_bytes, groups, copies, saved_bytes,
	list: [.list[] | [.size_bytes, .copies, .addresses]]}' heap.json)"
same "in the text" 1 "$("$lariat" alloc "$trace" | grep -c 'Of equal content')"
same "--limit" 2 "$("$lariat" alloc --format json --limit 2 "$trace" | jq '.heap.interning | length')"
same "the contents are not told" 0 "$(grep -c 'the same text in all' "$trace")"

# A small trace has no room for all addresses: they are an even choice, and the sums stay.
options='LARIAT_SIZE=1M LARIAT_RECORD=heap'
record small "$victims/equals"
options=
"$lariat" alloc --format json --limit 0 "$(trace_of small)" | jq '.heap' >small.json
same "sums of a small trace" "$(tail -n 1 "$work/small.out")" \
	"$(jq -r ".equal_contents | $figures | join(\" \")" small.json)"
same "its largest group" "[333,5000,1664667]" \
	"$(jq -c '.equal_contents.list[0] | [.size_bytes, .copies, .saved_bytes]' small.json)"

# Without a leak scan nothing is known of contents, and nothing is said.
options=LARIAT_LEAK_SCAN=off
record off "$victims/equals"
options=
same "no scan" '[null,0]' \
	"$("$lariat" alloc --format json "$(trace_of off)" | jq -c '.heap | [.equal_contents, .interning_count]')"
same "no scan: text" 0 "$("$lariat" alloc "$(trace_of off)" | grep -c 'equal content')"

finish
