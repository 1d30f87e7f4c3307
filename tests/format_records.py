# SPDX-License-Identifier: MIT
"""Records of blocks and slots, after sections 4 and 7 of FORMAT.md; a part of format_reader.py."""
import struct

M64 = (1 << 64) - 1
KINDS = {  # number: name, has a stack, letters behind the time, what dump calls the fields
    1: ("thread", 0, "VVV", [None, None, "creator"]),
    2: ("alloc", 1, "NV", ["address", "size"]),
    3: ("free", 0, "O", ["address"]),
    4: ("realloc", 1, "UONV", ["duration_ns", "old_address", "address", "size"]),
    5: ("map", 1, "VAVAVZ", ["duration_ns", "address", "size", "old_address", "old_size", "result"]),
    6: ("io", 1, "VDZVD", ["duration_ns", "fd", "result", "size", "offset"]),
    7: ("lock", 1, "VAV", ["wait_ns", "address", "result"]),
    8: ("locksum", 0, "AVVVVV",
        ["address", "acquisitions", "hold_ns", "hold_max_ns", "failed_try", "caller"]),
    9: ("thread_create", 1, "VVV", ["duration_ns", "other_thread", "result"]),
    10: ("thread_start", 0, "V", ["other_thread"]),
    11: ("thread_end", 0, "VV", ["other_thread", "cpu_ns"]),
    12: ("thread_join", 1, "VVV", ["duration_ns", "other_thread", "result"]),
    14: ("process", 1, "VVZ", ["duration_ns", "child_pid", "result"]),
    15: ("tick", 0, "VVVV", ["rss_bytes", "heap_bytes", "mapped_bytes", "threads"]),
    16: ("free", 0, "OV", ["address", "size"]),
    18: ("lockholds", 0, "VVVVVV",
         ["address", "caller", "first_bucket", "buckets_0", "buckets_4", "buckets_8"]),
    19: ("lockorder", 1, "VVVV", ["address", "held_address", "caller", "held"]),
    21: ("thread_stack", 0, "VVV", ["other_thread", "stack_bytes", "used_bytes"]),
    22: ("cpu", 1, "DV", ["cpu_ns", "count"]),
    20: ("lockwait", 1, "VVV", ["address", "other_thread", "caller"]),
}
PATH = 17
SIZES = {2: 1, 4: 3, 6: 3, 16: 1}  # which field behind the time is the size of a form
MAX_DEPTH = 4096
NEVER = M64


class Damaged(Exception):
    pass


def signed(v, bits=64):
    return v - (1 << bits) if v >> (bits - 1) else v


def unzigzag(v):
    return v >> 1 if v & 1 == 0 else -(v >> 1) - 1


class Stream:
    def __init__(self, data):
        self.data, self.at = data, 0

    def more(self):
        return self.at < len(self.data)

    def take(self, n):
        if len(self.data) - self.at < n:
            raise Damaged("a stream ends early")
        self.at += n
        return self.data[self.at - n:self.at]

    def varint(self):
        v = 0
        for shift in range(0, 70, 7):
            b = self.take(1)[0]
            v |= (b & 127) << shift
            if b < 128:
                return v & M64
        raise Damaged("a varint of more than 10 bytes")

    def zigzag(self):
        return unzigzag(self.varint())

    def halves(self):
        """The half bytes of what is left, the low one of each first."""
        return [half for byte in self.data[self.at:] for half in (byte & 15, byte >> 4)]

    def address(self, last):
        if self.more() and self.data[self.at] == 1:
            return struct.unpack("<xQ", self.take(9))[0]
        v = self.varint()
        return last + (-1 if v & 2 else 1) * (v >> 2) * 8 & M64


class Record:
    """One event: time, kind, flags, call, fields, and for kinds with a stack its innermost node."""

    def __init__(self, low, time, fields, node):
        self.kind, self.flags, self.call = low & 255, low >> 8 & 255, low >> 16 & 0xffff
        self.time, self.fields, self.node = time, fields, node


class Node:
    """A return address below another node; the time says which module it is in."""

    def __init__(self, address, parent):
        self.address, self.parent, self.time = address, parent, NEVER


