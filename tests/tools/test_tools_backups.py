"""restic, borg, and what else keeps versions: a second run finds nothing, a restore is the same, expiry ends none."""

import json
import os
import subprocess
import time

import pytest

from harness import document, run, say, set_document, shell, turns, write
from talk import FIRST, METADATA, differences, furnish, portrait


@pytest.fixture
def talks(mnt):
    for i in range(3):
        furnish(mnt.thread(f"talk{i}"))
    return mnt.path


def everything(top):
    return {name: portrait(top / name) for name in sorted(os.listdir(top))}


def without_types(found):
    """A turn that is unlinked loses what thread.json says of it; its attributes bring all back, as text."""
    return {t: {n: v for n, v in files.items() if n != "thread.json"} for t, files in found.items()}


@pytest.fixture
def other(mount, workshop):
    return mount(store=workshop.base / "store" / "other.db")


def test_B2__restic__second_run_finds_nothing_and_a_restore_is_the_same(talks, mnt, other, workshop, program):
    program("restic")
    env = {**os.environ, "RESTIC_PASSWORD": "x", "RESTIC_REPOSITORY": str(workshop.base / "restic"),
           "RESTIC_CACHE_DIR": str(workshop.base / "cache"), "HOME": str(workshop.base)}
    restic = lambda *a, **k: run("restic", *a, env=env, **k).stdout

    device = os.stat(talks).st_dev

    def backup():
        lines = restic("backup", "--json", ".", cwd=talks).splitlines()
        summary = next(line for line in map(json.loads, lines) if line["message_type"] == "summary")
        if os.stat(talks).st_dev != device:
            del summary["dirs_changed"]  # it compares st_dev of directories, which the kernel gives
        return {k: summary.get(k, 0) for k in nothing}

    nothing = {"files_new": 0, "files_changed": 0, "files_unmodified": 15, "dirs_new": 0, "dirs_changed": 0,
               "data_blobs": 0}
    restic("init")
    assert backup()["files_new"] == 15
    assert backup() == nothing
    mnt.remount()
    assert backup() == nothing
    mnt.kill9()
    mnt.remount()
    assert backup() == nothing
    say(talks / "talk1", "user", "new")
    changed = backup()
    assert (changed["files_new"], changed["files_changed"]) == (1, 1), "the turn and thread.json"
    assert backup() == {**nothing, "files_unmodified": 16}
    ids = [snapshot["id"] for snapshot in json.loads(restic("snapshots", "--json"))]
    compared = restic("diff", ids[0], ids[-3]).splitlines()
    assert [line for line in compared if line[:1] in "+-MTU?" and "/" in line] == []
    restic("restore", "latest", "--target", str(other.path))
    assert not differences(everything(other.path), everything(talks))
    say(other / "talk1", "user", "what is not in the backup stays")
    restic("restore", "latest", "--target", str(other.path))  # over what is there
    os.unlink(other / "talk1" / "000005-user.md")
    assert not differences(everything(other.path), everything(talks))
    other.remount()
    assert not differences(everything(other.path), everything(talks))


def test_B2__borg__second_run_finds_nothing_and_a_restore_is_the_same(talks, mnt, other, workshop, program):
    program("borg")
    env = {**os.environ, "BORG_BASE_DIR": str(workshop.base / "borg"), "BORG_REPO": str(workshop.base / "repo"),
           "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes", "HOME": str(workshop.base), "LC_ALL": "C.UTF-8"}
    borg = lambda *a, **k: run("borg", *a, env=env, **k)
    time.sleep(1.1)  # borg does not remember files as new as the newest one
    newest = mnt.thread("zz-newest")
    say(newest, "user", "x")

    def backup(name):
        lines = borg("create", "--list", "--filter", "AMEC?", "::" + name, ".", cwd=talks).stderr.splitlines()
        return [line for line in lines if "zz-newest" not in line]

    borg("init", "-e", "none")
    assert len(backup("one")) == 15
    assert backup("two") == []
    mnt.remount()
    assert backup("three") == []
    mnt.kill9()
    mnt.remount()
    assert backup("four") == []
    assert borg("diff", "::one", "four", "talk0", "talk1", "talk2").stdout == ""
    borg("extract", "::four", cwd=other.path)
    assert not differences(everything(other.path), everything(talks))
    borg("extract", "::four", cwd=other.path)  # over what is there: it unlinks each turn before it makes it anew
    assert not differences(without_types(everything(other.path)), without_types(everything(talks)))
    restored = everything(other.path)
    other.remount()
    assert not differences(everything(other.path), restored)


def test_B2__rsync_link_dest__second_snapshot_links_all_and_a_changed_turn_alone_is_new(talks, mnt, workshop, program):
    """rsnapshot, Time Machine: what is unchanged is a hard link into the snapshot before."""
    program("rsync")
    copies = [workshop.base / f"copy{i}" for i in range(3)]
    inodes = lambda top: {f"{t}/{n}": os.stat(top / t / n).st_ino for t in os.listdir(top) for n in os.listdir(top / t)}
    rsync = lambda *a: run("rsync", "-aX", "--modify-window=-1", *a)  # else two changes within a second are one
    rsync(f"{talks}/", copies[0])
    mnt.kill9()
    mnt.remount()
    rsync(f"--link-dest={copies[0]}", f"{talks}/", copies[1])
    assert inodes(copies[0]) == inodes(copies[1]) and len(inodes(copies[0])) == 15
    write(talks / "talk1" / FIRST, b"changed")
    os.unlink(talks / "talk2" / "000002-assistant.md")
    rsync(f"--link-dest={copies[1]}", f"{talks}/", copies[2])
    last, before = inodes(copies[2]), inodes(copies[1])
    assert {n for n in last if last[n] != before[n]} == {f"talk1/{FIRST}", "talk1/thread.json", "talk2/thread.json"}
    assert set(before) - set(last) == {"talk2/000002-assistant.md"}


