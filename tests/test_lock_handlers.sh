#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A signal's handler that takes locks at any moment, also while the thread that it interrupts takes
# or gives back one: each lock has as many acquisitions as the program has counted.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

for wants in locks locks,cpu; do
	options=LARIAT_RECORD=$wants
	record "$wants" "$victims/lock_handlers"
	out=$work/$wants.out
	while read -r address count; do
		[ "$address" != others ] || continue
		same "$wants: lock $address" "$count" "$(field "$wants" \
			"[.locks.locks[] | select(.lock == \"$address\") | .acquisitions] | add")"
	done <"$out"
	same "$wants: all" "$(awk '{ n += $2 } END { print n }' "$out")" \
		"$(field "$wants" '.locks.totals.acquisitions')"
	same "$wants: nobody waited" 0 "$(field "$wants" .locks.totals.contended)"
done
finish
