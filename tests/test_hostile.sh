#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Surroundings that turn hostile before or while a program is recorded: it ends as it does alone,
# one line at most says what is not recorded, and what was recorded is there, to the allocation.
if [ -z "${HOSTILE_AS:-}" ]; then
	# mounts of our own; and where we are not root, its rights over what we make here
	HOSTILE_AS=$(id -u)
	export HOSTILE_AS
	if [ "$HOSTILE_AS" = 0 ]; then exec unshare -m "$0"; else exec unshare -Urm "$0"; fi
fi
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq mount
victim=$victims/hostile
export LARIAT_RECORD=heap

# Runs the victim behind commands of a shell; the words on standard error are in $words, its pid in
# $pid. They are read through a pipe, which no limit on files cuts.
run() { # COMMANDS ARG...
	# shellcheck disable=SC2016
	{
		bash -c "echo \$\$ >\"\$0\"; $1"'; exec env "$@"' "$work/pid" LD_PRELOAD="$lib" \
			LARIAT_OUTPUT="${output-$work/d/%p.lariat}" "$victim" "${@:2}" >"$work/out"
		echo $? >"$work/status"
	} 2>&1 | cat >"$work/err"
	status=$(<"$work/status")
	words=$(<"$work/err")
	pid=$(<"$work/pid")
}

fresh() {
	rm -rf "$work/d"
	mkdir -m 777 "$work/d"
}

# Allocations of the victim in its trace, and what of it was lost.
recorded() { # TRACE
	"$lariat" report --format json --limit 0 "$1" 2>&1 | jq -c '[([.heap.sites[] |
		select(.function == "allocate").allocations] | add), .trace.events_dropped]' 2>&1
}

parent() { recorded "$work/d/$pid.lariat"; }

child() {
	local trace
	for trace in "$work"/d/*; do
		case $trace in
		*/"$pid.lariat") ;;
		*.lariat) recorded "$trace" ;;
		esac
	done
}

# NAME, the victim's arguments, what is in the traces of the parent and of the child ("" = there is
# none), and the words on standard error as a pattern.
hostile() { # NAME ARGS PARENT CHILD WORDS
	local name=$1
	fresh
	# shellcheck disable=SC2086
	run : $2
	same "$name: exit" 0 "$status"
	same "$name: output" '' "$(<"$work/out")"
	same "$name: the parent's allocations" "$3" "$([ -e "$work/d/$pid.lariat" ] && parent)"
	same "$name: the child's allocations" "$4" "$(child)"
	checks=$((checks + 1))
	# shellcheck disable=SC2053
	[[ $words == $5 ]] || fail "$name: said '$words', not '$5'"
}

chmod 755 "$work"
mkdir "$work/empty"
hostile none '1000 70000 500 none' '[71000,0]' '[500,0]' ''
hostile chroot "1000 70000 500 chroot $work/empty" '[71000,0]' '' \
	'lariat: */d/*.lariat: cannot be created: *; nothing is recorded'
hostile deleted "1000 70000 500 remove $work/d" '' '' \
	'lariat: */d/*.lariat: cannot be created: *; nothing is recorded'
hostile descriptors '1000 70000 500 nofile' '[71000,0]' '' \
	'lariat: */d/*.lariat: cannot be created: too many open files; nothing is recorded'
hostile file-size '1000 700000 500 fsize' '[701000,0]' '' \
	'lariat: */d/*.lariat: cannot be created: the file size limit *; nothing is recorded'
hostile address-space '1000 700000 500 as' '[701000,0]' '[500,0]' ''
hostile streams '1000 70000 500 streams' '[71000,0]' '[500,0]' ''
if [ "$HOSTILE_AS" = 0 ]; then
	hostile rights '1000 70000 500 user' '[71000,0]' '[500,0]' ''
fi

# Limits from the start.
limited() { # ULIMIT TRACE WORDS
	fresh
	run "ulimit $1" 1000 1000 0 none
	same "ulimit $1: exit" 0 "$status"
	same "ulimit $1: allocations" "$2" "$([ -e "$work/d/$pid.lariat" ] && parent)"
	checks=$((checks + 1))
	# shellcheck disable=SC2053
	[[ $words == $3 ]] || fail "ulimit $1: said '$words', not '$3'"
}
limited '-n 4' '[2000,0]' ''
limited '-v 20000' '[2000,0]' ''
limited '-f 0' '' 'lariat: */d/*.lariat: cannot be created: the file size limit *; nothing is recorded'

# Names that are taken, and links: nothing is written through them.
fresh
echo precious >"$work/d/precious"
ln -s precious "$work/d/link"
mkfifo "$work/d/fifo"
for name in precious link fifo; do
	output=$work/d/$name run : 1000 0 0 none
	same "$name: exit" 0 "$status"
	case $name in
	fifo) said="lariat: $work/d/fifo: cannot be created: something else than a file has this name; nothing is recorded" ;;
	*) said= ;;
	esac
	same "$name: words" "$said" "$words"
done
same 'the foreign file' precious "$(<"$work/d/precious")"
same 'the link' precious "$(readlink "$work/d/link")"
same 'traces beside them' 2 "$(find "$work/d" -type f -size +0 ! -name precious | wc -l)"
same 'modes of the traces' 600 "$(find "$work/d" -type f ! -name precious -printf '%m\n' | sort -u)"
umask 0
fresh
run : 1000 0 0 none
same 'mode without a mask' 600 "$(find "$work/d" -type f -printf '%m\n')"
umask 022

# Disks that are full at the start, and later, because of the trace itself or of somebody else.
disk() { # NAME SIZE ARGS EVENTS WORDS; EVENTS: jq on [written, kept, folded, dropped]
	local name=$1 events
	fresh
	mount -t tmpfs -o "size=$2,mode=777" none "$work/d" || fail "$name: cannot mount"
	# shellcheck disable=SC2086
	run : $3
	same "$name: exit" 0 "$status"
	checks=$((checks + 1))
	# shellcheck disable=SC2053
	[[ $words == $5 ]] || fail "$name: said '$words', not '$5'"
	if [ "$4" ]; then
		events=$("$lariat" info --format json "$work/d/$pid.lariat" 2>&1 | jq -c '.trace |
			[.events_written, .events_kept, .events_folded, .events_dropped]')
		same "$name: $events" true "$(jq "$4" <<<"$events")"
	else
		same "$name: no trace" '' "$(find "$work/d" -name '*.lariat')"
	fi
	umount "$work/d"
}
more='no more disk space, the trace goes on in the space it has'
disk full-at-start 4k '1000 1000 0 none' '' \
	'lariat: */d/*.lariat: cannot be *: no space left; nothing is recorded'
# 4,001,000 blocks allocated and freed, and a few events more: all are in the figures
disk full-by-trace 1m '1000 4000000 0 none' '.[0] == .[1] + .[2] and .[0] > 8002000 and
	.[0] < 8010000 and .[2] > 1000000 and .[3] == 0' "lariat: */d/*.lariat: $more"
# what is in the buffer when the disk is full stays there, and what comes later is counted
disk full-by-others 16m "1000 4000000 0 fill $work/d/filler" '.[0] == .[1] and .[0] > 2000 and
	.[0] + .[3] > 8002000 and .[0] + .[3] < 8010000' "lariat: */d/*.lariat: $more"
disk full-later 16m "300000 4000000 0 fill $work/d/filler" '.[0] == .[1] + .[2] and
	.[0] > 8600000 and .[3] == 0' "lariat: */d/*.lariat: $more"
finish
