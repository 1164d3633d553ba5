"""The core of it as ordinary users: S1 and M4, through fusermount3, alone and with allow_other.

The tests run as root and act as two users, each in child processes. What an ordinary user needs (a
usable /dev/fuse, a name in /etc/passwd, user_allow_other in /etc/fuse.conf) is bound over what is there
in a mount namespace of the test's own, so that nothing of the machine is changed.
"""

import errno
import os
import pathlib
import signal
import stat
import subprocess

import pytest

import harness
from fixtures import needs_root
from harness import document, outcome, read, say, set_attribute, turns, wait_until, write

pytestmark = needs_root

OWNER, OTHER, GROUP = 61001, 61002, 61003
CLONE_NEWNS = 0x20000
MS_REC, MS_PRIVATE, MS_BIND = 1 << 14, 1 << 18, 1 << 12


def become(uid, groups=(GROUP,)):
    os.setgroups(list(groups))
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def mount_call(source, target, flags):
    source = source and os.fsencode(source)
    harness._call(harness.libc.mount, source, os.fsencode(target), None, flags, None)


class World:
    """A mount namespace with a /dev/fuse and an /etc/fuse.conf for everybody, kept by one process.

    `act(uid, function, *arguments)` runs function() in it as that user, in a process of its own; the
    function is one of this module and its result (or OSError) comes back."""

    def __init__(self, base, user_allow_other):
        self.base = base
        self.user_allow_other = user_allow_other
        self.home = base / "owner"
        self.mountpoint = base / "owner" / "mnt"
        self.store = base / "owner" / "store" / "turnfs.db"
        for folder in (self.home, self.mountpoint, self.store.parent):
            folder.mkdir()
            os.chown(folder, OWNER, OWNER)
        self.store.parent.chmod(0o700)
        self.stop_read, self.stop_write = os.pipe()
        ready_read, ready_write = os.pipe()
        self.keeper = os.fork()
        if self.keeper == 0:
            self.keep(ready_write)
        os.close(ready_write)
        said = os.read(ready_read, 1000).decode()
        os.close(ready_read)
        assert said == "ready", said
        self.namespace = os.open(f"/proc/{self.keeper}/ns/mnt", os.O_RDONLY)
        self.daemons = []

    def keep(self, ready):
        try:
            os.close(self.stop_write)
            harness._call(harness.libc.unshare, CLONE_NEWNS)
            mount_call(None, "/", MS_REC | MS_PRIVATE)
            device = self.base / "fuse"
            os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(10, 229))
            device.chmod(0o666)
            mount_call(device, "/dev/fuse", MS_BIND)
            passwd = self.base / "passwd"
            passwd.write_text(pathlib.Path("/etc/passwd").read_text()
                              + "".join(f"t{uid}:x:{uid}:{uid}::/:/bin/sh\n" for uid in (OWNER, OTHER)))
            mount_call(passwd, "/etc/passwd", MS_BIND)
            conf = self.base / "fuse.conf"
            conf.write_text("user_allow_other\n" if self.user_allow_other else "")
            pathlib.Path("/etc/fuse.conf").touch()
            mount_call(conf, "/etc/fuse.conf", MS_BIND)
            os.write(ready, b"ready")
            os.read(self.stop_read, 1)
        except BaseException as error:
            os.write(ready, repr(error).encode())
        os._exit(0)

    def enter(self, uid):
        harness._call(harness.libc.setns, self.namespace, CLONE_NEWNS)
        if uid:
            become(uid)

    def act(self, uid, function, *arguments, umask=0o022):
        """What function(*arguments) returns as that user: any repr()-able value; raises its OSError."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.close(reader)
                self.enter(uid)
                os.umask(umask)
                try:
                    answer = ("ok", function(*arguments))
                except OSError as error:
                    answer = ("errno", error.errno, str(error))
                except BaseException as error:
                    answer = ("failed", repr(error))
                os.write(writer, repr(answer).encode())
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as f:
            text = f.read()
        os.waitpid(pid, 0)
        kind, *rest = eval(text)  # our own child's repr() of plain values
        if kind == "errno":
            raise OSError(*rest)
        assert kind == "ok", rest
        return rest[0]

    def code(self, uid, function, *arguments):
        return self.act(uid, outcome, function, *arguments)

    def environment(self):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TURNFS_") and k != "REDIS_URL"}
        return {**kept, "HOME": str(self.home), "XDG_DATA_HOME": str(self.home / "data"),
                "XDG_STATE_HOME": str(self.home / "state"), "XDG_RUNTIME_DIR": str(self.home)}

    def turnfs(self, uid, *arguments, timeout=30):
        return subprocess.run([str(harness.BINARY), *map(str, arguments)], env=self.environment(), text=True,
                              capture_output=True, timeout=timeout, preexec_fn=lambda: self.enter(uid))

    def mount(self, opts="", uid=OWNER):
        stderr = open(self.base / "stderr", "ab")
        command = [str(harness.BINARY), "mount", "-f", *(["-o", opts] if opts else []), str(self.store),
                   str(self.mountpoint)]
        daemon = subprocess.Popen(command, env=self.environment(), stdin=subprocess.DEVNULL, stdout=stderr,
                                  stderr=stderr, preexec_fn=lambda: self.enter(uid))
        stderr.close()
        self.daemons.append(daemon)

        def ready():
            assert daemon.poll() is None, f"{daemon.returncode}: {self.stderr()}"
            return self.code(uid, read, self.mountpoint / ".turnfs" / "config") == 0

        wait_until(ready, 20, "the mount answers", interval=0.02)
        return daemon

    def stderr(self):
        return (self.base / "stderr").read_text(errors="replace")

    def umount(self, uid=OWNER):
        done = self.turnfs(uid, "umount", self.mountpoint)
        assert done.returncode == 0, done.stderr
        assert self.daemons[-1].wait(20) == 0, self.stderr()

    def close(self):
        for daemon in self.daemons:
            if daemon.poll() is None:
                self.code(0, lambda: os.system(f"umount -l '{self.mountpoint}' 2>/dev/null"))
                daemon.terminate()
                try:
                    daemon.wait(10)
                except subprocess.TimeoutExpired:
                    daemon.kill()
                    daemon.wait()
        os.write(self.stop_write, b"x")
        os.close(self.stop_write)
        os.close(self.stop_read)
        os.close(self.namespace)
        os.waitpid(self.keeper, 0)
        text = self.stderr() if (self.base / "stderr").exists() else ""
        for report in harness.SANITIZER_REPORTS:
            assert report not in text, text[-20000:]


@pytest.fixture
def world(workshop, request):
    made = World(workshop.base, getattr(request, "param", False))
    yield made
    made.close()


shared = pytest.mark.parametrize("world", [True], indirect=True, ids=["user_allow_other"])


def look(path):
    found = os.stat(path)
    return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid


# An ordinary user alone


def test_C1__ordinary_user__mounts_writes_reads_and_unmounts(world):
    world.mount()
    thread = world.mountpoint / "thread"
    world.act(OWNER, os.mkdir, thread)
    world.act(OWNER, say, thread, "user", "hello")
    world.act(OWNER, write, thread / "000002-assistant.md", "hi")
    world.act(OWNER, write, thread / "a.png", b"\0\1")
    world.act(OWNER, set_attribute, thread / "000001-user.md", "model", "m")
    expected = [("000001-user.md", b"hello"), ("000002-assistant.md", b"hi")]
    assert world.act(OWNER, turns, thread) == expected
    assert world.act(OWNER, document, thread)["turns"] == {"000001-user.md": {"model": "m"}, "000002-assistant.md": {}}
    world.umount()
    assert world.act(OWNER, os.listdir, world.mountpoint) == []
    world.mount()
    assert world.act(OWNER, turns, thread) == expected
    world.umount()


def test_R1__ordinary_user_killed__mounting_over_the_dead_mount_works_and_all_is_there(world):
    daemon = world.mount()
    thread = world.mountpoint / "thread"
    world.act(OWNER, os.mkdir, thread)
    for i in range(10):
        world.act(OWNER, say, thread, "user", str(i))
    daemon.kill()
    daemon.wait()
    assert world.code(OWNER, os.listdir, world.mountpoint) == errno.ENOTCONN
    world.mount()
    assert [text for _, text in world.act(OWNER, turns, thread)] == [b"%d" % i for i in range(10)]
    world.umount()


def test_C3__SIGTERM_to_an_ordinary_users_daemon__unmounts_and_ends_with_0(world):
    daemon = world.mount()
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(20) == 0, world.stderr()
    assert world.act(OWNER, os.path.ismount, world.mountpoint) is False


def test_S1__ordinary_user__store_is_0600_and_mount_is_nosuid_nodev(world):
    world.mount()
    world.act(OWNER, os.mkdir, world.mountpoint / "thread")
    for path in world.store.parent.iterdir():
        assert look(path) == (0o600, OWNER, OWNER), path
    line = next(l for l in pathlib.Path(f"/proc/{world.keeper}/mountinfo").read_text().splitlines()
                if l.split()[4] == str(world.mountpoint))
    options = line.split()[5].split(",") + line.split()[-1].split(",")
    assert {"nosuid", "nodev", f"user_id={OWNER}"} <= set(options), line
    assert "allow_other" not in options and line.split(" - ")[1].split()[0] == "fuse.turnfs"
    world.umount()


@pytest.mark.parametrize("uid", [OTHER, 0], ids=["user", "root"])
def test_S1__without_allow_other__nobody_else_gets_in_whatever_the_modes_say(world, uid):
    world.mount()
    thread = world.mountpoint / "thread"
    world.act(OWNER, os.mkdir, thread)
    world.act(OWNER, say, thread, "user", "secret")
    for path in (world.mountpoint, thread, thread / "000001-user.md"):
        world.act(OWNER, os.chmod, path, 0o777)
    assert world.code(OWNER, os.listdir, thread) == 0
    calls = [(os.listdir, world.mountpoint), (os.stat, thread), (read, thread / "000001-user.md"),
             (say, thread, "user", "x"), (os.mkdir, world.mountpoint / "new"), (os.rmdir, thread),
             (read, world.mountpoint / ".turnfs" / "health")]
    found = {call[0].__name__ + str(call[1]): world.code(uid, *call) for call in calls}
    assert set(found.values()) == {errno.EACCES}, found
    world.umount()


def test_S1__allow_other_that_fuse_conf_forbids__one_line_error(world):
    done = world.turnfs(OWNER, "mount", "-f", "-o", "allow_other", world.store, world.mountpoint)
    assert done.returncode in (1, 2, 4), done
    assert "allow_other" in done.stderr and "fuse.conf" in done.stderr, done.stderr
    assert world.act(OWNER, os.path.ismount, world.mountpoint) is False


# With allow_other, two users


def check_two_users(world):
    """default_permissions is forced: modes decide, for reading, writing, making and removing."""
    thread = world.mountpoint / "thread"
    world.act(OWNER, os.chmod, world.mountpoint, 0o755)
    world.act(OWNER, os.mkdir, thread)
    world.act(OWNER, say, thread, "user", "text")
    turn = thread / "000001-user.md"
    assert world.act(OWNER, look, turn)[0] == 0o600
    assert world.act(OTHER, os.listdir, world.mountpoint) == ["thread"]
    assert sorted(world.act(OTHER, os.listdir, thread)) == ["000001-user.md", "thread.json"]
    denied = [(read, turn), (write, turn, b"x"), (write, thread / "new", b"x"), (os.unlink, turn),
              (os.mkdir, world.mountpoint / "other"), (os.rename, thread, world.mountpoint / "renamed"),
              (os.rmdir, thread), (os.truncate, turn, 0), (say, thread, "user", "x")]
    found = {f"{call[0].__name__} {call[1]}": world.code(OTHER, *call) for call in denied}
    assert set(found.values()) == {errno.EACCES}, found
    for call in ((os.chmod, turn, 0o777), (os.utime, thread), (os.chown, turn, OTHER, OTHER)):
        assert world.code(OTHER, *call) in (errno.EPERM, errno.EACCES), call
    world.act(OWNER, os.chmod, turn, 0o644)
    assert world.act(OTHER, read, turn) == b"text"
    assert world.code(OTHER, set_attribute, turn, "a", "1") == errno.EACCES
    world.act(OWNER, os.chmod, thread, 0o700)
    for path in (turn, thread / "thread.json", thread / "@transcript.md"):
        assert world.code(OTHER, read, path) == errno.EACCES, path
    assert world.code(OTHER, os.listdir, thread) == errno.EACCES


@shared
def test_M4__allow_other_by_an_ordinary_user__modes_are_honoured(world):
    world.mount("allow_other")
    check_two_users(world)
    assert "default_permissions" in pathlib.Path(f"/proc/{world.keeper}/mountinfo").read_text()
    world.umount()


def test_M4__allow_other_by_root__modes_are_honoured(world):
    for folder in (world.store.parent, world.mountpoint):
        os.chown(folder, 0, 0)
    world.mount("allow_other", uid=0)
    world.act(0, os.chmod, world.mountpoint, 0o777)
    thread = world.mountpoint / "theirs"
    world.act(OTHER, os.mkdir, thread, 0o700)
    assert world.act(0, look, thread) == (0o700, OTHER, OTHER)
    world.act(OTHER, say, thread, "user", "mine")
    assert world.act(OTHER, look, thread / "000001-user.md") == (0o600, OTHER, OTHER)
    assert world.code(OWNER, os.listdir, thread) == errno.EACCES
    assert world.code(OWNER, read, thread / "000001-user.md") == errno.EACCES
    assert world.act(0, turns, thread) == [("000001-user.md", b"mine")]
    world.umount(uid=0)


@shared
@pytest.mark.parametrize("uid,allowed", [(OWNER, True), (OTHER, False), (0, False)], ids=["owner", "other", "root"])
def test_S1__turnfs_folder_with_allow_other__is_the_mounting_users_alone(world, uid, allowed):
    world.mount("allow_other")
    world.act(OWNER, os.mkdir, world.mountpoint / "thread")
    world.act(OWNER, os.chmod, world.mountpoint, 0o777)
    control = world.mountpoint / ".turnfs"
    assert world.act(OWNER, look, control) == (0o700, OWNER, OWNER)
    if uid == 0:
        return world.umount()  # root may look, as everywhere
    expected = 0 if allowed else errno.EACCES
    for call in ((os.listdir, control), (read, control / "health"), (read, control / "config"),
                 (os.stat, control / "latest")):
        assert world.code(uid, *call) == expected, call
    world.umount()


@shared
def test_M4__setgid_directory__two_users_share_a_thread_by_its_group(world):
    world.mount("allow_other")
    thread = world.mountpoint / "shared"
    world.act(OWNER, os.chmod, world.mountpoint, 0o755)
    world.act(OWNER, os.mkdir, thread)
    world.act(OWNER, os.chown, thread, OWNER, GROUP)
    world.act(OWNER, os.chmod, thread, 0o2770)
    assert world.act(OTHER, look, thread) == (0o2770, OWNER, GROUP)
    world.act(OTHER, say, thread, "user", "theirs")
    world.act(OTHER, write, thread / "note", b"x")
    assert world.act(OWNER, look, thread / "000001-user.md") == (0o600, OTHER, GROUP)
    assert world.act(OWNER, look, thread / "note") == (0o644, OTHER, GROUP)
    assert world.code(OWNER, read, thread / "000001-user.md") == errno.EACCES
    assert world.act(OWNER, read, thread / "note") == b"x"
    world.act(OWNER, os.unlink, thread / "000001-user.md")
    world.umount()


@shared
@pytest.mark.parametrize("mode,other", [(0o2770, 0), (0o2750, errno.EACCES), (0o707, errno.EACCES), (0o777, 0)])
def test_M4__at_names__follow_the_bits_of_the_thread(world, mode, other):
    """OTHER is in GROUP, and so has the group's bits."""
    world.mount("allow_other")
    world.act(OWNER, os.chmod, world.mountpoint, 0o755)
    thread = world.mountpoint / "thread"
    world.act(OWNER, os.mkdir, thread)
    world.act(OWNER, os.chown, thread, OWNER, GROUP)
    world.act(OWNER, os.chmod, thread, mode)
    assert world.act(OWNER, look, thread / "@user") == (mode & 0o666, OWNER, GROUP)
    assert world.code(OTHER, say, thread, "user", "x") == other
    names = [name for name, _ in world.act(OWNER, turns_names, thread)]
    assert names == ([] if other else ["000001-user.md"])
    world.umount()


