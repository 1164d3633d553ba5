"""W2 as a whole: random operations give the same on the mount and on a plain directory.

Names are attachments' only, for turns have rules of their own. Seed by TURNFS_SEED, length by TURNFS_STEPS."""

import errno
import os
import random
import stat
import threading
import time

import pytest

from harness import opened, outcome, read

NAMES = ["a", "b", "c.txt", ".t", "x~"]
STEPS = int(os.environ.get("TURNFS_STEPS", "1500"))


class World:
    """Two folders, and the descriptors open in them by slot."""

    def __init__(self, top):
        self.top = top
        self.fds = {}
        for folder in ("one", "two"):
            (top / folder).mkdir(exist_ok=True)

    def path(self, name):
        return self.top / name

    def do(self, action, *arguments):
        """(errno, result) of an operation."""
        try:
            return 0, getattr(self, action)(*arguments)
        except OSError as error:
            return error.errno, None

    def open(self, slot, name, flags):
        self.fds[slot] = os.open(self.path(name), flags, 0o600)

    def close(self, slot):
        os.close(self.fds.pop(slot))

    def pwrite(self, slot, data, offset):
        return os.pwrite(self.fds[slot], data, offset)

    def write(self, slot, data):
        return os.write(self.fds[slot], data)

    def pread(self, slot, size, offset):
        return os.pread(self.fds[slot], size, offset)

    def seek(self, slot, offset, whence):
        return os.lseek(self.fds[slot], offset, whence)

    def truncate(self, slot, size):
        os.ftruncate(self.fds[slot], size)

    def sync(self, slot):
        os.fsync(self.fds[slot])

    def duplicate(self, slot):
        os.close(os.dup(self.fds[slot]))

    def size(self, slot):
        found = os.fstat(self.fds[slot])
        return found.st_size, stat.S_IMODE(found.st_mode), found.st_nlink

    def cut(self, name, size):
        os.truncate(self.path(name), size)

    def look(self, name):
        found = os.stat(self.path(name))
        return found.st_size, stat.S_IMODE(found.st_mode), found.st_nlink

    def content(self, name):
        return read(self.path(name))

    def chmod(self, name, mode):
        os.chmod(self.path(name), mode)

    def utime(self, name, ns):
        os.utime(self.path(name), ns=(ns, ns))
        return os.stat(self.path(name)).st_mtime_ns

    def rename(self, old, new):
        os.rename(self.path(old), self.path(new))

    def unlink(self, name):
        os.unlink(self.path(name))

    def listing(self, folder):
        return sorted(name for name in os.listdir(self.top / folder) if name != "thread.json")

    def everything(self):
        return {f"{folder}/{name}": (self.look(f"{folder}/{name}"), self.content(f"{folder}/{name}"))
                for folder in ("one", "two") for name in self.listing(folder)}


def steps(rng, count):
    """Operations that make sense for the descriptors that should be open."""
    modes = {}

    def name():
        return rng.choice(["one", "two"]) + "/" + rng.choice(NAMES)

    for _ in range(count):
        kind = rng.choice(["open"] * 3 + ["close"] * 3 + ["io"] * 10 + ["names"] * 5)
        if kind == "open" and len(modes) < 5:
            slot = next(i for i in range(5) if i not in modes)
            access = rng.choice([os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR])
            flags = access | rng.choice([0, os.O_CREAT, os.O_CREAT, os.O_CREAT | os.O_EXCL])
            if access != os.O_RDONLY:
                flags |= rng.choice([0, 0, os.O_TRUNC, os.O_APPEND])
            result = yield ("open", slot, name(), flags)
            if result[0] == 0:
                modes[slot] = flags
        elif kind == "close" and modes:
            slot = rng.choice(sorted(modes))
            del modes[slot]
            yield ("close", slot)
        elif kind == "io" and modes:
            slot = rng.choice(sorted(modes))
            offset = rng.choice([0, 1, 100, 4095, 4096, 10000])
            size = rng.choice([1, 10, 4096, 9000])
            data = bytes([rng.randrange(256)]) * size
            yield rng.choice([("pwrite", slot, data, offset), ("write", slot, data), ("pread", slot, size, offset),
                              ("seek", slot, offset, os.SEEK_SET), ("seek", slot, 0, os.SEEK_END),
                              ("truncate", slot, offset), ("sync", slot), ("duplicate", slot), ("size", slot)])
        elif kind == "names":
            yield rng.choice([("rename", name(), name()), ("rename", name(), name()), ("unlink", name()),
                              ("cut", name(), rng.choice([0, 5, 5000])), ("look", name()), ("content", name()),
                              ("chmod", name(), rng.choice([0o600, 0o640, 0o755])),
                              ("utime", name(), rng.randrange(10**18)), ("listing", rng.choice(["one", "two"]))])
    for slot in sorted(modes):
        yield ("close", slot)


