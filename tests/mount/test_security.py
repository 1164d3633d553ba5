"""S1, S3, S5, C5 and what of S2 shows without Redis: who gets in, and a store that is hostile."""

import errno
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess

import pytest

from fixtures import needs_root
from harness import (
    BINARY,
    MountFailed,
    as_nobody,
    document,
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


def mount_options(path):
    """The options of the mount on `path`, of the mount and of its superblock."""
    (line,) = mounts_on(path)
    before, after = line.split(" - ")
    return set(before.split()[5].split(",")) | set(after.split()[2].split(","))


# S1


@needs_root
def test_S1__without_allow_other__nobody_else_gets_in_whatever_the_modes_say(mnt):
    thread = mnt.thread()
    say(thread, "user", "x")
    for path in (mnt.path, thread):
        os.chmod(path, 0o777)
    os.chmod(thread / "000001-user.md", 0o666)
    for action in (lambda: os.listdir(mnt.path), lambda: os.stat(thread), lambda: read(thread / "000001-user.md"),
                   lambda: say(thread, "user", "x"), lambda: os.mkdir(mnt / "new")):
        assert as_nobody(action) == errno.EACCES
    assert len(turns(thread)) == 1


def test_S1__store_file_0600__folder_we_make_0700(mount, workshop):
    old = os.umask(0)
    try:
        mnt = mount(store=workshop.base / "made" / "deeper" / "turnfs.db")
    finally:
        os.umask(old)
    say(mnt.thread(), "user", "x")
    for path in (workshop.base / "made").rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), (path, oct(mode))


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777, 0o1777, 0o720])
def test_S1__store_folder_that_others_can_write__refused(workshop, mode):
    folder = workshop.base / "shared"
    folder.mkdir()
    folder.chmod(mode)
    (workshop.base / "m").mkdir()
    done = workshop.refused(folder / "turnfs.db", workshop.base / "m")
    assert done.returncode in (1, 2, 4)
    assert str(folder) in done.stderr
    assert not mounts_on(workshop.base / "m")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("mode", [0o660, 0o606, 0o666])
def test_S1__store_file_that_others_can_write__refused(mnt, workshop, mode):
    mnt.stop()
    mnt.store.chmod(mode)
    with pytest.raises(MountFailed):
        mnt.start()
    mnt.store.chmod(0o600)
    mnt.start()


def test_S1__mounts__are_nosuid_and_nodev(mnt):
    assert {"nosuid", "nodev"} <= mount_options(mnt.path)
    assert "allow_other" not in mount_options(mnt.path)


@needs_root
def test_S1__allow_other__default_permissions_is_forced_and_modes_hold(mount):
    mnt = mount(opts="allow_other")
    assert {"allow_other", "default_permissions", "nosuid", "nodev"} <= mount_options(mnt.path)
    os.chmod(mnt.path, 0o755)
    closed, open_ = mnt.thread("closed", 0o700), mnt.thread("open", 0o755)
    for thread in (closed, open_):
        write(thread / "000001-user.md", b"x", mode=0o644)
        write(thread / "secret", b"x", mode=0o600)
    assert as_nobody(lambda: read(open_ / "000001-user.md")) == 0
    assert as_nobody(lambda: os.listdir(mnt.path)) == 0
    for action in (lambda: read(closed / "000001-user.md"), lambda: os.listdir(closed), lambda: read(open_ / "secret"),
                   lambda: write(open_ / "000001-user.md", b"y"), lambda: say(open_, "user", "x"),
                   lambda: write(open_ / "new", b"x"), lambda: os.mkdir(mnt / "new"),
                   lambda: os.unlink(open_ / "000001-user.md"), lambda: os.rmdir(open_),
                   lambda: os.rename(open_, mnt / "other")):
        assert as_nobody(action) == errno.EACCES
    assert as_nobody(lambda: os.chmod(open_, 0o777)) == errno.EPERM
    assert as_nobody(lambda: os.chown(open_, 65534, 65534)) == errno.EPERM


@needs_root
def test_S1__allow_other__a_turn_made_by_role_is_the_writers_alone(mount):
    mnt = mount(opts="allow_other")
    os.chmod(mnt.path, 0o755)
    thread = mnt.thread("thread", 0o755)
    say(thread, "user", "private")
    assert as_nobody(lambda: read(thread / "000001-user.md")) == errno.EACCES


