#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Random blocks, most of them damaged: the analyzer's decoder and the second reader, which is
written from FORMAT.md alone, find the same records in the same ones."""
import os
import struct
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # the tree stays as it is
from format_records import Block, Damaged, raw_records

top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sources = ["tests/fuzz/blocks.c", "preload/format/decode.c", "preload/format/encode.c"]
BLOCKS = 3000


def shown(records):
    """Records with their stacks, so that two can be compared."""
    for r in records:
        stack, node = [], r.node
        while node:
            stack.append((node.address, node.time))
            node = node.parent
        yield r.kind, r.flags, r.call, r.time, r.fields, stack


def agree(events, shift, encoded, verdict):
    """Whether the second reader makes of a block what `verdict` says; and whether it is whole."""
    try:
        block = Block(bytes.fromhex(encoded), int(events), int(shift))
    except Damaged:
        return verdict == ["damaged"], False
    if verdict == ["damaged"]:
        return False, True
    words = bytes.fromhex(verdict[1] if len(verdict) > 1 else "")
    records, bad, unknown = raw_records(struct.unpack(">%dQ" % (len(words) // 8), words), 0)
    same = list(shown(records)) == list(shown(block.records))
    return same and not bad and not unknown and int(verdict[0]) == block.skipped, True


def main():
    with tempfile.TemporaryDirectory() as work:
        program = os.path.join(work, "blocks")
        compiler = [os.environ.get("CC", "gcc"), "-std=gnu11", "-D_GNU_SOURCE", "-O1"]
        files = [os.path.join(top, name) for name in sources]
        subprocess.run(compiler + ["-o", program] + files + ["-lzstd"], check=True)
        done = subprocess.run([program, str(BLOCKS)], check=True, stdout=subprocess.PIPE, text=True)
    found = {}
    for number, line in enumerate(done.stdout.splitlines()):
        events, shift, encoded, *verdict = line.split()
        verdict = agree(events, shift, encoded, verdict)
        if not verdict[0]:
            print("block %d: %s" % (number, line[:1000]))
        found[verdict] = found.get(verdict, 0) + 1
    whole, damaged = found.pop((True, True), 0), found.pop((True, False), 0)
    print("%d blocks read, %d refused, %d in dispute" % (whole, damaged, sum(found.values())))
    # one in eight was not touched; most damage leaves a block that can be read, or does not
    if found or whole + damaged != BLOCKS or whole < BLOCKS / 4 or damaged < BLOCKS / 4:
        sys.exit(1)


if __name__ == "__main__":
    main()
