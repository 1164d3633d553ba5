"""T1 to T11 on Redis: one deadline for all mounts, by the server's clock, and erased by the server."""

import errno
import os
import time

import pytest

from across import gone, ledger, remove, seen, soon, why, works
from harness import (document, expires, fails, get_attribute, opened, outcome, read, say, set_attribute, set_document,
                     turns, wait_until, write, write_all)
from test_watch import IN_CREATE, IN_DELETE, IN_ISDIR, watching

ONE = "000001-user.md"
LATE = 0.010  # T1: "within 10 ms"


def server_time(server):
    seconds, microseconds = server.cli("TIME")
    return seconds + microseconds / 1e6


def named(keys, thread):
    return [key for key in keys if thread.encode() in key]


# T1, T3, T4


def look_by_stat(thread):
    return outcome(os.stat, thread)


def look_by_turn(thread):
    return outcome(read, thread / ONE)


def look_by_listing_the_root(thread):
    return 0 if thread.name in os.listdir(thread.parent) else errno.ENOENT


@pytest.mark.parametrize("look", [look_by_stat, look_by_turn, look_by_listing_the_root], ids=lambda f: f.__name__[8:])
def test_T1__made_on_the_other_mount__goes_within_10_ms_of_its_deadline(server, mount, look):
    a, b = mount(server.url, opts="ttl=1s"), mount(server.url)
    for i in range(10):
        b.thread(f"other{i}")
    thread = a.thread()
    say(thread, "user", "text")
    there = seen(b / "thread" / ONE).parent
    deadline = expires(there)
    assert deadline == expires(thread)
    while True:
        begun = time.time()
        result = look(there)
        ended = time.time()
        if result:
            assert result == errno.ENOENT
            assert ended >= deadline - 0.002, f"gone {deadline - ended:.4f} s too early"
            break
        assert begun <= deadline + LATE, f"still there {begun - deadline:.4f} s after its deadline"
    assert outcome(os.stat, thread) == errno.ENOENT
    assert os.listdir(a.path) == os.listdir(b.path)


def test_T1__server_away_at_the_deadline__gone_all_the_same(server, mount):
    mnt = mount(server.url, opts="ttl=1s,timeout=1s")
    thread = mnt.thread()
    say(thread, "user", "text")
    read(thread / ONE)
    deadline = expires(thread)
    server.pause()
    time.sleep(max(0, deadline + LATE - time.time()))
    assert outcome(os.stat, thread) in (errno.ENOENT, errno.EIO, errno.ETIMEDOUT), "not served as fresh"
    server.resume()
    soon(lambda: outcome(os.stat, thread) == errno.ENOENT, timeout=10)


def test_T3__written_on_one_mount__renewed_on_both_and_read_renews_nothing(server, mount):
    a, b = mount(server.url, opts="ttl=1500ms"), mount(server.url)
    here = a.thread()
    there = seen(b / "thread")
    for i in range(4):
        time.sleep(0.7)
        say(here if i % 2 else there, "user", f"{i}")
        soon(lambda: abs(expires(here) - expires(there)) < 0.001)
    assert len(turns(there)) == 4
    deadline = expires(there)
    for _ in range(20):
        read(there / ONE)
        os.listdir(here)
    assert expires(here) == expires(there) == deadline
    wait_until(lambda: outcome(os.stat, here) == errno.ENOENT, 3)
    assert time.time() >= deadline - 0.01


def test_T4__ttl_set_on_one_mount__in_force_on_the_other(pair):
    a, b = pair
    thread = a.thread()
    say(thread, "user", "x")
    there = seen(b / "thread")
    os.listdir(there)
    set_attribute(thread, "turnfs.ttl", "7d")
    soon(lambda: get_attribute(there, "turnfs.ttl") == get_attribute(thread, "turnfs.ttl"))
    soon(lambda: document(there)["ttl_seconds"] == 7 * 86400)
    set_attribute(there, "turnfs.ttl", "never")
    soon(lambda: expires(thread) is None)


