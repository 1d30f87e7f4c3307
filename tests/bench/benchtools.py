# SPDX-License-Identifier: MIT
"""The tools that the benchmark compares: how each is found and how a command runs under it.

A tool is prepared for one run in an empty folder of its own; what it leaves there is what it costs
on disk. Tools that are not there are named with the Debian package that brings them.
"""
import atexit
import os
import pathlib
import re
import shutil
import subprocess
import time

HEAP, LOCKS, IO = "heap", "locks", "io"
MUTEX, RWLOCK = "mutexes", "locks for readers and writers"


class Tool:
    """One way to run a command. `what`: kinds of loads it is a peer for. `slow` ones run a tenth
    of the load, and only of loads that count their calls. `mixed`: only for loads that do not call
    the heap alone. `writes`: what it puts on disk grows with the events. `sees`: the kinds of locks
    that it records, of loads that say theirs."""

    name = ""
    what = {HEAP}
    slow = False
    mixed = False
    writes = True
    sees = {MUTEX, RWLOCK}
    package = ""
    note = ""

    def missing(self):
        """What is not there, or None."""
        return None

    def command(self, command, folder):
        """(environment, command) of a run."""
        return {}, command

    def begin(self, folder):
        """Starts helpers before a run."""

    def end(self, folder):
        """Ends them; CPU time in ns that they used and that can be seen."""
        return 0

    def recorded(self, folder, said):
        """How many lock calls its own output of a run tells of, as far as it does; `said` is what
        came on standard error."""
        return None


def output_of(*words):
    """Standard output of a tool's own reader, "" where there is none."""
    if not shutil.which(words[0]):
        return ""
    return subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          check=False).stdout


class Native(Tool):
    name = "native"
    what = {HEAP, LOCKS, IO}
    writes = False


class Lariat(Tool):
    name = "lariat"
    what = {HEAP, LOCKS, IO}
    note = "everything recorded (heap, I/O, locks, threads), every option at its default"

    def __init__(self, library):
        self.library = library

    def command(self, command, folder):
        return {"LD_PRELOAD": str(self.library), "LARIAT_QUIET": "1",
                "LARIAT_OUTPUT": f"{folder}/%p.lariat"}, command


class LariatHeap(Lariat):
    """What heap profilers record: for programs that also lock and do I/O."""
    name = "lariat heap"
    what = {HEAP}
    mixed = True
    note = "the heap alone (--record heap), as its peers; L:tool is of this where it was run"

    def command(self, command, folder):
        variables, command = super().command(command, folder)
        return {"LARIAT_RECORD": "heap", **variables}, command


class LariatRun(Lariat):
    """By way of the launcher: for the start only."""
    name = "lariat run"
    what = set()

    def command(self, command, folder):
        launcher = self.library.parent / "lariat"
        return {}, [str(launcher), "run", "-q", "-o", f"{folder}/%p.lariat", "--", *command]


class Heaptrack(Tool):
    """The recorder and the compressor, as `heaptrack --raw` starts them, without its shell."""
    name = "heaptrack"
    package = "heaptrack"
    note = ("its recorder alone (--raw); figures of the profiled process, its compressor's CPU "
            "time behind a plus")

    def __init__(self):
        script = shutil.which("heaptrack")
        root = pathlib.Path(script).resolve().parent.parent if script else None
        library = root / "lib/heaptrack/libheaptrack_preload.so" if root else None
        self.library = library if library and library.exists() else None
        self.helper = self.hold = None

    def missing(self):
        return None if self.library else self.name

    def command(self, command, folder):
        return {"LD_PRELOAD": str(self.library), "DUMP_HEAPTRACK_OUTPUT": f"{folder}/pipe"}, command

    def begin(self, folder):
        pipe = f"{folder}/pipe"
        os.mkfifo(pipe)
        packer = "zstd" if shutil.which("zstd") else "gzip"
        # Held open for writing, so that the reader's end comes when both the program and we close.
        self.hold = os.open(pipe, os.O_RDWR)
        with open(f"{folder}/raw", "wb") as out, open(pipe, "rb") as source:
            self.helper = subprocess.Popen([packer, "-c"], stdin=source, stdout=out,
                                           stderr=subprocess.DEVNULL)

    def end(self, folder):
        os.close(self.hold)
        _, _, used = os.wait4(self.helper.pid, 0)
        self.helper.returncode = 0
        return round((used.ru_utime + used.ru_stime) * 1e9)


class Preloaded(Tool):
    """A library that is only preloaded."""
    environment = {}

    def library(self):
        raise NotImplementedError

    def missing(self):
        return None if self.library() else self.name

    def command(self, command, folder):
        found = {key: value.replace("FOLDER", folder) for key, value in self.environment.items()}
        return {"LD_PRELOAD": self.library(), **found}, command


def library_path(name):
    """Where the shared library NAME (libx.so.N) lies: LD_LIBRARY_PATH, then the loader's cache."""
    for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":"):
        if folder and os.path.exists(f"{folder}/{name}"):
            return f"{folder}/{name}"
    lines = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True,
                           check=False).stdout.splitlines()
    return next((line.split(" => ")[1] for line in lines if line.split()[:1] == [name]), None)


class Lsan(Preloaded):
    name = "lsan"
    writes = False
    package = "gcc"
    environment = {"LSAN_OPTIONS": "detect_leaks=0"}
    note = ("its own allocator, stacks by frame pointer (here short), no search at the end, no "
            "history")

    def library(self):
        path = subprocess.run([os.environ.get("CC", "gcc"), "-print-file-name=liblsan.so"],
                              capture_output=True, text=True, check=False).stdout.strip()
        return path if os.path.isabs(path) else None