@needs_root
@pytest.mark.parametrize("opts", ["", "allow_other"])
def test_S1__the_view_of_the_mount__is_the_mounting_users_0700(mount, opts):
    mnt = mount(opts=opts)
    os.chmod(mnt.path, 0o755)
    mnt.thread()
    view = mnt / ".turnfs"
    s = os.stat(view)
    assert (stat.S_IMODE(s.st_mode), s.st_uid) == (0o700, os.geteuid())
    assert {"README.md", "health", "config", "latest"} <= set(os.listdir(view))
    for name in os.listdir(view):
        s = os.stat(view / name)
        assert s.st_uid == os.geteuid() and stat.S_IMODE(s.st_mode) & 0o022 == 0, name
    for action in (lambda: read(view / "config"), lambda: os.listdir(view), lambda: os.stat(view / "health")):
        assert as_nobody(action) == errno.EACCES


@pytest.mark.parametrize("action", [
    lambda v: os.mkdir(v / "new"), lambda v: write(v / "new", b"x"), lambda v: os.unlink(v / "health"),
    lambda v: write(v / "health", b"x", os.O_WRONLY), lambda v: os.rename(v / "health", v / "x"),
    lambda v: os.rename(v, v.parent / "x"), lambda v: os.rmdir(v), lambda v: os.symlink("x", v / "s"),
    lambda v: os.truncate(v / "config", 0)])
def test_S1__the_view_of_the_mount__can_not_be_changed(mnt, action):
    before = read(mnt / ".turnfs" / "config")
    assert outcome(action, mnt / ".turnfs") in (errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOTEMPTY, errno.EBUSY,
                                                errno.EINVAL)
    assert read(mnt / ".turnfs" / "config") == before


# S2


def test_S2__password__does_not_show_in_errors(workshop):
    (workshop.base / "m").mkdir()
    done = workshop.refused("redis://user:sEcr3t-w0rd@127.0.0.1:1/0", workshop.base / "m")
    assert "sEcr3t-w0rd" not in done.stderr + done.stdout
    done = workshop.refused(workshop.base / "m", env={"REDIS_URL": "redis://:sEcr3t-w0rd@127.0.0.1:1/0"})
    assert "sEcr3t-w0rd" not in done.stderr + done.stdout


def test_S2__core_dumps__are_off(mount):
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        mnt = mount()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    mnt.proc.send_signal(signal.SIGABRT)
    ended = os.waitid(os.P_PID, mnt.pid, os.WEXITED | os.WNOWAIT)
    assert ended.si_status == signal.SIGABRT
    assert ended.si_code == os.CLD_KILLED, "it left a core dump"
    mnt.proc.wait()


# S3: a store that is hostile


def tables(db):
    """{table: [column]} of a SQLite file, whatever its schema."""
    query = "select name from sqlite_master where type='table' and name not like 'sqlite_%'"
    names = [name for (name,) in db.execute(query)]
    return {name: [row[1] for row in db.execute(f'pragma table_info("{name}")')] for name in names}


def some_rows(db, table, count, rng):
    """A where clause that picks `count` rows, also of a table WITHOUT ROWID."""
    keys = [row[1] for row in db.execute(f'pragma table_info("{table}")') if row[5]] or ["rowid"]
    names = ", ".join(f'"{key}"' for key in keys)
    rows = db.execute(f'select {names} from "{table}"').fetchall()
    picked = rng.sample(rows, min(count, len(rows)))
    matches = " and ".join(f'"{key}" is ?' for key in keys)
    where = " or ".join(f"({matches})" for _ in picked) or "0"
    return where, [value for row in picked for value in row]


HOSTILE = [None, 0, -1, 2**63 - 1, -2**63, 2**62, 1e300, -0.5, "", "x", "..", ".", "/", "a/b", "../../etc/passwd",
           ".hidden", "@user", "a\0b", "\u202e", "x" * 300, "x" * 100000, "000001-user.md", "%s%n%s", b"", b"\xff\xfe",
           b"\0" * 64,
           b"x" * 100000, "{", "[]", "[" * 5000, '{"turns":7}', b'{"a":"\xff"}']

SEED = int(os.environ.get("TURNFS_SEED", "20240607"))


def furnish(mnt):
    for i in range(3):
        thread = mnt.thread(f"victim{i}")
        for j in range(3):
            say(thread, "user", f"text {j}")
        write(thread / "a.png", b"\0\1\2")
        set_attribute(thread / "000001-user.md", "model", "m")
        set_document(thread, {"title": "T"})
    gone = mnt.thread("victim-in-grace")
    say(gone, "user", "x")
    set_attribute(gone, "turnfs.ttl", "1")
    wait_until(lambda: not gone.exists(), 3)


ALLOWED = {0, errno.EIO, errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST, errno.EDQUOT, errno.EINVAL, errno.EROFS,
           errno.ESTALE}


