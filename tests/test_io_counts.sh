#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Every wrapped I/O call is counted once, with its bytes and errors, short ones apart, and under
# the path of the file that it was for.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq nm

record files "$victims/io_files"
counts_right files
record short "$victims/io_files" short
counts_right short
# Far more names than the recorder's first table of them has room for: each is one target still.
record many "$victims/io_files" many
counts_right many
same 'many: files, least and most bytes written to one' '1500 2 2' "$("$lariat" dump \
	"$(trace_of many)" | jq -rn '[inputs | select(.call == "write").target] | group_by(.) |
	map(length) | "\(length) \(min) \(max)"')"
same 'many: names in the dictionary' 1500 \
	"$("$lariat" info --format json "$(trace_of many)" | jq .targets)"
# Files that are reached through open folders have the names that the system gives them.
mkdir folders
record folders "$victims/io_folders" "$PWD/folders"
same 'folders: exit status' 0 "$(status_of folders)"
same 'folders: names' "$(sort -k 2 "$work/folders.out")" "$("$lariat" dump "$(trace_of folders)" |
	jq -r 'select(.call == "write" and .size < 100) | "\(.size) \(.target_name)"' |
	grep "/folders/" | sort -k 2)"
same 'folders: how many' 15 "$(wc -l <"$work/folders.out")"
# Killed with all it wrote in a stream's buffer: what it asked for is told all the same.
record unflushed "$victims/io_unflushed" "$PWD/unflushed" 2500
same "unflushed: killed, with an empty file" '137 0' \
	"$(status_of unflushed) $(stat -c %s unflushed)"
same "unflushed: calls and bytes" "$(grep "=" "$work/unflushed.out" | xargs)" "$(field unflushed \
	".io.targets[] | select(.name == \"$PWD/unflushed\") | .stdio_write |
	\"calls=\(.calls) bytes=\(.bytes)\"")"
same "unflushed: none of it reached the system" '[0,0]' "$(field unflushed \
	".io.targets[] | select(.name == \"$PWD/unflushed\") | .stdio_write.system |
	[.calls, .bytes] | tojson")"
found() { jq -c '[.io.findings[] | select(.rule | startswith("un")) | [.rule, .evidence,
	(.target.name | sub(".*/"; "")), .site.function]]' "$1"; }
same "unflushed: killed with data in the buffer" "[[\"unwritten-data\",\"unflushed\",true]]" "$(field \
	unflushed "[.io.findings[] | select(.rule | startswith(\"un\")) | [.rule, (.target.name |
	sub(\".*/\"; \"\")), (.site.function == \"main\")]] | tojson")"
record late "$victims/io_unflushed" "$PWD/late"
"$lariat" io --format json --threshold unflushed_ns=50000000 "$(trace_of late)" >late.json
same "late: flushed late, and not at all" '["unflushed-data","late","late"],["unwritten-data","late","never"]' \
	"$(found late.json | jq -c '.[] | [.[0], .[2], .[3]]' | paste -sd,)"
same "late: 30 lines of 7 bytes were left" '"210 B were in the buffer of a stream when the process ended"' \
	"$(found late.json | jq -c '.[1][1]')"
same "late: streams in memory are no I/O" '[41,1,0,2]' "$(field late '.io | [.totals.stdio_write.calls,
	([.targets[] | select(.stdio_write)] | length), ([.sites[] | select(.function == "in_memory")] |
	length), .totals.stdio_write.system.calls] | tojson')"
"$lariat" io --format json --threshold unwritten_bytes=211 "$(trace_of late)" >late.json
same "late: other thresholds" '[]' "$(found late.json)"
record sockets "$victims/io_sockets"
counts_right sockets

# The program must really call the checked twins, or this would test nothing.
for twin in __read_chk __pread_chk __pread64_chk __recv_chk __recvfrom_chk __open_2 __open64_2 \
	__openat_2 __openat64_2; do
	nm -D "$victims/io_fortified" | grep -q " U $twin\(@\|$\)" ||
		fail "io_fortified does not call $twin"
done
record fortified "$victims/io_fortified"
counts_right fortified

target() { field files "[.io.targets[] | select(.name == \"$1\")] | length, (.[0] | $2)"; }
same 'only_this: one target; writes, their bytes, reads, their bytes' '1 3 3000 2 1000' \
	"$(target "$PWD/only_this" '.write.calls, .write.bytes, .read.calls, .read.bytes' | xargs)"
same 'by_openat: known by its path however it was opened' '1 by_openat' \
	"$(target "$PWD/by_openat" '.name' | xargs | sed "s,$PWD/,,")"
finish
