"""F1: the server is away, silent, cut off, slow: bounded calls, nothing stale, nothing twice, nothing lost."""

import errno
import os
import random
import signal
import subprocess
import threading
import time

import pytest

from across import gone, health, seen, soon, state, timed, together, why
from harness import (BINARY, attributes, document, mounts_on, opened, outcome, read, run, say, set_attribute, turns,
                     write, write_all)

ONE = "000001-user.md"
AWAY = (errno.EIO, errno.ETIMEDOUT)
TIMEOUT = 1.0
SLACK = 1.0  # for a machine that does other things


def reading(thread):
    return {
        "ls of the root": lambda: os.listdir(thread.parent),
        "ls": lambda: os.listdir(thread),
        "stat": lambda: os.stat(thread / ONE),
        "stat of no name": lambda: os.stat(thread / "not-there"),
        "open and read": lambda: read(thread / ONE),
        "thread.json": lambda: document(thread),
        "transcript": lambda: read(thread / "@transcript.jsonl"),
        "attributes": lambda: attributes(thread / ONE),
        "another thread": lambda: os.listdir(thread.parent / "other"),
        "expired": lambda: os.listdir(thread.parent / ".turnfs" / "expired"),
        "df": lambda: os.statvfs(thread),
    }


def writing(thread):
    return {
        "append": lambda: say(thread, "user", "refused"),
        "edit": lambda: write(thread / ONE, "refused"),
        "create": lambda: write(thread / "new.txt", "refused"),
        "exclusive": lambda: write(thread / "000009-user.md", "refused", os.O_CREAT | os.O_EXCL | os.O_WRONLY),
        "mkdir": lambda: os.mkdir(thread.parent / "new"),
        "rename": lambda: os.rename(thread / ONE, thread / "renamed.md"),
        "unlink": lambda: os.unlink(thread / ONE),
        "rmdir": lambda: os.rmdir(thread.parent / "other"),
        "setxattr": lambda: set_attribute(thread / ONE, "k", "refused"),
        "chmod": lambda: os.chmod(thread / ONE, 0o600),
        "touch": lambda: os.utime(thread),
        "rename a thread": lambda: os.rename(thread, thread.parent / "renamed"),
    }


def prepared(mnt):
    thread = mnt.thread()
    say(thread, "user", "kept")
    mnt.thread("other")
    os.listdir(mnt.path)
    read(thread / ONE)
    return thread


def bounded(calls, limit=TIMEOUT + SLACK):
    """Each call's errno; each ends in time, also those that are more than one request."""
    results = {}

    def one(name, call):
        results[name], seconds = timed(call)
        assert seconds < limit, f"{name} took {seconds:.2f} s"

    together(*(lambda n=n, c=c: one(n, c) for n, c in calls.items()))
    return results


# Silent, away


def test_F1__server_stopped__every_call_ends_within_the_timeout_and_it_heals(any_server, mount):
    mnt = mount(any_server.url, opts=f"timeout={TIMEOUT:g}s")
    thread = prepared(mnt)
    any_server.pause()
    first = bounded(writing(thread))
    assert set(first.values()) <= set(AWAY), first
    results = bounded(reading(thread))
    wrong = {name: result for name, result in results.items() if result not in (0, *AWAY)}
    assert not wrong, wrong
    assert results["another thread"] in AWAY and results["ls"] in AWAY, "known to be away, nothing is served as fresh"
    any_server.resume()
    soon(lambda: read(thread / ONE) == b"kept" if outcome(os.stat, thread) == 0 else False, timeout=5)
    assert outcome(say, thread, "assistant", "after") == 0
    found = [text for _, text in turns(thread)]
    assert found.count(b"refused") <= 1, "what was sent in time may have been done; nothing is done twice"
    assert found[0] == b"kept" and found[-1] == b"after"


