#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Locks that a thread takes from more places than have their figures side by side: each place keeps
# its own, as long as there is room for that; where there is none the sums are right, and places
# that are used now come to have theirs.
# And of more locks than there is room for, all figures of each are right, and those that are taken
# often keep their place.
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

for how in "" wrap; do
	options=${how:+LARIAT_SIZE=1M}
	name=many$how
	record "$name" "$victims/lock_many" $how
	same "$name: exit status" 0 "$(status_of "$name")"
	same "$name: as many holds as acquisitions, of each lock and of all" '[100000,0]' \
		"$(field "$name" '[(.locks.locks | map(.acquisitions) | add),
		([.locks.locks[] | select(.acquisitions != .hold_ns.count)] | length)] | tojson')"
	same "$name: those that are taken often" 8 \
		"$(field "$name" '[.locks.locks[] | select(.acquisitions == 10000)] | length')"
done
same "each lock that is taken in turns" '[400,50,50]' "$(field many '[.locks.locks[] |
	select(.acquisitions != 10000).acquisitions] | [length, min, max] | tojson')"

# what is made room for tells its sum: those of a place that is kept are few
"$lariat" dump "$(trace_of many)" | jq -c 'select(.kind == "locksum") | .address' >sums
field many '.locks.locks[] | select(.acquisitions == 10000).lock' | sort >often
same "locks that are taken often" 8 "$(grep -c 0x often)"
printf '%s\n' "$(jq -r . sums)" | awk '{ printf "0x%x\n", $1 }' | sort >sums.hex
same "their sums are few" true \
	"$([ "$(join sums.hex often | grep -c .)" -lt 400 ] && echo true)"
same "the others' are many" true "$([ "$(grep -c . sums.hex)" -gt 10000 ] && echo true)"
finish
