"""M: attributes, thread.json, times, modes, sizes and inode numbers, and edits that keep them."""

import base64
import ctypes
import errno
import json
import os
import stat
import struct
import threading
import time

import pytest

from fixtures import needs_root
from harness import (
    attributes,
    document,
    expires,
    fails,
    get_attribute,
    in_child,
    libc,
    opened,
    outcome,
    parse_time,
    read,
    remove_attribute,
    run,
    say,
    set_attribute,
    set_document,
    shell,
    turns,
    wait_until,
    write,
)

TURN = "000001-user.md"


@pytest.fixture
def turn(anythread):
    say(anythread, "user", "text")
    return anythread / TURN


# M1: attributes and their entry in thread.json


def test_M1__attribute_set__is_in_thread_json(anythread, turn):
    set_attribute(turn, "model", "m-1")
    set_attribute(turn, "empty", "")
    assert document(anythread)["turns"] == {TURN: {"model": "m-1", "empty": ""}}
    assert attributes(turn) == {"model": b"m-1", "empty": b""}


def test_M1__thread_json_written__is_in_the_attributes(anythread, turn):
    meta = {"s": "text", "n": 42, "f": 1.5, "t": True, "nul": [None], "o": {"a": [1, "ä"]}, "e": ""}
    set_document(anythread, {"turns": {TURN: meta}})
    shown = attributes(turn)
    assert shown.keys() == meta.keys()
    assert shown["s"] == b"text" and shown["e"] == b""
    assert shown["n"] == b"42" and shown["f"] == b"1.5" and shown["t"] == b"true"
    assert json.loads(shown["o"]) == {"a": [1, "ä"]}
    assert "ä".encode() in shown["o"]
    assert document(anythread)["turns"][TURN] == meta


@pytest.mark.parametrize("key", ["000001-user.md", "000001", "1"])
def test_M1__turn_in_thread_json__may_be_named_in_three_ways(anythread, turn, key):
    set_document(anythread, {"turns": {key: {"model": "m"}}})
    assert attributes(turn) == {"model": b"m"}
    assert document(anythread)["turns"] == {TURN: {"model": "m"}}


def test_M1__turn_without_metadata__is_an_empty_object(anythread, turn):
    assert document(anythread)["turns"] == {TURN: {}}


def test_M1__attribute_set_to_the_text_it_shows__keeps_its_type(anythread, turn):
    meta = {"n": 42, "t": True, "o": {"a": 1}, "z": None, "l": [1, 2], "s": "x"}
    set_document(anythread, {"turns": {TURN: meta}})
    before = os.stat(turn).st_ctime_ns, os.stat(anythread).st_ctime_ns
    time.sleep(0.02)
    for key, value in attributes(turn).items():
        set_attribute(turn, key, value)
    assert document(anythread)["turns"][TURN] == meta
    assert (os.stat(turn).st_ctime_ns, os.stat(anythread).st_ctime_ns) == before, "nothing changed"
    set_attribute(turn, "n", "43")
    set_attribute(turn, "t", "false")
    assert document(anythread)["turns"][TURN] == {**meta, "n": "43", "t": "false"}


def test_M1__attributes_restored_after_thread_json_or_before__same_types(anymnt):
    """What tar --xattrs and rsync -X do: the two arrive in any order."""
    meta = {"n": 42, "s": "x", "o": {"a": [1]}}
    original = anymnt.thread("original")
    say(original, "user", "text")
    set_document(original, {"turns": {TURN: meta}})
    shown = attributes(original / TURN)
    results = []
    for i, order in enumerate([("json", "turn", "attributes"), ("turn", "json", "attributes"),
                               ("turn", "attributes", "json"), ("json", "both"), ("both", "json")]):
        thread = anymnt.thread(f"thread{i}")
        for step in order:
            if step == "json":
                set_document(thread, {"turns": {TURN: meta}})
            elif step == "turn":
                write(thread / TURN, b"text")
            elif step == "both":  # cp, borg: attributes through the descriptor, before it is closed
                with opened(thread / TURN, os.O_CREAT | os.O_EXCL | os.O_WRONLY) as fd:
                    os.write(fd, b"text")
                    for key, value in shown.items():
                        os.setxattr(fd, "user." + key, value)
            else:
                for key, value in shown.items():
                    set_attribute(thread / TURN, key, value)
        results.append(document(thread)["turns"][TURN])
    assert results == [meta] * 5


def test_M1__said_of_a_turn_that_is_not_there_yet__kept_and_applied_when_it_comes(mount):
    mnt = mount()
    thread = mnt.thread()
    set_document(thread, {"turns": {"000002-assistant.md": {"model": "m"}, "3": {"n": 1}}})
    say(thread, "user", "one")
    mnt.remount()
    say(thread, "assistant", "two")
    write(thread / "000003-user.md", b"three")
    assert attributes(thread / TURN) == {}
    assert attributes(thread / "000002-assistant.md") == {"model": b"m"}
    assert attributes(thread / "000003-user.md") == {"n": b"1"}
    assert document(thread)["turns"] == {
        TURN: {}, "000002-assistant.md": {"model": "m"}, "000003-user.md": {"n": 1}}


@pytest.mark.parametrize("way", ["create", "role", "rename"])
def test_M1__turns_come_while_thread_json_is_written__all_that_is_said_is_applied(anymnt, way):
    """restic restores many files at once: which is there first is up to chance."""
    names = [f"{i:06d}-user.md" for i in range(1, 6)]

    def make_turns(thread):
        for name in names:
            if way == "role":
                say(thread, "user", name)
            else:
                write(thread / (name if way == "create" else "." + name), name)
            if way == "rename":
                os.rename(thread / ("." + name), thread / name)

    for lot in range(15):
        thread = anymnt.thread(f"thread{lot}")
        with in_child(make_turns, thread):
            time.sleep(0.0003 * (lot % 5))
            set_document(thread, {"title": "T", "turns": {name[:6]: {"n": i} for i, name in enumerate(names)}})
        assert turns(thread) == [(name, name.encode()) for name in names]
        assert document(thread)["turns"] == {name: {"n": i} for i, name in enumerate(names)}
        assert [get_attribute(thread / name, "n") for name in names] == [b"%d" % i for i in range(5)]


