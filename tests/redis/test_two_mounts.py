"""What is particular to a mount that others write beside: its own changes, and what it shows of theirs."""

import errno
import json
import os
import threading
import time

import pytest

from across import health, seen, soon
from harness import fails, opened, outcome, read, read_all, say, set_attribute, turns, write

ONE = "000001-user.md"


def conflicts(thread):
    return sorted(name for name in os.listdir(thread) if ".conflict-" in name)


@pytest.fixture
def both(pair):
    """The same thread on both mounts, with one turn."""
    a, b = pair
    here = a.thread()
    say(here, "user", "first")
    return here, seen(b / "thread" / ONE).parent


def test_W8__own_chmod_after_anothers_change__does_not_hide_it(both):
    here, there = both
    fd = os.open(here / ONE, os.O_WRONLY)
    os.pwrite(fd, b"mine!", 0)
    write(there / ONE, "theirs")
    os.chmod(here / ONE, 0o640)
    with fails(errno.ESTALE):
        os.close(fd)
    assert read(there / ONE) == b"theirs"
    kept = conflicts(there)
    assert [read(there / name) for name in kept] == [b"mine!"]
    soon(lambda: read(here / ONE) == b"theirs")


def test_W8__own_metadata_set_while_it_is_written__is_no_conflict(both):
    here, there = both
    done = threading.Event()
    set_count = 0

    def tag():
        nonlocal set_count
        while not done.is_set():
            set_attribute(here / ONE, "tag", str(set_count))
            os.chmod(here / ONE, 0o600 + set_count % 2 * 0o40)
            set_count += 1

    tagging = threading.Thread(target=tag)
    tagging.start()
    try:
        for i in range(150):
            write(here / ONE, f"version {i}")
    finally:
        done.set()
        tagging.join()
    assert set_count > 10 and conflicts(here) == []
    assert read(here / ONE) == b"version 149"
    soon(lambda: read(there / ONE) == b"version 149")


def test_W8__turn_edited_by_another_while_its_stream_is_open__is_not_overwritten(both):
    here, there = both
    fd = os.open(here / "@assistant", os.O_WRONLY)
    os.write(fd, b"begun")
    os.fsync(fd)
    write(seen(there / "000002-assistant.md"), "edited")
    os.write(fd, b", ended")
    with fails(errno.ESTALE):
        os.close(fd)
    assert read(there / "000002-assistant.md") == b"edited"
    assert [read(here / name) for name in conflicts(here)] == [b"begun, ended"]


@pytest.mark.parametrize("flags", [os.O_WRONLY | os.O_TRUNC, os.O_RDWR])
def test_W8__thread_json_edited_on_two_mounts__the_second_is_told(both, flags):
    here, there = both
    text = json.dumps({"title": "mine", "tool_name": "a"}).encode()
    fd = os.open(here / "thread.json", flags)
    write(there / "thread.json", json.dumps({"title": "theirs"}))
    os.ftruncate(fd, 0)
    os.pwrite(fd, text, 0)
    for commit in (os.fsync, os.close):
        with fails(errno.ESTALE):
            commit(fd)
    for mount in both:
        soon(lambda: json.loads(read(mount / "thread.json"))["title"] == "theirs")
    (kept,) = conflicts(here)
    assert kept.startswith("thread.json.conflict-") and read(here / kept) == text


def test_W8__thread_json_edited_while_others_add_turns_and_we_set_titles__is_no_conflict(both):
    here, there = both
    fd = os.open(here / "thread.json", os.O_WRONLY | os.O_TRUNC)
    write(there / "@user", "a turn")
    set_attribute(here, "title", "ours")
    write(here / "thread.json", json.dumps({"title": "ours too"}))
    os.write(fd, json.dumps({"title": "last"}).encode())
    os.fsync(fd)
    os.close(fd)
    assert conflicts(here) == []
    soon(lambda: json.loads(read(there / "thread.json"))["title"] == "last")


def test_M5__renamed_by_another_while_open__descriptor_follows_and_sees_the_growth(both):
    here, there = both
    write(there / "notes", "one\n")
    seen(here / "notes", "one\n")
    with opened(here / "notes") as fd:
        assert read_all(fd) == b"one\n"
        os.rename(there / "notes", there / "journal")
        seen(here / "journal", "one\n")
        write(there / "journal", "two\n", os.O_WRONLY | os.O_APPEND)
        soon(lambda: os.fstat(fd).st_size == 8)
        assert os.pread(fd, 100, 0) == b"one\ntwo\n"
        assert os.fstat(fd).st_ino == os.stat(there / "journal").st_ino


def test_M5__changed_on_another_mount__node_is_new_and_number_the_same(both):
    here, there = both
    number = os.stat(here / ONE).st_ino
    with opened(here / ONE) as fd:
        write(there / ONE, "quite another text")
        soon(lambda: read(here / ONE) == b"quite another text")
        assert read_all(fd) == b"first"
        assert os.stat(here / ONE).st_ino == os.fstat(fd).st_ino == number
        with fails(errno.ESTALE):
            os.fchmod(fd, 0o600)


def test_R4__threads_of_others__are_counted_and_the_latest_is_known(pair):
    a, b = pair
    for i in range(5):
        say(b.thread(f"t{i}"), "user", "x")
        soon(lambda i=i: read(a / ".turnfs" / "latest") == f"t{i}\n".encode())
    soon(lambda: "threads: 5 live" in health(a))
    for name in os.listdir(b / "t0"):
        outcome(os.unlink, b / "t0" / name)
    os.rmdir(b / "t0")
    soon(lambda: "threads: 4 live" in health(a))
    set_attribute(b / "t1", "turnfs.ttl", "200ms")
    soon(lambda: "threads: 3 live" in health(a) and "1 expired" in health(a))
    os.rename(b / ".turnfs" / "expired" / "t1", b / "t1")
    soon(lambda: "threads: 4 live" in health(a) and "0 expired" in health(a))


def test_T4__renewed_on_another_mount_just_before_its_deadline__stays_here(server, mount):
    a, b = mount(server.url, opts="ttl=1s"), mount(server.url, opts="ttl=1s")
    here = a.thread()
    there = seen(b / "thread")
    for _ in range(8):
        time.sleep(0.45)
        os.utime(there)
        assert outcome(os.listdir, here) == 0
    assert turns(here) == []


def test_M3__thread_json_replaced_by_another__is_read_here(both):
    here, there = both
    for title in ("one", "two"):
        write(there / "thread.json", '{"title": "%s"}' % title)
        soon(lambda title=title: f'"{title}"'.encode() in read(here / "thread.json"))
