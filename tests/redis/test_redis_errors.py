"""F2: each error of a server, brought about for real, and what the mount makes of it."""

import contextlib
import errno
import os
import socket
import threading
import time

import pytest

from across import health, seen, soon, state, timed, why
from harness import fails, outcome, read, run, say, turns, write

ONE = "000001-user.md"
SECRET_TEXT = "never-in-a-log"


@pytest.fixture
def quick(server, mount):
    """A mount that gives up after a second, with a thread of one turn."""
    mnt = mount(server.url, opts="timeout=1s")
    say(mnt.thread(), "user", SECRET_TEXT)
    return mnt


def logged(mnt, word, since=0):
    """F2: once, never with content."""
    text = mnt.stderr[since:]
    assert SECRET_TEXT not in mnt.stderr
    return [line for line in text.splitlines() if word in line]


# Nothing more can be written


def test_F2__out_of_memory__ENOSPC_reads_go_on_and_it_heals(quick, server):
    thread = quick / "thread"
    server.set("maxmemory", 1)
    for write_one in (lambda: say(thread, "user", SECRET_TEXT), lambda: write(thread / ONE, SECRET_TEXT),
                      lambda: os.mkdir(quick / "new"), lambda: write(thread / "a.txt", SECRET_TEXT)):
        assert outcome(write_one) == errno.ENOSPC
    assert read(thread / ONE) == SECRET_TEXT.encode() and os.listdir(quick.path) == ["thread"]
    assert state(quick) == "failed", health(quick)
    assert "memory" in health(quick)
    assert logged(quick, "memory") or logged(quick, "OOM")
    server.set("maxmemory", 0)
    soon(lambda: outcome(say, thread, "user", "after") == 0)
    assert len(turns(thread)) == 2
    soon(lambda: state(quick) == "ok", health(quick))


def test_W9__out_of_memory__what_is_there_can_be_removed(quick, server):
    thread = quick / "thread"
    write(thread / "notes.txt", SECRET_TEXT)
    server.set("maxmemory", 1)
    with fails(errno.ENOSPC):
        say(thread, "user", SECRET_TEXT)
    run("rm", "-r", thread)
    assert os.listdir(quick.path) == []
    server.set("maxmemory", 0)
    assert "deleted" in why(quick, "thread")


def test_F2__became_a_replica__EROFS_and_goes_on_when_it_is_a_master_again(quick, server):
    thread = quick / "thread"
    server.cli("REPLICAOF", "127.0.0.1", "1")
    with fails(errno.EROFS):
        say(thread, "user", SECRET_TEXT)
    with fails(errno.EROFS):
        os.mkdir(quick / "new")
    assert read(thread / ONE) == SECRET_TEXT.encode()
    soon(lambda: "replica" in health(quick), health(quick))
    server.cli("REPLICAOF", "NO", "ONE")
    soon(lambda: outcome(say, thread, "user", "after") == 0)
    assert len(turns(thread)) == 2


# Not allowed


def test_F2__password_demanded_suddenly__EACCES(quick, server):
    thread = quick / "thread"
    server.set("requirepass", "sesame")
    server.password = "sesame"
    server.disconnect_all()
    for call in (lambda: say(thread, "user", SECRET_TEXT), lambda: os.listdir(quick / "thread")):
        soon(lambda: outcome(call) == errno.EACCES, "EACCES")
    assert "sesame" not in quick.stderr
    server.set("requirepass", "")
    server.password = None
    soon(lambda: outcome(say, thread, "user", "after") == 0)


def test_F2__password_changed__EACCES_and_the_mount_heals_when_it_is_right_again(servers, mount):
    server = servers(requirepass="sesame")
    mnt = mount(f"redis+unix://:sesame@{server.path}", opts="timeout=1s")
    thread = mnt.thread()
    say(thread, "user", "x")
    server.set("requirepass", "other")
    server.password = "other"
    server.disconnect_all()
    soon(lambda: outcome(say, thread, "user", "y") == errno.EACCES)
    assert "sesame" not in mnt.stderr and "other" not in mnt.stderr
    assert "refuses the user or password" in health(mnt)
    server.set("requirepass", "sesame")
    server.password = "sesame"
    soon(lambda: outcome(say, thread, "user", "z") == 0)


