#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Locks that a thread takes from more places than have their figures side by side: each place keeps
# its own, as long as there is room for that; where there is none the sums are right, and places
# that are used now come to have theirs.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

for how in "" wrap; do
	options=${how:+LARIAT_SIZE=1M}
	name=places$how
	record "$name" "$victims/lock_places" $how
	counts_right "$name"
	same "$name: by lock" '[80,80,80,80,80,1181,8000]' \
		"$(field "$name" '[.locks.locks[].acquisitions] | sort | tojson')"
	same "$name: each place" "$(grep '^{"function"' "$work/$name.out" | sort)" "$(jq -c '
		(.locks.locks | map(select(.acquisitions == 1181))[0].lock) as $one | .locks.sites[] |
		select(.lock == $one and .function != "waits") | {function, acquisitions}' \
		"$(report_of "$name")" | sort)"
	same "$name: who held it" '[["place_47"]]' "$(field "$name" '[.locks.sites[] |
		select(.function == "waits") | [.blamed[].function]] | tojson')"
	# Of 40 places 27 have room at once; without more of it 2600 acquisitions would not be known.
	same "$name: those that have room later" '[40,true]' "$(field "$name" '
		(.locks.locks | map(select(.acquisitions == 8000))[0].lock) as $two | [.locks.sites[] |
		select(.lock == $two and (.function | startswith("place")))] |
		[length, (map(.acquisitions) | add) > 7000] | tojson')"
done
finish
