"""What the tests of a real mount share: starting and killing the daemon, waiting, system calls."""

import contextlib
import ctypes
import datetime
import errno
import gc
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("TURNFS_BIN", ROOT / "build" / "fs" / "turnfs")).absolute()
# Editors treat the system's temporary folder differently (vim's backupskip), hence not /tmp.
SCRATCH = os.environ.get("TURNFS_TEST_DIR", "/var/tmp")
UNNAMED = ""  # mount(store=UNNAMED): no STORE on the command line

SANITIZER_REPORTS = (
    "ERROR: AddressSanitizer",
    "ERROR: LeakSanitizer",
    "WARNING: ThreadSanitizer",
    "runtime error",
)

libc = ctypes.CDLL(None, use_errno=True)

RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4
CLONE_NEWNS = 0x20000
AT_FDCWD = -100


# Waiting and failing


def sanitizer():
    """The library of the sanitizer that the binary was built with, or None."""
    binary = BINARY.read_bytes()
    return next((f"lib{name}.so" for name in ("asan", "tsan") if f"__{name}_init".encode() in binary), None)


def is_sanitized():
    """Whether the binary has its own malloc and its own pace."""
    return sanitizer() is not None


def wait_until(condition, timeout=5.0, message="", interval=0.005):
    """Polls until `condition()` is true and returns its value; AssertionError after `timeout` s."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            what = message or getattr(condition, "__name__", "the condition")
            raise AssertionError(f"waited {timeout} s in vain for: {what}")
        time.sleep(interval)


@contextlib.contextmanager
def fails(*errnos):
    """The block must end with an OSError that has one of `errnos`."""
    names = "/".join(errno.errorcode[e] for e in errnos)
    try:
        yield
    except OSError as error:
        got = errno.errorcode.get(error.errno, error.errno)
        assert error.errno in errnos, f"expected {names}, got {got}: {error}"
    else:
        raise AssertionError(f"expected {names}, but it succeeded")


def outcome(call, *args, **kwargs):
    """0 if the call succeeds, else its errno."""
    try:
        call(*args, **kwargs)
    except OSError as error:
        return error.errno
    return 0


# Files


@contextlib.contextmanager
def opened(path, flags=os.O_RDONLY, mode=0o644):
    """A descriptor, closed at the end; an error of close() is raised."""
    fd = os.open(path, flags, mode)
    try:
        yield fd
    except BaseException:
        with contextlib.suppress(OSError):
            os.close(fd)
        raise
    os.close(fd)


def write(path, data, flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o644):
    """open, write all, close: any of the three may raise."""
    data = data.encode() if isinstance(data, str) else data
    with opened(path, flags, mode) as fd:
        write_all(fd, data)


def write_all(fd, data):
    data = memoryview(data)
    while data:
        data = data[os.write(fd, data) :]


def read(path):
    with opened(path) as fd:
        return read_all(fd)


def read_all(fd):
    parts = []
    while part := os.read(fd, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def say(thread, role, text):
    """Appends one turn."""
    write(os.path.join(thread, "@" + role), text, os.O_WRONLY)


def turns(thread):
    """[(name, content)] of the turns of a thread, in order."""
    return [(n, read(os.path.join(thread, n))) for n in sorted(os.listdir(thread)) if is_turn(n)]


def is_turn(name):
    return len(name) > 10 and name[:6].isdigit() and name[6] == "-" and name.endswith(".md")


def document(thread):
    """thread.json, parsed."""
    return json.loads(read(os.path.join(thread, "thread.json")))


def set_document(thread, value):
    text = value if isinstance(value, (str, bytes)) else json.dumps(value)
    write(os.path.join(thread, "thread.json"), text)


# System calls that Python does not have, or hides


def _call(function, *args):
    if function(*args) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def renameat2(old, new, flags):
    _call(libc.renameat2, AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags)


def fallocate(fd, mode, offset, length):
    _call(libc.fallocate, fd, mode, ctypes.c_long(offset), ctypes.c_long(length))


def get_attribute(path, key):
    return os.getxattr(path, "user." + key)


def set_attribute(path, key, value, flags=0):
    os.setxattr(path, "user." + key, value.encode() if isinstance(value, str) else value, flags)


def remove_attribute(path, key):
    os.removexattr(path, "user." + key)


def attributes(path):
    """{key: value} of the extended attributes that are listed, without `user.`"""
    names = os.listxattr(path)
    assert all(name.startswith("user.") for name in names), names
    return {name[5:]: os.getxattr(path, name) for name in names}


# Times


def parse_time(text):
    """RFC 3339 UTC -> ns of Unix time."""
    text = text.decode() if isinstance(text, bytes) else text
    text = text.strip()
    assert text.endswith("Z") or text.endswith("+00:00"), f"not UTC: {text}"
    text = text[:-1] if text.endswith("Z") else text[:-6]
    whole, _, fraction = text.partition(".")
    seconds = datetime.datetime.strptime(whole + "+0000", "%Y-%m-%dT%H:%M:%S%z").timestamp()
    assert fraction == "" or fraction.isdigit(), text
    return int(seconds) * 10**9 + int((fraction + "0" * 9)[:9])


def expires(thread):
    """The deadline of a thread in seconds of Unix time; None: never."""
    text = get_attribute(thread, "turnfs.expires").strip()
    return None if text == b"never" else parse_time(text) / 1e9


# The mount


def take_mounts_of_ones_own():
    """Mounts made from here on are seen by this process and its children only: tests that run side by
    side find no others. Those of turnfs that are there stay with who made them: a copy of ours would keep
    them from ending. As root; else all share."""
    if os.geteuid() != 0:
        return
    _call(libc.unshare, CLONE_NEWNS)
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
        others = [line.split()[4] for line in f if " - fuse.turnfs " in line]
    for path in others:
        subprocess.run(["umount", "-l", path.encode("latin-1", "surrogateescape").decode("unicode_escape")], check=False)



def mounts_on(path):
    """Lines of /proc/self/mountinfo for mounts on exactly this path."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as f:
        lines = f.read().splitlines()
    unescape = lambda s: s.encode("latin-1", "surrogateescape").decode("unicode_escape")
    return [line for line in lines if unescape(line.split()[4]) == str(path)]


