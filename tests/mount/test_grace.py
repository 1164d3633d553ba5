"""T5 to T8: after the deadline: what is open, .turnfs/expired and back from it, erasing, the warning."""

import contextlib
import errno
import json
import os
import re
import stat
import subprocess
import time

import pytest

from fixtures import needs_root
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
    for path in (there, there / TURN):
        assert os.access(path, os.R_OK) and not os.access(path, os.W_OK), "who asks first is told the same"
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


# T5: what is open across the deadline


@pytest.mark.parametrize("grace", ["24h", "0"])
def test_T5__open_across_the_deadline__stays_readable_until_closed(mount, clock, workshop, grace):
    mnt = mount(opts=f"grace={grace}")
    thread = conversation(mnt)
    write(thread / "big", b"0123456789" * 50_000)
    mnt.remount()  # nothing of it is in the kernel or in the daemon
    fds = [os.open(thread / name, os.O_RDONLY) for name in (TURN, "000003-assistant.md", "big")]
    both = os.open(thread / "note.txt", os.O_RDWR)
    try:
        assert os.read(fds[1], 3) == b"thi"
        clock.forward(DAY + 1)
        gone(thread)
        if grace != "0":
            clock.forward(DAY + 1)
        wait_until(lambda: os.listdir(expired(mnt)) == [], 60, "it is erased")
        assert read_all(fds[0]) == b"first\n"
        assert read_all(fds[1]) == b"rd\n"
        assert os.pread(fds[2], 20, 499_990) == b"0123456789"
        assert read_all(both) == b"\x00\xff attached"
        assert [os.fstat(fd).st_size for fd in fds] == [6, 6, 500_000]
    finally:
        for fd in fds + [both]:
            os.close(fd)


def open_turn(thread):
    return os.open(thread / TURN, os.O_WRONLY | os.O_TRUNC)


def open_appending(thread):
    return os.open(thread / TURN, os.O_WRONLY | os.O_APPEND)


def open_new(thread):
    return os.open(thread / "000007-user.md", os.O_WRONLY | os.O_CREAT | os.O_EXCL)


def open_attachment(thread):
    return os.open(thread / "new.bin", os.O_RDWR | os.O_CREAT)


def open_role(thread):
    return os.open(thread / "@tool", os.O_WRONLY)


def open_lines(thread):
    return os.open(thread / "@transcript.jsonl", os.O_WRONLY | os.O_APPEND)


def open_document(thread):
    return os.open(thread / "thread.json", os.O_WRONLY | os.O_TRUNC)


OPENS = [open_turn, open_appending, open_new, open_attachment, open_role, open_lines, open_document]
LATE = {open_lines: b'{"role": "tool", "content": "late"}\n', open_document: b'{"title": "late"}'}
opens = pytest.mark.parametrize("opening", OPENS, ids=lambda f: f.__name__[5:])


def late_text(opening):
    return LATE.get(opening, b"late")


def has_late(thread):
    texts = [read(thread / n) for n in os.listdir(thread)]
    return any(b"late" in text for text in texts)


@opens
@pytest.mark.parametrize("early", [False, True], ids=["written_after", "written_before"])
def test_T5__commit_to_an_expired_thread__revives_it(mount, clock, opening, early):
    mnt = mount(opts="ttl=2h")
    thread = conversation(mnt)
    fd = opening(thread)
    if early:
        write_all(fd, late_text(opening))
    clock.forward(3 * 3600)
    gone(thread)
    if not early:
        write_all(fd, late_text(opening))
    assert os.listdir(expired(mnt)) == ["thread"]
    list_before = os.listdir(mnt.path)
    os.close(fd)
    assert (list_before, os.listdir(mnt.path), os.listdir(expired(mnt))) == ([], ["thread"], [])
    assert has_late(thread)
    assert b"first" in read(thread / TURN) or opening is open_turn
    assert abs(expires(thread) - time.time() - clock.offset - 7200) < 20
    wait_until(lambda: "brought it back" in mnt.stderr, message="the log says so")
    assert mnt.stderr.count("brought it back") == 1
    clock.forward(3 * 3600)
    gone(thread)  # it expires again
    assert os.listdir(mnt.path) == [] and has_late(expired(mnt) / "thread")


