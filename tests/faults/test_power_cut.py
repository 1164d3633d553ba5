"""W4, R1, F4: the power is cut at any moment; what close() had acknowledged is there, whole."""

import errno
import os
import pathlib
import random
import threading
import time

import pytest

from fixtures import needs_root
from harness import MountFailed, document, fails, is_turn, opened, read, run, say, turns, wait_until, write, write_all
from owners import text
import powercut
from powercut import Disk, records

CUTS = int(os.environ.get("TURNFS_CUTS", "50"))


def seed_of_run():
    seed = int(os.environ.get("TURNFS_SEED", time.time_ns() % 10**9))
    print("TURNFS_SEED =", seed)
    return seed


class Teller(threading.Thread):
    """Notes with each step where in the record it began and where it was acknowledged."""

    only_fsync = False  # the mount has -o sync=fsync
    late = 0  # how long after `cut` it may have been cut in truth

    def __init__(self, name, folder, rng, position):
        super().__init__(name=name)
        self.me, self.folder, self.rng, self.position = name, folder, rng, position
        self.ending = threading.Event()
        self.history = []  # [begun, acknowledged or None, version]
        self.version = 0

    def run(self):
        try:
            while not self.ending.is_set():
                self.version += 1
                note = [self.position(), None, self.version]
                self.history.append(note)
                try:
                    durable = self.step(text(self.me, self.version))
                except OSError as error:
                    if error.errno not in (errno.EIO, errno.ENOSPC, errno.EROFS):
                        return  # the daemon is gone
                    time.sleep(0.002)
                    continue
                if durable:
                    note[1] = self.position()
        except OSError:
            pass

    def commit(self, fd):
        """Whether it is durable once closed."""
        if self.only_fsync:
            durable = self.rng.random() < 0.4
        else:
            durable = self.rng.random() < 0.2
        if durable:
            os.fsync(fd)
        return durable or not self.only_fsync

    def acknowledged(self, cut):
        return [v for begun, done, v in self.history if done is not None and done <= cut]

    def begun(self, cut):
        return [v for begun, done, v in self.history if begun < cut + self.late]

    def at(self, name):
        return os.path.join(self.folder, name)


class Speaker(Teller):
    def step(self, content):
        with opened(self.at("@" + self.me), os.O_WRONLY) as fd:
            for at in range(0, len(content), 7000):
                write_all(fd, content[at : at + 7000])
            durable = self.commit(fd)
        return durable

    def verify(self, found, cut):
        mine = [content for name, content in sorted(found.items()) if name[7:-3] == self.me]
        known = {text(self.me, v): v for v in self.begun(cut)}
        assert all(content in known for content in mine), f"{self.me}: torn, mixed or invented"
        versions = [known[content] for content in mine]
        assert versions == sorted(set(versions)), f"{self.me}: {versions}"
        lost = set(self.acknowledged(cut)) - set(versions)
        assert not lost, f"{self.me}: lost {sorted(lost)} of {self.acknowledged(cut)[-3:]}"


class Saver(Teller):
    """Replaces one turn, by rename or in place."""

    def name(self):
        return f"90000{self.me[-1]}-user.md"

    def step(self, content):
        if self.only_fsync or self.rng.random() < 0.5:
            with opened(self.at(self.name()), os.O_CREAT | os.O_TRUNC | os.O_WRONLY) as fd:
                write_all(fd, content)
                durable = self.commit(fd)
            return durable
        temporary = self.at("tmp-" + self.me)
        write(temporary, content)
        os.rename(temporary, self.at(self.name()))
        return True

    def verify(self, found, cut):
        acknowledged, begun = self.acknowledged(cut), self.begun(cut)
        last = acknowledged[-1] if acknowledged else 0
        content = found.get(self.name())
        if content is None:
            assert not last, f"{self.me}: its turn is lost"
        else:
            # Also what came after the last acknowledged one: it was under way, or was refused.
            wanted = {text(self.me, v) for v in begun if v >= last} | {text(self.me, v) for v in begun[-1:]}
            if not last:
                wanted |= {text(self.me, v) for v in begun}
            assert content in wanted, f"{self.me}: not {last}… but {content[:50]!r}"


