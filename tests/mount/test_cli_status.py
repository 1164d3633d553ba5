"""C2: turnfs status and check; list sorted and filtered."""

import json
import os
import pty
import re
import sqlite3
import subprocess

from harness import BINARY, say, set_attribute, set_document, turns, wait_until, write
from test_cli import cli, one_line  # noqa: F401

DAY = 24 * 3600


def three_threads(cli, store):  # noqa: F811
    mnt = cli.folder()
    cli.mount(store, mnt)
    for name, turns, title in (("b", 1, "Zebra"), ("a", 3, None), ("c", 0, "Ant")):
        (mnt / name).mkdir()
        for i in range(turns):
            say(mnt / name, "user", str(i))
        if title:
            set_document(mnt / name, {"title": title})
    set_attribute(mnt / "a", "turnfs.ttl", "90m")
    return mnt


def ids(done):
    assert done.returncode == 0, done
    return [row["id"] for row in json.loads(done.stdout)]


# status


def test_C2__status_of_a_mount__is_its_health_and_ends_with_0(cli):  # noqa: F811
    mnt = three_threads(cli, "memory:")
    done = cli("status", mnt)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("ok\nstorage: memory") and "threads: 3 live, 0 of them" in done.stdout
    told = json.loads(cli("status", "--json", mnt).stdout)
    assert told["state"] == "ok" and told["mountpoint"] == str(mnt)
    assert told["threads"] == {"live": 3, "expiring": 0, "expired": 0}
    assert "loses" in told["durability"] and told["last_error"] == "none since the start."


