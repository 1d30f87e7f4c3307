#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Calls of libc's lock functions in a recording of perf, by who called: the recorder, libc itself, or
somebody who came past the recorder. And how many of the recorder's then waited in the kernel.

    lockcalls.py PERF.DATA LIBLARIAT.SO    one line of JSON

Events are probes named lariat_FUNCTION with `ret`, the caller, and `lock`, the argument, and
syscalls:sys_enter_futex.
"""
import bisect
import collections
import json
import os
import re
import subprocess
import sys

WAITS = (0, 6, 9, 11, 13)  # FUTEX_WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI, LOCK_PI2
LOCK_BYTES = 64            # the words that are waited for are in what the lock takes

MAP = re.compile(r"PERF_RECORD_MMAP2? (\d+)/\d+: \[0x([0-9a-f]+)\(0x([0-9a-f]+)\) @ "
                 r"(?:0x)?([0-9a-f]+) .*: r.x. (\S+)")
PROBE = re.compile(r"^ *(\d+)/(\d+) .*probe_libc:lariat_(\w+): (\(\w+\)) ret=0x([0-9a-f]+) "
                   r"lock=0x([0-9a-f]+)")
FUTEX = re.compile(r"^ *(\d+)/(\d+) .*sys_enter_futex: uaddr: 0x([0-9a-f]+), op: 0x([0-9a-f]+)")
VERSION = re.compile(r"_\d$")  # perf's, where there are several functions of a name
Call = collections.namedtuple("Call", "name place caller wrapper lock")


class Maps:
    """What is mapped for execution where, by process; what is asked for is remembered."""

    def __init__(self):
        self.ranges = collections.defaultdict(list)
        self.known = {}

    def add(self, process, begin, size, offset, name):
        self.ranges[process].append((begin, begin + size, offset, os.path.basename(name)))

    def find(self, process, address):
        """(file, offset in it) of an address."""
        key = process, address
        if key not in self.known:
            self.known[key] = next(((name, address - begin + offset)
                                    for begin, end, offset, name in reversed(self.ranges[process])
                                    if begin <= address < end), ("unknown", 0))
        return self.known[key]


class Wrappers:
    """The recorder's functions by offset."""

    def __init__(self, library):
        text = subprocess.run(["nm", "-n", "--defined-only", library], capture_output=True,
                              text=True, check=True).stdout
        found = [line.split() for line in text.splitlines() if line.split()[1] in "tT"]
        self.offset = [int(words[0], 16) for words in found]
        self.name = [words[2] for words in found]

    def find(self, offset):
        return self.name[bisect.bisect(self.offset, offset) - 1]


def one_call(before, now):
    """Whether a wrapper's call is still the one before: libc's functions jump to others of its own,
    and a wrapper may try before it waits."""
    return before and before.place != now.place and \
        (before.caller == now.caller or
         before.wrapper == now.wrapper and before.lock == now.lock and "try" in before.name)


def count(lines, wrappers):
    maps, last = Maps(), {}
    calls, waited = collections.defaultdict(collections.Counter), collections.Counter()
    for line in lines:
        if found := PROBE.match(line):
            process, thread = int(found[1]), int(found[2])
            file, offset = maps.find(process, int(found[5], 16))
            ours = file == "liblariat.so"
            call = Call(VERSION.sub("", found[3]), found[4], found[5],
                        wrappers.find(offset) if ours else file, int(found[6], 16))
            if not one_call(last.get(thread), call):
                calls[file][call.name] += 1
                last[thread] = call
        elif found := FUTEX.match(line):
            thread, word = int(found[2]), int(found[3], 16)
            call = last.get(thread)
            if call and call.wrapper != "waited" and 0 <= word - call.lock < LOCK_BYTES and \
                    int(found[4], 16) & 127 in WAITS:
                waited[call.name] += 1
                last[thread] = call._replace(wrapper="waited")
        elif found := MAP.search(line):
            maps.add(int(found[1]), int(found[2], 16), int(found[3], 16), int(found[4], 16),
                     found[5])
    return calls, waited


def main():
    with subprocess.Popen(["perf", "script", "-i", sys.argv[1], "--show-mmap-events",
                           "--show-lost-events", "-F", "pid,tid,event,trace"], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as script:
        lines = list(script.stdout)
    calls, waited = count(lines, Wrappers(sys.argv[2]))
    print(json.dumps({"lost": sum("RECORD_LOST" in line for line in lines),
                      "recorder": calls.pop("liblariat.so", {}),
                      "libc": calls.pop("libc.so.6", {}),
                      "loader": calls.pop("ld-linux-x86-64.so.2", {}),
                      "past": calls, "waited": waited}))


main()
