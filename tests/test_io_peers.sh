#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Peers: a descriptor that came over a socket has its own name, small sends that wait for the peer and
# connects that wait for accept() are findings, and what only looks like them is none.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

record passed "$victims/io_peers" passed
same "passed: exit status" 0 "$(status_of passed)"
child=$work/passed.$(<"$work/passed.out").lariat
same "passed: bytes written to the file before and to the one that came" '[["p_before",11],["p_given",222]]' \
	"$("$lariat" io --format json "$child" | jq -c '[.io.targets[] |
	[(.name | sub(".*/"; "")), .write.bytes] | select(.[0] | startswith("p_"))] | sort')"
same "passed: the message is on the socket" '[["recvmsg",1]]' "$("$lariat" dump "$child" |
	jq -nc '[inputs | select(.call == "recvmsg") | [.call, .result]]')"

same "passed: the folder is one, what is written is not written to it" '[["directory",0]]' \
	"$(field passed "[.io.targets[] | select(.name == \"$PWD\" and (.errors == 0)) |
	[.kind, .write.bytes]] | tojson")"

# What is opened by its name is what it is, and one with what was open before.
record null bash -c 'echo a >&7; echo b >/dev/null; echo c >&7' 7>/dev/null
same "a device by two ways: one target" '[["device",6]]' \
	"$(field null '[.io.targets[] | select(.name == "/dev/null") | [.kind, .write.bytes]] | tojson')"
mkfifo named
(
	sleep 0.3
	echo late
) >named &
record fifo cat named
wait
same "a pipe by its name: what it is, how much came" '[["pipe",5]]' \
	"$(field fifo "[.io.targets[] | select(.name == \"$PWD/named\") | [.kind, .read.bytes]] | tojson")"
same "a pipe by its name: the wait for the writer is none for files" true "$(field fifo '.io as $io |
	[$io.targets[] | select(.kind == "pipe") | .read.time_ns | values] | add > $io.threads[0].file_ns')"
# Nor are those for somebody to open it; and what stat() has asked about before is no file for that.
(
	sleep 0.3
	echo late >named
) &
record asked bash -c 'test -p named && test -c /dev/null && read line <named; echo >/dev/null'
wait
same "a pipe whose other end is opened late: no wait for files" true \
	"$(field asked '.io.threads[0] | .event_ns > 2e8 and .file_ns < 2e8')"
same "asked about before" '["device","pipe"]' "$(field asked \
	"[.io.targets[] | select((.name == \"$PWD/named\" or .name == \"/dev/null\") and
	.kind != \"file\") | .kind] | unique | tojson")"

findings() { field "$1" '[.io.findings[] | [.rule, .target.name]] | tojson'; } # NAME
record small "$victims/io_peers" small
same "small: exit status" 0 "$(status_of small)"
same "small: one of three is a finding" \
	"$(jq -nc --arg name "tcp 127.0.0.1:$(head -n 1 "$work/small.out")" '[["nagle-delay", $name]]')" \
	"$(findings small)"
same "small: how often" "10 times small sends in a row and a late answer, without TCP_NODELAY" \
	"$(field small '.io.findings[0].evidence')"
"$lariat" io --format json --threshold delayed_sends=11 "$(trace_of small)" >small.json
same "small: other thresholds" 0 "$(jq '.io.findings | length' small.json)"

record queries "$victims/io_peers" queries
same "queries: exit status" 0 "$(status_of queries)"
same "queries: one of four is a finding" '[["many-queries","unix .s.PGSQL.5432"]]' "$(findings queries)"
same "queries: how many" '100 questions, each answered before the next, to PostgreSQL' \
	"$(field queries '.io.findings[0].evidence')"
same "queries: services" '["MySQL","PostgreSQL","memcached"]' \
	"$(field queries '[.io.targets[].service | select(.)] | unique | tojson')"

record backlog "$victims/io_peers" backlog
same "backlog: exit status" 0 "$(status_of backlog)"
same "backlog: one of three is a finding" '[["blocking-connect","unix b_late"]]' "$(findings backlog)"
# It waited for most of the 400 ms; the others for nobody.
same "backlog: the slowest connect" 'connect unix b_late true' "$(field backlog '[.io.slowest[] |
	select(.call == "connect")][0] | "\(.call) \(.target.name) \(.time_ns > 1e8)"')"
same "backlog: connects" '[["unix b_late",2],["unix b_quick",1]]' "$("$lariat" dump "$(trace_of backlog)" |
	jq -nc '[inputs | select(.call == "connect" and .result == 0).target_name] | group_by(.) |
	map([.[0], length])')"
finish
