"""F7: one byte of the store changes; each file then reads right, or EIO, or the mount says why not."""

import collections
import contextlib
import errno
import os
import random
import re
import sqlite3
import time

import pytest

from harness import BINARY, document, fails, has_test_hooks, outcome, read, run, say, set_document, wait_until, write  # noqa: F401

FLIPS = int(os.environ.get("TURNFS_FLIPS", "50"))


def seed_of_run():
    seed = int(os.environ.get("TURNFS_SEED", time.time_ns() % 10**9))
    print("TURNFS_SEED =", seed)
    return seed


def fill(mnt, rng):
    """{path in the mount: content}, of rows small and large."""
    known = {}
    for number in range(4):
        thread = mnt.thread(f"thread{number}")
        for turn in range(1, 9):
            content = rng.randbytes(rng.choice([5, 60, 700, 3000, 9000, 20000]))
            write(thread / f"{turn:06d}-user.md", content)
            known[f"thread{number}/{turn:06d}-user.md"] = content
        content = rng.randbytes(500)
        write(thread / "attached.png", content)
        known[f"thread{number}/attached.png"] = content
        os.setxattr(thread / "000001-user.md", "user.model", b"some-model")
        set_document(thread, {"title": f"title {number}", "note": "x" * 200})
    return known


def look(mnt, known, older=False):
    """How all that is known reads now; AssertionError for what is wrong. `older`: as it was at an
    earlier moment is right too."""
    outcomes = collections.Counter()
    for path, content in known.items():
        try:
            assert read(mnt / path) == content, f"{path} is not what was written"
            outcomes["right"] += 1
        except OSError as error:
            outcomes[errno.errorcode[error.errno]] += 1
    for number in range(4):
        try:
            found = document(mnt / f"thread{number}")
            title = found["title"]
            assert title == f"title {number}" and found["note"] == "x" * 200 or (older and title is None)
            outcomes["right"] += 1
        except OSError as error:
            outcomes[errno.errorcode[error.errno]] += 1
        try:
            assert os.getxattr(mnt / f"thread{number}/000001-user.md", "user.model") == b"some-model"
        except OSError as error:
            outcomes[errno.errorcode[error.errno]] += 1
    assert set(outcomes) <= {"right", "EIO", "ENOENT", "ENODATA"}, outcomes
    return outcomes


def refused_with_a_sentence(mnt, at):
    said = [line for line in mnt.stderr[at:].splitlines() if "warning" not in line]
    assert mnt.proc.wait(10) in (1, 4), mnt.proc.returncode
    assert said and all(line.startswith("turnfs: ") for line in said) and len(said) <= 3, said


def check_flips(mnt, known, name, image, rng, count):
    seen, absent = collections.Counter(), []
    folder = mnt.store.parent
    for flip in range(count):
        data = bytearray(image[name])
        at, bit = rng.randrange(len(data)), 1 << rng.randrange(8)
        data[at] ^= bit if rng.random() < 0.5 else rng.randrange(1, 256)
        for other in folder.iterdir():
            other.unlink()
        for other, content in image.items():
            (folder / other).write_bytes(data if other == name else content)
            (folder / other).chmod(0o600)
        begun = len(mnt.stderr)
        where = f"byte {at} of {name}, flip {flip}"
        try:
            mnt.start()
        except Exception:
            refused_with_a_sentence(mnt, begun)
            seen["refused"] += 1
            continue
        try:
            outcomes = look(mnt, known, older=name != "turnfs.db")
            os.listdir(mnt.path)
            outcome(say, mnt / "thread0", "user", "goes on")
        except AssertionError as error:
            raise AssertionError(f"{where}: {error}") from error
        assert mnt.alive, f"{where}: the daemon ended: {mnt.stderr[begun:][-3000:]}"
        health = read(mnt / ".turnfs" / "health").decode().split()[0]
        kind = "right" if set(outcomes) == {"right"} else "EIO" if "EIO" in outcomes else "absent"
        if kind == "EIO" and health == "ok":  # a page of the tree: SQLite says so, not a checksum of ours
            seen["EIO and health ok"] += 1
        if outcomes["ENOENT"] or outcomes["ENODATA"]:
            absent.append((where, dict(outcomes), health))
        seen[kind] += 1
        mnt.check_stderr()
        mnt.kill9()
    print(dict(seen), *absent[:8], sep="\n")
    return seen, absent


