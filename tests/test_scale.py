#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# time limit: 900
"""The memory that a report takes does not grow with the number of events, and keeps to what
lariat(1) states; its totals are those of the tool that wrote the trace.

    SCALE_EVENTS=N   events of the larger trace (default 40000000)
"""
import json
import os
import re
import subprocess
import sys
import tempfile

from checks import check, finish

top = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
build = os.path.realpath(os.environ.get("BUILD", os.path.join(top, "build")))
sources = ["tests/scale/make_trace.c", "preload/format/decode.c", "preload/format/encode.c"]
EVENTS = int(os.environ.get("SCALE_EVENTS", "40000000"))
KEPT = 1024  # blocks that each thread has in use


def stated_memory():
    """MiB at most, MiB for each thread, bytes for each block in use."""
    with open(top + "/analyzer/lariat.1") as f:
        words = " ".join(f.read().split())
    found = re.search(r"at most (\d+) MiB, (\d+) MiB for each thread that ran at the same time, "
                      r"(\d+) bytes for each block in use", words)
    return [int(n) for n in found.groups()]


def peak(command, output, one_processor=False):
    """Runs it; its peak of resident memory in bytes."""
    pid = os.fork()
    if not pid:
        if one_processor:
            os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
        fd = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(fd, 1)
        os.execv(command[0], command)
    _, status, usage = os.wait4(pid, 0)
    check(" ".join(command[1:]), status == 0, "ends with %d" % status)
    return usage.ru_maxrss << 10


def report_of(tool, events, threads):
    """Peak of memory of a report of so many events; its figures must be right."""
    name = "%d events of %d threads" % (events, threads)
    made = subprocess.run([tool, "trace", str(events), str(threads)], check=True,
                          stdout=subprocess.PIPE)
    want = json.loads(made.stdout)
    with open("trace") as f:
        os.fsync(f)  # what it takes on the disk is in the report, and settles only then
    check(name, 0.99 * events < want["written"] < 1.01 * events, "the tool wrote %d" %
          want["written"])
    memory = peak([build + "/lariat", "report", "--format", "json", "trace"], "report")
    with open("report") as f:
        report = json.load(f)
    trace, heap = report["trace"], report["heap"]
    got = {key: heap[key] for key in ("allocations", "allocated_bytes", "frees", "freed_bytes")}
    got["writes"] = report["io"]["totals"]["write"]["calls"]
    got["acquisitions"] = report["locks"]["totals"]["acquisitions"]
    got["written"] = trace["events_kept"]
    check(name, got == want, "%s instead of %s" % (got, want))
    check(name, heap["live_blocks"] == KEPT * threads, "%d blocks in use" % heap["live_blocks"])
    check(name, trace["events_written"] == trace["events_kept"] and not trace["partial"],
          "not whole: %s" % trace)
    most, per_thread, per_block = stated_memory()
    size = os.stat("trace").st_size
    bound = (most + per_thread * threads << 20) + per_block * KEPT * threads + size // 100
    print("%s: %.1f MiB for %.1f MiB" % (name, memory / 2**20, size / 2**20),
          flush=True)
    check(name, memory <= bound, "%d bytes of memory, more than %d" % (memory, bound))
    # how far one thread of the reader is ahead of another decides over some MiB: not here
    alone = peak([build + "/lariat", "report", "--format", "json", "trace"], "again", True)
    with open("again") as f:
        check(name, json.load(f) == report, "one processor's report is another")
    check(name, alone <= bound, "%d bytes on one processor, more than %d" % (alone, bound))
    return alone, size


def main():
    tool = os.path.realpath("make_trace")
    subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-o", tool] +
                   [os.path.join(top, name) for name in sources] + ["-lzstd"], check=True)
    (less, small), (more, large) = report_of(tool, EVENTS // 4, 8), report_of(tool, EVENTS, 8)
    # the list of the file's blocks is one percent of it
    check("memory", more <= 1.1 * less + (large - small) / 100,
          "%d bytes for a quarter of the events, %d for all" % (less, more))
    report_of(tool, 2000000, 100)
    return finish()


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    result = main()
    os.chdir("/")
sys.exit(result)
