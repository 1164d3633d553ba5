"""What POSIX says of files, compared call by call with a plain directory on this machine.

The same random calls go to two threads of a mount and to two directories; results, errnos, sizes,
listings and contents must be the same. What may differ is in ALLOWED, and nowhere else.
"""

import errno
import os
import random
import shutil
import stat
import time

import pytest

from harness import renameat2

SECONDS = float(os.environ.get("TURNFS_DIFF_SECONDS", "20"))
STEPS = 400
FOLDERS = ["one", "two"]
NAMES = ["a", "b.png", ".c", "d~", "000001-user.md", "000002-assistant.md", "missing/x", "a/b"]
SLOTS = 5

# (call, errno on the plain directory, errno on the mount): why
ALLOWED = {
    ("mkdir", 0, errno.EPERM): "N5: no deeper directories",
    ("mkdir", errno.EEXIST, errno.EPERM): "N5: refused for the name's place, whatever is there",
    ("symlink", 0, errno.EPERM): "N5: no symlinks",
}
# What succeeded on the plain side only is undone there.
UNDO = {"mkdir": os.rmdir, "symlink": os.unlink}
# Listed on the mount only.
EXTRA = {"thread.json"}


class Side:
    def __init__(self, root):
        self.root = str(root)
        self.fds = {}

    def path(self, folder, name):
        return os.path.join(self.root, folder, name)

    def open(self, slot, folder, name, flags, mode):
        self.close(slot)
        self.fds[slot] = os.open(self.path(folder, name), flags, mode)

    def close(self, slot):
        if slot in self.fds:
            os.close(self.fds.pop(slot))

    def write(self, slot, data):
        return os.write(self.fds[slot], data)

    def pwrite(self, slot, data, offset):
        return os.pwrite(self.fds[slot], data, offset)

    def read(self, slot, size):
        return os.read(self.fds[slot], size)

    def pread(self, slot, size, offset):
        return os.pread(self.fds[slot], size, offset)

    def seek(self, slot, offset, whence):
        return os.lseek(self.fds[slot], offset, whence)

    def ftruncate(self, slot, size):
        os.ftruncate(self.fds[slot], size)

    def fsync(self, slot):
        os.fsync(self.fds[slot])

    def dup(self, slot):
        os.close(os.dup(self.fds[slot]))

    def fstat(self, slot):
        found = os.fstat(self.fds[slot])
        return stat.S_IFMT(found.st_mode), stat.S_IMODE(found.st_mode), found.st_size, found.st_nlink

    def fchmod(self, slot, mode):
        os.fchmod(self.fds[slot], mode)

    def stat(self, folder, name):
        found = os.stat(self.path(folder, name))
        return stat.S_IFMT(found.st_mode), stat.S_IMODE(found.st_mode), found.st_size, found.st_nlink

    def truncate(self, folder, name, size):
        os.truncate(self.path(folder, name), size)

    def unlink(self, folder, name):
        os.unlink(self.path(folder, name))

    def rename(self, folder, name, to, new):
        os.rename(self.path(folder, name), self.path(to, new))

    def rename_noreplace(self, folder, name, to, new):
        renameat2(self.path(folder, name), self.path(to, new), 1)

    def rmdir(self, folder, name):
        os.rmdir(self.path(folder, name))

    def mkdir(self, folder, name):
        os.mkdir(self.path(folder, name))

    def symlink(self, folder, name):
        os.symlink("target", self.path(folder, name))

    def utime(self, folder, name, ns):
        os.utime(self.path(folder, name), ns=(ns, ns))
        return os.stat(self.path(folder, name)).st_mtime_ns

    def listing(self, folder):
        return sorted(set(os.listdir(os.path.join(self.root, folder))) - EXTRA)

    def contents(self, folder):
        found = {}
        for name in self.listing(folder):
            with open(self.path(folder, name), "rb") as f:
                found[name] = f.read()
        return found


def called(side, name, arguments):
    try:
        return 0, getattr(side, name)(*arguments)
    except OSError as error:
        return error.errno, None


