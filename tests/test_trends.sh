#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Programs that leak and programs that only seem to, recorded: no site that grows is missed, none
# is said to grow that does not, and the shape of the others is named. States precision and recall.
# What is true each program says itself: tests/victims/trend_corpus.c.
# time limit: 300
. "$(dirname "$0")/lib.sh"

need jq
corpus=$victims/trend_corpus
seconds=2.5

judge() { # SCENARIO
	LARIAT_RECORD=heap run_as "$1" "LD_PRELOAD=$lib" "LARIAT_OUTPUT=$work/$1.%p.lariat" \
		-- "$corpus" "$1" "$seconds"
	"$lariat" leaks --by function --limit 0 --format json "$(trace_of "$1")" >"$work/$1.json"
}

# They wait more than they work: two at a time take no longer than one.
mapfile -t scenarios < <("$corpus")
for ((i = 0; i < ${#scenarios[@]}; i += 2)); do
	judge "${scenarios[i]}" &
	[ -z "${scenarios[i + 1]:-}" ] || judge "${scenarios[i + 1]}" &
	wait
done

hit=0 missed=0 alarms=0
for scenario in "${scenarios[@]}"; do
	same "$scenario: exit status" 0 "$(status_of "$scenario")"
	[ -s "$work/$scenario.out" ] || fail "$scenario: says nothing of what is true"
	while read -r function truth; do
		got=$(jq -r --arg f "$function" '[.leaks.trends[] |
			select(.function == $f).verdict][0] // "steady"' "$work/$scenario.json")
		printf '%-18s %-12s %-9s %s\n' "$scenario" "$function" "$truth" "$got"
		case $truth in
		growing) if [ "$got" = growing ]; then hit=$((hit + 1)); else missed=$((missed + 1)); fi ;;
		esac
		# A level that moves up and down at random may look like teeth.
		[ "$truth/$got" != steady/sawtooth ] || got=steady
		same "$scenario: $function" "$truth" "$got"
	done <"$work/$scenario.out"
	# Whatever else is in the program, the C library's own blocks included.
	while read -r function; do
		grep -q "^$function growing$" "$work/$scenario.out" && continue
		alarms=$((alarms + 1))
		fail "$scenario: $function is said to grow"
	done < <(jq -r '.leaks.trends[] | select(.verdict == "growing").function' \
		"$work/$scenario.json")
	same "$scenario: sites that grow" \
		"$(grep -c ' growing$' "$work/$scenario.out")" \
		"$(jq '.leaks.growing.sites' "$work/$scenario.json")"
done
same "growing sites missed" 0 "$missed"
same "false alarms" 0 "$alarms"
awk -v h=$hit -v m=$missed -v a=$alarms \
	'BEGIN { printf "precision %.3f, recall %.3f\n", h / (h + a), h / (h + m) }'

# 1 KiB/s: 64 blocks of 16 bytes a second, in 1 GB/s.
rate=$(jq '.leaks.trends[] | select(.function == "leak").slope_bytes_per_s' \
	"$work/linear_leak.json")
same "slope of 1 KiB/s: $rate" true "$(jq -n "$rate > 920 and $rate < 1130")"
churned=$("$lariat" alloc --format json "$(trace_of linear_leak)" | jq '.heap.allocated_bytes')
same "churn of 1 GB/s: $churned in $seconds s" true "$(jq -n "$churned > 0.9e9 * $seconds")"
# At 1 KiB/s, what is between now and then some 1000 s away.
live=$("$lariat" growth --format json "$(trace_of linear_leak)" |
	jq '.growth | .samples[-1].rss_bytes // .live_bytes')
eta=$("$lariat" leaks --by function --limit-bytes $((live + 1024000)) --format json \
	"$(trace_of linear_leak)" | jq '.leaks.trends[] | select(.function == "leak").eta_s')
same "time to a limit: $eta" true "$(jq -n "$eta > 850 and $eta < 1150")"

# Of the teeth, the cycles of the heap are as many as were released, each to nearly nothing.
growth=$("$lariat" growth --format json "$(trace_of sawtooth)")
same "cycles of the sawtooth" '[6,true]' "$(jq -c '[(.growth.cycles | length),
	(.growth.cycles | all(.peak_bytes > 300000 and .retained_bytes < 40000))]' <<<"$growth")"
same "samples are in order of time" true \
	"$(jq '[.growth.samples[].at_ns] | . == sort and length > 100' <<<"$growth")"
# A run of a moment tells no trend.
LARIAT_RECORD=heap run_as short "LD_PRELOAD=$lib" "LARIAT_OUTPUT=$work/short.%p.lariat" \
	-- "$corpus" linear_leak 0.2
same "no verdict on a short run" 0 "$("$lariat" leaks --limit 0 --format json \
	"$(trace_of short)" | jq '.leaks.trends | length')"
same "the text says so" 1 "$("$lariat" leaks "$(trace_of short)" | grep -c 'Too short a run')"

# The ring has wrapped, only the end is kept: a site that leaks is still seen to, one that only
# replaces what is no longer in the record is not.
for scenario in busy_cache busy_leak; do
	name=$scenario.wrapped
	LARIAT_SIZE=1M LARIAT_RECORD=heap run_as "$name" "LD_PRELOAD=$lib" \
		"LARIAT_OUTPUT=$work/$name.%p.lariat" -- "$corpus" "$scenario" 5
	"$lariat" leaks --by function --limit 0 --format json "$(trace_of "$name")" \
		>"$work/$name.json"
	same "$name: is wrapped" true "$(jq '.trace.events_folded > 100000' "$work/$name.json")"
	same "$name: what grows" "$(grep -o '^[a-z_]* growing' "$work/$name.out")" \
		"$(jq -r '.leaks.trends[] | select(.verdict == "growing") | "\(.function) growing"' \
			"$work/$name.json")"
done
# While it runs, and when it was killed.
LARIAT_RECORD=heap LD_PRELOAD=$lib LARIAT_OUTPUT=$work/live.lariat "$corpus" freed_at_exit 60 \
	>"$work/live.out" &
pid=$!
for _ in {1..300}; do
	sleep 0.1
	ran=$("$lariat" info --format json "$work/live.lariat" 2>"$work/live.err" |
		jq '.process.duration_ns // 0' 2>>"$work/live.err")
	[ "${ran:-0}" -lt 2000000000 ] || break
done
growing() {
	"$lariat" leaks --by function --format json "$work/live.lariat" | jq -c '[.process.end,
		(.leaks.trends[] | select(.verdict == "growing").function)]'
}
same "a live process" '["running","leak"]' "$(growing)"
kill -9 $pid
wait $pid 2>/dev/null
same "a killed process" '["unknown","leak"]' "$(growing)"
finish