def walk(mnt):
    """Looks at everything, by the names the mount itself tells, and writes a little."""

    def look(call, *arguments):
        code = outcome(call, *arguments)
        assert code in ALLOWED, (errno.errorcode[code], arguments)
        assert mnt.alive, "the daemon has died: " + mnt.stderr[-3000:]
        return code

    for top in (mnt.path, mnt / ".turnfs" / "expired", mnt / ".turnfs" / "backup", mnt / ".turnfs" / "expiring"):
        if look(os.listdir, top):
            continue
        for name in os.listdir(top):
            assert "/" not in name and name not in ("", ".", "..") and not name.startswith((".", "@")), name
            look(os.stat, top / name)
            if look(os.listdir, top / name):
                continue
            for file in os.listdir(top / name):
                assert "/" not in file and not file.startswith("@"), file
                look(os.stat, top / name / file)
                look(read, top / name / file)
                look(lambda p: [os.getxattr(p, a) for a in os.listxattr(p)], top / name / file)
            look(os.listxattr, top / name)
            for special in ("@transcript.jsonl", "@transcript.md", "thread.json"):
                look(read, top / name / special)
            look(read, mnt / ".turnfs" / "why" / name)
    for name in ("health", "metrics", "config", "latest", "ledger.jsonl"):
        look(read, mnt / ".turnfs" / name)
    for i in range(3):
        for action in (say, lambda t, r, x: write(t / "000001-user.md", x), lambda t, r, x: os.chmod(t, 0o700),
                       lambda t, r, x: set_attribute(t, "a", "b"), lambda t, r, x: os.rename(t / "a.png", t / "b.png"),
                       lambda t, r, x: os.utime(t)):
            look(action, mnt / f"victim{i}", "user", "x")
    os.statvfs(mnt.path)


def is_up(mnt):
    """Mounts again; True if it is served, False if it was refused in an orderly way."""
    try:
        mnt.start()
        return True
    except MountFailed:
        mnt.check_stderr()
        assert mnt.proc.returncode in (1, 4), mnt.proc.returncode
        return False


@pytest.mark.limit(240)
def test_S3__values_of_any_type_in_any_column__garbage_is_EIO_and_never_a_crash(mnt):
    """Every column of every table, several hostile values each, a copy of the store for each try."""
    furnish(mnt)
    mnt.stop()
    pristine = mnt.store.with_suffix(".pristine")
    shutil.copyfile(mnt.store, pristine)
    with sqlite3.connect(pristine) as db:
        schema = tables(db)
    db.close()
    assert schema
    rng = random.Random(SEED)
    print("TURNFS_SEED =", SEED)
    cases = [(t, c, v) for t, columns in schema.items() for c in columns for v in HOSTILE]
    tries = int(os.environ.get("TURNFS_HOSTILE", "400"))
    served = 0
    for table, column, value in rng.sample(cases, min(tries, len(cases))):
        for rest in mnt.store.parent.glob(mnt.store.name + "*"):
            rest.unlink()
        shutil.copyfile(pristine, mnt.store)
        mnt.store.chmod(0o600)
        db = sqlite3.connect(mnt.store)
        db.execute("pragma ignore_check_constraints=1")
        try:
            where, picked = some_rows(db, table, rng.choice([1, 1, 100]), rng)
            db.execute(f'update "{table}" set "{column}"=? where {where}', [value, *picked])
            db.commit()
        except (sqlite3.IntegrityError, sqlite3.DataError):
            continue  # the schema itself forbids it
        finally:
            db.close()
        try:
            if is_up(mnt):
                served += 1
                walk(mnt)
                mnt.stop()
        except Exception:
            print("case:", table, column, repr(value)[:60], where)
            raise
    assert served > 0