def test_T4__ttl_shortened_on_one_mount__other_goes_by_the_new_one_whatever_it_had_cached(pair):
    a, b = pair
    thread = a.thread()
    say(thread, "user", "x")
    there = seen(b / "thread" / ONE).parent
    os.listdir(b.path)
    read(there / ONE)
    set_attribute(thread, "turnfs.ttl", "600ms")
    deadline = expires(thread)
    while True:
        begun = time.time()
        if look_by_turn(there):
            break
        assert begun <= deadline + LATE, f"still there {begun - deadline:.4f} s after its deadline"
    assert time.time() >= deadline - 0.01
    assert "thread" not in os.listdir(b.path)


def test_T4__touched_on_one_mount__lives_on_on_the_other(server, mount):
    a, b = mount(server.url, opts="ttl=1s"), mount(server.url)
    thread = a.thread()
    there = seen(b / "thread")
    for _ in range(4):
        time.sleep(0.5)
        os.utime(there)
    assert outcome(os.stat, thread) == outcome(os.stat, there) == 0


# T5


def test_T5__open_on_the_other_mount_across_the_deadline__readable_until_closed(server, mount):
    a, b = mount(server.url, opts="ttl=700ms"), mount(server.url)
    thread = a.thread()
    write(thread / ONE, b"x" * 100_000)
    with opened(seen(b / "thread" / ONE)) as fd:
        start = os.read(fd, 10)
        wait_until(lambda: outcome(os.stat, b / "thread") == errno.ENOENT)
        assert len(start + b"".join(iter(lambda: os.read(fd, 4096), b""))) == 100_000
        with fails(errno.ENOENT):
            os.open(b / "thread" / ONE, os.O_RDONLY)


def test_T5__commit_after_the_deadline__revives_it_on_both(server, mount):
    a, b = mount(server.url, opts="ttl=1s"), mount(server.url)
    thread = a.thread()
    say(thread, "user", "before")
    seen(b / "thread" / ONE)
    fd = os.open(b / "thread" / "@assistant", os.O_WRONLY)
    write_all(fd, b"after")
    gone(thread)
    gone(b / "thread")
    os.close(fd)
    for mnt in (a, b):
        soon(lambda: outcome(os.stat, mnt / "thread") == 0)
        seen(mnt / "thread" / "000002-assistant.md", "after")
        assert read(mnt / "thread" / ONE) == b"before"


def test_T5__name_taken_since_by_the_other_mount__lands_in_the_expired_one(server, mount):
    a, b = mount(server.url, opts="ttl=1s"), mount(server.url)
    thread = a.thread()
    say(thread, "user", "before")
    seen(b / "thread" / ONE)
    fd = os.open(b / "thread" / "@assistant", os.O_WRONLY)
    write_all(fd, b"after")
    gone(thread)
    soon(lambda: outcome(os.mkdir, a / "thread") in (0, errno.EEXIST))
    set_attribute(a / "thread", "turnfs.ttl", "1h")
    os.close(fd)
    assert turns(a / "thread") == []
    soon(lambda: ("000002-assistant.md", b"after") in turns(a / ".turnfs" / "expired" / "thread"))
    assert "thread" in b.stderr


def test_T5__dropped_by_the_server__close_is_ENOENT_and_the_log_names_the_thread(server, mount):
    mnt = mount(server.url, opts="ttl=700ms,grace=700ms")
    thread = mnt.thread("named-thread")
    say(thread, "user", "before")
    fd = os.open(thread / "@user", os.O_WRONLY)
    write_all(fd, b"too late")
    time.sleep(2)
    with fails(errno.ENOENT):
        os.close(fd)
    assert "named-thread" in mnt.stderr and "too late" not in mnt.stderr


# T6, T7


