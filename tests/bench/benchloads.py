# SPDX-License-Identifier: MIT
"""What the benchmark runs: loads of our own and real programs on inputs made here, always alike."""
import os
import pathlib
import shutil
import subprocess

from benchtools import HEAP, IO, LOCKS, MUTEX, RWLOCK

HERE = pathlib.Path(__file__).resolve().parent

PYTHON = """
import sys
class Node:
    def __init__(self, key, left, right):
        self.key, self.left, self.right = key, left, right
def tree(depth):
    return Node(depth, tree(depth - 1), tree(depth - 1)) if depth else None
total = 0
for i in range(int(sys.argv[1])):
    words = {str(n): [n, n * 1.5, "word %d" % n] for n in range(40)}
    total += len(words) + sum(len("".join(map(str, w))) for w in words.values())
    if i % 8 == 0:
        root = tree(7)
print(total)
"""

PERL = """
my ($rounds, $total) = (shift, 0);
for my $i (1 .. $rounds) {
    my %h = map { ("key $_" => [$_, "value $_", { n => $_ }]) } 1 .. 60;
    $total += length join ",", map { "$_=$h{$_}[1]" } sort keys %h;
    my @parts = split /,/, join ",", 1 .. 50;
    $total += @parts;
}
print "$total\\n";
"""

SQL = """
create table t (id integer primary key, name text, size real, kind integer);
create index t_name on t (name);
create index t_kind on t (kind, size);
with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})
insert into t select i, 'name of row ' || (i * 7919 % 100003), i * 1.25, i % 17 from n;
select kind, count(*), sum(size), group_concat(substr(name, 13, 2)) from t group by kind;
select count(*) from t a join t b on a.name = b.name;
"""


# Starts the server that the other words are, with nothing of the tool around anything else.
REDIS = """
socket=$1 count=$2
shift 2
"$@" >/dev/null 2>&1 &
tries=0
until redis-cli -s "$socket" ping >/dev/null 2>&1; do
	tries=$((tries + 1))
	[ $tries -lt 400 ] || exit 1
	sleep 0.02
done
redis-benchmark -s "$socket" -n "$count" -c 8 -P 8 -d 100 -r 1000 -q \\
	-t set,get,lpush,lpop,hset,zadd >/dev/null 2>&1
failed=$?
redis-cli -s "$socket" shutdown nosave >/dev/null 2>&1
wait
exit $failed
"""


def c_source(functions):
    """C that gives a compiler work: headers, structures, loops, switches, calls."""
    heads = ["assert", "ctype", "errno", "fcntl", "inttypes", "limits", "locale", "math", "pthread",
             "regex", "sched", "setjmp", "signal", "stdio", "stdlib", "string", "time", "unistd",
             "wchar", "sys/socket", "sys/stat", "netinet/in"]
    text = ["#define _GNU_SOURCE"] + [f"#include <{head}.h>" for head in heads]
    for n in range(functions):
        text.append(f"""
struct item_{n} {{ int key; double weight; char name[{16 + n % 40}]; struct item_{n} *next; }};
static int compare_{n}(const void *a, const void *b)
{{
	const struct item_{n} *x = a, *y = b;
	return x->key != y->key ? (x->key > y->key) - (x->key < y->key) : strcmp(x->name, y->name);
}}
long work_{n}(struct item_{n} *items, size_t count, int mode)
{{
	long sum = {n};
	for (size_t i = 0; i < count; i++) {{
		switch (mode + (int)(i % {3 + n % 5})) {{
		case 0: sum += items[i].key * {n + 3}; break;
		case 1: sum -= (long)(items[i].weight / {n + 1}.5); break;
		case 2: for (char *p = items[i].name; *p; p++) sum = sum * 31 + toupper(*p); break;
		default: sum ^= (long)strlen(items[i].name) << (i & 15);
		}}
		if (items[i].next && items[i].next->key > sum % 1000)
			sum += {f"work_{n - 1}((void *)items, i, mode + 1)" if n else "1"};
	}}
	qsort(items, count, sizeof(*items), compare_{n});
	return sum;
}}""")
    return "\n".join(text) + "\n"


