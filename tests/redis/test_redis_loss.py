"""R3 to R5: what became of a thread, when another mount did it and when the server lost it."""

import errno
import os
import re
import time

import pytest

from across import gone, health, ledger, remove, seen, soon, state, why, works
from harness import expires, fails, outcome, read, say, set_attribute, turns, write

ONE = "000001-user.md"


def first_line(mnt, thread):
    return why(mnt, thread).splitlines()[0]


def known_thread(mnt, name="thread", text="kept so far"):
    thread = mnt.thread(name)
    say(thread, "user", text)
    read(thread / ONE)
    return thread


def is_lost(thread):
    """R5: EIO, neither absent nor empty."""
    results = {outcome(os.listdir, thread), outcome(read, thread / ONE)}
    assert errno.ENOENT not in results, "a known thread is not absent"
    return results == {errno.EIO}


# R3, R4: done by another mount


def test_R3__deleted_renamed_and_expired_on_one_mount__why_on_the_other_says_which(pair):
    a, b = pair
    for name in ("deleted", "renamed", "expired", "live"):
        known_thread(a, name)
        seen(b / name / ONE)
    remove(a / "deleted")
    os.rename(a / "renamed", a / "new-name")
    set_attribute(a / "expired", "turnfs.ttl", "300ms")
    for name in ("deleted", "renamed", "expired"):
        gone(b / name)
    for mnt in (a, b):
        soon(lambda: "deleted at" in first_line(mnt, "deleted"), why(mnt, "deleted"))
        soon(lambda: "new-name" in first_line(mnt, "renamed"), why(mnt, "renamed"))
        soon(lambda: "expired at" in first_line(mnt, "expired"), why(mnt, "expired"))
        assert "live" in first_line(mnt, "live")
        assert "never seen" in first_line(mnt, "unheard-of")
        for name in ("deleted", "renamed", "expired", "unheard-of"):
            assert "redis" in why(mnt, name).lower(), "it names the storage"
            assert "lost" not in first_line(mnt, name)


def test_R3__expired_while_no_mount_was_there__said_so(server, mount):
    mnt = mount(server.url, opts="ttl=400ms,grace=400ms")
    thread = known_thread(mnt)
    deadline = expires(thread)
    mnt.stop()
    time.sleep(max(0, deadline + 0.8 - time.time()))
    mnt.start()
    text = why(mnt, "thread")
    assert "lost" not in text.splitlines()[0], "it went as it should"
    assert re.search(r"expired|while (no mount|nothing)", text), text


def test_R3__renamed_again_and_again__why_leads_to_the_last_name(rmnt):
    """The store has each line, and this machine's copy of the ledger too."""
    names = [f"name{i}" for i in range(5)]
    known_thread(rmnt, names[0])
    for old, new in zip(names, names[1:]):
        os.rename(rmnt / old, rmnt / new)
    said = first_line(rmnt, names[0])
    assert said.split(" to ", 1)[1].startswith("name1. It is called name2 since. It is called name3 since."), said
    assert "That one is live" in said


def test_R4__ledger__has_what_either_mount_did_once(pair):
    a, b = pair
    for i in range(6):
        known_thread(a, f"t{i}")
    for i in range(6):
        seen(b / f"t{i}" / ONE)
        if i % 3 == 0:
            remove((a if i else b) / f"t{i}")
        elif i % 3 == 1:
            os.rename(b / f"t{i}", b / f"new{i}")
        else:
            set_attribute(b / f"t{i}", "turnfs.ttl", "200ms")
    expected = {"t0": "deleted", "t3": "deleted", "t1": "renamed", "t4": "renamed", "t2": "expired", "t5": "expired"}
    for mnt in (a, b):
        soon(lambda: {e["id"]: e["cause"] for e in ledger(mnt) if e["id"] in expected} == expected, str(ledger(mnt)))
    time.sleep(0.3)
    for mnt in (a, b):
        lines = [e["id"] for e in ledger(mnt) if e["id"] in expected]
        assert sorted(lines) == sorted(expected), "one line each, though two mounts saw it"


