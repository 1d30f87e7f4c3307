#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# What is not to be recorded costs next to nothing: the instructions that a call takes more than
# natively, as valgrind counts them, of runs of two lengths, so that their start and end fall out.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need valgrind gcc

SHORT=20000 LONG=120000

# The instructions of a load of so many rounds; with RECORD the recorder is there.
instructions() { # COUNT [RECORD] -- LOAD ARGUMENTS (COUNT is replaced)
	local count=$1 env=(A_VARIABLE=1)
	shift
	[ "$1" = -- ] || env=("LD_PRELOAD=$lib" LARIAT_QUIET=1 "LARIAT_RECORD=$1"
		"LARIAT_OUTPUT=$work/load.%p.lariat")
	while [ "$1" != -- ]; do shift; done
	shift
	run_as load "${env[@]}" -- valgrind --tool=callgrind --callgrind-out-file=/dev/null \
		"${@//COUNT/$count}"
	sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$work/load.err" | grep . || echo 0
}

# MOST: instructions that one round of the load, two calls, may take more.
passes() { # MOST RECORD LOAD ARGUMENTS
	local most=$1 record=$2 native recorded more
	shift 2
	native=$(($(instructions $LONG -- "$@") - $(instructions $SHORT -- "$@")))
	recorded=$(($(instructions $LONG "$record" -- "$@") -
		$(instructions $SHORT "$record" -- "$@")))
	more=$(((recorded - native) / (LONG - SHORT)))
	echo "$record, ${*##*/}: $more instructions"
	checks=$((checks + 1))
	# a wrapper that is called takes some
	[ "$native" -gt 0 ] && [ "$more" -gt 0 ] && [ "$more" -le "$most" ] ||
		fail "--record $record: a round of ${*##*/} takes $more instructions more"
}

for load in load_locks load_io load_heap; do
	gcc -O2 -pthread -o $load "$top/tests/bench/$load.c"
done
passes 25 heap ./load_locks alone COUNT
passes 120 heap ./load_io COUNT
passes 80 locks ./load_heap depth COUNT 5 0
finish
