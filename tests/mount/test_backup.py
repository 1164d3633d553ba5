"""B1 to B3: .turnfs/backup under tar, rsync, restic and borg while turns arrive and threads expire."""

import contextlib
import errno
import json
import os
import shutil
import stat
import subprocess
import sys
import threading
import time

import pytest

from harness import (attributes, document, fails, is_sanitized, is_turn, opened, read, run, say, set_attribute,
                     set_document, shell, wait_until, write)

BACKUP_BIT = 1 << 62
EXPIRING = int(os.environ.get("TURNFS_TEST_BACKUP_THREADS", "300"))  # 1000 in the big run
TOOLS = ("tar", "rsync", "restic", "borg")
WRITER = """
import os, sys, time
top, end = sys.argv[1], time.time() + float(sys.argv[2])
def put(path, text, flags):
    fd = os.open(path, flags, 0o600)
    os.write(fd, text)
    return fd
n = 0
while time.time() < end:
    n += 1
    thread = f"{top}/busy{n % 4}"
    fd = put(f"{thread}/@assistant", b"streamed ", os.O_WRONLY)
    for _ in range(5):
        os.fsync(fd)
        os.write(fd, b"more and more of it " * 20)
    os.close(fd)
    turn = f"{thread}/000001-user.md"
    os.close(put(turn, b"in place %d\\n" % n * (n % 50 + 1), os.O_WRONLY | os.O_TRUNC))
    os.close(put(f"{thread}/.tmp.md", b"saved %d\\n" % n, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    os.rename(f"{thread}/.tmp.md", f"{thread}/000002-assistant.md")
    os.close(put(f"{thread}/note", b"comes and goes", os.O_WRONLY | os.O_CREAT))
    os.unlink(f"{thread}/note")
    os.close(put(f"{thread}/thread.json", b'{"title": "%d"}' % n, os.O_WRONLY | os.O_TRUNC))
    os.chmod(turn, 0o600 + n % 2 * 0o40)
    if n % 10 == 0:
        for i in (3, 4):
            names = sorted(f for f in os.listdir(thread) if f[0] == "0")[2:]
            os.unlink(f"{thread}/{names[0]}")
print(n)
"""


def backup(mnt):
    return mnt / ".turnfs" / "backup"


def furnish(thread, times=True):
    for i, role in enumerate(("user", "assistant", "user")):
        say(thread, role, f"{thread.name} says {i}\n" * (i * 200 + 1))
    write(thread / "picture.png", bytes(range(256)) * 20)
    set_attribute(thread / "000002-assistant.md", "model", "m")
    set_document(thread, {"title": thread.name, "turns": {"000001-user.md": {"n": 42}}})
    if times:
        for i, name in enumerate(sorted(n for n in os.listdir(thread) if is_turn(n))):
            at = 1_700_000_000_123_456_789 + i * 10**9
            os.utime(thread / name, ns=(at, at))
    return thread


