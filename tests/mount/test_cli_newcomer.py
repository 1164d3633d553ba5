"""C2, C4, F5, R1: what a newcomer met, and the sentences for it."""

import os
import shutil
import signal
import subprocess
import threading

import pytest

from fixtures import needs_root
from harness import BINARY, mounts_on, say, turns, wait_until
from test_cli import alive, cli, daemon_pid, one_line, said  # noqa: F401

NOBODY = 65534


# F5, R1: a daemon that is being killed


@pytest.mark.limit(100)
def test_R1__mount_at_once_after_a_kill__waits_and_clears_the_dead_mount(cli):  # noqa: F811
    mnt = cli.folder()
    cli.mount(cli.shop.store_file, mnt)
    (mnt / "t").mkdir()
    for i in range(20):
        say(mnt / "t", "user", str(i))
        os.kill(daemon_pid(mnt), signal.SIGKILL)
        done = cli.mount(cli.shop.store_file, mnt)
        assert said(done) == [] and len(mounts_on(mnt)) == 1
    assert len(turns(mnt / "t")) == 20


def test_R1__mount_while_the_daemon_still_dies__waits_for_its_end(cli):  # noqa: F811
    """The daemon stands still when it is asked, and is killed while the question waits."""
    mnt = cli.folder()
    cli.mount(cli.shop.store_file, mnt)
    pid = daemon_pid(mnt)
    os.kill(pid, signal.SIGSTOP)
    killer = threading.Timer(0.3, os.kill, (pid, signal.SIGKILL))
    killer.start()
    done = cli("mount", cli.shop.store_file, mnt)
    killer.join()
    assert (done.returncode, said(done)) == (0, [])
    assert daemon_pid(mnt) != pid and len(mounts_on(mnt)) == 1


def test_F5__a_second_mount__names_the_mountpoint_of_the_first(cli):  # noqa: F811
    first, second = cli.folder("first"), cli.folder("second")
    cli.mount(cli.shop.store_file, first)
    line = one_line(cli("mount", cli.shop.store_file, second, "--timeout", "100ms"), 1, f"turnfs umount {first}")
    assert str(daemon_pid(first)) in line


# C2: the commands


def test_C2__umount_of_the_working_directory_of_its_caller__only_others_hold_it(cli):  # noqa: F811
    mnt = cli.folder()
    cli.mount("memory:", mnt)
    done = cli("umount", ".", cwd=mnt)
    assert (done.returncode, done.stderr) == (0, "")
    assert not mounts_on(mnt)


def test_C2__umount_while_others_are_in_it__names_them_and_not_itself(cli):  # noqa: F811
    mnt = cli.folder()
    cli.mount("memory:", mnt)
    with subprocess.Popen(["sleep", "60"], cwd=mnt) as other:
        line = one_line(cli("umount", ".", cwd=mnt), 1, f"sleep (pid {other.pid})")
        other.kill()
    assert "turnfs (pid" not in line
    assert mounts_on(mnt)


@pytest.mark.parametrize("mounted", [True, False], ids=["mounted", "not_mounted"])
def test_T6__restore_over_a_live_empty_thread__refused_and_names_as(cli, mounted):  # noqa: F811
    mnt, store = cli.folder(), cli.shop.store_file
    cli.mount(store, mnt)
    (mnt / "t").mkdir()
    say(mnt / "t", "user", "old")
    os.setxattr(mnt / "t", "user.turnfs.ttl", b"1s")
    wait_until(lambda: not (mnt / "t").exists())
    (mnt / "t").mkdir()
    made = os.stat(mnt / "t").st_ino
    if not mounted:
        cli.end(mnt)
    where = mnt if mounted else store
    one_line(cli("restore", "t", where), 1, "there is a live thread t", "--as NAME")
    assert cli("restore", "--as", "u", "t", where).returncode == 0
    if not mounted:
        cli.mount(store, mnt)
    assert os.stat(mnt / "t").st_ino == made
    assert turns(mnt / "t") == [] and turns(mnt / "u") == [("000001-user.md", b"old")]


