#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# A signal's handler that takes locks at any moment, also while the thread that it interrupts takes
# or gives back one: each lock has as many acquisitions as the program has counted.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

for way in locks locks,cpu locks,alone; do
	options=LARIAT_RECORD=${way%,alone}
	argument=()
	[ "$way" = "${way%,alone}" ] || argument=(alone)
	record "$way" "$victims/lock_handlers" "${argument[@]}"
	out=$work/$way.out
	while read -r address count; do
		[ "$address" != others ] || continue
		same "$way: lock $address" "$count" "$(field "$way" \
			"[.locks.locks[] | select(.lock == \"$address\") | .acquisitions] | add")"
	done <"$out"
	same "$way: all" "$(awk '{ n += $2 } END { print n }' "$out")" \
		"$(field "$way" '.locks.totals.acquisitions')"
	same "$way: nobody waited" 0 "$(field "$way" .locks.totals.contended)"
done
finish
