#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# time limit: 900
"""A process killed anywhere leaves a trace that is whole and has every event whose call returned,
once. A test build of the recorder dies at each point of its protocols (FAULT_POINT in preload/); the
released one is killed from outside at random moments. The victim says in a file of its own what it
had begun and what had returned.

    KILL_ROUNDS=N    random moments for each size of file (default 60)
    KILL_PASSES=LIST which passes of each point are tried (default 1,8,150)
    KILL_SEED=N      another choice of moments
    KILL_POINTS=LIST only these points (default all; "none" leaves them out)
"""
import collections
import ctypes
import json
import os
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time

top = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
build = os.path.realpath(os.environ.get("BUILD", os.path.join(top, "build")))
lariat, victim = build + "/lariat", build + "/victims/kill_counted"
KINDS = "alloc free grow free_grown put make lock say".split()
SLOT = struct.Struct("<II8Q8Q")
FIRST_SLOT = 64  # of the victim's state
PR_SET_CHILD_SUBREAPER = 36
LOSSES = "events_dropped", "events_overwritten", "blocks_damaged", "records_damaged"
# Size of the file and turns, until one comes by: 64M has slots that grow, and of 20000 turns more
# is recorded than a ring of the smallest size holds.
LIVES = ("1M", 700), ("64M", 700), ("1M", 20000)

checks = failures = 0


def fail(what):
    global failures
    failures += 1
    print("FAIL: %s" % what, flush=True)


