"""F3, R1, W4: the disk of the store is read-only, full, pulled out; descriptors and memory run short."""

import collections
import errno
import fcntl
import os
import random
import resource
import struct
import subprocess
import threading
import time

import pytest

from fixtures import needs_root
from harness import fails, is_sanitized, outcome, read, run, say, turns, wait_until, write
from owners import Appender, Keeper, contents
from test_power_cut import tellers, verify

pytestmark = needs_root
EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2


class LoopDisk:
    """An ext4 in a file, on which the store is."""

    def __init__(self, workshop, options="errors=remount-ro"):
        self.image, self.options = workshop.base / "disk.img", options
        self.folder = workshop.base / "store"
        with open(self.image, "wb") as f:
            f.truncate(64 << 20)
        try:
            run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0", self.image)
            self.mount()
        except (AssertionError, OSError) as error:
            pytest.skip(f"no ext4 on a loop device here: {str(error)[:200]}")
        workshop.cleanups.append(lambda: subprocess.run(["umount", "-l", str(self.folder)], check=False))
        self.folder.chmod(0o700)

    def mount(self):
        run("mount", "-o", f"loop,{self.options}", self.image, self.folder)

    def umount(self):
        wait_until(lambda: run("umount", self.folder, check=False).returncode == 0, 10, "umount of the disk")

    def again(self):
        """As after a reboot: the journal is replayed."""
        self.umount()
        self.mount()

    def shut_down(self):
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def turn_read_only(self):
        device = run("findmnt", "-no", "SOURCE", self.folder).stdout.strip()
        with open(f"/sys/fs/ext4/{os.path.basename(device)}/trigger_fs_error", "w") as f:
            f.write("1")


@pytest.mark.limit(300)
def test_W4__ext4_shut_down_in_the_middle_of_writes__what_was_acknowledged_is_there(workshop, mount):
    rng = random.Random(int(os.environ.get("TURNFS_SEED", time.time_ns() % 10**9)))
    disk = LoopDisk(workshop)
    mnt = mount()
    acknowledged = 0
    for round_ in range(int(os.environ.get("TURNFS_SHUTDOWNS", "3"))):
        for name in os.listdir(mnt.path):
            run("rm", "-r", mnt / name)
        thread = mnt.thread()
        who = tellers(thread, rng, time.monotonic_ns)
        for teller in who:
            teller.late = 10**15
            teller.start()
        time.sleep(rng.uniform(0.1, 0.6))
        cut = time.monotonic_ns()
        disk.shut_down()
        for teller in who:
            teller.ending.set()
        for teller in who:
            teller.join(30)
        assert mnt.alive
        assert outcome(say, thread, "user", "not any more") != 0
        mnt.kill9()
        disk.again()
        mnt.start()
        verify(mnt.path, "thread", who, cut, 0)
        acknowledged += sum(len(t.acknowledged(cut)) for t in who)
        done = wait_until(lambda: "check: running" not in read(mnt / ".turnfs" / "health").decode(), 10)
        assert done and read(mnt / ".turnfs" / "health").startswith(b"ok")
    print(acknowledged, "acknowledged")
    assert acknowledged > 20


@pytest.mark.limit(60)
def test_F3__disk_turns_read_only_while_mounted__errors_come_up_what_is_there_reads_and_umount_ends(
    workshop, mount
):
    disk = LoopDisk(workshop)
    mnt = mount()
    thread = mnt.thread()
    for i in range(10):
        say(thread, "user", f"{i}" * 3000)
    wanted = turns(thread)
    try:
        disk.turn_read_only()
    except OSError as error:
        pytest.skip(f"cannot make this ext4 fail: {error}")
    assert outcome(say, thread, "user", "refused") in (errno.EROFS, errno.EIO)
    assert outcome(write, thread / "000001-user.md", b"refused") in (errno.EROFS, errno.EIO)
    assert outcome(os.unlink, thread / "000001-user.md") in (errno.EROFS, errno.EIO)
    assert turns(thread) == wanted
    assert not read(mnt / ".turnfs" / "health").startswith(b"ok")
    mnt.proc.terminate()
    assert mnt.proc.wait(20) in (0, 1)
    disk.umount()
    run("e2fsck", "-fy", disk.image, check=False)
    disk.mount()
    mnt.start()
    assert turns(thread) == wanted
    say(thread, "user", "again")


