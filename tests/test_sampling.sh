#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Sampled traces: the estimates are near the truth, the exact ones of a whole trace are exact, and
# a reader is told which of the two it has.
#
# An allocation of n bytes is recorded with probability p = 1 - exp(-n / P) and then counts 1 / p
# times. The estimate for N of them is unbiased with standard error sqrt(N (1 - p) / p) in blocks,
# n times that in bytes. A site that is right lies within 5 of them but for once in 1.7 million.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

period=65536

# Sites as "function blocks bytes left", exact ones from the victim, estimates from a report.
truth() { sort "$work/$1.err" | grep -v '^lariat: '; }
sites() {
	"$lariat" alloc --limit 0 --by function --format json "$(trace_of "$1")" | jq -r '
		.heap.sites[] | [.function, .allocations, .allocated_bytes, .live_blocks,
		.live_bytes] | join(" ")' | sort
}

# near NAME: every site of the victim that holds sample points, within 5 standard errors
near() {
	sites "$1" >"$work/$1.sites"
	while read -r function blocks size left; do
		[ "$size" -gt 0 ] || continue
		same "$1: $function within 5 standard errors" '' "$(
			grep "^$function " "$work/$1.sites" | awk -v N="$blocks" -v n="$size" \
				-v L="$left" -v P=$period '
			function off(x, truth, blocks, unit) {
				# half a unit for rounding
				return (x - truth)^2 > (unit * (5 * sqrt(blocks * (1 - p) / p) + 1))^2
			}
			BEGIN { p = 1 - exp(-n / P) }
			{ got = 1; if (off($2, N, N, 1) || off($3, N * n, N, n) ||
				off($4, L, L, 1) || off($5, L * n, L, n)) print }
			# a site of which no block need have been recorded
			END { if (!got && N * p > 30) print "no such site" }')"
	done < <(truth "$1")
}

### Of blocks that are all sampled each free is seen, however often they change.
cat >each.c <<'END'
#include <stdlib.h>
static void *kept[4000];
int main(void)
{
	unsigned r = 1;

	for (int i = 0; i < 200000; i++) {
		void **p = &kept[(r = r * 1103515245 + 12345) >> 8 & 2047], *aligned;
		size_t size = 64 + (r >> 12) % 400;

		if (r >> 30 == 0 && *p) {
			free(*p);
			*p = NULL;
		} else if (r >> 30 == 1 && !*p) {
			*p = calloc(1, size);
		} else {
			*p = realloc(*p, size);
		}
		if (i % 100 == 0 && !posix_memalign(&aligned, 64, size))
			free(aligned);
	}
	for (int i = 0; i < 1000; i++)
		free(kept[i]);
	return 0;
}
END
gcc -g -O1 -w -o each each.c
figures='.heap | [.allocations, .allocated_bytes, .frees, .freed_bytes, .live_blocks, .live_bytes,
	.unpaired_frees, .implied_frees]'
LARIAT_SAMPLE=0 record each0 ./each
LARIAT_SAMPLE=1 record each1 ./each
same "all sampled: as all recorded" "$(field each0 "$figures")" "$(field each1 "$figures")"
same "all sampled: some are left" true "$(field each1 '.heap.live_blocks > 500')"

options="LARIAT_SAMPLE=64K LARIAT_RECORD=heap"
# shellcheck disable=SC2086 # words
for run in one two three; do
	run_as "$run" "LD_PRELOAD=$lib" "LARIAT_OUTPUT=$work/$run.%p.lariat" $options -- \
		"$victims/heap_sampled"
	same "$run: the program's exit status" 0 "$(status_of "$run")"
	near "$run"
	report=$("$lariat" report --format json "$(trace_of "$run")")
	same "$run: the period" $period "$(jq .trace.sampled_bytes <<<"$report")"
	# about 3100 medium, 350 small and lost, 100 large, 750 in reallocs, 80 medium and lost
	same "$run: recorded allocations" true "$(jq '.heap.samples > 3500 and .heap.samples < 6000
		and .heap.samples < .heap.allocations / 40' <<<"$report")"
	same "$run: events" true "$(jq '.trace.events_written < 15000' <<<"$report")"
	same "$run: no free without its allocation" '[0,0]' \
		"$(jq -c '.heap | [.unpaired_frees, .implied_frees]' <<<"$report")"
	same "$run: what a sample cannot tell" '[null,null]' \
		"$(jq -c '.heap | [.temporary_allocations, .peak_error_bytes]' <<<"$report")"
	# both blocks recorded with p = (1 - exp(-1)) (1 - exp(-2)): standard error 20
	same "$run: reallocations" true \
		"$(jq '.heap.reallocations | . > 400 and . < 600' <<<"$report")"
	same "$run: leaks of both sites" '["medium_lost","small_lost"]' "$("$lariat" leaks --by \
		function --limit 0 --format json "$(trace_of "$run")" |
		jq -c '[.leaks.sites[].function | select(endswith("_lost"))] | sort')"
	same "$run: one line says so" 1 "$("$lariat" alloc "$(trace_of "$run")" |
		grep -c 'Estimates from sampling, about one in 64.0 KiB: [0-9,]* allocations recorded')"
done
# A ring that the I/O of the same program overflows: what is sampled stays estimated as a whole, what
# is not is counted as ever.
options="LARIAT_SAMPLE=64K LARIAT_SIZE=1M"
for run in wrapped again; do
	# shellcheck disable=SC2086 # words
	run_as "$run" "LD_PRELOAD=$lib" "LARIAT_OUTPUT=$work/$run.%p.lariat" $options -- \
		"$victims/heap_sampled" write 300000
	same "$run: the program's exit status" 0 "$(status_of "$run")"
	near "$run"
	"$lariat" report --format json "$(trace_of "$run")" >"$work/$run.json"
	same "$run: writes" 600000 "$(jq '[.io.targets[] | select(.name == "/dev/null").write.calls] |
		add' "$work/$run.json")"
	same "$run: nothing lost" '[0,0,false]' "$(jq -c '.trace |
		[.events_overwritten, .events_dropped, .partial]' "$work/$run.json")"
	same "$run: folded" true "$(jq '.trace.events_folded > 300000' "$work/$run.json")"
	same "$run: recorded allocations" true "$(jq '.heap.samples > 3500 and
		.heap.samples < 6000' "$work/$run.json")"
done

same "samples differ from run to run" 3 "$(sort -u <(sites one | md5sum) <(sites two | md5sum) \
	<(sites three | md5sum) | wc -l)"

run_as all "LD_PRELOAD=$lib" "LARIAT_OUTPUT=$work/all.%p.lariat" LARIAT_SAMPLE=0 \
	LARIAT_RECORD=heap -- "$victims/heap_sampled"
sites all >"$work/all.sites"
while read -r function blocks size left; do
	same "all: $function" "$function $blocks $((blocks * size)) $left $((left * size))" \
		"$(grep "^$function " "$work/all.sites")"
done < <(truth all)
same "all: reallocations, samples, period" '[500,true,0]' "$("$lariat" report --format json \
	"$(trace_of all)" | jq -c '[.heap.reallocations, .heap.samples == .heap.allocations,
	.trace.sampled_bytes]')"
same "all: no word of sampling" 0 "$("$lariat" report "$(trace_of all)" | grep -c Estimates)"
finish
