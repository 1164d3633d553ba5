"""W3, W4, R1 under fire: the daemon is killed again and again while writers write."""

import os
import random
import threading
import time

import pytest

from harness import is_turn, opened, read, turns, write, write_all

KILLS = int(os.environ.get("TURNFS_KILLS", "200"))
BLOCK = 4096
BLOCKS = 6


class Writer(threading.Thread):
    """Writes until the daemon dies, and remembers what was acknowledged and what may be there."""

    def __init__(self, number, folder, rng):
        super().__init__()
        self.number, self.folder, self.rng = number, folder, rng
        self.stop = threading.Event()
        self.acknowledged = 0

    def run(self):
        try:
            self.prepare()
            while not self.stop.is_set():
                self.step()
        except OSError:
            pass  # the daemon has been killed

    def prepare(self):
        pass

    def content(self, version):
        """Of different lengths, and any torn or mixed one is told by its bytes."""
        size = 100 + (version * 7919) % 30000
        line = b"writer %d version %d\n" % (self.number, version)
        return (line * (size // len(line) + 1))[:size] + b"end %d" % version


class Appender(Writer):
    """@role: each turn once, with its content, in the order written."""

    def prepare(self):
        self.role = f"writer{self.number}"
        self.said = 0

    def step(self):
        text = self.content(self.said)
        self.said += 1
        fd = os.open(os.path.join(self.folder, "@" + self.role), os.O_WRONLY)
        try:
            for at in range(0, len(text), 5000):
                write_all(fd, text[at : at + 5000])
            if self.rng.random() < 0.3:
                os.fsync(fd)
        finally:
            os.close(fd)
        self.acknowledged = self.said

    def verify(self, found):
        mine = [content for name, content in found.items() if name[7:-3] == self.role]
        assert self.acknowledged <= len(mine) <= self.said, "none lost, none invented"
        assert mine == [self.content(i) for i in range(len(mine))]


class Replacer(Writer):
    """A temporary file renamed over a turn, as editors save; with and without fsync."""

    def prepare(self):
        self.name = f"{900000 + self.number}-user.md"
        self.tried = 0

    def step(self):
        self.tried += 1
        temporary = os.path.join(self.folder, self.rng.choice([".tmp", "tmp"]) + str(self.number))
        with opened(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY) as fd:
            write_all(fd, self.content(self.tried))
            if self.rng.random() < 0.5:
                os.fsync(fd)
        os.rename(temporary, os.path.join(self.folder, self.name))
        self.acknowledged = self.tried

    def verify(self, found):
        versions = range(max(1, self.acknowledged), self.tried + 1)
        if self.name not in found:
            assert self.acknowledged == 0
        else:
            assert found[self.name] in [self.content(v) for v in versions], "one of the whole contents"


class Editor(Writer):
    """Edits in place, block by block; what is committed has all blocks of one version."""

    def prepare(self):
        self.name = f"{800000 + self.number}-tool.md"
        self.tried = 0
        self.path = os.path.join(self.folder, self.name)

    def content(self, version):
        return (b"%07d\n" % version) * (BLOCK // 8) * BLOCKS

    def step(self):
        with opened(self.path, os.O_CREAT | os.O_RDWR) as fd:
            for _ in range(self.rng.choice([1, 1, 2])):
                self.tried += 1
                data = self.content(self.tried)
                for block in self.rng.sample(range(BLOCKS), BLOCKS):
                    os.pwrite(fd, data[block * BLOCK : (block + 1) * BLOCK], block * BLOCK)
                os.fsync(fd) if self.rng.random() < 0.5 else os.close(os.dup(fd))
                self.acknowledged = self.tried

    verify = Replacer.verify


@pytest.mark.limit(300)
def test_W4__killed_at_random_moments__what_was_acknowledged_is_there_and_nothing_is_torn(mnt):
    seed = int(os.environ.get("TURNFS_SEED", time.time_ns() % 10**9))
    print("TURNFS_SEED =", seed, "TURNFS_KILLS =", KILLS)
    rng = random.Random(seed)
    acknowledged, slowest, history = 0, 0.0, {}
    for kill in range(KILLS):
        thread = mnt.thread(f"round{kill:06d}")
        kinds = [Appender, Appender, Replacer, Editor]
        writers = [kind(i, str(thread), random.Random(rng.random())) for i, kind in enumerate(kinds)]
        for writer in writers:
            writer.start()
        time.sleep(rng.uniform(0.002, 0.08))
        mnt.kill9()
        for writer in writers:
            writer.join()
        begun = time.monotonic()
        mnt.start()
        slowest = max(slowest, time.monotonic() - begun)
        found = dict(turns(thread))
        for writer in writers:
            writer.verify(found)
            acknowledged += writer.acknowledged
        for name in os.listdir(thread):
            assert is_turn(name) or name in ("thread.json", ".tmp2", "tmp2"), name
            if not is_turn(name):
                read(thread / name)
        history[kill] = found
        numbers = [name[:6] for name in found]
        assert len(numbers) == len(set(numbers))
        if kill >= 20:  # a spot check that earlier rounds stay; and the store does not grow for ever
            old = mnt / f"round{kill - 20:06d}"
            assert dict(turns(old)) == history.pop(kill - 20)
            for name in os.listdir(old):
                if name != "thread.json":
                    os.unlink(old / name)
            os.rmdir(old)
    print(f"{acknowledged} acknowledged, slowest mount {slowest:.3f} s")
    assert acknowledged > KILLS, "the writers got somewhere"
    assert len(os.listdir(mnt.path)) == min(KILLS, 20)


def test_W6__killed_at_random_moments__numbers_never_repeat(mnt):
    """A number that an fsync() has told is never given to another turn."""
    rng = random.Random(int(os.environ.get("TURNFS_SEED", "1")))
    thread = mnt.thread()
    told = {}
    for round_ in range(8):
        stop = threading.Event()

        def work(writer):
            i = 0
            while not stop.is_set():
                text = f"{round_}:{writer}:{i}".encode()
                i += 1
                try:
                    with opened(thread / "@user", os.O_WRONLY) as fd:
                        os.write(fd, text)
                        os.fsync(fd)
                        name = os.getxattr(fd, "user.turnfs.turn").decode()
                        assert told.setdefault(name, text) == text
                except OSError:
                    return

        workers = [threading.Thread(target=work, args=(w,)) for w in range(4)]
        for worker in workers:
            worker.start()
        time.sleep(rng.uniform(0.02, 0.1))
        mnt.kill9()
        stop.set()
        for worker in workers:
            worker.join()
        mnt.start()
        found = dict(turns(thread))
        assert {name: found.get(name) for name in told} == told
    assert len(set(found.values())) == len(found)
    write(thread / "attachment", b"goes on")
