# SPDX-License-Identifier: MIT
"""Checkpoints as FORMAT.md, section 10, has them; part of format_reader.py."""
import struct

from format_records import Damaged, Stream

# By number of the table: columns that are differences, histograms of a row.
TABLES = {1: ((0, 2), 0), 2: ((), 0), 3: ((0,), 1), 4: ((0, 2), 0), 5: ((), 0), 6: ((), 0),
          7: ((0,), 0), 8: ((0,), 0), 9: ((0, 5), 0), 10: ((), 1), 11: ((0,), 1), 12: ((0,), 1),
          13: ((1,), 0), 14: ((), 0), 15: ((0,), 2), 16: ((0,), 2), 17: ((), 0), 18: ((0,), 1),
          19: ((0,), 0), 20: ((), 0), 21: (range(14), 0), 22: ((), 0), 23: ((), 0), 24: ((2,), 0),
          25: ((), 0), 26: ((), 0), 27: ((), 0), 28: ((), 0), 29: ((0,), 0)}


def histogram(s):
    count, sums, buckets = s.varint(), (0, 0, 0), {}
    if count:
        sums = [s.varint() for _ in range(3)]
        index = 0
        for _ in range(s.varint()):
            index += s.varint()
            buckets[index] = s.varint()
    return dict(count=count, sum=sums[0], least=sums[1], most=sums[2], buckets=buckets)


def rows_of(s, number):
    rows, columns = s.varint(), s.varint()
    differences, histograms = TABLES[number]
    last = [0] * columns
    for _ in range(rows):
        row = [s.zigzag() + last[i] & (1 << 64) - 1 if i in differences else s.varint()
               for i in range(columns)]
        last = row
        yield row + [histogram(s) for _ in range(histograms)]


def tables_of(data):
    """By number, the rows of each table up to the first unknown one."""
    s, found = Stream(data), {}
    while (number := s.varint()) in TABLES:
        if number in found:
            raise Damaged("table %d twice" % number)
        found[number] = list(rows_of(s, number))
    if not number and s.more():
        raise Damaged("bytes behind the end")
    return found


class Checkpoint:
    """The newest whole one of two areas; seq 0 where there is none."""

    def __init__(self, data, offset, size, unpack):
        self.seq = self.events = self.last_ticks = self.damaged = 0
        self.tables = {}
        area = size // 2 // 4096 * 4096
        for at in (offset, offset + area):
            if at + 64 <= len(data) and data[at:at + 4] != bytes(4):
                self.take(data, at, area, unpack)

    def take(self, data, at, area, unpack):
        magic, check, seq, _, events, raw, size, last, _ = struct.unpack_from("<IIQQQQQQQ", data, at)
        found = 2166136261
        for b in data[at + 8:at + 64]:
            found = (found ^ b) * 16777619 & 0xffffffff
        try:
            if magic != 0x504b434c or check != found or not seq or size > area - 64:
                raise Damaged("header")
            if seq < self.seq:
                return  # the other one is newer and whole
            tables = unpack(data[at + 64:at + 64 + size])
            if len(tables) != raw:
                raise Damaged("size")
            self.tables = tables_of(tables)
        except Damaged:
            self.damaged += 1
            return
        self.seq, self.events, self.last_ticks = seq, events, last

    def has(self, slot, fill, events):
        """How many of the events of a slot's fill are in it."""
        for row in self.tables.get(19, ()):
            if row[0] == slot:
                later = (fill - row[1]) & 0xffffffff
                return min(row[2], events) if not later else 0 if later < 1 << 31 else events
        return 0
