"""A furnished conversation for the tools to work on, and the ways to tell whether it is still whole."""

import json
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
TIMES = {name: 1_700_000_000_123_456_789 + i * 10**9 for i, (name, _) in enumerate(CONTENTS)}
PICTURE = bytes(range(256)) * 50


def furnish(thread):
    for name, content in CONTENTS:
        say(thread, name[7:-3], content)
        os.chmod(thread / name, 0o640)
    write(thread / "picture.png", PICTURE)
    set_document(thread, {"title": "T", "custom": {"k": [1, None]}, "turns": METADATA})
    for name, time in TIMES.items():
        os.utime(thread / name, ns=(time, time))
    return thread


def text_of(value):
    """What an attribute shows of a value of thread.json (M1)."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return text.encode()


def verify(thread, contents=None, metadata=METADATA, extra=("picture.png",), modes=None, rewritten=(), times=True):
    """Content, metadata, modes and times as promised, and nothing left behind by the tool.

    `modes` are those that are another than furnish()'s, by name. Turns that the tool did not write have the time
    they were furnished with: those whose content is CONTENTS', except for `rewritten` ones."""
    contents = CONTENTS if contents is None else contents
    modes = modes or {}
    assert turns(thread) == contents
    assert document(thread)["turns"] == metadata
    assert sorted(os.listdir(thread)) == sorted([name for name, _ in contents] + ["thread.json", *extra])
    for name, content in contents:
        shown = {key: text_of(value) for key, value in metadata[name].items()}
        assert attributes(thread / name) == shown, name
        s = os.stat(thread / name)
        assert stat.S_IMODE(s.st_mode) == modes.get(name, 0o640), name
        assert s.st_nlink == 1 and (s.st_uid, s.st_gid) == (os.geteuid(), os.getegid()), name
        assert s.st_size == len(content), name
        if times and (name, content) in CONTENTS and name not in rewritten:
            assert s.st_mtime_ns == TIMES[name], name
    if "picture.png" in extra:
        assert read(thread / "picture.png") == PICTURE
    doc = document(thread)
    assert doc["title"] == "T" and doc["custom"] == {"k": [1, None]}
    assert doc["turn_count"] == len(contents)


def steady(top):
    """What backup tools look at: it moves only when the file does (B2, M5). With the folder's own."""
    found = {}
    for name in [".", *sorted(os.listdir(top))]:
        s = os.lstat(top / name)
        found[name] = (s.st_ino, s.st_mode, s.st_nlink, s.st_uid, s.st_gid, s.st_size, s.st_blocks, s.st_mtime_ns,
                       s.st_ctime_ns)
    return found


def verify_twice(mnt, thread, *arguments, **kwargs):
    """verify(), at once and after the daemon was killed, and that a backup would find nothing to do."""
    verify(thread, *arguments, **kwargs)
    before = steady(thread)
    mnt.remount()
    assert not differences(steady(thread), before)
    mnt.kill9()
    mnt.remount()
    verify(thread, *arguments, **kwargs)
    assert not differences(steady(thread), before)


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