@opens
def test_T5__name_taken_since__the_turn_lands_in_the_expired_one_and_is_logged(mnt, clock, opening):
    thread = conversation(mnt)
    fd = opening(thread)
    clock.forward(DAY + 1)
    gone(thread)
    say(mnt.thread(), "user", "the new life")
    write_all(fd, late_text(opening))
    os.close(fd)
    assert turns(thread) == [(TURN, b"the new life")]
    assert os.listdir(expired(mnt)) == ["thread"]
    assert has_late(expired(mnt) / "thread")
    wait_until(lambda: "name is taken" in mnt.stderr, message="the log says so")
    os.rename(expired(mnt) / "thread", mnt / "former")
    assert has_late(mnt / "former")


def holds_nothing(usage):
    """Of one look: what is free changes from one to the next."""
    return usage.f_files == usage.f_ffree


@pytest.mark.local_store
@opens
@pytest.mark.parametrize("store", ["local", "memory:"])
def test_T5__erased_since__close_is_ENOENT_and_the_log_names_the_thread(mount, clock, opening, store):
    mnt = mount(store=None if store == "local" else store, opts="grace=0")
    thread = conversation(mnt)
    fd = opening(thread)
    clock.forward(DAY + 1)
    gone(thread)
    wait_until(lambda: holds_nothing(os.statvfs(mnt.path)), message="it is erased")
    write_all(fd, late_text(opening))
    with fails(errno.ENOENT):
        os.close(fd)
    wait_until(lambda: re.search(r"thread thread: .*erased.*lost", mnt.stderr), message="the log says so")
    assert os.listdir(mnt.path) == []


def test_T5__one_role_open_over_two_lives__one_turn(mnt, clock):
    thread = mnt.thread()
    with opened(thread / "@assistant", os.O_WRONLY) as fd:
        os.write(fd, b"before, ")
        os.fsync(fd)
        clock.forward(DAY + 1)
        gone(thread)
        os.write(fd, b"after, ")
        os.fsync(fd)
        assert turns(thread) == [("000001-assistant.md", b"before, after, ")]
        os.write(fd, b"end")
    assert turns(thread) == [("000001-assistant.md", b"before, after, end")]
    assert mnt.stderr.count("brought it back") == 1


def test_T5__descriptor_of_the_former_life_goes_on_writing__the_new_one_shows_it(mnt, clock):
    thread = mnt.thread()
    say(thread, "user", "0")
    fd = os.open(thread / TURN, os.O_WRONLY | os.O_APPEND)
    try:
        clock.forward(DAY + 1)
        gone(thread)
        text = "0"
        for i in range(1, 6):
            os.write(fd, str(i).encode())
            os.fsync(fd)
            text += str(i)
            assert turns(thread) == [(TURN, text.encode())]
            assert os.stat(thread / TURN).st_size == len(text)
    finally:
        os.close(fd)


@pytest.mark.parametrize("store", ["local", "memory:"])
def test_T5__closes_around_the_deadline__none_is_lost(mount, store):
    """Whatever side of the deadline a close falls on, its turn is in the thread, live or expired."""
    mnt = mount(store=None if store == "local" else store, opts="ttl=300ms")
    kept = []
    for i in range(40):
        thread = mnt.thread(f"t{i}")
        created = time.monotonic()
        fd = os.open(thread / "@user", os.O_WRONLY)
        os.write(fd, b"kept")
        while time.monotonic() - created < 0.300 + (i - 25) * 0.0005:
            pass
        os.close(fd)
        kept.append(thread)
    for thread in kept:
        gone(thread)
        assert turns(expired(mnt) / thread.name) == [(TURN, b"kept")]


