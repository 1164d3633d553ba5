"""F3, F4, F7, and W9's full store: real faults of what lies underneath."""

import errno
import os
import random
import re
import resource
import subprocess
import time

import pytest

from fixtures import needs_root
from harness import (
    document,
    fails,
    outcome,
    read,
    run,
    say,
    set_document,
    shell,
    turns,
    wait_until,
    write,
    write_all,
)

MIB = 1 << 20


def fill_store(thread, size=64 * 1024, limit=400):
    """Writes turns until one fails: ({name: content} of those acknowledged, the errno)."""
    kept = {}
    for i in range(1, limit):
        name, content = f"{i:06d}-user.md", os.urandom(size)
        code = outcome(write, thread / name, content)
        if code:
            return kept, code
        kept[name] = content
    raise AssertionError("the store was never full")


def exhaust(folder, thread):
    """Leaves no room at all: neither on the medium nor inside the store's own files."""
    outcome(write, folder / "stopper", bytes(64 * MIB))
    made = 0
    for size in (65536, 4096, 1):
        refused = 0
        while refused < 5:
            made += 1
            if outcome(write, thread / f"fill{made}", os.urandom(size)):
                refused += 1
                time.sleep(0.3)  # a small commit may be tried in between, to see whether it heals
            else:
                refused = 0


@needs_root
def test_F3__store_full__ENOSPC_nothing_lost_and_healed_when_there_is_room(workshop, mount):
    folder = workshop.small_store("6m")
    mnt = mount()
    thread = mnt.thread()
    say(thread, "user", "first")
    os.rename(thread / "000001-user.md", thread / "000900-tool.md")
    kept, code = fill_store(thread)
    assert code == errno.ENOSPC
    assert len(kept) > 5
    assert {name: read(thread / name) for name in kept} == kept
    assert read(thread / "000900-tool.md") == b"first"
    assert mnt.alive
    run("mount", "-o", "remount,size=64m", folder)
    wait_until(lambda: outcome(say, thread, "user", "there is room again") == 0, 15)
    mnt.kill9()
    mnt.remount()
    found = dict(turns(thread))
    for name, content in kept.items():
        assert found[name] == content
    assert b"there is room again" in found.values()


@needs_root
def test_F3__store_full__edits_of_what_is_there_leave_the_old_whole(workshop, mount):
    workshop.small_store("6m")
    mnt = mount()
    thread = mnt.thread()
    write(thread / "000900-tool.md", b"old" * 100)
    kept, _ = fill_store(thread)
    for flags in (os.O_WRONLY | os.O_TRUNC, os.O_WRONLY, os.O_WRONLY | os.O_APPEND):
        if outcome(write, thread / "000900-tool.md", os.urandom(2 * MIB), flags) == 0:
            pytest.fail("2 MiB fitted into a full store")
        assert read(thread / "000900-tool.md") == b"old" * 100
    mnt.kill9()
    mnt.remount()
    assert read(thread / "000900-tool.md") == b"old" * 100


@needs_root
def test_W3__store_known_to_be_full__write_itself_fails_and_shells_notice(workshop, mount):
    folder = workshop.small_store("6m")
    mnt = mount()
    thread = mnt.thread()
    exhaust(folder, thread)
    script = 'head -c 1000000 /dev/zero | tr "\\0" x > big.txt'
    assert outcome(write, thread / "big", os.urandom(3 * MIB)) == errno.ENOSPC
    fd = os.open(thread / "known", os.O_CREAT | os.O_WRONLY)
    with fails(errno.ENOSPC):
        os.write(fd, b"x")
    with fails(errno.ENOSPC):
        os.close(fd)
    done = shell("echo text > 000999-user.md", cwd=thread, check=False)
    assert done.returncode != 0, "echo's exit status tells it"
    assert shell("echo text > @user", cwd=thread, check=False).returncode != 0
    assert shell("printf x >> @assistant", cwd=thread, check=False, shell="bash").returncode != 0
    assert shell(script, cwd=thread, check=False).returncode != 0
    (folder / "stopper").unlink()
    run("mount", "-o", "remount,size=64m", folder)
    wait_until(lambda: shell("echo text > @user", cwd=thread, check=False).returncode == 0, 15)
    assert turns(thread)[-1][1] == b"text\n"


@needs_root
def test_W9__store_full__what_is_removed_makes_room(workshop, mount):
    """A removal writes too, to a journal that must not be stuck for want of room in the store's file."""
    workshop.small_store("40m")
    mnt = mount()
    thread = mnt.thread()
    say(thread, "user", "kept")
    count = 0
    while outcome(write, thread / f"file{count}", os.urandom(300_000)) == 0:
        count += 1
    assert count > 20
    removed = [outcome(os.unlink, thread / f"file{i}") for i in range(count)]
    assert removed == [0] * count
    wait_until(lambda: outcome(say, thread, "user", "again") == 0, 15)
    for i in range(count - 20):
        assert outcome(write, thread / f"new{i}", os.urandom(300_000)) == 0, "and there is room again"
    mnt.remount()
    assert turns(thread)[0] == ("000001-user.md", b"kept")