class Round:
    """One life of the victim in a folder of its own."""

    def __init__(self, name, lib, size="1M", turns=0, threads=3, forks=2, fault="none:0",
                 after=None, group=False):
        self.name, self.folder = name, tempfile.mkdtemp(prefix="round.")
        self.state = self.folder + "/state"
        pid = os.fork()
        if not pid:
            self.victim(lib, size, fault, [str(threads), str(turns), str(forks)])
        if after is not None:
            time.sleep(after)
            try:
                (os.killpg if group else os.kill)(pid, signal.SIGKILL)
            except ProcessLookupError:
                os.kill(pid, signal.SIGKILL)
        self.status = None
        while True:  # its children are ours when it is gone
            try:
                died, status = os.wait()
            except ChildProcessError:
                break
            if died == pid:
                self.status = status
        self.killed = self.status == signal.SIGKILL

    def victim(self, lib, size, fault, arguments):
        os.setsid()
        os.chdir(self.folder)
        out = os.open("out", os.O_WRONLY | os.O_CREAT, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        env = dict(os.environ, LD_PRELOAD=lib, LARIAT_SIZE=size, LARIAT_FAULT=fault,
                   LARIAT_QUIET="1", LARIAT_OUTPUT=self.folder + "/%p.lariat")
        os.execve(victim, [victim, self.state] + arguments, env)

    def slots(self):
        """Per process and worker: what was begun and what had returned, by kind."""
        found = collections.defaultdict(lambda: ([0] * len(KINDS), [0] * len(KINDS)))
        if not os.path.exists(self.state):
            return {}
        with open(self.state, "rb") as f:
            data = f.read()
        used = struct.unpack_from("<I", data)[0] if len(data) >= FIRST_SLOT else 0
        most = (len(data) - FIRST_SLOT) // SLOT.size  # later ones share those of early ones
        used = min(used, most)
        for i in range(used):
            pid, worker, *words = SLOT.unpack_from(data, FIRST_SLOT + i * SLOT.size)
            if not pid:
                continue
            begun, returned = found[pid, worker]
            for k in range(len(KINDS)):
                begun[k] += words[k]
                returned[k] += words[len(KINDS) + k]
        processes = collections.defaultdict(dict)
        for (pid, worker), figures in found.items():
            processes[pid][worker] = figures
        return processes

    def check(self):
        global checks
        before, slots = failures, self.slots()
        for pid, workers in slots.items():
            checks += 1
            self.check_trace(pid, workers)
        for file in os.listdir(self.folder):  # of processes that had not begun
            pid = file.split(".")[0]
            if file.endswith(".lariat") and int(pid) not in slots:
                self.check_trace(int(pid), {})
        if failures == before:
            subprocess.run(["rm", "-rf", self.folder], check=True)
        else:
            print("      kept in %s" % self.folder)
        return failures == before

    def check_trace(self, pid, workers):
        trace = "%s/%d.lariat" % (self.folder, pid)
        done = subprocess.run([lariat, "report", "--format", "json", trace],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode == 3 and not any(sum(r) for _, r in workers.values()) and \
                re.search("is empty|never completed|No such file|not complete", done.stderr):
            return  # killed before its first call returned
        if done.returncode or done.stderr:
            return fail("%s: report exits %d: %s" % (self.name, done.returncode,
                                                     done.stderr.strip()))
        report = json.loads(done.stdout)
        lost = {k: report["trace"][k] for k in LOSSES if report["trace"][k]}
        if lost:
            return fail("%s: process %d: %s" % (self.name, pid, lost))
        got = figures(report)
        for worker, (begun, returned) in workers.items():
            for k, kind in enumerate(KINDS):
                n = got[kind, worker]
                if not returned[k] <= n <= begun[k]:
                    fail("%s: process %d: %s_%d: %d of %d returned, %d in the trace" % (
                        self.name, pid, kind, worker, returned[k], begun[k], n))
            k, said = KINDS.index("say"), got["bytes", worker]
            if not 4 * returned[k] <= said <= 4 * begun[k]:
                fail("%s: process %d: say_%d: %d of %d returned, %d bytes in the trace" % (
                    self.name, pid, worker, returned[k], begun[k], said))


def figures(report):
    """Calls by kind and worker, from the function that made them."""
    got = collections.Counter()
    for part in "heap", "io", "locks":
        if report[part]["site_count"] > len(report[part]["sites"]):
            fail("too many call stacks to look at")
        for site in report[part]["sites"]:
            kind, _, worker = (site["function"] or "").rpartition("_")
            if kind not in KINDS:
                continue
            worker = int(worker)
            if kind == "say" and part == "heap":
                continue  # the stream's buffer
            if part == "heap":
                got[kind, worker] += site["allocations"]
                got["free" if kind == "alloc" else "free_grown", worker] += site["frees"]
            elif kind == "say":  # what it asked of its stream, not what the stream made of it
                got[kind, worker] += site["stdio_calls"]
                got["bytes", worker] += site["stdio_bytes"]
            else:
                got[kind, worker] += site["calls" if part == "io" else "acquisitions"]
    return got


def points():
    """All there are, from the source."""
    found = collections.Counter()
    for folder, _, files in os.walk(top + "/preload"):
        for file in files:
            if file.endswith((".c", ".h")) and file != "fault.h":
                with open(os.path.join(folder, file)) as f:
                    found.update(re.findall(r"\bFAULT_POINT\((\w+)\)", f.read()))
    for name, n in found.items():
        if n > 1:
            fail("%d points are called %s" % (n, name))
    return sorted(found)


def kill_at(lib, point, passes):
    """Dies at these passes of a point; whether it came by at all."""
    for size, turns in LIVES:
        for i, n in enumerate(passes):
            if not one_death(lib, point, n, size, turns):
                if i:
                    return True
                break
        else:
            return True
    return False


def one_death(lib, point, n, size, turns):
    fault = "%s:%d" % (point, n)
    life = Round(fault, lib, size=size, turns=turns, fault=fault)
    if life.status not in (0, signal.SIGKILL):
        fail("%s: ended with %d" % (fault, life.status))
    hit = life.killed or any_child_killed(life)
    life.check()
    return hit


def any_child_killed(life):
    """A child that was killed has not closed its trace."""
    for file in os.listdir(life.folder):
        if file.endswith(".lariat"):
            with open(os.path.join(life.folder, file), "rb") as f:
                header = f.read(4096)
            if len(header) < 4096 or not struct.unpack_from("<I", header, 540)[0]:
                return True
    return False


def main():
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    faulty = build + "/fault"
    subprocess.run(["make", "-s", "-C", top, "BUILD=" + faulty, "OPT=-O2 -g -DLAR_FAULT",
                    faulty + "/liblariat.so"], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as work:
        tempfile.tempdir = work if not os.environ.get("KILL_KEEP") else None
        os.environ.setdefault("LC_ALL", "C.UTF-8")
        passes = [int(n) for n in os.environ.get("KILL_PASSES", "1,8,150").split(",")]
        names = os.environ.get("KILL_POINTS")
        names = points() if not names else [] if names == "none" else names.split(",")
        for point in names:
            if not kill_at(faulty + "/liblariat.so", point, passes):
                fail("%s: no run comes by" % point)
        choice = random.Random(int(os.environ.get("KILL_SEED", "1")))
        rounds = int(os.environ.get("KILL_ROUNDS", "60"))
        for size, turns in ("1M", 0), ("64M", 0), LIVES[0]:
            for i in range(rounds if not turns else rounds // 3):
                after = choice.random() * choice.choice([0.01, 0.05, 0.4])
                Round("%s killed after %.6f s" % (size, after), build + "/liblariat.so", size=size,
                      turns=turns, after=after, threads=choice.randint(1, 4),
                      forks=choice.choice([0, 3]), group=choice.random() < 0.3).check()
    print("%d points, %d traces checked, %d failed" % (len(names), checks, failures))
    if not checks:
        fail("nothing was checked")
    return failures > 0


sys.exit(main())
