"""A furnished conversation for the tools to work on, and the ways to tell whether it is still whole."""

import os
import stat

from harness import attributes, document, is_turn, read, say, set_document, turns, write

FIRST = "000001-user.md"
CONTENTS = [
    (FIRST, b"first question\n"),
    ("000002-assistant.md", "first answer, with ä and a long line ".encode() + b"x" * 9000 + b"\n"),
    ("000003-user.md", b"second question\n"),
]
METADATA = {
    FIRST: {"model": "m", "n": 42},
    "000002-assistant.md": {"model": "x", "tags": ["a", 1]},
    "000003-user.md": {},
}
PICTURE = bytes(range(256)) * 50


def furnish(thread):
    for name, content in CONTENTS:
        say(thread, name[7:-3], content)
        os.chmod(thread / name, 0o640)
    write(thread / "picture.png", PICTURE)
    set_document(thread, {"title": "T", "custom": {"k": [1, None]}, "turns": METADATA})
    for i, (name, _) in enumerate(CONTENTS):
        time = 1_700_000_000_123_456_789 + i * 10**9
        os.utime(thread / name, ns=(time, time))
    return thread


def verify(thread, contents=None, metadata=METADATA, extra=("picture.png",)):
    """Content, metadata, and nothing left behind by the tool."""
    contents = CONTENTS if contents is None else contents
    assert turns(thread) == contents
    assert document(thread)["turns"] == metadata
    assert sorted(os.listdir(thread)) == sorted([name for name, _ in contents] + ["thread.json", *extra])
    if "picture.png" in extra:
        assert read(thread / "picture.png") == PICTURE
    doc = document(thread)
    assert doc["title"] == "T" and doc["custom"] == {"k": [1, None]}
    assert doc["turn_count"] == len(contents)


def edited(name, old, new):
    """CONTENTS with a replacement in one turn."""
    return [(n, c.replace(old, new) if n == name else c) for n, c in CONTENTS]


def differences(found, expected, where=""):
    """Readable lines of how two portraits differ; empty if they do not."""
    if type(found) is type(expected) is dict:
        lines = []
        for key in sorted(set(found) | set(expected)):
            at = f"{where}/{key}"
            if key not in found:
                lines.append(f"{at} is missing")
            elif key not in expected:
                lines.append(f"{at} is more: {found[key]!r:.200}")
            else:
                lines += differences(found[key], expected[key], at)
        return lines
    if type(found) is type(expected) is tuple:
        return [d for i, pair in enumerate(zip(found, expected)) for d in differences(*pair, f"{where}[{i}]")]
    return [] if found == expected else [f"{where} is {found!r:.200}, not {expected!r:.200}"]


COMPUTED = ("id", "updated_at", "expires_at")


def portrait(thread, times=1):
    """What a restored thread must have in common with the original; times in units of `times` ns."""
    found = {}
    for name in sorted(os.listdir(thread)):
        s = os.stat(thread / name)
        if name == "thread.json":
            found[name] = {k: v for k, v in document(thread).items() if k not in COMPUTED}
            continue
        found[name] = (read(thread / name), attributes(thread / name) if is_turn(name) else {}, stat.S_IMODE(s.st_mode),
                       s.st_mtime_ns // times)
    return found
