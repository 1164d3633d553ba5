"""T9: inotify watchers hear of what expires and of turns that nobody created through the kernel."""

import contextlib
import ctypes
import os
import select
import signal
import struct
import subprocess
import threading
import time

import pytest

from fixtures import needs_root
from harness import BINARY, is_turn, libc, mounts_on, opened, read, say, set_attribute, set_document, wait_until, write

IN_CREATE, IN_DELETE, IN_UNMOUNT, IN_ISDIR = 0x100, 0x200, 0x2000, 0x40000000


class Watch:
    """The creations and deletions in some directories: (path, event, name)."""

    def __init__(self, *paths, mask=IN_CREATE | IN_DELETE):
        self.fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        self.paths = {}
        for path in paths:
            wd = libc.inotify_add_watch(self.fd, os.fsencode(path), ctypes.c_uint32(mask))
            assert wd >= 0, os.strerror(ctypes.get_errno())
            self.paths[wd] = str(path)
        self.times = []

    def close(self):
        os.close(self.fd)

    def read(self, seconds):
        """What comes in so many seconds."""
        found, end = [], time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if not select.select([self.fd], [], [], left)[0]:
                break
            data = os.read(self.fd, 1 << 16)
            while data:
                wd, mask, _, size = struct.unpack_from("iIII", data)
                name = data[16 : 16 + size].rstrip(b"\0").decode()
                data = data[16 + size :]
                if mask & (IN_CREATE | IN_DELETE):
                    found.append((os.path.basename(self.paths[wd]), mask, name))
                    self.times.append(time.time())
        return found

    def wait(self, count, seconds=3):
        found, end = [], time.monotonic() + seconds
        while len(found) < count and time.monotonic() < end:
            found += self.read(min(0.02, end - time.monotonic()))
        return found


@contextlib.contextmanager
def watching(*paths):
    watch = Watch(*paths)
    try:
        yield watch
    finally:
        watch.close()


def ttl(thread, seconds):
    set_document(thread, {"ttl_seconds": seconds})


def helpers(mnt):
    """Children of the daemon."""
    with open(f"/proc/{mnt.pid}/task/{mnt.pid}/children", encoding="ascii") as f:
        return [int(pid) for pid in f.read().split()]


def test_T9__thread_expires__watchers_of_the_root_see_it_deleted_within_a_second_and_in_order(mnt):
    now = time.time()
    for i in (3, 1, 2, 0):
        thread = mnt.thread(f"t{i}")
        say(thread, "user", "x")
        ttl(thread, 1 + i * 0.2)
    never_looked_up = mnt.thread("other")
    ttl(never_looked_up, 60)
    with watching(mnt.path) as watch:
        found = watch.wait(4)
        assert found == [(mnt.path.name, IN_DELETE | IN_ISDIR, f"t{i}") for i in range(4)]
        for i, at in enumerate(watch.times):
            assert now + 1 + i * 0.2 <= at < now + 2.5 + i * 0.2
        assert not watch.read(0.3)
    assert sorted(os.listdir(mnt.path)) == ["other"]
    assert sorted(os.listdir(mnt / ".turnfs" / "expired")) == ["t0", "t1", "t2", "t3"], "it is as it was"


def test_T9__thread_that_the_kernel_does_not_know__is_announced_too(mnt):
    ttl(mnt.thread("t"), 1.5)
    mnt.remount()
    with watching(mnt.path) as watch:
        assert watch.wait(1) == [(mnt.path.name, IN_DELETE | IN_ISDIR, "t")]