class Load:
    """A load: `command(scale)` runs it at `count * scale`. `what`: whose calls are counted."""

    def __init__(self, name, text, what, count, quick=False):
        self.name, self.text, self.what, self.count, self.quick = name, text, what, count, quick
        self.environment = {}
        self.mixed = False
        self.counted = False
        self.locks = None  # the kind that its calls are of

    def missing(self):
        return None

    def prepare(self, work, build):
        """Makes what it needs, once."""

    def command(self, scale):
        raise NotImplementedError

    def around(self, command, scale):
        """What runs `command`, that is, this load's under a tool and measured."""
        return command


class Own(Load):
    """One of the programs in this folder; COUNT among the arguments stands for the count."""

    def __init__(self, name, text, what, count, words, quick=False):
        super().__init__(name, text, what, count, quick)
        self.words = words
        self.counted = words[0] != "load_containers"

    def prepare(self, work, build):
        source = next(HERE.glob(self.words[0] + ".c*"))
        self.binary = compile_own(source, build)

    def command(self, scale):
        count = str(max(int(self.count * scale), 1))
        return [str(self.binary), *(count if word == "COUNT" else word for word in self.words[1:])]


class Locks(Own):
    def __init__(self, name, text, count, way, threads=1, quick=False, locks=MUTEX):
        super().__init__(name, text, LOCKS, count, ["load_locks", way, "COUNT", str(threads)],
                         quick)
        self.locks = locks


def compile_own(source, build):
    """The program of a source, built anew only when the source is newer."""
    binary = build / "bench" / source.stem
    if binary.exists() and binary.stat().st_mtime > source.stat().st_mtime:
        return binary
    binary.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == ".cc":
        compiler = [os.environ.get("CXX", "g++")]
    else:
        compiler = [os.environ.get("CC", "gcc"), "-std=gnu11", "-D_GNU_SOURCE"]
    subprocess.run([*compiler, "-O2", "-g", "-Wall", "-pthread", "-o", binary, source], check=True)
    return binary


class Program(Load):
    """A real program, which does more than call the heap."""

    def __init__(self, name, text, count, quick=False):
        super().__init__(name, text, HEAP, count, quick)
        self.mixed = True


class Script(Program):
    """An interpreter on a script."""

    def __init__(self, name, text, count, program, script, environment, quick=False):
        super().__init__(name, text, count, quick)
        self.program, self.script, self.environment = program, script, environment

    def missing(self):
        return None if os.path.exists(self.program) else self.program

    def prepare(self, work, build):
        self.file = work / f"{self.name}.script"
        self.file.write_text(self.script)

    def command(self, scale):
        return [self.program, str(self.file), str(max(int(self.count * scale), 1))]


class Sqlite(Program):
    def missing(self):
        return None if shutil.which("sqlite3") else "sqlite3"

    def command(self, scale):
        return ["sqlite3", "-batch", ":memory:", SQL.format(rows=int(self.count * scale))]


class Cc1(Program):
    """The compiler proper, on preprocessed C."""

    def find(self):
        found = subprocess.run([os.environ.get("CC", "gcc"), "-print-prog-name=cc1"],
                               capture_output=True, text=True, check=False).stdout.strip()
        return found if os.path.isabs(found) else None

    def missing(self):
        return None if self.find() else "gcc's cc1"

    def prepare(self, work, build):
        self.cc1, self.work, self.made = self.find(), work, {}

    def command(self, scale):
        functions = max(int(self.count * scale), 1)
        if functions not in self.made:
            source = self.work / f"large-{functions}.c"
            source.write_text(c_source(functions))
            self.made[functions] = source.with_suffix(".i")
            subprocess.run([os.environ.get("CC", "gcc"), "-E", "-o", self.made[functions], source],
                           check=True)
        return [self.cc1, "-quiet", "-fpreprocessed", "-O1", str(self.made[functions]), "-o",
                "/dev/null"]


