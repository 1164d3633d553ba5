"""Programs that change a turn's file: editors and stream editors, each in its own way."""

import os
import time

import pytest

from harness import document, read, run, shell
from talk import CONTENTS, FIRST, METADATA, edited, furnish, verify_twice
from terminal import Terminal


@pytest.fixture
def talk(mnt):
    return furnish(mnt.thread("talk"))


EDITED = edited(FIRST, b"first", b"FIRST")


def vim(path, *commands, settings=""):
    arguments = ["-c", f"set {settings}"] if settings else []
    for command in commands:
        arguments += ["-c", command]
    return run("vim", "-es", "-N", "-u", "NONE", "-i", "NONE", *arguments, path, stdin=-3, timeout=30)


@pytest.mark.parametrize("settings", [
    "nobackup writebackup backupcopy=no", "nobackup writebackup backupcopy=yes",
    "nobackup writebackup backupcopy=auto", "nobackup nowritebackup", "swapfile updatecount=1 backupcopy=no"])
def test_M6__vim__saves_and_leaves_nothing_behind(program, mnt, talk, settings):
    program("vim")
    before = os.stat(talk / FIRST)
    vim(talk / FIRST, "%s/first/FIRST/", "wq", settings=settings)
    after = os.stat(talk / FIRST)
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    verify_twice(mnt, talk, EDITED)


def test_M6__vim_that_keeps_backups__the_backup_is_an_attachment(program, mnt, talk):
    program("vim")
    vim(talk / FIRST, "%s/first/FIRST/", "wq", settings="backup backupcopy=no")
    assert read(talk / (FIRST + "~")) == b"first question\n"
    verify_twice(mnt, talk, EDITED, extra=("picture.png", FIRST + "~"))


def test_M6__vim__several_saves_in_one_session_and_a_new_turn(program, mnt, talk):
    program("vim")
    vim(talk / FIRST, "%s/first/1/", "w", "%s/1/2/", "w", "%s/2/FIRST/", "wq", settings="backupcopy=no")
    vim(talk / "000007-user.md", "normal iNew turn", "wq")
    contents = [*EDITED, ("000007-user.md", b"New turn\n")]
    verify_twice(mnt, talk, contents, {**METADATA, "000007-user.md": {}}, modes={"000007-user.md": 0o644})


def test_M6__vim__edits_the_document(program, talk):
    program("vim")
    vim(talk / "thread.json", '%s/"T"/"From vim"/', "wq", settings="backupcopy=no")
    doc = document(talk)
    assert doc["title"] == "From vim" and doc["turns"] == METADATA
    assert "thread.json~" not in os.listdir(talk)


def test_M6__vim_killed__the_swap_file_recovers_the_edit(program, talk):
    """A refused scratch name would make it lose the edit."""
    program("vim")
    run("vim", "-es", "-N", "-u", "NONE", "-i", "NONE", "-c", "set swapfile", "-c", "%s/first/FIRST/", "-c", "preserve",
        "-c", "call system('kill -9 ' . getpid())", talk / FIRST, stdin=-3, check=False)
    swap = [name for name in os.listdir(talk) if name.endswith(".swp")]
    assert swap == ["." + FIRST + ".swp"]
    assert read(talk / FIRST) == b"first question\n"
    run("vim", "-es", "-N", "-u", "NONE", "-i", "NONE", "-r", "-c", "wq!", talk / FIRST, stdin=-3, check=False)
    assert read(talk / FIRST) == b"FIRST question\n"


@pytest.mark.parametrize("settings", ["backupcopy=no", "backupcopy=yes", "backupcopy=auto"])
def test_M6__vim_on_a_terminal__saves_twice_and_leaves_nothing_behind(program, mnt, talk, workshop, settings):
    program("vim")
    swap = f".{FIRST}.swp"
    command = ["vim", "-N", "-u", "NONE", "-i", "NONE", "-c", f"set {settings} writebackup", talk / FIRST]
    with Terminal(*command, env=workshop.environment()) as vim_:
        vim_.expect(b"first question")
        for word in (b"2", b"FIRST"):
            vim_.send(b"ggcw" + word + b"\x1b:w\r")
            vim_.expect(b"written")
            assert swap in os.listdir(talk)
        vim_.send(b":q\r")
        assert vim_.end() == 0
    verify_twice(mnt, talk, EDITED)