def test_T9__turn_by_role_or_transcript__watchers_of_the_thread_see_it_created(mnt):
    thread, other = mnt.thread("t"), mnt.thread("other")
    say(thread, "user", "before")
    time.sleep(0.3)  # what is being announced when a watcher comes may reach it
    with watching(thread) as watch:
        begun = time.time()
        say(thread, "assistant", "one")
        say(other, "user", "elsewhere")
        write(thread / "@transcript.jsonl", '{"role": "user", "content": "a"}\n{"role": "tool", "content": "b"}\n',
              os.O_WRONLY)
        expected = ["000002-assistant.md", "000003-user.md", "000004-tool.md"]
        found = watch.wait(3)
        assert found == [("t", IN_CREATE, name) for name in expected]
        assert watch.times[-1] - begun < 1
        with opened(thread / "@user", os.O_WRONLY) as fd:
            os.write(fd, b"streamed")
            os.fsync(fd)
            assert watch.wait(1) == [("t", IN_CREATE, "000005-user.md")]
            os.write(fd, b" on")
        assert not watch.read(0.3), "it is created once"
        assert read(thread / "000005-user.md") == b"streamed on"
        write(thread / "000006-user.md", "by hand")
        assert watch.wait(2) == [("t", IN_CREATE, "000006-user.md")], "the kernel's own, once"
    assert [n for n in sorted(os.listdir(thread)) if is_turn(n)][1:4] == expected


def test_T9__who_reads_what_is_announced__finds_it_every_time(mnt):
    """Nobody sees the announcer's answers: neither a turn that is missing nor a thread that is back."""
    thread = mnt.thread("t")
    stop, wrong = threading.Event(), []

    def look():
        while not stop.is_set():
            for name in os.listdir(thread):
                try:
                    read(thread / name)
                except OSError as error:
                    wrong.append((name, error))

    lookers = [threading.Thread(target=look) for _ in range(3)]
    with watching(thread, mnt.path) as watch:
        for looker in lookers:
            looker.start()
        for i in range(200):
            say(thread, "user", f"{i}")
        found = [n for _, mask, n in watch.wait(200) if mask == IN_CREATE]
        stop.set()
        for looker in lookers:
            looker.join()
    assert not wrong, wrong[:3]
    assert found == sorted(found) and len(found) > 100
    assert len(os.listdir(thread)) == 201


def test_T9__thread_made_again_at_once__is_not_touched(mnt):
    with watching(mnt.path) as watch:
        for _ in range(5):
            thread = mnt.thread("t")
            ttl(thread, 1)
            with opened(mnt.path, os.O_RDONLY | os.O_DIRECTORY) as fd:
                while True:
                    try:
                        os.mkdir("t", dir_fd=fd)
                        break
                    except FileExistsError:
                        pass
            say(thread, "user", "new")
            time.sleep(0.3)
            assert os.listdir(thread) and read(thread / "000001-user.md") == b"new"
            os.unlink(thread / "000001-user.md")
            os.rmdir(thread)
        assert watch.read(0.2)


@pytest.mark.parametrize("mode,heard", [("off", False), ("auto", True), ("on", True)])
def test_T9__option__says_whether_watchers_are_told(mount, mode, heard):
    mnt = mount(opts=f"announce={mode}")
    assert len(helpers(mnt)) == (1 if heard else 0)
    thread = mnt.thread("t")
    with watching(thread, mnt.path) as watch:
        say(thread, "user", "x")
        assert bool(watch.wait(1, 1)) == heard
        ttl(thread, 1)
        assert bool(watch.wait(1, 2.5)) == heard


def test_T9__announcer_is_killed__the_mount_goes_on(mnt):
    thread = mnt.thread("t")
    with watching(thread) as watch:
        os.kill(helpers(mnt)[0], signal.SIGKILL)
        for i in range(3):
            say(thread, "user", f"{i}")
        assert not watch.read(0.3)
    assert len(os.listdir(thread)) == 4
    assert helpers(mnt) == []
    mnt.stop()
    assert mnt.stderr.count("watchers") == 1


def test_T9__daemon_is_killed_amid_announcements__nothing_hangs_and_nothing_is_left(mnt):
    for i in range(300):
        ttl(mnt.thread(f"t{i:03}"), 2)
    child = helpers(mnt)[0]
    with watching(mnt.path) as watch:
        assert watch.wait(20)
        mnt.kill9()
        wait_until(lambda: not os.path.exists(f"/proc/{child}"), 5, "the announcer ends with the daemon")
    subprocess.run(["umount", "-l", str(mnt.path)], check=True, timeout=10)