def test_F1__server_stopped__a_name_that_was_known__takes_one_timeout_and_not_two(server, mount):
    """The kernel looks a name up again at once when the first time failed."""
    mnt = mount(server.url, opts="timeout=3s")
    thread = prepared(mnt)
    time.sleep(0.3)
    server.pause()
    result, seconds = timed(os.chmod, thread, 0o711)
    assert result in AWAY and seconds < 4.5
    result, seconds = timed(os.stat, thread)
    assert result in AWAY and seconds < 1, "it is known by then to be away"
    server.resume()
    soon(lambda: outcome(say, thread, "assistant", "after") == 0, timeout=5)


def test_F1__server_stopped__more_calls_than_threads__each_ends_within_the_timeout(server, mount):
    mnt = mount(server.url, opts="timeout=3s")
    prepared(mnt)
    server.pause()
    results = []
    together(*(lambda i=i: results.append(timed(os.stat, mnt / f"not-there-{i}")) for i in range(100)))
    assert {code for code, _ in results} <= set(AWAY)
    assert max(seconds for _, seconds in results) < 4.5
    server.resume()
    soon(lambda: outcome(os.stat, mnt / "not-there") == errno.ENOENT, timeout=5)


def test_F1__server_gone__every_call_ends_at_once_or_within_the_timeout_and_it_heals(server, mount):
    mnt = mount(server.url, opts=f"timeout={TIMEOUT:g}s")
    thread = prepared(mnt)
    server.kill9()
    results = bounded(writing(thread))
    assert set(results.values()) <= set(AWAY), results
    results = bounded(reading(thread))
    assert {results[name] for name in ("ls", "open and read", "stat", "thread.json")} <= set(AWAY), results
    server.start()
    soon(lambda: outcome(say, thread, "assistant", "after") == 0, timeout=5)
    assert [text for _, text in turns(thread)] == [b"kept", b"after"]
    soon(lambda: state(mnt) == "ok", health(mnt), timeout=10)


def test_F1__server_away__what_the_mount_says_of_itself_still_answers(server, mount):
    mnt = mount(server.url, opts=f"timeout={TIMEOUT:g}s")
    prepared(mnt)
    server.pause()
    looks = {name: lambda name=name: read(mnt / ".turnfs" / name) for name in ("health", "metrics", "config", "README.md")}
    looks["why"] = lambda: why(mnt, "thread")
    looks["ledger"] = lambda: read(mnt / ".turnfs" / "ledger.jsonl")
    results = bounded(looks)
    assert {results[name] for name in ("health", "config", "README.md")} == {0}, results
    outcome(say, mnt / "thread", "user", "x")
    assert state(mnt) in ("degraded", "failed")
    done = subprocess.run([BINARY, "status", mnt.path], capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode in (1, 2), done


def test_F1_C2__server_gone__list_fails_instead_of_showing_nothing(server, mount):
    mnt = mount(server.url, opts=f"timeout={TIMEOUT:g}s")
    prepared(mnt)
    server.kill9()
    for command in (["list"], ["list", "--json"], ["list", "--expired"], ["why", "thread"]):
        done = subprocess.run([BINARY, *command, mnt.path], capture_output=True, text=True, timeout=30, check=False)
        if command[0] == "why" and done.returncode == 0:
            continue  # what the mount knows by itself it may tell
        assert (done.returncode, done.stdout) == (1, ""), done
        assert f"`turnfs status {mnt.path}` says why" in done.stderr, done


def test_F1__default_timeout__is_5_s(server, mount):
    mnt = mount(server.url)
    thread = prepared(mnt)
    server.pause()
    result, seconds = timed(say, thread, "user", "refused")
    assert result in AWAY and 4 < seconds < 6.5


def test_F1__server_stopped__ls_can_be_interrupted(server, mount, program):
    mnt = mount(server.url, opts="timeout=20s")
    thread = prepared(mnt)
    server.pause()
    waited = 0
    try:
        for command in ([program("ls"), "-l", thread.parent / "other"], [program("cat"), thread / "@transcript.md"],
                        [program("sh"), "-c", f"echo x > {thread}/@user"]):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.3)
            waited += process.poll() is None
            process.send_signal(signal.SIGINT)
            process.wait(2)
    finally:
        server.resume()
        process.wait()
    assert waited, "they had to wait for the server"


