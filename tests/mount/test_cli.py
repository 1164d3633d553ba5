"""C1 to C5: the commands, what they print and how they end."""

import os
import signal
import socket
import subprocess

import pytest

from fixtures import needs_root
from harness import BINARY, mounts_on, read, say, turns, wait_until

ROOT_WARNING = "turnfs: warning: running as root"


class Cli:
    """turnfs as it is called from a shell: in the background, with the environment of one test."""

    def __init__(self, workshop):
        self.shop = workshop
        self.base = workshop.base

    def __call__(self, *arguments, env=None, program=BINARY, **kwargs):
        kwargs.setdefault("timeout", 60)
        return subprocess.run(
            [str(program), *map(str, arguments)],
            env=self.shop.environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            **kwargs,
        )

    def folder(self, name="mnt"):
        """A directory; whatever is mounted on it at the end of the test is unmounted."""
        path = self.base / name
        path.mkdir()
        self.shop.cleanups.append(lambda: self.end(path))
        return path

    def mount(self, *arguments, env=None, **kwargs):
        """Mounts; the last argument is the mountpoint."""
        path = arguments[-1]
        done = self("mount", *arguments, env=env, **kwargs)
        assert done.returncode == 0, done
        assert mounts_on(path)
        return done

    def end(self, path):
        while mounts_on(path):
            if self("umount", path).returncode != 0:
                subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture
def cli(workshop):
    return Cli(workshop)


def said(done):
    """The lines on stderr but for the warning to root."""
    return [line for line in done.stderr.splitlines() if not line.startswith(ROOT_WARNING)]


def one_line(done, status, *words):
    """It failed with that status and one line that has all the words."""
    assert done.returncode == status, done
    assert done.stdout == ""
    lines = said(done)
    assert len(lines) == 1 and lines[0].startswith("turnfs: "), done.stderr
    for word in words:
        assert str(word) in lines[0], lines[0]
    return lines[0]


def config(mountpoint):
    """.turnfs/config as a dict."""
    lines = read(os.path.join(mountpoint, ".turnfs/config")).decode().splitlines()
    return dict(line.split(" = ", 1) for line in lines if " = " in line)


def daemon_pid(mountpoint):
    return int(config(mountpoint)["pid"])