# T6: erasing


def store_bytes(workshop):
    return b"".join(p.read_bytes() for p in (workshop.base / "store").rglob("*") if p.is_file())


def secrets(mnt, name="thread"):
    thread = mnt.thread(name)
    say(thread, "user", "SECRET-TURN " * 3000)
    say(thread, "assistant", "SECRET-SMALL")
    write(thread / "file", b"SECRET-ATTACHMENT" * 10)
    set_attribute(thread / TURN, "key", "SECRET-META")
    set_document(thread, {"title": "SECRET-TITLE"})
    return thread


@pytest.mark.local_store
def test_T6__grace_over__erased_from_every_file_of_the_store(mount, clock, workshop):
    mnt = mount(opts="grace=2h")
    thread = secrets(mnt)
    keep = mnt.thread("keep")
    set_attribute(keep, "turnfs.ttl", "never")
    say(keep, "user", "STAYS")
    assert b"SECRET-TITLE" in store_bytes(workshop)
    clock.forward(DAY + 1)
    gone(thread)
    clock.forward(2 * 3600 - 100)
    time.sleep(2.5)
    assert os.listdir(expired(mnt)) == ["thread"]
    assert b"SECRET" in store_bytes(workshop)
    clock.forward(200)
    wait_until(lambda: os.listdir(expired(mnt)) == [], 40, "it is erased", 0.1)
    wait_until(lambda: b"SECRET" not in store_bytes(workshop), 20, "no trace of it", 0.2)
    assert turns(keep) == [(TURN, b"STAYS")]
    assert b"STAYS" in store_bytes(workshop)


@pytest.mark.local_store
def test_T6__grace_0__erased_at_once(mount, workshop):
    mnt = mount(opts="ttl=1s,grace=0")
    thread = secrets(mnt)
    begun = time.monotonic()
    gone(thread)
    assert os.listdir(expired(mnt)) == []
    wait_until(lambda: b"SECRET" not in store_bytes(workshop), 5, "no trace of it", 0.1)
    assert time.monotonic() - begun < 4


@pytest.mark.local_store
def test_T6__read_only_mount__shows_and_erases_nothing(mount, clock, workshop):
    mnt = mount(opts="grace=1s")
    thread = secrets(mnt)
    mnt.stop()
    clock.forward(DAY + 1)
    mnt.remount(opts="grace=1s,ro")
    time.sleep(3)
    assert os.listdir(expired(mnt)) == ["thread"] and not thread.exists()
    assert len(turns(expired(mnt) / "thread")) == 2
    with fails(errno.EROFS):
        os.rename(expired(mnt) / "thread", thread)
    assert b"SECRET-TITLE" in store_bytes(workshop)


@pytest.mark.local_store
def test_T6__expired_while_not_mounted__a_whole_grace_from_the_first_mount_on(mount, clock):
    mnt = mount(opts="grace=2h")
    thread = secrets(mnt)
    mnt.stop()
    clock.forward(30 * DAY)
    mnt.remount()
    clock.forward(7000)
    time.sleep(2.5)
    assert os.listdir(expired(mnt)) == ["thread"]
    clock.forward(400)
    wait_until(lambda: os.listdir(expired(mnt)) == [], 40, "it is erased", 0.1)
    assert not thread.exists()


@pytest.mark.local_store
def test_T6__erased_while_somebody_is_in_it__reads_as_removed(mount, clock):
    mnt = mount(opts="grace=1h")
    thread = conversation(mnt)
    clock.forward(DAY + 1)
    gone(thread)
    there = expired(mnt) / "thread"
    fd = os.open(there / TURN, os.O_RDONLY)
    directory = os.open(there, os.O_RDONLY | os.O_DIRECTORY)
    try:
        clock.forward(3700)
        wait_until(lambda: os.listdir(expired(mnt)) == [], 40, "it is erased", 0.1)
        assert read_all(fd) == b"first\n"
        with contextlib.suppress(FileNotFoundError):
            assert os.listdir(directory) == []
        for name in (TURN, "thread.json", "note.txt"):
            with fails(errno.ENOENT):
                os.stat(name, dir_fd=directory)
        with fails(errno.ENOENT):
            os.rename(there, mnt / "b")
    finally:
        os.close(fd)
        os.close(directory)