def test_F1__server_stopped__umount_returns_and_the_daemon_ends(server, mount):
    mnt = mount(server.url, opts=f"timeout={TIMEOUT:g}s")
    thread = prepared(mnt)
    server.pause()
    outcome(say, thread, "user", "refused")
    begun = time.monotonic()
    mnt.stop(timeout=10)
    assert time.monotonic() - begun < 3 * TIMEOUT + SLACK
    server.resume()
    mnt.start()
    assert read(thread / ONE) == b"kept"


def test_F1__server_stopped__SIGTERM_ends_it_with_0(server, mount):
    mnt = mount(server.url, opts=f"timeout={TIMEOUT:g}s")
    prepared(mnt)
    server.pause()
    mnt.terminate(timeout=10)
    assert not mounts_on(mnt.path)


def test_F1__SIGTERM_while_calls_wait_for_the_server__they_end_in_time_and_the_daemon_after_them(server, mount):
    mnt = mount(server.url, opts="timeout=2s")
    thread = prepared(mnt)
    server.pause()
    waited = []
    waiting = threading.Thread(target=lambda: waited.append(timed(os.listdir, thread.parent / "other")))
    waiting.start()
    time.sleep(0.2)
    begun = time.monotonic()
    mnt.proc.terminate()
    waiting.join()
    mnt.proc.wait(10)
    assert waited[0][0] in AWAY and waited[0][1] < 2 + SLACK
    assert time.monotonic() - begun < 2 * 2 + SLACK, "what it has to say to the server at its end is bounded, too"
    assert not mounts_on(mnt.path)


def test_F1__server_killed_and_restarted__both_mounts_go_on_and_see_each_other(any_server, mount):
    a, b = mount(any_server.url), mount(any_server.url)
    here, there = a.thread(), seen(b / "thread")
    for i in range(3):
        any_server.kill9()
        time.sleep(0.1)
        any_server.start()
        soon(lambda: outcome(say, here, "user", f"a{i}") == 0, timeout=5)
        soon(lambda: turns(there)[-1][1] == f"a{i}".encode() if outcome(os.stat, there) == 0 else False, timeout=5)
        say(there, "user", f"b{i}")
        soon(lambda: turns(here)[-1][1] == f"b{i}".encode(), timeout=5)
    soon(lambda: state(a) == state(b) == "ok", health(a), timeout=10)


def test_F1__scripts_forgotten_by_the_server__nobody_notices(pair, server):
    a, b = pair
    here = a.thread()
    for i in range(5):
        server.cli("SCRIPT", "FLUSH")
        say(here, "user", f"{i}")
        server.cli("SCRIPT", "FLUSH")
        seen(b / "thread" / f"{i + 1:06d}-user.md", f"{i}")


def test_F1__all_connections_closed_by_the_server__nobody_notices(pair, server):
    a, b = pair
    here = a.thread()
    for i in range(10):
        server.disconnect_all()
        say(here, "user", f"{i}")
        soon(lambda: len(turns(b / "thread")) == i + 1, timeout=5)


# Nothing stale


def test_F6__cut_off_from_the_server__nothing_stale_is_served_as_fresh(server, mount, proxies):
    proxy = proxies(server)
    a, b = mount(server.url), mount(proxy.url, opts="timeout=500ms")
    thread = a.thread()
    say(thread, "user", "old")
    there = seen(b / "thread" / ONE, "old").parent
    os.listdir(there)
    proxy.away()
    write(thread / ONE, "new")
    say(thread, "user", "second")
    soon(lambda: outcome(read, there / ONE) in AWAY, "it knows that it is cut off")
    for name, result in bounded(reading(there)).items():
        assert result in (*AWAY, 0 if name == "df" else errno.EIO), name
    proxy.back()
    soon(lambda: outcome(read, there / ONE) == 0, timeout=5)
    assert read(there / ONE) == b"new" and os.stat(there / ONE).st_size == 3
    assert len(turns(there)) == 2


