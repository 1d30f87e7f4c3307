# SPDX-License-Identifier: MIT
"""Runs of loads under tools, one after the other in turns, and what the samples say."""
import json
import math
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

from benchtools import HEAP, IO

SLOW_SHARE = 10  # a slow tool runs this part of the load
TIME_LIMIT = 120  # seconds for one run


class Failed(Exception):
    """A run that did not end as it should."""


class Bench:
    """The settings of one run of the benchmark, and its scratch folder."""

    def __init__(self, build, work, tools, rounds, scale):
        self.build, self.work, self.tools = build, work, tools
        self.rounds, self.scale = rounds, scale
        self.lariat = build / "lariat"
        self.measure = build / "bench/measure"
        self.biggest = None  # (events, trace) kept for the analysis


def disk_bytes(folder):
    """What the files of a folder take on disk."""
    return sum(path.lstat().st_blocks * 512 for path in pathlib.Path(folder).rglob("*")
               if path.is_file())


def once(bench, load, tool, scale, keep=None, name="run"):
    """One run in a fresh folder: a dictionary of what it took. keep(folder, sample, said): looks at
    what was left there and what came on standard error."""
    folder = bench.work / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    variables, command = tool.command(load.command(scale), str(folder))
    variables = {**load.environment, **variables}
    read_end, write_end = os.pipe()
    command = load.around([str(bench.measure), str(write_end),
                           *(f"{key}={value}" for key, value in variables.items()), *command],
                          scale)
    tool.begin(str(folder))
    helper_ns = 0
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, pass_fds=[write_end], timeout=TIME_LIMIT,
                              check=False, cwd=folder)
    except subprocess.TimeoutExpired:
        raise Failed(f"not done after {TIME_LIMIT} s") from None
    finally:
        os.close(write_end)
        helper_ns = tool.end(str(folder))
    with os.fdopen(read_end) as pipe:
        figures = pipe.read().split()
    if len(figures) != 5 or done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Failed(said[-1] if said else "no figures")
    wall, user, system, peak, status = map(int, figures)
    if status:
        raise Failed(f"signal {status & 127}" if status & 127 else f"exit {status >> 8}")
    sample = {"wall_ns": wall, "cpu_ns": user + system, "helper_cpu_ns": helper_ns,
              "max_rss_bytes": peak, "disk_bytes": disk_bytes(folder), "own_calls": None}
    last = done.stdout.decode(errors="replace").strip().splitlines()[-1:]
    if last and last[0].startswith("calls "):
        sample["own_calls"] = int(last[0].split()[1])
    if keep:
        keep(folder, sample, done.stderr.decode(errors="replace"))
    return sample


