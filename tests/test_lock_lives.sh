#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Locks that go from thread to thread, those that come to be at an address where there was another,
# and those that are never given back; also where the ring has given up what came first.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

for how in "" wrap; do
	options=${how:+LARIAT_SIZE=1M}
	name=lives$how
	record "$name" "$victims/lock_lives" $how
	counts_right "$name"
	if [ "$how" ]; then
		same "has wrapped" true "$("$lariat" info --format json "$(trace_of "$name")" |
			jq '.trace.events_folded > 10000')"
	fi
	# Each address by what was at it, in turn: what both threads took of it.
	same "$name: at one address" '[[[1,4],[2,4]],[[1,15],[2,27]],[[1,150],[2,270]]]' "$(field "$name" \
		'.locks.locks | group_by(.lock) | map(sort_by(.instance) | map([.instance, .acquisitions]) |
		select(length > 1)) | sort_by(.[0][1]) | tojson')"
	# four that stay, three addresses with two each, two that are not given back
	same "$name: no condition among them" 12 "$(field "$name" '.locks.locks | length')"
	same "$name: changes of these" '[0,0,1,1,1,1]' "$(field "$name" \
		'[.locks.locks | group_by(.lock)[] | select(length > 1)[] | .owner_changes] | sort | tojson')"
	same "$name: all are known" '[true]' "$(field "$name" '[.locks.locks[].owner_known] | unique | tojson')"
	same "$name: held at the end" '["not_given_back",1,true]' "$(field "$name" \
		'.locks.held_at_end[0] | [.stack[0].function, .thread, .held_ns > 0] | tojson')"
	same "$name: left behind" '["leaves"]' "$(field "$name" \
		'[.locks.findings[] | select(.rule == "lock-abandoned") | .site.stack[0].function] | tojson')"
done
finish