class Remover(Teller):
    """Makes a turn, and removes the one before: an acknowledged removal stays."""

    def step(self, content):
        write(self.at(f"{500000 + self.version:06d}-tool.md"), content)
        if self.version > 1:
            name = self.at(f"{500000 + self.version - 1:06d}-tool.md")
            if os.path.exists(name):
                os.unlink(name)
        return True

    def verify(self, found, cut):
        mine = {int(n[:6]) - 500000: c for n, c in found.items() if n[7:] == "tool.md"}
        acknowledged, begun = self.acknowledged(cut), set(self.begun(cut))
        for version, content in mine.items():
            assert version in begun and content == text(self.me, version), f"{self.me}: {version} is not whole"
        if acknowledged:
            last = acknowledged[-1]
            refused = {v for b, done, v in self.history if done is None}
            assert set(mine) >= {last} - {v - 1 for v in begun}, f"{self.me}: {last} is lost: {sorted(mine)}"
            assert all(v >= last or v in refused or v + 1 in refused for v in mine), f"{self.me}: back: {sorted(mine)}"


def tellers(thread, rng, position):
    kinds = [(Speaker, "speaker1"), (Speaker, "speaker2"), (Saver, "saver1"), (Saver, "saver2")]
    made = [kind(name, str(thread), random.Random(rng.random()), position) for kind, name in kinds]
    other = thread.parent / "removals"
    other.mkdir()
    return made + [Remover("remover", str(other), random.Random(rng.random()), position)]


def verify(mnt_path, thread_name, who, cut, threads_from):
    """All that was acknowledged before the cut, in what is mounted now."""
    thread = mnt_path / thread_name
    for teller in who:
        folder = mnt_path / os.path.basename(teller.folder)
        if cut < threads_from and not folder.exists():
            continue
        found = {n: read(folder / n) for n in os.listdir(folder) if n != "thread.json"}
        document(folder)
        teller.verify({n: c for n, c in found.items() if is_turn(n)}, cut)
    return thread


def cut_and_mount(workshop, mount, who, cut, begun, files, keep=[]):
    folder = workshop.base / "cut"
    folder.mkdir(mode=0o700)
    for name, data in files.items():
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o600)
    mnt = keep[0] if keep else mount(store=folder / "turnfs.db")
    if keep:
        mnt.start()
    else:
        keep.append(mnt)
    try:
        verify(mnt.path, "thread", who, cut, begun)
        health = read(mnt / ".turnfs" / "health").decode()
        assert health.startswith("ok"), health
        done = wait_until(lambda: "check: running" not in read(mnt / ".turnfs" / "health").decode(), 10)
        assert done
        health = read(mnt / ".turnfs" / "health").decode()
        assert health.startswith("ok") and "damaged" not in health, health
        say(mnt.path / "after", "user", "goes on") if (mnt.path / "after").exists() else None
        mnt.kill9()
        said = mnt.stderr
        assert "damaged" not in said and "malformed" not in said, said[-2000:]
    finally:
        if mnt.alive:
            mnt.kill9()
    check = run("sqlite3", folder / "turnfs.db", "PRAGMA integrity_check")
    assert check.stdout == "ok\n", check.stdout
    run("rm", "-r", folder)


def keep_evidence(files):
    """TURNFS_EVIDENCE=FOLDER: what the disk had after the cut that failed."""
    folder = os.environ.get("TURNFS_EVIDENCE")
    for name, data in files.items() if folder else ():
        pathlib.Path(folder, name).write_bytes(data)