@needs_root
def test_W9__store_full__health_says_so(workshop, mount):
    folder = workshop.small_store("6m")
    mnt = mount()
    thread = mnt.thread()
    health = lambda: read(mnt / ".turnfs" / "health").decode()
    good = health().splitlines()[0]
    exhaust(folder, thread)
    text = health()
    assert text.splitlines()[0] != good and re.search(r"full|space", text), text
    (folder / "stopper").unlink()
    run("mount", "-o", "remount,size=64m", folder)
    wait_until(lambda: outcome(say, thread, "user", "x") == 0, 15)
    wait_until(lambda: health().splitlines()[0] == good, 15)


@needs_root
def test_F4__failed_fsync__is_never_retried_into_success(workshop, mount):
    folder = workshop.small_store("24m")
    mnt = mount()
    thread = mnt.thread()
    path = thread / "000001-user.md"
    write(path, b"old")
    fd = os.open(path, os.O_WRONLY)
    write_all(fd, os.urandom(16 * MIB))
    stopper = folder / "stopper"
    assert outcome(write, stopper, bytes(32 * MIB)) == errno.ENOSPC
    with fails(errno.ENOSPC):
        os.fsync(fd)
    with fails(errno.ENOSPC):
        os.fsync(fd)
    stopper.unlink()
    for _ in range(3):
        with fails(errno.ENOSPC):
            os.fsync(fd)
        time.sleep(0.1)
    with fails(errno.ENOSPC):
        os.close(fd)
    assert read(path) == b"old"
    wait_until(lambda: outcome(write, path, b"another try, by another descriptor") == 0, 15)
    mnt.kill9()
    mnt.remount()
    assert read(path) == b"another try, by another descriptor"


@needs_root
def test_F3__store_full__removing_what_is_there_is_refused_or_done_and_nothing_else_goes(workshop, mount):
    workshop.small_store("6m")
    mnt = mount()
    thread = mnt.thread()
    kept, _ = fill_store(thread)
    for name in list(kept)[: len(kept) // 2]:
        code = outcome(os.unlink, thread / name)
        assert code in (0, errno.ENOSPC)
        if code == 0:
            del kept[name]
    assert dict(turns(thread)) == kept
    mnt.remount()
    assert dict(turns(thread)) == kept


def test_F3__few_descriptors__errors_come_up_and_the_daemon_goes_on(mount):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (48, hard))
    try:
        mnt = mount()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    thread = mnt.thread()
    fds = []
    try:
        for i in range(1, 200):  # handles are not descriptors of the daemon: this must just work
            fds.append(os.open(thread / f"{i:06d}-user.md", os.O_CREAT | os.O_WRONLY))
            os.write(fds[-1], b"x")
    finally:
        for fd in fds:
            os.close(fd)
    assert len(turns(thread)) == 199


# F7


