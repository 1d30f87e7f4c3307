#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The reader on damaged traces: a fixed number of mutations of the golden ones, with the address and
# undefined-behaviour sanitizers watching. time limit: 600
. "${BASH_SOURCE[0]%/*}/lib.sh"

compiler=${FUZZ_CC:-${CC:-gcc}}
need "$compiler"
reader=()
for name in alive checkpoint cursor dictionary folded follow histogram keymap modmap names path_memo processors \
	reach_scan readahead ringfile ringindex sparetime stacks staging stream stream_cells tickclock trace \
	unblock; do
	reader+=("$top/analyzer/$name.c")
done
if ! "$compiler" -std=gnu11 -D_GNU_SOURCE -O1 -g -fsanitize=address,undefined \
	-fno-sanitize-recover=undefined -o replay "$top/tests/fuzz/replay.c" \
	"$top/tests/fuzz/fuzz_trace.c" "${reader[@]}" "$top/preload/format/decode.c" -lzstd -pthread 2>err; then
	if grep -q 'cannot find.*[au]san' err; then
		echo "$compiler has no sanitizers"
		exit 77
	fi
	fail "the driver does not compile: $(head -n 5 err)"
	finish
fi

traces=("$top"/tests/golden/*.lariat "$top"/tests/golden/bad/*.lariat "$top"/tests/fuzz/*.lariat)
export ASAN_OPTIONS=abort_on_error=1:allocator_may_return_null=1 UBSAN_OPTIONS=abort_on_error=1
./replay "${FUZZ_ROUNDS:-2000}" "${traces[@]}" >out 2>err
same "exit of the driver" 0 $?
same "words of the driver" '' "$(tail -n 20 err)"
same "inputs" "$((${#traces[@]} * (${FUZZ_ROUNDS:-2000} + 1))) inputs read" "$(<out)"
finish