def test_F6__connection_lost_and_had_again_at_once__what_changed_meanwhile_is_seen(server, mount, proxies):
    proxy = proxies(server)
    a, b = mount(server.url), mount(proxy.url)
    thread = a.thread()
    seen(b / "thread")
    for i in range(15):
        say(thread, "user", "old")
        name = f"{i + 1:06d}-user.md"
        seen(b / "thread" / name, "old")
        proxy.cut()
        write(thread / name, f"new {i}")
        soon(lambda: outcome(read, b / "thread" / name) == 0 and read(b / "thread" / name) == f"new {i}".encode())


def test_F6__silent_connection__is_noticed_within_seconds_and_then_nothing_stale_is_served(server, mount, proxies):
    proxy = proxies(server)
    a, b = mount(server.url), mount(proxy.url, opts=f"timeout={TIMEOUT:g}s")
    thread = a.thread()
    say(thread, "user", "old")
    there = seen(b / "thread" / ONE, "old").parent
    proxy.silence()
    write(thread / ONE, "new")
    begun = time.monotonic()
    soon(lambda: outcome(read, there / ONE) in AWAY, "EIO, not the old text", timeout=10)
    print(f"noticed after {time.monotonic() - begun:.2f} s")
    assert time.monotonic() - begun < 2 * TIMEOUT + SLACK + 1
    proxy.heal()
    soon(lambda: outcome(read, there / ONE) == 0 and read(there / ONE) == b"new", timeout=10)


def test_F6__deleted_while_cut_off__gone_when_it_is_back(server, mount, proxies):
    proxy = proxies(server)
    a, b = mount(server.url), mount(proxy.url, opts="timeout=500ms")
    for name in ("one", "two"):
        say(a.thread(name), "user", "x")
        seen(b / name / ONE)
    proxy.away()
    os.unlink(a / "one" / ONE)
    os.rmdir(a / "one")
    proxy.back()
    soon(lambda: outcome(os.listdir, b.path) == 0 and os.listdir(b.path) == ["two"], timeout=5)
    gone(b / "one")


# Unknown outcomes


def told_and_found(thread, count, text, tolerated=AWAY):
    """Appends `count` turns; those whose close() returned 0, and how often each text is there."""
    told = []
    for i in range(count):
        code = outcome(say, thread, "user", text(i))
        assert code in (0, *tolerated), errno.errorcode[code]
        if code == 0:
            told.append(text(i))
    found = {}
    for _, content in turns(thread):
        found[content.decode()] = found.get(content.decode(), 0) + 1
    return told, found


@pytest.mark.parametrize("fault", ["before the request", "before the reply", "within the reply"])
def test_F1__connection_cut_at_a_write__turn_is_there_exactly_once(server, mount, proxies, fault):
    proxy = proxies(server)
    mnt = mount(proxy.url)
    thread = mnt.thread()
    for i in range(20):
        needle = b"needle %d." % i
        if fault == "before the request":
            proxy.cut_before_request(needle)
        else:
            proxy.cut_before_reply(needle, after=3 if "within" in fault else 0)
        say(thread, "user", needle)
        proxy.heal()
    assert [text for _, text in turns(thread)] == [b"needle %d." % i for i in range(20)]


