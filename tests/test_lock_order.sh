#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Orders of locks that can end in a deadlock, shape by shape, beside helgrind's reports: what we tell,
# it tells, too, and what it alone tells can do no harm.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq "$lariat"

# The shape, circles by helgrind and by us, and the edges of ours. Helgrind alone tells of one thread's
# own orders, which no other thread meets; of orders behind a lock that both sides hold; of a trylock
# that gives up instead of waiting; and of two readers, who do not keep each other out but where a
# writer waits between them, and goes first.
cat >"$work/shapes" <<'END'
two_threads 1 1 2
one_thread 1 0 0
philosophers 1 1 5
philosophers_but_one 0 0 0
renewed 0 0 0
renewed_again 1 1 2
gated 1 0 0
half_gated 1 1 2
tried_inner 1 0 0
tried_outer 1 1 2
recursive 0 0 0
readers 1 0 0
readers_and_writers 1 0 0
readers_behind_writers 1 1 2
readers_nobody_writes 1 0 0
mixed 1 1 2
END
mkdir traces
LARIAT_QUIET=1 LARIAT_OUTPUT=$PWD/traces/%p LD_PRELOAD=$lib "$victims/lock_laog" >pids
same "shapes" "$(cut -d ' ' -f 1 "$work/shapes")" "$(cut -d ' ' -f 1 pids)"
while read -r shape pid; do
	"$lariat" locks --format json "traces/$pid" >"$shape.json"
	same "$shape: circles, edges" "$(sed -n "s/^$shape . //p" "$work/shapes") true" \
		"$(jq -r '.locks | "\(.inversions | length) \([.inversions[].edges | length] | add // 0) \(
		.inversions_complete)"' "$shape.json")"
done <pids
sides() { jq -c '[.locks.inversions[].edges[].acquired.function] | sort' "$1.json"; } # SHAPE
same "two threads: sides" '["a_b","b_a"]' "$(sides two_threads)"
same "renewed again: sides" '["a_b","b_a"]' "$(sides renewed_again)"
same "philosophers: sides" '["eats","eats","eats","eats","eats"]' "$(sides philosophers)"
same "philosophers: each waits for what the next one holds" true "$(jq '.locks.inversions[0].edges |
	[range(5) as $i | .[$i].acquired.lock == .[($i + 1) % 5].held.lock] | all' philosophers.json)"

if have valgrind; then
	valgrind --tool=helgrind "$victims/lock_laog" >pids 2>helgrind
	while read -r shape pid; do
		same "$shape: by helgrind" "$(sed -n "s/^$shape \(.\) .*/\1/p" "$work/shapes")" \
			"$(grep -c "^==$pid== .*lock order .* violated" helgrind)"
	done <pids
fi
finish