def cuts_of(workshop, mount, shim, rng, count, faults, opts=""):
    """Records a session, then cuts it at `count` places, one after another."""
    mnt = mount(env=shim.recording_env, opts=opts)
    position = lambda: shim["recorded"]
    thread = mnt.thread()
    who = tellers(thread, rng, position)
    if "sync=fsync" in opts:
        who = [teller for teller in who if not isinstance(teller, Remover)]
        for teller in who:
            teller.only_fsync = True
    begun = position()
    for teller in who:
        teller.start()
    for _ in range(6):
        time.sleep(0.1)
        if faults:
            shim.arm(["sync"], ["wal", "db"], errno.EIO, skip=rng.randrange(8), fails=rng.choice([1, 1, 2]))
            time.sleep(0.1)
            shim.disarm()
    time.sleep(0.6 if faults else 0.1)  # that it heals, and goes on for a while
    for teller in who:
        teller.ending.set()
    for teller in who:
        teller.join(30)
    mnt.stop()
    data = shim.record_path.read_bytes()
    ends = [r[0] for r in records(data)]
    cuts = sorted(rng.sample(ends[20:], min(count, len(ends) - 20)))
    disk, at, done = Disk(rng), 0, 0
    keep = []
    for record in records(data):
        disk.feed(*record[1:])
        while done < len(cuts) and record[0] == cuts[done]:
            files = disk.after_cut()
            try:
                cut_and_mount(workshop, mount, who, cuts[done], begun, files, keep)
            except BaseException:
                keep_evidence(files)
                print(f"cut {done} at {cuts[done]} of {len(data)}, files {[(n, len(d)) for n, d in files.items()]}")
                raise
            done += 1
    acknowledged = sum(len(t.acknowledged(len(data) + 1)) for t in who)
    print(f"{done} cuts in {len(ends)} records, {acknowledged} acknowledged, {shim['injected']} syncs failed")
    assert done == len(cuts) and acknowledged > 20


@pytest.mark.limit(1200)
def test_W4__power_cut_at_any_moment__what_was_acknowledged_is_there_and_nothing_is_torn(workshop, mount, shim):
    rng = random.Random(seed_of_run())
    cuts_of(workshop, mount, shim, rng, CUTS, faults=False)