@pytest.mark.parametrize("operation", ["edit", "create", "rename", "unlink", "mkdir", "ttl", "attribute", "transcript"])
def test_F1__connection_cut_before_the_reply__every_kind_of_write_is_done_once(server, mount, proxies, operation):
    proxy = proxies(server)
    mnt = mount(proxy.url)
    thread = mnt.thread("needle")
    write(thread / ONE, "old")
    write(thread / "a.txt", "a")
    lines = '{"role": "user", "content": "x"}\n' * 3
    do, done = {
        "edit": (lambda: write(thread / ONE, "new"), lambda: read(thread / ONE) == b"new"),
        "create": (lambda: write(thread / "b.txt", "b"), lambda: read(thread / "b.txt") == b"b"),
        "rename": (lambda: os.rename(thread / "a.txt", thread / "c.txt"), lambda: read(thread / "c.txt") == b"a"),
        "unlink": (lambda: os.unlink(thread / "a.txt"), lambda: not (thread / "a.txt").exists()),
        "mkdir": (lambda: os.mkdir(mnt / "needle-2"), lambda: os.listdir(mnt / "needle-2") == ["thread.json"]),
        "ttl": (lambda: set_attribute(thread, "turnfs.ttl", "7d"), lambda: document(thread)["ttl_seconds"] == 604800),
        "attribute": (lambda: set_attribute(thread / ONE, "k", "v"), lambda: attributes(thread / ONE) == {"k": b"v"}),
        "transcript": (lambda: write(thread / "@transcript.jsonl", lines, os.O_WRONLY),
                       lambda: len(turns(thread)) == 4),
    }[operation]
    proxy.cut_before_reply(b"needle", times=1)
    do()
    proxy.heal()
    assert done()


def test_F1__server_killed_between_request_and_reply__turn_is_there_exactly_once(servers, mount, proxies):
    server = servers()
    proxy = proxies(server)
    mnt = mount(proxy.url)
    thread = mnt.thread()
    say(thread, "user", "0")
    for i in range(1, 4):
        proxy.cut_before_reply(b"needle %d." % i)
        killed = threading.Event()

        def kill_it(_, data):
            if not killed.is_set():
                killed.set()
                server.kill9()
                server.start()
            return data

        proxy.on_reply, spoiled = None, proxy.on_reply
        proxy.on_reply = lambda connection, data: spoiled(connection, kill_it(connection, data) if connection.doomed
                                                          else data)
        say(thread, "user", f"needle {i}.")
        proxy.heal()
    assert [text for _, text in turns(thread)] == [b"0", b"needle 1.", b"needle 2.", b"needle 3."]


def test_F1__connection_cut_at_random__none_twice_none_lost(server, mount, proxies):
    proxy = proxies(server)
    a, b = mount(proxy.url), mount(server.url)
    threads = [a.thread(f"t{i}") for i in range(4)]
    seed = int(os.environ.get("TURNFS_SEED", time.time_ns() % 10**9))
    print("TURNFS_SEED =", seed)
    rng = random.Random(seed)

    def unreliable(_, data):
        if rng.random() < 0.02:
            proxy_cut()
        return data

    def proxy_cut():
        from proxy import Cut  # pylint: disable=import-outside-toplevel

        raise Cut

    proxy.on_request = proxy.on_reply = unreliable
    results = {}
    together(*(lambda t=t: results.update({t: told_and_found(t, 60, lambda i: f"turn {i}")}) for t in threads))
    proxy.heal()
    for thread, (told, _) in results.items():
        assert len(told) > 30, "most of them went through"
        found = [text.decode() for _, text in turns(b / thread.name)]
        assert len(found) == len(set(found)), "none twice"
        assert set(told) <= set(found), "none lost"


def test_F1__silent_at_a_write__ETIMEDOUT_and_after_the_reconnect_it_is_there_once_or_not_at_all(server, mount, proxies):
    proxy = proxies(server)
    mnt = mount(proxy.url, opts="timeout=500ms")
    thread = mnt.thread()
    for i in range(4):
        proxy.cut_before_reply(b"needle %d." % i, after=0)
        swallowed = proxy.on_reply

        def silent(connection, data):
            if connection.doomed:
                proxy.away()
            return swallowed(connection, data)

        proxy.on_reply = silent
        code = outcome(say, thread, "user", f"needle {i}.")
        assert code in AWAY
        proxy.heal()
        soon(lambda: outcome(say, thread, "user", f"after {i}.") == 0, timeout=5)
    found = [text for _, text in turns(thread)]
    assert len(found) == len(set(found))
    assert [text for text in found if text.startswith(b"after")] == [b"after %d." % i for i in range(4)]


