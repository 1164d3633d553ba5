#!/usr/bin/env python3
"""Checks that the layers hold: who includes whom, what lies at the top, how each file begins.

    test_layers.py [SOURCE_ROOT]

The rule: base <- backend <- fs; a store sees backend.h, rules.h, base/ and itself; only
one folder knows each library. Before the tree is checked, planted violations must all be found.
"""
import os
import re
import sys
import tempfile

TOP = {
    "fs", "backend", "tests", "scripts", "docs", "meson.build", "meson_options.txt", "README.md",
    "SEMANTICS.md", "LICENSE", ".ci", ".clang-format", ".gitignore", ".env.example", ".git", ".pytest_cache",
}
CODE = ("fs", "backend", "tests")
STORES = ("sqlite", "redis")
GENERATED = {"redis_lua.h": "redis"}  # headers that the build makes, and whose they are
OWNERS = {  # a library's headers, and the only folder that may include them
    r"(hiredis/|hiredis(_\w+)?\.h$)": "backend/redis/",
    r"sqlite3(ext)?\.h$": "backend/sqlite/",
    r"(fuse3?/|fuse(_lowlevel)?\.h$)": "fs/",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.M)


def own_files(root):
    """The C files of ours, as paths from the root."""
    for top in CODE:
        for folder, _, names in os.walk(os.path.join(root, top)):
            for name in names:
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(folder, name), root)


def resolve(root, path, name):
    """Where an #include "name" in `path` leads, from the root; None: nowhere."""
    for base in (os.path.dirname(path), "backend", "fs", "fs/cli"):
        found = os.path.normpath(os.path.join(base, name))
        if os.path.exists(os.path.join(root, found)):
            return found
    return None


def layer(path):
    """base, sqlite, redis, backend, fs or tests."""
    parts = path.split("/")
    if parts[0] == "backend" and parts[1] in ("base",) + STORES and len(parts) > 2:
        return parts[1]
    return parts[0]


def may_include(path, target):
    """Whether a file may include another one of ours."""
    here, there = layer(path), layer(target)
    if here == "tests" or here == there:
        return True
    if here == "backend":  # backend.c opens the stores by their one header each
        return there == "base" or target in (f"backend/{s}/{s}_store.h" for s in STORES)
    if here in STORES and target == "backend/rules.h":  # what all stores do the same
        return True
    if here in STORES or here == "fs":
        return there == "base" or target == "backend/backend.h"
    return False


def check_includes(root, path, text):
    for quote, name in INCLUDE.findall(text):
        for pattern, owner in OWNERS.items():
            if re.match(pattern, name) and not path.startswith((owner, "tests/")):
                yield f"{path}: includes {name}, which only {owner} may know"
        if quote == "<":
            continue
        if GENERATED.get(name) == layer(path):
            continue
        target = resolve(root, path, name)
        if target is None:
            yield f'{path}: includes "{name}", which is not there'
        elif not may_include(path, target):
            yield f"{path}: includes {target}, which its layer must not see"


def check_beginning(path, text):
    if not text.startswith("/*"):
        yield f"{path}: does not open with a comment that says what it is for"
    if path.endswith(".h") and len(re.findall(r"^#pragma once$", text, re.M)) != 1:
        yield f"{path}: has not exactly one #pragma once"


def check_top(root):
    for name in sorted(os.listdir(root)):
        if name not in TOP and not name.startswith("build"):
            yield f"{name}: does not belong to the top level"


def check(root):
    problems = list(check_top(root))
    for path in sorted(own_files(root)):
        with open(os.path.join(root, path), encoding="utf-8") as file:
            text = file.read()
        problems += check_includes(root, path, text)
        problems += check_beginning(path, text)
    return problems


PLANTED = {  # path: what stands in it, and a word of the complaint (None: it is all right)
    "backend/backend.h": ('/* x */\n#pragma once\n#include "base/blob.h"\n', None),
    "backend/base/blob.h": ("/* x */\n#pragma once\n", None),
    "backend/sqlite/sqlite_store.h": ('/* x */\n#pragma once\n#include "backend.h"\n', None),
    "backend/redis/redis_store.h": ('/* x */\n#pragma once\n#include "backend.h"\n', None),
    "backend/redis/conn.c": ("/* x */\n#include <hiredis/hiredis.h>\n", None),
    "backend/backend.c": ('/* x */\n#include "sqlite/sqlite_store.h"\n', None),
    "backend/rules.h": ('/* x */\n#pragma once\n#include "backend.h"\n', None),
    "backend/sqlite/step.c": ('/* x */\n#include "rules.h"\n', None),
    "fs/rules.c": ('/* x */\n#include "rules.h"\n', "layer"),
    "fs/ok.c": ('/* x */\n#include "backend.h"\n#include "base/blob.h"\n'
                "#include <fuse_lowlevel.h>\n", None),
    "backend/base/up.c": ('/* x */\n#include "backend.h"\n', "layer"),
    "backend/sqlite/side.c": ('/* x */\n#include "redis/redis_store.h"\n', "layer"),
    "backend/redis/inside.c": ('/* x */\n#include "../../fs/own.h"\n', "layer"),
    "backend/redis/script.c": ('/* x */\n#include "redis_lua.h"\n', None),
    "backend/sqlite/script.c": ('/* x */\n#include "redis_lua.h"\n', "not there"),
    "fs/own.h": ("/* x */\n#pragma once\n", None),
    "fs/store.c": ('/* x */\n#include "sqlite/sqlite_store.h"\n', "layer"),
    "fs/sql.c": ("/* x */\n#include <sqlite3.h>\n", "only backend/sqlite/"),
    "backend/redis_too.c": ("/* x */\n#include <hiredis.h>\n", "only backend/redis/"),
    "backend/base/fuse.c": ("/* x */\n#include <fuse3/fuse.h>\n", "only fs/"),
    "fs/none.c": ('/* x */\n#include "nothing.h"\n', "not there"),
    "fs/bare.c": ("int x;\n", "comment"),
    "fs/twice.h": ("/* x */\n", "pragma"),
    "src/new.c": ("/* x */\n", "top level"),
}


def check_self():
    """Plants each violation and wants a complaint for it, and none for what is all right."""
    with tempfile.TemporaryDirectory() as root:
        for path, (text, _) in PLANTED.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        found = check(root)
    for path, (_, complaint) in PLANTED.items():
        name = path.split("/")[0] if complaint == "top level" else path
        about = [line for line in found if line.startswith(name + ":")]
        if complaint is None:
            assert not about, about
        else:
            assert any(complaint in line for line in about), f"{path}: not noticed"


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "../..")
    check_self()
    problems = check(root)
    print("\n".join(problems) if problems else "the layers hold")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