def image_of(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if not p.name.endswith(("-shm", "-lock"))}


@pytest.mark.limit(900)
def test_F7__any_one_byte_of_the_store_is_changed__right_or_EIO_or_refused_never_wrong(mnt):
    rng = random.Random(seed_of_run())
    known = fill(mnt, rng)
    mnt.stop()
    seen, absent = check_flips(mnt, known, "turnfs.db", image_of(mnt.store.parent), rng, FLIPS)
    assert seen["EIO"] and seen["right"], seen


@pytest.mark.limit(900)
def test_F7__any_one_byte_of_the_journal_is_changed__never_wrong_and_never_a_crash(mnt):
    """What SQLite finds after a damaged frame it drops as never committed: that may be absent."""
    rng = random.Random(seed_of_run())
    known = fill(mnt, rng)
    mnt.kill9()
    image = image_of(mnt.store.parent)
    image["turnfs.db-wal"] = image["turnfs.db-wal"].rstrip(b"\0") + bytes(4096)
    check_flips(mnt, known, "turnfs.db-wal", image, rng, max(FLIPS // 5, 5))


def test_F7__attributes_of_a_turn_damaged_and_the_thread_is_listed_first__EIO_and_not_empty(mnt, thread):
    say(thread, "user", "some text")
    mtime = 1700000000123456789
    os.utime(thread / "000001-user.md", ns=(mtime, mtime))
    mnt.stop()
    data = mnt.store.read_bytes()
    assert data.count(mtime.to_bytes(8, "little")) == 1
    mnt.store.write_bytes(data.replace(mtime.to_bytes(8, "little"), (mtime + 1).to_bytes(8, "little")))
    mnt.start()
    with os.scandir(thread) as entries:
        assert "000001-user.md" in [entry.name for entry in entries]
    with fails(errno.EIO):
        read(thread / "000001-user.md")


@pytest.mark.parametrize("table", ["sessions", "meta", "ledger", "docs", "threads", "files"])
def test_F7__the_first_page_of_a_table_is_damaged__what_is_readable_reads_and_the_rest_is_said(mnt, table):
    rng = random.Random(1)
    known = fill(mnt, rng)
    mnt.stop()
    with contextlib.closing(sqlite3.connect(f"file:{mnt.store}?mode=ro", uri=True)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with open(mnt.store, "r+b") as file:
        file.seek((page - 1) * size)
        file.write(rng.randbytes(size))
    for command in ("check", "list", "status"):
        done = run(BINARY, command, mnt.store, check=False)
        for line in (done.stdout + done.stderr).splitlines():
            assert not re.search(r"(: \.?|:)$", line.rstrip()), done
    done = run(BINARY, "check", mnt.store, check=False)
    assert done.returncode == 1 and "backup" in done.stderr, done
    folder = mnt.path
    done = run(BINARY, "mount", mnt.store, folder, check=False)
    if done.returncode:
        assert "restore it from a backup (-o ro reads what can be read)" in done.stderr, done
        done = run(BINARY, "mount", "-o", "ro", mnt.store, folder, check=False)
        assert done.returncode == 0, done
    try:
        outcomes = look(mnt, known)
        assert set(outcomes) <= {"right", "EIO"}, outcomes
        assert (table in ("threads", "files", "docs")) == bool(outcomes["EIO"]), outcomes
    finally:
        run(BINARY, "umount", folder)
