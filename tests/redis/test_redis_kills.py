"""R3, R4: the daemon is killed before or after each of the requests that a step makes, one after the other."""

import contextlib
import errno
import os
import threading

import pytest

from across import ledger, why
from harness import outcome, say
from proxy import Cut

REQUESTS_MAX = 40


class Killer:
    """Rules of a proxy: the daemon is killed at its nth request, which the server does not get; or at the answer."""

    def __init__(self, proxy, mnt, nth, at_answer):
        self.proc, self.left, self.at_answer = mnt.proc, nth, at_answer
        self.armed, self.killed = True, False
        self.lock = threading.Lock()
        proxy.on_request, proxy.on_reply = self.request, self.reply

    def kill(self):
        self.killed = True
        self.proc.kill()
        self.proc.wait(10)
        raise Cut

    def request(self, connection, data):
        with self.lock:
            if self.armed and not self.killed:
                self.left -= 1
                connection.doomed = self.left == -1
                if connection.doomed and not self.at_answer:
                    self.kill()
            return data

    def reply(self, connection, data):
        with self.lock:
            if self.armed and connection.doomed:
                self.kill()
            return data

    def ended(self):
        """Whether it has killed; it does not any more."""
        with self.lock:
            self.armed = False
            return self.killed


def killed_at_each_request(proxy, mnt, prepare, act, verify):
    """As in tests/faults/test_kills.py."""
    said = []
    for i in range(2 * REQUESTS_MAX):
        thread = f"03bb338d-65fb-4285-92b2-{i:012d}"
        prepare(thread)
        killer = Killer(proxy, mnt, i // 2, at_answer=i % 2)
        with contextlib.suppress(OSError):
            act(thread)
        killed = killer.ended()
        proxy.heal()
        if killed:
            proxy.cut()
            mnt.start()
        said.append(verify(thread))
        if not killed:
            break
    print(said)
    assert not killed, "it comes to an end"
    assert said[-1] and not said[0] and sum(said) > 1, "before it, after it, and at the end without"


def is_gone(path):
    found = outcome(os.stat, path)
    assert found in (0, errno.ENOENT), errno.errorcode[found]
    return found != 0


def used(mnt, thread):
    path = mnt.thread(thread)
    say(path, "user", "x")
    os.unlink(path / "000001-user.md")


def stored(server, *threads):
    """(id, cause) of the lines that the store itself has of them; this machine's copy is beside it."""
    lines = server.cli("ZRANGE", "turnfs:ledger", 0, -1)
    rows = [line.decode().split("\n") for line in lines]
    return [(row[1], int(row[0].split()[3])) for row in rows if row[1] in threads]


def lines(mnt, *threads):
    return [(e["id"], e["cause"]) for e in ledger(mnt) if e["id"] in threads]


@pytest.mark.limit(200)
def test_R4__killed_while_a_thread_is_removed__why_tells_it_if_it_is_gone(server, proxies, mount):
    proxy = proxies(server)
    mnt = mount(proxy.url)

    def verify(thread):
        gone = is_gone(mnt / thread)
        assert stored(server, thread) == ([(thread, 2)] if gone else [])
        assert lines(mnt, thread) == ([(thread, "deleted")] if gone else [])
        assert why(mnt, thread).startswith(f"{thread} was deleted at" if gone else f"{thread} is live"), gone
        return gone

    killed_at_each_request(
        proxy, mnt, lambda thread: used(mnt, thread), lambda thread: os.rmdir(mnt / thread), verify)


@pytest.mark.limit(200)
def test_R4__killed_while_a_thread_is_renamed_over_another__why_tells_of_both(server, proxies, mount):
    proxy = proxies(server)
    mnt = mount(proxy.url)

    def prepare(thread):
        say(mnt.thread(thread), "user", "x")
        used(mnt, thread + "-new")

    def verify(thread):
        new = thread + "-new"
        done = is_gone(mnt / thread)
        assert is_gone(mnt / new / "000001-user.md") != done
        assert stored(server, thread, new) == ([(new, 2), (thread, 3)] if done else [])
        assert lines(mnt, thread, new) == ([(new, "deleted"), (thread, "renamed")] if done else [])
        assert why(mnt, thread).startswith(f"{thread} was renamed at" if done else f"{thread} is live"), done
        return done

    killed_at_each_request(
        proxy, mnt, prepare, lambda thread: os.rename(mnt / thread, mnt / (thread + "-new")), verify)


@pytest.mark.limit(200)
def test_R4__killed_while_a_chat_servers_thread_is_removed__why_tells_it_if_it_is_gone(server, proxies, mount):
    proxy = proxies(server)
    mnt = mount(proxy.url + "?layout=zen")

    def verify(thread):
        gone = is_gone(mnt / thread)
        assert lines(mnt, thread) == ([(thread, "deleted")] if gone else [])
        return gone

    killed_at_each_request(proxy, mnt, lambda thread: mnt.thread(thread), lambda thread: os.rmdir(mnt / thread), verify)
