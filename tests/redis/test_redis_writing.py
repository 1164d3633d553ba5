"""W1 to W11 over several mounts of one server."""

import errno
import json
import os
import re
import signal
import threading
import time

import pytest

from across import gone, seen, soon, together
from harness import (attributes, document, fails, opened, outcome, read, say, set_attribute, turns, wait_until, write,
                     write_all)

ONE, SEVEN = "000001-user.md", "000007-user.md"
EXCLUSIVE = os.O_CREAT | os.O_EXCL | os.O_WRONLY


def test_W1__mkdir_of_a_name_that_another_mount_has__EEXIST(any_pair):
    a, b = any_pair
    a.thread()
    with fails(errno.EEXIST):
        os.mkdir(b / "thread")
    for i in range(20):
        results = []
        together(*(lambda m=m: results.append(outcome(os.mkdir, m / f"t{i}")) for m in (a, b)))
        assert sorted(results) == [0, errno.EEXIST]


def test_W1__default_ttl__is_stored_with_the_thread_whatever_the_others_default_is(server, mount):
    a, b = mount(server.url, opts="ttl=1h"), mount(server.url, opts="ttl=7d")
    a.thread("one")
    b.thread("two")
    assert document(seen(b / "one"))["ttl_seconds"] == 3600
    assert document(seen(a / "two"))["ttl_seconds"] == 7 * 86400
    say(b / "one", "user", "renewed by the other")
    soon(lambda: "000001-user.md" in document(a / "one")["turns"])
    assert document(a / "one")["ttl_seconds"] == 3600


