"""T5 to T8: after the deadline: what is open, .turnfs/expired and back from it, erasing, the warning."""

import contextlib
import errno
import json
import os
import re
import shutil
import stat
import subprocess
import threading
import time

import pytest

from harness import (
    BINARY,
    RENAME_EXCHANGE,
    RENAME_NOREPLACE,
    attributes,
    document,
    expires,
    fails,
    get_attribute,
    is_turn,
    opened,
    outcome,
    read,
    read_all,
    renameat2,
    run,
    say,
    set_attribute,
    set_document,
    turns,
    wait_until,
    write,
    write_all,
)

DAY = 86400
TURN = "000001-user.md"


def expired(mnt):
    return mnt / ".turnfs" / "expired"


def gone(thread, timeout=10):
    wait_until(lambda: not thread.exists(), timeout, f"{thread} is gone")


def whole(thread):
    """Everything that is to stay as it is."""
    doc = document(thread)
    doc.pop("expires_at")
    files = {}
    for name in sorted(os.listdir(thread)):
        s = os.stat(thread / name)
        text = None if name == "thread.json" else read(thread / name)
        size = None if name == "thread.json" else s.st_size
        meta = attributes(thread / name) if is_turn(name) else None
        files[name] = (s.st_ino, stat.S_IMODE(s.st_mode), s.st_mtime_ns, size, text, meta)
    s = os.stat(thread)
    return doc, files, (s.st_ino, stat.S_IMODE(s.st_mode), s.st_mtime_ns), attributes(thread)


def conversation(mnt, name="thread"):
    thread = mnt.thread(name, 0o750)
    say(thread, "user", "first\n")
    say(thread, "assistant", "second\n")
    write(thread / "note.txt", b"\x00\xff attached")
    os.chmod(thread / "000002-assistant.md", 0o640)
    set_attribute(thread / TURN, "model", "m1")
    set_attribute(thread, "topic", "grace")
    set_document(thread, {"title": "A title", "more": [1, 2]})
    os.utime(thread / TURN, ns=(10**18, 10**18 + 123456789))
    os.unlink(thread / "000002-assistant.md")  # a gap; its number is not given again
    say(thread, "assistant", "third\n")
    return thread


# T6: .turnfs/expired


@pytest.mark.parametrize("store", ["local", "memory:"])
def test_T6__deadline_passed__whole_thread_is_in_expired(mount, clock, store):
    mnt = mount(store=None if store == "local" else store)
    thread = conversation(mnt)
    before = whole(thread)
    assert os.listdir(expired(mnt)) == []
    clock.forward(DAY + 1)
    gone(thread)
    assert os.listdir(expired(mnt)) == ["thread"]
    there = expired(mnt) / "thread"
    assert whole(there) == before
    assert read(there / "@transcript.md").startswith(b"# A title\n")
    assert [json.loads(x)["content"] for x in read(there / "@transcript.jsonl").splitlines()] == ["first\n", "third\n"]
    assert os.listdir(mnt.path) == []


