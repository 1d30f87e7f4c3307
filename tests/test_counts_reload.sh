#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Two libraries loaded and unloaded in turn, at the same addresses: what each allocated is under the
# names of its own functions.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

record reload "$victims/harm_plugin" reload
same 'the libraries take the same addresses' 'same addresses' "$(cat "$work/reload.err")"
made_by() { # FUNCTION: blocks, bytes, the library's name
	field reload "[.heap.sites[] | select(.function == \"made_by_$1\")] |
		\"\(map(.allocations) | add) \(map(.allocated_bytes) | add) \(map(.module | split(\"/\")[-1]) |
		unique | join(\" \"))\""
}
same 'made_by_a' '200 20000 libreload_a.so' "$(made_by a)"
same 'made_by_b' '200 40000 libreload_b.so' "$(made_by b)"
finish
