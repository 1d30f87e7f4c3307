#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""When a process has ended, its trace takes disk for what it holds, and for no more; one that was
killed holds all that was recorded."""
import json
import os
import struct
import subprocess
import sys
import tempfile

from checks import check, finish, same

top = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
build = os.path.realpath(os.environ.get("BUILD", os.path.join(top, "build")))
PAGE = 4096
STAGING, DICTIONARY, RING, LEAKS = 1, 2, 3, 7
CELLS = 2 * PAGE  # of a slot: its lock cells, and how long locks were held
PAIR = 7 * 8  # bytes of an ALLOC and a FREE in a slot


def pages(size):
    return (size + PAGE - 1) // PAGE * PAGE


class Disk:
    """Where a trace has disk, by section; 0 is the header."""

    def __init__(self, trace):
        with open(trace, "rb") as f:
            header = f.read(PAGE)
            self.slot_header = struct.unpack_from("<I", header, 44)[0]
            self.ring_head = struct.unpack_from("<Q", header, 560)[0]
            self.used, self.data = {}, {0: self.of(f, 0, PAGE)}
            for i in range(struct.unpack_from("<I", header, 40)[0]):
                kind, _, offset, size, used = struct.unpack_from("<IIQQQ", header, 48 + 32 * i)
                self.used[kind], self.data[kind] = used, self.of(f, offset, size)
                if kind == STAGING:
                    f.seek(offset + 8)
                    self.head = struct.unpack("<I", f.read(4))[0]
        self.total = os.stat(trace).st_blocks * 512

    @staticmethod
    def of(f, at, size):
        found, end = 0, at + size
        while at < end:
            try:
                start = os.lseek(f.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(f.fileno(), start, os.SEEK_HOLE)
            found += max(min(at, end) - start, 0)
        return found


def life(n, way, status):
    trace = "%d-%s.lariat" % (n, way)
    env = dict(os.environ, LD_PRELOAD=build + "/liblariat.so", LARIAT_OUTPUT=trace,
               LARIAT_QUIET="1")
    done = subprocess.run([build + "/victims/disk_ends", str(n), way], env=env, check=False,
                          stdout=subprocess.PIPE)
    same("%s: status" % trace, status, done.returncode)
    dump = subprocess.run([build + "/lariat", "dump", trace], stdout=subprocess.PIPE, check=True)
    events = [json.loads(line) for line in dump.stdout.splitlines()]
    same("%s: allocations" % trace, n,
          sum(e["kind"] == "alloc" and e["size"] == 100 for e in events))
    same("%s: frees" % trace, n, sum(e["kind"] == "free" for e in events))
    return trace, Disk(trace), events


def at_most(what, most, found):
    check(what, found <= most, "%d bytes of disk, at most %d" % (found, most))


def parts(trace, disk):
    """What does not depend on how the process ended."""
    at_most(trace + ": header", PAGE, disk.data[0])
    at_most(trace + ": dictionary", pages(disk.used[DICTIONARY]), disk.data[DICTIONARY])


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    # no event: what the process is, and that nothing leaks
    trace, disk, _ = life(0, "exit", 0)
    parts(trace, disk)
    same("nothing: slots", 0, disk.data[STAGING])
    at_most("nothing: all", 2 * PAGE + pages(disk.data[LEAKS]), disk.total)
    # what a slot's first disk holds stays there
    trace, disk, _ = life(60, "exit", 0)
    parts(trace, disk)
    check("few: in the slot", disk.head >= 60 * PAIR, "only %d bytes" % disk.head)
    at_most("few: slots", pages(disk.slot_header + disk.head) + PAGE, disk.data[STAGING])
    same("few: ring", 0, disk.data[RING])
    # all of it is in the ring
    trace, disk, _ = life(20000, "exit", 0)
    parts(trace, disk)
    same("many: the slot is empty", 0, disk.head)
    at_most("many: slots", CELLS, disk.data[STAGING])
    at_most("many: ring", pages(disk.ring_head), disk.data[RING])
    # one event comes when all is over
    trace, disk, events = life(20000, "late", 0)
    parts(trace, disk)
    check("late: in the slot", disk.head > 0, "nothing")
    same("late: bytes written", [5],
          [e["result"] for e in events if e["kind"] == "io" and e.get("call") == "stdio_write"])
    at_most("late: slots", pages(disk.slot_header + disk.head), disk.data[STAGING])
    # what was not brought into the ring is all there
    trace, disk, _ = life(5000, "kill", -9)
    check("killed: in the slot", disk.head >= 5000 * PAIR, "only %d bytes" % disk.head)
    check("killed: the slot has disk", disk.data[STAGING] >= disk.head, "it has not")
sys.exit(finish())