def test_B3__tar_incremental__removed_added_and_changed_turns_are_restored(talks, mnt, other, workshop):
    tar = lambda n: run("tar", "-c", "--xattrs", "-g", "snar", "--no-check-device", "-f", f"{n}.tar", "-C", talks, ".",
                        cwd=workshop.base)
    tar(1)
    os.unlink(talks / "talk0" / "000002-assistant.md")
    write(talks / "talk1" / FIRST, b"changed")
    os.setxattr(talks / "talk1" / FIRST, "user.model", b"new")
    say(talks / "talk1", "tool", "new")
    for name in os.listdir(talks / "talk2"):
        os.unlink(talks / "talk2" / name)
    os.rmdir(talks / "talk2")
    mnt.kill9()
    mnt.remount()
    tar(2)
    names = run("tar", "-tf", "2.tar", cwd=workshop.base).stdout.split()
    assert sorted(n for n in names if not n.endswith("/")) == sorted(
        ["./talk0/thread.json", f"./talk1/{FIRST}", "./talk1/000004-tool.md", "./talk1/thread.json"])
    for n in (1, 2):
        run("tar", "-xp", "--xattrs", "-g", "/dev/null", "-f", f"{n}.tar", "-C", other.path, cwd=workshop.base)
    assert not differences(everything(other.path), everything(talks))
    other.kill9()
    other.remount()
    assert not differences(everything(other.path), everything(talks))


def test_B3__git_clone_of_a_mount__gives_the_turns_back(talks, other, workshop, program):
    program("git")
    env = {**workshop.environment(), "GIT_DIR": str(workshop.base / "git"), "GIT_CONFIG_COUNT": "2",
           "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_VALUE_0": "t", "GIT_CONFIG_KEY_1": "user.email",
           "GIT_CONFIG_VALUE_1": "t"}
    git = lambda top, *a: run("git", f"--work-tree={top}", *a, env=env, cwd=top)
    git(talks, "init", "-q")
    git(talks, "add", "-A")
    git(talks, "commit", "-qm", "all")
    git(other.path, "checkout", "-qf", "HEAD", "--", ".")
    for name in os.listdir(talks):
        assert turns(other / name) == turns(talks / name)
        assert document(other / name)["turns"] == document(talks / name)["turns"] == METADATA
    assert git(other.path, "status", "--porcelain", "--", "*.md", "*.png").stdout == ""


LOOKS = ["ls -lR .", "find . -type f -size +0 -printf '%s %T@ %p\\n'", "grep -rc x .", "du -sb .", "cp -r . $OUT/cp", "cp -a . $OUT/cpa",
         "find . -type f -exec cat {} +", "tar c . | cat", "rg -c x .", "zip -qr $OUT/z.zip .", "rsync -a . $OUT/rsync",
         "find . | cpio -o --quiet -H newc", "git --git-dir=$OUT/git --work-tree=. add -A", "diff -rq . ."]


@pytest.mark.said("expires at .*; a write or `touch` renews it")
def test_B1__whatever_looks_at_the_backup_while_threads_expire__ends_with_0(mount, workshop, program):
    """Over the live tree these end with 1, 24 or 128: what was listed is gone when it is looked at."""
    for name in ("rg", "zip", "rsync", "cpio", "git"):
        program(name)
    mnt = mount(opts="sync=fsync")
    out = workshop.base / "out"
    out.mkdir()
    env = {**workshop.environment(), "OUT": str(out), "LC_ALL": "C.UTF-8"}
    run("git", "init", "-q", "--bare", out / "git", env=env)
    run("git", f"--git-dir={out / 'git'}", "config", "core.bare", "false", env=env)
    begun, count = time.time(), 150
    for i in range(count):
        thread = mnt.thread(f"mayfly{i:03}")
        say(thread, "user", "x\n" * 100)
        set_document(thread, {"ttl_seconds": 1.2 + 2.4 * i / count - (time.time() - begun)})
    set_document(mnt.thread("stays"), {"title": "stays"})
    backup = mnt / ".turnfs" / "backup"
    seen, done = set(), 0
    while done < len(LOOKS) or len(os.listdir(backup)) > 1:
        seen.add(len(os.listdir(backup)))
        look = shell(LOOKS[done % len(LOOKS)], cwd=backup, env=env, stdin=subprocess.DEVNULL)
        assert look.stderr == "", LOOKS[done % len(LOOKS)]
        shell("rm -rf $OUT/cp $OUT/cpa $OUT/z.zip", env=env)
        done += 1
    assert len(seen) > 4, f"nothing expired meanwhile: {seen}"
    assert os.listdir(mnt.path) == ["stays"]