def test_T6__expired__in_expired_on_both_and_restored_whole_on_the_other(server, mount):
    a, b = mount(server.url, opts="ttl=1s"), mount(server.url, opts="ttl=1s")
    thread = a.thread()
    say(thread, "user", "x")
    set_document(thread, {"title": "T", "turns": {ONE: {"model": "m"}}, "ttl_seconds": 1})
    write(thread / "a.png", b"\0")
    seen(b / "thread" / "a.png")
    gone(thread)
    for mnt in (a, b):
        expired = mnt / ".turnfs" / "expired"
        soon(lambda: os.listdir(expired) == ["thread"])
        assert read(expired / "thread" / ONE) == b"x"
        with fails(errno.EROFS):
            write(expired / "thread" / ONE, "y")
    before = time.time()
    os.rename(b / ".turnfs" / "expired" / "thread", b / "thread")
    assert expires(b / "thread") >= before + 0.9
    set_attribute(b / "thread", "turnfs.ttl", "1h")
    soon(lambda: outcome(os.stat, thread) == 0)
    soon(lambda: os.listdir(a / ".turnfs" / "expired") == [])
    assert document(thread)["title"] == "T" and document(thread)["turns"] == {ONE: {"model": "m"}}
    assert read(thread / "a.png") == b"\0" and read(thread / ONE) == b"x"


def test_T6__no_daemon_at_the_deadline__in_expired_at_the_next_mount(any_server, mount):
    mnt = mount(any_server.url, opts="ttl=500ms")
    thread = mnt.thread()
    say(thread, "user", "x")
    deadline = expires(thread)
    mnt.kill9()
    time.sleep(max(0, deadline - time.time()))
    mnt.start()
    assert os.listdir(mnt.path) == []
    soon(lambda: os.listdir(mnt / ".turnfs" / "expired") == ["thread"])
    assert "expired" in why(mnt, "thread")
    os.rename(mnt / ".turnfs" / "expired" / "thread", mnt / "thread")
    assert read(mnt / "thread" / ONE) == b"x"


@pytest.mark.parametrize("daemon", [True, False], ids=["mounted", "no daemon"])
def test_T6__deadline_and_grace_over__the_server_has_erased_it(any_server, mount, daemon):
    """Redis erases by itself: nothing of it is left, whether anything of ours runs or not."""
    mnt = mount(any_server.url, opts="ttl=600ms,grace=600ms")
    thread = mnt.thread("to-be-erased")
    say(thread, "user", "Erase me, please.")
    write(thread / "a.txt", "Erase me as well.")
    set_attribute(thread, "title", "Erase the title.")
    deadline = expires(thread)
    keys = named(any_server.keys(), "to-be-erased")
    assert keys, "its keys have its name in them"
    if not daemon:
        mnt.kill9()
    time.sleep(max(0, deadline + 0.3 - time.time()))
    assert named(any_server.keys(), "to-be-erased"), "in grace it is there"
    wait_until(lambda: not named(any_server.keys(), "to-be-erased"), 3)
    assert time.time() >= deadline + 0.59
    with any_server.client() as client:
        for key in client.scan_iter():
            assert b"Erase" not in (client.dump(key) or b""), key
    if daemon:
        soon(lambda: os.listdir(mnt / ".turnfs" / "expired") == [])
    else:
        mnt.start()
    text = why(mnt, "to-be-erased")
    assert "lost" not in text.splitlines()[0], text


def test_T6__all_keys_of_a_thread__end_at_its_deadline_plus_grace(server, mount):
    """Not sooner; later by no more than a minute, so that not each turn need move it."""
    mnt = mount(server.url, opts="ttl=1h,grace=2h")
    thread = mnt.thread("some-thread")
    for i in range(5):
        say(thread, "user", f"{i}")
    write(thread / "a.txt", "x")
    set_attribute(thread, "k", "v")
    with server.client() as client:
        ends = {key: client.pexpiretime(key) if hasattr(client, "pexpiretime")
                else client.execute_command("PEXPIRETIME", key) for key in named(server.keys(), "some-thread")}
    assert ends and len(set(ends.values())) == 1, ends
    assert -0.002 < next(iter(ends.values())) / 1000 - expires(thread) - 7200 < 60.002
    set_attribute(thread, "turnfs.ttl", "never")
    assert {server.cli("PTTL", key) for key in named(server.keys(), "some-thread")} == {-1}
    set_attribute(thread, "turnfs.ttl", "10m")
    assert all(0 < server.cli("PTTL", key) <= 660_000 + 7_200_000 for key in named(server.keys(), "some-thread"))