@pytest.mark.limit(240)
def test_S3__random_bytes_changed_in_the_file__never_a_crash(mnt):
    furnish(mnt)
    mnt.stop()
    pristine = mnt.store.read_bytes()
    rng = random.Random(SEED)
    print("TURNFS_SEED =", SEED)
    for _ in range(int(os.environ.get("TURNFS_HOSTILE", "400")) // 8):
        for rest in mnt.store.parent.glob(mnt.store.name + "*"):
            rest.unlink()
        data = bytearray(pristine)
        for _ in range(rng.choice([1, 5, 50])):
            data[rng.randrange(len(data))] = rng.randrange(256)
        mnt.store.write_bytes(data)
        mnt.store.chmod(0o600)
        if is_up(mnt):
            walk(mnt)
            mnt.proc.terminate()
            assert mnt.proc.wait(20) in (0, 1), mnt.stderr[-3000:]


def test_S3__rows_removed__the_rest_reads(mnt):
    furnish(mnt)
    mnt.stop()
    pristine = mnt.store.with_suffix(".pristine")
    shutil.copyfile(mnt.store, pristine)
    db = sqlite3.connect(pristine)
    schema = tables(db)
    db.close()
    rng = random.Random(SEED)
    for table in [table for table in schema for _ in range(3)]:
        for rest in mnt.store.parent.glob(mnt.store.name + "*"):
            rest.unlink()
        shutil.copyfile(pristine, mnt.store)
        mnt.store.chmod(0o600)
        db = sqlite3.connect(mnt.store)
        where, picked = some_rows(db, table, 2, rng)
        db.execute(f'delete from "{table}" where {where}', picked)
        db.commit()
        db.close()
        if is_up(mnt):
            walk(mnt)
            mnt.stop()


# S5


def test_S5__as_root__it_warns(mnt):
    if os.geteuid() == 0:
        assert re.search(r"root", mnt.stderr), mnt.stderr


def test_S5__mountpoint_is_a_symlink__refused(workshop):
    (workshop.base / "real").mkdir()
    (workshop.base / "link").symlink_to(workshop.base / "real")
    done = workshop.refused(workshop.store_file, workshop.base / "link")
    assert "symlink" in done.stderr or "symbolic" in done.stderr
    assert not mounts_on(workshop.base / "real")


def test_S5__mountpoint_inside_its_own_store__refused(workshop):
    inside = workshop.base / "store" / "m"
    inside.mkdir()
    done = workshop.refused(workshop.store_file, workshop.base / "store")
    assert done.stderr.strip()
    assert not mounts_on(workshop.base / "store")


def test_S5__program__is_not_setuid():
    assert not BINARY.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)


# C5


def test_C5__foreground__logs_go_to_stderr(mnt):
    assert mnt.stderr.strip(), "it says at least what it mounted and the ttl in force"
    assert "\x1b[" not in mnt.stderr, "no colours where there is no terminal"
    assert "\r" not in mnt.stderr, "no progress where there is no terminal"


def test_C5__logs__never_have_content(mnt):
    secret = "zebra-" + os.urandom(8).hex()
    thread = mnt.thread()
    say(thread, "user", secret + " 1")
    write(thread / "a.txt", secret + " 2")
    set_attribute(thread / "000001-user.md", "key", secret)
    set_document(thread, {"title": secret})
    outcome(write, thread / "thread.json", "{" + secret)
    outcome(write, thread / "@transcript.jsonl", '{"role":"user","content":"' + secret, os.O_WRONLY)
    mnt.kill9()
    mnt.remount()
    read(thread / "000001-user.md")
    mnt.stop()
    assert secret not in mnt.stderr
    mnt.start()


def test_C5__debug__logs_each_request_with_its_outcome_and_no_content(workshop):
    (workshop.base / "m").mkdir()
    command = [str(BINARY), "mount", "-d", str(workshop.store_file), str(workshop.base / "m")]
    with open(workshop.base / "log", "wb") as log:
        daemon = subprocess.Popen(command, env=workshop.environment(), stdout=log, stderr=log)
    try:
        wait_until(lambda: os.path.ismount(workshop.base / "m"), 10)
        os.mkdir(workshop.base / "m" / "t")
        say(workshop.base / "m" / "t", "user", "zebra-content")
        run(BINARY, "umount", workshop.base / "m")
        assert daemon.wait(10) == 0
    finally:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()
        if mounts_on(workshop.base / "m"):
            run("umount", "-l", workshop.base / "m")
    text = (workshop.base / "log").read_text(errors="replace")
    assert "zebra-content" not in text
    lines = text.splitlines()
    requests = [line for line in lines if re.search(r"unique: \d+, opcode: \w+", line)]
    for name in ("MKDIR", "LOOKUP", "OPEN", "WRITE", "FLUSH", "RELEASE"):
        assert any(f"opcode: {name} " in line for line in requests), name
    assert any(re.search(r"unique: \d+, (success|error)", line) for line in lines)
    assert all(line.startswith("turnfs: ") for line in lines[lines.index(requests[0]):])


def test_C5__same_trouble_again_and_again__is_logged_once_not_each_time(mnt):
    thread = mnt.thread()
    before = len(mnt.stderr.splitlines())
    for _ in range(200):
        outcome(os.stat, thread / "none")
        outcome(os.mkdir, thread)
        outcome(os.open, thread / "@user", os.O_RDONLY)
        outcome(os.mkdir, mnt / ".bad")
    assert len(mnt.stderr.splitlines()) - before < 10, "answers are not logged"
    assert document(thread)["turn_count"] == 0