class Tool:
    """Backs up what is in a folder; says what a run found changed; restores the last run."""

    def __init__(self, name, base):
        if not shutil.which(name):
            pytest.skip(f"{name} is not installed")
        self.name, self.base = name, base / f"{name}-backup"
        self.base.mkdir()
        self.count = 0
        self.env = {**os.environ, "LC_ALL": "C.UTF-8", "HOME": str(self.base), "RESTIC_PASSWORD": "x",
                    "RESTIC_REPOSITORY": str(self.base / "repo"), "RESTIC_CACHE_DIR": str(self.base / "cache"),
                    "BORG_BASE_DIR": str(self.base / "borg"), "BORG_REPO": str(self.base / "repo"),
                    "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
        if name == "restic":
            self.call("restic", "init")
        if name == "borg":
            self.call("borg", "init", "-e", "none")

    def call(self, *command, **kwargs):
        done = subprocess.run([str(c) for c in command], env=self.env, capture_output=True, text=True,
                              timeout=100, **kwargs)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done

    def save(self, top):
        """Files found new or changed."""
        self.count += 1
        return getattr(self, "save_" + self.name)(top)

    def save_tar(self, top):
        archive = self.base / f"{self.count}.tar"
        self.call("tar", "-c", "-f", archive, "--xattrs", "-g", self.base / "list", "--no-check-device", "-C", top, ".")
        names = self.call("tar", "-t", "-f", archive).stdout.splitlines()
        return [n for n in names if not n.endswith("/")]

    def save_rsync(self, top):
        lines = self.call("rsync", "-aiX", "--delete", f"{top}/", self.base / "copy").stdout.splitlines()
        return [line for line in lines if not line.startswith(("cd+", "created"))]

    def save_restic(self, top):
        lines = self.call("restic", "backup", "--json", ".", cwd=top).stdout.splitlines()
        messages = [json.loads(line) for line in lines]
        assert not [m for m in messages if m["message_type"] == "error"]
        summary = next(m for m in messages if m["message_type"] == "summary")
        return ["x"] * (summary["files_new"] + summary["files_changed"])

    def save_borg(self, top):
        lines = self.call("borg", "create", "--list", "--filter", "AMCE?", f"::{self.count}", ".", cwd=top).stderr
        assert "changed while" not in lines, lines
        return lines.splitlines()

    def restore(self, target):
        if self.name == "tar":
            for n in range(1, self.count + 1):
                self.call("tar", "-x", "-f", self.base / f"{n}.tar", "--xattrs", "--xattrs-include=user.*",
                          "-g", "/dev/null", "-C", target)
        elif self.name == "rsync":
            self.call("rsync", "-aX", f"{self.base / 'copy'}/", target)
        elif self.name == "restic":
            self.call("restic", "restore", "latest", "--target", target)
        else:
            self.call("borg", "extract", f"::{self.count}", cwd=target)


@pytest.fixture(params=TOOLS)
def tool(request, workshop):
    return Tool(request.param, workshop.base)


def portrait(top):
    found = {}
    for name in sorted(os.listdir(top)):
        thread = {}
        for file in sorted(os.listdir(top / name)):
            s = os.stat(top / name / file)
            if file == "thread.json":
                doc = document(top / name)
                thread[file] = {k: v for k, v in doc.items() if k not in ("updated_at", "expires_at")}
            else:
                thread[file] = (read(top / name / file), s.st_mtime_ns, stat.S_IMODE(s.st_mode),
                                attributes(top / name / file))
        found[name] = thread
    return found


@contextlib.contextmanager
def writer(mnt, seconds):
    for i in range(4):
        furnish(mnt.thread(f"busy{i}"))
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(mnt.path), str(seconds)],
                               stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        out = process.communicate(timeout=60)[0]
    assert process.returncode == 0
    assert int(out) > 5


@pytest.mark.limit(300)
def test_B1__tool__ends_with_0_while_turns_arrive_and_threads_expire(mnt, tool):
    begun = time.time()
    for i in range(EXPIRING):
        thread = mnt.thread(f"mayfly{i:04}")
        say(thread, "user", f"{i}\n" * 100)
        spread = 1.5 * i / EXPIRING
        set_document(thread, {"ttl_seconds": 2.5 + spread + EXPIRING / 300 - (time.time() - begun)})
    with writer(mnt, 6):
        runs, seen = 0, set()
        while time.time() < begun + 5.5 + EXPIRING / 300 or runs < 2:
            seen.add(len(os.listdir(backup(mnt))))
            tool.save(backup(mnt))
            runs += 1
    assert max(seen) > 4 and min(seen) == 4, f"nothing expired meanwhile: {seen}"
    tool.save(backup(mnt))
    assert tool.name == "borg" or tool.save(backup(mnt)) == []  # it does not remember the newest


def test_B1__thread_that_expired_after_it_was_listed__is_found_whole(mnt, clock):
    thread = furnish(mnt.thread("t"))
    kept = furnish(mnt.thread("other"))
    set_attribute(kept, "turnfs.ttl", "never")
    before = portrait(mnt.path)
    with os.scandir(backup(mnt)) as listing:
        names = sorted(e.name for e in listing)
        clock.forward(25 * 3600)
        wait_until(lambda: not thread.exists())
        found = {f: read(backup(mnt) / "t" / f) for f in os.listdir(backup(mnt) / "t") if f != "thread.json"}
    assert found == {f: v[0] for f, v in before["t"].items() if f != "thread.json"}
    assert names == ["other", "t"]
    assert os.listdir(backup(mnt)) == ["other"], "it is listed no more"


def test_B1__numbers__are_the_live_ones_with_bit_62_and_steady_across_remounts(mnt):
    furnish(mnt.thread("t"))
    names = [".", "t", "t/000001-user.md", "t/picture.png", "t/thread.json"]

    def numbers(top):
        return {n: os.stat(top / n).st_ino for n in names}

    live, shown = numbers(mnt.path), numbers(backup(mnt))
    assert shown == {n: i | BACKUP_BIT for n, i in live.items()}
    for folder in (backup(mnt), backup(mnt) / "t"):
        with os.scandir(folder) as entries:
            assert all(e.inode() == os.stat(e.path).st_ino for e in entries)
    mnt.remount()
    assert numbers(backup(mnt)) == shown