def test_T6__number_of_keys__is_fixed_for_a_thread(server, mount):
    mnt = mount(server.url)
    thread = mnt.thread("some-thread")
    say(thread, "user", "x")
    write(thread / "a.txt", "x")
    set_attribute(thread, "k", "v")
    before = server.cli("DBSIZE")
    for i in range(100):
        say(thread, "user", f"{i}")
    for i in range(10):
        write(thread / f"a{i}.txt", "x")
        set_attribute(thread, f"k{i}", "v")
    assert server.cli("DBSIZE") == before
    tags = {key.split(b"{", 1)[1].split(b"}", 1)[0] for key in named(server.keys(), "some-thread")}
    assert tags == {b"some-thread"}, "one hash tag"


def test_T6__grace_0__erased_at_once(server, mount):
    mnt = mount(server.url, opts="ttl=500ms,grace=0")
    thread = mnt.thread("to-be-erased")
    say(thread, "user", "x")
    deadline = expires(thread)
    wait_until(lambda: not named(server.keys(), "to-be-erased"), 3)
    assert time.time() < deadline + 1
    assert os.listdir(mnt / ".turnfs" / "expired") == []


def test_T7__id_taken_again_by_the_other_mount__lives_lie_side_by_side(server, mount):
    a, b = mount(server.url, opts="ttl=600ms"), mount(server.url, opts="ttl=600ms")
    for i, mnt in enumerate((a, b, a)):
        thread = mnt.thread()
        say(thread, "user", f"life {i}")
        gone(a / "thread")
        gone(b / "thread")
    for mnt in (a, b):
        expired = mnt / ".turnfs" / "expired"
        soon(lambda: sorted(os.listdir(expired)) == ["thread", "thread~2", "thread~3"])
        lives = {read(expired / name / ONE) for name in os.listdir(expired)}
        assert lives == {b"life 0", b"life 1", b"life 2"}
    for i, name in enumerate(("thread~3", "thread~2", "thread")):
        os.rename(b / ".turnfs" / "expired" / name, b / f"again{i}")
        set_attribute(b / f"again{i}", "turnfs.ttl", "1h")
    assert {read(seen(a / f"again{i}" / ONE)) for i in range(3)} == lives


def test_T7__mkdir_while_in_grace__new_and_empty_on_both(server, mount):
    a, b = mount(server.url, opts="ttl=600ms"), mount(server.url, opts="ttl=1h")
    say(a.thread(), "user", "old")
    seen(b / "thread" / ONE)
    gone(b / "thread")
    b.thread()
    soon(lambda: outcome(os.listdir, a / "thread") == 0)
    assert turns(a / "thread") == turns(b / "thread") == []
    say(a / "thread", "user", "new")
    seen(b / "thread" / ONE, "new")
    assert read(b / ".turnfs" / "expired" / "thread" / ONE) == b"old"


# T8, T9


def test_T8__near_its_deadline__in_expiring_on_both(server, mount):
    a, b = mount(server.url, opts="warn=30m"), mount(server.url, opts="warn=30m")
    thread = a.thread()
    assert os.listdir(b / ".turnfs" / "expiring") == []
    set_attribute(thread, "turnfs.ttl", "20m")
    soon(lambda: os.listdir(b / ".turnfs" / "expiring") == ["thread"])
    soon(lambda: os.listdir(a / ".turnfs" / "expiring") == ["thread"])
    set_attribute(seen(b / "thread"), "turnfs.ttl", "2h")
    soon(lambda: os.listdir(a / ".turnfs" / "expiring") == [])


