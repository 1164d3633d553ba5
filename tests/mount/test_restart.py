"""R1, R2, F5: what is there after a restart, where it is kept, and who may have it."""

import os
import re
import signal
import socket
import stat
import subprocess
import threading
import time

import pytest

from harness import (
    UNNAMED,
    MountFailed,
    attributes,
    document,
    expires,
    mounts_on,
    outcome,
    read,
    run,
    say,
    set_attribute,
    set_document,
    turns,
    wait_until,
    write,
)


def fill(mnt):
    for i in range(10):
        thread = mnt.thread(f"thread {i}")
        for j in range(5):
            say(thread, "user" if j % 2 == 0 else "assistant", f"turn {j} of {i} ä")
        write(thread / "a.png", os.urandom(5000))
        set_attribute(thread / "000001-user.md", "model", "m")
        set_document(thread, {"title": f"T{i}"})
        os.unlink(thread / "000004-assistant.md")


def look(top):
    """Everything there is to see."""
    found = {}
    for name in sorted(os.listdir(top)):
        thread = top / name
        for file in sorted(os.listdir(thread)):
            s = os.stat(thread / file)
            found[name, file] = (read(thread / file), attributes(thread / file), s.st_mode, s.st_uid, s.st_gid,
                                 s.st_ino, s.st_mtime_ns, s.st_ctime_ns)
        s = os.stat(thread)
        found[name] = s.st_mode, s.st_ino, s.st_mtime_ns, s.st_ctime_ns, attributes(thread), expires(thread)
    return found


@pytest.mark.parametrize("end", ["umount", "SIGTERM", "SIGINT", "SIGKILL", "fusermount"])
def test_R1__committed__is_all_there_after_a_restart(mnt, end):
    fill(mnt)
    before = look(mnt.path)
    if end == "umount":
        mnt.stop()
    elif end == "fusermount":
        run("fusermount3", "-u", mnt.path)
        assert mnt.proc.wait(10) == 0
    elif end == "SIGKILL":
        mnt.kill9()
    else:
        mnt.proc.send_signal(getattr(signal, end))
        assert mnt.proc.wait(10) == 0
        assert not mounts_on(mnt.path)
    mnt.start()
    assert look(mnt.path) == before


def test_R1__many_restarts__nothing_changes(mnt):
    fill(mnt)
    before = look(mnt.path)
    for i in range(6):
        mnt.kill9() if i % 2 else mnt.stop()
        mnt.start()
    assert look(mnt.path) == before


def test_R1__mounting_over_a_dead_mount_of_ours__just_works(mnt):
    say(mnt.thread(), "user", "x")
    for _ in range(3):
        mnt.kill9()
        assert mounts_on(mnt.path), "the dead mount is still there"
        mnt.start()
        assert len(mounts_on(mnt.path)) == 1
        assert turns(mnt / "thread") == [("000001-user.md", b"x")]


def test_R1__mounting_over_a_dead_mount__while_someone_stands_in_it(mnt):
    say(mnt.thread(), "user", "x")
    with subprocess.Popen(["sleep", "60"], cwd=mnt / "thread") as inside:
        mnt.kill9()
        mnt.start()
        assert turns(mnt / "thread") == [("000001-user.md", b"x")]
        assert len(mounts_on(mnt.path)) == 1
        inside.kill()


def test_R1__unmounted_while_writing__what_was_closed_is_there(mnt, thread):
    """SIGTERM in the middle: what was acknowledged is committed, the rest fails."""
    said = []

    def work():
        i = 0
        while outcome(say, thread, "user", str(i)) == 0:
            said.append(i)
            i += 1

    writer = threading.Thread(target=work)
    writer.start()
    wait_until(lambda: len(said) > 50)
    mnt.proc.terminate()
    assert mnt.proc.wait(10) == 0
    writer.join()
    mnt.start()
    found = [int(content) for _, content in turns(thread)]
    assert found[: len(said)] == said
    assert len(found) <= len(said) + 1


def test_R1__written_and_not_closed__SIGTERM_does_not_hang_and_tears_nothing(mnt, thread):
    write(thread / "000001-user.md", b"old")
    fd = os.open(thread / "000001-user.md", os.O_WRONLY | os.O_TRUNC)
    os.write(fd, b"new")
    mnt.proc.terminate()
    assert mnt.proc.wait(10) == 0
    outcome(os.close, fd)
    mnt.start()
    assert read(thread / "000001-user.md") in (b"old", b"new")


# R2


def test_R2__nothing_named__the_durable_local_store(mount, workshop):
    home = workshop.base / "data"
    env = {"XDG_DATA_HOME": str(home), "REDIS_URL": None}
    mnt = mount(store=UNNAMED, env=env)
    say(mnt.thread(), "user", "kept")
    files = [path for path in home.rglob("*") if path.is_file()]
    assert files, "the store is under XDG_DATA_HOME"
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    for path in home.rglob("*"):
        if path.is_dir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    mnt.kill9()
    mnt.remount()
    assert turns(mnt / "thread") == [("000001-user.md", b"kept")]
    text = read(mnt / ".turnfs" / "health").decode() + mnt.stderr
    assert str(home) in text