@pytest.mark.limit(1200)
def test_W4__power_cut_with_sync_fsync__what_fsync_acknowledged_is_there(workshop, mount, shim):
    rng = random.Random(seed_of_run())
    cuts_of(workshop, mount, shim, rng, max(CUTS // 4, 10), faults=False, opts="sync=fsync")


def broken_stores(workshop, every, cuts, rng):
    """What SQLite says of those that are not whole after a cut."""
    disk, broken = Disk(rng), []
    folder = workshop.base / "cut"
    for record in every:
        disk.feed(*record[1:])
        if record[0] not in cuts:
            continue
        folder.mkdir(mode=0o700)
        for name, content in disk.after_cut().items():
            (folder / name).write_bytes(content)
        check = run("sqlite3", folder / "turnfs.db", "PRAGMA integrity_check", check=False)
        if check.stdout != "ok\n":
            broken.append((record[0], (check.stdout + check.stderr)[:100]))
        run("rm", "-r", folder)
    return broken


def test_F4__sync_before_a_checkpoint_fails_and_then_the_power_is_cut__the_store_is_whole(workshop, mount, shim):
    rng = random.Random(1)
    mnt = mount(env=shim.recording_env, opts="sync=fsync")
    thread = mnt.thread()
    with opened(thread / "@user", os.O_WRONLY) as fd:
        os.write(fd, b"acknowledged")
        os.fsync(fd)
    shim.arm(["sync"], ["wal"], errno.EIO, fails=1)
    begun = shim["recorded"]
    for i in range(700):
        write(thread / f"{i + 100:06d}-user.md", f"{i} " * 2000)
    wait_until(lambda: shim["injected"], 10, "the sync before the checkpoint")
    time.sleep(1)
    data = shim.record_path.read_bytes()
    every = list(records(data))
    failed = [r[0] for r in every if r[1] == powercut.SYNCED and r[5] != 0]
    cuts = set(rng.sample([r[0] for r in every if r[0] > failed[0] and r[1] == powercut.WRITE], 60))
    broken = broken_stores(workshop, every, cuts, rng)
    assert not broken, broken


def test_F4__killed_after_a_failed_sync_and_then_the_power_is_cut__what_was_acknowledged_since_is_there(
    workshop, mount, shim
):
    """The next mount finds frames in the journal of which it cannot know whether a sync of them failed."""
    mnt = mount(env=shim.recording_env, opts="sync=fsync")
    thread = mnt.thread()
    with opened(thread / "@user", os.O_WRONLY) as fd:
        os.write(fd, b"acknowledged")
        os.fsync(fd)
    for i in range(20):
        write(thread / f"{i + 100:06d}-user.md", f"{i} " * 2000)
    shim.arm(["sync"], ["wal"], errno.EIO, fails=1)
    with fails(errno.EIO), opened(thread / "@user", os.O_WRONLY) as fd:
        os.write(fd, b"refused")
        os.fsync(fd)
    mnt.kill9()
    shim.disarm()
    mnt.start()
    with opened(thread / "000900-user.md", os.O_WRONLY | os.O_CREAT) as fd:
        os.write(fd, b"acknowledged too")
        os.fsync(fd)
    every = list(records(shim.record_path.read_bytes()))
    folder, lost = workshop.base / "cut", []
    for seed in range(20):
        disk = Disk(random.Random(seed))
        for record in every:
            disk.feed(*record[1:])
        folder.mkdir(mode=0o700)
        for name, content in disk.after_cut().items():
            (folder / name).write_bytes(content)
        names = run("sqlite3", folder / "turnfs.db", "SELECT name FROM files", check=False)
        if "000900-user.md" not in names.stdout.split():
            lost.append((seed, len(names.stdout.split()), names.stderr))
        run("rm", "-r", folder)
    assert not lost, lost


def test_W4__power_cut_while_the_journal_is_overwritten__the_store_is_whole(workshop, mount, shim):
    rng = random.Random(1)
    mnt = mount(env=shim.recording_env)
    thread = mnt.thread()
    for i in range(60):
        write(thread / f"{i + 1:06d}-user.md", f"{i} " * 4000)
    begun = shim["recorded"]
    os.unlink(thread / "000007-user.md")  # what was erased is erased from the journal too
    zeros = lambda: [
        r for r in records(shim.record_path.read_bytes())
        if r[0] > begun and r[1] == powercut.WRITE and len(r[6]) == 65536 and not any(r[6])
    ]
    wait_until(lambda: len(zeros()) > 60, 15, "the journal is overwritten", interval=0.2)
    cuts = {r[0] for r in zeros()[:60]}
    broken = broken_stores(workshop, list(records(shim.record_path.read_bytes())), cuts, rng)
    assert not broken, broken


@pytest.mark.limit(1200)
@pytest.mark.parametrize(
    "opts",
    [pytest.param("", id="close"), pytest.param("sync=fsync", id="fsync")],
)
def test_F4__syncs_fail_and_then_the_power_is_cut__what_was_acknowledged_since_is_there(
    workshop, mount, shim, opts
):
    """A sync that failed leaves pages clean that were never written: wal_heal() must know."""
    rng = random.Random(seed_of_run())
    cuts_of(workshop, mount, shim, rng, max(CUTS // 4, 10), faults=True, opts=opts)


@pytest.mark.limit(1200)
def test_W4__power_cut_and_a_disk_that_ignores_syncs__this_test_would_notice(workshop, mount, shim, monkeypatch):
    """The simulator's own test."""
    monkeypatch.setattr(powercut.File, "synced", lambda self, sync, good, rng: None)
    rng = random.Random(seed_of_run())
    with pytest.raises((AssertionError, OSError, MountFailed)):
        cuts_of(workshop, mount, shim, rng, 10, faults=False)