def test_W3__not_closed_yet__other_mount_shows_the_last_whole_version(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    write(here / ONE, "whole")
    seen(there / ONE, "whole")
    with opened(here / ONE, os.O_WRONLY | os.O_TRUNC) as fd:
        write_all(fd, b"half ")
        time.sleep(0.1)
        assert read(there / ONE) == b"whole"
        os.fsync(fd)
        seen(there / ONE, "half ")
        write_all(fd, b"and half")
    seen(there / ONE, "half and half")


def test_W4__closed__survives_kill_of_the_daemon_and_is_on_the_other_mount(any_pair):
    a, b = any_pair
    thread = a.thread()
    for i in range(20):
        say(thread, "user", f"{i}")
        write(thread / "note.txt", f"{i}")
        a.kill9()
        soon(lambda: turns(b / "thread")[-1][1] == f"{i}".encode())
        assert read(b / "thread" / "note.txt") == f"{i}".encode()
        a.start()
        assert len(turns(thread)) == i + 1


# W5


def test_W5__exclusive_create_of_one_turn_by_two_mounts__one_gets_EEXIST(any_pair):
    a, b = any_pair
    a.thread()
    seen(b / "thread")
    for i in range(1, 30):
        results = {}

        def create(mnt, role):
            try:
                fd = os.open(mnt / "thread" / f"{i:06d}-{role}.md", EXCLUSIVE)
            except OSError as error:
                results[mnt] = error.errno
            else:
                results[mnt] = 0
                write_all(fd, role.encode())
                os.close(fd)

        # The same name on odd ones, another role of the same number on even ones: N2.
        together(lambda: create(a, "user"), lambda: create(b, "user" if i % 2 else "tool"))
        assert sorted(results.values()) == [0, errno.EEXIST], i
    soon(lambda: len(turns(a / "thread")) == len(turns(b / "thread")) == 29)


def test_W5__claimed__shows_to_nobody_and_is_there_for_all_when_closed(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    with opened(here / SEVEN, EXCLUSIVE) as fd:
        with fails(errno.EEXIST):
            os.open(there / SEVEN, EXCLUSIVE)
        with fails(errno.EEXIST):
            os.open(there / "000007-tool.md", EXCLUSIVE)
        assert os.listdir(there) == ["thread.json"]
        assert outcome(os.stat, there / SEVEN) == errno.ENOENT
        assert "000007" not in json.dumps(document(there))
        write_all(fd, b"seven")
    seen(there / SEVEN, "seven")


def test_W5__closed_with_nothing_or_failed__name_is_free_again(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    fd = os.open(here / SEVEN, EXCLUSIVE)
    os.unlink(here / SEVEN)
    os.close(fd)
    soon(lambda: outcome(write, there / SEVEN, "by b", EXCLUSIVE) == 0, "the claim ends with the last close")
    seen(here / SEVEN, "by b")


@pytest.mark.parametrize("into", ["thread", "other"])
def test_W5__claimed_and_renamed_before_close__name_is_free_again(pair, into):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    a.thread("other")
    with opened(here / SEVEN, EXCLUSIVE) as fd:
        os.rename(here / SEVEN, a / into / "note.txt")
        write(there / SEVEN, "by b", EXCLUSIVE)
        write_all(fd, b"renamed")
    seen(b / into / "note.txt", "renamed")
    seen(here / SEVEN, "by b")


def test_W5__claimed_and_renamed_over__name_is_not_claimed_any_more(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    write(here / "note.txt", "renamed over it")
    with opened(here / SEVEN, EXCLUSIVE) as fd:
        os.rename(here / "note.txt", here / SEVEN)
        os.write(fd, b"of nobody")
    seen(there / SEVEN, "renamed over it")
    os.unlink(there / SEVEN)
    write(there / SEVEN, "by b", EXCLUSIVE)
    seen(here / SEVEN, "by b")


def test_W5__mount_ended_by_SIGTERM__claims_no_more_and_what_was_open_is_committed_empty(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    fd = os.open(here / SEVEN, EXCLUSIVE)
    a.proc.send_signal(signal.SIGTERM)
    try:
        soon(lambda: outcome(os.stat, there / SEVEN) == 0, "made and left empty: committed at the end", timeout=10)
    finally:
        outcome(os.close, fd)
    write(there / SEVEN, "by b")
    assert turns(there) == [(SEVEN, b"by b")]


@pytest.mark.limit(150)
def test_W5__mount_killed__its_claim_dies_with_its_lease_of_at_most_30_s(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    held = os.open(here / SEVEN, EXCLUSIVE)
    begun = time.monotonic()
    a.kill9()
    outcome(os.close, held)
    wait_until(lambda: outcome(write, there / SEVEN, "by b", EXCLUSIVE) == 0, 35, "the lease ends", interval=0.2)
    print(f"free after {time.monotonic() - begun:.1f} s")
    assert time.monotonic() - begun < 31
    assert read(there / SEVEN) == b"by b"


@pytest.mark.limit(150)
def test_W5__held_longer_than_a_lease__is_still_claimed(pair):
    """A claim that is in use is renewed; 32 s are more than the longest lease."""
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    with opened(here / SEVEN, EXCLUSIVE) as fd:
        ends = time.monotonic() + 32
        while time.monotonic() < ends:
            assert outcome(os.open, there / SEVEN, EXCLUSIVE) == errno.EEXIST
            time.sleep(0.5)
        write_all(fd, b"by a")
    seen(there / SEVEN, "by a")


def test_W5__plain_create_of_a_claimed_name__second_to_commit_gets_ESTALE(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    first = os.open(here / SEVEN, EXCLUSIVE)
    second = os.open(there / SEVEN, os.O_CREAT | os.O_WRONLY)
    write_all(first, b"first")
    write_all(second, b"second")
    os.close(first)
    with fails(errno.ESTALE):
        os.close(second)
    seen(here / SEVEN, "first")
    seen(there / SEVEN, "first")


# W6, W7


def append_many(mnt, writer, count, told):
    for i in range(count):
        text = f"{writer}:{i}"
        with opened(mnt / "thread" / "@user", os.O_WRONLY) as fd:
            write_all(fd, text.encode())
            if i % 3 == 0:
                os.fsync(fd)
                told[text] = os.getxattr(fd, "user.turnfs.turn").decode()


def test_W6__sixteen_writers_over_four_mounts__exact(any_server, mount):
    mounts = [mount(any_server.url) for _ in range(4)]
    mounts[0].thread()
    for mnt in mounts:
        seen(mnt / "thread")
    told = {}
    together(*(lambda w=w: append_many(mounts[w % 4], w, 20, told) for w in range(16)))
    expected = {f"{w}:{i}".encode() for w in range(16) for i in range(20)}
    for mnt in mounts:
        soon(lambda: len(turns(mnt / "thread")) == 320)
        found = turns(mnt / "thread")
        assert {text for _, text in found} == expected
        assert [name for name, _ in found] == [f"{i:06d}-user.md" for i in range(1, 321)], "no gap, no repeat"
        assert all(dict(found)[name] == text.encode() for text, name in told.items())
        for writer in range(16):
            mine = [text for _, text in found if text.startswith(f"{writer}:".encode())]
            assert mine == [f"{writer}:{i}".encode() for i in range(20)], "in the order written"


def test_W6__number__is_the_highest_ever_used_plus_one_on_every_mount(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    say(here, "user", "1")
    say(there, "user", "2")
    os.unlink(here / "000002-user.md")
    gone(there / "000002-user.md")
    say(there, "user", "3")
    write(here / "000040-user.md", "40")
    seen(there / "000040-user.md")
    say(there, "user", "41")
    assert [name[:6] for name, _ in turns(there)] == ["000001", "000003", "000040", "000041"]
    a.kill9()
    a.start()
    say(a / "thread", "user", "42")
    assert turns(a / "thread")[-1] == ("000042-user.md", b"42")


def test_W6__fsynced_and_going_on__one_turn_on_the_other_mount_at_each_moment(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    text = b""
    with opened(here / "@assistant", os.O_WRONLY) as fd:
        for i in range(10):
            write_all(fd, b"part %d " % i)
            text += b"part %d " % i
            os.fsync(fd)
            seen(there / "000001-assistant.md", text)
        say(there, "user", "meanwhile")
        write_all(fd, b"end")
    seen(there / "000001-assistant.md", text + b"end")
    assert [name for name, _ in turns(there)] == ["000001-assistant.md", "000002-user.md"]


def test_W7__lines_of_one_open__come_in_one_step_on_the_other_mount(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    lines = "".join(json.dumps({"role": "user", "content": f"line {i}", "k": i}) + "\n" for i in range(50))
    counts, done = set(), threading.Event()

    def watch():
        while not done.is_set():
            counts.add(len([n for n in os.listdir(there) if n != "thread.json"]))
            counts.add(len(read(there / "@transcript.jsonl").splitlines()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(10):
            write(here / "@transcript.jsonl", lines, os.O_WRONLY)
        soon(lambda: len(turns(there)) == 500)
    finally:
        done.set()
        watcher.join()
    assert all(count % 50 == 0 for count in counts), sorted(counts)
    assert attributes(there / "000050-user.md") == {"k": b"49"}
    with fails(errno.EINVAL):
        write(here / "@transcript.jsonl", lines + '{"role": "user"}\n', os.O_WRONLY)
    assert len(turns(there)) == 500


# W8


def conflicts(thread, name=ONE):
    return [n for n in os.listdir(thread) if n.startswith(f"{name}.conflict-")]


def test_W8__edit_of_what_another_mount_has_changed__ESTALE_and_the_losing_text_is_kept(any_pair):
    a, b = any_pair
    here, there = a.thread(), seen(b / "thread")
    write(here / ONE, "base")
    seen(there / ONE, "base")
    fd = os.open(there / ONE, os.O_RDWR)
    write_all(fd, b"lost")
    write(here / ONE, "won")
    with fails(errno.ESTALE):
        os.close(fd)
    for thread in (here, there):
        seen(thread / ONE, "won")
        soon(lambda: len(conflicts(thread)) == 1)
        assert read(thread / conflicts(thread)[0]) == b"lost"
    assert re.fullmatch(r"000001-user\.md\.conflict-\S+", conflicts(here)[0])
    write(there / ONE, "the next edit")
    seen(here / ONE, "the next edit")


@pytest.mark.parametrize("flags", [os.O_WRONLY | os.O_TRUNC, os.O_RDWR], ids=["truncated", "in place"])
def test_W8__thread_json_changed_by_another_mount__ESTALE_and_the_losing_text_is_kept(pair, flags):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    fd = os.open(there / "thread.json", flags)
    os.ftruncate(fd, 0)
    write_all(fd, b'{"title":"lost"}')
    write(here / "thread.json", '{"title":"won"}')
    with fails(errno.ESTALE):
        os.close(fd)
    for thread in (here, there):
        assert document(thread)["title"] == "won"
        soon(lambda: [read(thread / n) for n in os.listdir(thread) if ".conflict-" in n] == [b'{"title":"lost"}'])
    write(there / "thread.json", '{"title":"the next edit"}')
    assert document(here)["title"] == "the next edit"


def test_W8__thread_json_edited_while_others_add_turns_and_we_change_it__no_conflict(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    write(here / "thread.json", '{"title":"old"}')
    soon(lambda: document(there)["title"] == "old")
    with opened(there / "thread.json", os.O_RDWR) as fd:
        say(here, "user", "by the other mount")
        set_attribute(here / ONE, "key", "value")
        os.rename(here / ONE, here / "000001-user.md~")
        os.rename(here / "000001-user.md~", here / ONE)
        set_attribute(there, "title", "by this mount")
        write(there / "thread.json", '{"title":"by this mount too"}')
        write_all(fd, b'{"title":"last"}')
        os.ftruncate(fd, 16)
        os.fsync(fd)
        write_all(fd, b" ")
    assert document(here)["title"] == "last"
    assert [n for n in os.listdir(here) if "conflict" in n] == []


def test_W8__opened_after_the_change_was_seen__no_conflict(pair):
    a, b = pair
    threads = [a.thread(), seen(b / "thread")]
    for i in range(30):
        write(threads[i % 2] / ONE, f"edit {i}")
        seen(threads[1 - i % 2] / ONE, f"edit {i}")
    assert conflicts(threads[0]) == []


def test_W8__many_edit_at_once__each_won_or_got_ESTALE_and_no_text_is_lost(server, mount):
    mounts = [mount(server.url) for _ in range(3)]
    mounts[0].thread()
    write(mounts[0] / "thread" / ONE, "start")
    for mnt in mounts:
        seen(mnt / "thread" / ONE)
    refused, accepted = [], []

    def edit(number, mnt):
        for i in range(15):
            text = f"mount {number} edit {i}"
            code = outcome(write, mnt / "thread" / ONE, text)
            assert code in (0, errno.ESTALE)
            (refused if code else accepted).append(text)

    together(*(lambda n=n, m=m: edit(n, m) for n, m in enumerate(mounts)))
    thread = mounts[0] / "thread"
    soon(lambda: len(conflicts(thread)) == len(refused), f"{len(refused)} conflict copies")
    kept = sorted(read(thread / name).decode() for name in conflicts(thread))
    assert kept == sorted(refused)
    assert read(thread / ONE).decode() in accepted


def test_W8__truncated_or_renamed_over_by_another__the_stale_descriptor_overwrites_nothing(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    write(here / ONE, "base")
    seen(there / ONE, "base")
    with pytest.raises(OSError) as error:
        with opened(there / ONE, os.O_WRONLY) as fd:
            write_all(fd, b"lost")
            write(here / "new", "saved by an editor")
            os.rename(here / "new", here / ONE)
    assert error.value.errno == errno.ESTALE
    seen(there / ONE, "saved by an editor")
    assert read(there / conflicts(there)[0]) == b"lost"


# W9, W10, W11


def test_W9__too_big__EFBIG_and_what_was_there_stays(server, mount):
    a, b = mount(server.url, opts="max_file_size=1M"), mount(server.url)
    thread = a.thread()
    write(thread / ONE, "small")
    with fails(errno.EFBIG):
        write(thread / ONE, b"x" * (1 << 20) + b"x")
    assert read(seen(b / "thread" / ONE)) == b"small"
    write(b / "thread" / "big.bin", os.urandom(1 << 16) * 80)
    assert os.stat(seen(a / "thread" / "big.bin")).st_size == 80 << 16
    assert read(a / "thread" / "big.bin") == read(b / "thread" / "big.bin")


def test_W10__rm_r_on_one_mount__gone_on_the_other(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    say(here, "user", "x")
    seen(there / ONE)
    with fails(errno.ENOTEMPTY):
        os.rmdir(there)
    for name in os.listdir(there):
        os.unlink(there / name)
    os.rmdir(there)
    gone(here)
    assert os.listdir(a.path) == []


def test_W11__thread_renamed__keeps_all_but_its_name_on_the_other_mount_too(pair):
    a, b = pair
    thread = a.thread("old")
    say(thread, "user", "x")
    set_attribute(thread, "title", "T")
    write(thread / "a.png", b"\0")
    seen(b / "old" / "a.png")
    before = os.stat(b / "old"), document(b / "old")
    os.rename(a / "old", a / "new")
    gone(b / "old")
    seen(b / "new" / ONE, "x")
    after = os.stat(b / "new"), document(b / "new")
    assert (after[0].st_ino, after[0].st_mtime_ns, after[0].st_mode) == \
        (before[0].st_ino, before[0].st_mtime_ns, before[0].st_mode)
    assert after[1] == before[1] | {"id": "new"}
    assert read(b / "new" / "a.png") == b"\0"
    with fails(errno.ENOTEMPTY, errno.EEXIST):
        b.thread("other")
        say(b / "other", "user", "x")
        seen(a / "other" / ONE)
        os.rename(a / "new", a / "other")


def test_W11__renamed_while_the_other_mount_has_it_open__writes_go_to_the_thread(pair):
    a, b = pair
    a.thread("old")
    seen(b / "old")
    with opened(b / "old" / "@user", os.O_WRONLY) as fd:
        write_all(fd, b"said to the old name")
        os.rename(a / "old", a / "new")
    seen(a / "new" / ONE, "said to the old name")
    seen(b / "new" / ONE, "said to the old name")


def test_W11__file_between_threads__is_one_step(pair):
    a, b = pair
    a.thread("from")
    a.thread("to")
    write(a / "from" / ONE, "wanders")
    set_attribute(a / "from" / ONE, "k", "v")
    seen(b / "from" / ONE)
    stop, states = threading.Event(), set()

    def watch():
        while not stop.is_set():
            there = outcome(os.stat, b / "to" / "000005-user.md") == 0
            here = outcome(os.stat, b / "from" / ONE) == 0
            states.add((here, there))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        os.rename(a / "from" / ONE, a / "to" / "000005-user.md")
        seen(b / "to" / "000005-user.md", "wanders")
        gone(b / "from" / ONE)
    finally:
        stop.set()
        watcher.join()
    assert (False, True) in states or (True, False) in states
    assert attributes(b / "to" / "000005-user.md") == {"k": b"v"}
    say(b / "to", "user", "next")
    assert turns(b / "to")[-1][0] == "000006-user.md"