def test_M1__turn_unlinked__what_is_said_of_it_is_dropped(anythread, turn):
    set_attribute(turn, "model", "m")
    os.unlink(turn)
    assert document(anythread)["turns"] == {}
    write(turn, b"new")
    assert attributes(turn) == {}
    assert document(anythread)["turns"] == {TURN: {}}


def test_M1__attribute_flags__as_posix_says(turn):
    set_attribute(turn, "a", "1", os.XATTR_CREATE)
    with fails(errno.EEXIST):
        set_attribute(turn, "a", "2", os.XATTR_CREATE)
    with fails(errno.ENODATA):
        set_attribute(turn, "b", "2", os.XATTR_REPLACE)
    set_attribute(turn, "a", "3", os.XATTR_REPLACE)
    assert attributes(turn) == {"a": b"3"}
    remove_attribute(turn, "a")
    with fails(errno.ENODATA):
        remove_attribute(turn, "a")
    with fails(errno.ENODATA):
        get_attribute(turn, "a")
    assert attributes(turn) == {}


def test_M1__attribute_removed__is_gone_from_thread_json(anythread, turn):
    set_attribute(turn, "a", "1")
    set_attribute(turn, "b", "2")
    remove_attribute(turn, "a")
    assert document(anythread)["turns"][TURN] == {"b": "2"}


@pytest.mark.parametrize("key", [b"user.", b"user.\xff", b"user.a\xc0\xaf", b"user.\xed\xa0\x80"])
def test_M1__key_empty_or_not_utf8__EINVAL(anythread, turn, key):
    for path in (turn, anythread):
        with fails(errno.EINVAL):
            os.setxattr(path, key, b"x")
        assert os.listxattr(path) == []


@pytest.mark.parametrize("value", [b"\xff\xfe\x00", b"\x80", b"a\xc0\xafb", b"\xed\xa0\x80"])
def test_M1__value_not_utf8__base64_in_thread_json_and_its_bytes_as_attribute(anythread, turn, value):
    set_attribute(turn, "blob", value)
    assert document(anythread)["turns"][TURN] == {"blob": {"base64": base64.b64encode(value).decode()}}
    assert get_attribute(turn, "blob") == value
    set_document(anythread, {"turns": {TURN: {"other": {"base64": base64.b64encode(value).decode()}}}})
    assert get_attribute(turn, "other") == value


@pytest.mark.parametrize("value", ["\0", "a\0b", "\n", "\u2028\x7f\x01", '"\\/', "x" * 65536])
def test_M1__any_text_as_value__is_kept(mnt, thread, value):
    say(thread, "user", "x")
    set_attribute(thread / TURN, "key", value)
    assert document(thread)["turns"][TURN] == {"key": value}
    mnt.remount()
    assert get_attribute(thread / TURN, "key") == value.encode()


@pytest.mark.parametrize("key", ["a b", "ä", "a.b", "a/b", "A", "role", "content", "\x01", "x" * 250])
def test_M1__any_utf8_key__is_kept(anythread, turn, key):
    set_attribute(turn, key, "v")
    assert attributes(turn) == {key: b"v"}
    assert document(anythread)["turns"][TURN] == {key: "v"}


def test_M1__long_keys_and_values__are_in_thread_json_only(anythread, turn):
    meta = {"k" * 251: "x", "long": "v" * 65537, "short": "s", "k" * 250: "y", "max": "v" * 65536}
    set_document(anythread, {"turns": {TURN: meta}})
    assert document(anythread)["turns"][TURN] == meta
    shown = attributes(turn)
    assert shown == {"short": b"s", "k" * 250: b"y", "max": b"v" * 65536}
    set_attribute(turn, "short", "t")
    assert document(anythread)["turns"][TURN] == {**meta, "short": "t"}


def test_M1__keys_beyond_64_KiB_of_names__are_in_thread_json_only(anythread, turn):
    meta = {f"{i:04d}" + "k" * 196: str(i) for i in range(500)}
    set_document(anythread, {"turns": {TURN: meta}})
    assert document(anythread)["turns"][TURN] == meta
    names = os.listxattr(turn)
    assert 200 < len(names) < 500
    assert sum(len(name) + 1 for name in names) <= 65536
    for name in names:
        assert os.getxattr(turn, name).decode() == meta[name[5:]]


def test_M1__thread_metadata__is_on_the_directory(anythread):
    set_attribute(anythread, "topic", "t")
    set_attribute(anythread, "title", "T")
    doc = document(anythread)
    assert (doc["topic"], doc["title"]) == ("t", "T")
    set_document(anythread, {"title": "U", "n": 7, "tags": ["a"]})
    shown = attributes(anythread)
    assert shown["title"] == b"U" and shown["n"] == b"7" and json.loads(shown["tags"]) == ["a"]
    assert "topic" not in shown, "a write replaces the thread's own keys"
    remove_attribute(anythread, "n")
    assert "n" not in document(anythread)


def test_M1__reserved_attributes__answer_and_are_never_listed(anythread, turn):
    assert get_attribute(turn, "turnfs.turn") == TURN.encode()
    assert get_attribute(anythread, "turnfs.ttl")
    parse_time(get_attribute(anythread, "turnfs.expires"))
    for path in (turn, anythread):
        assert not any("turnfs" in name for name in os.listxattr(path))
        assert not any("turnfs" in key for key in document(anythread))


@pytest.mark.parametrize("name", ["turnfs.turn", "turnfs.expires", "turnfs.ttl", "turnfs.other"])
def test_M1__reserved_attributes__can_not_be_set_on_a_turn(anythread, turn, name):
    before = expires(anythread)
    with fails(errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOTSUP):
        set_attribute(turn, name, "1h")
    assert expires(anythread) == before
    assert document(anythread)["turns"] == {TURN: {}}


@pytest.mark.parametrize("name", ["turnfs.expires", "turnfs.turn", "turnfs.other"])
def test_M1__reserved_attributes__only_ttl_can_be_set_on_a_thread(anythread, name):
    with fails(errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOTSUP):
        set_attribute(anythread, name, "never")


