#!/usr/bin/env python3
"""Writes Lua scripts into a C header: embed.py HEADER DEPFILE FILE.lua…

FILE.lua becomes `static const char lua_FILE[]`; a line `--@ NAME` in it stands for NAME.lua beside it.
Comments and indentation stay: they tell whoever looks at a script on the server what it is. DEPFILE tells ninja
which files the header was made of."""

import pathlib
import sys

header, depfile, *scripts = sys.argv[1:]
read = set()
out = ["/* Made by embed.py from the Lua scripts beside it. */", "#pragma once", ""]


def lines(script):
    read.add(str(script))
    for line in script.read_text().splitlines():
        if line.startswith("--@ "):
            yield from lines(script.with_name(line[4:].strip() + ".lua"))
        else:
            yield line


for script in map(pathlib.Path, scripts):
    out.append(f"static const char lua_{script.stem}[] __attribute__((unused)) =")
    for line in lines(script):
        escaped = line.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t").replace("?", "\\?")
        out.append(f'\t"{escaped}\\n"')
    out[-1] += ";"
    out.append("")
pathlib.Path(header).write_text("\n".join(out))
pathlib.Path(depfile).write_text(f"{header}: {' '.join(sorted(read))}\n")