def test_R4__ledger__is_kept_over_a_remount_and_lives_with_the_store(server, mount, workshop):
    mnt = mount(server.url)
    remove(known_thread(mnt))
    soon(lambda: "deleted at" in first_line(mnt, "thread"))
    mnt.stop()
    elsewhere = mount(server.url, env={"XDG_STATE_HOME": str(workshop.base / "another-machine")})
    assert "deleted at" in first_line(elsewhere, "thread")


# R5: lost by the server


def test_R5__keys_of_a_thread_deleted_in_redis__EIO_until_the_deadline_and_why_says_lost(pair, server):
    a, b = pair
    thread = known_thread(a, "some-thread")
    there = seen(b / "some-thread" / ONE).parent
    known_thread(a, "other")
    keys = server.keys("some-thread")
    assert keys
    server.cli("DEL", *keys)
    for mnt, path in ((a, thread), (b, there)):
        soon(lambda: is_lost(path), "EIO")
        soon(lambda: "lost" in first_line(mnt, "some-thread"), why(mnt, "some-thread"))
        assert read(seen(mnt / "other" / ONE)) == b"kept so far"
        soon(lambda: any(e["id"] == "some-thread" and e["cause"] == "lost" for e in ledger(mnt)))
        assert "some-thread" in mnt.stderr and "kept so far" not in mnt.stderr
    with fails(errno.EIO):
        say(thread, "user", "into nothing")


def test_R5__lost__is_EIO_until_its_deadline_and_not_longer(server, mount):
    mnt = mount(server.url, opts="ttl=2s")
    thread = known_thread(mnt, "some-thread")
    deadline = expires(thread)
    server.cli("DEL", *server.keys("some-thread"))
    soon(lambda: is_lost(thread), timeout=1.5)
    while time.time() < deadline - 0.1:
        assert is_lost(thread)
        time.sleep(0.01)
    soon(lambda: outcome(os.stat, thread) == errno.ENOENT, "ENOENT after the deadline")
    assert time.time() >= deadline - 0.01
    assert "lost" in why(mnt, "some-thread")


def test_R5__flushed__known_threads_are_EIO_the_ledger_survives_and_new_ones_can_be_made(any_server, mount):
    mnt = mount(any_server.url)
    remove(known_thread(mnt, "deleted-before"))
    for i in range(3):
        known_thread(mnt, f"t{i}")
    soon(lambda: "deleted at" in first_line(mnt, "deleted-before"))
    any_server.cli("FLUSHALL")
    for i in range(3):
        soon(lambda: is_lost(mnt / f"t{i}"), f"t{i} is lost")
        soon(lambda: "lost" in first_line(mnt, f"t{i}"), why(mnt, f"t{i}"))
    assert state(mnt) != "ok", "health tells of it"
    assert any(e["id"] == "deleted-before" for e in ledger(mnt)), "kept under XDG_STATE_HOME"
    thread = known_thread(mnt, "new", "life goes on")
    assert read(thread / ONE) == b"life goes on"
    mnt.remount()
    for i in range(3):
        assert "lost" in first_line(mnt, f"t{i}"), "also after a remount"
    assert "deleted at" in first_line(mnt, "deleted-before")
    assert read(mnt / "new" / ONE) == b"life goes on"


def test_R5__flushed_while_nothing_was_mounted__told_from_what_the_mount_knew(server, mount):
    mnt = mount(server.url)
    known_thread(mnt)
    mnt.stop()
    server.cli("FLUSHALL")
    mnt.start()
    text = why(mnt, "thread")
    assert "lost" in text.splitlines()[0] or "flushed" in text, text


