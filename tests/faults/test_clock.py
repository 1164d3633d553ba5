"""T11: the machine's clock steps while mounted."""

import os
import re
import time

from harness import get_attribute, parse_time, read, say, turns, wait_until


def step(clock, seconds):
    """The wall clock alone; deadlines go by another."""
    new = clock.path.with_suffix(".new")
    new.write_text(f"0 {seconds}\n")
    new.rename(clock.path)


def test_T11__clock_steps_forward__nothing_expires_early_and_it_is_logged(mount, clock):
    mnt = mount(opts="ttl=10m,warn=1m")
    thread = mnt.thread()
    say(thread, "user", "text")
    before = parse_time(get_attribute(thread, "turnfs.expires"))
    at = len(mnt.stderr)
    step(clock, 3600)
    wait_until(lambda: re.search(r"clock|time", mnt.stderr[at:]), 15, "a line in the log")
    time.sleep(0.3)
    assert os.listdir(mnt.path) == ["thread"]
    assert turns(thread) == [("000001-user.md", b"text")]
    assert abs(parse_time(get_attribute(thread, "turnfs.expires")) - before) < 2e9
    say(thread, "user", "goes on")
    assert parse_time(get_attribute(thread, "turnfs.expires")) - before < 60e9
    step(clock, 0)
    say(thread, "user", "and on")
    assert [c for _, c in turns(thread)] == [b"text", b"goes on", b"and on"]


def test_T11__clock_steps_back__nothing_lives_longer_the_order_stays_and_numbers_go_on(mount, clock):
    mnt = mount(opts="ttl=30s,warn=1s")
    thread = mnt.thread()
    say(thread, "user", "one")
    step(clock, -7200)
    say(thread, "user", "two")
    step(clock, 7200)
    say(thread, "user", "three")
    step(clock, -86400 * 365)
    say(thread, "user", "four")
    assert turns(thread) == [(f"{i + 1:06d}-user.md", w) for i, w in enumerate([b"one", b"two", b"three", b"four"])]
    clock.set(40)
    wait_until(lambda: os.listdir(mnt.path) == [], 5, "expiry by the time that has passed")
    assert "thread" in os.listdir(mnt / ".turnfs" / "expired")


def test_T11__clock_was_set_back_while_not_mounted__all_is_there_and_nothing_is_erased(mount, clock):
    mnt = mount(opts="ttl=10m,grace=10m")
    thread = mnt.thread()
    say(thread, "user", "text")
    mnt.stop()
    clock.set(-86400)
    mnt.start()
    assert turns(thread) == [("000001-user.md", b"text")]
    mnt.stop()
    clock.set(60)
    mnt.start()
    assert turns(thread) == [("000001-user.md", b"text")]