def test_T9__turn_added_on_the_other_mount__watcher_of_the_thread_gets_IN_CREATE_within_a_second(pair):
    a, b = pair
    thread = a.thread()
    seen(b / "thread")
    with watching(b / "thread") as watch:
        for i in range(5):
            begun = time.time()
            say(thread, "user", f"{i}")
            assert watch.wait(1, seconds=2) == [("thread", IN_CREATE, f"{i + 1:06d}-user.md")]
            assert watch.times[-1] - begun < 1
        write(thread / "@transcript.jsonl", '{"role": "user", "content": "a"}\n' * 3, os.O_WRONLY)
        assert watch.wait(3, seconds=2) == [("thread", IN_CREATE, f"{i:06d}-user.md") for i in (6, 7, 8)]


def test_T9__expires__watchers_of_the_root_on_each_mount_get_IN_DELETE(server, mount):
    a, b = mount(server.url, opts="ttl=1s"), mount(server.url)
    say(a.thread(), "user", "x")
    seen(b / "thread")
    with watching(a.path) as first, watching(b.path) as second:
        deleted = IN_DELETE | IN_ISDIR
        assert first.wait(1, seconds=3) == [(a.path.name, deleted, "thread")]
        assert second.wait(1, seconds=3) == [(b.path.name, deleted, "thread")]


# T10, T11


def test_T10__ttl_and_deadline__survive_remount_and_a_restart_of_the_server(any_server, mount):
    mnt = mount(any_server.url)
    thread = mnt.thread()
    set_attribute(thread, "turnfs.ttl", "7d")
    say(thread, "user", "x")
    before = expires(thread)
    mnt.remount(opts="ttl=1h")
    assert expires(mnt / "thread") == before
    any_server.restart()
    soon(lambda: outcome(os.stat, mnt / "thread") == 0, timeout=10)
    assert expires(mnt / "thread") == before
    assert document(mnt / "thread")["ttl_seconds"] == 7 * 86400


def test_T11__deadlines__are_the_servers_time_plus_ttl(server, mount):
    mnt = mount(server.url, opts="ttl=1h")
    thread = mnt.thread()
    for _ in range(5):
        before = server_time(server)
        say(thread, "user", "x")
        after = server_time(server)
        assert before - 0.002 <= expires(thread) - 3600 <= after + 0.002


def test_T2__ttl_never_and_finite_on_two_mounts__each_thread_keeps_its_own(server, mount):
    a, b = mount(server.url, opts="ttl=never"), mount(server.url, opts="ttl=1s")
    a.thread("kept")
    b.thread("short")
    seen(b / "kept")
    seen(a / "short")
    gone(a / "short")
    gone(b / "short")
    assert expires(b / "kept") is None and works(b / "kept")
    assert os.listdir(a.path) == os.listdir(b.path) == ["kept"]


def test_T6__removed_by_rm__keys_go_at_once_and_it_is_not_in_expired(pair, server):
    a, b = pair
    thread = a.thread("to-be-removed")
    say(thread, "user", "x")
    seen(b / "to-be-removed" / ONE)
    remove(thread)
    assert not named(server.keys(), "to-be-removed")
    assert os.listdir(b / ".turnfs" / "expired") == []
    soon(lambda: any(e["id"] == "to-be-removed" and e["cause"] == "deleted" for e in ledger(b)))


def test_T1__row_of_another_thread_is_garbage__others_go_in_time(server, mount):
    mnt = mount(server.url, opts="ttl=1s")
    say(mnt.thread("bad"), "user", "text")
    server.cli("HSET", "turnfs:threads", server.cli("HGET", "turnfs:live", "bad"), "garbage")
    time.sleep(1.1)
    for i in range(6):
        thread = mnt.thread(f"t{i}")
        set_attribute(thread, "turnfs.ttl", "300ms")
        deadline = expires(thread)
        soon(lambda: f"t{i}" in os.listdir(mnt / ".turnfs" / "expired"))
        assert time.time() < deadline + 0.3
