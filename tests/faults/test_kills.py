"""R3, R4: the daemon is killed at each of the calls that a step makes on the store's files, one after the other."""

import contextlib
import json
import os
import time

import pytest

from harness import outcome, read, say, wait_until
from shim import KILLED

CALLS_MAX = 40
HOUR = 3600


def ledger(mnt):
    return [json.loads(line) for line in read(mnt / ".turnfs" / "ledger.jsonl").decode().splitlines()]


def lines(mnt, *threads):
    return [(e["id"], e["cause"]) for e in ledger(mnt) if e["id"] in threads]


def why(mnt, thread):
    return read(mnt / ".turnfs" / "why" / thread).decode()


CALLS = (["write", "sync"], ["wal", "db"], KILLED)


def is_calm(shim):
    before = shim["calls"]
    time.sleep(0.05)
    return shim["calls"] == before


def calm_down(shim):
    """A mount that has just begun makes its journal longer, call by call: that is not what is to be interrupted."""
    shim.arm(*CALLS, skip=10**9)
    wait_until(lambda: is_calm(shim), 10)
    shim.disarm()


def killed_at_each_call(mnt, shim, prepare, act, verify):
    """In each round a thread of its own: prepare(id), act(id, what that returned) is where the daemon dies, and
    verify(id) when it is mounted again; until act makes no more calls. Returns what each verify() said."""
    said = []
    for at in range(CALLS_MAX):
        thread = f"t{at:02d}"
        with contextlib.ExitStack() as stack:
            given = prepare(thread, stack)
            calm_down(shim)
            before = shim["injected"]
            shim.arm(*CALLS, skip=at, fails=1)
            with contextlib.suppress(OSError):
                act(thread, given)
                ledger(mnt)  # what is entered in the background is by then
            shim.disarm()
        killed = shim["injected"] > before
        if killed:
            mnt.proc.wait(10)
            mnt.start()
        said.append(verify(thread))
        if not killed:
            return said
    raise AssertionError(f"it made {CALLS_MAX} calls and more")


def is_swept(said):
    """The kills came before and after what was to happen, and at the end it happened."""
    print(said)
    return said[-1] and not said[0] and sum(said) > 1


def used(mnt, thread):
    """An empty thread that had a turn."""
    path = mnt.thread(thread)
    say(path, "user", "x")
    os.unlink(path / "000001-user.md")


def test_R4__killed_while_a_thread_is_removed__why_tells_it_if_it_is_gone(mount, shim):
    mnt = mount(env=shim.env)

    def verify(thread):
        gone = not os.path.exists(mnt / thread)
        assert lines(mnt, thread) == ([(thread, "deleted")] if gone else [])
        assert why(mnt, thread).startswith(f"{thread} was deleted at" if gone else f"{thread} is live"), gone
        return gone

    assert is_swept(killed_at_each_call(
        mnt, shim, lambda thread, _: used(mnt, thread), lambda thread, _: os.rmdir(mnt / thread), verify))


def test_R4__killed_while_a_thread_is_renamed_over_another__why_tells_of_both(mount, shim):
    mnt = mount(env=shim.env)

    def prepare(thread, _):
        say(mnt.thread(thread), "user", "x")
        used(mnt, thread + "-new")

    def verify(thread):
        new = thread + "-new"
        done = not os.path.exists(mnt / thread)
        assert os.path.exists(mnt / new / "000001-user.md") == done
        assert lines(mnt, thread, new) == ([(new, "deleted"), (thread, "renamed")] if done else [])
        assert why(mnt, thread).startswith(f"{thread} was renamed at" if done else f"{thread} is live"), done
        return done

    assert is_swept(killed_at_each_call(
        mnt, shim, prepare, lambda thread, _: os.rename(mnt / thread, mnt / (thread + "-new")), verify))


def test_R4__killed_when_a_thread_has_expired__it_is_entered_once_all_the_same(mount, shim, clock):
    mnt = mount(env=shim.env, opts="ttl=1h,grace=90d")

    def act(thread, _):
        clock.forward(HOUR + 60)
        wait_until(lambda: not os.path.exists(mnt / thread), 5)

    def verify(thread):
        wait_until(lambda: lines(mnt, thread), 5, "it is entered")
        told = f"{thread} expired at"
        assert why(mnt, thread).startswith(told)
        mnt.remount()
        assert why(mnt, thread).startswith(told)
        assert lines(mnt, thread) == [(thread, "expired")]
        return True

    said = killed_at_each_call(mnt, shim, lambda thread, _: used(mnt, thread), act, verify)
    assert len(said) > 2


def expired(mnt, clock, thread):
    used(mnt, thread)
    clock.forward(HOUR + 60)
    wait_until(lambda: not os.path.exists(mnt / thread), 5)


def verify_back(mnt):
    def verify(thread):
        back = os.path.exists(mnt / thread)
        wait_until(lambda: lines(mnt, thread), 5, "it is entered that it expired")
        ledger(mnt)
        assert lines(mnt, thread) == [(thread, "expired")] + ([(thread, "restored")] if back else [])
        return back

    return verify


def test_R4__killed_while_a_thread_is_restored__both_lines_are_there_once(mount, shim, clock):
    mnt = mount(env=shim.env, opts="ttl=1h,grace=90d")

    def act(thread, _):
        os.rename(mnt / ".turnfs" / "expired" / thread, mnt / thread)

    assert is_swept(killed_at_each_call(
        mnt, shim, lambda thread, _: expired(mnt, clock, thread), act, verify_back(mnt)))


def test_R4__killed_while_a_write_revives_a_thread__both_lines_are_there_once(mount, shim, clock):
    mnt = mount(env=shim.env, opts="ttl=1h,grace=90d")

    def prepare(thread, stack):
        used(mnt, thread)
        fd = os.open(mnt / thread / "note", os.O_CREAT | os.O_WRONLY)
        stack.callback(outcome, os.close, fd)
        clock.forward(HOUR + 60)
        wait_until(lambda: not os.path.exists(mnt / thread), 5)
        os.write(fd, b"late")
        return fd

    def act(_, fd):
        os.close(os.dup(fd))

    assert is_swept(killed_at_each_call(mnt, shim, prepare, act, verify_back(mnt)))


@pytest.mark.limit(300)
def test_R3__killed_while_a_thread_is_erased__why_tells_that_it_expired(mount, shim, clock):
    mnt = mount(env=shim.env, opts="ttl=1h,grace=1s")

    def act(thread, _):
        clock.forward(60)
        wait_until(lambda: any(e["id"] == thread and e["cause"] == "erased" for e in ledger(mnt)), 10)

    def verify(thread):
        assert why(mnt, thread).startswith(f"{thread} expired at")
        wait_until(lambda: (thread, "erased") in lines(mnt, thread), 20)
        assert lines(mnt, thread) == [(thread, "expired"), (thread, "erased")]
        return outcome(os.stat, mnt / ".turnfs" / "expired" / thread) != 0

    killed_at_each_call(mnt, shim, lambda thread, _: expired(mnt, clock, thread), act, verify)