@pytest.mark.parametrize("options,left", [("", []), ("-B", [FIRST + "~"]), ("-G", [])], ids=["plain", "backup", "lock"])
def test_M6__nano__saves(program, mnt, talk, workshop, options, left):
    program("nano")
    with Terminal("nano", "-I", *options.split(), talk / FIRST, env=workshop.environment()) as nano:
        nano.expect(b"first question")
        nano.send(b"FIRST, not \x0f")
        nano.expect(b"Name to Write")
        nano.send(b"\r")
        nano.expect(b"Wrote 1 line")
        assert (f".{FIRST}.swp" in os.listdir(talk)) == (options == "-G")
        nano.send(b"\x18")
        assert nano.end() == 0
    for name in left:
        assert read(talk / name) == CONTENTS[0][1]
    verify_twice(mnt, talk, edited(FIRST, b"first", b"FIRST, not first"), extra=["picture.png", *left])


@pytest.mark.parametrize("command", [
    "sed -i s/first/FIRST/ 000001-user.md",
    "sed -i '/question/s/first/FIRST/' *.md", "perl -pi -e s/first/FIRST/ 000001-user.md",
    "ed -s 000001-user.md <<X\ns/first/FIRST/\nw\nq\nX",
    "ex -s -u NONE -i NONE 000001-user.md <<X\ns/first/FIRST/\nwq\nX",
    "umask 027; sed s/first/FIRST/ 000001-user.md > t && mv t 000001-user.md",
    "sed s/first/FIRST/ 000001-user.md > ../../new; dd if=../../new of=000001-user.md conv=fsync 2>/dev/null;"
    "sync 000001-user.md; rm ../../new",
    "x=$(sed s/first/FIRST/ 000001-user.md); echo \"$x\" > 000001-user.md",
    "printf FIRST | dd of=000001-user.md conv=notrunc 2>/dev/null",
    "printf 'FIRST question\\n' | cp /dev/stdin 000001-user.md",
    "printf 'FIRST question\\n' > ../../new; cp ../../new 000001-user.md; rm ../../new",
], ids=["sed", "sed-all", "perl", "ed", "ex", "mv-within", "dd", "shell", "dd-notrunc", "cp-stdin", "cp"])
def test_M6__stream_editors_and_copies__content_changed_metadata_kept(program, mnt, talk, command):
    for word in {"perl", "ed", "ex"} & set(command.split()):
        program(word)
    shell(command, cwd=talk)
    verify_twice(mnt, talk, EDITED, rewritten=("000002-assistant.md", "000003-user.md") if "*.md" in command else ())


def test_M6__mv_from_elsewhere_over_a_turn__unlinks_it_so_nothing_of_it_lingers(mnt, talk):
    shell("umask 027; printf 'FIRST question\\n' > ../../new; mv ../../new 000001-user.md", cwd=talk)
    verify_twice(mnt, talk, EDITED, {**METADATA, FIRST: {}})


def test_M6__sed_i_with_a_suffix__keeps_the_old_as_an_attachment(mnt, talk):
    shell("sed -i.bak s/first/FIRST/ 000001-user.md", cwd=talk)
    assert read(talk / (FIRST + ".bak")) == b"first question\n"
    verify_twice(mnt, talk, EDITED, extra=("picture.png", FIRST + ".bak"))


def test_M6__perl_i_with_a_suffix__keeps_the_old_as_an_attachment(program, mnt, talk):
    program("perl")
    shell("perl -pi.bak -e s/first/FIRST/ 000001-user.md", cwd=talk)
    verify_twice(mnt, talk, EDITED, extra=("picture.png", FIRST + ".bak"))


def test_M5__patch_and_diff__work(program, mnt, talk):
    program("patch")
    shell("sed s/first/FIRST/ 000001-user.md > ../../new; diff -u 000001-user.md ../../new > ../../d;"
          "patch -s 000001-user.md ../../d", cwd=talk)
    verify_twice(mnt, talk, EDITED)


def test_M5__an_editor_that_checks_mtime_before_saving__finds_it_unmoved(talk):
    """VS Code: open with truncate, write, fdatasync, close; the next save compares mtime and size."""
    for i in range(5):
        fd = os.open(talk / FIRST, os.O_WRONLY | os.O_TRUNC)
        os.write(fd, b"version %d\n" % i)
        os.fdatasync(fd)
        os.close(fd)
        s = os.stat(talk / FIRST)
        seen = s.st_mtime_ns, s.st_size, s.st_ctime_ns
        document(talk), os.listdir(talk)
        time.sleep(0.05)
        s = os.stat(talk / FIRST)
        assert (s.st_mtime_ns, s.st_size, s.st_ctime_ns) == seen
    assert document(talk)["turns"] == METADATA
    assert len(CONTENTS) == document(talk)["turn_count"]
