# SPDX-License-Identifier: MIT
"""What the benchmark prints: facts of the machine, a table, what its columns mean."""
import os
import pathlib
import platform
import subprocess

from benchrun import geometric_mean

HEAD = ("load", "tool", "calls", "CPU", "added", "+-", "wall", "RSS", "disk", "L:tool")
UNIT = ("", "", "", "ns/call", "ns/call", "", "", "added", "B/call", "added")
WIDTH = (13, 12, 8, 9, 11, 6, 8, 10, 8, 7)
LEFT = 2  # columns that are aligned to the left

RATIOS = (("added_ns_per_event", "CPU added"), ("slowdown", "wall time"),
          ("added_rss_bytes", "RSS added"), ("disk_bytes_per_event", "disk"))

NOTES = """
Each figure is the median of the rounds; in a round the tools take turns with the native run.
  calls   malloc, calloc, realloc, free (or lock and unlock; read and write), counted by Lariat
  CPU     user and system time of the process over its calls; added: less the native run's of the
          same round, the tool's start and end included; +- is the median deviation of the rounds
  wall    times the native run's, while other programs share the machine
  RSS     peak resident memory above the native run's; mapped parts of the trace count
  disk    what the recording takes on disk (du)
  L:tool  Lariat's added time over the tool's: below 1 Lariat costs less
""".strip("\n")


def line(cells):
    out = ""
    for index, (cell, width) in enumerate(zip(cells, WIDTH)):
        out += cell.ljust(width) if index < LEFT else cell.rjust(width)
    return out.rstrip()


def head():
    return "\n".join([line(HEAD), line(UNIT)]).rstrip()


def count_text(n):
    if n >= 1e6:
        return f"{n / 1e6:.2f} M"
    return f"{n / 1e3:.0f} k" if n >= 1e4 else str(n)


def size_text(n, sign=False):
    mark = ("+" if n >= 0 else "-") if sign else ""
    n = abs(n)
    for unit in ("B", "KiB", "MiB"):
        if n < 1024:
            break
        n /= 1024
    else:
        unit = "GiB"
    return f"{mark}{n:.0f} {unit}" if n >= 100 or unit == "B" else f"{mark}{n:.1f} {unit}"


def number(value, digits=1):
    if value is None:
        return "-"
    return f"{value:.{digits if abs(value) < 1000 else 0}f}"


def tool_row(name, figures):
    native = name == "native"
    ratio = figures["ratio"].get("added_ns_per_event")
    added = number(figures["added_ns_per_event"])
    if figures["helper_ns_per_event"] >= 0.5:
        added += f"+{figures['helper_ns_per_event']:.0f}"
    return ["", name, count_text(figures["events"]), number(figures["cpu_ns_per_event"]),
            "" if native else added, "" if native else number(figures["spread_ns"]),
            "" if native else f"{figures['slowdown']:.2f}x",
            size_text(figures["max_rss_bytes"] if native else figures["added_rss_bytes"],
                      not native),
            "" if native else number(figures["disk_bytes_per_event"], 2),
            number(ratio, 2) if ratio else ""]


def load_rows(result):
    rows = [tool_row(name, figures) for name, figures in result["tools"].items()]
    for name, why in result["failed"].items():
        rows.append(["", name, f"failed: {why[:70]}"])
    if not rows:
        return f"{result['name']}: nothing was measured"
    rows[0][0] = result["name"]
    return "\n".join(line(row) if len(row) > 3 else
                     row[0].ljust(WIDTH[0]) + row[1].ljust(WIDTH[1]) + "  " + row[2]
                     for row in rows)


def ratio_lines(results):
    """Lariat over each peer in the mean of the loads."""
    peers = {}
    for result in results:
        for name, figures in result["tools"].items():
            for key, value in figures["ratio"].items():
                peers.setdefault(name, {}).setdefault(key, []).append(value)
    lines = []
    for name, ratios in peers.items():
        cells = [f"{label} {geometric_mean(ratios[key]):.2f}" for key, label in RATIOS
                 if key in ratios]
        loads = max(map(len, ratios.values()))
        lines.append(f"  {name:<11} {', '.join(cells)}  ({loads} load{'s'[:loads > 1]})")
    return lines