def test_C2__status_of_a_mount_that_is_degraded__ends_with_1(cli):  # noqa: F811
    store = cli.shop.store_file
    mnt = three_threads(cli, store)
    cli.end(mnt)
    with sqlite3.connect(store) as db:
        db.execute("UPDATE files SET content = 'x' WHERE ino = (SELECT min(ino) FROM files)")
    cli.mount(store, mnt)
    subprocess.run(["cat", *map(str, mnt.glob("*/0*"))], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    done = cli("status", mnt)
    assert done.returncode == 1 and done.stdout.startswith("degraded\n") and "problem: 1 rows" in done.stdout, done
    assert cli("check", mnt).returncode == 1


def test_C2__status_of_what_is_down__ends_with_2(cli):  # noqa: F811
    mnt = cli.folder()
    one_line(cli("status", mnt), 2, "neither a turnfs mount nor a store")
    done = cli("status", "--json", cli.base / "none.db")
    assert done.returncode == 2 and json.loads(done.stdout)["state"] == "down"
    done = cli("status", "memory:")
    assert done.returncode == 2 and done.stdout.startswith("down\n")
    killed = cli.shop.mount()
    killed.kill9()
    done = cli("status", killed.path)
    assert done.returncode == 2 and done.stdout.startswith("down\n") and "does not answer" in done.stdout
    assert "its daemon has ended; mount it again" in done.stdout
    for command in (["list"], ["list", "--expired"], ["why", "x"], ["check"], ["restore", "x"]):
        one_line(cli(*command, killed.path), 1, "its daemon has ended; mount it again")
    killed.start()
    assert cli("status", killed.path).returncode == 0


def test_C2__status_of_a_store_that_is_not_mounted__tells_whether_it_can_be_read(cli):  # noqa: F811
    store = cli.shop.store_file
    cli.end(three_threads(cli, store))
    done = cli("status", store)
    assert done.returncode == 0 and done.stdout.startswith(f"ok\nstorage: SQLite store {store}.")
    store.write_bytes(b"not a store at all, not at all")
    assert cli("status", store).returncode == 2


# check


def test_C2__check_of_a_closed_store__leaves_no_file_beside_it(cli):  # noqa: F811
    mnt = cli.folder()
    cli.mount(cli.shop.store_file, mnt)
    os.mkdir(mnt / "t")
    say(mnt / "t", "user", "text")
    cli.end(mnt)
    folder = os.path.dirname(cli.shop.store_file)
    before = sorted(os.listdir(folder))
    for _ in range(2):
        assert cli("check", cli.shop.store_file).returncode == 0
        assert sorted(os.listdir(folder)) == before
    cli.mount(cli.shop.store_file, mnt)
    assert cli("check", mnt).returncode == 0
    say(mnt / "t", "user", "beside a mount nothing is taken away")
    assert len(turns(mnt / "t")) == 2


def test_F7__check__verifies_every_row_with_and_without_a_mount(cli):  # noqa: F811
    store = cli.shop.store_file
    mnt = three_threads(cli, store)
    for where in (mnt, store):
        done = cli("check", where)
        assert done.returncode == 0 and re.fullmatch(r"ok: \d+ rows verified\n", done.stdout), done
        assert done.stderr == "", "no progress where there is no terminal"
    cli.end(mnt)
    assert cli("check", store).returncode == 0
    one_line(cli("check", "memory:"), 2, "memory")
    one_line(cli("check", cli.base / "none.db"), 1, "none.db")


def test_F7__check__names_what_is_damaged_and_ends_with_1(cli):  # noqa: F811
    store = cli.shop.store_file
    cli.end(three_threads(cli, store))
    with sqlite3.connect(store) as db:
        db.execute("UPDATE files SET content = 'x' WHERE ino = (SELECT min(ino) FROM files)")
    done = cli("check", store)
    assert done.returncode == 1 and done.stdout == ""
    assert "000001-user.md" in done.stderr and "1 of" in done.stderr, done
    assert re.search(r"thread [abc] \(", done.stderr), "by the name that it has in the mount"


def test_C5__check_on_a_terminal__shows_progress_on_stderr(cli):  # noqa: F811
    store = cli.shop.store_file
    mnt = three_threads(cli, store)
    for i in range(300):
        write(mnt / "a" / f"file{i}", b"x")
    master, slave = pty.openpty()
    done = subprocess.run([str(BINARY), "check", str(store)], env=cli.shop.environment(), stdout=subprocess.PIPE,
                          stderr=slave, timeout=60)
    os.close(slave)
    shown = os.read(master, 65536).decode()
    os.close(master)
    assert done.returncode == 0 and b"rows verified" in done.stdout
    assert "verifying: " in shown and " %" in shown


# list


def test_C2__list__sorts_as_asked(cli):  # noqa: F811
    mnt, store = three_threads(cli, cli.shop.store_file), cli.shop.store_file
    for where in (mnt, store):
        assert ids(cli("list", "--json", "--sort=id", where)) == ["a", "b", "c"]
        assert ids(cli("list", "--json", "--sort", "turns", where)) == ["a", "b", "c"]
        assert ids(cli("list", "--json", "--sort=title", where)) == ["c", "b", "a"]
        assert ids(cli("list", "--json", "--sort=left", where))[0] == "a"
        assert ids(cli("list", "--json", "--sort=id", "-r", where)) == ["c", "b", "a"]
        assert ids(cli("list", "--json", "--sort=id", "--reverse", where)) == ["c", "b", "a"]


def test_T8__list_expiring__only_what_expires_within_the_time(cli):  # noqa: F811
    mnt, store = three_threads(cli, cli.shop.store_file), cli.shop.store_file
    for where in (mnt, store):
        assert ids(cli("list", "--json", "--expiring", "2h", where)) == ["a"]
        assert ids(cli("list", "--json", "--expiring=1h", where)) == []
        assert len(ids(cli("list", "--json", "--expiring=2d", where))) == 3


def test_T6__list_expired__what_can_be_restored(cli, clock):  # noqa: F811
    mnt, store = three_threads(cli, cli.shop.store_file), cli.shop.store_file
    clock.forward(2 * 3600)
    wait_until(lambda: not (mnt / "a").exists(), 5, "it expires")
    for where in (mnt, store):
        assert ids(cli("list", "--json", "--expired", where)) == ["a"]
        assert len(ids(cli("list", "--json", where))) == 2
        done = cli("list", "--expired", where)
        assert "GONE FOR" in done.stdout and re.search(r"^a +3 .* 30m \d\ds|^a +3 .* 29m \d\ds", done.stdout, re.M)


def test_C4__status_check_list__one_line_errors_and_help(cli):  # noqa: F811
    one_line(cli("list", "--sort=size", "memory:"), 2, "used, left, turns, id, title")
    one_line(cli("list", "--expiring", "soon", "memory:"), 2, "a time")
    one_line(cli("list", "--expiring=1h", "--expired", "memory:"), 2, "leave out")
    one_line(cli("list", "--nothing"), 2, "--nothing")
    for command in ("status", "check", "list", "why"):
        assert cli(command, "--help").stdout.startswith(f"usage: turnfs {command}")
        assert cli(command, "--version").stdout.startswith("turnfs ")
        one_line(cli(command, "a", "b", "c"), 2, "not understood")
