#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The benchmark runs, counts what it says, and names its columns. No figure of time is asserted.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need gcc python3 jq "$build/liblariat.so" "$build/lariat"

bench() { BUILD=$build "$top/tests/bench/run" "$@"; }

bench --quick --scale 0.01 --rounds 1 --tools lariat --only locks --only 'depth 15' \
	--only start --only compile --json "$work/out.json" >"$work/out" 2>"$work/err"
same 'exit status' 0 $?
same 'standard error' '' "$(cat "$work/err")"
same 'columns' 'load tool calls CPU added +- wall RSS disk L:tool' \
	"$(grep '^load  ' "$work/out" | tr -s ' ')"
for load in 'depth 15' locks; do
	same "$load: rows" "$load native
lariat" "$(sed -n "/^$load /,/ lariat /p" "$work/out" |
		sed -E 's/^ +//; s/  +/ /g; s/^(.*(native|lariat)) .*/\1/')"
done
same 'too wide' 0 "$(awk 'length > 100' "$work/out" | wc -l)"

# The counts are Lariat's of the recorded run, against the program's own.
json() { jq -c "$1" "$work/out.json"; }
same 'locks' '[20000,20000]' "$(json '.loads[] | select(.name == "locks") | [.events, .own_calls]')"
same 'depth 15: own' 20000 "$(json '.loads[] | select(.name == "depth 15") | .own_calls')"
same 'depth 15: no less' true \
	"$(json '.loads[] | select(.name == "depth 15") | .events >= .own_calls')"
same 'trace on disk' true "$(json '[.loads[].samples.lariat[].disk_bytes > 0] | all')"
same 'nothing on disk natively' true "$(json '[.loads[].samples.native[].disk_bytes == 0] | all')"
same 'start' '["lariat","lariat run","native"]' "$(json '.start | keys')"
# the driver, the compiler, the assembler, the linker and what calls the linker
same 'compile' '[["lariat",5],["lariat run",5],["native",0]]' \
	"$(json '.compile | to_entries | map([.key, .value.traces]) | sort')"

# Every way of locking, counted by the program itself; what of it a tool's own output has.
bench --scale 0.01 --rounds 1 --tools lariat --only 'contended *' --only condition --only 'readers *' \
	--json "$work/out.json" >"$work/out" 2>"$work/err"
same 'locks: exit status' "0 $(cat "$work/err")" "$? "
same 'locks: ways' '["condition","contended 2","contended 4","readers 2","readers 4"]' \
	"$(json '[.loads[].name] | sort')"
same 'locks: counts' '[0,0,0,0,0]' "$(json '[.loads[] | .events - .own_calls]')"
same 'locks: rows of what is recorded' 5 "$(grep -c '^  .* lariat .*/s   recorded all$' "$work/out")"

# A tool that is not there is named with its package; one that fails is no figure.
PATH=/usr/bin:/bin bench --list >"$work/list"
same 'list' 1 "$(grep -c '^depth 80 ' "$work/list")"
same 'list: tools' 1 "$(grep -c '^tools: .*lariat heap' "$work/list")"
bench --only 'no such load' >"$work/out" 2>&1
same 'nothing chosen' 1 $?
bench --tools 'lariat,nonsense' >"$work/out" 2>"$work/err"
same 'a tool that there is not' '1 bench: there is no tool nonsense: see --list' "$? $(cat "$work/err")"
# Lariat counts the calls, also where only others are asked for.
bench --scale 0.01 --rounds 1 --tools 'lariat heap' --only perl >"$work/out" 2>"$work/err"
same 'one tool: exit status' "0 $(cat "$work/err")" "$? "
same 'one tool: figures' 1 "$(grep -c '^  *lariat heap  *[0-9]' "$work/out")"
finish