def damage(store, marker):
    """Changes one byte of `marker` in the files of the store; fails if it is not found there."""
    hit = 0
    for path in sorted(store.parent.glob(store.name + "*")):
        data = bytearray(path.read_bytes())
        at = data.find(marker)
        while at >= 0:
            data[at + len(marker) // 2] ^= 0x20
            hit += 1
            at = data.find(marker, at + 1)
        path.write_bytes(data)
    assert hit, "the text is not in the store's files"


def marker():
    return "".join(random.choice("abcdefghijklmnop") for _ in range(64)).encode()


def test_F7__byte_of_a_turn_damaged__that_one_is_EIO_and_the_rest_reads(mnt):
    one, two = mnt.thread("one"), mnt.thread("two")
    bad = marker()
    for i in range(5):
        say(one, "user", bad if i == 2 else f"good {i}")
        say(two, "user", f"good {i}")
    mnt.stop()
    damage(mnt.store, bad)
    mnt.start()
    with fails(errno.EIO):
        read(one / "000003-user.md")
    for thread in (one, two):
        for i in range(5):
            if thread == two or i != 2:
                assert read(thread / f"{i + 1:06d}-user.md") == b"good %d" % i
    assert sorted(os.listdir(one)) == [f"{i:06d}-user.md" for i in range(1, 6)] + ["thread.json"]
    assert document(two)["turn_count"] == 5
    health = read(mnt / ".turnfs" / "health").decode()
    assert re.search(r"damage|corrupt|checksum|verify", health), health
    assert "one" in mnt.stderr and "000003-user.md" in mnt.stderr, "it is named in the log"
    assert bad.decode() not in mnt.stderr
    say(one, "user", "goes on")
    assert read(one / "000006-user.md") == b"goes on"


def test_F7__damaged_turn__in_the_transcript_is_an_error_not_a_gap(mnt, thread):
    bad = marker()
    for text in (b"one", bad, b"three"):
        say(thread, "user", text)
    mnt.stop()
    damage(mnt.store, bad)
    mnt.start()
    with fails(errno.EIO):
        read(thread / "@transcript.jsonl")


def test_F7__damaged_turn__can_be_written_anew_or_removed(mnt, thread):
    bad, worse = marker(), marker()
    say(thread, "user", bad)
    say(thread, "user", worse)
    mnt.stop()
    damage(mnt.store, bad)
    damage(mnt.store, worse)
    mnt.start()
    write(thread / "000001-user.md", b"mended")
    assert read(thread / "000001-user.md") == b"mended"
    os.unlink(thread / "000002-user.md")
    assert turns(thread) == [("000001-user.md", b"mended")]


def test_F7__damaged_turn__is_not_edited_as_if_it_were_whole(mnt, thread):
    bad = marker()
    say(thread, "user", bad)
    mnt.stop()
    damage(mnt.store, bad)
    mnt.start()
    assert outcome(write, thread / "000001-user.md", b"!", os.O_WRONLY | os.O_APPEND) == errno.EIO
    with fails(errno.EIO):
        read(thread / "000001-user.md")


def test_F7__byte_of_metadata_damaged__EIO_and_the_rest_reads(mnt):
    one, two = mnt.thread("one"), mnt.thread("two")
    bad = marker()
    for thread in (one, two):
        say(thread, "user", "text")
        set_document(thread, {"title": bad.decode() if thread == one else "good"})
    mnt.stop()
    damage(mnt.store, bad)
    mnt.start()
    with fails(errno.EIO):
        read(one / "thread.json")
    assert document(two)["title"] == "good"
    assert turns(two) == [("000001-user.md", b"text")]
    assert read(one / "000001-user.md") == b"text"


def test_F7__after_an_unclean_stop__a_check_runs_and_health_has_its_result(mnt, thread):
    for i in range(20):
        say(thread, "user", str(i))
    mnt.kill9()
    mnt.remount()
    health = lambda: read(mnt / ".turnfs" / "health").decode()
    assert re.search(r"check", health()), health()
    good = r"check.*(ok|passed|no damage|sound|intact|0 damaged|nothing|verified)"
    wait_until(lambda: re.search(good, health(), re.I | re.S), 10)


def test_F7__unclean_stop_and_damage__the_check_finds_it_unasked(mnt, thread):
    bad = marker()
    say(thread, "user", bad)
    for i in range(20):
        say(thread, "user", str(i))
    mnt.stop()
    damage(mnt.store, bad)
    mnt.start()
    mnt.kill9()
    mnt.remount()
    wait_until(lambda: re.search(r"000001-user\.md|damaged", read(mnt / ".turnfs" / "health").decode()), 10)


def test_F7__file_cut_short__mount_refuses_or_serves_what_is_whole(mnt):
    for i in range(50):
        say(mnt.thread(f"t{i}"), "user", "x" * 3000)
    mnt.stop()
    size = mnt.store.stat().st_size
    with open(mnt.store, "r+b") as f:
        f.truncate(size // 2)
    done = subprocess.Popen(mnt.command(), env=mnt.env, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: done.poll() is not None or os.path.ismount(mnt.path), 15)
        if done.poll() is None:
            for name in os.listdir(mnt.path):
                assert outcome(read, mnt / name / "000001-user.md") in (0, errno.EIO, errno.ENOENT)
            done.terminate()
            done.wait(10)
        assert done.returncode in (0, 1, 4), done.returncode
        text = done.stderr.read()
        assert "Sanitizer" not in text and "runtime error" not in text, text
        if done.returncode:
            assert text.strip()
    finally:
        if done.poll() is None:
            done.kill()
            done.wait()


@pytest.mark.parametrize("garbage", [b"x", b"This is not a database" * 100, bytes(8192),
                                     b"SQLite format 3\0" + b"\xff" * 8000],
                         ids=["one-byte", "text", "zeros", "header"])
def test_F7__store_is_garbage__clear_error_and_the_file_is_untouched(workshop, garbage):
    path = workshop.base / "store" / "garbage.db"
    path.write_bytes(garbage)
    path.chmod(0o600)
    (workshop.base / "m").mkdir()
    done = workshop.refused(path, workshop.base / "m")
    assert done.returncode in (1, 4)
    assert done.stderr.strip() and "Sanitizer" not in done.stderr
    assert path.read_bytes() == garbage