def test_C2__looking_at_a_store_that_is_not_mounted__leaves_no_file_beside_it(cli):  # noqa: F811
    mnt, store = cli.folder(), cli.shop.store_file
    cli.mount(store, mnt)
    (mnt / "t").mkdir()
    cli.end(mnt)
    before = sorted(os.listdir(store.parent))
    for command in (["list"], ["list", "--expired"], ["why", "t"], ["status"]):
        done = cli(*command, store)
        assert done.returncode == 0, done
        assert sorted(os.listdir(store.parent)) == before, command


def test_C2__looking_at_what_is_no_store__leaves_no_file_beside_it(cli):  # noqa: F811
    file = cli.base / "store" / "notes"
    file.write_text("x" * 1000)
    before = sorted(os.listdir(file.parent))
    one_line(cli("list", file), 1, file)
    one_line(cli("list", file.parent / "none.db"), 1, "none.db")
    assert sorted(os.listdir(file.parent)) == before


def test_R1__looking_at_a_store_after_a_kill__shows_what_was_committed(cli):  # noqa: F811
    mnt, store = cli.folder(), cli.shop.store_file
    cli.mount(store, mnt)
    (mnt / "t").mkdir()
    say(mnt / "t", "user", "kept")
    pid = daemon_pid(mnt)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid))
    row = cli("list", store).stdout.splitlines()[1]
    assert row.split()[:2] == ["t", "1"]


# C4: one line that says what to do


def test_C4__switches_without_a_mountpoint__exit_2_and_one_line(cli):  # noqa: F811
    for option in ("-f", "-d", "--foreground"):
        one_line(cli("mount", option), 2, "no mountpoint is named")


def test_C4__an_unknown_option__is_repeated_as_it_was_written(cli):  # noqa: F811
    one_line(cli("list", "--reversed"), 2, "'--reversed'")
    one_line(cli("list", "-x"), 2, "'-x'")
    one_line(cli("umount", "--lazy"), 2, "'--lazy'")
    one_line(cli("status", "a", "b"), 2, "'b'")


def test_C4__sentences_of_the_store__begin_as_all_others(cli):  # noqa: F811
    mnt = cli.folder()
    for arguments in (["mount", "/proc/x/store.db", mnt], ["list", cli.base / "none.db"]):
        line = one_line(cli(*arguments), 1)
        assert line[len("turnfs: ")].islower(), line


@needs_root
@pytest.mark.parametrize(
    "conf, refused", [("#user_allow_other\n", True), ("mount_max = 9\n user_allow_other # yes\n", False)]
)
def test_C4__allow_other_as_an_ordinary_user__says_what_fuse_conf_lacks(cli, conf, refused):  # noqa: F811
    """In a mount namespace of another fuse.conf, and a /dev/fuse that lets everybody in."""
    home, copy, file = cli.folder("nobody"), cli.base / "turnfs", cli.base / "fuse.conf"
    mnt = home / "mnt"
    mnt.mkdir()
    shutil.copy(BINARY, copy)
    copy.chmod(0o755)
    file.write_text(conf)
    file.chmod(0o644)
    for path in (home, mnt):
        os.chown(path, NOBODY, NOBODY)
    script = f"""set -e
        mknod -m 666 {cli.base}/fuse c 10 229
        mount --bind {cli.base}/fuse /dev/fuse
        touch /etc/fuse.conf; mount --bind {file} /etc/fuse.conf
        exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups sh -ec '
            {copy} mount -o allow_other {home}/store.db {mnt} || exit $?
            {copy} umount {mnt} >&2'"""
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], env=cli.shop.environment({"HOME": str(home)}),
        capture_output=True, text=True, timeout=60,
    )
    if refused:
        one_line(done, 4, "user_allow_other", "/etc/fuse.conf")
    else:
        assert (done.returncode, done.stderr) == (0, "")
