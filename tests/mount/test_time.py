"""T1 to T4, T10, T11: deadlines, what renews them, and clocks."""

import errno
import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from harness import (
    document,
    expires,
    fails,
    get_attribute,
    opened,
    outcome,
    read,
    run,
    say,
    set_attribute,
    set_document,
    shell,
    turns,
    wait_until,
    write,
)

DAY = 86400
TURN = "000001-user.md"
LATE = 0.010  # T1: "within 10 ms"


# T1


def lookup_by_stat(thread):
    return outcome(os.stat, thread)


def lookup_in_thread(thread):
    return outcome(os.stat, thread / TURN)


def lookup_by_open(thread):
    return outcome(lambda: os.close(os.open(thread / TURN, os.O_RDONLY)))


def lookup_by_listing_it(thread):
    return outcome(os.listdir, thread)


def lookup_by_listing_root(thread):
    return 0 if thread.name in os.listdir(thread.parent) else errno.ENOENT


def lookup_by_attribute(thread):
    return outcome(os.getxattr, thread, "user.turnfs.ttl")


LOOKUPS = [lookup_by_stat, lookup_in_thread, lookup_by_open, lookup_by_listing_it, lookup_by_listing_root,
           lookup_by_attribute]


@pytest.mark.parametrize("lookup", LOOKUPS, ids=lambda f: f.__name__[7:])
def test_T1__deadline__thread_goes_at_that_instant(mount, lookup):
    """Every look that began 10 ms after the deadline finds nothing; every one that ended before it, all."""
    mnt = mount(opts="ttl=1s")
    for i in range(20):
        mnt.thread(f"other{i}")
    thread = mnt.thread()
    first = time.time()
    say(thread, "user", "text")
    last = time.time()
    lookup(thread)
    while True:
        begun = time.time()
        result = lookup(thread)
        ended = time.time()
        if result == 0:
            assert begun <= last + 1 + LATE, f"still there {begun - last - 1:.4f} s after its deadline"
        else:
            assert result == errno.ENOENT, errno.errorcode[result]
            assert ended >= first + 1 - 0.001, f"gone {first + 1 - ended:.4f} s too early"
            break


def test_T1__deadline__all_kinds_of_looks_at_once_and_nothing_of_it_remains(mount):
    mnt = mount(opts="ttl=1s")
    thread = mnt.thread()
    write(thread / "a.png", b"x")
    set_document(thread, {"title": "T"})
    say(thread, "user", "text")
    deadline = expires(thread)
    for name in os.listdir(thread):
        read(thread / name)
    time.sleep(max(0, deadline + LATE - time.time()))
    assert os.listdir(mnt.path) == []
    for name in ("", TURN, "a.png", "thread.json", "@user", "@transcript.jsonl", "none"):
        for call in (os.stat, read, os.listxattr):
            assert outcome(call, thread / name) == errno.ENOENT, name
    for action in (lambda: write(thread / "new", b"x"), lambda: say(thread, "user", "x"),
                   lambda: os.rmdir(thread), lambda: os.unlink(thread / TURN), lambda: os.chmod(thread, 0o700),
                   lambda: os.rename(thread, mnt / "other"), lambda: os.utime(thread)):
        with fails(errno.ENOENT):
            action()