def alive(pid):
    """Whether the process runs; one that nobody has reaped yet does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# C1, C2: the commands


def test_C2__help_and_version_everywhere__exit_0(cli):
    for command in ((), ("mount",), ("umount",), ("list",)):
        for option in ("--help", "-h"):
            done = cli(*command, option)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.startswith("usage: turnfs")
        for option in ("--version", "-V"):
            done = cli(*command, option)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.split()[0] == "turnfs" and done.stdout.count("\n") == 1
            assert cli(*command, option, "x", "y", "z").returncode == 0


def test_C2__help_of_mount__names_every_option(cli):
    text = cli("mount", "--help").stdout
    names = """ttl grace warn sync max_file_size ro rw allow_other allow_root uid gid umask timeout
        prefix layout match max_turns replicas allow_eviction announce --env-file"""
    for name in names.split():
        assert name in text, name


def test_C2__help_into_a_full_device__exit_1(cli):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([str(BINARY), "--help"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1 and done.stderr.startswith("turnfs: ")


def test_C4__no_command_or_an_unknown_one__exit_2_and_one_line(cli):
    one_line(cli(), 2, "--help")
    one_line(cli("mont"), 2, "mont", "--help")


def test_C1__mount__returns_0_when_the_mount_answers(cli):
    mnt = cli.folder()
    done = cli.mount(cli.shop.store_file, mnt)
    (mnt / "t").mkdir()
    say(mnt / "t", "user", "hello")
    assert turns(mnt / "t") == [("000001-user.md", b"hello")]
    assert str(cli.shop.store_file) in done.stdout and str(mnt) in done.stdout
    assert said(done) == []


@pytest.mark.parametrize("form", ["path", "sqlite:", "relative"])
def test_C1__a_local_store__can_be_named_in_each_form(cli, form):
    mnt, store = cli.folder(), cli.shop.store_file
    name = {"path": str(store), "sqlite:": f"sqlite:{store}", "relative": "store/turnfs.db"}[form]
    done = cli("mount", name, "mnt" if form == "relative" else mnt, cwd=cli.base)
    assert done.returncode == 0, done
    assert mounts_on(mnt)
    assert store.exists()
    assert config(mnt)["mountpoint"] == str(mnt)


def test_C1__options_behind_the_store__are_in_force(cli):
    mnt = cli.folder()
    cli.mount(f"{cli.shop.store_file}?ttl=2h&grace=5m", mnt)
    assert (config(mnt)["ttl"], config(mnt)["grace"]) == ("2h", "5m")


def test_C1__the_same_option_twice__the_command_line_goes_before_the_store(cli):
    mnt = cli.folder()
    cli.mount("-o", "ttl=7d", "--grace", "1h", f"{cli.shop.store_file}?ttl=2h&grace=5m", mnt)
    assert (config(mnt)["ttl"], config(mnt)["grace"]) == ("7d", "1h")


@pytest.mark.parametrize("form", [["--ttl", "3h"], ["--ttl=3h"], ["-o", "ttl=3h"], ["-ottl=3h"]])
def test_C1__an_option__can_be_written_each_way(cli, form):
    mnt = cli.folder()
    cli.mount(*form, "memory:", mnt)
    assert config(mnt)["ttl"] == "3h"


def test_C1__env_file__is_read_when_named_and_only_then(cli):
    mnt = cli.folder()
    (cli.base / ".env").write_text("CONVERSATION_TIMEOUT_HOURS=5\n")
    (cli.base / "other").write_text("# x\nexport CONVERSATION_TIMEOUT_HOURS='0.5' # half\nFOO=bar\n")
    cli.mount("memory:", mnt, cwd=cli.base)
    assert config(mnt)["ttl"] == "24h"
    cli.end(mnt)
    cli.mount("--env-file", cli.base / "other", "memory:", mnt)
    assert (config(mnt)["ttl"], config(mnt)["ttl_source"]) == ("30m", "CONVERSATION_TIMEOUT_HOURS")


def test_C1__env_file_with_redis_url__names_the_store(cli):
    mnt = cli.folder()
    (cli.base / "env").write_text("REDIS_URL=redis://:geheim@127.0.0.1:1/0\n")
    one_line(cli("mount", "--env-file", cli.base / "env", mnt), 1)
    assert not mounts_on(mnt)


def test_C1__env_file_with_a_mistyped_name__is_warned_of(cli):
    mnt = cli.folder()
    (cli.base / "env").write_text("REDIS_ULR=redis://127.0.0.1:1/0\n")
    done = cli.mount("--env-file", cli.base / "env", mnt)
    assert f"turnfs: warning: {cli.base}/env sets neither REDIS_URL nor" in done.stderr


def test_C1__env_file_that_is_missing__exit_2_and_one_line(cli):
    one_line(cli("mount", "--env-file", cli.base / "none", "memory:", cli.folder()), 2, "none")


def test_C1__the_shipped_env_example__mounts_the_local_store(cli):
    mnt = cli.folder()
    example = os.path.join(os.path.dirname(__file__), "../../.env.example")
    cli.mount("--env-file", example, mnt)
    assert config(mnt)["ttl"] == "24h"
    assert config(mnt)["storage"].startswith(str(cli.base))


def test_C2__umount__returns_when_the_daemon_has_ended(cli):
    mnt = cli.folder()
    cli.mount(cli.shop.store_file, mnt)
    pid = daemon_pid(mnt)
    done = cli("umount", mnt)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not alive(pid)
    assert not mounts_on(mnt)


def test_C2__umount_of_a_mount_in_use__exit_1_and_says_by_whom(cli):
    mnt = cli.folder()
    cli.mount("memory:", mnt)
    with subprocess.Popen(["sleep", "60"], cwd=mnt) as user:
        try:
            one_line(cli("umount", mnt), 1, "in use", user.pid, "sleep")
            assert mounts_on(mnt)
        finally:
            user.kill()
    assert cli("umount", mnt).returncode == 0


def test_C2__umount_of_what_is_no_mount_of_ours__exit_1_and_one_line(cli):
    one_line(cli("umount", cli.folder()), 1, "not a turnfs mount")
    one_line(cli("umount", "/proc"), 1, "not a turnfs mount")
    one_line(cli("umount", cli.base / "nowhere" / "x"), 1, "nowhere")
    one_line(cli("umount"), 2, "MOUNTPOINT")
    one_line(cli("umount", "a", "b"), 2, "b")


def test_C2__mount_alone__lists_the_mounts(cli):
    mnt = cli.folder("a mount")
    cli.mount("memory:", mnt)
    done = cli("mount")
    assert done.returncode == 0
    lines = [line for line in done.stdout.splitlines() if f" on {mnt} (" in line]
    assert len(lines) == 1 and lines[0].startswith("memory: on ")
    assert "nosuid" in lines[0] and "nodev" in lines[0]


# C3: mount(8), systemd


def test_C5__standard_files_closed__the_mount_is_made_and_says_so_to_nobody(cli):
    """The pipe to the daemon must not be taken for one of them."""
    mnt = cli.folder()
    for closed in (">&- 2>&- <&-", "<&-", ">&-", "2>&-"):
        done = subprocess.run(["sh", "-c", f'"$0" mount memory: "$1" {closed}', str(BINARY), str(mnt)], timeout=20,
                              env=cli.shop.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        assert done.returncode == 0, closed
        os.mkdir(mnt / "thread")
        assert os.listdir(mnt) == ["thread"], closed
        cli.end(mnt)


def test_C3__called_as_mount_turnfs__takes_what_mount_passes(cli):
    mnt, helper = cli.folder(), cli.base / "mount.turnfs"
    helper.symlink_to(BINARY)
    options = "rw,noauto,nofail,_netdev,x-systemd.automount,ttl=2h,comment=x"
    done = cli(cli.shop.store_file, mnt, "-n", "-o", options, program=helper)
    assert done.returncode == 0, done
    assert config(mnt)["ttl"] == "2h"


@needs_root
def test_C3__mount_t_turnfs__mounts_and_umount_unmounts(cli):
    """mount(8) looks for helpers in /sbin only: it sees one there, in a mount namespace of its own."""
    mnt, bin_dir = cli.folder(), cli.folder("sbin")
    (bin_dir / "mount.turnfs").symlink_to(BINARY)
    script = f"""set -e
        mount -t overlay overlay -o lowerdir={bin_dir}:/usr/sbin /usr/sbin 2>/dev/null || exit 77
        mount -t turnfs {cli.shop.store_file} {mnt} -o ttl=2h,nofail
        cat {mnt}/.turnfs/config; mkdir {mnt}/t; umount {mnt}"""
    done = cli("-m", "sh", "-c", script, program="unshare")
    if done.returncode == 77:
        pytest.skip("no overlay mounts here")
    assert done.returncode == 0, done
    assert "ttl = 2h\n" in done.stdout
    wait_until(lambda: not os.path.exists(f"{cli.shop.store_file}-wal"), 10, "umount(8) does not wait")


def test_C3__notify_socket__is_told_ready_and_stopping(cli, mount):
    path = str(cli.base / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.settimeout(20)
        mnt = mount(store="memory:", env={"NOTIFY_SOCKET": path})
        assert server.recv(100) == b"READY=1"
        mnt.terminate()
        assert server.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_C3__a_signal_in_the_background__commits_and_unmounts(cli, number):
    mnt = cli.folder()
    cli.mount(cli.shop.store_file, mnt)
    (mnt / "t").mkdir()
    say(mnt / "t", "user", "kept")
    pid = daemon_pid(mnt)
    os.kill(pid, number)
    wait_until(lambda: not alive(pid), 20, "the daemon ends")
    assert not mounts_on(mnt)
    cli.mount(cli.shop.store_file, mnt)
    assert turns(mnt / "t") == [("000001-user.md", b"kept")]


# C5: background and foreground


def test_C5__in_the_background__it_holds_nothing_of_the_caller(cli):
    mnt = cli.folder()
    cli.mount("memory:", mnt, cwd=cli.base)
    pid = daemon_pid(mnt)
    assert os.getsid(pid) == pid
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)] == ["/dev/null"] * 3
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        assert "Umask:\t0077\n" in f.read()


def test_C5__in_the_foreground__it_stays_and_prints_the_same_line(cli, mount):
    mnt = mount(store="memory:")
    assert mnt.alive and os.path.ismount(mnt.path)
    assert f"memory: is on {mnt.path}" in mnt.stderr


def test_C5__debug__stays_in_the_foreground(cli):
    mnt = cli.folder()
    command = [str(BINARY), "mount", "-d", "memory:", str(mnt)]
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, env=cli.shop.environment(), **streams) as daemon:
        wait_until(lambda: mounts_on(mnt), 20)
        assert daemon.poll() is None
        assert cli("umount", mnt).returncode == 0
        assert daemon.wait(20) == 0


def test_C5__output_has_no_colours_and_no_progress(cli):
    mnt = cli.folder()
    done = cli.mount("memory:", mnt)
    listed = cli("list", mnt)
    for text in (done.stdout, done.stderr, listed.stdout, listed.stderr):
        assert "\033" not in text and "\r" not in text
