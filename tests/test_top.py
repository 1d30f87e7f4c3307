#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# time limit: 300
"""`lariat top` without a terminal. Beside a program that runs it shows, soon after each round of
work, exactly what the program has done by then; what it says changed adds up to the totals; at the
end it agrees with `lariat report` to the last digit. With a ring that keeps all and with one that
has wrapped many times, with an end by exit and by SIGKILL. A file that is replaced, cut or no trace
is named."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from checks import finish, same

top = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
build = os.path.realpath(os.environ.get("BUILD", os.path.join(top, "build")))
lariat, victim = build + "/lariat", build + "/victims/top_work"
PATIENCE = 20  # seconds, for a machine that is busy
THREADS, LEAVE = 3, 25


class Program:
    def __init__(self, trace, size, churn):
        self.churn, self.rounds = churn, 0
        env = dict(os.environ, LD_PRELOAD=build + "/liblariat.so", LARIAT_SIZE=size,
                   LARIAT_OUTPUT=trace, LARIAT_QUIET="1")
        self.process = subprocess.Popen([victim, str(THREADS), str(churn), str(LEAVE)], env=env,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.wait_ready()

    def wait_ready(self):
        same("the program's word", b"ready\n", self.process.stdout.readline())

    def round(self):
        self.process.stdin.write(b"x")
        self.wait_ready()
        self.rounds += 1

    def truth(self):
        """What it has done: blocks left by keep_some(), writes and their bytes, times the lock
        was taken, blocks of the churn."""
        n = THREADS * self.rounds
        tenth = self.churn // 10
        return [n * LEAVE, 100 * n * LEAVE, n * tenth, 7 * n * tenth, n * tenth, n * self.churn]

    def end(self, how):
        if how == "exit":
            self.process.stdin.close()
            return self.process.wait()
        self.process.send_signal(how)
        return self.process.wait()


def site(line, name):
    return next((s for s in line["heap"]["sites"] if s["function"] == name), {})


def shown(line):
    null = [t for t in line["io"]["targets"] if t["name"] == "/dev/null"] or [{}]
    locks = max([l["acquisitions"] for l in line["locks"]["locks"]] or [0])
    kept, churn = site(line, "keep_some"), site(line, "work")
    opened = 1 if null[0] else 0
    return [kept.get("live_blocks", 0), kept.get("live_bytes", 0),
            null[0].get("calls", 0) - opened, null[0].get("bytes", 0), locks,
            churn.get("allocations", 0)]


def start_top(trace, *options):
    return subprocess.Popen([lariat, "top", "--interval", "50ms", "--format", "json", "--limit",
                             "0", *options, trace], stdout=subprocess.PIPE)


def stack_of(s):
    return tuple((f["module"], f["offset"]) for f in s["stack"])


def compare_end(lines, trace, what):
    report = json.loads(subprocess.run([lariat, "report", "--format", "json", "--limit", "0",
                                        trace], stdout=subprocess.PIPE, check=True).stdout)
    last, heap = lines[-1], report["heap"]
    for key in ("allocations", "frees", "allocated_bytes", "freed_bytes", "live_blocks",
                "live_bytes", "peak_bytes"):
        same("%s: heap.%s" % (what, key), heap[key], last["heap"][key])
    for key in ("allocations", "frees", "allocated_bytes", "freed_bytes", "live_blocks",
                "live_bytes"):
        same("%s: changes of %s" % (what, key), heap[key], sum(l["change"][key] for l in lines))
    locks = report["locks"]["totals"]
    for key in ("acquisitions", "contended"):
        same("%s: locks.%s" % (what, key), locks[key], last["locks"]["totals"][key])
        same("%s: changes of %s" % (what, key), locks[key], sum(l["change"][key] for l in lines))
    for name, op in report["io"]["totals"].items():
        for key in ("calls", "bytes", "errors", "time_ns"):
            same("%s: io.%s.%s" % (what, name, key), op[key], last["io"]["totals"][name][key])
    same("%s: bytes of I/O" % what, sum(op["bytes"] for name, op in report["io"]["totals"].items()
                                        if "stdio" not in name), sum(l["change"]["io_bytes"] for l in lines))
    same("%s: events" % what, report["trace"]["events_written"],
         sum(l["change"]["events"] for l in lines))
    # of a process that was killed the last moment is not recorded, but it was seen to live; one that
    # exits may be looked at between its last reading of the clock and the word that tells of it
    took, known = sum(l["interval_ns"] for l in lines), report["process"]["duration_ns"]
    same("%s: time" % what, known, min(took, known))
    same("%s: end" % what, [report["process"][k] for k in ("pid", "end", "exit_code")],
         [last["process"][k] for k in ("pid", "end", "exit_code")])
    for key in ("allocations", "live_bytes", "live_blocks"):
        same("%s: sites' %s" % (what, key), {stack_of(s): s[key] for s in heap["sites"]},
             {stack_of(s): s[key] for s in last["heap"]["sites"]})
    same("%s: locks one by one" % what,
         {l["lock"]: l["acquisitions"] for l in report["locks"]["locks"]},
         {l["lock"]: l["acquisitions"] for l in last["locks"]["locks"]})
    same("%s: threads' allocations" % what,
         {t["number"]: t["allocations"] for t in report["threads"]["list"]},
         {t["number"]: t["allocations"] for t in last["threads"]["list"]})


def check_rates(lines, what):
    """A rate is the change by the time of the trace."""
    wrong = []
    for line in lines:
        ns, change = line["interval_ns"], line["change"]
        for key in ("allocations", "allocated_bytes", "frees"):
            rate = change[key] * 10**9 / ns if ns else 0
            if abs(line["heap"][key + "_per_s"] - rate) > 0.5:
                wrong.append((key, ns, change[key], line["heap"][key + "_per_s"]))
    same("%s: rates that do not go with the changes" % what, [], wrong)
    same("%s: sums that fell" % what, [],
         [k for l in lines for k, v in l["change"].items()
          if v < 0 and not k.startswith("live_") and not k.endswith("_ns")])


def check_beside(size, churn, rounds, how):
    what = "ring of %s, %s" % (size, how if how == "exit" else how.name)
    trace = tempfile.mkdtemp(prefix="top.") + "/t.lariat"
    program = Program(trace, size, churn)
    view = start_top(trace)
    lines = [json.loads(view.stdout.readline())]
    while program.rounds < rounds:
        program.round()
        until = time.monotonic() + PATIENCE
        while shown(lines[-1]) != program.truth() and time.monotonic() < until:
            lines.append(json.loads(view.stdout.readline()))
        same("%s: after %d rounds" % (what, program.rounds), program.truth(), shown(lines[-1]))
    same("%s: running" % what, "running", lines[-1]["process"]["end"])
    program.end(how)
    lines += [json.loads(line) for line in view.stdout]
    same("%s: exit code" % what, 0, view.wait())
    compare_end(lines, trace, what)
    check_rates(lines, what)
    return trace


def check_end_only(trace):
    """A finished trace, once: the averages of its life."""
    lines = [json.loads(l) for l in start_top(trace, "--iterations", "9").stdout]
    same("lines of a finished trace", 1, len(lines))
    compare_end(lines, trace, "finished trace")


def run(*args):
    got = subprocess.run([lariat, "top", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         encoding="utf-8", timeout=PATIENCE)
    return got.returncode, got.stdout, got.stderr


def check_text(trace):
    code, out, err = run("--iterations", "1", "--limit", "3", trace)
    same("text: exit code and complaints", (0, ""), (code, err))
    same("text: how it ended", True, "exited with 3" in out)
    same("text: keep_some() in the table", True, "keep_some" in out)
    same("text: what is lost", True, "nothing lost" in out)
    for view, word in (("io", "/dev/null"), ("locks", "mutex "), ("threads", " main")):
        code, out, err = run("--view", view, trace)
        same("text: view %s" % view, (0, "", True), (code, err, word in out))
    code, out, err = run("--filter", "no_such_function", trace)
    same("text: a filter that nothing matches", (0, False), (code, "keep_some" in out))


def check_hostile(trace):
    folder = os.path.dirname(trace)
    for args in (["--view", "none"], ["--interval", "0"], ["--iterations", "0"], ["--sort", "x"],
                 ["--format", "csv"]):
        same("wrong usage: %s" % args, 2, run(*args, trace)[0])
    same("no such file", 3, run(folder + "/none")[0])
    noise = folder + "/noise"
    with open(noise, "wb") as f:
        f.write(b"\0" * 10000)
    code, out, err = run(noise)
    same("no trace", (3, "", 1), (code, out, err.count("\n")))
    cut = folder + "/cut.lariat"
    shutil.copyfile(trace, cut)
    os.truncate(cut, os.path.getsize(cut) // 2)
    same("a trace that is cut", 0, run(cut)[0])


def check_replaced(trace):
    """The name stands for another trace, then for none."""
    name = os.path.dirname(trace) + "/name.lariat"
    first, second = (os.path.dirname(trace) + n for n in ("/one.lariat", "/two.lariat"))
    programs = [Program(first, "8M", 1000)]
    os.link(first, name)
    view = start_top(name)
    pids = [json.loads(view.stdout.readline())["process"]["pid"]]
    programs.append(Program(second, "8M", 1000))
    programs[1].round()
    os.link(second, name + ".new")
    os.rename(name + ".new", name)
    until = time.monotonic() + PATIENCE
    line = {}
    while pids[-1] != programs[1].process.pid and time.monotonic() < until:
        line = json.loads(view.stdout.readline())
        pids.append(line["process"]["pid"])
    same("a trace that took another's place", [p.process.pid for p in programs],
         sorted(set(pids), key=pids.index))
    os.unlink(name)
    while not line["trace"]["deleted"] and time.monotonic() < until:
        line = json.loads(view.stdout.readline())
    same("a trace without a name is read on", True, line["trace"]["deleted"])
    programs[1].round()
    while shown(line) != programs[1].truth() and time.monotonic() < until:
        line = json.loads(view.stdout.readline())
    same("what it shows then", programs[1].truth(), shown(line))
    view.send_signal(signal.SIGTERM)
    same("exit code after SIGTERM", 128 + signal.SIGTERM, view.wait())
    for p in programs:
        p.end("exit")


def main():
    os.chdir(tempfile.mkdtemp(prefix="top."))
    trace = check_beside("64M", 20000, 3, "exit")
    check_end_only(trace)
    check_text(trace)
    check_hostile(trace)
    check_beside("1M", 200000, 4, "exit")
    check_beside("1M", 100000, 2, signal.SIGKILL)
    check_replaced(trace)
    return finish()


sys.exit(main())