def test_M1__metadata__survives_kill(mnt, thread):
    say(thread, "user", "x")
    set_attribute(thread / TURN, "model", "m")
    set_attribute(thread, "topic", "t")
    mnt.kill9()
    mnt.remount()
    assert attributes(thread / TURN) == {"model": b"m"}
    assert attributes(thread)["topic"] == b"t"


def test_M1__attachment__has_attributes_too(mnt, thread):
    write(thread / "a.png", b"x")
    set_attribute(thread / "a.png", "source", "web")
    assert attributes(thread / "a.png") == {"source": b"web"}
    mnt.remount()
    assert attributes(thread / "a.png") == {"source": b"web"}


def test_M1__attributes_on_descriptors_and_links__same(turn):
    with opened(turn, os.O_RDWR) as fd:
        os.setxattr(fd, "user.a", b"1")
        assert os.getxattr(fd, "user.a") == b"1"
        assert os.listxattr(fd) == ["user.a"]
    assert os.getxattr(turn, "user.a", follow_symlinks=False) == b"1"


def test_M1__getxattr_with_a_small_buffer__ERANGE(turn):
    set_attribute(turn, "a", "x" * 100)
    buffer = ctypes.create_string_buffer(10)
    assert libc.getxattr(os.fsencode(turn), b"user.a", buffer, 10) == -1
    assert ctypes.get_errno() == errno.ERANGE
    assert libc.getxattr(os.fsencode(turn), b"user.a", None, 0) == 100
    assert libc.listxattr(os.fsencode(turn), None, 0) == len("user.a") + 1


# M2: times of turns and threads


@pytest.mark.parametrize("ns", [0, 1, 1_700_000_000_123_456_789, -1_000_000_001, 4_000_000_000_000_000_001])
def test_M2__utimensat_of_a_turn__is_kept_to_the_nanosecond(mnt, thread, ns):
    say(thread, "user", "x")
    os.utime(thread / TURN, ns=(ns, ns))
    assert os.stat(thread / TURN).st_mtime_ns == ns
    mnt.remount()
    assert os.stat(thread / TURN).st_mtime_ns == ns


@pytest.mark.parametrize("year", [1500, 2400, 20000])
def test_M2__time_beyond_what_is_kept__is_the_last_moment_there_is(anythread, year):
    say(anythread, "user", "x")
    asked = (year - 1970) * 31556952
    for path in anythread / TURN, anythread / "thread.json", anythread:
        os.utime(path, (asked, asked))
        kept = os.stat(path).st_mtime
        assert (kept < -9.2e9) if asked < 0 else (kept > 9.2e9)


def test_M2__written_turn__has_the_time_of_writing(anythread):
    before = time.time_ns()
    say(anythread, "user", "x")
    after = time.time_ns()
    slack = 10_000_000  # the kernel's coarse clock
    assert before - slack <= os.stat(anythread / TURN).st_mtime_ns <= after + slack
    time.sleep(0.02)
    before = time.time_ns()
    write(anythread / TURN, b"y", os.O_WRONLY | os.O_APPEND)
    assert os.stat(anythread / TURN).st_mtime_ns >= before - slack


def change_append(thread):
    say(thread, "user", "new")


def change_edit(thread):
    write(thread / TURN, b"edited", os.O_WRONLY)


def change_attach(thread):
    write(thread / "new.png", b"x")


def change_unlink(thread):
    os.unlink(thread / "000002-user.md")


def change_rename(thread):
    os.rename(thread / "000002-user.md", thread / "000002-tool.md")


def change_document(thread):
    set_document(thread, {"title": "new"})


def change_transcript(thread):
    write(thread / "@transcript.jsonl", b'{"role":"user","content":"x"}\n', os.O_WRONLY)


CHANGES = [change_append, change_edit, change_attach, change_unlink, change_rename, change_document,
           change_transcript]


@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__[7:])
def test_M2__mtime_of_a_thread__is_its_last_change(anythread, change):
    say(anythread, "user", "one")
    say(anythread, "user", "two")
    before = os.stat(anythread)
    time.sleep(0.02)
    read(anythread / TURN), os.listdir(anythread), read(anythread / "thread.json")
    assert os.stat(anythread).st_mtime_ns == before.st_mtime_ns, "reading is no change"
    start = time.time_ns()
    change(anythread)
    after = os.stat(anythread)
    assert after.st_mtime_ns >= start - 10_000_000
    assert after.st_ctime_ns >= start - 10_000_000
    assert parse_time(document(anythread)["updated_at"]) == after.st_mtime_ns


def test_M2__ls_lt__sorts_threads_by_last_use(mnt):
    for name in "abcd":
        say(mnt.thread(name), "user", "x")
        time.sleep(0.005)
    for name in "bdac":
        say(mnt / name, "user", "y")
        time.sleep(0.005)
    assert shell("ls -t", cwd=mnt.path).stdout.split() == list("cadb")
    mnt.remount()
    assert shell("ls -t", cwd=mnt.path).stdout.split() == list("cadb")


def test_M2__utimensat_of_a_thread__sets_its_mtime(mnt, thread):
    say(thread, "user", "x")
    os.utime(thread, ns=(10**18 + 7, 10**18 + 7))
    assert os.stat(thread).st_mtime_ns == 10**18 + 7
    mnt.remount()
    assert os.stat(thread).st_mtime_ns == 10**18 + 7
    say(thread, "user", "y")
    assert os.stat(thread).st_mtime_ns > 10**18 + 7


def test_M2__only_atime_set__mtime_stays(turn):
    before = os.stat(turn).st_mtime_ns
    run("touch", "-a", turn)
    assert os.stat(turn).st_mtime_ns == before


# M3: thread.json


KEYS = ["id", "title", "created_at", "updated_at", "expires_at", "ttl_seconds", "parent_thread_id",
        "tool_name", "initial_context", "turns", "turn_count"]


