"""What libraries and databases do to files: temporary names, mappings, locks."""

import errno
import fileinput
import logging.handlers
import mmap
import os
import shelve
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import zipfile

import pytest

from harness import (RENAME_EXCHANGE, RENAME_NOREPLACE, fails, in_child, opened, outcome, read, renameat2, run, shell,
                     turns, wait_until, write)
from talk import FIRST, METADATA, edited, furnish, verify, verify_twice

EDITED = edited(FIRST, b"first", b"FIRST")


@pytest.fixture
def talk(mnt):
    return furnish(mnt.thread("talk"))


def sync_folder(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)


def put(path, data, mode=0o640):
    """A new file, synced, with its mode put on."""
    with opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600) as fd:
        os.write(fd, data)
        os.fsync(fd)
        os.fchmod(fd, mode)


def write_text(path, new):
    """aider, LangChain's file history and most scripts."""
    path.write_text(new.decode(), encoding="utf-8", newline="\n")


def atomic_write(path, new):
    """python-atomicwrites, Go's renameio, Rust's tempfile: mkstemp beside it, fsync, rename, fsync of the folder."""
    fd, name = tempfile.mkstemp(dir=path.parent, prefix="tmp")
    os.write(fd, new)
    os.fsync(fd)
    os.close(fd)
    os.chmod(name, 0o640)
    os.replace(name, path)
    sync_folder(path.parent)


def jetbrains_safe_write(path, new):
    put(f"{path}___jb_tmp___", new)
    os.rename(path, f"{path}___jb_old___")
    os.rename(f"{path}___jb_tmp___", path)
    os.unlink(f"{path}___jb_old___")


def qt_save_file(path, new):
    """kate: O_TMPFILE and linkat, or where that is not possible a name of its own and rename."""
    with fails(errno.EOPNOTSUPP):
        os.open(path.parent, os.O_TMPFILE | os.O_RDWR, 0o600)
    put(f"{path}.XkCdRf", new)
    os.rename(f"{path}.XkCdRf", path)


def libreoffice(path, new):
    lock = path.parent / f".~lock.{path.name}#"
    put(lock, b",me,host,now;")
    put(path.parent / "lu1234.tmp", new)
    os.rename(path.parent / "lu1234.tmp", path)
    os.unlink(lock)


def dot_lock(path, new):
    """git's way and that of many others: the lock is the new file."""
    put(f"{path}.lock", new)
    with fails(errno.EEXIST):
        put(f"{path}.lock", b"")
    os.rename(f"{path}.lock", path)


def link_then_rename(path, new):
    """Who keeps a backup by a hard link falls back on a copy."""
    with fails(errno.EPERM):
        os.link(path, f"{path}.bak")
    shutil.copy2(path, f"{path}.bak")
    put(f"{path}.new", new)
    os.rename(f"{path}.new", path)
    os.unlink(f"{path}.bak")


def rename_no_replace(path, new):
    put(f"{path}.new", new)
    with fails(errno.EEXIST):
        renameat2(f"{path}.new", path, RENAME_NOREPLACE)
    with fails(errno.EINVAL):
        renameat2(f"{path}.new", path, RENAME_EXCHANGE)
    os.rename(f"{path}.new", path)


def file_input(path, new):
    with fileinput.input(path, inplace=True, backup=".bak") as lines:
        for line in lines:
            sys.stdout.write(line.replace("first", "FIRST"))
    os.unlink(f"{path}.bak")


def copy_beside_and_truncate(path, new):
    """Helix, and editors that keep a copy until the file is written in place."""
    shutil.copy2(path, f"{path}.bak")
    write(path, new, os.O_WRONLY | os.O_TRUNC)
    sync_folder(path.parent)
    os.unlink(f"{path}.bak")


def copy_file_range(path, new):
    write(path.parent / "from", new)
    with opened(path.parent / "from") as source, opened(path, os.O_WRONLY | os.O_TRUNC) as target:
        assert os.copy_file_range(source, target, 1000) == len(new)
    os.unlink(path.parent / "from")


def send_file(path, new):
    write(path.parent / "from", new)
    with opened(path.parent / "from") as source, opened(path, os.O_WRONLY | os.O_TRUNC) as target:
        assert os.sendfile(target, source, 0, 1000) == len(new)
    os.unlink(path.parent / "from")