@pytest.mark.local_store
@pytest.mark.limit(300)
def test_T6__much_is_erased__other_calls_do_not_wait(mount, clock):
    """4000 turns are erased in small steps; a writer meanwhile is hardly held up."""
    mnt = mount(opts="grace=1h")
    for i in range(40):
        thread = mnt.thread(f"t{i}")
        write(thread / "@transcript.jsonl", b'{"role":"user","content":"%s"}\n' % (b"x" * 1000) * 100, os.O_WRONLY)
    clock.forward(DAY + 1)
    gone(thread)
    other = mnt.thread("other")
    took = []

    def once():
        begun = time.monotonic()
        say(other, "user", "x" * 100)
        os.stat(other / TURN)
        took.append(time.monotonic() - begun)

    for _ in range(200):
        once()
    quiet = sorted(took)[-len(took) // 50]
    took.clear()
    clock.forward(3700)
    set_attribute(other, "turnfs.ttl", "never")
    while len(os.listdir(expired(mnt))) > 0:
        once()
        assert sum(took) < 60
    busy = sorted(took)[-len(took) // 50]
    print(f"p98 {quiet * 1000:.1f} ms, while erasing {busy * 1000:.1f} ms, {len(took)} calls in {sum(took):.2f} s")
    assert busy < 0.1 + 5 * quiet


# T8: the warning


def warnings(mnt, name):
    return len(re.findall(rf"thread {re.escape(name)}: expires at \S+Z, in ", mnt.stderr))


def test_T8__near_its_deadline__in_expiring_and_logged_once(mount, clock):
    mnt = mount(opts="ttl=3h,warn=1h")
    thread, other = mnt.thread(), mnt.thread("other")
    set_attribute(other, "turnfs.ttl", "5h")
    say(thread, "user", "x")
    time.sleep(1.5)
    assert os.listdir(mnt / ".turnfs/expiring") == [] and warnings(mnt, "thread") == 0
    clock.forward(2 * 3600 + 60)
    wait_until(lambda: warnings(mnt, "thread") == 1, message="it is logged")
    assert os.listdir(mnt / ".turnfs/expiring") == ["thread"]
    said = read(mnt / ".turnfs/expiring/thread").decode()
    assert re.fullmatch(r"thread expires at \S+Z, in (\d+m \d\ds|\d+s); to keep it: touch thread\n", said), said
    clock.forward(600)
    time.sleep(2.5)
    assert warnings(mnt, "thread") == 1 and warnings(mnt, "other") == 0


def test_T8__renewed__is_logged_again_when_it_comes_near_again(mount, clock):
    mnt = mount(opts="ttl=3h,warn=1h")
    thread = mnt.thread()
    for i in range(1, 4):
        clock.forward(2 * 3600 + 60)
        wait_until(lambda: warnings(mnt, "thread") == i, message=f"it is logged, {i}")
        assert os.listdir(mnt / ".turnfs/expiring") == ["thread"]
        os.utime(thread)
        assert os.listdir(mnt / ".turnfs/expiring") == []
        time.sleep(1.2)
        assert warnings(mnt, "thread") == i


def test_T8__ttl_shorter_than_warn__logged_once_for_all(mount, clock):
    mnt = mount(opts="ttl=30m,warn=1h")
    thread = mnt.thread()
    wait_until(lambda: warnings(mnt, "thread") == 1, message="it is logged")
    for _ in range(4):
        clock.forward(1200)
        os.utime(thread)
        time.sleep(1.2)
    assert warnings(mnt, "thread") == 1


def test_T8__ttl_shortened__logged(mnt):
    thread = mnt.thread()
    set_attribute(thread, "turnfs.ttl", "30m")
    wait_until(lambda: warnings(mnt, "thread") == 1, message="it is logged")
    mnt.remount()
    wait_until(lambda: warnings(mnt, "thread") >= 1, message="it is logged")
    assert os.listdir(mnt / ".turnfs/expiring") == ["thread"]


# C2: turnfs restore


def restore(workshop, *arguments):
    return subprocess.run([str(BINARY), "restore", *map(str, arguments)], env=workshop.environment(),
                          capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("mounted", [True, False], ids=["mounted", "not_mounted"])
@pytest.mark.parametrize("name", ["thread", "other"])
def test_C2__restore__brings_it_back_whole(mnt, clock, workshop, mounted, name):
    thread = conversation(mnt)
    before = whole(thread)
    clock.forward(DAY + 1)
    gone(thread)
    if not mounted:
        mnt.stop()
    where = mnt.path if mounted else mnt.store
    done = restore(workshop, *(["--as", name] if name != "thread" else []), "thread", where)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("thread is back")
    if not mounted:
        mnt.start()
    after = whole(mnt / name)
    assert after[0].pop("id") == name and before[0].pop("id") == "thread"
    assert after == before
    assert abs(expires(mnt / name) - time.time() - clock.offset - DAY) < 30
    assert os.listdir(expired(mnt)) == []


@needs_root
def test_C2__restore_of_the_only_mount__needs_no_where(mnt, clock, workshop):
    """In a mount namespace of its own, for the machine may have other mounts."""
    thread = conversation(mnt)
    clock.forward(DAY + 1)
    gone(thread)
    script = f"""awk '/ fuse.turnfs / {{ print $5 }}' /proc/self/mountinfo | grep -vx '{mnt.path}' |
        while read -r path; do umount -l "$path"; done
        exec {BINARY} restore thread"""
    run("unshare", "-m", "--propagation", "private", "sh", "-c", script, env=workshop.environment())
    assert len(turns(thread)) == 2


@pytest.mark.parametrize("mounted", [True, False], ids=["mounted", "not_mounted"])
def test_C2__restore_that_cannot_be__one_line_that_says_what_to_do(mnt, clock, workshop, mounted):
    thread = conversation(mnt)
    clock.forward(DAY + 1)
    gone(thread)
    say(mnt.thread(), "user", "a new life")
    say(mnt.thread("live"), "user", "x")
    if not mounted:
        mnt.stop()
    where = mnt.path if mounted else mnt.store
    for arguments, status, word in [
        (["thread", where], 1, "--as NAME"),
        (["--as", "live", "thread", where], 1, "there is a live thread live"),
        (["live", where], 1, "it is there"),
        (["never", where], 1, "turnfs why never"),
        (["thread~2", where], 1, "no expired thread"),
        (["--as", ".x", "thread", where], 2, "cannot be called"),
        (["../x", where], 2, "not the name"),
        (["--as"], 2, "needs a name"), ([], 2, "which thread"), (["--what", "x"], 2, "not understood"),
        (["thread", workshop.base], 2, "neither"),
    ]:
        done = restore(workshop, *arguments)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1), (arguments, done)
        assert word in done.stderr, (arguments, done.stderr)
    done = restore(workshop, "--as", "back", "thread", where)
    assert done.returncode == 0 and " as back" in done.stdout


@pytest.mark.local_store
def test_C2__restore_in_a_store_that_is_mounted__says_to_go_through_the_mount(mnt, clock, workshop):
    thread = conversation(mnt)
    clock.forward(DAY + 1)
    gone(thread)
    done = restore(workshop, "thread", workshop.store_file)
    assert done.returncode == 1 and "mountpoint" in done.stderr and str(mnt.pid) in done.stderr


def test_C2__restore_help__prints_usage(workshop):
    done = restore(workshop, "--help")
    assert done.returncode == 0 and done.stdout.startswith("usage: turnfs restore")