def test_M3__thread_json__is_listed_and_valid(anythread):
    before = time.time_ns()
    say(anythread, "user", "x")
    assert "thread.json" in os.listdir(anythread)
    doc = document(anythread)
    assert set(KEYS) <= set(doc)
    assert doc["id"] == "thread"
    assert doc["title"] is None and doc["parent_thread_id"] is None and doc["tool_name"] is None
    assert doc["ttl_seconds"] == 86400 and doc["turn_count"] == 1
    for key in ("created_at", "updated_at", "expires_at"):
        assert len(doc[key]) == len("2024-01-01T00:00:00.123456789Z"), "RFC 3339 with nine decimals"
    assert parse_time(doc["created_at"]) <= parse_time(doc["updated_at"])
    assert abs(parse_time(doc["updated_at"]) - before) < 5 * 10**9
    assert parse_time(doc["expires_at"]) == parse_time(get_attribute(anythread, "turnfs.expires"))
    assert read(anythread / "thread.json").endswith(b"\n")


def test_M3__thread_that_never_expires__null(anythread):
    set_attribute(anythread, "turnfs.ttl", "never")
    doc = document(anythread)
    assert doc["expires_at"] is None and doc["ttl_seconds"] is None


def test_M3__unknown_keys__are_kept(mnt, thread):
    extra = {"x-vendor": {"deep": [1, 2.5, None, {"ä": "\u2028"}]}, "n": 12345678901234567, "f": 0.1, "": "empty",
             "seed": 18446744073709551615, "wide": [-(10**40)]}
    set_document(thread, {"title": "T", **extra})
    mnt.remount()
    doc = document(thread)
    assert doc["title"] == "T"
    for key, value in extra.items():
        assert doc[key] == value


def test_M3__write__replaces_the_threads_own_keys(anythread):
    set_document(anythread, {"title": "T", "a": 1, "tool_name": "chat", "initial_context": {"p": 1}})
    set_document(anythread, {"b": 2})
    doc = document(anythread)
    assert doc["title"] is None and doc["tool_name"] is None and doc["b"] == 2
    assert "a" not in doc
    assert set(KEYS) <= set(doc)


@pytest.mark.parametrize("way", ["write", "rename"])
def test_M3__turns__named_entries_are_replaced_others_left_null_deletes(anythread, way):
    def put(doc):
        if way == "write":
            set_document(anythread, doc)
        else:
            write(anythread / "thread.json.tmp", json.dumps(doc))
            os.rename(anythread / "thread.json.tmp", anythread / "thread.json")

    for i in range(3):
        say(anythread, "user", str(i))
    put({"turns": {"1": {"a": 1, "b": 2}, "2": {"c": 3}, "3": {"d": 4}}})
    put({"turns": {"1": {"a": 9}, "2": None}})
    assert document(anythread)["turns"] == {
        "000001-user.md": {"a": 9}, "000002-user.md": {}, "000003-user.md": {"d": 4}}
    put({"title": "no turns named"})
    assert document(anythread)["turns"]["000003-user.md"] == {"d": 4}
    assert [name for name, _ in turns(anythread)] == [f"{i:06d}-user.md" for i in (1, 2, 3)]
    assert "thread.json.tmp" not in os.listdir(anythread)


BAD_DOCUMENTS = [b"[]", b"null", b"7", b'"x"', b"nonsense", b'{"a":1', b'{"a":1} x', b"{'a':1}", b'{"a":"\xff"}',
                 b"[" * 100000, b'{"turns":7}', b'{"turns":{"1":7}}', b'{"ttl_seconds":"soon"}',
                 b'{"ttl_seconds":-5}', b'{"ttl_seconds":6307200001}', b'{"created_at":"yesterday"}']


@pytest.mark.parametrize("bad", BAD_DOCUMENTS[:10], ids=lambda b: repr(b[:20]))
def test_M3__no_json_object_written__EINVAL_at_close_and_nothing_changed(anythread, bad):
    set_document(anythread, {"title": "T"})
    before = read(anythread / "thread.json"), os.stat(anythread).st_mtime_ns
    fd = os.open(anythread / "thread.json", os.O_WRONLY | os.O_TRUNC)
    os.write(fd, bad)
    with fails(errno.EINVAL):
        os.close(fd)
    assert (read(anythread / "thread.json"), os.stat(anythread).st_mtime_ns) == before


@pytest.mark.parametrize("bad", BAD_DOCUMENTS[:10], ids=lambda b: repr(b[:20]))
def test_M3__no_json_object_renamed_over_it__EBADMSG_and_nothing_changed(anythread, bad):
    set_document(anythread, {"title": "T"})
    write(anythread / "new.json", bad)
    before = read(anythread / "thread.json")
    with fails(errno.EBADMSG):
        os.rename(anythread / "new.json", anythread / "thread.json")
    assert read(anythread / "thread.json") == before
    assert read(anythread / "new.json") == bad


@pytest.mark.parametrize("form", [
    '{"a":%s}', '{"turns":{"000001-user.md":{"a":%s}}}', '{"turns":{"2":{"a":%s}}}'], ids=["own", "turn", "to come"])
@pytest.mark.parametrize("depth", [1999, 2000, 2046])
def test_M3__nested_deeply__is_refused_or_reads_back(anythread, form, depth):
    say(anythread, "user", "x")
    result = outcome(write, anythread / "thread.json", form % ("[" * depth + "]" * depth))
    assert result == (errno.EINVAL if depth > 1999 else 0)
    text = read(anythread / "thread.json")
    write(anythread / "thread.json", text)
    say(anythread, "user", "y")
    set_attribute(anythread, "key", "value")
    assert (b"[" in read(anythread / "thread.json")) == (result == 0)


@pytest.mark.parametrize("bad", BAD_DOCUMENTS[10:], ids=lambda b: repr(b[:20]))
def test_M3__keys_of_wrong_type__refused_or_ignored_never_taken(anythread, bad):
    say(anythread, "user", "x")
    before = document(anythread)
    outcome(write, anythread / "thread.json", bad)
    after = document(anythread)
    for key in ("turns", "ttl_seconds", "created_at", "turn_count"):
        assert after[key] == before[key]