@pytest.mark.parametrize("how", ["remounted", "bound"])
def test_F3__disk_is_read_only__refused_with_a_sentence_and_served_with_ro(workshop, mount, how):
    folder = workshop.small_store("16m")
    mnt = mount()
    thread = mnt.thread()
    for i in range(10):
        say(thread, "user", f"{i}" * 3000)
    wanted = turns(thread)
    mnt.stop()
    if how == "remounted":
        run("mount", "-o", "remount,ro", folder)
    else:
        run("mount", "--bind", folder, folder)
        workshop.cleanups.append(lambda: run("umount", "-l", folder))
        run("mount", "-o", "remount,bind,ro", folder)
    (workshop.base / "m").mkdir()
    done = workshop.refused(mnt.store, workshop.base / "m")
    said = [line for line in done.stderr.splitlines() if "warning" not in line]
    assert done.returncode in (1, 4) and len(said) == 1 and "read-only" in said[0], said
    mnt.opts = "ro"
    mnt.start()
    assert turns(thread) == wanted
    with fails(errno.EROFS):
        say(thread, "user", "no")
    mnt.stop()
    run("mount", "-o", "remount,rw" if how == "remounted" else "remount,bind,rw", folder)
    mnt.opts = ""
    mnt.start()
    say(thread, "user", "again")
    assert turns(thread)[:-1] == wanted


def test_W9__store_full__deleting_is_done_or_refused_whole_and_works_with_room(workshop, mount):
    folder = workshop.small_store("6m")
    mnt = mount()
    thread = mnt.thread()
    kept = {}
    for i in range(1, 400):
        name, content = f"{i:06d}-user.md", os.urandom(64 * 1024)
        code = outcome(write, thread / name, content)
        if code:
            break
        kept[name] = content
    assert code == errno.ENOSPC
    names = list(kept)[::2]
    for name in names:
        code = outcome(os.unlink, thread / name)
        assert code in (0, errno.ENOSPC), errno.errorcode[code]
        if code == 0:
            del kept[name]
    assert {n: c for n, c in turns(thread)} == kept
    run("mount", "-o", "remount,size=64m", folder)
    for name in (n for n in names if n in kept):
        wait_until(lambda: outcome(os.unlink, thread / name) == 0, 20, f"removal of {name}")  # noqa: B023
    kept = {n: c for n, c in kept.items() if n not in names}
    write(thread / "000900-user.md", os.urandom(200_000))
    found = dict(turns(thread))
    assert {n: found[n] for n in kept} == kept and len(found) == len(kept) + 1
    mnt.kill9()
    mnt.start()
    assert dict(turns(thread)) == found


def test_F3__descriptors_run_out_while_mounted__errors_come_up_and_it_heals(mount):
    mnt = mount()
    thread = mnt.thread()
    for i in range(20):
        say(thread, "user", f"{i}" * 3000)
    wanted = turns(thread)
    mnt.remount()
    limits = resource.prlimit(mnt.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(mnt.pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{mnt.pid}/fd")), limits[1]))
    codes = set()

    def many():
        for name, content in wanted:
            try:
                assert read(thread / name) == content
            except OSError as error:
                codes.add(error.errno)
            code = outcome(say, thread, "tool", "while it lasts")
            codes.add(code)

    workers = [threading.Thread(target=many) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert codes <= {0, errno.EMFILE, errno.EIO}, codes
    resource.prlimit(mnt.pid, resource.RLIMIT_NOFILE, limits)
    wait_until(lambda: outcome(say, thread, "tool", "after") == 0, 15)
    assert turns(thread)[: len(wanted)] == wanted
    assert mnt.alive
