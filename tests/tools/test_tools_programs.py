"""What libraries and databases do to files: temporary names, mappings, locks."""

import mmap
import os
import sqlite3
import tempfile

import pytest

from harness import in_child, opened, outcome, read, run, shell, turns, write
from talk import FIRST, METADATA, edited, furnish, verify, verify_twice

EDITED = edited(FIRST, b"first", b"FIRST")


@pytest.fixture
def talk(mnt):
    return furnish(mnt.thread("talk"))


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