@pytest.mark.parametrize("forbidden", ["-@write", "-eval -evalsha", "%R~*"])
def test_F2__user_without_a_permission__EACCES(servers, mount, forbidden):
    server = servers()
    server.cli("ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all")
    mnt = mount(f"redis+unix://app:pw@{server.path}", opts="timeout=1s")
    thread = mnt.thread()
    say(thread, "user", SECRET_TEXT)
    rules = ["resetkeys", forbidden] if "~" in forbidden else forbidden.split()
    server.cli("ACL", "SETUSER", "app", *rules)
    with fails(errno.EACCES):
        say(thread, "user", SECRET_TEXT)
    server.cli("ACL", "SETUSER", "app", "~*", "+@all")
    soon(lambda: outcome(say, thread, "user", "after") == 0)
    assert SECRET_TEXT not in mnt.stderr


@pytest.mark.parametrize("credentials", ["", ":swordfish@", "nobody:swordfish@"], ids=["none", "wrong password", "wrong user"])
def test_F2__mount_without_the_right_password__exit_status_1_and_a_sentence(servers, workshop, credentials):
    server = servers(requirepass="sesame")
    path = workshop.base / "m"
    path.mkdir()
    done = workshop.refused(f"redis+unix://{credentials}{server.path}", path, timeout=10)
    assert done.returncode == 1, done
    assert "password" in done.stderr or "NOAUTH" in done.stderr or "WRONGPASS" in done.stderr, done.stderr
    assert "swordfish" not in done.stderr


# Busy for a while


def busy(server, seconds):
    """A script of somebody else's that runs so long."""
    def run():
        with contextlib.suppress(Exception), server.client() as client:
            client.execute_command("EVAL", "while true do end", 0)

    server.set("busy-reply-threshold", 50)
    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.2)

    def end():
        time.sleep(max(0, seconds - 0.2))
        server.cli("SCRIPT", "KILL")

    killer = threading.Thread(target=end)
    killer.start()
    return thread, killer


def test_F2__busy_with_a_script_for_a_while__retried_and_succeeds(quick, server):
    threads = busy(server, 0.6)
    result, seconds = timed(say, quick / "thread", "user", "patient")
    for thread in threads:
        thread.join()
    assert result == 0 and seconds < 1.5
    assert [text for _, text in turns(quick / "thread")][-1] == b"patient"


def test_F2__busy_longer_than_the_timeout__EIO_in_time_and_it_heals(quick, server):
    threads = busy(server, 2.5)
    result, seconds = timed(say, quick / "thread", "user", "refused")
    assert result == errno.EIO and seconds < 2.2
    assert timed(os.listdir, quick.path)[1] < 2.2
    for thread in threads:
        thread.join()
    soon(lambda: outcome(say, quick / "thread", "user", "after") == 0)
    assert [text for _, text in turns(quick / "thread")] == [SECRET_TEXT.encode(), b"after"]


def load_slowly(server, seconds):
    """Restarts it with data whose loading takes about so long."""
    with server.client() as client:
        pipe = client.pipeline()
        for i in range(1000):
            pipe.set(f"ballast:{i}", b"x" * 2000)
        pipe.execute()
    server.stop()
    server.config |= {"key-load-delay": int(seconds * 1000), "loading-process-events-interval-bytes": 1024}
    server.start(wait=False)


def test_F2__loading_for_a_while__retried_and_succeeds(servers, mount):
    server = servers(appendonly="no", save="3600 1")
    mnt = mount(server.url, opts="timeout=10s")
    say(mnt.thread(), "user", "x")
    load_slowly(server, 1)
    result, seconds = timed(say, mnt / "thread", "user", "patient")
    print(f"{seconds:.2f} s")
    assert result == 0
    assert [text for _, text in turns(mnt / "thread")] == [b"x", b"patient"]


def test_F2__loading_longer_than_the_timeout__EIO_and_it_heals(servers, mount):
    server = servers(appendonly="no", save="3600 1")
    mnt = mount(server.url, opts="timeout=500ms")
    say(mnt.thread(), "user", "x")
    load_slowly(server, 3)
    result, seconds = timed(say, mnt / "thread", "user", "refused")
    assert result in (errno.EIO, errno.ETIMEDOUT) and seconds < 2
    soon(lambda: outcome(say, mnt / "thread", "user", "after") == 0, timeout=20)


def test_F2__replica_that_has_lost_its_master_and_serves_nothing__EIO_within_the_timeout(quick, server):
    server.set("replica-serve-stale-data", "no")
    server.cli("REPLICAOF", "127.0.0.1", "1")
    result, seconds = timed(read, quick / "thread" / "@transcript.jsonl")
    assert result == errno.EIO and seconds < 2.2
    server.cli("REPLICAOF", "NO", "ONE")
    soon(lambda: outcome(say, quick / "thread", "user", "after") == 0)


