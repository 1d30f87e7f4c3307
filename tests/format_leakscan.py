# SPDX-License-Identifier: MIT
"""Leak scans as FORMAT.md, section 12, has them; part of format_reader.py."""
import struct

from format_records import Damaged, Stream

FIELDS = ("seq ticks status flags detail threads stopped pause_ns duration_ns root_bytes "
          "definite_blocks definite_bytes indirect_blocks indirect_bytes reachable_blocks reachable_bytes listed "
          "listed_until raw_size comp_size address_shift").split()
LAYOUT = "<IIQQIIQIIQQQQQQQQQQQIII28x"
EQUALS = ("seq looked_blocks looked_bytes unlooked_blocks unlooked_bytes zero_blocks zero_bytes groups copies "
          "saved_bytes listed raw_size comp_size least most").split()


def checksum(data):
    found = 2166136261
    for b in data:
        found = (found ^ b) * 16777619 & 0xffffffff
    return found


class LeakScan:
    """The newest whole one of two areas; seq 0 where there is none."""

    def __init__(self, data, offset, size, unpack):
        self.seq, self.lost, self.equals, self.groups = 0, {}, None, []
        area = size // 2 // 4096 * 4096
        for at in (offset, offset + area):
            if at + 176 <= len(data):
                try:
                    self.take(data, at, area, unpack)
                except Damaged:
                    pass

    def take(self, data, at, area, unpack):
        magic, check, *values = struct.unpack_from(LAYOUT, data, at)
        header = dict(zip(FIELDS, values))
        if magic != 0x4b41454c or check != checksum(data[at + 8:at + 176]) or header["comp_size"] > area - 176:
            raise Damaged("header")
        if header["seq"] <= self.seq:
            return
        lost, address = {}, 0
        if header["raw_size"]:
            raw = unpack(data[at + 176:at + 176 + header["comp_size"]])
            if len(raw) != header["raw_size"]:
                raise Damaged("size")
            s = Stream(raw)
            while s.more():
                v = s.varint()
                address += v >> 1 << header["address_shift"]
                lost[address] = "indirectly_lost" if v & 1 else "definitely_lost"
        if len(lost) != header["listed"]:
            raise Damaged("list")
        self.__dict__.update(header)
        self.lost = lost
        self.equals, self.groups = None, []
        behind = (at + 176 + header["comp_size"] + 7) // 8 * 8
        if header["flags"] & 16 and behind + 128 <= min(at + area, len(data)):
            self.take_equals(data, behind, unpack)

    def take_equals(self, data, at, unpack):
        magic, check, *values = struct.unpack_from("<II11Q4I", data, at)
        header = dict(zip(EQUALS, values))
        if magic != 0x454d4153 or check != checksum(data[at + 8:at + 128]) or header["seq"] != self.seq:
            return
        if header["raw_size"]:
            s = Stream(unpack(data[at + 128:at + 128 + header["comp_size"]]))
            while s.more():
                size, copies, n = s.varint(), s.varint(), s.varint()
                addresses, last = [], 0
                for _ in range(n):
                    last += s.varint() << self.address_shift
                    addresses.append(last)
                self.groups.append((size, copies, addresses))
        if len(self.groups) != header["listed"]:
            raise Damaged("groups")
        self.equals = header

    def class_of(self, address, born, shift):
        if not self.seq or self.status != 1 or born >> shift > self.ticks >> shift \
                or address >= self.listed_until:
            return "unfreed"
        return self.lost.get(address, "still_reachable")