def test_M3__computed_keys__are_ignored_on_the_way_in(anythread):
    say(anythread, "user", "x")
    doc = document(anythread)
    set_document(anythread, {"id": "other", "updated_at": "2001-01-01T00:00:00Z", "turn_count": 99,
                             "expires_at": "2001-01-01T00:00:00Z", "title": "T"})
    after = document(anythread)
    assert after["id"] == "thread" and after["turn_count"] == 1 and after["title"] == "T"
    assert parse_time(after["updated_at"]) >= parse_time(doc["updated_at"])
    assert parse_time(after["expires_at"]) >= parse_time(doc["expires_at"])


def test_M3__created_at_and_ttl_seconds__are_taken(mnt, thread):
    set_document(thread, {"created_at": "2020-02-03T04:05:06.789Z", "ttl_seconds": 7200})
    for _ in range(2):
        doc = document(thread)
        assert doc["created_at"] == "2020-02-03T04:05:06.789000000Z"
        assert doc["ttl_seconds"] == 7200
        assert abs(expires(thread) - time.time() - 7200) < 5
        mnt.remount()
    set_document(thread, {"ttl_seconds": None})
    assert get_attribute(thread, "turnfs.expires").strip() == b"never"


def test_M3__read_and_written_back__changes_nothing_of_content(anythread):
    say(anythread, "user", "x")
    set_attribute(anythread / TURN, "n", "1")
    set_document(anythread, {"title": "T", "custom": [1], "ttl_seconds": 3600})
    before = document(anythread)
    write(anythread / "thread.json", read(anythread / "thread.json"))
    after = document(anythread)
    for key in ("updated_at", "expires_at"):
        del before[key], after[key]
    assert after == before


def test_M3__unlink__hides_it_until_the_thread_changes_and_clears_nothing(anythread):
    say(anythread, "user", "x")
    set_document(anythread, {"title": "T"})
    os.unlink(anythread / "thread.json")
    assert os.listdir(anythread) == [TURN]
    with fails(errno.ENOENT):
        os.stat(anythread / "thread.json")
    say(anythread, "user", "y")
    assert "thread.json" in os.listdir(anythread)
    assert document(anythread)["title"] == "T"


def test_M3__unlinked_and_created_again__takes_the_new_one(anythread):
    set_document(anythread, {"title": "T", "a": 1})
    os.unlink(anythread / "thread.json")
    with opened(anythread / "thread.json", os.O_CREAT | os.O_EXCL | os.O_WRONLY) as fd:
        os.write(fd, b'{"title": "U"}')
    doc = document(anythread)
    assert doc["title"] == "U" and "a" not in doc
    assert "thread.json" in os.listdir(anythread)


def test_M3__st_size__is_exact(anythread):
    for i in range(20):
        say(anythread, "user", "x" * (i + 1))
        set_attribute(anythread / TURN, f"key{i}", "ä" * i)
        assert os.stat(anythread / "thread.json").st_size == len(read(anythread / "thread.json"))


def test_M3__mtime__is_that_of_its_last_change_or_what_was_set(mnt, thread):
    say(thread, "user", "x")
    path = thread / "thread.json"
    before = os.stat(path).st_mtime_ns
    time.sleep(0.02)
    read(path)
    assert os.stat(path).st_mtime_ns == before
    say(thread, "user", "y")
    assert os.stat(path).st_mtime_ns > before
    os.utime(path, ns=(10**18 + 3, 10**18 + 3))
    assert os.stat(path).st_mtime_ns == 10**18 + 3
    mnt.remount()
    assert os.stat(path).st_mtime_ns == 10**18 + 3
    set_document(thread, {"title": "T"})
    assert os.stat(path).st_mtime_ns > 10**18 + 3


@pytest.mark.parametrize("set_by", ["descriptor", "path"])
def test_M3__time_set_before_close__stays(mnt, thread, set_by):
    """cp, tar and install set it while they have the file open; thread.json is written at close."""
    path, when = thread / "thread.json", 10**18 + 3
    with opened(path, os.O_WRONLY | os.O_TRUNC) as fd:
        os.write(fd, b'{"title":"T"}')
        os.utime(fd if set_by == "descriptor" else path, ns=(when, when))
    assert (document(thread)["title"], os.stat(path).st_mtime_ns) == ("T", when)
    mnt.remount()
    assert os.stat(path).st_mtime_ns == when
    with opened(path, os.O_WRONLY | os.O_TRUNC) as fd:
        os.utime(fd, ns=(when, when))
        os.write(fd, b'{"title":"U"}')
    assert os.stat(path).st_mtime_ns > when, "written after it was set"