WRITERS = [write_text, atomic_write, jetbrains_safe_write, qt_save_file, libreoffice, dot_lock, link_then_rename,
           rename_no_replace, file_input, copy_beside_and_truncate, copy_file_range, send_file]


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__)
def test_M6__as_others_save__keeps_number_and_metadata(mnt, talk, writer):
    writer(talk / FIRST, EDITED[0][1])
    verify_twice(mnt, talk, EDITED)


def test_M6__gio_save__keeps_number_and_metadata(mnt, talk, program):
    """gedit and all that is GTK: .goutputstream-XXXXXX, rename."""
    program("gio")
    shell("sed s/first/FIRST/ 000001-user.md | gio save 000001-user.md", cwd=talk)
    verify_twice(mnt, talk, EDITED)
    shell("gio copy 000001-user.md file.txt; gio move file.txt 000004-user.md; gio remove 000004-user.md", cwd=talk)
    verify_twice(mnt, talk, EDITED)


@pytest.mark.parametrize("naming", [{}, {"prefix": FIRST + ".", "suffix": ".tmp"}, {"prefix": "."}], ids=str)
def test_M6__python_temporary_file_and_replace__keeps_number_and_metadata(mnt, talk, naming):
    with tempfile.NamedTemporaryFile(dir=talk, delete=False, **naming) as f:
        f.write(EDITED[0][1])
        f.flush()
        os.fsync(f.fileno())
    os.replace(f.name, talk / FIRST)
    verify_twice(mnt, talk, EDITED, modes={FIRST: 0o600})