def made_up(rng, open_slots):
    slot = rng.choice(sorted(open_slots)) if open_slots and rng.random() < 0.9 else None
    place = (rng.choice(FOLDERS), rng.choice(NAMES[:6] if rng.random() < 0.95 else NAMES))
    other = (rng.choice(FOLDERS), rng.choice(NAMES[:6]))
    size = rng.choice([0, 1, 10, 4096, 5000, 20000])
    offset = rng.choice([0, 1, 100, 4096, 9000])
    data = bytes([rng.randrange(1, 256)]) * size
    with_slot = [("write", (slot, data)), ("pwrite", (slot, data, offset)), ("read", (slot, size)),
                 ("pread", (slot, size, offset)), ("seek", (slot, offset, rng.choice([0, 1, 2]))),
                 ("ftruncate", (slot, rng.choice([0, 1, 100, 4096]))), ("fsync", (slot,)), ("dup", (slot,)),
                 ("fstat", (slot,)), ("fchmod", (slot, rng.choice([0o600, 0o644]))), ("close", (slot,))]
    flags = rng.choice([os.O_RDONLY, os.O_WRONLY, os.O_RDWR]) | rng.choice(
        [0, os.O_CREAT, os.O_CREAT | os.O_EXCL, os.O_APPEND, os.O_CREAT | os.O_APPEND])
    if flags & os.O_ACCMODE and rng.random() < 0.3:
        flags |= os.O_TRUNC
    if rng.random() < 0.05:
        flags |= os.O_DIRECTORY
    if flags & os.O_CREAT and flags & os.O_DIRECTORY:
        flags &= ~os.O_DIRECTORY  # kernels differ
    without = [("open", (rng.randrange(SLOTS), *place, flags, 0o644))] * 8 + [
        ("stat", place), ("truncate", (*place, rng.choice([0, 1, 100, 9000]))), ("unlink", place),
        ("rename", (*place, *other)), ("rename", (*place, *other)), ("rename_noreplace", (*place, *other)),
        ("rmdir", place), ("mkdir", place), ("symlink", place), ("utime", (*place, rng.randrange(2 * 10**18)))]
    return rng.choice(with_slot if slot is not None and rng.random() < 0.7 else without)


def compare(mount, plain, seed):
    rng = random.Random(seed)
    sides = Side(mount), Side(plain)
    trace = []
    try:
        for step in range(STEPS):
            name, arguments = made_up(rng, set(sides[1].fds))
            short = [a if not isinstance(a, bytes) else f"{len(a)} bytes" for a in arguments]
            trace.append(f"{name}{tuple(short)}")
            here, there = (called(side, name, arguments) for side in sides)
            if here != there:
                known = (name, there[0], here[0]) in ALLOWED
                assert known, f"seed {seed}, step {step}: {trace[-1]}: {here}, plain {there}\n" + "\n".join(trace[-25:])
                if not there[0] and name in UNDO:
                    UNDO[name](sides[1].path(*arguments[:2]))
            if step % 5 == 0:
                for folder in FOLDERS:
                    found = [side.contents(folder) for side in sides]
                    assert found[0] == found[1], f"seed {seed}, step {step}, {folder}\n" + "\n".join(trace[-25:])
    finally:
        for side in sides:
            for slot in list(side.fds):
                side.close(slot)


@pytest.mark.limit(SECONDS + 120)
def test_W2__random_calls__as_on_a_plain_directory(workshop):
    mnt = workshop.mount()
    given = os.environ.get("TURNFS_SEED")
    seed = int(given or time.time_ns() % 10**9)
    end = time.monotonic() + SECONDS
    rounds = 0
    while True:
        print(f"TURNFS_SEED={seed}")
        plain = workshop.base / "plain"
        plain.mkdir()
        for folder in FOLDERS:
            (mnt.path / folder).mkdir()
            (plain / folder).mkdir()
        compare(mnt.path, plain, seed)
        for folder in FOLDERS:
            shutil.rmtree(mnt.path / folder)
        shutil.rmtree(plain)
        seed, rounds = seed + 1, rounds + 1
        if given or time.monotonic() > end:
            break
    print(f"{rounds} rounds")