@pytest.mark.parametrize("how", ["stop", "terminate"])
def test_T9__umount_with_watchers__works_and_announces_nothing_below(mnt, how):
    for i in range(50):
        ttl(mnt.thread(f"t{i:02}"), 1)
    say(mnt.thread("t"), "user", "x")
    child = helpers(mnt)[0]
    with watching(mnt.path, mnt / "t"):
        time.sleep(0.9)
        getattr(mnt, how)()
        assert not os.path.exists(f"/proc/{child}")
    assert os.listdir(mnt.path) == []
    for i in range(50):
        os.mkdir(mnt.path / f"t{i:02}")
    time.sleep(1.5)
    assert len(os.listdir(mnt.path)) == 50, "what is under the mountpoint is not the mount's"
    for i in range(50):
        os.rmdir(mnt.path / f"t{i:02}")


def test_T9__plain_umount_with_a_watcher__works(mnt):
    thread = mnt.thread("t")
    with watching(mnt.path, thread) as watch:
        say(thread, "user", "x")
        assert watch.wait(1)
        wait_until(lambda: subprocess.run(["umount", str(mnt.path)], stderr=subprocess.DEVNULL).returncode == 0, 5)
        mnt.proc.wait(10)
    assert not mounts_on(mnt.path)


def test_T9__2000_threads_expire_at_once_before_a_watcher__others_wait_less_than_20_ms(mount, clock):
    mnt = mount(opts="sync=fsync")
    for i in range(2000):
        mnt.thread(f"t{i:04}")
    quiet = mnt.thread("quiet")
    set_attribute(quiet, "turnfs.ttl", "never")
    say(quiet, "user", "x" * 4000)
    took = []

    def measure(seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begun = time.perf_counter()
            os.stat(quiet / "thread.json")
            read(quiet / "000001-user.md")
            took.append(time.perf_counter() - begun)
            time.sleep(0.001)

    with watching(mnt.path) as watch:
        clock.forward(25 * 3600)
        measure(2.5)
        found = watch.read(0.5)
    took.sort()
    p99 = took[len(took) * 99 // 100]
    print(f"p99 {p99 * 1000:.1f} ms, worst {took[-1] * 1000:.1f} ms of {len(took)}; {len(found)} announced")
    assert p99 < 0.020
    names = [n for _, _, n in found]
    assert names and len(names) == len(set(names))
    assert sorted(os.listdir(mnt.path)) == ["quiet"]


def test_T9__nobody_watches__a_turn_costs_no_request(mnt):
    thread = mnt.thread("t")
    requests = lambda: read(mnt / ".turnfs" / "metrics").decode()
    mknods = lambda: [line for line in requests().splitlines() if "mknod" in line.lower()]
    before = mknods()
    for i in range(20):
        say(thread, "user", f"{i}")
    time.sleep(0.3)
    assert before and mknods() == before


@needs_root
def test_T9__as_a_user__works_as_well(workshop):
    """In a mount namespace where everybody may use /dev/fuse."""
    base = workshop.base / "user"
    base.mkdir()
    for name in ("store", "mnt"):
        (base / name).mkdir(0o700)
        subprocess.run(["chown", "nobody", base / name], check=True)
    user = f"""
        {BINARY} mount -f {base}/store/t.db {base}/mnt & pid=$!
        for i in $(seq 100); do test -d {base}/mnt/.turnfs && break; sleep 0.05; done
        mkdir {base}/mnt/t && echo x > {base}/mnt/t/@user
        timeout 5 inotifywait -q -e create {base}/mnt/t & watch=$!
        sleep 0.7
        echo y > {base}/mnt/t/@assistant
        wait $watch; {BINARY} umount {base}/mnt; wait $pid
    """
    root = f"""
        mknod {base}/fuse c 10 229 && chmod 666 {base}/fuse && mount --bind {base}/fuse /dev/fuse &&
        exec setpriv --reuid nobody --clear-groups env HOME={base} sh -c "$0"
    """
    done = subprocess.run(["unshare", "-m", "sh", "-c", root, user], capture_output=True, text=True, timeout=60,
                          env=workshop.environment())
    assert done.returncode == 0 and "CREATE 000002-assistant.md" in done.stdout, done
