"""Many threads. TURNFS_SCALE threads of ten turns each: 10 000 by default, 100 000 for the full size.

The store is made through the mount (-o sync=fsync, one @transcript.jsonl a thread)."""

import json
import multiprocessing
import os
import subprocess
import time

import pytest

from harness import document, outcome, read, run, say, set_attribute, shell, turns, wait_until, write

SCALE = int(os.environ.get("TURNFS_SCALE", "10000"))
TURNS = 10
LINES = "".join(
    json.dumps({"role": "user" if i % 2 == 0 else "assistant", "content": f"turn {i} " + "text " * 20}) + "\n"
    for i in range(TURNS)
).encode()
MEMORY = 100 << 20


def name_of(i):
    return f"{i * 2654435761 % 2**32:08x}-{i:06d}"


def make(top, first, last):
    folder = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for i in range(first, last):
        os.mkdir(name_of(i), 0o700, dir_fd=folder)
        fd = os.open(name_of(i) + "/@transcript.jsonl", os.O_WRONLY, dir_fd=folder)
        os.write(fd, LINES)
        os.close(fd)
    os.close(folder)


def resident(mnt):
    """Memory of the daemon and its children, less what it shares with the file cache."""
    total = 0
    pids = [mnt.pid, *map(int, run("pgrep", "-P", mnt.pid, check=False).stdout.split())]
    for pid in pids:
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            fields = dict(line.split(":", 1) for line in f)
        total += int(fields["RssAnon"].split()[0]) * 1024 + int(fields["RssShmem"].split()[0]) * 1024
    return total


@pytest.fixture
def big(mount):
    mnt = mount(opts="sync=fsync,ttl=7d")
    begun = time.monotonic()
    half = SCALE // 2
    make_half = multiprocessing.get_context("fork").Process(target=make, args=(mnt.path, half, SCALE))
    make_half.start()
    make(mnt.path, 0, half)
    make_half.join()
    assert make_half.exitcode == 0
    print(f"{SCALE} threads of {TURNS} turns made in {time.monotonic() - begun:.1f} s")
    mnt.opts = "ttl=7d"
    mnt.remount()
    return mnt


