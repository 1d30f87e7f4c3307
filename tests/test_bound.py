#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# time limit: 900
"""Whatever a program does much of, the trace takes no more disk than its bound at any moment, the
recorder no more memory than its manual page states, every total is exact, and what was given up is
counted.

    BOUND_EVENTS=N BOUND_STACKS=N BOUND_THREADS=N BOUND_FILES=N BOUND_LIVE=N BOUND_LOCKS=N
"""
import json
import os
import re
import subprocess
import sys
import tempfile
import time

from checks import check, finish

top = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
build = os.path.realpath(os.environ.get("BUILD", os.path.join(top, "build")))
lariat, victim = build + "/lariat", build + "/victims/bound_load"
MIB = 1 << 20
SIZES = 1, 4, 64  # MiB
TIMES = {"events": 4000000, "stacks": 1600000, "threads": 10000, "files": 100000, "live": 500000,
         "locks": 300000}
MANY_STACKS = 64 * MIB  # "can need more"


def stated_memory():
    """The figures of the manual page: MiB at most, bytes for each block, MiB for each thread."""
    with open(top + "/preload/liblariat.7") as f:
        words = " ".join(f.read().split())
    found = re.search(r"at most (\d+) MiB, (\d+) bytes for each block of the heap in use, and "
                      r"(\d+) MiB for each thread", words)
    return [int(n) for n in found.groups()]


def run_alone(way, times):
    """The most anonymous memory that the victim has alone, which may be over in a moment."""
    done = subprocess.run([victim, way, str(times), "peak"], stdout=subprocess.PIPE, text=True)
    return done.returncode, int(done.stdout or 0)


def run(way, times, trace, size):
    """Runs the victim; the most anonymous memory and disk that it was seen to have."""
    env = dict(os.environ)
    env.update(LD_PRELOAD=build + "/liblariat.so", LARIAT_OUTPUT=trace, LARIAT_QUIET="1",
               LARIAT_SIZE="%dM" % size)
    p = subprocess.Popen([victim, way, str(times)], env=env)
    memory = disk = 0
    while p.poll() is None:
        try:
            with open("/proc/%d/status" % p.pid) as f:
                found = re.search(r"RssAnon:\s*(\d+)", f.read())
            memory = max(memory, int(found.group(1)) << 10 if found else 0)
        except OSError:
            pass
        if os.path.exists(trace):
            disk = max(disk, os.stat(trace).st_blocks * 512)
        time.sleep(0.005)
    return p.returncode, memory, disk


def read(name, command, trace):
    done = subprocess.run([lariat, command, "--format", "json", trace], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    check(name, done.returncode == 0 and not done.stderr,
          "%s exits %d: %s" % (command, done.returncode, done.stderr))
    return json.loads(done.stdout or "{}")


def totals(name, way, times, report):
    """What the victim did, besides a few allocations of its start and of its threads."""
    heap, io, locks = report["heap"], report["io"]["totals"], report["locks"]["totals"]
    allocations = {"events": times // 2, "stacks": times, "threads": 10 * times, "live": times,
                   "files": 0, "locks": 1}[way]
    created = {"events": 2, "threads": times}.get(way, 0)
    # a thread's first allocation may be libc's own, of its table of thread-local data
    check(name, allocations <= heap["allocations"] <= allocations + 2 * created + 10,
          "%d allocations, %d in the report" % (allocations, heap["allocations"]))
    kept = times if way == "live" else 1 if way == "locks" else 0
    check(name, kept <= heap["live_blocks"] <= kept + created + 10,
          "%d blocks stay, %d in the report" % (kept, heap["live_blocks"]))
    check(name, report["threads"]["created"] == created,
          "%d threads, %d in the report" % (created, report["threads"]["created"]))
    if way == "files":
        for operation, n in ("open", times), ("write", times), ("close", times):
            check(name, io[operation]["calls"] == n,
                  "%d times %s, %d in the report" % (n, operation, io[operation]["calls"]))
    check(name, locks["acquisitions"] == (times if way == "locks" else 0),
          "%d acquisitions in the report" % locks["acquisitions"])


def given_up(name, way, size, info):
    trace, lost = info["trace"], {row["reason"]: row["count"] for row in info["lost"]}
    check(name, trace["events_written"] == trace["events_kept"] + trace["events_folded"] and
          not trace["events_overwritten"] and not trace["blocks_damaged"] and
          not trace["records_damaged"] and not trace["events_dropped"],
          "not all is kept or folded: %s" % trace)
    if size == 1:
        check(name, trace["events_folded"], "the ring has not wrapped")
    if way == "files" and size < 8:  # an eighth of it is for the names
        check(name, lost.pop("target", 0), "no name was given up")
    if way == "stacks" and size < 8:
        check(name, lost.pop("folded_frames", 0), "no frame was given up")
    if way in ("locks", "files") and trace["events_folded"]:
        check(name, lost.pop("folded_rows", 0) or size > 1, "no row was given up")
    check(name, not lost, "lost: %s" % lost)


def main():
    most, per_block, per_thread = stated_memory()
    for way, times in TIMES.items():
        times = int(os.environ.get("BOUND_" + way.upper(), times))
        status, native = run_alone(way, times)
        check(way, status == 0, "exits %d" % status)
        for size in SIZES:
            name, trace = "%s at %d MiB" % (way, size), os.path.realpath("%s.%d" % (way, size))
            status, memory, disk = run(way, times, trace, size)
            threads = {"events": 3, "threads": 9}.get(way, 1)
            bound = (most + per_thread * threads) * MIB + (per_block * times if way == "live" else 0)
            if way == "stacks":
                bound = MANY_STACKS
            print("%s: %.1f MiB of memory, %.2f MiB of disk" % (name, (memory - native) / MIB,
                                                               disk / MIB), flush=True)
            check(name, status == 0, "exits %d" % status)
            check(name, 0 < disk <= size * MIB, "%d bytes of disk" % disk)
            check(name, os.stat(trace).st_size <= size * MIB, "larger than it may be")
            check(name, memory - native <= bound, "%d bytes of memory, more than %d" % (
                memory - native, bound))
            totals(name, way, times, read(name, "report", trace))
            given_up(name, way, size, read(name, "info", trace))
            os.unlink(trace)
    return finish()


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    result = main()
    os.chdir("/")
sys.exit(result)
