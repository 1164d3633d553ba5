"""restic and borg: a second run over an unchanged store finds nothing, and a restore is the same."""

import json
import os
import time

import pytest

from harness import run, say
from talk import differences, furnish, portrait


@pytest.fixture
def talks(mnt):
    for i in range(3):
        furnish(mnt.thread(f"talk{i}"))
    return mnt.path


def everything(top):
    return {name: portrait(top / name) for name in sorted(os.listdir(top))}


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
    restic("restore", "latest", "--target", str(other.path))
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
    borg("extract", "::four", cwd=other.path)
    assert not differences(everything(other.path), everything(talks))
    other.remount()
    assert not differences(everything(other.path), everything(talks))