# Slow


def test_F1__one_byte_at_a_time__all_works(server, mount, proxies):
    proxy = proxies(server)
    proxy.trickles = True
    mnt = mount(proxy.url)
    thread = mnt.thread()
    for i in range(3):
        say(thread, "user", f"{i}" * 500)
    write(thread / "a.bin", os.urandom(5000))
    set_attribute(thread / ONE, "k", "v")
    assert [len(text) for _, text in turns(thread)] == [500] * 3
    assert attributes(thread / ONE) == {"k": b"v"} and len(read(thread / "a.bin")) == 5000
    b = mount(server.url)
    write(b / "thread" / ONE, "changed")
    soon(lambda: read(thread / ONE) == b"changed")


def test_F1__slow_server__calls_take_longer_and_succeed_up_to_the_timeout(server, mount, proxies):
    proxy = proxies(server)
    mnt = mount(proxy.url, opts=f"timeout={TIMEOUT:g}s")
    thread = prepared(mnt)
    proxy.delay(0.1)
    result, seconds = timed(say, thread, "user", "late")
    assert result == 0 and seconds > 0.1
    proxy.delay(3 * TIMEOUT)
    result, seconds = timed(say, thread, "user", "too late")
    assert result in AWAY and seconds < TIMEOUT + SLACK
    proxy.heal()
    soon(lambda: outcome(say, thread, "user", "in time") == 0, timeout=8)
    found = [text for _, text in turns(thread)]
    assert found.count(b"too late") <= 1 and found[-1] == b"in time"


def test_F1__server_stopped_while_many_write__each_ends_in_time_and_after_it_none_is_twice(server, mount):
    mnt = mount(server.url, opts=f"timeout={TIMEOUT:g}s")
    thread = prepared(mnt)
    told, codes = [], []

    def work(writer):
        for i in range(40):
            code, seconds = timed(say, thread, "user", f"{writer}:{i}")
            assert seconds < TIMEOUT + 2 * SLACK
            codes.append(code)
            if code == 0:
                told.append(f"{writer}:{i}".encode())
            time.sleep(0.01)

    def stop_it():
        time.sleep(0.15)
        server.pause()
        time.sleep(TIMEOUT * 1.5)
        server.resume()

    together(stop_it, *(lambda w=w: work(w) for w in range(8)))
    assert set(codes) <= {0, *AWAY} and 0 in codes
    soon(lambda: outcome(os.listdir, thread) == 0, timeout=5)
    found = [text for _, text in turns(thread)]
    assert len(found) == len(set(found)) and set(told) <= set(found)


def test_F1__write_after_the_server_has_gone__shells_echo_reports_it(server, mount):
    """W3: a builtin echo ignores close(); once a commit has failed write() itself fails."""
    mnt = mount(server.url, opts="timeout=300ms")
    thread = prepared(mnt)
    server.kill9()
    outcome(say, thread, "user", "first")
    done = run("sh", "-c", f"echo x > {thread}/@user", check=False)
    assert done.returncode != 0
    with pytest.raises(OSError):
        with opened(thread / "@user", os.O_WRONLY) as fd:
            write_all(fd, b"x")
    server.start()
    soon(lambda: outcome(say, thread, "user", "after") == 0, timeout=5)


def test_F1__away_and_back__logged_once_each(server, mount):
    mnt = mount(server.url, opts="timeout=300ms")
    thread = prepared(mnt)
    before = len(mnt.stderr.splitlines())
    server.kill9()
    for _ in range(10):
        outcome(say, thread, "user", "x")
        outcome(os.listdir, thread)
    server.start()
    soon(lambda: outcome(say, thread, "user", "after") == 0, timeout=5)
    time.sleep(0.3)
    lines = mnt.stderr.splitlines()[before:]
    assert 1 <= len(lines) <= 12, lines
    assert len(lines) == len(set(lines)), lines
