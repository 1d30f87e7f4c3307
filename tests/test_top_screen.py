#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# time limit: 300
"""`lariat top` on terminals: what stands on the screen of each kind and size, what keys do, and that
the terminal is given back as it was, whatever ends the view."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

from checks import finish, same

top = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
build = os.path.realpath(os.environ.get("BUILD", os.path.join(top, "build")))
lariat, victim = build + "/lariat", build + "/victims/top_work"
PATIENCE = 20  # seconds, for a machine that is busy
THREADS, CHURN, LEAVE = 2, 1000, 30


class Screen:
    """What a terminal shows that is told this, as far as xterm and vt100 are told."""

    def __init__(self, columns, rows):
        self.resize(columns, rows)
        self.rest = b""

    def resize(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.text = [[" "] * columns for _ in range(rows)]
        self.y = self.x = 0
        self.region = (0, rows - 1)
        self.last = " "

    def feed(self, data):
        data = self.rest + data
        # what is not whole waits
        cut = re.search(rb"(\x1b(\[[0-9;?]*|[()]?)|[\xc0-\xff][\x80-\xbf]*)$", data)
        whole = len(data)
        if cut:
            try:
                data[cut.start():].decode()
                whole = len(data) if data[cut.start()] != 0x1b else cut.start()
            except UnicodeDecodeError:
                whole = cut.start()
        self.rest = data[whole:]
        token = re.compile(r"\x1b\[([?>]?)([0-9;]*)([A-Za-z@`])|\x1b[()].|\x1b(.)|(.)", re.S)
        for m in token.finditer(data[:whole].decode("utf-8", "replace")):
            if m.group(3):
                self.control(m.group(1), m.group(2), m.group(3))
            elif m.group(4) == "M":
                self.y = max(self.y - 1, 0)
            elif m.group(5):
                self.put(m.group(5))

    def put(self, c):
        if c == "\r":
            self.x = 0
        elif c == "\n":
            self.line_feed()
        elif c == "\b":
            self.x = max(self.x - 1, 0)
        elif c == "\t":
            self.x = min(self.x // 8 * 8 + 8, self.columns - 1)
        elif c >= " ":
            if self.x == self.columns:
                self.x = 0
                self.line_feed()
            self.text[self.y][self.x] = self.last = c
            self.x += 1

    def line_feed(self):
        if self.y == self.region[1]:
            del self.text[self.region[0]]
            self.text.insert(self.region[1], [" "] * self.columns)
        else:
            self.y = min(self.y + 1, self.rows - 1)

    def control(self, private, numbers, command):
        n = [int(v) if v else 0 for v in numbers.split(";")]
        one = max(n[0], 1)
        x = min(self.x, self.columns - 1)
        line = self.text[self.y]
        if private:
            if numbers == "1049" and command == "h":
                self.resize(self.columns, self.rows)
            return
        if command == "H":
            self.y = min(one, self.rows) - 1
            self.x = min(max(n[1] if len(n) > 1 else 1, 1), self.columns) - 1
        elif command in "G`":
            self.x = min(one, self.columns) - 1
        elif command == "d":
            self.y = min(one, self.rows) - 1
        elif command == "A":
            self.y = max(self.y - one, 0)
        elif command == "B":
            self.y = min(self.y + one, self.rows - 1)
        elif command == "C":
            self.x = min(self.x + one, self.columns - 1)
        elif command == "D":
            self.x = max(x - one, 0)
        elif command == "K":
            first, end = [(x, self.columns), (0, x + 1), (0, self.columns)][n[0]]
            line[first:end] = [" "] * (end - first)
        elif command == "J":
            if n[0] == 2:
                self.text = [[" "] * self.columns for _ in range(self.rows)]
            else:
                line[x:] = [" "] * (self.columns - x)
                for y in range(self.y + 1, self.rows):
                    self.text[y] = [" "] * self.columns
        elif command == "X":
            line[x:x + one] = [" "] * len(line[x:x + one])
        elif command == "b":
            for _ in range(one):
                self.put(self.last)
        elif command == "@":
            line[x:x] = [" "] * one
            del line[self.columns:]
        elif command == "P":
            del line[x:x + one]
            line += [" "] * (self.columns - len(line))
        elif command == "L":
            for _ in range(one):
                del self.text[self.region[1]]
                self.text.insert(self.y, [" "] * self.columns)
        elif command == "M":
            for _ in range(one):
                del self.text[self.y]
                self.text.insert(self.region[1], [" "] * self.columns)
        elif command == "r":
            self.region = (one - 1, (n[1] if len(n) > 1 and n[1] else self.rows) - 1)
            self.y = self.x = 0

    def lines(self):
        return ["".join(line).rstrip() for line in self.text]


class Terminal:
    """`lariat top` as a job in the foreground of a terminal of its own."""

    def __init__(self, args, term="xterm", columns=80, rows=24, **env):
        self.screen, self.raw = Screen(columns, rows), b""
        tell, told = os.pipe()
        leader, self.fd = pty.fork()
        if not leader:
            # the program's pipes among them: it must see their ends
            os.closerange(3, told)
            os.closerange(told + 1, 256)
            self.lead([lariat, "top", *args], dict(os.environ, TERM=term, **env), told, columns,
                      rows)
        os.close(told)
        self.told = os.fdopen(tell, "rb", 0)
        self.before = self.told.readline()
        self.pid = int(self.told.readline())

    @staticmethod
    def size(fd, columns, rows):
        fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    @staticmethod
    def modes():
        mode = termios.tcgetattr(0)
        return b"%r\n" % (mode[:4],)

    def lead(self, argv, env, told, columns, rows):
        """The leader of the session: starts the job, tells the modes of the terminal before and
        after it, and goes on with it when it was stopped."""
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        self.size(0, columns, rows)
        os.write(told, self.modes())
        job = os.fork()
        if not job:
            for number in (signal.SIGTTOU, signal.SIGTSTP, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            os.setpgid(0, 0)
            while os.tcgetpgrp(0) != os.getpid():
                time.sleep(0.01)
            os.execve(argv[0], argv, env)
        os.write(told, b"%d\n" % job)
        try:
            os.setpgid(job, job)
        except OSError:
            pass
        os.tcsetpgrp(0, job)
        while True:
            _, status = os.waitpid(job, os.WUNTRACED)
            os.tcsetpgrp(0, os.getpgrp())
            os.write(told, self.modes())
            if not os.WIFSTOPPED(status):
                break
            os.tcsetpgrp(0, job)
            os.killpg(job, signal.SIGCONT)
        os.write(told, b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)

    def read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        self.raw += data
        self.screen.feed(data)

    def wait(self, what, test):
        """Until the screen is so; says what there was instead."""
        until = time.monotonic() + PATIENCE
        while not test(self.screen.lines()) and time.monotonic() < until:
            self.read(0.1)
        lines = self.screen.lines()
        same(what, "as it should be", "as it should be" if test(lines) else lines)
        return lines

    def shows(self, what, *words):
        return self.wait("%s: %s" % (what, ", ".join(words)),
                         lambda lines: all(any(w in line for line in lines) for w in words))

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def resize(self, columns, rows):
        self.screen.resize(columns, rows)
        self.size(self.fd, columns, rows)

    def next_modes(self):
        until = time.monotonic() + PATIENCE
        while not select.select([self.told], [], [], 0)[0]:
            self.read(0.1)
            if time.monotonic() > until:
                same("what the job's leader says", "something", self.screen.lines())
                return b""
        return self.told.readline()

    def ends(self, what, code):
        same("%s: the terminal's modes" % what, self.before, self.next_modes())
        same("%s: exit code" % what, b"%d\n" % code, self.told.readline())
        self.read(0.1)
        same("%s: the old screen is back" % what, True,
             b"\x1b[?1049l" in self.raw.split(b"\x1b[?1049h")[-1] or b"\x1b[?1049h" not in self.raw)
        os.close(self.fd)
        self.told.close()


def check_sizes(trace):
    for term in ("xterm", "vt100"):
        for columns, rows in ((80, 24), (40, 10), (200, 60)):
            what = "%s of %dx%d" % (term, columns, rows)
            t = Terminal(["--interval", "100ms", trace], term, columns, rows)
            lines = t.shows(what, "top_work", "LIVE", "keep_some", "Memory: ")
            same("%s: what stands in the last line" % what, True, lines[-1].startswith("Memory: "))
            title = next(i for i, line in enumerate(lines) if "LIVE" in line)
            same("%s: lines for the table" % what, True, rows - 1 - title > rows // 2)
            t.type("2")
            t.shows(what, "BYTES/S", "/dev/null")
            t.type("1\x1b[B\x1b[A\r" if term == "xterm" else "1jk\r")
            t.shows(what, "keep_some", "bytes in use")
            t.type("q")
            t.ends(what, 0)


def check_figures(trace, blocks):
    t = Terminal(["--interval", "100ms", trace], "xterm", 120, 40)
    lines = t.shows("figures", "keep_some")
    row = next(line for line in lines if "keep_some" in line)
    same("blocks of keep_some()", str(blocks), re.sub(" +", " ", row).split(" keep_some")[0].split()[-1])
    t.type("\r")
    lines = t.shows("a row by itself", "Stack", "keep_some", "work", "thread")
    t.type("\x1b")
    t.shows("back from it", "LIVE")
    t.type("h")
    t.shows("help", "Space", "pause", "columns")
    t.type("\x1b4")
    t.shows("threads", "1 main", "THREAD")
    t.type("1/no_such\r")
    t.shows("a filter that nothing matches", "0 rows match no_such")
    t.type("/" + "\x7f" * 7 + "keep(\r")
    t.shows("a filter that is none", "keep(:")
    t.type("/\x7f_\r")
    t.shows("a filter", "1 rows match keep_", "keep_some")
    t.type("/" + "\x7f" * 5 + "\rss")
    t.shows("another order", "*SINCE")
    t.type(" ")
    t.shows("a pause", "PAUSED")
    t.type(" ")
    t.wait("no pause", lambda lines: not any("PAUSED" in line for line in lines))
    t.type("zZ!\x01\x1b[99~")
    t.shows("keys of no meaning", "LIVE")
    t.resize(60, 12)
    t.wait("a smaller terminal", lambda lines: lines[-1].startswith("Memory: ") and
           any("keep_some" in line for line in lines))
    t.resize(5, 2)
    t.wait("a terminal too small", lambda lines: lines[-1].startswith("Memor"))
    t.resize(100, 30)
    t.shows("a larger one again", "keep_some", "h help  q quit")
    t.type("w")
    lines = t.shows("a report", "wrote lariat.")
    name = re.search(r"wrote (\S+)", lines[-1]).group(1)
    with open(name, encoding="utf-8") as f:
        sites = json.load(f)["heap"]["sites"]
    same("the report's figure", blocks,
         next(s["live_blocks"] for s in sites if s["function"] == "keep_some"))
    t.type("q")
    t.ends("quit", 0)


def check_signals(trace):
    for name, number in (("Ctrl-C", None), ("SIGINT", signal.SIGINT), ("SIGTERM", signal.SIGTERM),
                         ("SIGHUP", signal.SIGHUP)):
        t = Terminal(["--interval", "100ms", trace])
        t.shows(name, "keep_some")
        if number:
            os.kill(t.pid, number)
        else:
            t.type("\x03")
        t.ends(name, 128 + (number or signal.SIGINT))
    t = Terminal(["--interval", "100ms", trace])
    t.shows("before Ctrl-Z", "keep_some")
    t.type("\x1a")
    same("Ctrl-Z: the terminal's modes while it is stopped", t.before, t.next_modes())
    t.shows("after Ctrl-Z", "keep_some", "h help  q quit")
    t.wait("after Ctrl-Z: refreshes", lambda lines, first=t.screen.lines(): lines != first)
    t.type("q")
    t.ends("quit after Ctrl-Z", 0)


def check_kinds(trace):
    t = Terminal([trace], "no_such_terminal")
    t.shows("a terminal of no known kind", "cannot be drawn on", "keep_some")
    os.kill(t.pid, signal.SIGTERM)
    t.ends("a terminal of no known kind", 128 + signal.SIGTERM)
    t = Terminal([trace], "xterm", 80, 24, NO_COLOR="1")
    t.shows("no color", "keep_some")
    t.type("q")
    t.ends("no color", 0)
    same("no color: colors", None, re.search(rb"\x1b\[[0-9;]*3[0-7]m", t.raw))
    t = Terminal([trace], "xterm", 80, 24, LC_ALL="C")
    t.shows("no UTF-8", "keep_some", "t?p_work")
    t.type("q")
    t.ends("no UTF-8", 0)
    same("no UTF-8: bytes", None, re.search(rb"[\x80-\xff]", t.raw))


def main():
    os.chdir(tempfile.mkdtemp(prefix="top."))
    trace = os.path.realpath("t.lariat")
    env = dict(os.environ, LD_PRELOAD=build + "/liblariat.so", LARIAT_OUTPUT=trace, LARIAT_QUIET="1")
    program = subprocess.Popen(["t\u00f6p_work top_work", str(THREADS), str(CHURN), str(LEAVE)],
                               executable=victim, env=env, stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, bufsize=0)
    same("the program's word", b"ready\n", program.stdout.readline())
    for _ in range(2):
        program.stdin.write(b"x")
        same("the program's word", b"ready\n", program.stdout.readline())
    check_sizes(trace)
    check_figures(trace, 2 * THREADS * LEAVE)
    check_signals(trace)
    check_kinds(trace)
    t = Terminal(["--interval", "100ms", trace])
    t.shows("running", "running")
    program.stdin.close()
    program.wait()
    t.shows("its end", "exited with 3")
    time.sleep(0.5)
    t.read(0.1)
    same("the view is still there", True, any("keep_some" in line for line in t.screen.lines()))
    t.type("q")
    t.ends("the end", 0)
    return finish()


sys.exit(main())
