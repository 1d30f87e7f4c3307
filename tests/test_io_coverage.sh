#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# One program with every way of I/O that tools overlook, built in the ways that programs are built:
# all of it is seen in all of them.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq gcc

# found BUILD: compares what the program said with the report, target by target.
found() {
	local report
	report=$(report_of "$1")
	[ "$(status_of "$1")" = 0 ] || fail "$1: exit status $(status_of "$1")"
	sed 's/^\([a-z+_]*\) \(open\|write\|flush\) /\1-\2 /' "$work/$1.err" >expected
	checks=$((checks + $(wc -l <expected)))
	[ "$(wc -l <expected)" -gt 55 ] || fail "$1 said only: $(head -n 3 expected)"
	jq -rn --rawfile lines expected --arg cwd "$PWD/" --arg out "$work/$1.out" \
		--slurpfile r "$report" '
		def full: if startswith("c_") then $cwd + . elif startswith("-") then $out
			else sub("^tcp@"; "tcp ") end;
		$lines | split("\n")[] | select(. != "") | split(" ") as [$check, $name, $key, $value] |
		($name | full) as $name |
		([$r[0].io.targets[] | select(.name == $name) | getpath($key | split("."))] | add) as $got |
		select($got != ($value | tonumber)) |
		"\($check): \($name) \($key): expected \($value), got \($got)"' >wrong
	while read -r line; do fail "$1: $line"; done <wrong
}

# The child that was forked last writes on a descriptor that it got from its parent.
child_found() {
	local trace
	for trace in "$work/$1".*.lariat; do
		"$lariat" io --limit 0 --format json "$trace"
	done | jq -s --arg name "$PWD/c_next" '[.[].io.targets[] | select(.name == $name).write.calls] | sort'
}

mkdir builds
for cc in gcc clang; do
	have $cc || continue
	for flags in "-O0" "-O2" "-O2 -D_FORTIFY_SOURCE=2" "-O2 -D_FORTIFY_SOURCE=3"; do
		for lfs in "" " -D_FILE_OFFSET_BITS=64"; do
			name=$(echo "$cc$flags$lfs" | tr -d ' ' | tr '=_' '--')
			# shellcheck disable=SC2086
			$cc -std=gnu11 -D_GNU_SOURCE -U_FORTIFY_SOURCE $flags $lfs -w \
				-o "builds/$name" "$top/tests/victims/io_coverage.c" || {
				fail "$name does not build"
				continue
			}
			rm -f c_*
			record "$name" "builds/$name"
			found "$name"
			same "$name: seen of what the kernel counted" true "$(field "$name" \
				'.io.coverage | .seen_bytes >= .kernel_bytes * 0.999 and
				.seen_bytes <= .kernel_bytes')"
			same "$name: mapped and synced" '1 1' "$(events_of "$(trace_of "$name")" | jq -rn '
				[inputs | select(.call == "msync" or
				((.call // "" | startswith("mmap")) and .size == 1048576)).call] |
				"\(map(select(. == "msync")) | length) \(map(select(. != "msync")) | length)"')"
		done
	done
done
same "an inherited descriptor in the child" '[1,50]' "$(child_found "$name" | jq -c .)"
finish