def test_B1__listing__has_what_the_live_one_lists_and_no_more(mnt):
    thread = furnish(mnt.thread("t"))
    mnt.thread("empty")
    there = backup(mnt)
    assert sorted(os.listdir(there)) == ["empty", "t"]
    assert sorted(os.listdir(there / "t")) == sorted(os.listdir(thread))
    assert os.listdir(there / "empty") == ["thread.json"]
    for name in ("@user", "@transcript.md", ".turnfs", "nothing"):
        assert not (there / "t" / name).exists()
        assert not (there / name).exists()
    assert portrait(there) == portrait(mnt.path)
    for name in os.listdir(thread):
        live, shown = os.stat(thread / name), os.stat(there / "t" / name)
        for field in ("st_mode", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_ctime_ns", "st_blocks", "st_nlink"):
            assert getattr(live, field) == getattr(shown, field), (name, field)


def test_B1__write__is_EROFS(mnt):
    furnish(mnt.thread("t"))
    there = backup(mnt)
    turn = there / "t" / "000001-user.md"
    before = portrait(mnt.path)
    for call in (lambda: write(turn, "x"), lambda: write(there / "t" / "new", "x"), lambda: os.mkdir(there / "new"),
                 lambda: os.unlink(turn), lambda: os.rmdir(there / "t"), lambda: os.rename(turn, there / "t" / "y"),
                 lambda: os.rename(there / "t", mnt / "y"), lambda: os.rename(mnt / "t", there / "y"),
                 lambda: os.chmod(turn, 0o600), lambda: os.utime(there / "t"), lambda: os.truncate(turn, 0),
                 lambda: os.setxattr(turn, "user.a", b"b"), lambda: os.removexattr(turn, "user.n"),
                 lambda: os.chmod(there, 0o700), lambda: os.symlink("x", there / "t" / "z"),
                 lambda: os.utime(there / "t" / "thread.json")):
        with fails(errno.EROFS):
            call()
    assert portrait(mnt.path) == before


def test_B1__view__stands_still_while_a_tool_has_it_open(mnt):
    thread = furnish(mnt.thread("t"))
    there = backup(mnt) / "t"
    look = lambda fd: {n: os.stat(n, dir_fd=fd) for n in os.listdir(fd)}
    shape = lambda s: (s.st_size, s.st_mtime_ns, s.st_ctime_ns, s.st_ino, s.st_mode)
    contents = {n: read(there / n) for n in os.listdir(there)}
    with opened(backup(mnt), os.O_RDONLY | os.O_DIRECTORY) as top, opened(there, os.O_RDONLY | os.O_DIRECTORY) as fd:
        root, folder, files = shape(os.fstat(top)), shape(os.fstat(fd)), look(fd)
        say(thread, "assistant", "more")
        write(thread / "000001-user.md", "edited", os.O_WRONLY | os.O_TRUNC)
        os.rename(thread / "000003-user.md", thread / "000003-system.md")
        os.unlink(thread / "picture.png")
        os.chmod(thread / "000002-assistant.md", 0o640)
        mnt.thread("another")
        assert (shape(os.fstat(top)), shape(os.fstat(fd))) == (root, folder)
        assert {n: shape(s) for n, s in look(fd).items()} == {n: shape(s) for n, s in files.items()}
        for name, content in contents.items():
            with opened(there / name) as file:
                assert os.read(file, 1 << 20) == content
                assert shape(os.fstat(file)) == shape(files[name])
        os.rename(thread, mnt / "renamed")
        assert read(there / "000001-user.md") == contents["000001-user.md"]
    assert sorted(run("ls", backup(mnt) / "renamed").stdout.split()) == sorted(os.listdir(mnt / "renamed"))
    assert portrait(backup(mnt)) == portrait(mnt.path)


def test_B1__new_look_by_another_program__shows_what_is_there_now(mnt):
    thread = furnish(mnt.thread("t"))
    turn = backup(mnt) / "t" / "000001-user.md"
    for i in range(20):
        write(thread / "000001-user.md", f"version {i}", os.O_WRONLY | os.O_TRUNC)
        os.listdir(turn.parent)  # this process looks, too
        assert run("cat", turn).stdout == f"version {i}"
        assert json.loads(run("cat", turn.parent / "thread.json").stdout)["turn_count"] == document(thread)["turn_count"]


def test_B1__erased_at_once__what_was_looked_up_is_still_read(mount, clock):
    mnt = mount(opts="grace=0")
    furnish(mnt.thread("t"))
    there = backup(mnt) / "t"
    with opened(there, os.O_RDONLY | os.O_DIRECTORY) as fd:
        names = os.listdir(fd)
        before = {n: os.stat(n, dir_fd=fd).st_size for n in names}
        clock.forward(25 * 3600)
        wait_until(lambda: not (mnt / "t").exists())
        time.sleep(0.5)
        for name in names:
            assert len(read(there / name)) == before[name]


def test_B2__second_run__finds_nothing_changed_before_and_after_a_remount(mnt, tool):
    for i in range(5):
        furnish(mnt.thread(f"talk{i}"))
    time.sleep(1.1)  # borg does not remember files as new as the newest one
    mnt.thread("zz-newest")
    changed = lambda: [line for line in tool.save(backup(mnt)) if "zz-newest" not in line]
    assert len(changed()) >= 25
    assert changed() == []
    mnt.remount()
    assert changed() == []
    mnt.kill9()
    mnt.remount()
    assert changed() == []
    say(mnt / "talk3", "user", "new")
    time.sleep(1.1)
    say(mnt / "zz-newest", "user", "x")
    assert 2 <= len(changed()) <= 4, "the turn and thread.json, there and perhaps in zz-newest"
    assert changed() == []


def test_B3__restored_backup__is_the_same(mnt, mount, workshop, tool):
    for i in range(3):
        furnish(mnt.thread(f"talk{i}"))
    tool.save(backup(mnt))
    say(mnt / "talk1", "assistant", "later")
    tool.save(backup(mnt))
    other = mount(store=workshop.base / "store" / "other.db")
    tool.restore(other.path)
    assert portrait(other.path) == portrait(mnt.path)
    other.remount()
    assert portrait(other.path) == portrait(mnt.path)


@pytest.mark.parametrize("copy", [
    "cp -a {there}/. {back}", "rsync -aX {there}/ {back}", "tar -C {there} --format=posix -c . | tar -C {back} -x",
    "tar -C {there} --xattrs -c . | tar -C {back} --xattrs -x", "tar -C {there} --format=posix -c . | tar -C {back} --overwrite -x"])
def test_B3__restored_backup__thread_json_has_its_time_too(mnt, mount, workshop, copy):
    for i in range(3):
        furnish(mnt.thread(f"talk{i}"))
        os.utime(mnt / f"talk{i}" / "thread.json", ns=(10**18 + i, 10**18 + i))
        os.utime(mnt / f"talk{i}", ns=(10**18 + 10 + i, 10**18 + 10 + i))
    other = mount(store=workshop.base / "store" / "other.db")
    for _ in range(2):  # and over itself
        shell(copy.format(there=backup(mnt), back=other.path))
        for i in range(3):
            assert os.stat(other / f"talk{i}" / "thread.json").st_mtime_ns == 10**18 + i
            assert os.stat(other / f"talk{i}").st_mtime_ns == 10**18 + 10 + i


def test_B1__many_readers_and_writers__each_sees_one_version_whole(mnt):
    """What is read of a file is always all of one version, the one its size belongs to."""
    thread = mnt.thread("t")
    say(thread, "user", "0" * 1000)
    turn, shown = thread / "000001-user.md", backup(mnt) / "t" / "000001-user.md"
    stop, wrong = threading.Event(), []

    def reader():
        while not stop.is_set():
            with opened(shown) as fd:
                size, text = os.fstat(fd).st_size, os.read(fd, 1 << 20)
            if len(text) != size or len(set(text)) != 1:
                wrong.append((size, text[:20]))

    readers = [threading.Thread(target=reader) for _ in range(4)]
    for r in readers:
        r.start()
    for i in range(200):
        write(turn, str(i % 10) * (1000 + i * 7), os.O_WRONLY | os.O_TRUNC)
        if i % 20 == 0:
            run("ls", shown.parent)  # a new look now and then
    stop.set()
    for r in readers:
        r.join()
    assert not wrong, wrong[:3]


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(is_sanitized(), reason="the sanitizers keep what is freed: memory is not to be measured")
def test_B1__more_threads_than_are_to_be_remembered__memory_stays_bounded(mount):
    """120 MB of thread.json are shown; what was shown long ago is forgotten, here and in the kernel."""
    mnt = mount(opts="sync=fsync")
    for i in range(1200):
        set_document(mnt.thread(f"t{i:04}"), {"title": "x" * 100_000})
    before = resident(mnt.pid)
    for i in range(1200):
        assert len(read(backup(mnt) / f"t{i:04}" / "thread.json")) > 100_000
        time.sleep(0.003)
    most = resident(mnt.pid) - before
    wait_until(lambda: resident(mnt.pid) - before < 64 << 20, 10, f"copies are given back: {most}")
    print(f"{most >> 20} MB, then {resident(mnt.pid) - before >> 20} MB")
    assert len(os.listdir(backup(mnt))) == 1200
    assert len(read(backup(mnt) / "t0000" / "thread.json")) > 100_000