def recorded_text(recorded):
    """What a tool's own output has of the calls."""
    got, own = recorded or (None, None)
    if got is None or not own:
        return ""
    if abs(got - own) <= own / 1000:
        return "recorded all"
    return f"recorded {count_text(got)} of {count_text(own)}"


def lock_lines(results):
    """Calls in a second of wall time, and what was recorded of them."""
    lines = []
    for result in results:
        if result["kind"] != "locks":
            continue
        name = result["name"]
        for tool, figures in result["tools"].items():
            recorded = result["recorded"].get(tool)
            if tool == "lariat":
                recorded = (result["events"], result["own_calls"])
            lines.append(f"  {name:<12} {tool:<11}"
                         f"{count_text(round(figures['calls_per_s'])):>9}/s   "
                         f"{recorded_text(recorded)}".rstrip())
            name = ""
    return lines


def start_lines(start):
    return [f"  {name:<11} {f['wall_ms']:8.2f} ms{'' if name == 'native' else added(f)}"
            f"   ({f['rounds']} runs)" for name, f in start.items()]


def compile_lines(figures):
    lines = []
    for name, f in figures.items():
        line_of = f"  {name:<11} {f['wall_ms']:8.2f} ms, CPU {f['cpu_ms']:.2f} ms"
        if name != "native":
            line_of += (f"   {f['wall_ratio']:.3f}x, CPU {f['cpu_ratio']:.3f}x"
                        f"   {f['traces']} processes")
        lines.append(f"{line_of}   ({f['rounds']} runs)")
    return lines


def added(figures):
    return f"   {figures['added_ms']:+8.2f} ms, CPU {figures['added_cpu_ms']:+.2f} ms"


def analysis_lines(a):
    return [f"  {count_text(a['events'])} events of {a['load']}, {size_text(a['disk_bytes'])} on "
            f"disk: {count_text(a['events_per_s'])} events/s",
            f"  {a['cpu_s']:.2f} s of CPU on one core ({a['wall_s']:.2f} s wall), peak "
            f"{size_text(a['max_rss_bytes'])} resident"]


def check_lines(check, results):
    lines = []
    extra = {result["name"]: result["events"] - result["own_calls"] for result in results
             if result.get("own_calls") and "events" in result}
    if extra:
        most = max(extra, key=extra.get)
        lines.append(f"  {len(extra)} loads count their own calls: Lariat's counts are at most "
                     f"{extra[most]} above ({most})")
        lines += [f"  {name}: {-n} calls are missing" for name, n in extra.items() if n < 0]
    if check and "valgrind" in check:
        ours, theirs = check["lariat"], check["valgrind"]
        lines.append(f"  {check['load']}: allocations {ours[0]}, frees {ours[1]}; by valgrind "
                     f"{theirs[0]} and {theirs[1]}")
    return lines


def cpu_model():
    try:
        for text in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if text.startswith("model name"):
                return text.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def machine_facts():
    system = "unknown"
    try:
        for text in pathlib.Path("/etc/os-release").read_text().splitlines():
            if text.startswith("PRETTY_NAME="):
                system = text.split("=", 1)[1].strip('"')
    except OSError:
        pass
    compiler = subprocess.run([os.environ.get("CC", "gcc"), "-dumpfullversion"], check=False,
                              capture_output=True, text=True).stdout.strip()
    return {"cpu": cpu_model(), "cpus": len(os.sched_getaffinity(0)),
            "kernel": platform.release(), "system": system,
            "libc": " ".join(platform.libc_ver()), "compiler": compiler,
            "load_average": os.getloadavg()}


def machine_lines(facts):
    load = " ".join(f"{x:.2f}" for x in facts["load_average"])
    return [f"{facts['cpu']}, {facts['cpus']} cores; Linux {facts['kernel']}",
            f"{facts['system']}, {facts['libc']}, gcc {facts['compiler']}",
            f"load average at the start {load}" +
            ("   (busy: trust the CPU columns more than the wall's)"
             if facts["load_average"][0] > 0.8 * facts["cpus"] else "")]
