"""F3, F4, W3: one fault at a time, at a known place, and what each call must then say."""

import errno
import os
import re
import time

import pytest

from harness import MountFailed, fails, opened, outcome, read, say, turns, wait_until, write, write_all

HEAL_S = 15


def health(mnt):
    return read(mnt / ".turnfs" / "health").decode()


def state(mnt):
    return health(mnt).split()[0]


def without_faults(mnt):
    mnt.env = {k: v for k, v in mnt.env.items() if k != "LD_PRELOAD"}


ALWAYS = dict(per_million=1_000_000)


@pytest.mark.parametrize(
    "op, code",
    [
        pytest.param("write", errno.EIO, id="write-EIO"),
        pytest.param("sync", errno.EIO, id="sync-EIO"),
        pytest.param("write", errno.ENOSPC, id="write-ENOSPC"),
        pytest.param("sync", errno.ENOSPC, id="sync-ENOSPC"),
        pytest.param("write", errno.EROFS, id="write-EROFS"),
        pytest.param("sync", errno.EROFS, id="sync-EROFS"),
    ],
)
def test_F3__writing_or_syncing_underneath_fails__close_says_so_as_such_and_it_heals(mount, shim, op, code):
    mnt = mount(env=shim.env)
    thread = mnt.thread()
    say(thread, "user", "before")
    shim.arm([op], ["wal", "db"], code, **ALWAYS)
    fd = os.open(thread / "@user", os.O_WRONLY)
    os.write(fd, b"refused")
    assert errno.errorcode[outcome(os.close, fd)] == errno.errorcode[code]
    assert turns(thread) == [("000001-user.md", b"before")]
    assert state(mnt) != "ok", health(mnt)
    with pytest.raises(OSError) as error:
        say(thread, "user", "refused at once")
    assert errno.errorcode[error.value.errno] == errno.errorcode[code]
    shim.disarm()
    wait_until(lambda: outcome(say, thread, "user", "after") == 0, HEAL_S)
    wait_until(lambda: state(mnt) == "ok", HEAL_S)
    wanted = [("000001-user.md", b"before"), ("000002-user.md", b"after")]
    assert turns(thread) == wanted
    mnt.kill9()
    without_faults(mnt)
    mnt.start()
    assert turns(thread) == wanted


@pytest.mark.parametrize("how", ["close", "fsync"])
@pytest.mark.parametrize("name", ["@user", "000007-user.md", "attachment"])
def test_F4__commit_failed__the_same_descriptor_never_succeeds_however_often_asked(mount, shim, name, how):
    mnt = mount(env=shim.env)
    thread = mnt.thread()
    fd = os.open(thread / name, os.O_WRONLY | (0 if name[0] == "@" else os.O_CREAT))
    os.write(fd, b"refused")
    shim.arm(["sync"], ["wal"], errno.EIO, skip=0, fails=1)
    with fails(errno.EIO):
        os.fsync(fd) if how == "fsync" else os.close(os.dup(fd))
    assert shim["injected"] == 1
    shim.disarm()
    say(thread, "other", "heals it")
    for _ in range(3):
        with fails(errno.EIO):
            os.fsync(fd)
        with fails(errno.EIO):
            os.close(os.dup(fd))
    with fails(errno.EIO):
        os.close(fd)
    assert [content for _, content in turns(thread)] == [b"heals it"]


def test_F4__sync_after_a_commit_fails__the_same_descriptor_never_succeeds(mount, shim):
    """fsync() commits, then syncs what earlier commits left to the kernel; here the second fails."""
    mnt = mount(env=shim.env)
    thread = mnt.thread()
    fd = os.open(thread / "@user", os.O_WRONLY)
    os.write(fd, b"text")
    shim.arm(["sync"], ["wal"], errno.EIO, skip=1, fails=1)
    with fails(errno.EIO):
        os.fsync(fd)
    shim.disarm()
    say(thread, "other", "heals it")
    codes = [outcome(os.fsync, fd), outcome(os.fsync, fd), outcome(os.close, fd)]
    assert codes == [errno.EIO] * 3


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENOMEM, errno.EIO], ids=lambda c: errno.errorcode[c])
def test_F3__opening_the_store_to_read_fails__it_comes_up_as_such_and_heals(mount, shim, code):
    mnt = mount(env=shim.env)
    thread = mnt.thread()
    say(thread, "user", "text")
    mnt.remount()
    shim.arm(["open"], ["db", "wal", "shm"], code, **ALWAYS)
    seen = set()
    for path in (thread / "000001-user.md", thread / "000002-user.md"):
        seen.add(outcome(read, path))
    shim.disarm()
    assert seen <= {0, errno.ENOENT, code, errno.EIO}, seen
    assert turns(thread) == [("000001-user.md", b"text")]


def test_F3__reading_underneath_fails_while_listing__no_file_then_reads_as_empty(mount, shim):
    mnt = mount(env=shim.env)
    thread = mnt.thread()
    wanted = {}
    for i in range(1, 40):
        say(thread, "user", f"{i}" * 3000)
        wanted[f"{i:06d}-user.md"] = f"{i}".encode() * 3000
    wrong = []
    for skip in range(40):
        mnt.remount()
        shim.arm(["read"], ["db", "wal"], errno.EIO, skip=skip, fails=1)
        try:
            with os.scandir(thread) as entries:
                names = [entry.name for entry in entries]
        except OSError:
            names = []
        shim.disarm()
        wrong += [(skip, name) for name in names if name in wanted and read(thread / name) != wanted[name]]
        if state(mnt) != "ok":
            wrong.append((skip, health(mnt).splitlines()[3]))
    assert not wrong, wrong