def turns_names(thread):
    return [(name, None) for name in sorted(os.listdir(thread)) if harness.is_turn(name)]


@shared
def test_M4__sticky_root__threads_of_others_can_not_be_removed(world):
    world.mount("allow_other")
    world.act(OWNER, os.chmod, world.mountpoint, 0o1777)
    world.act(OWNER, os.mkdir, world.mountpoint / "mine")
    world.act(OTHER, os.mkdir, world.mountpoint / "theirs")
    mine = world.mountpoint / "mine"
    for call in ((os.rmdir, mine), (os.rename, mine, world.mountpoint / "x")):
        assert world.code(OTHER, *call) in (errno.EPERM, errno.EACCES)
    world.act(OTHER, os.rmdir, world.mountpoint / "theirs")
    world.umount()


@shared
@pytest.mark.parametrize("umask,expected", [(0o077, 0o600), (0o002, 0o664)])
def test_M4__umask_of_the_caller__is_honoured(world, umask, expected):
    world.mount("allow_other")
    world.act(OWNER, os.mkdir, world.mountpoint / "thread")
    path = world.mountpoint / "thread" / "note"
    world.act(OWNER, lambda: write(path, b"x", mode=0o666), umask=umask)
    assert world.act(OWNER, look, path) == (expected, OWNER, OWNER)
    world.umount()
