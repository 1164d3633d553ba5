"""F6, M1 to M5: what one mount writes the other shows, soon and whole."""

import contextlib
import errno
import os
import stat
import subprocess
import time

import pytest

from across import gone, lags, quantile, seen, soon
from harness import (attributes, document, expires, fails, get_attribute, is_turn, opened, outcome, read,
                     remove_attribute, run, say, set_attribute, set_document, turns, wait_until, write, write_all)

ROUNDS = int(os.environ.get("TURNFS_LAG_ROUNDS", "40"))
ONE = "000001-user.md"

# Each look: whether turn i (from 0 on) is seen on that thread.


def name_of(i):
    return f"{i + 1:06d}-user.md"


def look_by_ls(thread, i):
    return name_of(i) in os.listdir(thread)


def look_by_stat(thread, i):
    return outcome(os.stat, thread / name_of(i)) == 0


def look_by_cat(thread, i):
    with contextlib.suppress(FileNotFoundError):
        return read(thread / name_of(i)) == b"turn %d" % i
    return False


def look_by_thread_json(thread, i):
    return name_of(i) in document(thread)["turns"]


def look_by_transcript(thread, i):
    return b'"turn %d"' % i in read(thread / "@transcript.jsonl")


def look_by_mtime_of_the_thread(thread, i):
    return os.stat(thread).st_mtime_ns >= look_by_mtime_of_the_thread.written


def look_by_open_directory(thread, i):
    with opened(thread, os.O_RDONLY | os.O_DIRECTORY) as fd:
        return name_of(i) in os.listdir(fd)


LOOKS = [look_by_ls, look_by_stat, look_by_cat, look_by_thread_json, look_by_transcript, look_by_mtime_of_the_thread,
         look_by_open_directory]


@pytest.mark.parametrize("look", LOOKS, ids=lambda f: f.__name__[8:])
def test_F6__turn_written_on_one_mount__seen_on_the_other_within_50_ms(pair, look):
    a, b = pair
    here = a.thread()
    there = seen(b / "thread")

    def change(i):
        look(there, i)  # what the kernel has cached by now must go
        assert not look_by_stat(there, i)
        look_by_mtime_of_the_thread.written = time.time_ns() + 1_000_000
        time.sleep(0.002)
        say(here, "user", f"turn {i}")

    found = lags(change, lambda i: look(there, i), ROUNDS)
    print(f"p50 {quantile(found, 0.5) * 1e3:.2f} ms, p99 {quantile(found, 0.99) * 1e3:.2f} ms")
    assert quantile(found, 0.9) < 0.050, found[-5:]


def test_F6__every_change_of_a_turn__seen_on_the_other_of_each_kind_of_server(any_pair):
    a, b = any_pair
    here, there = a.thread(), seen(b / "thread")
    say(here, "user", "one")
    seen(there / ONE, "one")
    write(here / ONE, "the new one")
    seen(there / ONE, "the new one")
    os.rename(here / ONE, here / "000001-system.md")
    gone(there / ONE)
    seen(there / "000001-system.md", "the new one")
    os.unlink(here / "000001-system.md")
    gone(there / "000001-system.md")
    assert turns(there) == []
    write(there / "a.png", b"\0\xff")
    seen(here / "a.png", b"\0\xff")


def test_F6__threads_come_go_and_are_renamed__seen_in_the_root_of_the_other(pair):
    a, b = pair
    assert os.listdir(b.path) == []
    a.thread("one")
    soon(lambda: os.listdir(b.path) == ["one"])
    os.rename(a / "one", a / "two")
    soon(lambda: os.listdir(b.path) == ["two"])
    gone(b / "one")
    os.rmdir(b / "two")
    soon(lambda: os.listdir(a.path) == [])
    gone(a / "two")


def test_F6__name_that_was_not_there__is_found_as_soon_as_the_other_makes_it(pair):
    a, b = pair
    for i in range(20):
        assert outcome(os.stat, b / f"t{i}") == errno.ENOENT
        thread = a.thread(f"t{i}")
        seen(b / f"t{i}")
        assert outcome(os.stat, b / f"t{i}" / ONE) == errno.ENOENT
        say(thread, "user", "x")
        seen(b / f"t{i}" / ONE, "x")