def test_T1__directory_handle_and_working_directory__read_as_removed(mount):
    mnt = mount(opts="ttl=1s")
    thread = mnt.thread()
    script = "import os, sys; print('in', flush=True); sys.stdin.readline()\n" \
             "for f in (os.listdir, lambda: os.stat('000001-user.md'), lambda: open('new', 'w'), " \
             "lambda: open('000001-user.md')):\n" \
             "    try: f(); print('there')\n" \
             "    except OSError as e: print(e.errno)\n"
    with subprocess.Popen([sys.executable, "-c", script], cwd=thread, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as inside:
        assert inside.stdout.readline() == "in\n"
        with opened(thread, os.O_RDONLY | os.O_DIRECTORY) as fd:
            say(thread, "user", "text")
            assert os.listdir(fd)
            os.stat(TURN, dir_fd=fd)
            time.sleep(max(0, expires(thread) + LATE - time.time()))
            assert os.listdir(fd) == []  # glibc ends the list at the ENOENT of a removed directory
            with fails(errno.ENOENT):
                os.stat(TURN, dir_fd=fd)
            with fails(errno.ENOENT):
                os.open("new", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
            with fails(errno.ENOENT):
                os.mkdir("new", dir_fd=fd)
        out, _ = inside.communicate("go\n")
        assert out.split() == [str(errno.ENOENT)] * 4


def test_T1__many_expire_together__none_is_seen_late(mount):
    mnt = mount(opts="ttl=2s")
    deadlines = {}
    for i in range(300):
        name = f"thread{i}"
        os.mkdir(mnt / name)
        deadlines[name] = time.time() + 2
    keep = mnt.thread("keep")
    set_attribute(keep, "turnfs.ttl", "1h")
    while True:
        begun = time.time()
        listed = set(os.listdir(mnt.path))
        late = [name for name in listed - {"keep"} if begun > deadlines[name] + LATE]
        assert not late, f"{len(late)} listed after their deadline"
        assert "keep" in listed
        if listed == {"keep"}:
            break
    assert time.time() >= max(deadlines.values()) - 0.1


def test_T1__no_client_does_anything__expired_all_the_same(mount):
    mnt = mount(opts="ttl=1s")
    say(mnt.thread(), "user", "x")
    os.listdir(mnt.path), os.stat(mnt / "thread")
    time.sleep(1.1)
    assert os.listdir(mnt.path) == []
    assert not (mnt / "thread").exists()


def test_T1__ttl_shortened__goes_by_the_new_one_whatever_was_cached(mnt):
    thread = mnt.thread()
    say(thread, "user", "x")
    os.stat(thread), os.stat(thread / TURN), os.listdir(mnt.path), read(thread / TURN)
    set_attribute(thread, "turnfs.ttl", "1")
    last = time.time()
    time.sleep(max(0, last + 1 + LATE - time.time()))
    assert outcome(os.stat, thread) == errno.ENOENT
    assert outcome(os.stat, thread / TURN) == errno.ENOENT
    assert os.listdir(mnt.path) == []


def test_T1__expired_while_not_mounted__not_there_at_mount(mount):
    mnt = mount(opts="ttl=1s")
    thread = mnt.thread()
    say(thread, "user", "x")
    mnt.kill9()
    time.sleep(1.1)
    mnt.remount()
    assert os.listdir(mnt.path) == []
    assert not thread.exists()


def test_T1__clock_passes_the_default_ttl__gone(mnt, clock):
    thread = mnt.thread()
    say(thread, "user", "x")
    os.listdir(mnt.path), os.stat(thread / TURN)
    clock.forward(DAY - 60)
    time.sleep(0.2)
    assert thread.exists()
    clock.forward(61)
    wait_until(lambda: not thread.exists() and os.listdir(mnt.path) == [])


# T2


def ttl_in_force(mnt):
    thread = mnt.thread("what-ttl")
    return document(thread)["ttl_seconds"]


@pytest.mark.parametrize("value,seconds", [("90s", 90), ("30m", 1800), ("3h", 10800), ("7d", 7 * DAY), ("3600", 3600)])
def test_T2__ttl_option__is_the_default(mount, value, seconds):
    assert ttl_in_force(mount(opts=f"ttl={value}", env={"CONVERSATION_TIMEOUT_HOURS": "5"})) == seconds


@pytest.mark.parametrize("value,seconds", [("3", 10800), ("24", DAY), ("168", 7 * DAY)])
def test_T2__environment__is_the_default_without_the_option(mount, value, seconds):
    assert ttl_in_force(mount(env={"CONVERSATION_TIMEOUT_HOURS": value})) == seconds


def test_T2__neither__24_hours(mount):
    assert ttl_in_force(mount()) == DAY


def test_T2__never__threads_do_not_expire(mount):
    mnt = mount(opts="ttl=never")
    thread = mnt.thread()
    assert expires(thread) is None
    assert get_attribute(thread, "turnfs.ttl").strip() == b"never"
    assert document(thread)["ttl_seconds"] is None


@pytest.mark.parametrize("opts,env,word", [
    ("ttl=3h", {}, "3h"), ("", {}, "24h"), ("ttl=never", {}, "never"),
    ("", {"CONVERSATION_TIMEOUT_HOURS": "5"}, "5h")])
def test_T2__mount__prints_what_is_in_force(mount, opts, env, word):
    mnt = mount(opts=opts, env=env)
    hours = word[:-1] if word.endswith("h") else None
    pattern = rf"\b{hours} ?h" if hours else word
    said = [line for line in mnt.stderr.splitlines() if re.search(r"\bttl\b|expire", line)]
    assert any(re.search(pattern, line) for line in said), mnt.stderr
    assert re.search(pattern, read(mnt / ".turnfs" / "config").decode())


@pytest.mark.parametrize("value", ["", "soon", "-1", "-1h", "0", "1x", "3h4", "1e3", "99999999999999999999d", "h"])
def test_T2__bad_ttl_option__error_at_mount(workshop, value):
    (workshop.base / "m").mkdir()
    done = workshop.refused("-o", f"ttl={value}", workshop.store_file, workshop.base / "m")
    assert done.returncode == 2
    assert "ttl" in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("value", ["soon", "-1", "0", "1x", "nan", "1e999", " "])
def test_T2__bad_environment__error_at_mount(workshop, value):
    (workshop.base / "m").mkdir()
    env = {"CONVERSATION_TIMEOUT_HOURS": value}
    done = workshop.refused(workshop.store_file, workshop.base / "m", env=env)
    assert "CONVERSATION_TIMEOUT_HOURS" in done.stderr and len(done.stderr.splitlines()) == 1


# T3


def read_everything(thread):
    shell("cat *; ls -la; ls -la ..; find .; du -a .; tar c . >/dev/null; stat *; stat .; head -c1 @transcript.md;"
          "cat @transcript.jsonl; cat ../.turnfs/health; cat ../.turnfs/latest; getfattr -d -m- * .", cwd=thread)
    document(thread)
    with opened(thread / TURN, os.O_RDWR) as fd:
        os.read(fd, 100)


def test_T3__reading__never_renews(anythread):
    say(anythread, "user", "x")
    write(anythread / "a", b"x")
    before = expires(anythread), os.stat(anythread).st_mtime_ns
    time.sleep(0.02)
    read_everything(anythread)
    assert (expires(anythread), os.stat(anythread).st_mtime_ns) == before


def test_T3__refused_writes__do_not_renew(anythread):
    say(anythread, "user", "x")
    before = expires(anythread)
    time.sleep(0.02)
    outcome(os.mkdir, anythread / "d")
    outcome(os.rename, anythread / TURN, anythread / "@user")
    outcome(os.unlink, anythread / "none")
    outcome(write, anythread / "thread.json", b"nonsense")
    outcome(write, anythread / "@transcript.jsonl", b"nonsense", os.O_WRONLY)
    outcome(write, anythread / "000001-tool.md", b"x")
    outcome(os.mkdir, anythread)
    outcome(os.rmdir, anythread)
    assert expires(anythread) == before


def renew_by_role(t):
    say(t, "user", "x")


def renew_by_new_turn(t):
    write(t / "000007-user.md", b"x")


def renew_by_edit(t):
    write(t / TURN, b"y", os.O_WRONLY)


def renew_by_editors_save(t):
    write(t / ".tmp", b"y")
    os.rename(t / ".tmp", t / TURN)


def renew_by_fsync(t):
    fd = os.open(t / TURN, os.O_WRONLY)
    os.write(fd, b"z")
    os.fsync(fd)
    os.close(fd)


def renew_by_attachment(t):
    write(t / "a.png", b"x")


def renew_by_document(t):
    set_document(t, {"title": "T"})


def renew_by_lines(t):
    write(t / "@transcript.jsonl", b'{"role":"user","content":"x"}\n', os.O_WRONLY)


def renew_by_attribute(t):
    set_attribute(t / TURN, "model", "m")


def renew_by_rename(t):
    os.rename(t / TURN, t / "000001-tool.md")


def renew_by_unlink(t):
    os.unlink(t / TURN)


RENEWALS = [renew_by_role, renew_by_new_turn, renew_by_edit, renew_by_editors_save, renew_by_fsync, renew_by_attachment,
            renew_by_document, renew_by_lines, renew_by_attribute, renew_by_rename, renew_by_unlink]


@pytest.mark.parametrize("renew", RENEWALS, ids=lambda f: f.__name__[9:])
def test_T3__committed_write__renews(anythread, renew):
    say(anythread, "user", "x")
    time.sleep(0.02)
    begun = time.time()
    renew(anythread)
    ended = time.time()
    assert begun + DAY - 0.01 <= expires(anythread) <= ended + DAY + 0.01


def test_T3__conversation_going_on__outlives_many_ttls(mount):
    mnt = mount(opts="ttl=1s")
    thread = mnt.thread()
    for i in range(6):
        say(thread, "user", str(i))
        time.sleep(0.5)
    assert len(turns(thread)) == 6
    wait_until(lambda: not thread.exists(), 2)


# T4


def test_T4__touch_renews__expires_moves(anythread):
    before = expires(anythread)
    time.sleep(0.02)
    run("touch", anythread)
    assert before + 0.015 <= expires(anythread) <= time.time() + DAY + 0.01
    assert os.stat(anythread).st_mtime >= before - DAY


def test_T4__touched_in_time__lives_on(mount):
    mnt = mount(opts="ttl=1s")
    thread = mnt.thread()
    for _ in range(4):
        time.sleep(0.5)
        os.utime(thread)
    last = time.time()
    time.sleep(0.5)
    assert thread.exists()
    time.sleep(max(0, last + 1 + LATE - time.time()))
    assert not thread.exists()


@pytest.mark.parametrize("value,seconds", [("7d", 7 * DAY), ("90m", 5400), ("3600", 3600), ("2h", 7200), ("45s", 45)])
def test_T4__ttl_attribute__sets_that_threads_ttl_and_renews(anymnt, value, seconds):
    thread, other = anymnt.thread(), anymnt.thread("other")
    time.sleep(0.02)
    begun = time.time()
    run("setfattr", "-n", "user.turnfs.ttl", "-v", value, thread)
    ended = time.time()
    assert begun + seconds - 0.01 <= expires(thread) <= ended + seconds + 0.01
    assert document(thread)["ttl_seconds"] == seconds
    assert document(other)["ttl_seconds"] == DAY
    shown = get_attribute(thread, "turnfs.ttl")
    os.setxattr(other, "user.turnfs.ttl", shown)
    assert document(other)["ttl_seconds"] == seconds, "what it shows can be set elsewhere"


def test_T4__never__and_back(mount):
    mnt = mount(opts="ttl=1s")
    thread = mnt.thread()
    set_attribute(thread, "turnfs.ttl", "never")
    assert get_attribute(thread, "turnfs.expires").strip() == b"never"
    time.sleep(1.2)
    assert thread.exists()
    mnt.remount()
    assert thread.exists()
    set_attribute(thread, "turnfs.ttl", "1")
    wait_until(lambda: not thread.exists(), 2)


@pytest.mark.parametrize("value", [b"", b"soon", b"-1", b"0", b"1x", b"\xff", b"7d\0", b"9" * 100, b" ",
                                   b"73001d", b"100000000000d", b"9223372036854775807ms"])
def test_T4__bad_ttl__EINVAL_and_nothing_changed(anythread, value):
    before = expires(anythread)
    with fails(errno.EINVAL):
        os.setxattr(anythread, "user.turnfs.ttl", value)
    assert expires(anythread) == before


def test_T4__ttl_attribute__is_always_there(anythread):
    """setxattr's own flags: it cannot be made, for it is there, and can be replaced."""
    with fails(errno.EEXIST):
        os.setxattr(anythread, "user.turnfs.ttl", b"7d", os.XATTR_CREATE)
    assert document(anythread)["ttl_seconds"] == DAY
    os.setxattr(anythread, "user.turnfs.ttl", b"7d", os.XATTR_REPLACE)
    assert document(anythread)["ttl_seconds"] == 7 * DAY


def test_T4__expires__is_an_rfc3339_time_in_utc(anythread):
    text = get_attribute(anythread, "turnfs.expires").decode()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", text.strip()), text
    assert abs(expires(anythread) - time.time() - DAY) < 2


# T10


def test_T10__ttl__survives_editor_saves(anythread):
    say(anythread, "user", "text")
    set_attribute(anythread, "turnfs.ttl", "7d")
    renew_by_editors_save(anythread)
    run("sed", "-i", "s/y/z/", anythread / TURN)
    write(anythread / TURN, b"new")
    set_document(anythread, {"title": "a document that says nothing of ttl"})
    assert document(anythread)["ttl_seconds"] == 7 * DAY
    assert abs(expires(anythread) - time.time() - 7 * DAY) < 5


@pytest.mark.parametrize("end", ["umount", "kill"])
def test_T10__ttl_and_deadline__survive_mv_and_restart(mnt, end):
    thread = mnt.thread()
    set_attribute(thread, "turnfs.ttl", "7d")
    say(thread, "user", "x")
    before = expires(thread)
    os.rename(thread, mnt / "new")
    assert document(mnt / "new")["ttl_seconds"] == 7 * DAY
    renamed = expires(mnt / "new")
    assert renamed >= before
    time.sleep(0.05)
    mnt.kill9() if end == "kill" else mnt.stop()
    mnt.remount()
    assert expires(mnt / "new") == renamed, "a restart does not renew"
    assert document(mnt / "new")["ttl_seconds"] == 7 * DAY


def test_T10__ttl_never__survives_restart(mnt, thread):
    set_attribute(thread, "turnfs.ttl", "never")
    mnt.kill9()
    mnt.remount()
    say(thread, "user", "x")
    assert expires(thread) is None


@pytest.mark.parametrize("how", ["cp", "tar", "by-hand"])
def test_T10__backup_restored__a_fresh_deadline_from_the_kept_ttl(mnt, workshop, how):
    thread = mnt.thread()
    say(thread, "user", "x")
    set_attribute(thread, "turnfs.ttl", "2h")
    backup = workshop.base / "backup"
    shutil.copytree(thread, backup)
    run("rm", "-r", thread)
    time.sleep(0.05)
    begun = time.time()
    if how == "cp":
        run("cp", "-a", backup, mnt / "restored")
    elif how == "tar":
        os.mkdir(mnt / "restored")
        shell("tar c -C ../../backup . | tar x -C .", cwd=mnt / "restored")
    else:
        os.mkdir(mnt / "restored")
        for name in os.listdir(backup):
            write(mnt / "restored" / name, (backup / name).read_bytes())
    assert document(mnt / "restored")["ttl_seconds"] == 7200
    assert begun + 7200 - 0.01 <= expires(mnt / "restored") <= time.time() + 7200 + 0.01


# T11


def test_T11__clock_steps_back__order_of_turns_does_not_depend_on_it(mnt, clock):
    thread = mnt.thread()
    for i, offset in enumerate([0, -3600, 1800, -7200, 60]):
        clock.set(offset)
        time.sleep(0.05)
        say(thread, "user", str(i))
    assert turns(thread) == [(f"{i + 1:06d}-user.md", b"%d" % i) for i in range(5)]
    assert [line for line in read(thread / "@transcript.md").decode().split() if line in "01234"] == list("01234")


def test_T11__turns_times_set_backwards__order_stays(anythread):
    for i in range(5):
        say(anythread, "user", str(i))
        os.utime(anythread / f"{i + 1:06d}-user.md", (10**9 - i, 10**9 - i))
    assert [content for _, content in turns(anythread)] == [b"0", b"1", b"2", b"3", b"4"]


def test_T11__documents_and_deadlines__agree(mnt, clock):
    """The deadline follows the daemon's clock alone: reading says the same as what happens."""
    clock.set(5000)
    time.sleep(0.05)
    thread = mnt.thread()
    set_attribute(thread, "turnfs.ttl", "60")
    assert abs(expires(thread) - (time.time() + 5000 + 60)) < 2
    clock.forward(58)
    time.sleep(0.2)
    assert thread.exists()
    clock.forward(3)
    wait_until(lambda: not thread.exists())