def report_of(bench, trace):
    done = subprocess.run([bench.lariat, "report", "--format", "json", "--limit", "1", trace],
                          capture_output=True, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        said = done.stderr.decode(errors="replace").strip()
        raise Failed(f"lariat report: {said[:60]}") from None


def calls_in(report, what):
    """How many calls of a kind a report tells of. A realloc of a block is one call, and stands in
    the report as an allocation and a free."""
    if what == HEAP:
        heap = report["heap"]
        return heap["allocations"] + heap["frees"] - heap["reallocations"] + \
            heap["failed_allocations"]
    if what == IO:
        totals = report["io"]["totals"]
        return totals["read"]["calls"] + totals["write"]["calls"]
    return report["locks"]["totals"]["acquisitions"] * 2


def count_events(bench, load, folder):
    """Events of the load's kind and all events of a Lariat run; keeps the biggest trace."""
    traces = sorted(folder.glob("*.lariat"), key=lambda path: path.stat().st_blocks)
    if not traces:
        raise Failed("no trace")
    report = report_of(bench, traces[-1])
    written = report["trace"]["events_written"]
    if not bench.biggest or written > bench.biggest[0]:
        kept = bench.work / "biggest.lariat"
        traces[-1].replace(kept)
        bench.biggest = (written, kept, load.name)
    return {"events": calls_in(report, load.what), "events_written": written,
            "events_dropped": report["trace"]["events_dropped"]}


def run_load(bench, load, share_s):
    """All rounds of a load: tools in turn, so that what else the machine does hits all alike.
    Ends early, with three rounds, when its share of the time is over."""
    tools = [tool for tool in bench.tools
             if load.what in tool.what and (load.mixed or not tool.mixed) and
             (load.counted or not tool.slow) and (not load.locks or load.locks in tool.sees)]
    result = {"name": load.name, "text": load.text, "kind": load.what, "samples": {},
              "failed": {}, "recorded": {}}
    slow = any(tool.slow for tool in tools)
    counted = {}
    begin = time.monotonic()

    def run(name, tool, scale):
        def keep(folder, sample, said):
            if name == "lariat" and not counted:
                counted.update(count_events(bench, load, folder))
            if load.locks and name not in result["recorded"]:
                result["recorded"][name] = (tool.recorded(folder, said), sample["own_calls"])
        try:
            sample = once(bench, load, tool, scale, keep)
            result["samples"].setdefault(name, []).append(sample)
        except Failed as failure:
            result["failed"][name] = str(failure)
            result["samples"].pop(name, None)

    for number in range(bench.rounds):
        if number >= min(3, bench.rounds) and time.monotonic() - begin > share_s:
            break
        for tool in tools:
            if tool.name in result["failed"]:
                continue
            if tool.name == "native" and slow:
                run("native, part", tool, bench.scale / SLOW_SHARE)
            run(tool.name, tool, bench.scale / (SLOW_SHARE if tool.slow else 1))
    result.update(counted)
    summarize(result, tools)
    return result


def median_of(samples, key):
    return statistics.median(sample[key] for sample in samples)


def summarize(result, tools):
    """Medians, and what each tool adds to the native run of the same round."""
    result["tools"] = {}
    events = result.get("events")
    own = [sample["own_calls"] for sample in result["samples"].get("native", [])][:1]
    result["own_calls"] = own[0] if own else None
    for tool in tools:
        samples = result["samples"].get(tool.name)
        base = result["samples"].get("native, part" if tool.slow else "native")
        if not samples or not base or not events:
            continue
        count = base[0]["own_calls"] if tool.slow else events
        added = sorted((a["cpu_ns"] - b["cpu_ns"]) / count for a, b in zip(samples, base))
        middle = statistics.median(added)
        cpu = median_of(samples, "cpu_ns")
        result["tools"][tool.name] = {
            "events": count, "rounds": len(samples),
            "cpu_ns_per_event": cpu / count,
            "added_ns_per_event": None if tool.name == "native" else middle,
            "spread_ns": statistics.median(abs(x - middle) for x in added),
            "helper_ns_per_event": median_of(samples, "helper_cpu_ns") / count,
            "slowdown": median_of(samples, "wall_ns") / median_of(base, "wall_ns"),
            "calls_per_s": count / median_of(samples, "wall_ns") * 1e9,
            "cpu_slowdown": cpu / max(median_of(base, "cpu_ns"), 1),
            "max_rss_bytes": median_of(samples, "max_rss_bytes"),
            "added_rss_bytes": median_of(samples, "max_rss_bytes") -
            median_of(base, "max_rss_bytes"),
            "disk_bytes_per_event": median_of(samples, "disk_bytes") / count
            if tool.writes else None,
        }
    add_ratios(result["tools"])


def add_ratios(figures):
    """Lariat's figure over the peer's, where both are more than noise."""
    ours = figures.get("lariat heap", figures.get("lariat"))
    for name, peer in figures.items():
        peer["ratio"] = {}
        if name == "native" or name.startswith("lariat") or not ours:
            continue
        for key in ("added_ns_per_event", "slowdown", "added_rss_bytes", "disk_bytes_per_event"):
            if (ours[key] or 0) > 0 and (peer[key] or 0) > 0:
                peer["ratio"][key] = ours[key] / peer[key]


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values))) if values else None