@pytest.mark.limit(60)
def test_R5__evicted__each_known_thread_is_whole_or_EIO_and_never_absent_or_empty(servers, mount):
    server = servers(**{"maxmemory_policy": "volatile-lru", "appendonly": "no"})
    mnt = mount(server.url, opts="allow_eviction")
    text = os.urandom(1 << 15).hex()
    known = []
    server.set("maxmemory", server.info("memory", "used_memory") + (2 << 20))
    for i in range(60):
        if outcome(os.mkdir, mnt / f"t{i}") == 0 and outcome(say, mnt / f"t{i}", "user", text) == 0:
            known.append(mnt / f"t{i}")
    assert server.info("stats", "evicted_keys") > 0, "the server did evict"
    soon(lambda: any(outcome(read, thread / ONE) for thread in known), "one of them is lost")
    lost = 0
    for thread in known:
        results = outcome(read, thread / ONE)
        assert results in (0, errno.EIO), (thread, results)
        if results == 0:
            assert read(thread / ONE) == text.encode()
        else:
            lost += 1
            soon(lambda: "lost" in first_line(mnt, thread.name), why(mnt, thread.name))
    print(f"{lost} of {len(known)} evicted")
    assert lost and "evict" in health(mnt).lower()


def restore_older_dump(server, change):
    """The server's state of now, then change(), a crash, and the older state again."""
    server.cli("SAVE")
    dump = (server.data / "dump.rdb").read_bytes()
    change()
    server.kill9()
    (server.data / "dump.rdb").write_bytes(dump)
    server.start()


def test_R5__older_dump_restored__said_in_health_and_log_and_what_came_since_is_lost(servers, mount):
    server = servers(appendonly="no")
    mnt = mount(server.url)
    known_thread(mnt, "old")

    def change():
        known_thread(mnt, "since")
        say(mnt / "old", "user", "two")

    restore_older_dump(server, change)
    soon(lambda: outcome(os.listdir, mnt / "old") == 0, timeout=10)
    assert turns(mnt / "old") == [(ONE, b"kept so far")]
    soon(lambda: is_lost(mnt / "since"), timeout=10)
    soon(lambda: "lost" in first_line(mnt, "since"), why(mnt, "since"), timeout=10)
    said = soon(lambda: re.search(r"^problem:.*\b(back in time|older|went back)\b.*$", health(mnt), re.M), health(mnt))
    print(said.group(0))
    assert state(mnt) != "ok"
    assert re.search(r"back in time|older|went back", mnt.stderr)


def test_R5__older_dump_restored_while_nothing_was_mounted__said_at_the_next_mount(servers, mount):
    server = servers(appendonly="no")
    mnt = mount(server.url)
    known_thread(mnt, "old")

    def change():
        for i in range(10):
            say(mnt / "old", "user", f"{i}")
        mnt.stop()

    restore_older_dump(server, change)
    mnt.start()
    soon(lambda: re.search(r"^problem:.*\b(back in time|older|went back)\b.*$", health(mnt), re.M), health(mnt))


def test_R5__numbers_and_revisions_after_an_older_dump__are_never_served_from_a_cache(servers, mount):
    server = servers(appendonly="no")
    mnt = mount(server.url)
    thread = known_thread(mnt, "old")
    restore_older_dump(server, lambda: [say(thread, "user", "lost"), read(thread / "000002-user.md")])
    soon(lambda: works(thread, "the new second"), timeout=10)
    assert [text for _, text in turns(thread)][-1] == b"the new second"
    assert b"lost" not in read(thread / "@transcript.jsonl")
    write(thread / ONE, "edited")
    assert read(thread / ONE) == b"edited"


def test_R5__rows_of_all_threads_deleted_in_redis__EIO_and_why_says_lost(pair, server):
    """The threads' own keys are there, and all that says so is in one that is not."""
    a, b = pair
    thread = known_thread(a, "some-thread")
    there = seen(b / "some-thread" / ONE).parent
    removed = known_thread(a, "removed")
    seen(b / "removed" / ONE)
    remove(removed)
    gone(b / "removed")
    server.cli("DEL", "turnfs:threads")
    for mnt, path in ((a, thread), (b, there)):
        assert "lost" in first_line(mnt, "some-thread")
        soon(lambda: is_lost(path), "EIO")
        assert "deleted at" in first_line(mnt, "removed")
        soon(lambda: [e["cause"] for e in ledger(mnt) if e["id"] == "some-thread"] == ["lost"], ledger(mnt))
    assert read(known_thread(a, "new") / ONE) == b"kept so far"