class MountFailed(Exception):
    pass


class Mount:
    """A daemon in the foreground (-f) on a mountpoint of its own."""

    def __init__(self, base, number, store, opts, env):
        self.base = base
        self.path = base / f"mnt{number}"
        self.path.mkdir()
        self.store = store
        self.opts = opts
        self.env = env
        self.stderr_path = base / f"stderr{number}"
        self.proc = None
        self.exit_statuses = []
        self.start()

    def __truediv__(self, name):
        return self.path / name

    @property
    def pid(self):
        return self.proc.pid

    @property
    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    @property
    def alive(self):
        return self.proc is not None and self.proc.poll() is None

    def thread(self, name="thread", mode=0o755):
        path = self.path / name
        path.mkdir(mode)
        return path

    def command(self):
        command = [str(BINARY), "mount", "-f"]
        if self.opts:
            command += ["-o", self.opts]
        if self.store != UNNAMED:
            command.append(str(self.store))
        return command + [str(self.path)]

    def start(self, timeout=20):
        """Starts the daemon and waits until the mount answers."""
        with open(self.stderr_path, "ab") as stderr:
            self.proc = subprocess.Popen(
                self.command(), env=self.env, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr
            )

        def ready():
            if self.proc.poll() is not None:
                raise MountFailed(f"exit status {self.proc.returncode}: {self.stderr}")
            try:
                return os.path.ismount(self.path) and read(self.path / ".turnfs" / "config")
            except OSError:
                return False

        wait_until(ready, timeout, f"{' '.join(self.command())}; {self.stderr}", interval=0.002)
        return self

    def kill9(self):
        self.proc.kill()
        self.proc.wait(10)

    def terminate(self, timeout=20):
        """SIGTERM: must unmount and end with 0."""
        self.proc.terminate()
        self._ended(timeout)

    def stop(self, timeout=20):
        """`turnfs umount`: returns when the store is closed."""
        done = subprocess.run(
            [str(BINARY), "umount", str(self.path)],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"umount: {done.returncode} {done.stderr}{done.stdout}"
        self._ended(timeout)

    def _ended(self, timeout):
        status = self.proc.wait(timeout)
        assert status == 0, f"the daemon ended with {status}: {self.stderr}"
        assert not mounts_on(self.path), "the daemon has ended and the mount is still there"

    def remount(self, opts=None):
        """Stops the daemon if it runs, and starts it again on the same store and mountpoint."""
        if self.alive:
            self.stop()
        if opts is not None:
            self.opts = opts
        return self.start()

    def close(self):
        """The end of a test: whatever state the mount is in, it goes; what was wrong is raised."""
        gc.collect()  # descriptors in tracebacks and generators would make it busy
        try:
            if self.alive:
                self.stop()
        finally:
            if self.alive:
                self.proc.kill()
                self.proc.wait(10)
            while mounts_on(self.path):
                subprocess.run(["umount", "-l", str(self.path)], check=True)
            self.check_stderr()

    def check_stderr(self):
        text = self.stderr
        for report in SANITIZER_REPORTS:
            assert report not in text, text[-20000:]


class Workshop:
    """The mounts and the folder of one test."""

    def __init__(self):
        # Not below anything private to pytest: other users are let in as far as the mountpoint.
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="turnfs-test-", dir=SCRATCH))
        self.base.chmod(0o755)
        (self.base / "store").mkdir(0o700)
        (self.base / "home").mkdir(0o700)
        self.clock_file = self.base / "clock"
        self.clock_file.write_text("0\n")
        self.mounts = []
        self.cleanups = []
        self.default_store = self.store_file

    @property
    def store_file(self):
        return self.base / "store" / "turnfs.db"

    def environment(self, env=None):
        merged = {k: v for k, v in os.environ.items() if not k.startswith("TURNFS_")}
        for name in ("REDIS_URL", "CONVERSATION_TIMEOUT_HOURS"):
            merged.pop(name, None)
        home = self.base / "home"
        merged["HOME"] = str(home)
        merged["XDG_DATA_HOME"] = str(home / ".local" / "share")
        merged["XDG_STATE_HOME"] = str(home / ".local" / "state")
        merged["XDG_RUNTIME_DIR"] = str(home)
        merged["TURNFS_TEST_CLOCK_FILE"] = str(self.clock_file)
        merged.update(env or {})
        return {k: v for k, v in merged.items() if v is not None}

    def mount(self, store=None, opts="", env=None):
        store = self.default_store if store is None else store
        mount = Mount.__new__(Mount)
        self.mounts.append(mount)  # first, so that a start that fails is cleaned up as well
        try:
            mount.__init__(self.base, len(self.mounts), store, opts, self.environment(env))
        except MountFailed:
            if not mount.alive:
                self.mounts.remove(mount)
            raise
        return mount

    def refused(self, *arguments, env=None, timeout=30):
        """Runs `turnfs mount -f ARGUMENTS`, which must fail; returns it with status and stderr."""
        done = subprocess.run(
            [str(BINARY), "mount", "-f", *map(str, arguments)],
            env=self.environment(env),
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        assert done.returncode > 0, f"it should have failed: {done}"
        return done

    def small_store(self, size):
        """Puts a tmpfs of `size` under the store's folder, so that it can be full."""
        folder = self.base / "store"
        options = f"size={size},mode=0700"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
        self.cleanups.append(lambda: subprocess.run(["umount", "-l", str(folder)], check=True))
        return folder

    def kill(self):
        for mount in self.mounts:
            if mount.alive:
                mount.proc.kill()

    def close(self):
        errors = []
        for mount in reversed(self.mounts):
            try:
                mount.close()
            except Exception as error:  # each of them must go
                errors.append(error)
        for cleanup in reversed(self.cleanups):
            cleanup()
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as f:
            assert str(self.base) not in f.read(), "a mount is left behind"
        shutil.rmtree(self.base)
        if errors:
            raise errors[0]


class Clock:
    """Moves the daemon's clock of deadlines; files keep the wall clock's times."""

    def __init__(self, path):
        self.path = path
        self.offset = 0.0

    def set(self, seconds):
        self.offset = seconds
        new = self.path.with_suffix(".new")
        new.write_text(f"{seconds:.9f}\n")
        new.rename(self.path)

    def forward(self, seconds):
        self.set(self.offset + seconds)


def has_test_hooks():
    return b"TURNFS_TEST_CLOCK_FILE" in BINARY.read_bytes()


def run(*command, check=True, **kwargs):
    """A program: its result, with text output. A status other than 0 is an error."""
    kwargs.setdefault("timeout", 60)
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, errors="surrogateescape", **kwargs
    )
    if check:
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done


def shell(script, cwd=None, check=True, shell="sh", arguments=(), **kwargs):
    return run(shell, "-c", script, *([shell, *arguments] if arguments else []), cwd=cwd, check=check, **kwargs)


@contextlib.contextmanager
def in_child(function, *arguments):
    """Runs function() in a child process beside the block; both must succeed. Yields is_running()."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            function(*arguments)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    ended = []

    def is_running():
        if not ended:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                ended.append(status)
        return not ended

    try:
        yield is_running
    finally:
        if not ended:
            ended.append(os.waitpid(pid, 0)[1])
    assert ended == [0], f"the child process ended with {ended}"


def as_nobody(function):
    """Runs function() in a child process as user nobody; returns its errno, 0 if it succeeds."""
    pid = os.fork()
    if pid == 0:
        status = 255
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            status = outcome(function)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
