"""T6: what erasing asks of the disk."""

import time

import powercut
from harness import outcome, say, set_attribute, wait_until
from powercut import records

ZEROS = bytes(65536)


def test_T6__many_threads_erased_at_once__the_journal_is_overwritten_once_a_second_at_most(mount, shim):
    """Appends wait for it: done after each step, it was all that the disk did."""
    mnt = mount(env=shim.recording_env, opts="grace=0,ttl=1h")
    threads = [mnt.thread(f"t{i:03d}") for i in range(150)]
    for thread in threads:
        say(thread, "user", "to be erased " * 300)
    begun, start = shim["recorded"], time.monotonic()
    due = time.time() + 3
    for i, thread in enumerate(threads):
        set_attribute(thread, "turnfs.ttl", f"{max(1, int((due + i / 150 - time.time()) * 1000))}ms")
    wait_until(lambda: all(outcome(thread.stat) for thread in threads), 20)
    overwritten = lambda: [
        r for r in records(shim.record_path.read_bytes())
        if r[0] > begun and r[1] == powercut.WRITE and r[4] == 0 and r[6] == ZEROS
    ]
    wait_until(overwritten, 10)
    time.sleep(1.5)  # the last round
    rounds = len(overwritten())
    assert 1 <= rounds <= 2 + (time.monotonic() - start), rounds