def test_T6__expired__every_write_is_EROFS_and_modes_stay(mnt, clock):
    thread = conversation(mnt)
    other = mnt.thread("other")
    set_attribute(other, "turnfs.ttl", "never")
    before = whole(thread)
    clock.forward(DAY + 1)
    gone(thread)
    there = expired(mnt) / "thread"
    turn, doc = there / TURN, there / "thread.json"
    opening = lambda path, flags: lambda: os.close(os.open(path, flags))
    writes = [
        opening(turn, os.O_WRONLY), opening(turn, os.O_RDWR), opening(turn, os.O_WRONLY | os.O_TRUNC),
        opening(turn, os.O_WRONLY | os.O_APPEND), opening(doc, os.O_WRONLY),
        opening(there / "@user", os.O_WRONLY), opening(there / "@user", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        opening(there / "@transcript.jsonl", os.O_WRONLY | os.O_APPEND),
        opening(there / "new.txt", os.O_WRONLY | os.O_CREAT), opening(there / "000009-user.md", os.O_RDWR | os.O_CREAT),
        opening(expired(mnt) / "file", os.O_WRONLY | os.O_CREAT),
        lambda: os.mknod(there / "new.txt"), lambda: os.mkdir(there / "new"), lambda: os.mkdir(expired(mnt) / "new"),
        lambda: os.symlink("x", there / "new"), lambda: os.link(turn, there / "new"),
        lambda: os.unlink(turn), lambda: os.unlink(doc), lambda: os.rmdir(there),
        lambda: os.rename(turn, there / "000001-tool.md"), lambda: os.rename(turn, other / "copy"),
        lambda: os.rename(there, expired(mnt) / "b"), lambda: os.rename(other, expired(mnt) / "b"),
        lambda: os.rename(other, there),
        lambda: os.chmod(there, 0o700), lambda: os.chmod(turn, 0o600), lambda: os.utime(there),
        lambda: os.utime(turn), lambda: os.truncate(turn, 0), lambda: os.chown(turn, os.getuid(), os.getgid()),
        lambda: set_attribute(there, "a", "b"), lambda: set_attribute(turn, "model", "b"),
        lambda: set_attribute(there, "turnfs.ttl", "7d"), lambda: os.removexattr(turn, "user.model"),
    ]
    got = [outcome(f) for f in writes]
    assert got == [errno.EROFS] * len(writes)
    assert outcome(os.rename, there, other / "deeper") == errno.EPERM
    assert outcome(os.rename, there, mnt / ".turnfs" / "b") == errno.EPERM
    assert outcome(os.rename, there, mnt / ".hidden") == errno.EINVAL
    assert outcome(renameat2, there, other, RENAME_EXCHANGE) == errno.EINVAL
    assert whole(there) == before and os.listdir(other) == ["thread.json"]


def test_T6__cp_out_of_expired__copies(mnt, clock, workshop):
    thread = conversation(mnt)
    clock.forward(DAY + 1)
    gone(thread)
    run("cp", "-a", expired(mnt) / "thread", workshop.base / "copy")
    assert read(workshop.base / "copy" / TURN) == b"first\n"


# T6: the way back


@pytest.mark.parametrize("store", ["local", "memory:"])
@pytest.mark.parametrize("name", ["thread", "another name"])
def test_T6__mv_out_of_expired__whole_thread_with_fresh_ttl(mount, clock, store, name):
    mnt = mount(store=None if store == "local" else store)
    thread = conversation(mnt)
    set_attribute(thread, "turnfs.ttl", "2h")
    before = whole(thread)
    clock.forward(3 * 3600)
    gone(thread)
    now = time.time() + clock.offset
    target = mnt.path if name == "thread" else mnt / name
    done = run("mv", expired(mnt) / "thread", target)
    assert done.stderr == ""
    assert os.listdir(mnt.path) == [name] and os.listdir(expired(mnt)) == []
    after = whole(mnt / name)
    assert (after[0].pop("id"), before[0].pop("id")) == (name, "thread")
    assert after == before
    assert abs(expires(mnt / name) - now - 2 * 3600) < 20
    assert get_attribute(mnt / name, "turnfs.ttl") == b"2h"
    assert not (expired(mnt) / "thread").exists()
    say(mnt / name, "user", "goes on")
    assert [n for n, _ in turns(mnt / name)] == [TURN, "000003-assistant.md", "000004-user.md"]
    assert "restored" in mnt.stderr
    clock.forward(3 * 3600)  # and it expires again
    gone(mnt / name)
    assert os.listdir(expired(mnt)) == [name]
    assert len(turns(expired(mnt) / name)) == 3


def test_T6__restored__survives_restart(mnt, clock):
    thread = conversation(mnt)
    before = whole(thread)
    clock.forward(DAY + 1)
    gone(thread)
    os.rename(expired(mnt) / "thread", thread)
    assert whole(thread) == before
    mnt.kill9()
    mnt.remount()
    assert whole(thread) == before and os.listdir(expired(mnt)) == []


def test_T6__expired_while_not_mounted__in_expired_and_restorable(mnt, clock):
    thread = conversation(mnt)
    before = whole(thread)
    mnt.stop()
    clock.forward(DAY + 1)
    mnt.remount()
    assert os.listdir(mnt.path) == [] and os.listdir(expired(mnt)) == ["thread"]
    os.rename(expired(mnt) / "thread", thread)
    assert whole(thread) == before


def test_W11__mv_out_of_expired_onto_a_live_thread__as_any_rename(mnt, clock):
    thread = conversation(mnt)
    clock.forward(DAY + 1)
    gone(thread)
    taken, empty = mnt.thread("taken"), mnt.thread("empty")
    say(taken, "user", "mine")
    there = expired(mnt) / "thread"
    with fails(errno.ENOTEMPTY, errno.EEXIST):
        os.rename(there, taken)
    with fails(errno.EEXIST):
        renameat2(there, empty, RENAME_NOREPLACE)
    os.rename(there, empty)
    assert sorted(os.listdir(mnt.path)) == ["empty", "taken"]
    assert len(turns(empty)) == 2


def test_T6__held_from_before_the_deadline__stays_dead_and_the_restored_lists(mnt, clock):
    """A working directory, a directory handle and an open file of the former life."""
    thread = conversation(mnt)
    directory = os.open(thread, os.O_RDONLY | os.O_DIRECTORY)
    os.listdir(directory)
    file = os.open(thread / TURN, os.O_RDONLY)
    child = subprocess.Popen(["sh", "-c", "read x; ls . 2>&1; cat 000001-user.md 2>&1"], cwd=thread, text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        names = sorted(os.listdir(thread))
        clock.forward(DAY + 1)
        gone(thread)
        assert sorted(os.listdir(expired(mnt) / "thread")) == names
        os.rename(expired(mnt) / "thread", thread)
        assert sorted(os.listdir(thread)) == names
        assert read(thread / TURN) == b"first\n"
        assert read_all(file) == b"first\n"
        with contextlib.suppress(FileNotFoundError):
            assert os.listdir(directory) == []
        assert os.fstat(directory).st_nlink == 0
        assert "first" not in child.communicate("\n", timeout=10)[0]
        say(thread, "user", "goes on")
        assert len(turns(thread)) == 3
        assert sorted(os.listdir(mnt.path)) == ["thread"]
    finally:
        os.close(directory)
        os.close(file)
        child.kill()
        child.wait()
        child.stdout.close()
        child.stdin.close()


def test_T6__held_in_expired__is_live_after_the_restore(mnt, clock):
    thread = conversation(mnt)
    clock.forward(DAY + 1)
    gone(thread)
    there = expired(mnt) / "thread"
    file = os.open(there / TURN, os.O_RDONLY)
    directory = os.open(there, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.rename(there, mnt / "b")
        assert read_all(file) == b"first\n"
        assert TURN in os.listdir(directory)
        write(TURN and f"/proc/self/fd/{directory}/@user", "by the handle", os.O_WRONLY)
        assert [t for _, t in turns(mnt / "b")][-1] == b"by the handle"
        assert os.stat(mnt / "b").st_ino == os.fstat(directory).st_ino
    finally:
        os.close(file)
        os.close(directory)


def test_T6__expire_and_restore_many_times__always_whole(mnt, clock):
    thread = conversation(mnt)
    before = whole(thread)
    for _ in range(8):
        clock.forward(DAY + 1)
        gone(thread)
        assert whole(expired(mnt) / "thread") == before
        os.rename(expired(mnt) / "thread", thread)
        assert whole(thread) == before


# T7: several lives of one id


def test_T7__id_taken_again__lives_lie_side_by_side(mnt, clock):
    for i in range(3):
        thread = mnt.thread("id")
        assert turns(thread) == []
        say(thread, "user", f"life {i}")
        clock.forward(DAY / 4)
        set_attribute(thread, "turnfs.ttl", "1s")
        clock.forward(2)
        gone(thread)
    again = mnt.thread("id")
    assert turns(again) == []
    names = sorted(os.listdir(expired(mnt)))
    assert names == ["id", "id~2", "id~3"]
    assert [turns(expired(mnt) / n)[0][1] for n in names] == [b"life 2", b"life 1", b"life 0"]
    with fails(errno.ENOENT):
        os.stat(expired(mnt) / "id~4")
    os.rename(expired(mnt) / "id~2", mnt / "second")
    assert turns(mnt / "second") == [(TURN, b"life 1")]
    assert sorted(os.listdir(expired(mnt))) == ["id", "id~2"]
    assert turns(expired(mnt) / "id~2") == [(TURN, b"life 0")]
    assert turns(expired(mnt) / "id") == [(TURN, b"life 2")]
    say(again, "user", "life 3")
    set_attribute(again, "turnfs.ttl", "1s")
    clock.forward(2)
    gone(again)
    assert [turns(expired(mnt) / n)[0][1] for n in ("id", "id~2", "id~3")] == [b"life 3", b"life 2", b"life 0"]
    os.rename(expired(mnt) / "id~3", mnt / "id")
    assert turns(mnt / "id") == [(TURN, b"life 0")]


def test_T7__a_thread_is_called_like_a_second_life__each_has_its_name(mnt, clock):
    for name, text in (("a", "old"), ("a~2", "own"), ("a", "new"), ("é" * 127, "long 1"), ("é" * 127, "long 2")):
        thread = mnt.thread(name)
        say(thread, "user", text)
        set_attribute(thread, "turnfs.ttl", "1s")
        clock.forward(2)
        gone(thread)
    names = os.listdir(expired(mnt))
    texts = {name: turns(expired(mnt) / name)[0][1].decode() for name in names}
    assert texts == {"a": "new", "a~2": "own", "a~3": "old", "é" * 127: "long 2", "é" * 126 + "~2": "long 1"}