@pytest.mark.limit(1800)
def test_scale__many_threads__mounts_lists_appends_and_stays_small(big, mount):
    empty = mount(store=big.base / "store" / "empty.db")
    times = {}
    for name, mnt in (("big", big), ("empty", empty)):
        best = 1e9
        for _ in range(3):
            mnt.stop()
            begun = time.monotonic()
            mnt.start()
            best = min(best, time.monotonic() - begun)
        times[name] = best
    print("mount:", {k: f"{v * 1000:.0f} ms" for k, v in times.items()})
    assert times["big"] < times["empty"] + 0.15, "a mount does not read the whole store"

    count = int(shell("ls -U | wc -l", cwd=big.path).stdout)
    assert count == SCALE
    listed = os.listdir(big.path)
    assert len(listed) == SCALE and set(listed) == {name_of(i) for i in range(SCALE)}
    print(f"resident after ls: {resident(big) >> 20} MiB")
    assert resident(big) < MEMORY

    for i in range(0, SCALE, max(1, SCALE // 200)):
        thread = big / name_of(i)
        say(thread, "user", f"more {i}")
        found = turns(thread)
        assert len(found) == TURNS + 1
        assert found[-1] == (f"{TURNS + 1:06d}-user.md", f"more {i}".encode())
    shell("ls -l | tail -1", cwd=big.path)
    assert resident(big) < MEMORY
    assert read(big / ".turnfs" / "latest").decode().strip() == name_of(range(0, SCALE, max(1, SCALE // 200))[-1])

    # An expiry is seen in time among all these.
    thread = big.thread("short-lived")
    set_attribute(thread, "turnfs.ttl", "1")
    last = time.time()
    time.sleep(max(0, last + 1.010 - time.time()))
    assert outcome(os.stat, thread) != 0
    assert "short-lived" not in os.listdir(big.path)


def known_files(mnt):
    metrics = read(mnt / ".turnfs" / "metrics").decode()
    return int(metrics.partition("\nturnfs_known_files ")[2].split()[0])


@pytest.mark.limit(300)
def test_scale__more_files_looked_at_than_are_kept__the_oldest_are_forgotten_and_nothing_changes(mount):
    """fs/trim.h: 65 536 to 81 920 stay."""
    mnt = mount(opts="sync=fsync")
    count, lines = 100, LINES * 100
    for i in range(count):
        write(mnt.thread(f"t{i:03d}") / "@transcript.jsonl", lines, os.O_WRONLY)
    first = mnt / "t000"
    inside = subprocess.Popen(["sh", "-c", "read x; ls | wc -l"], cwd=first, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    wanted = {e.name: (e.stat().st_ino, e.stat().st_mtime_ns) for e in os.scandir(first)}
    held = os.open(first / "000500-assistant.md", os.O_RDWR)
    before = read(first / "000500-assistant.md")
    for i in range(count):
        found = int(shell("find . -name '*.md' -size +0 -printf x | wc -c", cwd=mnt / f"t{i:03d}").stdout)
        assert found == 1000
    wait_until(lambda: known_files(mnt) <= 81_920 + 5_000, 10)
    print(f"{known_files(mnt)} known, {resident(mnt) >> 20} MiB resident")
    assert known_files(mnt) > 50_000, "no more than need be"
    assert os.pread(held, 100_000, 0) == before
    assert os.fstat(held).st_ino == wanted["000500-assistant.md"][0]
    os.pwrite(held, b"T", 0)
    os.close(held)
    assert read(first / "000500-assistant.md") == b"T" + before[1:]
    found = {e.name: (e.stat().st_ino, e.stat().st_mtime_ns) for e in os.scandir(first)}
    assert {n for n in wanted if found[n] != wanted[n]} == {"000500-assistant.md", "thread.json"}
    assert int(inside.communicate(b"\n")[0]) == 1001
    say(first, "user", "more")
    assert len(turns(first)) == 1001


def churn(top, seconds):
    """Threads come, are renamed and go."""
    end = time.monotonic() + seconds
    i = 0
    while time.monotonic() < end:
        path = os.path.join(top, f"churn-{os.getpid()}-{i}")
        os.mkdir(path)
        if i % 3 == 0:
            say(path, "user", "x")
            os.unlink(os.path.join(path, "000001-user.md"))
        if i % 2 == 0:
            os.rename(path, path + "-renamed")
            path += "-renamed"
        os.rmdir(path)
        i += 1


@pytest.mark.limit(300)
def test_scale__listing_under_churn__misses_no_stable_thread_and_shows_none_twice(mount):
    mnt = mount(opts="sync=fsync")
    stable = {f"stable{i:05d}" for i in range(3000)}
    for name in stable:
        os.mkdir(mnt / name)
    workers = [multiprocessing.get_context("fork").Process(target=churn, args=(str(mnt.path), 5)) for _ in range(2)]
    for worker in workers:
        worker.start()
    rounds = 0
    while any(worker.is_alive() for worker in workers):
        listed = os.listdir(mnt.path)
        seen = [name for name in listed if name in stable]
        assert len(seen) == len(stable), f"{len(stable) - len(seen)} missed"
        assert len(set(listed)) == len(listed), "a name twice"
        rounds += 1
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert rounds >= 5
    assert set(os.listdir(mnt.path)) == stable


def test_scale__slow_reader_of_a_directory__misses_no_stable_thread(mount):
    """One getdents at a time, with changes between them; and one that seeks back."""
    mnt = mount(opts="sync=fsync")
    stable = {f"stable{i:05d}" for i in range(2000)}
    for name in stable:
        os.mkdir(mnt / name)
    with os.scandir(mnt.path) as entries:
        seen = []
        for i, entry in enumerate(entries):
            seen.append(entry.name)
            if i % 20 == 0 and i < 1500:
                os.mkdir(mnt / f"new{i}")
                if i >= 100:
                    os.rmdir(mnt / f"new{i - 100}")
    assert stable <= set(seen)
    assert len(seen) == len(set(seen))


def test_scale__thread_of_many_turns__lists_all_and_appends_as_fast(mount):
    mnt = mount(opts="sync=fsync")
    thread = mnt.thread()
    count = 3000
    for _ in range(count // TURNS):
        write(thread / "@transcript.jsonl", LINES, os.O_WRONLY)
    assert len(turns(thread)) == count
    assert document(thread)["turn_count"] == count
    small = mnt.thread("small")

    def cost(where):
        best = 1e9
        for _ in range(30):
            begun = time.perf_counter()
            say(where, "user", "x" * 100)
            best = min(best, time.perf_counter() - begun)
        return best

    cost(small), cost(thread)
    one, many = cost(small), cost(thread)
    print(f"append: {one * 1e6:.0f} µs to a small thread, {many * 1e6:.0f} µs to one of {count}")
    assert many < 1.5 * one
    with subprocess.Popen(["cat", *sorted(str(thread / n) for n, _ in turns(thread)[:500])],
                          stdout=subprocess.PIPE) as cat:
        assert len(cat.stdout.read()) > 500 * 100
