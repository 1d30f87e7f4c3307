#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Interrupted, cancelled, timed out and not blocking: a program's calls return what they would
# without the recorder, and are in the trace as what they were. Latencies are those that a peer
# caused.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

harmless waits "$victims/harm_waits"
same "interrupted calls in the trace" \
	'["clock_nanosleep","epoll_wait","nanosleep","pause","poll","read","select","usleep"]' \
	"$(events_of "$(trace_of waits)" | jq -rn -c '[inputs | select(.result == -4).call] | unique')"
same "calls that would have blocked" '["accept","read","write"]' \
	"$(events_of "$(trace_of waits)" | jq -rn -c '[inputs | select(.result == -11).call] | unique')"

# A peer that answers after times that it draws itself. What the program measured around each read
# is in its last line, in order; a quantile by nearest rank must be what the report has, but for the
# width of a bucket (1/16) and what the measuring itself takes.
record delays "$victims/io_delays"
same "delays: exit status" 0 "$(status_of delays)"
name=$(sed -n 's/^target //p' "$work/delays.out")
for part in 'p50 500' 'p90 900' 'p99 990' 'max 1000'; do
	read -r quantile thousandths <<<"$part"
	checks=$((checks + 1))
	sed -n 's/^took //p' "$work/delays.out" | sort -n >took
	rank=$((($(wc -l <took) * thousandths + 999) / 1000))
	measured=$(sed -n "${rank}p" took)
	got=$(field delays ".io.targets[] | select(.name == \"$name\") | .read.latency_ns.$quantile")
	jq -en --argjson got "$got" --argjson measured "$measured" \
		'$got <= $measured * 1.07 + 1000 and $got >= $measured * 0.93 - 100000' >/dev/null ||
		fail "$quantile: measured $measured, got $got"
done
# One thread waited for the network most of the time: as long as its reads took.
same "time for the network is the reads'" true "$(field delays '.io as $io |
	($io.targets[] | select(.name == "'"$name"'")) as $t | $io.threads[0] |
	.network_ns >= $t.read.time_ns and
	.wall_ns >= .running_ns + .network_ns + .file_ns + .sleep_ns + .event_ns + .lock_ns')"
finish