class Gperftools(Preloaded):
    name = "gperftools"
    slow = True
    writes = False
    package = "libgoogle-perftools4"
    environment = {"HEAPPROFILE": "FOLDER/profile"}
    note = "tcmalloc instead of the C library's allocator, with its heap profile; sums only"

    def library(self):
        return library_path("libtcmalloc.so.4")


class Lttng(Preloaded):
    name = "lttng-ust"
    package = "lttng-tools liblttng-ust1"
    note = ("events of its malloc wrapper, no stacks, lossy when its buffers are full; the CPU "
            "time of its consumer cannot be seen")
    events = "lttng_ust_libc:*"

    def library(self):
        return library_path("liblttng-ust-libc-wrapper.so.1")

    def missing(self):
        return None if shutil.which("lttng") and self.library() else self.name

    def __init__(self):
        self.daemon = None

    def control(self, *words):
        subprocess.run(["lttng", "-q", "--no-sessiond", *words], stdout=subprocess.DEVNULL,
                       check=True)

    def start_daemon(self):
        """A session daemon of our own, ended with us; one that runs already makes it end at once
        and is used."""
        self.daemon = subprocess.Popen(["lttng-sessiond", "--no-kernel"], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
        atexit.register(self.end_daemon)
        for _ in range(100):
            if not subprocess.run(["lttng", "-q", "--no-sessiond", "list"], check=False,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
                break
            time.sleep(0.1)

    def end_daemon(self):
        self.daemon.terminate()
        self.daemon.wait()

    def begin(self, folder):
        if not self.daemon:
            self.start_daemon()
        self.control("create", "lariat-bench", f"--output={folder}/trace")
        self.control("enable-event", "-u", self.events)
        self.control("start")

    def end(self, folder):
        self.control("stop")
        self.control("destroy", "lariat-bench")
        return 0


class LttngLocks(Lttng):
    what = {LOCKS}
    sees = {MUTEX}
    note = "events of its pthread wrapper (mutexes only), otherwise as for the heap"
    events = "lttng_ust_pthread:*"

    def recorded(self, folder, said):
        """Those of its events that are of our calls: its wrapper also sees those of its library."""
        text = output_of("babeltrace2", f"{folder}/trace")
        if not text:
            return None
        return len(re.findall(r"pthread_mutex_(?:lock_acq|unlock):.* status = 0", text))

    def library(self):
        return library_path("liblttng-ust-pthread-wrapper.so.1")


class Wrapping(Tool):
    """A command in front of the command. The figures are of the whole family of processes."""

    def missing(self):
        return None if shutil.which(self.words("")[0]) else self.name

    def words(self, folder):
        raise NotImplementedError

    def command(self, command, folder):
        return {}, [*self.words(folder), *command]


class Strace(Wrapping):
    name = "strace -c"
    what = {IO}
    slow = True
    writes = False
    package = "strace"
    note = "counts and times of system calls, no stacks; both processes' CPU time"

    def words(self, folder):
        return ["strace", "-f", "-c", "-o", f"{folder}/counts", "--"]


class Uftrace(Wrapping):
    name = "uftrace"
    what = {LOCKS, IO}
    package = "uftrace"
    note = "calls of library functions with their times, no stacks in a program built without -pg"

    def recorded(self, folder, said):
        text = output_of("uftrace", "report", "-d", f"{folder}/data", "--no-pager", "-f", "call")
        found = re.findall(r"(\d+)  pthread_(?:mutex_(?:lock|unlock)|rwlock_(?:rdlock|unlock))\b",
                           text)
        return sum(map(int, found)) if found else None

    def words(self, folder):
        return ["uftrace", "record", "--force", "--no-pager", "-d", f"{folder}/data"]


class Gprofng(Wrapping):
    name = "gprofng"
    slow = True
    package = "binutils"
    sees = {MUTEX}

    def __init__(self, what, option, note):
        self.what = {what}
        self.option = option
        self.note = note

    def words(self, folder):
        return ["gprofng", "collect", "app", "-O", f"{folder}/data.er", "-p", "off", "-a", "off",
                *self.option]

    def recorded(self, folder, said):
        """It counts the locks alone, not what gives them back."""
        text = output_of("gprofng", "display", "text", "-metrics", "e.sync:e.syncn:name",
                         "-functions", f"{folder}/data.er")
        found = re.findall(r"(\d+) +pthread_mutex_lock\b", text)
        return 2 * int(found[0]) if found else None


class Mutrace(Wrapping):
    name = "mutrace"
    what = {LOCKS}
    writes = False
    package = "mutrace, in Debian up to 11"
    note = ("sums per lock, the stack of its first use; counts the locking again after a wait for a "
            "condition, too")

    def words(self, folder):
        return ["mutrace", "--all"]

    def recorded(self, folder, said):
        """Locks alone: of its table, the column after the lock's number."""
        table = said.partition("Mutex #   Locked")[2]
        found = re.findall(r"^ +\d+ +(\d+) +\d+ +\d+ +[\d.]+ ", table, re.M)
        return 2 * sum(map(int, found)) if found else None


def all_tools(library):
    return [
        Native(), Lariat(library), LariatHeap(library), Heaptrack(), Lsan(), Gperftools(), Lttng(),
        LttngLocks(), Mutrace(), Strace(), Uftrace(),
        Gprofng(LOCKS, ["-s", "all"], "every lock and I/O call with its stack (-s all, -i on)"),
        Gprofng(IO, ["-i", "on"], ""),
    ]