def test_M6__mcp_filesystem_server__realpath_then_hex_name_then_rename(mnt, talk):
    """@modelcontextprotocol/server-filesystem: validates by realpath, writes FILE.<32 hex>.tmp, renames."""
    path = os.path.realpath(talk / FIRST)
    assert path == str(talk / FIRST)
    temporary = f"{path}.{os.urandom(16).hex()}.tmp"
    write(temporary, EDITED[0][1], os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    os.rename(temporary, path)
    verify(talk, EDITED, modes={FIRST: 0o644})
    write(talk / "000004-user.md", b"made with wx", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    verify_twice(mnt, talk, [*EDITED, ("000004-user.md", b"made with wx")], {**METADATA, "000004-user.md": {}},
                 modes={FIRST: 0o644, "000004-user.md": 0o644})


def test_M6__temporary_file_that_is_given_up__leaves_nothing(talk):
    with tempfile.NamedTemporaryFile(dir=talk) as f:
        f.write(b"x")
    verify(talk)


def test_N5__python_TemporaryFile__falls_back_and_works(talk):
    with tempfile.TemporaryFile(dir=talk) as f:
        f.write(b"anonymous")
        f.seek(0)
        assert f.read() == b"anonymous"
        assert os.fstat(f.fileno()).st_nlink == 0
    verify(talk)


def test_W2__mmap__in_place_edit(mnt, talk):
    with open(talk / FIRST, "r+b") as f, mmap.mmap(f.fileno(), 0) as mapping:
        mapping[0:5] = b"FIRST"
    verify_twice(mnt, talk, EDITED)


def test_W2__mmap__grown_by_truncate_then_filled(mnt, talk):
    with opened(talk / "grown.bin", os.O_CREAT | os.O_RDWR) as fd:
        os.ftruncate(fd, 100000)
        with mmap.mmap(fd, 100000) as mapping:
            for i in range(0, 100000, 1000):
                mapping[i : i + 4] = b"%04d" % (i // 1000)
            mapping.flush()
            assert os.pread(fd, 4, 50000) == b"0050"
    for _ in range(2):
        data = read(talk / "grown.bin")
        assert len(data) == 100000
        assert all(data[i : i + 4] == b"%04d" % (i // 1000) for i in range(0, 100000, 1000))
        mnt.remount()


def test_W2__mmap__two_processes_share_it(talk):
    write(talk / "shared", bytes(4096))
    with opened(talk / "shared", os.O_RDWR) as fd, mmap.mmap(fd, 4096) as mapping:

        def other():
            with open(talk / "shared", "r+b") as f, mmap.mmap(f.fileno(), 4096) as mine:
                mine[0:5] = b"child"

        with in_child(other):
            pass
        assert mapping[0:5] == b"child"


@pytest.mark.parametrize("mode", ["delete", "truncate", "persist", "memory", "wal"])
def test_W2__sqlite_in_a_thread__works_and_is_whole_after_a_remount(mnt, talk, mode):
    path = talk / "notes.db"
    db = sqlite3.connect(path)
    assert db.execute(f"pragma journal_mode={mode}").fetchone() == (mode,)
    db.execute("create table t (i integer primary key, x text)")
    for lot in range(5):
        with db:
            db.executemany("insert into t (x) values (?)", [(f"row {lot}:{i}" * 20,) for i in range(200)])
    with pytest.raises(ZeroDivisionError), db:
        db.execute("delete from t")
        1 / 0
    second = sqlite3.connect(path, timeout=0.1)
    db.execute("begin immediate")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        second.execute("begin immediate")
    db.rollback()
    assert second.execute("select count(*) from t").fetchone() == (1000,)
    second.close()
    db.close()
    for _ in range(2):
        db = sqlite3.connect(path)
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        assert db.execute("select count(*), sum(length(x)) > 0 from t").fetchone() == (1000, 1)
        db.close()
        mnt.remount()


def test_W2__sqlite_wal__two_processes_share_it_and_nothing_is_left_beside_it(mnt, talk, program):
    program("sqlite3")
    db = sqlite3.connect(talk / "notes.db", isolation_level=None)
    assert db.execute("pragma journal_mode=wal").fetchone() == ("wal",)
    db.execute("create table t (i integer)")
    db.execute("insert into t values (1)")
    assert {"notes.db-wal", "notes.db-shm"} <= set(os.listdir(talk))
    assert run("sqlite3", talk / "notes.db", "insert into t values (2); select sum(i) from t").stdout == "3\n"
    assert db.execute("select count(*) from t").fetchone() == (2,)
    db.execute("begin immediate")
    done = run("sqlite3", talk / "notes.db", "insert into t values (3)", check=False)
    assert done.returncode != 0 and "locked" in done.stderr
    assert run("sqlite3", talk / "notes.db", "select count(*) from t").stdout == "2\n", "readers go on"
    db.execute("commit")
    db.close()
    verify_twice(mnt, talk, extra=("picture.png", "notes.db"))
    done = run("sqlite3", talk / "notes.db", "pragma integrity_check; select count(*) from t;"
               f"vacuum into '{talk}/copy.db'; pragma wal_checkpoint(truncate); pragma journal_mode=delete; vacuum")
    assert done.stdout.split() == ["ok", "2", "0|0|0", "delete"]
    assert run("sqlite3", talk / "copy.db", "select sum(i) from t").stdout == "3\n"
    verify_twice(mnt, talk, extra=("picture.png", "notes.db", "copy.db"))


def test_W2__sqlite_wal__program_killed__what_it_committed_is_recovered_after_a_remount(mnt, talk, program):
    program("sqlite3")
    script = ".bail on\npragma journal_mode=wal;\ncreate table t (i);\ninsert into t values (7);\nbegin;\n" \
             "insert into t values (8);\nselect 'ready';\n"
    with subprocess.Popen(["sqlite3", talk / "notes.db"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as db:
        db.stdin.write(script.encode())
        db.stdin.flush()
        assert [db.stdout.readline() for _ in range(2)] == [b"wal\n", b"ready\n"]
        db.kill()
    assert "notes.db-wal" in os.listdir(talk)
    mnt.remount()
    assert run("sqlite3", talk / "notes.db", "pragma integrity_check; select i from t").stdout == "ok\n7\n"
    verify_twice(mnt, talk, extra=("picture.png", "notes.db"))


def test_N3__python_libraries_that_keep_files__beside_the_turns(mnt, talk):
    with shelve.open(str(talk / "shelf")) as shelf:
        shelf["k"] = [1, 2]
    handler = logging.handlers.RotatingFileHandler(talk / "a.log", maxBytes=20, backupCount=2)
    for i in range(5):
        handler.emit(logging.makeLogRecord({"msg": f"line number {i}"}))
    handler.close()
    with zipfile.ZipFile(talk / "z.zip", "w") as z:
        z.write(talk / FIRST, FIRST)
    with zipfile.ZipFile(talk / "z.zip", "a") as z:
        z.writestr("more", "x")
    shelves = [name for name in os.listdir(talk) if name.startswith("shelf")]
    verify_twice(mnt, talk, extra=["picture.png", "a.log", "a.log.1", "a.log.2", "z.zip", *shelves])
    with shelve.open(str(talk / "shelf"), "r") as shelf:
        assert shelf["k"] == [1, 2]
    with zipfile.ZipFile(talk / "z.zip") as z:
        assert z.testzip() is None and z.read(FIRST) == b"first question\n"
    assert read(talk / "a.log") + read(talk / "a.log.1") == b"line number 4\nline number 3\n"


def test_W4__sqlite_in_a_thread__committed_survives_kill(mnt, talk):
    db = sqlite3.connect(talk / "notes.db")
    db.execute("create table t (i integer)")
    for i in range(20):
        with db:
            db.execute("insert into t values (?)", (i,))
    mnt.kill9()
    try:
        db.close()
    except sqlite3.Error:
        pass
    mnt.remount()
    db = sqlite3.connect(talk / "notes.db")
    assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    assert db.execute("select count(*) from t").fetchone() == (20,)
    db.close()


def test_W2__flock_command__excludes(talk, program):
    program("flock")
    script = "for i in 1 2 3 4 5; do flock lock sh -c 'n=$(cat n); echo $((n+1)) > n'; done"
    write(talk / "n", b"0\n")
    shell(f"({script}) & ({script}) & ({script}) & wait", cwd=talk)
    assert read(talk / "n") == b"15\n"


def test_C3__service_manager_stops_it_by_SIGTERM__it_unmounts_and_ends_with_0_and_all_is_there(mount, workshop, program):
    """What systemd does at stop; systemd itself is used where it runs."""
    systemd = os.path.isdir("/run/systemd/system") and shutil.which("systemd-run")
    if not systemd:
        program("start-stop-daemon")
    mnt = mount()
    talk = furnish(mnt.thread("talk"))
    mnt.stop()
    pidfile, unit = workshop.base / "pid", workshop.base.name
    if systemd:
        scope = [] if os.geteuid() == 0 else ["--user"]
        run("systemd-run", *scope, "-q", "-p", "Type=notify", "--unit", unit, *mnt.command())
        stop = ["systemctl", *scope, "stop", unit]
    else:
        run("start-stop-daemon", "--start", "--background", "--make-pidfile", "--pidfile", pidfile, "--exec", "/bin/sh", "--",
            "-c", '"$@" 2>> "$0"; echo $? > "$0.status"', workshop.base / "said", *mnt.command())
        wait_until(lambda: os.path.ismount(mnt.path), 20)
        child = wait_until(lambda: run("pgrep", "-P", pidfile.read_text().strip(), check=False).stdout, 5)
        stop = ["start-stop-daemon", "--stop", "--pid", child.strip(), "--retry", "TERM/10"]
    verify(talk)
    write(talk / FIRST, EDITED[0][1], os.O_WRONLY | os.O_TRUNC)
    with opened(talk / FIRST):  # who has it open does not keep it from ending
        run(*stop)
    wait_until(lambda: not os.path.ismount(mnt.path), 5)
    if systemd:
        result = run("systemctl", *scope, "show", "-P", "Result", unit, check=False).stdout.strip()
        assert result in ("success", "")
    else:
        status = workshop.base / "said.status"
        assert wait_until(lambda: status.exists() and status.read_text(), 5) == "0\n"
    mnt.start()
    verify_twice(mnt, talk, EDITED)


def test_W6__agents_in_shell__build_a_conversation(mnt):
    shell("mkdir t; echo hello > t/@user; echo hi | cat >> t/@assistant; printf '%s' 'last' | tee t/@user > /dev/null",
          cwd=mnt.path)
    mnt.kill9()
    mnt.remount()
    assert turns(mnt / "t") == [
        ("000001-user.md", b"hello\n"), ("000002-assistant.md", b"hi\n"), ("000003-user.md", b"last")]


def test_N5__gzip_xz_unzip__beside_the_turns(mnt, talk, program):
    program("gzip")
    before = read(talk / "picture.png")
    shell("gzip -k picture.png; gzip -t picture.png.gz; rm picture.png; gunzip picture.png.gz", cwd=talk)
    assert read(talk / "picture.png") == before
    verify(talk)


def test_N5__shell_globs_and_tests__as_usual(talk):
    done = shell("for f in *.md; do [ -f $f ] && [ -r $f ] && [ -w $f ] && [ -s $f ] && echo $f; done;"
                 "[ -e @user ] && echo yes; [ -d . ] && [ ! -L 000001-user.md ] && [ ! -e none ] && echo ok; echo *",
                 cwd=talk)
    names = [FIRST, "000002-assistant.md", "000003-user.md"]
    assert done.stdout.split() == [*names, "yes", "ok", *names, "picture.png", "thread.json"]
    assert run("realpath", talk / FIRST).stdout.strip() == str(talk / FIRST)
    assert outcome(os.readlink, talk / FIRST) != 0
