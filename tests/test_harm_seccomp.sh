#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Programs that filter system calls, with filters that kill: they go on as without the recorder, which
# makes none then that it was not allowed.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

victim=$victims/harm_seccomp

# A filter that is refused leaves the one before in force.
harmless twice "$victim" twice

# What comes first after that is recorded, too.
all_recorded() { # WHAT TRACE
	same "$1: what is recorded" '[[100000,100000],0]' "$("$lariat" report --format json "$2" |
		jq -c '[[.heap.sites[] | select(.function == "work") | .allocations],
			.trace.events_dropped]')"
}
harmless first "$victim" first
all_recorded first "$(trace_of first)"
harmless child "$victim" child
for trace in "$work"/child.*.lariat; do
	[ "$trace" = "$(trace_of child)" ] || all_recorded child "$trace"
done

# One that cannot be a filter changes nothing, and nothing is said of it.
options=LARIAT_RECORD=all,cpu harmless probe "$victim" probe
same 'probe: what is said' '' "$(grep '^lariat: ' "$work/probe.err")"
finish