@pytest.mark.parametrize("lot", range(4))
def test_W2__random_operations__same_as_on_a_plain_directory(anymnt, workshop, lot):
    seed = int(os.environ.get("TURNFS_SEED", time.time_ns() % 10**9)) + lot
    print("TURNFS_SEED =", seed - lot, "lot", lot)
    (workshop.base / "plain").mkdir()
    real, plain = World(anymnt.path), World(workshop.base / "plain")
    history = []
    sequence = steps(random.Random(seed), STEPS)
    step = next(sequence)
    try:
        while True:
            expected = plain.do(*step)
            found = real.do(*step)
            history.append((step, expected[0]))
            assert found == expected, "\n".join(f"{s!r:.120} -> {e}" for s, e in history[-25:])
            step = sequence.send(expected)
    except StopIteration:
        pass
    assert real.everything() == plain.everything()
    if anymnt.store != "memory:":
        anymnt.kill9()
        anymnt.remount()
        kept = real.everything()
        for name, found in plain.everything().items():
            scratch = name.split("/")[1].startswith(".") or name.endswith("~")
            empty = found[0][0] == 0
            if not scratch and not empty:  # N3, W4: these two need not survive a kill
                assert kept[name] == found, name


def test_W2__random_operations_by_many_threads__nothing_hangs_or_tears(anymnt):
    """No model here, only: each content is one that somebody wrote whole, and every error is a sensible one."""
    seed = int(os.environ.get("TURNFS_SEED", time.time_ns() % 10**9))
    print("TURNFS_SEED =", seed)
    for folder in ("one", "two"):
        (anymnt / folder).mkdir()
    wrong = []
    allowed = {0, errno.ENOENT, errno.EEXIST, errno.ESTALE}

    def work(number):
        rng = random.Random(seed + number)
        path = lambda: anymnt / rng.choice(["one", "two"]) / rng.choice(["a", "b", "000001-user.md", "000002-tool.md"])
        for i in range(150):
            block = bytes([rng.randrange(1, 256)]) * rng.choice([10, 5000])
            temporary = anymnt / "one" / f".t{number}"

            def replace():
                with opened(temporary, os.O_CREAT | os.O_TRUNC | os.O_WRONLY) as fd:
                    os.write(fd, block)
                os.rename(temporary, path())

            def look():
                data = read(path())
                if len(set(data)) > 1:
                    wrong.append(f"torn: {len(data)} bytes of {set(data)}")

            action = rng.choice([
                replace, replace, look, look, lambda: os.unlink(path()), lambda: os.rename(path(), path()),
                lambda: os.listdir(anymnt / "one"), lambda: os.stat(path()),
                lambda: read(anymnt / "one" / "thread.json"),
                lambda: read(anymnt / "two" / "@transcript.jsonl"), lambda: os.setxattr(path(), "user.k", b"%d" % i)])
            code = outcome(action)
            if code not in allowed:
                wrong.append(errno.errorcode[code])

    workers = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong, wrong[:10]
    assert anymnt.alive
