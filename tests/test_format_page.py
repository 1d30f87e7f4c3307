#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""FORMAT.md against trace_format.h and events.def: every offset, size and letter in its tables."""
import os
import re
import subprocess
import sys
import tempfile

top = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
folder = os.path.join(top, "preload/format")
# The tables with offsets, in the order of the page.
STRUCTS = ["lar_header", "lar_section", "lar_dict_record", "lar_slot", "lar_lock_cell",
           "lar_stdio_cell", "lar_block", "lar_checkpoint", "lar_leakscan", "lar_equals"]


def tables(text):
    """The tables of the page as lists of rows of cells."""
    table = []
    for line in text.split("\n") + [""]:
        if line.startswith("|"):
            table.append([cell.strip() for cell in line.strip("|").split("|")])
        elif table:
            yield table
            table = []


def size_in_bytes(cell):
    count, unit = re.fullmatch(r"(?:(\d+) x )?([ui]?\d+)", cell).groups()
    return int(count or 1) * (int(unit[1:]) // 8 if unit[0] in "ui" else int(unit))


def offset_checks(page):
    found = [t for t in page if t[0][:1] == ["offset"]]
    if len(found) != len(STRUCTS):
        sys.exit("%d tables of offsets, not %d" % (len(found), len(STRUCTS)))
    for struct, table in zip(STRUCTS, found):
        end = 0
        for offset, size, field in (row[:3] for row in table[2:]):
            name = re.match(r"\w+", field).group()
            if int(offset) != end:
                sys.exit("%s.%s at %s, the field before ends at %d" % (struct, name, offset, end))
            end = int(offset) + size_in_bytes(size)
            if name.startswith("reserved"):
                continue
            yield "_Static_assert(offsetof(struct %s, %s) == %s, \"offset of %s\");" % (
                struct, name, offset, name)
            yield "_Static_assert(sizeof(((struct %s *)0)->%s) == %d, \"size of %s\");" % (
                struct, name, size_in_bytes(size), name)
        if struct == "lar_slot":
            end = -(-end // 4096) * 4096
        yield "_Static_assert(sizeof(struct %s) == %d, \"size of %s\");" % (struct, end, struct)


def kinds_of_page(page):
    table = next(t for t in page if t[0][:2] == ["no.", "kind"])
    for number, kind, stack, fields, _ in table[2:]:
        letters = "".join(re.findall(r"(?:^|, )([VZADUNO]) ", fields))
        yield kind, int(number), stack == "yes", "T" + letters


def kinds_of_table():
    with open(os.path.join(folder, "events.def"), encoding="utf-8") as f:
        rows = re.findall(r"^EVENT\((.*)\)", f.read(), re.M)
    for row in rows:
        name, number, stack, fields, *letters = [word.strip() for word in row.split(",")]
        yield name, int(number), stack == "1", "".join(letters[:int(fields)])


def main():
    with open(os.path.join(folder, "FORMAT.md"), encoding="utf-8") as f:
        text = f.read()
    page = list(tables(text))
    version = re.match(r"# The trace format, version (\d+)\n", text).group(1)
    checks = list(offset_checks(page))
    checks.append("_Static_assert(LAR_VERSION == %s, \"version\");" % version)
    source = "#include <stddef.h>\n#include \"trace_format.h\"\n" \
        "#include \"checkpoint.h\"\n#include \"leakscan.h\"\n" + "\n".join(checks) + "\n"
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "checks.c")
        with open(path, "w", encoding="utf-8") as f:
            f.write(source)
        done = subprocess.run([os.environ.get("CC", "gcc"), "-std=gnu11", "-I", folder,
                               "-fsyntax-only", path], check=False)
    on_page, in_table = list(kinds_of_page(page)), list(kinds_of_table())
    for wrong in set(on_page) ^ set(in_table):
        print("differs:", *wrong)
    if done.returncode or set(on_page) != set(in_table) or len(checks) < 80:
        sys.exit(1)
    print("%d offsets and sizes, %d kinds of events" % (len(checks), len(on_page)))


if __name__ == "__main__":
    main()