def run_often(bench, load, tools, rounds, section):
    """Many short runs, tools in turn: medians in ms. Peers that are slow take a fifth of them.
    Folders stay until the end: where files were deleted just now, some file systems take longer to
    make new ones."""
    walls, cpus, traces, failed = {}, {}, {}, {}
    tools = list({tool.name: tool for tool in tools}.values())
    for number in range(rounds):
        for tool in tools:
            if tool.name in failed or number >= rounds // 5 and \
                    tool.name not in ("native", "lariat", "lariat run"):
                continue

            def keep(folder, _sample, _said, name=tool.name):
                traces[name] = len(list(folder.glob("*.lariat")))
            try:
                sample = once(bench, load, tool, 1, keep, f"{section}-{tool.name}-{number}")
            except Failed as failure:
                failed[tool.name] = str(failure)
                continue
            walls.setdefault(tool.name, []).append(sample["wall_ns"] / 1e6)
            cpus.setdefault(tool.name, []).append(sample["cpu_ns"] / 1e6)

    def added(figures, name):
        return statistics.median(a - b for a, b in zip(figures[name], figures["native"]))

    def ratio(figures, name):
        return statistics.median(figures[name]) / statistics.median(figures["native"])

    return {name: {"rounds": len(samples), "traces": traces[name],
                   "wall_ms": statistics.median(samples),
                   "cpu_ms": statistics.median(cpus[name]),
                   "added_ms": added(walls, name), "added_cpu_ms": added(cpus, name),
                   "wall_ratio": ratio(walls, name), "cpu_ratio": ratio(cpus, name)}
            for name, samples in walls.items()}


def run_analysis(bench, rounds):
    """How fast `lariat report` reads the biggest trace so far, on one core."""
    if not bench.biggest:
        return None
    events, trace, load = bench.biggest
    samples = []
    pin = ["taskset", "-c", str(min(os.sched_getaffinity(0)))] if shutil.which("taskset") else []
    for _ in range(rounds):
        read_end, write_end = os.pipe()
        done = subprocess.run([*pin, bench.measure, str(write_end), bench.lariat, "report",
                               "--format", "json", trace], pass_fds=[write_end],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        os.close(write_end)
        with os.fdopen(read_end) as pipe:
            figures = [int(word) for word in pipe.read().split()]
        if done.returncode or len(figures) != 5 or figures[4]:
            return None
        samples.append((figures[1] + figures[2], figures[3], figures[0]))
    cpu = statistics.median(sample[0] for sample in samples)
    return {"load": load, "events": events, "disk_bytes": trace.stat().st_blocks * 512,
            "rounds": rounds, "cpu_s": cpu / 1e9, "events_per_s": events / cpu * 1e9,
            "wall_s": statistics.median(sample[2] for sample in samples) / 1e9,
            "max_rss_bytes": statistics.median(sample[1] for sample in samples)}


def run_check(bench, load, lariat, scale):
    """The allocations and frees of a real program by Lariat and by valgrind's memcheck."""
    found = {}

    def keep(folder, _sample, _said):
        report = report_of(bench, max(folder.glob("*.lariat"), key=lambda p: p.stat().st_blocks))
        found["lariat"] = (report["heap"]["allocations"], report["heap"]["frees"])

    once(bench, load, lariat, scale, keep)
    done = subprocess.run(["valgrind", "--tool=memcheck", "--undef-value-errors=no",
                           "--run-libc-freeres=no", "--run-cxx-freeres=no",
                           *load.command(scale)], capture_output=True, text=True, check=False,
                          env={**os.environ, **load.environment}, timeout=TIME_LIMIT)
    for line in done.stderr.splitlines():
        words = line.replace(",", "").split()
        if "usage:" in words and "allocs" in words:
            found["valgrind"] = (int(words[words.index("allocs") - 1]),
                                 int(words[words.index("frees") - 1]))
    return {"load": load.name, **found}


def warn(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)