def test_R2__no_XDG_DATA_HOME__the_store_is_under_HOME(mount, workshop):
    home = workshop.base / "home2"
    home.mkdir()
    mnt = mount(store=UNNAMED, env={"HOME": str(home), "XDG_DATA_HOME": None})
    say(mnt.thread(), "user", "kept")
    assert [p for p in (home / ".local" / "share").rglob("*") if p.is_file()]
    mnt.remount()
    assert turns(mnt / "thread") == [("000001-user.md", b"kept")]


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.mark.parametrize("way", ["argument", "environment"])
def test_R2__redis_unreachable__clear_error_and_status_1_and_no_mount(workshop, way):
    (workshop.base / "m").mkdir()
    url = f"redis://127.0.0.1:{closed_port()}/0"
    arguments = [url] if way == "argument" else []
    env = {"REDIS_URL": url} if way == "environment" else {}
    done = workshop.refused(*arguments, workshop.base / "m", env=env)
    assert done.returncode == 1
    if "not built" in done.stderr:
        pytest.skip("built without Redis")
    assert "edis" in done.stderr and "127.0.0.1" in done.stderr
    assert not mounts_on(workshop.base / "m")
    assert not list((workshop.base / "home").rglob("*.db")), "no other store was made instead"


def test_R2__memory__says_that_a_restart_loses_all(mount):
    mnt = mount(store="memory:")
    say(mnt.thread(), "user", "x")
    assert re.search(r"memory", mnt.stderr) and re.search(r"restart|lost|loses", mnt.stderr), mnt.stderr
    health = read(mnt / ".turnfs" / "health").decode()
    assert re.search(r"memory", health) and re.search(r"restart|lost|loses", health), health
    mnt.remount()
    assert os.listdir(mnt.path) == []


def test_R2__memory__why_says_that_it_may_have_been_lost_by_a_restart(mount):
    mnt = mount(store="memory:")
    say(mnt.thread(), "user", "x")
    mnt.remount()
    why = read(mnt / ".turnfs" / "why" / "thread").decode()
    assert re.search(r"memory", why) and re.search(r"restart|start", why), why


# F5


def test_F5__second_mount_of_one_local_store__refused_with_the_pid_of_the_first(mnt, mount):
    begun = time.monotonic()
    with pytest.raises(MountFailed) as refused:
        mount(store=mnt.store)
    assert str(mnt.pid) in str(refused.value)
    assert 4 < time.monotonic() - begun < 15, "it waits 5 s for one that is ending"
    assert refused.value.args[0].startswith("exit status 1") or "exit status 4" in str(refused.value)
    say(mnt.thread(), "user", "the first is not disturbed")


def test_F5__first_ends_while_the_second_waits__it_gets_the_store(mnt, mount):
    say(mnt.thread(), "user", "x")
    timer = threading.Timer(1.0, mnt.terminate)
    timer.start()
    second = mount(store=mnt.store)
    timer.join()
    assert turns(second / "thread") == [("000001-user.md", b"x")]


def test_F5__first_is_killed__the_second_mounts_at_once(mnt, mount):
    say(mnt.thread(), "user", "x")
    mnt.kill9()
    begun = time.monotonic()
    second = mount(store=mnt.store)
    assert time.monotonic() - begun < 4
    assert turns(second / "thread") == [("000001-user.md", b"x")]


def test_F5__same_store_by_another_path__refused_too(mnt, mount, workshop):
    (workshop.base / "alias").symlink_to(workshop.base / "store")
    with pytest.raises(MountFailed) as refused:
        mount(store=workshop.base / "alias" / "turnfs.db")
    assert str(mnt.pid) in str(refused.value)


def test_F5__same_store_by_a_hard_link__refused_too(mnt, mount, workshop):
    """Its lock and its -wal would be others: two mounts would write over each other."""
    say(mnt.thread(), "user", "x")
    other = workshop.base / "store" / "other.db"
    os.link(mnt.store, other)
    with pytest.raises(MountFailed) as refused:
        mount(store=other)
    assert "hard links" in str(refused.value)
    other.unlink()
    mnt.remount()
    assert turns(mnt / "thread") == [("000001-user.md", b"x")]


def test_F5__memory_stores__any_number_and_apart(mount):
    one, two = mount(store="memory:"), mount(store="memory:")
    one.thread("one")
    two.thread("two")
    assert os.listdir(one.path) == ["one"] and os.listdir(two.path) == ["two"]
    assert document(one / "one")["id"] == "one"