def test_F2__too_many_clients__retried_then_EIO_and_it_heals(quick, server):
    crowd = []
    try:
        server.set("maxclients", 20)
        server.disconnect_all()
        for _ in range(40):
            s = socket.socket(socket.AF_UNIX)
            s.connect(str(server.path))
            crowd.append(s)
        time.sleep(0.1)
        result, seconds = timed(say, quick / "thread", "user", "refused")
        assert seconds < 2.2
        if result == 0:
            pytest.skip("the mount had its connections back before the crowd came")
        assert result == errno.EIO
    finally:
        for s in crowd:
            s.close()
    soon(lambda: outcome(say, quick / "thread", "user", "after") == 0, timeout=5)


# Bad data


def test_F2__keys_of_another_type__EIO_the_rest_goes_on_and_it_is_logged_with_the_thread(quick, server):
    say(quick.thread("spoilt-thread"), "user", SECRET_TEXT)
    keys = server.keys("spoilt-thread")
    for key in keys:
        ttl = server.cli("PTTL", key)
        server.cli("DEL", key)
        server.cli("SET", key, "not what it should be", "PX", max(ttl, 1000))
    thread = quick / "spoilt-thread"
    soon(lambda: outcome(read, thread / ONE) == errno.EIO)
    assert outcome(say, thread, "user", SECRET_TEXT) == errno.EIO
    assert read(quick / "thread" / ONE) == SECRET_TEXT.encode()
    assert outcome(say, quick / "thread", "user", "x") == 0
    assert "thread" in os.listdir(quick.path)
    assert logged(quick, "spoilt-thread")


def test_F2__a_thread_of_garbage_is_written_to__writing_to_the_others_goes_on(quick, server):
    """W3 remembers errors of the store for those who do not look at close(): this one is one thread's."""
    bad = quick.thread("bad")
    say(bad, "user", "x")
    for key in server.keys("{bad}"):
        server.cli("DEL", key)
        server.cli("SET", key, "garbage")
    for _ in range(8):
        with fails(errno.EIO):
            say(bad, "user", "y")
        assert outcome(say, quick / "thread", "user", "z") == 0


def test_F2__garbage_in_each_key_of_a_thread__EIO_never_a_crash_or_wrong_text(server, mount):
    """Every field of every key, one at a time, is overwritten with nonsense of its own type."""
    mnt = mount(server.url, opts="timeout=1s")
    thread = mnt.thread("victim")
    texts = [f"text {i} " * 20 for i in range(3)]
    for text in texts:
        say(thread, "user", text)
    dumps = {key: (server.cli("DUMP", key), server.cli("PTTL", key)) for key in server.keys("victim")}
    spoilers = []
    for key in dumps:
        kind = server.cli("TYPE", key)
        kind = kind.decode() if isinstance(kind, bytes) else kind
        if kind == "hash":
            for field in server.cli("HKEYS", key):
                spoilers.append(("HSET", key, field, b"\xff\x00garbage"))
                spoilers.append(("HSET", key, field, b""))
                spoilers.append(("HDEL", key, field))
        elif kind == "zset":
            spoilers.append(("ZADD", key, "1e300", b"\xff/../x"))
        elif kind in ("list", "set"):
            spoilers.append(("RPUSH" if kind == "list" else "SADD", key, b"\xff/../x"))
        elif kind == "string":
            spoilers.append(("SET", key, b"\xff\x00garbage"))
    for spoiler in spoilers:
        server.cli(*spoiler)
        looks = [lambda: os.listdir(thread), lambda: read(thread / "thread.json"), lambda: read(thread / "@transcript.jsonl")]
        looks += [lambda i=i: read(thread / f"{i:06d}-user.md") for i in range(1, 4)]
        for look in looks:
            assert outcome(look) in (0, errno.EIO, errno.ENOENT, errno.EBADMSG), spoiler
        for i, text in enumerate(texts, 1):
            with contextlib.suppress(OSError):
                got = read(thread / f"{i:06d}-user.md")
                assert got == text.encode() or b"garbage" in got or got == b"", spoiler
        outcome(say, thread, "tool", "x")
        assert mnt.alive, spoiler
        server.cli("DEL", *server.keys("victim"))
        for key, (dump, ttl) in dumps.items():
            server.cli("RESTORE", key, max(ttl, 0), dump, "REPLACE")
        soon(lambda: outcome(os.stat, thread / ONE) == 0, str(spoiler), timeout=10)
    assert seen(thread / ONE)
