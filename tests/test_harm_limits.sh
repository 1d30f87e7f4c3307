#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Programs started where the recorder cannot have what it wants: no descriptors, no room in files,
# little address space, no standard streams, a folder that cannot be written, another user's rights.
# The program runs as ever; a trace there may be or not.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
no_trace=1

victim=$victims/harm_ends
limited() { # NAME SETTING
	harmless "$1" sh -c "$2; exec \"\$0\" exit" "$victim"
}

limited no-descriptors 'ulimit -n 4'
limited no-file-size 'ulimit -f 0'
limited small-file-size 'ulimit -f 100'
limited little-memory 'ulimit -v 40000'
limited small-stack 'ulimit -s 100'
limited no-stdin 'exec <&-'
limited no-stderr 'exec 2>&-'
limited no-streams 'exec <&- >&- 2>&-'
limited no-cores 'ulimit -c 0'

# What a program opens first must not depend on us, whichever streams are closed.
for closed in '<&-' '>&-' '2>&-' '<&- 2>&-'; do
	harmless "first-descriptor-$closed" sh -c "exec $closed; exec \"\$0\" standard" \
		"$victims/harm_fds"
done

mkdir readonly
chmod 555 readonly
# a name that a file has already gets a number; beside a device or a folder there must be nothing
ln -s /dev/full full
for where in "$PWD/full" /nowhere/at/all/%p "$PWD/readonly/%p" /dev/null /proc/self/%p "$PWD/readonly"; do
	options=LARIAT_OUTPUT=$where harmless "output-${where//\//-}" "$victim" exit
	case $where in
	*/full | /dev/null | */readonly)
		same "said: $where" 1 "$(grep -c '^lariat: .*something else than a file has this name' \
			"$work/output-${where//\//-}.err")"
		same "no file beside $where" "" "$(ls "$where".[0-9]* 2>/dev/null)"
		;;
	esac
done
for bad in LARIAT_SIZE=banana LARIAT_SIZE=1 LARIAT_DEPTH=-3 LARIAT_RECORD=everything \
	LARIAT_INTERVAL=never; do
	options=$bad harmless "$bad" "$victim" exit
done

# Another user may not write here at all.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	harmless other-user setpriv --reuid 65534 --regid 65534 --clear-groups "$victim" exit
fi

# What is set aside to seal buffers, and from when the ring is half full for figures.
for size in 256M 4M; do
	options=LARIAT_SIZE=$size harmless "data-of-$size" "$victims/harm_limits" data
done

# All of a program's memory is locked: what is left of a limit is what it was, and nothing is resident
# that is not the program's.
memlock=$victims/harm_memlock
for flags in 0 1 2 3 4 5 6 7 8; do
	harmless "lock-$flags" "$memlock" "$flags" 0
	for mib in 1 32; do
		harmless "lock-$flags-of-$mib" "$memlock" "$flags" "$mib"
	done
done
harmless lock-threads "$memlock" 3 0 threads
harmless lock-threads-of-32 "$memlock" 3 32 threads

# A smallest ring that wraps many times.
no_trace=
options=LARIAT_SIZE=1M harmless smallest "$victims/heap_threads"
for depth in 8 4096; do
	options=LARIAT_DEPTH=$depth harmless "depth-$depth" "$victims/harm_stack" deep
done
finish
