#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Signals and job control through `lariat run`: what is sent to the launcher reaches the program
once, what the terminal sends reaches it once, and a stopped program stops the launcher."""
import fcntl
import os
import pty
import signal
import sys
import tempfile
import termios
import time

from checks import fail, finish, same

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LARIAT = os.path.join(os.environ.get("BUILD", os.path.join(TOP, "build")), "lariat")

# Writes a line for each signal it gets; EXIT ends it with the number of lines.
VICTIM = r"""
import os, signal, sys
out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
seen = 0
def note(number, frame):
    global seen
    seen += 1
    os.write(out, (signal.Signals(number).name + "\n").encode())
names = ["HUP", "INT", "QUIT", "USR1", "CONT", "URG", "ALRM", "WINCH"]
for name in names:
    signal.signal(getattr(signal, "SIG" + name), note)
os.write(out, b"ready\n")
def end(number, frame):
    os._exit(40 + seen)
signal.signal(signal.SIGTERM, end)
while True:
    signal.pause()
"""


def lines(path):
    try:
        with open(path) as file:
            return file.read().split()
    except FileNotFoundError:
        return []


def wait_until(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    fail(f"{what}: it did not happen in {seconds} s")
    return False


def state(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return "gone"


def child_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return int(file.read().split()[0])


def command(log):
    return [LARIAT, "run", "-q", "-o", log + ".lariat", "--", sys.executable, "-c", VICTIM, log]


def start(log):
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        argv = command(log)
        os.execv(argv[0], argv)
    wait_until("start", lambda: "ready" in lines(log))
    return pid


def ended(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_passed_on(folder):
    log = os.path.join(folder, "passed")
    pid = start(log)
    sent = ["HUP", "INT", "QUIT", "USR1", "CONT", "URG", "ALRM"]
    for number, name in enumerate(sent, 1):
        os.kill(pid, getattr(signal, "SIG" + name))
        wait_until(name, lambda: len(lines(log)) > number)
    same("signals passed on", ["ready"] + ["SIG" + name for name in sent], lines(log))
    os.kill(pid, signal.SIGTERM)
    same("SIGTERM ends it with its own status", 40 + len(sent), ended(pid))


def test_stop_alone(folder):
    """SIGTSTP and SIGCONT sent to the launcher alone; it stops with its child."""
    log = os.path.join(folder, "stop")
    pid = start(log)
    child = child_of(pid)
    os.kill(pid, signal.SIGTSTP)
    _, status = os.waitpid(pid, os.WUNTRACED)
    same("the launcher stops", True, os.WIFSTOPPED(status))
    same("the child has stopped", "T", state(child))
    os.kill(pid, signal.SIGCONT)
    wait_until("the child goes on", lambda: lines(log)[1:] == ["SIGCONT"])
    os.kill(pid, signal.SIGTERM)
    same("end after a stop", 41, ended(pid))


def test_stop_of_child_alone(folder):
    """Somebody stops and continues the child alone: the launcher must not hang stopped."""
    log = os.path.join(folder, "child")
    pid = start(log)
    child = child_of(pid)
    os.kill(child, signal.SIGSTOP)
    wait_until("the child stops", lambda: state(child) == "T")
    os.kill(child, signal.SIGCONT)
    wait_until("the child goes on", lambda: "SIGCONT" in lines(log))
    os.kill(child, signal.SIGTERM)
    same("end of a child that was stopped alone", 41, ended(pid))


def test_terminal(folder):
    """In the foreground of a terminal: ^C and ^\\ reach the program once, ^Z stops the job."""
    log = os.path.join(folder, "terminal")
    argv = command(log)
    leader, terminal = pty.openpty()
    report, report_write = os.pipe()
    shell = os.fork()
    if shell == 0:
        # A shell in short: a session with the terminal, the job in a foreground group.
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        job = os.fork()
        if job == 0:
            os.setpgid(0, 0)
            os.tcsetpgrp(terminal, os.getpid())
            signal.signal(signal.SIGTTOU, signal.SIG_DFL)
            for fd in (0, 1, 2):
                os.dup2(terminal, fd)
            os.execv(argv[0], argv)
        os.write(report_write, b"%d\n" % job)
        while True:
            _, status = os.waitpid(job, os.WUNTRACED)
            os.write(report_write, b"stop\n" if os.WIFSTOPPED(status) else
                     b"end %d\n" % os.waitstatus_to_exitcode(status))
            if not os.WIFSTOPPED(status):
                os._exit(0)
            os.tcsetpgrp(terminal, os.getpgrp())
            # `fg`
            os.tcsetpgrp(terminal, job)
            os.killpg(job, signal.SIGCONT)
    os.close(terminal)
    os.close(report_write)
    told = os.fdopen(report)
    job = int(told.readline())
    wait_until("start on a terminal", lambda: "ready" in lines(log))
    os.write(leader, b"\x03")
    wait_until("^C", lambda: len(lines(log)) > 1)
    os.write(leader, b"\x1c")
    wait_until("^\\", lambda: len(lines(log)) > 2)
    os.write(leader, b"\x1a")
    same("^Z stops the launcher, too", "stop\n", told.readline())
    wait_until("fg", lambda: len(lines(log)) > 3)
    os.kill(job, signal.SIGTERM)
    same("end on a terminal", "end 43\n", told.readline())
    os.waitpid(shell, 0)
    os.close(leader)
    same("each once", ["ready", "SIGINT", "SIGQUIT", "SIGCONT"], lines(log))


def test_alarm_set_before(folder):
    """perl -e 'alarm 1; exec ...' is an old way to limit a program's time."""
    log = os.path.join(folder, "alarm")
    pid = os.fork()
    if pid == 0:
        signal.alarm(1)
        argv = [LARIAT, "run", "-q", "-o", log + ".lariat", "--", "sleep", "60"]
        os.execv(argv[0], argv)
    same("an alarm set before reaches the program", 128 + signal.SIGALRM, ended(pid))


def test_closed_stderr(folder):
    """A pipe that nobody reads must not change the status."""
    pid = os.fork()
    if pid == 0:
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 2)
        argv = [LARIAT, "run", "-o", os.path.join(folder, "x.lariat"), "--", "true"]
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execv(argv[0], argv)
    same("status with a broken stderr", 0, ended(pid))


def main():
    with tempfile.TemporaryDirectory() as folder:
        for test in (test_passed_on, test_stop_alone, test_stop_of_child_alone, test_terminal,
                     test_alarm_set_before, test_closed_stderr):
            test(folder)
    return finish()


sys.exit(main())
