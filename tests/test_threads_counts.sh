#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# Threads and locks: creations, joins and what nobody joined, acquisitions, waits, failed tries and
# timeouts of every type of mutex, contention with known counts; the same of locks for readers and
# writers, spinlocks, semaphores, conditions of both versions, C11's, barriers and futexes. Cancelled threads and jumps out of
# handlers leave the recorder ready for what comes next.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
need jq

record locks "$victims/locks"
counts_right locks
record more "$victims/locks_more"
counts_right more
record life "$victims/threads_life"
counts_right life
same 'the named thread' 1 "$(field life '[.threads.list[] | select(.name == "a-named-thread")] | length')"

record cancelled "$victims/harm_cancel" counts
counts_right cancelled
record jumped "$victims/harm_longjmp" counts
counts_right jumped
finish