class Compile(Load):
    """A small program made by the compiler's driver: five short processes, each recorded."""
    SOURCE = '#include <stdio.h>\nint main(void)\n{\n\treturn puts("hello, world") < 0;\n}\n'

    def __init__(self):
        super().__init__("compile", "", HEAP, 1)

    def prepare(self, work, build):
        self.file = work / "hello.c"
        self.file.write_text(self.SOURCE)

    def command(self, scale):
        return [os.environ.get("CC", "gcc"), str(self.file), "-o", "hello"]


class Redis(Program):
    """The server; the client's CPU time is not counted, the wall time is the client's."""

    def missing(self):
        lacking = [p for p in ("redis-server", "redis-benchmark", "redis-cli")
                   if not shutil.which(p)]
        return lacking[0] if lacking else None

    def prepare(self, work, build):
        self.file, self.socket = work / "redis.sh", work / "redis.sock"
        self.file.write_text(REDIS)

    def command(self, scale):
        return ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--save", "",
                "--appendonly", "no", "--dir", str(self.file.parent)]

    def around(self, command, scale):
        return ["sh", str(self.file), str(self.socket), str(int(self.count * scale)), *command]


def depth(frames, quick=False):
    return Own(f"depth {frames}", f"malloc, free; {frames} frames, the same stack each time", HEAP,
               1000000, ["load_heap", "depth", "COUNT", str(frames), "0"], quick)


def threads(count, quick=False):
    return Own(f"threads {count}", f"depth 15 in {count} thread{'s' if count > 1 else ''}", HEAP,
               1000000, ["load_heap", "depth", "COUNT", "15", "0", str(count)], quick)


def all_loads():
    return [
        depth(5), depth(15, True), depth(30), depth(60, True), depth(80),
        Own("fresh 3", "malloc, free; 30 frames, the innermost 3 new each time", HEAP, 600000,
            ["load_heap", "depth", "COUNT", "30", "3"]),
        Own("fresh 8", "malloc, free; 30 frames, the innermost 8 new each time", HEAP, 600000,
            ["load_heap", "depth", "COUNT", "30", "8"]),
        threads(1), threads(2), threads(4, True), threads(8),
        Own("handover", "one thread frees what another has allocated", HEAP, 500000,
            ["load_heap", "handover", "COUNT"], True),
        Own("throng", "300 threads, two of them at work at a time", HEAP, 3000000,
            ["load_heap", "throng", "COUNT", "300"]),
        Own("grow", "realloc: buffers that grow", HEAP, 600000, ["load_heap", "grow", "COUNT"],
            True),
        Own("wander", "random recursion, 5 to 80 frames", HEAP, 600000,
            ["load_heap", "wander", "COUNT"]),
        Own("containers", "C++ containers and strings", HEAP, 600, ["load_containers", "COUNT"],
            True),
        Locks("locks", "a mutex locked and unlocked that nobody else wants", 1000000, "alone",
              quick=True),
        Locks("contended 2", "two threads want one mutex", 1000000, "share", 2),
        Locks("contended 4", "four threads want one mutex", 1000000, "share", 4),
        Locks("condition", "two threads wake each other in turns", 50000, "turns", 2),
        Locks("readers 2", "two threads read under one lock", 1000000, "read", 2, locks=RWLOCK),
        Locks("readers 4", "four threads read under one lock", 1000000, "read", 4, locks=RWLOCK),
        Own("small io", "read and write of 16 bytes", IO, 300000, ["load_io", "COUNT"], True),
        Sqlite("sqlite3", "bulk insert into :memory:, two indexes, a join", 60000, True),
        Script("perl", "hashes, lists, join and split", 1500, "/usr/bin/perl", PERL,
               {"PERL_HASH_SEED": "0"}, True),
        Script("python3", "dicts, strings, objects; PYTHONMALLOC=malloc", 900, "/usr/bin/python3",
               PYTHON, {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"}, True),
        Cc1("cc1", "gcc's compiler, -O1", 60),
        Redis("redis-server", "under redis-benchmark", 40000),
    ]
