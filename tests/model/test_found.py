"""What the model and the fuzzers have found, as the shortest script that shows it."""

import errno
import os

import pytest

from harness import attributes, document, opened, outcome, read, say, set_attribute, set_document, turns, write

TURN = "000001-user.md"


def test_M5__attribute_set_while_open__ctime_is_the_same_after_close_and_remount(mnt, thread):
    say(thread, "user", "x")
    with opened(thread / TURN, os.O_RDWR):
        read(thread / TURN)
        before = os.stat(thread / TURN).st_ctime_ns
        set_attribute(thread / TURN, "n", "1")
        during = os.stat(thread / TURN).st_ctime_ns
    assert during > before
    mnt.remount()
    assert os.stat(thread / TURN).st_ctime_ns == during


def test_M5__renamed_while_open__ctime_is_the_same_after_close_and_remount(mnt, thread):
    write(thread / "a", b"x")
    with opened(thread / "a", os.O_RDWR):
        read(thread / "a")
        os.rename(thread / "a", thread / "b")
        during = os.stat(thread / "b").st_ctime_ns
    mnt.remount()
    assert os.stat(thread / "b").st_ctime_ns == during


def test_M5__thread_json_written_while_a_turn_is_open__its_ctime_is_the_same_after_remount(mnt, thread):
    say(thread, "user", "x")
    with opened(thread / TURN, os.O_RDWR):
        read(thread / TURN)
        set_document(thread, {"turns": {"1": {"n": 1}}})
        during = os.stat(thread / TURN).st_ctime_ns
    mnt.remount()
    assert os.stat(thread / TURN).st_ctime_ns == during


@pytest.mark.parametrize("by", ["stored", "draft"])
def test_M6__renamed_away_and_then_replaced__nothing_lingers(anythread, by):
    say(anythread, "user", "x")
    set_attribute(anythread / TURN, "model", "m")
    os.rename(anythread / TURN, anythread / "x~")
    if by == "stored":
        write(anythread / "new", b"new")
        os.rename(anythread / "new", anythread / "x~")
    else:
        with opened(anythread / "new", os.O_CREAT | os.O_WRONLY) as fd:
            os.write(fd, b"new")
            os.rename(anythread / "new", anythread / "x~")
    write(anythread / TURN, b"another")
    assert attributes(anythread / TURN) == {}


def test_M6__renamed_away_and_then_into_another_thread__nothing_lingers(anymnt, anythread):
    other = anymnt.thread("other")
    say(anythread, "user", "x")
    set_attribute(anythread / TURN, "model", "m")
    os.rename(anythread / TURN, anythread / "x~")
    os.rename(anythread / "x~", other / "x~")
    write(anythread / TURN, b"another")
    assert attributes(anythread / TURN) == {}


def test_M6__draft_renamed_over_an_attachment__has_its_own_metadata_as_a_stored_file_has(anythread):
    write(anythread / "x", b"old")
    set_attribute(anythread / "x", "model", "m")
    with opened(anythread / "tmp", os.O_CREAT | os.O_WRONLY) as fd:
        os.write(fd, b"new")
        os.rename(anythread / "tmp", anythread / "x")
    assert attributes(anythread / "x") == {}


def test_M3__thread_json_names_a_turn_twice__taken_or_EINVAL(anythread):
    say(anythread, "user", "x")
    code = outcome(set_document, anythread, '{"turns":{"000001-user.md":{"a":1},"1":{"b":2}}}')
    assert code in (0, errno.EINVAL), errno.errorcode[code]
    if code == 0:
        assert document(anythread)["turns"] == {TURN: {"b": 2}}


@pytest.mark.parametrize("flags", [0, os.O_EXCL], ids=["plain", "exclusive"])
def test_W5__append_beside_an_open_draft_of_the_next_number__both_are_kept(anythread, flags):
    with opened(anythread / TURN, os.O_CREAT | os.O_RDWR | flags) as fd:
        os.write(fd, b"draft")
        say(anythread, "user", "said")
        names = sorted(n for n in os.listdir(anythread) if n != "thread.json")
        sizes = {n: (os.stat(anythread / n).st_size, len(read(anythread / n))) for n in names}
        assert all(size == length for size, length in sizes.values()), sizes
    assert sorted(text for _, text in turns(anythread)) == [b"draft", b"said"]


def test_W7__line_of_the_first_second_of_1970__keeps_its_timestamp(anythread):
    line = b'{"role":"user","content":"x","timestamp":"1970-01-01T00:00:00Z"}\n'
    write(anythread / "@transcript.jsonl", line, os.O_WRONLY)
    assert os.stat(anythread / TURN).st_mtime_ns == 0


def test_M5__cut_while_a_stream_completes_it__last_close_moves_no_time(mnt, thread):
    stream = os.open(thread / "@user", os.O_WRONLY)
    os.write(stream, b"begun")
    os.fsync(stream)
    with opened(thread / TURN, os.O_WRONLY | os.O_TRUNC):
        os.write(stream, b", ended")
        os.close(stream)
        before = os.stat(thread / TURN)
    mnt.remount()
    after = os.stat(thread / TURN)
    assert (after.st_size, after.st_mtime_ns, after.st_ctime_ns) == (12, before.st_mtime_ns, before.st_ctime_ns)
    assert read(thread / TURN) == b"begun, ended"