class Nodes:
    """The frames of a slot's fill or of a block."""

    def __init__(self):
        self.all, self.undated = [None], []

    def get(self, number):
        if number >= len(self.all):
            raise Damaged("no such node")
        return self.all[number]

    def path(self, parent, addresses):
        if len(addresses) > MAX_DEPTH:
            raise Damaged("too many frames")
        node = self.get(parent)
        for address in addresses:
            node = Node(address, node)
            self.all.append(node)
            self.undated.append(node)

    def event(self, time):
        for node in self.undated:
            node.time = time
        self.undated = []


class Addresses:
    """What N and O fields refer to, and the stream of what they do not."""

    def __init__(self, stream):
        self.stream, self.allocations, self.frees = stream, [], []
        self.behind_last = self.last_freed = 0
        self.reuse = [0] * 128

    @staticmethod
    def size_class(size):
        return max(2, (size + 23) // 16) if size <= 1032 else 63 + size.bit_length()

    @classmethod
    def chunk(cls, size):
        return 16 * cls.size_class(size) if size <= 1032 else (size + 23 & M64) // 16 * 16

    @staticmethod
    def item(items, number):
        if number >= len(items):
            raise Damaged("a reference to nothing")
        return items[number]

    def old(self, code):
        if code == 1:
            return 0
        if code == 0:
            v = self.last_freed = self.stream.address(self.last_freed)
        else:
            r = (self.behind_last + unzigzag(code - 2)) % 2**32
            v, size = self.item(self.allocations, r)
            v %= 2**56
            self.behind_last = (r + 1) % 2**32
            self.reuse[self.size_class(size)] = len(self.frees)
        self.frees.append(v)
        return v

    def new(self, code, size):
        last, last_size = self.allocations[-1] if self.allocations else (0, None)
        if code == 1:
            return 0
        if code == 0:
            v = self.stream.address(last)
        elif code == 2:
            v = last + self.chunk(last_size) & M64 if self.allocations else 0
        else:
            r = len(self.frees) - 1
            if code > 3:
                r = self.reuse[self.size_class(size)] + unzigzag(code - 4)
            r %= 2**32
            v = self.item(self.frees, r)
            self.reuse[self.size_class(size)] = r + 1
        self.allocations.append((v, size))
        return v


def streams_of(encoded):
    directory = Stream(encoded)
    sizes = [(directory.varint(), directory.varint()) for _ in range(directory.varint())]
    streams, at = {}, directory.at
    for number, size in sizes:
        if size > len(encoded) - at or number >= 16 + 256 * 8:
            raise Damaged("no such stream, or it goes beyond the block")
        streams[number] = Stream(encoded[at:at + size])
        at += size
    if at != len(encoded):
        raise Damaged("bytes behind the last stream")
    return streams


class Form:
    """What many records have in common: a shape, a node, and the usual size."""

    def __init__(self, low, form, node):
        self.low, self.kind, self.node, self.size = low, low & 255, node, 0
        self.known = (self.kind in KINDS and
                      form == 1 + len(KINDS[self.kind][2]) + 128 * KINDS[self.kind][1])


class Block:
    """Decodes a block into records; of unknown kinds it only says how many there were."""

    def __init__(self, encoded, events, shift):
        self.streams, self.shift = streams_of(encoded), shift
        self.shapes, self.forms, self.addresses = [], [None], []
        self.time, self.last_a, self.slow = 0, 0, {}
        self.steps = {n: iter(self.stream(n).halves()) for n in (10, 11)}
        self.referred, self.nodes = Addresses(self.stream(6)), Nodes()
        self.records, self.skipped = [], 0
        while self.stream(0).more():
            low, form = self.stream(0).varint(), self.stream(0).take(1)[0]
            if low >> 32 or not 1 <= form % 128 <= 7 or len(self.shapes) == 1024:
                raise Damaged("an impossible shape")
            self.shapes.append((low, form))
        while self.stream(2).more():
            last = self.addresses[-1] if self.addresses else 0
            self.addresses.append(last + self.stream(2).zigzag() & M64)
        while self.stream(1).more():
            symbol = self.stream(1).varint()
            if symbol == 0:
                self.path()
            elif symbol == 1:
                self.event(self.new_form(), True)
            elif symbol // 2 < len(self.forms):
                self.event(self.forms[symbol // 2], symbol % 2 == 1)
            else:
                raise Damaged("no such form")
        if len(self.records) + self.skipped != events:
            raise Damaged("not as many events as it says")

    def stream(self, n):
        return self.streams.setdefault(n, Stream(b""))

    def step(self, freed):
        short = next(self.steps[11 if freed else 10], None)
        if short is None:
            return self.stream(9 if freed else 8).zigzag()
        return short if short < 15 else self.stream(12).zigzag()

    def path(self):
        parent = len(self.nodes.all) - 1 - self.stream(3).varint()
        indices = [self.stream(5).varint() for _ in range(self.stream(4).varint())]
        if parent < 0 or any(i >= len(self.addresses) for i in indices):
            raise Damaged("no such parent or return address")
        self.nodes.path(parent, [self.addresses[i] for i in indices])

    def new_form(self):
        shape, node = self.stream(7).varint(), None
        if shape >= len(self.shapes):
            raise Damaged("no such shape")
        if self.shapes[shape][1] & 128:
            back = self.stream(7).varint()
            if back >= len(self.nodes.all):
                raise Damaged("no such node")
            node = self.nodes.all[len(self.nodes.all) - 1 - back]
        form = Form(*self.shapes[shape], node)
        if len(self.forms) < 4096:
            self.forms.append(form)
        return form

    def event(self, form, own_size):
        self.time = self.time + self.step(form.kind in (3, 16)) & M64
        if not form.known:
            self.skipped += 1
            return
        letters, fields = KINDS[form.kind][2], []
        streams = [self.stream(17 + 8 * form.kind + f) for f in range(len(letters))]
        for f, letter in enumerate(letters):
            if f and letters[f - 1] == "N":
                continue  # the size is there
            if f == SIZES.get(form.kind):
                fields.append(self.size(form, own_size, streams[f]))
                continue
            fields.append(self.field(form.kind, f, letter, streams[f]) & M64)
            if letter == "N":
                size = self.size(form, own_size, streams[f + 1])
                fields[-1:] = [self.referred.new(fields[-1], size), size]
        time = self.time << self.shift & M64
        self.nodes.event(time)
        self.records.append(Record(form.low, time, fields, form.node))

    @staticmethod
    def size(form, own, stream):
        if own:
            form.size = stream.varint()
        return form.size

    def field(self, kind, f, letter, s):
        if letter == "Z":
            return s.zigzag()
        if letter == "D":
            self.slow[kind, f] = self.slow.get((kind, f), 0) + s.zigzag()
            return self.slow[kind, f]
        if letter == "A":
            self.last_a = s.address(self.last_a)
            return self.last_a
        if letter == "O":
            return self.referred.old(s.varint())
        return s.varint() << (self.shift if letter == "U" else 0)


def raw_records(words, shift, forms=(), nodes=None):
    """The whole records in front, whether there was something else behind them, unknown ones.
    nodes takes the nodes of stacks."""
    records, at, nodes, skipped = [], 0, nodes or Nodes(), 0
    while at < len(words):
        kind, node = words[at] & 255, words[at] >> 32
        known = kind in KINDS or kind == PATH
        if kind == PATH:
            fields = words[at] >> 16 & 0xffff
        elif known:
            fields = 1 + len(KINDS[kind][2])
        else:
            fields = forms[kind] % 128 if kind < len(forms) else 0
        if at + 1 + fields > len(words) or not known and not 1 <= fields <= 7:
            return records, True, skipped
        w = words[at + 1:at + 1 + fields]
        try:
            if kind == PATH:
                nodes.path(node, w)
            elif known:
                if node and not KINDS[kind][1]:
                    raise Damaged("a node without a stack")
                records.append(raw_event(words[at], w, nodes.get(node), shift))
                nodes.event(records[-1].time)
            else:
                skipped += 1
        except Damaged:
            return records, True, skipped
        at += 1 + fields
    return records, False, skipped


def raw_event(w0, w, node, shift):
    unit = 1 << shift
    fields = [min(-(-v // unit), M64 // unit) * unit if letter == "U" else v
              for letter, v in zip(KINDS[w0 & 255][2], w[1:])]
    return Record(w0, w[0] // unit * unit, fields, node)
