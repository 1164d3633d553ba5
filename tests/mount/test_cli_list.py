"""C2: turnfs list, through a mount and out of a store."""

import json
import os
import re
import subprocess
import time
import unicodedata

from fixtures import needs_root
from harness import BINARY, parse_time, say, set_document
from test_cli import cli, one_line  # noqa: F401


def two_threads(mnt):
    (mnt / "old").mkdir()
    say(mnt / "old", "user", "one")
    time.sleep(0.02)
    (mnt / "new").mkdir()
    set_document(mnt / "new", {"title": "A title", "ttl_seconds": 7200})
    say(mnt / "new", "user", "one")
    say(mnt / "new", "assistant", "two")


def check_json(done):
    assert done.returncode == 0, done
    rows = json.loads(done.stdout)
    assert [(row["id"], row["turn_count"], row["title"]) for row in rows] == [
        ("new", 2, "A title"),
        ("old", 1, None),
    ]
    for row in rows:
        assert parse_time(row["expires_at"]) > parse_time(row["updated_at"])
    assert 7100 < rows[0]["seconds_left"] <= 7200
    assert 86300 < rows[1]["seconds_left"] <= 86400


def test_C2__list_of_a_mount__last_used_first(cli):  # noqa: F811
    mnt = cli.folder()
    cli.mount("memory:", mnt)
    two_threads(mnt)
    check_json(cli("list", "--json", mnt))
    rows = cli("list", mnt).stdout.splitlines()
    assert rows[0].split() == ["ID", "TURNS", "LAST", "USE", "LEFT", "TITLE"]
    assert [row.split()[:2] for row in rows[1:]] == [["new", "2"], ["old", "1"]]
    assert rows[1].endswith("A title") and "1h 59m" in rows[1] and "23h 59m" in rows[2]


def columns(text):
    """How many a terminal needs for it."""
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def test_C2__list_of_wide_names__the_columns_stand_below_each_other(cli):  # noqa: F811
    mnt = cli.folder()
    cli.mount("memory:", mnt)
    for name in ("日本語の会話", "Grüße 🌍", "e\u0301tude", "plain"):
        (mnt / name).mkdir()
    rows = cli("list", mnt).stdout.splitlines()
    ends = {columns(re.match(r"(.*) (TURNS|0 ) ", row)[0].rstrip()) for row in rows}
    assert len(rows) == 5 and len(ends) == 1, "\n".join(rows)
    assert not any(row.endswith(" ") for row in rows[1:])


def test_C2__list_of_a_store__the_same_with_and_without_a_mount(cli):  # noqa: F811
    mnt, store = cli.folder(), cli.shop.store_file
    cli.mount(store, mnt)
    two_threads(mnt)
    check_json(cli("list", "--json", store))
    check_json(cli("list", "--json", f"sqlite:{store}"))
    cli.end(mnt)
    check_json(cli("list", "--json", store))


def test_C2__list_of_memory_that_is_not_mounted__no_empty_list(cli):  # noqa: F811
    one_line(cli("list", "memory:"), 1, "memory: is only where it is mounted")


def test_C2__list_without_threads__only_the_head(cli):  # noqa: F811
    mnt = cli.folder()
    cli.mount("memory:", mnt)
    assert cli("list", mnt).stdout.count("\n") == 1
    assert json.loads(cli("list", "--json", mnt).stdout) == []


def test_C2__list_of_a_thread_that_never_expires__says_never(cli):  # noqa: F811
    mnt = cli.folder()
    cli.mount("-o", "ttl=never", "memory:", mnt)
    (mnt / "t").mkdir()
    assert "never" in cli("list", mnt).stdout
    row = json.loads(cli("list", "--json", mnt).stdout)[0]
    assert row["expires_at"] is None and row["seconds_left"] is None


def test_C2__list_of_hostile_titles__cannot_steer_the_terminal(cli):  # noqa: F811
    mnt = cli.folder()
    title = "a\033[31mb\nc\u202ed"
    cli.mount("memory:", mnt)
    (mnt / "t").mkdir()
    set_document(mnt / "t", {"title": title})
    done = cli("list", mnt)
    assert done.stdout.count("\n") == 2
    assert "a?[31mb?c?d" in done.stdout
    assert json.loads(cli("list", "--json", mnt).stdout)[0]["title"] == title


def test_C2__list_does_not_renew_a_thread(cli):  # noqa: F811
    mnt = cli.folder()
    cli.mount("memory:", mnt)
    (mnt / "t").mkdir()
    before = os.getxattr(mnt / "t", "user.turnfs.expires")
    cli("list", mnt)
    assert os.getxattr(mnt / "t", "user.turnfs.expires") == before


def test_C2__list_of_nothing__one_line(cli):  # noqa: F811
    one_line(cli("list", cli.folder()), 2, "neither a turnfs mount nor a store")
    one_line(cli("list", cli.base / "none.db"), 1, "none.db")
    assert not (cli.base / "none.db").exists()
    one_line(cli("list", "redis://:geheim@127.0.0.1:1/0"), 1)


@needs_root
def test_C2__list_without_where__the_only_mount_else_asks_which(cli):  # noqa: F811
    """In a mount namespace of its own, for the machine may have other mounts."""
    one, two = cli.folder("one"), cli.folder("two")
    script = f"""set -e
        awk '$9 == "fuse.turnfs" || $8 == "fuse.turnfs" || $10 == "fuse.turnfs" {{ print $5 }}' \
            /proc/self/mountinfo | while read -r path; do umount -l "$path"; done
        {BINARY} mount memory: {one} >/dev/null
        mkdir {one}/thread-of-one
        {BINARY} list
        {BINARY} mount memory: {two} >/dev/null
        {BINARY} list || echo "status $?"
        {BINARY} umount {one}
        {BINARY} umount {two}"""
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", script],
        env=cli.shop.environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done
    assert "thread-of-one" in done.stdout and "status 2" in done.stdout
    assert "several mounts" in done.stderr