def test_F6__thread_removed_and_made_again__other_mount_has_the_new_one(pair):
    a, b = pair
    for i in range(10):
        thread = a.thread()
        say(thread, "user", f"life {i}")
        seen(b / "thread" / ONE, f"life {i}")
        os.unlink(thread / ONE)
        os.rmdir(thread)
        gone(b / "thread")


def test_F6__changes_by_turns_from_both_sides__both_show_all_of_them(pair):
    a, b = pair
    threads = [a.thread(), seen(b / "thread")]
    for i in range(60):
        say(threads[i % 2], "user", f"{i}")
        seen(threads[1 - i % 2] / name_of(i), f"{i}")
    assert turns(threads[0]) == turns(threads[1]) == [(name_of(i), str(i).encode()) for i in range(60)]


def test_F6__hundreds_of_changes_at_once__the_other_ends_up_with_all(pair):
    a, b = pair
    seen_before = []
    for i in range(30):
        a.thread(f"t{i}")
        seen_before.append(outcome(os.listdir, b / f"t{i}"))
    for j in range(10):
        for i in range(30):
            say(a / f"t{i}", "user", f"{i}:{j}")
    for i in range(30):
        soon(lambda: turns(b / f"t{i}") == [(name_of(j), f"{i}:{j}".encode()) for j in range(10)], f"t{i}")


def test_F6__what_this_mount_wrote_itself__is_seen_here_at_once(pair):
    """The server tells a mount of its own changes, too; they must not undo what it knows already."""
    a, _ = pair
    thread = a.thread()
    for i in range(100):
        say(thread, "user", f"{i}")
        assert read(thread / name_of(i)) == str(i).encode()
        assert len(document(thread)["turns"]) == i + 1
        assert os.stat(thread / name_of(i)).st_size == len(str(i))


# M1 to M4


