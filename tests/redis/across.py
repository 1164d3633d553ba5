"""What tests of several mounts share: seeing, waiting, measuring, asking the mount."""

import json
import os
import threading
import time

from harness import outcome, read, say, wait_until

SOON = 3.0  # what must be seen, on a machine that does other things; how soon is measured elsewhere


def soon(condition, message="", timeout=SOON):
    return wait_until(condition, timeout, message, interval=0.001)


def seen(path, content=None):
    """Waits until another mount's file is here, with that content if it is given; returns the path."""
    content = content.encode() if isinstance(content, str) else content

    def here():
        try:
            return content is None or read(path) == content
        except FileNotFoundError:
            return False

    soon(lambda: here() and os.stat(path), f"{path} is here")
    return path


def gone(path):
    soon(lambda: not os.path.lexists(path), f"{path} has gone")


def health(mnt):
    return read(mnt / ".turnfs" / "health").decode()


def state(mnt):
    """ok, degraded or failed."""
    return health(mnt).splitlines()[0]


def why(mnt, thread):
    return read(mnt / ".turnfs" / "why" / str(thread)).decode()


def ledger(mnt):
    return [json.loads(line) for line in read(mnt / ".turnfs" / "ledger.jsonl").decode().splitlines()]


def remove(thread):
    for name in os.listdir(thread):
        os.unlink(thread / name)
    os.rmdir(thread)


def timed(call, *args):
    """(errno or 0, seconds)"""
    begun = time.monotonic()
    result = outcome(call, *args)
    return result, time.monotonic() - begun


def works(thread, text="Is it back?"):
    """Whether a turn can be written there, now."""
    return outcome(say, thread, "user", text) == 0


def lags(change, look, rounds):
    """For each round: the seconds from the end of change(i) until look(i) is true."""
    found = []
    for i in range(rounds):
        change(i)
        begun = time.monotonic()
        while not look(i):
            assert time.monotonic() - begun < SOON, f"round {i}: not seen in {SOON} s"
        found.append(time.monotonic() - begun)
    return sorted(found)


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(q * len(values)))]


def together(*calls):
    """Runs all of them at once, each in a thread; what they raise is raised."""
    errors = []

    def run(call):
        try:
            call()
        except BaseException as error:  # pylint: disable=broad-except
            errors.append(error)

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