@pytest.mark.parametrize("how", ["written", "attribute"])
def test_M3__first_said_by_several_at_once__each_is_taken(anymnt, how):
    for i in range(30):
        thread = anymnt.thread(f"t{i}")
        start, results = threading.Barrier(4), []

        def say_something(n, thread=thread, start=start, results=results):
            start.wait()
            if how == "written":
                results.append(outcome(set_document, thread, {"title": str(n)}))
            else:
                results.append(outcome(set_attribute, thread, f"key{n}", str(n)))

        writers = [threading.Thread(target=say_something, args=(n,)) for n in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert results == [0] * 4
        assert how == "written" or len(attributes(thread)) == 4


def test_M3__closed_in_the_middle__the_rest_completes_it(anythread):
    path = anythread / "thread.json"
    shell(f"""(printf '{{'; /bin/echo '"title":'; /bin/echo '"T"}}') > {path}""")
    assert document(anythread)["title"] == "T"
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    os.write(fd, b'{"title":')
    for _ in range(2):
        with fails(errno.EINVAL):
            os.close(os.dup(fd))
    with fails(errno.EINVAL):
        os.close(fd)
    assert document(anythread)["title"] == "T"


def test_M3__opened_to_append__appends_to_what_it_reads(anythread):
    path = anythread / "thread.json"
    with fails(errno.EINVAL):
        write(path, b'{"title":"T"}', os.O_WRONLY | os.O_APPEND)
    for _ in range(3):
        write(path, b" \n", os.O_WRONLY | os.O_APPEND)
        say(anythread, "user", "x")


def test_M3__inode_number__is_behind_those_of_all_files(anythread):
    """cp -a goes by them: a turn copied after thread.json would move its time."""
    for i in range(3):
        say(anythread, "user", "x")
    numbers = {entry.name: entry.inode() for entry in os.scandir(anythread)}
    assert max(numbers, key=numbers.get) == "thread.json"
    assert numbers["thread.json"] == os.stat(anythread / "thread.json").st_ino


def test_M3__edited_in_place__keeps_what_was_not_touched(anythread):
    say(anythread, "user", "x")
    set_document(anythread, {"title": "Old title", "a": 1})
    run("sed", "-i", "s/Old title/New title/", anythread / "thread.json")
    doc = document(anythread)
    assert doc["title"] == "New title" and doc["a"] == 1
    assert set(os.listdir(anythread)) == {TURN, "thread.json"}


def test_M3__open_while_the_thread_changes__reads_one_state_whole(anythread):
    for i in range(300):
        say(anythread, "user", "x")
    with opened(anythread / "thread.json") as fd:
        data = os.read(fd, 4096)
        say(anythread, "user", "new")
        set_document(anythread, {"title": "T" * 5000})
        while part := os.read(fd, 4096):
            data += part
    assert json.loads(data)["turn_count"] == 300


# M4: modes and owners


def test_M4__modes_and_owners__are_kept_per_thread_and_file_and_for_the_root(mnt, thread):
    say(thread, "user", "x")
    write(thread / "a", b"x")
    os.chmod(mnt.path, 0o751)
    os.chmod(thread, 0o710)
    os.chmod(thread / TURN, 0o604)
    os.chmod(thread / "a", 0o755)
    os.chmod(thread / "thread.json", 0o640)
    places = [mnt.path, thread, thread / TURN, thread / "a", thread / "thread.json"]
    if os.geteuid() == 0:
        for i, place in enumerate(places):
            os.chown(place, 1000 + i, 2000 + i)
    look = lambda: [(s.st_mode, s.st_uid, s.st_gid) for s in map(os.stat, places)]
    before = look()
    assert [stat.S_IMODE(mode) for mode, _, _ in before] == [0o751, 0o710, 0o604, 0o755, 0o640]
    mnt.remount()
    assert look() == before
    write(thread / TURN, b"edited")
    set_document(thread, {"title": "T"})
    assert look() == before


@pytest.mark.parametrize("umask,mode,expected", [(0o022, 0o666, 0o644), (0o077, 0o666, 0o600),
                                                 (0, 0o777, 0o777), (0o027, 0o640, 0o640)])
def test_M4__create_and_mkdir__honour_mode_and_umask(anymnt, umask, mode, expected):
    old = os.umask(umask)
    try:
        os.mkdir(anymnt / "t", mode | 0o700)
        write(anymnt / "t" / TURN, b"x", mode=mode)
        os.mknod(anymnt / "t" / "node", stat.S_IFREG | mode)
    finally:
        os.umask(old)
    assert stat.S_IMODE(os.stat(anymnt / "t").st_mode) == (mode | 0o700) & ~umask
    assert stat.S_IMODE(os.stat(anymnt / "t" / TURN).st_mode) == expected
    assert stat.S_IMODE(os.stat(anymnt / "t" / "node").st_mode) == expected


@needs_root
def test_M4__setgid_directory__gives_its_group(mnt, thread):
    os.chown(thread, 0, 4321)
    os.chmod(thread, 0o2770)
    assert stat.S_IMODE(os.stat(thread).st_mode) == 0o2770
    write(thread / "a", b"x")
    say(thread, "user", "x")
    assert os.stat(thread / "a").st_gid == 4321
    assert os.stat(thread / TURN).st_gid == 4321
    os.chown(mnt.path, 0, 1234)
    os.chmod(mnt.path, 0o2755)
    os.mkdir(mnt / "sub")
    assert os.stat(mnt / "sub").st_gid == 1234
    assert os.stat(mnt / "sub").st_mode & stat.S_ISGID


@pytest.mark.parametrize("mode,expected", [(0o700, 0o600), (0o755, 0o600), (0o770, 0o600), (0o500, 0o400)])
def test_M4__turn_made_by_role__is_0600_and_the_threads_bits(anythread, mode, expected):
    os.chmod(anythread, mode)
    say(anythread, "user", "x")
    assert stat.S_IMODE(os.stat(anythread / TURN).st_mode) == expected


@pytest.mark.parametrize("mode", [0o700, 0o755, 0o770, 0o750])
def test_M4__at_names__have_the_rw_bits_owner_and_group_of_the_directory(anythread, mode):
    os.chmod(anythread, mode)
    if os.geteuid() == 0:
        os.chown(anythread, 1001, 1002)
    owner = os.stat(anythread)
    for name in ("@user", "@transcript.md", "@transcript.jsonl"):
        found = os.stat(anythread / name)
        assert stat.S_IMODE(found.st_mode) == mode & 0o666
        assert (found.st_uid, found.st_gid) == (owner.st_uid, owner.st_gid)


# M5: inode numbers, times and sizes


def snapshot(top):
    """What backup tools compare of everything below `top`."""
    found = {}
    for folder, folders, files in os.walk(top):
        for name in [".", *folders, *files]:
            s = os.stat(os.path.join(folder, name))
            found[os.path.relpath(os.path.join(folder, name), top)] = (
                s.st_ino, s.st_mode, s.st_uid, s.st_gid, s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_nlink)
    return found


@pytest.mark.parametrize("end", ["umount", "kill"])
def test_M5__inode_size_and_times__are_the_same_across_remounts(mnt, end):
    for i in range(5):
        thread = mnt.thread(f"thread{i}")
        for j in range(5):
            say(thread, "user", "x" * j * 1000)
        write(thread / "a.png", b"x" * 70000)
        set_attribute(thread / TURN, "n", "1")
    os.rename(mnt / "thread1", mnt / "renamed")
    before = snapshot(mnt.path)
    numbers = [s[0] for path, s in before.items() if path == "." or not path.endswith(".")]
    assert len(set(numbers)) == len(numbers), "inode numbers are unique"
    assert snapshot(mnt.path) == before
    mnt.kill9() if end == "kill" else mnt.stop()
    mnt.remount()
    assert snapshot(mnt.path) == before


def test_M5__ctime__moves_when_something_did(anythread, turn):
    def moved(action, *paths):
        before = [os.stat(path).st_ctime_ns for path in paths]
        time.sleep(0.02)
        action()
        return [os.stat(path).st_ctime_ns > b for path, b in zip(paths, before)]

    assert moved(lambda: os.chmod(turn, 0o600), turn) == [True]
    assert moved(lambda: set_attribute(turn, "a", "1"), turn) == [True]
    assert moved(lambda: os.utime(turn, ns=(1, 1)), turn) == [True]
    assert moved(lambda: write(turn, b"edit", os.O_WRONLY), turn, anythread) == [True, True]
    assert moved(lambda: os.chmod(anythread, 0o700), anythread) == [True]
    assert moved(lambda: set_attribute(anythread, "a", "1"), anythread) == [True]
    write(anythread / "other", b"x")
    assert moved(lambda: write(anythread / "other", b"y"), turn) == [False]
    assert moved(lambda: say(anythread, "user", "y"), turn) == [False]


def test_M5__ctime__never_moves_by_itself_or_by_reading(mnt, thread):
    say(thread, "user", "x")
    before = snapshot(mnt.path)
    time.sleep(0.05)
    read(thread / TURN), document(thread), read(thread / "@transcript.jsonl"), attributes(thread / TURN)
    shell("cat * >/dev/null; ls -la >/dev/null; find . >/dev/null", cwd=thread)
    with opened(thread / TURN, os.O_RDWR):
        pass
    assert snapshot(mnt.path) == before
    time.sleep(1.2)
    assert snapshot(mnt.path) == before


def test_M5__times_and_sizes__are_what_the_writer_saw(anythread):
    """Editors stat after writing and refuse to save when it differs later."""
    with opened(anythread / TURN, os.O_CREAT | os.O_WRONLY) as fd:
        os.write(fd, b"text")
        os.fdatasync(fd)
        s = os.fstat(fd)
        seen = s.st_ino, s.st_size, s.st_mtime_ns
    for _ in range(3):
        s = os.stat(anythread / TURN)
        assert (s.st_ino, s.st_size, s.st_mtime_ns) == seen
        time.sleep(0.02)


@pytest.mark.local_store
def test_M5__du_and_df__tell_real_numbers(mnt, thread):
    size = 3_000_000
    before = os.statvfs(mnt.path)
    write(thread / "big", os.urandom(size))
    found = os.stat(thread / "big")
    assert size <= found.st_blocks * 512 <= size + 8192
    assert int(shell("du -s --apparent-size -B1 big", cwd=thread).stdout.split()[0]) == size
    assert int(shell("du -s -B1 .", cwd=thread).stdout.split()[0]) >= size
    under = os.statvfs(mnt.store.parent)
    for v in (before, os.statvfs(mnt.path)):
        assert v.f_bsize > 0 and v.f_frsize > 0
        assert abs(v.f_blocks * v.f_frsize - under.f_blocks * under.f_frsize) < 0.02 * under.f_blocks * under.f_frsize
        assert v.f_bavail * v.f_frsize <= 1.02 * under.f_bavail * under.f_frsize
        assert v.f_namemax == 255
    wait_until(lambda: before.f_bfree * before.f_frsize - (s := os.statvfs(mnt.path)).f_bfree * s.f_frsize
               > -10_000_000, 3)
    run("df", mnt.path)


def test_M5__same_number_for_a_new_file__is_another_inode(anythread, turn):
    first = os.stat(turn).st_ino
    os.unlink(turn)
    write(turn, b"new")
    assert os.stat(turn).st_ino != first


def test_M5__growth_while_open__is_seen_by_the_reader(anythread):
    """tail -f on a turn that is being streamed."""
    with opened(anythread / "@assistant", os.O_WRONLY) as fd:
        os.write(fd, b"one ")
        os.fsync(fd)
        with opened(anythread / "000001-assistant.md") as reader:
            assert os.read(reader, 100) == b"one "
            os.write(fd, b"two")
            os.fsync(fd)
            assert os.fstat(reader).st_size == 7
            assert os.read(reader, 100) == b"two"


# M6: what editors do


def edit_rename_over(thread, text):
    write(thread / ".000001-user.md.tmp", text)
    os.rename(thread / ".000001-user.md.tmp", thread / TURN)


def edit_rename_away_and_create(thread, text):
    os.rename(thread / TURN, thread / (TURN + "~"))
    with opened(thread / TURN, os.O_CREAT | os.O_WRONLY) as fd:
        os.write(fd, text)
        os.fsync(fd)
    os.unlink(thread / (TURN + "~"))


def edit_truncate(thread, text):
    write(thread / TURN, text)


def edit_in_place(thread, text):
    with opened(thread / TURN, os.O_RDWR) as fd:
        os.write(fd, text)
        os.ftruncate(fd, len(text))


EDITS = [edit_rename_over, edit_rename_away_and_create, edit_truncate, edit_in_place]


@pytest.mark.parametrize("edit", EDITS, ids=lambda f: f.__name__[5:])
def test_M6__turn_saved_by_an_editor__keeps_number_and_metadata(mount, edit):
    mnt = mount()
    thread = mnt.thread()
    for role in ("user", "assistant"):
        say(thread, role, "old text")
    set_document(thread, {"turns": {TURN: {"model": "m", "n": 42}}})
    edit(thread, b"new text, longer")
    for _ in range(2):
        assert turns(thread) == [(TURN, b"new text, longer"), ("000002-assistant.md", b"old text")]
        assert document(thread)["turns"][TURN] == {"model": "m", "n": 42}
        assert attributes(thread / TURN) == {"model": b"m", "n": b"42"}
        assert document(thread)["turn_count"] == 2
        mnt.kill9()
        mnt.remount()
    say(thread, "user", "next")
    assert turns(thread)[-1][0] == "000003-user.md"
    assert sorted(os.listdir(thread)) == [TURN, "000002-assistant.md", "000003-user.md", "thread.json"]


def test_M6__new_file_brings_its_own_metadata__it_has_that(anythread, turn):
    set_attribute(turn, "model", "old")
    set_attribute(turn, "n", "1")
    write(anythread / "tmp", b"new")
    set_attribute(anythread / "tmp", "model", "new")
    os.rename(anythread / "tmp", turn)
    assert attributes(turn) == {"model": b"new"}
    assert document(anythread)["turns"] == {TURN: {"model": "new"}}


def test_M6__new_file_brings_what_shows_the_same__the_types_stay(anythread, turn):
    """rsync -X, cp -a and mv bring attributes as text: an edit of a copy brought back changes no type."""
    set_document(anythread, {"turns": {TURN: {"n": 42, "tags": ["a", 1], "text": "7", "flag": True, "gone": 1}}})
    write(anythread / "tmp", b"new")
    for key, value in (("n", "42"), ("tags", '["a",1]'), ("text", "7"), ("flag", "false"), ("more", "1")):
        set_attribute(anythread / "tmp", key, value)
    os.rename(anythread / "tmp", turn)
    expected = {"n": 42, "tags": ["a", 1], "text": "7", "flag": "false", "more": "1"}
    assert document(anythread)["turns"] == {TURN: expected}
    os.rename(turn, anythread / "away~")
    write(anythread / "tmp", b"newer")
    set_attribute(anythread / "tmp", "n", "42")
    set_attribute(anythread / "tmp", "text", "7")
    os.rename(anythread / "tmp", turn)
    assert document(anythread)["turns"] == {TURN: {"n": 42, "text": "7"}}


def test_M6__draft_that_replaces_a_turn_brings_what_shows_the_same__the_types_stay(anythread, turn):
    set_document(anythread, {"turns": {TURN: {"n": 42, "m": 1}}})
    with opened(anythread / "tmp", os.O_WRONLY | os.O_CREAT) as fd:
        os.setxattr(fd, "user.n", b"42")
        os.rename(anythread / "tmp", turn)
        os.write(fd, b"new")
    assert read(turn) == b"new"
    assert document(anythread)["turns"] == {TURN: {"n": 42}}


def test_M6__renamed_away_and_still_there__a_new_file_of_that_number_takes_them(anythread, turn):
    set_attribute(turn, "model", "m")
    os.rename(turn, anythread / "backup~")
    assert turns(anythread) == []
    write(anythread / "000001-assistant.md", b"new, even of another role")
    assert attributes(anythread / "000001-assistant.md") == {"model": b"m"}


def test_M6__renamed_away_and_unlinked__nothing_lingers(anythread, turn):
    set_attribute(turn, "model", "m")
    os.rename(turn, anythread / "backup~")
    os.unlink(anythread / "backup~")
    write(turn, b"new")
    assert attributes(turn) == {}
    assert document(anythread)["turns"] == {TURN: {}}


def test_M6__renamed_away_and_back__as_before(anythread, turn):
    set_attribute(turn, "model", "m")
    os.rename(turn, anythread / "backup~")
    os.rename(anythread / "backup~", turn)
    assert turns(anythread) == [(TURN, b"text")]
    assert attributes(turn) == {"model": b"m"}


def test_M6__renamed_to_another_turn__the_freed_number_has_no_metadata(anythread, turn):
    set_attribute(turn, "model", "m")
    os.rename(turn, anythread / "000005-user.md")
    write(turn, b"new")
    assert attributes(turn) == {}
    assert attributes(anythread / "000005-user.md") == {"model": b"m"}


def test_M6__renamed_away_into_another_thread__nothing_lingers(anymnt, anythread, turn):
    other = anymnt.thread("other")
    set_attribute(turn, "model", "m")
    os.rename(turn, other / "backup~")
    write(turn, b"new")
    assert attributes(turn) == {}


# M7


def test_M7__chmod_chown_and_utimens__succeed_and_stay(mnt, thread):
    say(thread, "user", "x")
    for path in (thread, thread / TURN, thread / "thread.json"):
        os.chmod(path, 0o700)
        os.chown(path, os.geteuid(), os.getegid())
        os.chown(path, -1, -1)
        os.utime(path)
        os.utime(path, ns=(123, 456))
        with opened(path, os.O_RDONLY) as fd:
            os.fchmod(fd, 0o750)
            os.fchown(fd, os.geteuid(), os.getegid())
            os.utime(fd, ns=(123, 789))
    mnt.remount()
    for path in (thread, thread / TURN, thread / "thread.json"):
        s = os.stat(path)
        assert (stat.S_IMODE(s.st_mode), s.st_uid, s.st_mtime_ns) == (0o750, os.geteuid(), 789), path


@needs_root
def test_M7__chown_by_root__stays(mnt, thread):
    say(thread, "user", "x")
    os.chown(thread / TURN, 1234, 5678)
    mnt.remount()
    s = os.stat(thread / TURN)
    assert (s.st_uid, s.st_gid) == (1234, 5678)


CAPABILITY = struct.pack("<5I", 0x02000000, 1, 0, 0, 0)
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, rights, who)
    for tag, rights, who in [(1, 6, 2**32 - 1), (2, 4, 1000), (4, 4, 2**32 - 1), (16, 4, 2**32 - 1), (32, 0, 2**32 - 1)])


@pytest.mark.parametrize("name,value", [
    ("trusted.x", b"x"), ("security.x", b"x"), ("security.capability", CAPABILITY), ("system.x", b"x"),
    ("system.posix_acl_access", ACL), ("system.posix_acl_default", ACL)],
    ids=lambda v: v if isinstance(v, str) else "")
def test_M7__attributes_outside_user__ENOTSUP(anythread, turn, name, value):
    if os.geteuid() != 0 and name.startswith(("trusted.", "security.")):
        pytest.skip("needs root")
    for path in (anythread,) if name.endswith("default") else (turn, anythread):
        with fails(errno.ENOTSUP):
            os.setxattr(path, name, value)
        with fails(errno.ENOTSUP, errno.ENODATA):
            os.getxattr(path, name)
        with fails(errno.ENOTSUP):
            os.removexattr(path, name)
        assert os.listxattr(path) == []