def test_F3__reading_underneath_fails__EIO_and_never_absent_nor_a_gap(mount, shim):
    mnt = mount(env=shim.env)
    thread = mnt.thread()
    wanted = []
    for i in range(1, 40):
        say(thread, "user", f"{i}" * 3000)
        wanted.append((f"{i:06d}-user.md", f"{i}".encode() * 3000))
    mnt.remount()
    results = set()
    shim.arm(["read"], ["db", "wal"], errno.EIO, per_million=300_000, seed=time.time_ns())
    for _ in range(4):
        for name, content in wanted:
            try:
                assert read(thread / name) == content
                results.add(0)
            except OSError as error:
                results.add(error.errno)
        try:
            assert read(thread / "@transcript.jsonl").count(b"\n") == len(wanted)
        except OSError as error:
            results.add(error.errno)
    assert results <= {0, errno.EIO} and errno.EIO in results, results
    shim.disarm()
    assert turns(thread) == wanted


def test_F3__writes_come_out_short__they_are_completed(mount, shim):
    mnt = mount(env=shim.env)
    thread = mnt.thread()
    shim.arm(["write"], ["wal", "db", "shm"], 0, per_million=500_000, seed=7)
    wanted = []
    for i in range(1, 60):
        say(thread, "user", f"{i}" * 5000)
        wanted.append((f"{i:06d}-user.md", f"{i}".encode() * 5000))
    assert shim["injected"] > 60
    assert turns(thread) == wanted
    mnt.remount()
    shim.disarm()
    assert turns(thread) == wanted


def test_F3__checkpoint_into_the_store_fails__nothing_is_refused_nor_lost_and_it_is_tried_again(mount, shim):
    """The -wal has it all: as long as only the store's own file cannot be written, turns are kept."""
    mnt = mount(env=shim.env)
    thread = mnt.thread()
    shim.arm(["write", "sync"], ["db"], errno.EIO, **ALWAYS)
    wanted = {}
    for i in range(1, 40):  # more than 1000 pages: maintenance wants to move them
        content = os.urandom(200_000)
        write(thread / f"{i:06d}-user.md", content)
        wanted[f"{i:06d}-user.md"] = content
    wait_until(lambda: shim["injected"] > 0)
    assert dict(turns(thread)) == wanted
    mnt.kill9()
    without_faults(mnt)
    mnt.start()
    assert dict(turns(thread)) == wanted


def test_F3__faults_at_the_end__umount_ends_and_the_next_mount_has_all(mount, shim):
    mnt = mount(env=shim.env)
    thread = mnt.thread()
    for i in range(30):
        say(thread, "user", f"{i}")
    shim.arm(["write", "sync", "truncate", "unlink"], ["db", "wal"], errno.EIO, **ALWAYS)
    mnt.proc.terminate()
    status = mnt.proc.wait(20)
    assert status in (0, 1), status
    shim.disarm()
    without_faults(mnt)
    mnt.start()
    assert [c for _, c in turns(thread)] == [f"{i}".encode() for i in range(30)]


@pytest.mark.parametrize("nth", range(0, 60, 3))
def test_F3__nth_call_fails_at_mount__a_sentence_or_a_mount_that_has_all(workshop, mount, shim, nth):
    """EIO at any call from the first open on."""
    mnt = mount(env=shim.env)
    thread = mnt.thread()
    for i in range(3):
        say(thread, "user", f"{i}")
    mnt.kill9() if nth % 2 else mnt.stop()
    shim.arm(["open", "read", "write", "sync", "truncate", "mmap", "unlink"],
             ["db", "wal", "shm", "lock", "other", "folder"], errno.EIO, skip=nth, fails=3)
    at = len(mnt.stderr)
    try:
        mnt.start()
    except Exception:
        said = [line for line in mnt.stderr[at:].splitlines() if not re.search("warning|expire after", line)]
        assert mnt.proc.poll() in (1, 4), mnt.proc.poll()
        assert said and all(line.startswith("turnfs: ") for line in said), said
        shim.disarm()
        mnt.start()
    shim.disarm()
    wanted = [(f"{i + 1:06d}-user.md", f"{i}".encode()) for i in range(3)]
    assert turns(thread) == wanted
    mnt.kill9()
    mnt.start()
    assert turns(thread) == wanted


@pytest.mark.parametrize("nth", range(0, 60, 6))
def test_F3__nth_call_fails_while_the_store_is_made__a_sentence_and_the_next_mount_makes_it(
    workshop, mount, shim, nth
):
    """The first mount of all, on a failing disk."""
    shim.arm(["open", "write", "sync", "truncate", "mmap", "rename"],
             ["db", "wal", "shm", "lock", "other", "folder"], errno.ENOSPC, skip=nth, fails=5)
    try:
        mnt = mount(env=shim.env)
    except MountFailed as error:
        said = [line for line in str(error).splitlines() if "warning" not in line and line]
        assert re.match(r"turnfs: .*turnfs\.db", said[0]) and len(said) == 1, said
        shim.disarm()
        (workshop.base / "mnt1").rmdir()
        mnt = mount(env=shim.env)
    shim.disarm()
    thread = mnt.thread()
    say(thread, "user", "text")
    mnt.kill9()
    mnt.start()
    assert turns(thread) == [("000001-user.md", b"text")]