def test_M1__attributes_and_thread_json__either_way_in_on_one_mount_both_ways_out_on_the_other(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    say(here, "user", "x")
    seen(there / ONE)
    assert attributes(there / ONE) == {}
    set_attribute(here / ONE, "model", "m-1")
    soon(lambda: attributes(there / ONE) == {"model": b"m-1"})
    soon(lambda: document(there)["turns"][ONE] == {"model": "m-1"})
    set_document(there, {"title": "T", "turns": {ONE: {"tokens": 5}}})
    soon(lambda: attributes(here / ONE) == {"tokens": b"5"})
    soon(lambda: document(here)["title"] == "T" and attributes(here)["title"] == b"T")
    remove_attribute(there / ONE, "tokens")
    soon(lambda: attributes(here / ONE) == {})
    set_attribute(here, "mood", "calm")
    soon(lambda: document(there)["mood"] == "calm")


def test_M1__said_of_a_turn_that_is_not_there_yet__applied_when_another_mount_makes_it(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    set_document(here, {"turns": {"000003": {"model": "m-3"}}})
    write(there / "000003-user.md", "three")
    seen(here / "000003-user.md", "three")
    assert attributes(there / "000003-user.md") == attributes(here / "000003-user.md") == {"model": b"m-3"}


def test_M1__both_mounts_set_different_keys__both_stay(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    say(here, "user", "x")
    seen(there / ONE)
    for i in range(20):
        set_attribute(here / ONE, f"a{i}", "x")
        set_attribute(there / ONE, f"b{i}", "y")
    expected = {f"a{i}": b"x" for i in range(20)} | {f"b{i}": b"y" for i in range(20)}
    soon(lambda: attributes(here / ONE) == expected)
    soon(lambda: attributes(there / ONE) == expected)


def test_M2__times__are_the_same_on_both_to_the_nanosecond(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    say(here, "user", "x")
    seen(there / ONE)
    os.utime(here / ONE, ns=(1, 1_234_567_890_123_456_789))
    soon(lambda: os.stat(there / ONE).st_mtime_ns == 1_234_567_890_123_456_789)
    for name in ("", ONE):
        soon(lambda: os.stat(there / name).st_mtime_ns == os.stat(here / name).st_mtime_ns)
        soon(lambda: os.stat(there / name).st_ctime_ns == os.stat(here / name).st_ctime_ns)


def test_M4__mode_and_owner__are_kept_in_the_store_and_shown_by_the_other(pair):
    a, b = pair
    here, there = a.thread(mode=0o750), seen(b / "thread")
    say(here, "user", "x")
    write(here / "tool.sh", "x", mode=0o755)
    seen(there / "tool.sh")
    os.chmod(here / ONE, 0o640)
    os.chown(here / ONE, 1234, 2345)
    os.chmod(here, 0o2770)
    os.chmod(a.path, 0o711)

    def same(name, mode):
        info = os.stat(there / name)
        return stat.S_IMODE(info.st_mode) == mode

    soon(lambda: same(ONE, 0o640))
    soon(lambda: (os.stat(there / ONE).st_uid, os.stat(there / ONE).st_gid) == (1234, 2345))
    soon(lambda: same("tool.sh", 0o755))
    soon(lambda: same("", 0o2770))
    soon(lambda: stat.S_IMODE(os.stat(b.path).st_mode) == 0o711)


# M5


def test_M5__numbers_sizes_and_inodes__the_same_on_both_and_after_a_remount(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    say(here, "user", "text " * 1000)
    write(here / "a.bin", b"\0" * 70000)
    seen(there / "a.bin")

    def facts(thread):
        names = ["", ONE, "a.bin", "thread.json"]
        return [(i.st_ino, i.st_size, i.st_mtime_ns, i.st_ctime_ns, i.st_mode)
                for i in (os.stat(thread / name) for name in names)]

    before = facts(here)
    soon(lambda: facts(there) == before)
    b.remount()
    assert facts(b / "thread") == before
    assert os.stat(there / "thread.json").st_size == len(read(there / "thread.json"))


@pytest.mark.parametrize("new", [b"N" * 300_000, b"N" * 10, b""], ids=["as long", "shorter", "empty"])
def test_M5__changed_on_another_mount__open_descriptor_reads_the_old_version_whole(pair, new):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    old = b"O" * 300_000
    write(here / ONE, old)
    seen(there / ONE, old)
    with opened(there / ONE) as fd:
        start = os.read(fd, 1000)
        write(here / ONE, new)
        soon(lambda: read(there / ONE) == new, "the next open gives the new")
        assert start + b"".join(iter(lambda: os.read(fd, 4096), b"")) == old
        assert os.pread(fd, 100, 299_950) == old[299_950:]
        assert os.fstat(fd).st_size == len(old)
    assert read(there / ONE) == new and os.stat(there / ONE).st_size == len(new)


def test_M5__changed_again_and_again__no_open_ever_reads_a_mix(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    size = 200_000
    write(here / ONE, b"\0" * size)
    seen(there / ONE)
    ended = time.monotonic() + 1.5
    version, found = 0, set()
    while time.monotonic() < ended:
        version = (version + 1) % 200
        write(here / ONE, bytes([version]) * (size + version))
        with opened(there / ONE) as fd:
            first = os.read(fd, 10_000)
            version = (version + 1) % 200
            write(here / ONE, bytes([version]) * (size + version))
            data = first + b"".join(iter(lambda: os.read(fd, 65536), b""))
        assert len(set(data)) == 1 and len(data) == size + data[0], "one version, whole"
        found.add(data[0])
    assert len(found) > 5


def test_M5__removed_on_another_mount__open_descriptor_reads_on(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    write(here / ONE, b"O" * 100_000)
    seen(there / ONE)
    with opened(there / ONE) as fd:
        start = os.read(fd, 10)
        os.unlink(here / ONE)
        gone(there / ONE)
        assert len(start + b"".join(iter(lambda: os.read(fd, 4096), b""))) == 100_000


def test_M5__grown_at_the_end_on_another_mount__open_descriptor_sees_the_growth(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    write(here / ONE, b"begun ")
    seen(there / ONE)
    with opened(there / ONE) as fd:
        assert os.read(fd, 100) == b"begun "
        text = b"begun "
        for i in range(20):
            more = b"line %d\n" % i
            write(here / ONE, more, os.O_WRONLY | os.O_APPEND)
            soon(lambda: os.fstat(fd).st_size == len(text) + len(more), "fstat")
            soon(lambda: os.pread(fd, 100, len(text)) == more, "read")
            text += more
        assert os.pread(fd, 10_000, 0) == text


def test_M5__tail_f__follows_a_turn_that_another_mount_streams(pair, program):
    a, b = pair
    here = a.thread()
    with opened(here / "@assistant", os.O_WRONLY) as fd:
        write_all(fd, b"word 0\n")
        os.fsync(fd)
        name = os.getxattr(fd, "user.turnfs.turn").decode()
        seen(b / "thread" / name, "word 0\n")
        tail = subprocess.Popen([program("tail"), "-n", "+1", "-s", "0.05", "-f", b / "thread" / name],
                                stdout=subprocess.PIPE)
        try:
            os.set_blocking(tail.stdout.fileno(), False)
            text = b""
            for i in range(1, 6):
                write_all(fd, b"word %d\n" % i)
                os.fsync(fd)
                expected = b"".join(b"word %d\n" % j for j in range(i + 1))

                def followed():
                    nonlocal text
                    text += tail.stdout.read() or b""
                    return text == expected

                wait_until(followed, 5, f"tail shows word {i}")
        finally:
            tail.kill()
            tail.wait()
            tail.stdout.close()
    soon(lambda: len(turns(b / "thread")) == 1)


def test_M5__ctime__moves_with_each_change_on_the_other_mount_and_never_else(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    say(here, "user", "x")
    before = os.stat(seen(there / ONE)).st_ctime_ns
    say(here, "user", "another turn")
    seen(there / name_of(1))
    assert os.stat(there / ONE).st_ctime_ns == before
    os.chmod(here / ONE, 0o600 | 0o040)
    soon(lambda: os.stat(there / ONE).st_ctime_ns > before)


def test_M3__thread_json_and_expiry__the_same_on_both(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    set_document(here, {"title": "T", "own": [1, {"x": None}], "ttl_seconds": 7200})
    say(here, "user", "x")
    seen(there / ONE)
    soon(lambda: read(here / "thread.json") == read(there / "thread.json"))
    assert document(there)["own"] == [1, {"x": None}] and document(there)["ttl_seconds"] == 7200
    assert expires(here) == expires(there)
    assert get_attribute(there, "turnfs.ttl") == get_attribute(here, "turnfs.ttl")
    assert [name for name in sorted(os.listdir(there)) if is_turn(name)] == [ONE]


def test_C1__mounted_ro__writes_nothing_to_the_server_whatever_is_looked_at(server, mount):
    writer = mount(server.url, opts="ttl=1s,grace=1h")
    thread = writer.thread("stays")
    set_attribute(thread, "turnfs.ttl", "1h")
    say(thread, "user", "text")
    say(writer.thread("goes"), "user", "text")
    writer.stop()
    written = server.info("replication", "master_repl_offset"), server.info("persistence", "rdb_changes_since_last_save")
    reader = mount(server.url, opts="ro")
    assert read(reader / "stays" / ONE) == b"text"
    gone(reader / "goes")
    for path in ("stays/thread.json", "stays/@transcript.md", ".turnfs/why/goes", ".turnfs/why/nobody", ".turnfs/health",
                 ".turnfs/ledger.jsonl", ".turnfs/metrics", ".turnfs/latest", f".turnfs/expired/goes/{ONE}"):
        assert read(reader / path), path
    run("du", "-a", reader.path)
    with fails(errno.EROFS):
        say(reader / "stays", "user", "no")
    reader.stop()
    assert (server.info("replication", "master_repl_offset"),
            server.info("persistence", "rdb_changes_since_last_save")) == written
