#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A second reader of traces, written from preload/format/FORMAT.md alone.

    format_reader.py TRACE        the events as JSON lines, as `lariat dump` prints them
    format_reader.py --leaks TRACE    blocks and bytes in use by class, as one JSON object
    format_reader.py --equals TRACE   what the leak scan knows of equal contents, the same way
    format_reader.py --facts TRACE    the counts of section 9 as one JSON object

It shares no code with the analyzer, so that what both agree on is what the page says. It needs the
`zstd` command and calls.def, and takes no care to be fast or to survive every hostile file.
"""
import heapq
import json
import mmap
import os
import re
import struct
import subprocess
import sys

sys.dont_write_bytecode = True  # the tree stays as it is
from format_checkpoint import Checkpoint
from format_leakscan import LeakScan
from format_records import KINDS, M64, NEVER, Block, Damaged, Nodes, Record, raw_records, \
    signed

# What dump shows as a length of time or as signed; cpu_ns is in ns already.
TICKS = {"duration_ns", "wait_ns", "hold_ns", "hold_max_ns"}
SIGNED = {(5, "result"), (6, "result"), (6, "offset"), (14, "result")}
FLAGS = {6: {1: "no_target"}, 15: {1: "most"},
         7: {1: "contended", 2: "first", 4: "try", 8: "unowned", 16: "no_cell", 32: "held"},
         8: {1: "one_hold"}, 9: {1: "detached"}, 14: {1: "child"},
         22: {1: "kernel", 2: "recorder", 4: "clock", 8: "blocked"}}


def zstd(frame):
    done = subprocess.run(["zstd", "-dcq"], input=frame, capture_output=True, check=False)
    if done.returncode:
        raise Damaged("zstd: " + done.stderr.decode(errors="replace").strip())
    return done.stdout


class Trace:
    def __init__(self, path):
        with open(path, "rb") as f:
            self.data = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
        self.damaged_records = self.damaged_blocks = self.damaged_events = self.skipped = self.gap_events = 0
        self.modules, self.targets, self.target_names, self.last_ticks = {}, {0: ""}, {}, 0
        self.read_header()
        self.slots = list(self.read_slots())
        self.read_dictionary()
        self.read_ring()
        self.read_checkpoint()
        self.sort_out()

    def u32(self, at):
        return struct.unpack_from("<I", self.data, at)[0]

    def u64(self, at):
        return struct.unpack_from("<Q", self.data, at)[0]

    def sign_of_life(self, ticks):
        self.last_ticks = max(self.last_ticks, ticks)

    def read_header(self):
        if self.data[:8] != b"LARIAT\r\n" or len(self.data) < 4096:
            sys.exit("not a trace")
        if self.u32(8) not in (2, 3) or self.u32(20) & ~1:
            sys.exit("version %d, flags %#x: not for this reader" % (self.u32(8), self.u32(20)))
        self.slot_header, self.shift = self.u32(44), self.u32(484)
        self.sections = {}
        for i in range(min(self.u32(40), 12)):
            kind, unit, offset, size, used = struct.unpack_from("<IIQQQ", self.data, 48 + 32 * i)
            if offset < len(self.data):
                self.sections.setdefault(kind, (unit, offset, min(size, len(self.data) - offset), used))
        start = struct.unpack_from("<QQ", self.data, 488)
        self.start, self.mult = start[0], 1 << 48
        index = self.u32(536) & 1
        for i in (index, 1 - index):
            last = struct.unpack_from("<QQ", self.data, 504 + 16 * i)
            if last[0] > start[0] and last[1] > start[1]:
                self.sign_of_life(last[0])
                if self.u32(480) != 2:
                    self.mult = ((last[1] - start[1]) << 48) // (last[0] - start[0])
                break
        if self.u32(540):
            self.sign_of_life(self.u64(552))
        self.lost = struct.unpack_from("<16Q", self.data, 600)

    def section(self, kind):
        return self.sections.get(kind, (0, 0, 0, 0))

    def read_slots(self):
        unit, offset, size, used = self.section(1)
        usual, wide_slots, wide_size = unit, self.u32(848), self.u32(852)
        narrow_from, narrow_size = self.u32(856), self.u32(860)
        if not self.u32(20) & 1:
            narrow_from, narrow_size = 1 << 32, usual
        behind = offset
        for i in range(used):
            unit = wide_size if i < wide_slots else usual if i < narrow_from else narrow_size
            at = behind
            behind += unit
            if at + self.slot_header > offset + size:
                break
            magic, index, head, seq, tid, thread = struct.unpack_from("<IIIIII", self.data, at)
            if not magic and not head and not seq:
                continue
            if magic != 0x544f4c53 or index != i or head > unit - self.slot_header or head % 8:
                self.damaged_records += 1
                continue
            body = self.data[at + self.slot_header:at + self.slot_header + head]
            words = struct.unpack("<%dQ" % (len(body) // 8), body[:len(body) // 8 * 8])
            nodes = Nodes()
            records, bad, skipped = raw_records(words, self.shift, self.data[752:784], nodes)
            self.damaged_records += bad + (len(body) < head)
            self.skipped += skipped
            cells = [self.cell(at, c) for c in range(60)]
            flush_cell, flush_state = struct.unpack_from("<IQ", self.data, at + 28)
            if flush_state and flush_cell < 60 and seq << 32 | head >= flush_state:
                cells[flush_cell] = (0,)
            yield dict(index=i, seq=seq, tid=tid, thread=thread, records=records,
                       cells=[c for c in cells if c[0]],
                       streams=self.streams(at, seq << 32 | head), nodes=nodes)

    def streams(self, at, state):
        """The stream cells of the slot at an offset that are in no record."""
        if self.slot_header < 9216:
            return []
        mask, given_up = struct.unpack_from("<QQ", self.data, at + 40)
        if not given_up or state < given_up:
            mask = 0
        cells = [struct.unpack_from("<QQQQQIIIiII", self.data, at + 8192 + 64 * c)
                 for c in range(16)]
        return [c for i, c in enumerate(cells) if c[0] and not mask >> i & 1]

    def cell(self, at, c):
        """A lock cell of the slot at an offset, with its buckets as words of four."""
        figures = struct.unpack_from("<QIIIHHQQQQII", self.data, at + 256 + 64 * c)
        holds = (0,) * 9
        if self.slot_header >= 8192:
            holds = struct.unpack_from("<8Q", self.data, at + 4096 + 64 * c) + (0,)
        return figures + (holds,)

    def read_dictionary(self):
        _, offset, size, used = self.section(2)
        at, end, searching = offset, offset + min(size, used), False
        while end - at >= 16:
            total, kind, reserved, payload, number = struct.unpack_from("<IHHII", self.data, at)
            right = total >= 16 and total <= end - at and total % 8 == 0 and kind and \
                payload <= total - 16
            if searching and right:
                right = kind <= 8 and reserved == 0 and total - 16 - payload < 8
            if not right:
                self.damaged_records += not searching
                searching, at = True, at + 8
                continue
            searching = False
            self.dictionary_record(kind, number, self.data[at + 16:at + 16 + payload])
            at += total

    def dictionary_record(self, kind, number, p):
        text = lambda b: b.split(b"\0")[0].decode(errors="replace")
        if kind == 2:
            start, end, bias, seen, id_size, flags = struct.unpack_from("<QQQQII", p)
            self.modules[number] = dict(
                path=text(p[40 + id_size:]), start=start, end=end, bias=bias, own=flags & 2,
                seen=seen >> self.shift << self.shift, unload=NEVER)
            self.sign_of_life(seen)
        elif kind == 3:
            self.modules[number]["unload"] = struct.unpack_from("<Q", p)[0]
            self.sign_of_life(struct.unpack_from("<Q", p)[0])
        elif kind == 4:
            shared, base = struct.unpack_from("<2xHI", p)
            start = self.target_names.get(base, b"") if base else b""
            if base and (not start or len(start) < shared):
                start, shared = b"...", 3
            self.target_names[number] = start[:shared] + p[8:].split(b"\0")[0]
            self.targets[number] = text(self.target_names[number])
        elif kind == 5:
            self.sign_of_life(struct.unpack_from("<IIQ", p)[2])

    def read_ring(self):
        _, offset, size, _ = self.section(3)
        at, self.blocks = offset, []
        while at + 80 <= offset + size:
            block = struct.unpack_from("<IIQQIIIIQQIIIIQ", self.data, at)
            total, check = block[1], 2166136261
            if block[0] != 0x4b4c424c or total > offset + size - at or total < 112 or total % 32:
                found = self.data.find(b"LBLK", at + 1)
                at = offset + (found - offset + 31) // 32 * 32 if found > 0 else offset + size
                continue
            for i, b in enumerate(self.data[at:at + 80]):
                check = (check ^ (0 if i < 4 or 68 <= i < 72 else b)) * 16777619 & 0xffffffff
            if check != block[13]:
                at += 32
                continue
            self.blocks.append(dict(at=at, seq=block[2], before=block[3], events=block[4],
                                    comp=block[7], slot=block[10], slot_seq=block[11],
                                    shift=block[12], last=block[9] >> block[12] << block[12]))
            at += total
        self.blocks.sort(key=lambda b: b["seq"])
        for b in self.blocks:
            try:
                frame = self.data[b["at"] + 80:b["at"] + 80 + b["comp"]]
                block = Block(zstd(frame), b["events"], b["shift"])
                b["records"], self.skipped = block.records, self.skipped + block.skipped
            except Damaged:
                b["records"] = None

    def read_checkpoint(self):
        offset = self.section(4)[1]
        size = next((self.u64(64 + 32 * i) for i in range(min(self.u32(40), 12))
                     if offset and self.u32(48 + 32 * i) == 4 and self.u64(56 + 32 * i) == offset), 0)
        self.checkpoint = Checkpoint(self.data, offset, size, zstd) if size else None
        if self.checkpoint:
            self.damaged_records += self.checkpoint.damaged
            self.sign_of_life(self.checkpoint.last_ticks)

    def leak_scan(self):
        size, offset = next(((self.u64(64 + 32 * i), self.u64(56 + 32 * i))
                             for i in range(min(self.u32(40), 12)) if self.u32(48 + 32 * i) == 7),
                            (0, 0))
        return LeakScan(self.data, offset, size, zstd)

    def equals(self):
        """Blocks of equal content: the sums, and the groups with how many addresses they have."""
        scan = self.leak_scan()
        if not scan.equals:
            return None
        known = ("looked_blocks", "looked_bytes", "unlooked_blocks", "unlooked_bytes", "zero_blocks",
                 "zero_bytes", "groups", "copies", "saved_bytes")
        return {**{name: scan.equals[name] for name in known},
                "list": [[size, copies, len(addresses)] for size, copies, addresses in scan.groups]}

    def leaks(self):
        """Of a trace without a checkpoint: what is still in use, by class."""
        scan, live, sums = self.leak_scan(), {}, {}
        for r, _, _ in self.events():
            if r.kind == 2 and r.fields[0]:
                live[r.fields[0]] = r.fields[1], r.time
            elif r.kind in (3, 16):
                live.pop(r.fields[0], None)
            elif r.kind == 4:
                if r.fields[2] or not r.fields[3]:
                    live.pop(r.fields[1], None)
                if r.fields[2]:
                    live[r.fields[2]] = r.fields[3], r.time
        for address, (size, born) in live.items():
            sum_of = sums.setdefault(scan.class_of(address, born, self.u32(484)), [0, 0])
            sum_of[0] += 1
            sum_of[1] += size
        return sums

    def folded(self, slot, fill, events):
        """How many of a fill's events are in the checkpoint."""
        return self.checkpoint.has(slot, fill, events) if self.checkpoint else 0

    def sort_out(self):
        """Which of block and slot to take where both have the same; what is missing."""
        for slot in self.slots:
            slot["sealed"] = False
            for b in self.blocks:
                if (b["slot"], b["slot_seq"]) != (slot["index"], slot["seq"]) or not slot["records"]:
                    continue
                if b["records"] is None:
                    b["records"] = []  # the slot has them
                    b["in_slot"] = True
                else:
                    slot["sealed"] = True
        following = 0, 0
        for n, b in enumerate(self.blocks):
            if n and b["seq"] > following[0]:
                self.damaged_blocks += b["seq"] - following[0]
                self.gap_events += max(0, b["before"] - following[1])
            following = b["seq"] + 1, b["before"] + b["events"]
            missing = b["events"] - self.folded(b["slot"], b["slot_seq"], b["events"])
            if b["records"] is None and not missing:
                b["records"] = []  # all of them are in the checkpoint
            if b["records"] is None:
                self.damaged_blocks += 1
                self.damaged_events += missing
            self.sign_of_life(b["last"])
        for slot in self.slots:
            if not slot["sealed"]:
                for r in slot["records"]:
                    self.sign_of_life(r.time)
            for cell in slot["streams"]:
                self.sign_of_life(cell[4])
        self.damaged_events += self.gap_events
        missing = self.u64(584) - following[0], max(0, self.u64(592) - following[1])
        in_slot = [len(s["records"]) for s in self.slots if not s["sealed"]]
        if missing[0] > 0 and not (missing[0] == 1 and (not missing[1] or missing[1] in in_slot)):
            self.damaged_blocks += missing[0]
            self.damaged_events += missing[1]

    def facts(self):
        runs = [(b["slot"], b["slot_seq"], b["events"]) for b in self.blocks
                if b["records"] is not None and "in_slot" not in b]
        runs += [(s["index"], s["seq"], len(s["records"])) for s in self.slots if not s["sealed"]]
        here = sum(events for _, _, events in runs)
        kept = here - sum(self.folded(*run) for run in runs)
        folded = self.checkpoint.events if self.checkpoint else 0
        gone = max(0, folded - (here - kept))
        before = self.blocks[0]["before"] if self.blocks else 0
        over = max(0, before - gone)
        damaged = self.damaged_events - min(self.gap_events, max(0, gone - before))
        return dict(events_written=kept + folded + over + damaged, events_kept=kept,
                    events_folded=folded, events_overwritten=over, events_damaged=damaged,
                    events_dropped=sum(self.lost[i] for i in (0, 1, 2, 3, 6)),
                    events_unknown=self.skipped, blocks_damaged=self.damaged_blocks,
                    records_damaged=self.damaged_records)

    def slot_events(self, number):
        """A slot's records in order, with the thread that they are of."""
        runs = [b["records"] or [] for b in self.blocks if b["slot"] == number]
        runs += [s["records"] for s in self.slots if s["index"] == number and not s["sealed"]]
        for run in runs:
            tid = thread = 0
            for r in run:
                if r.kind == 1:
                    tid, thread = r.fields[0] & 0xffffffff, r.fields[1] & 0xffffffff
                yield r.time, r.kind not in (3, 16), number, (r, thread, tid)

    def events(self):
        numbers = {b["slot"] for b in self.blocks} | {s["index"] for s in self.slots}
        for event in heapq.merge(*[self.slot_events(n) for n in sorted(numbers)],
                                 key=lambda e: e[:3]):
            yield event[3]
        for slot in self.slots:
            if not slot["sealed"]:
                yield from self.stream_events(slot)
        for slot in self.slots:
            for cell in slot["cells"]:
                addr, took, waiters, failed, _, call, hold, longest, _, caller, _, owners, holds = cell
                rows = []
                for first in (0, 12, 24) if self.slot_header >= 8192 else ():
                    buckets = list(holds[first // 4:first // 4 + 3])
                    if any(buckets) or waiters:
                        rows.append((18, [addr, caller, first | waiters << 16] + buckets))
                        waiters = 0
                rows.append((8, [addr, took, hold, longest, failed | owners << 32, caller]))
                for kind, fields in rows:
                    r = Record(kind | call << 16, self.last_ticks, fields, None)
                    yield r, slot["thread"], slot["tid"]

    def stream_events(self, slot):
        """What the stream cells of a slot would have become at the end."""
        step = 1 << self.shift
        now = self.last_ticks // step * step
        slot["nodes"].event(now)
        owners = [r for r in slot["records"] if r.kind == 1]
        for _, _, calls, total, since, call, node, target, fd, _, _ in slot["streams"]:
            low = 6 | (target == 0) << 8 | call << 16
            fields = [self.last_ticks - since, fd & 0xffffffff | target << 32, total, calls, M64]
            yield (Record(low, now, fields, slot["nodes"].get(node)),
                   owners[-1].fields[1] & 0xffffffff, owners[-1].fields[0] & 0xffffffff)

    def span_ns(self, ticks):
        return min(ticks * self.mult >> 48, M64)

    def module(self, address, time):
        best = None
        for m in self.modules.values():
            if not m["start"] <= address < m["end"]:
                continue
            away = m["seen"] - time if time < m["seen"] else \
                time - m["unload"] + 1 if time >= m["unload"] else 0
            if best is None or (away, -m["seen"]) < best[:2]:
                best = away, -m["seen"], m
        return best and best[2]

    def frames(self, node):
        while node:
            address, time, node = node.address, node.time, node.parent
            if address in (1, 2):
                yield {"cut" if address == 1 else "incomplete": True}
                continue
            m = self.module(address, time)
            if m is None:
                yield {"address": address, "module": None}
            elif not m["own"]:
                yield {"address": address, "module": m["path"], "offset": address - m["bias"] & M64}

    def shown(self, r, thread, tid, calls):
        name, _, _, names = KINDS[r.kind]
        if r.kind == 3:  # a FREE that names no size is shown with one of 0
            names, r.fields = KINDS[16][3], r.fields + [0]
        line = {"time_ns": self.span_ns(max(0, r.time - self.start)), "kind": name,
                "thread": thread, "tid": tid}
        if r.call:
            line["call"] = calls.get(r.call, r.call)
        for field, v in zip(names, r.fields):
            if field == "size" and r.call in calls.of_streams:
                field = "calls"
            if field == "failed_try":
                line.update(failed_try=v & 0xffffffff, owner_changes=v >> 32)
            elif field == "wait_ns" and r.flags & 3 == 2:
                line["life"] = v
            elif field == "fd":
                line.update(fd=signed(v & 0xffffffff, 32), target=v >> 32,
                            target_name=self.targets.get(v >> 32, ""))
            elif field:
                line[field] = self.span_ns(v) if field in TICKS else \
                    signed(v) if (r.kind, field) in SIGNED else v
        for bit, flag in FLAGS.get(r.kind, {}).items():
            if r.flags & bit:
                line[flag] = True
        if KINDS[r.kind][1]:
            line["stack"] = list(self.frames(r.node))
        return line


class Calls(dict):
    """Names by number, and the numbers of what is asked of streams."""
    of_streams = frozenset()


def call_names():
    path = os.path.join(os.path.dirname(__file__), "../preload/format/calls.def")
    with open(path, encoding="utf-8") as f:
        rows = re.findall(r"^(?:CALL|PART)\((\w+), (\d+), \w+, (\w+)\)", f.read(), re.M)
    calls = Calls((int(n), name) for name, n, _ in rows)
    calls.of_streams = {int(n) for _, n, operation in rows if operation.startswith("STDIO_")}
    return calls


def main():
    trace = Trace(sys.argv[-1])
    if sys.argv[1] == "--equals":
        print(json.dumps(trace.equals(), sort_keys=True))
        return
    if sys.argv[1] == "--leaks":
        print(json.dumps(trace.leaks(), sort_keys=True))
        return
    if sys.argv[1] == "--facts":
        print(json.dumps(trace.facts()))
        return
    calls = call_names()
    for r, thread, tid in trace.events():
        print(json.dumps(trace.shown(r, thread, tid, calls), separators=(",", ":"),
                         ensure_ascii=False))


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
