"""R3, R4: what became of a thread: .turnfs/why, the ledger, `turnfs why`."""

import errno
import json
import os
import re
import time

import pytest

from harness import fails, outcome, parse_time, read, say, set_attribute, shell, turns, wait_until
from test_cli import cli, one_line  # noqa: F401

DAY = 24 * 3600


def why(mnt, thread):
    return read(mnt / ".turnfs" / "why" / thread).decode()


def ledger(mnt):
    return [json.loads(line) for line in read(mnt / ".turnfs" / "ledger.jsonl").decode().splitlines()]


def remove(thread):
    for name in os.listdir(thread):
        os.unlink(thread / name)
    os.rmdir(thread)


def expire(mnt, clock, *names, seconds=DAY + 60):
    clock.forward(seconds)
    for name in names:
        wait_until(lambda: not (mnt / name).exists(), 5, f"{name} expires")
    wait_until(lambda: {e["id"] for e in ledger(mnt) if e["cause"] == "expired"} >= set(names), 5, "entered")


def command_in(text):
    """The first command that a text offers."""
    return re.search(r"^  (\S.*)$", text, re.M).group(1)


# The view


def test_R3__any_id__answers_and_is_not_listed(anymnt):
    folder = anymnt / ".turnfs" / "why"
    for name in ("a", "with space", "-rf", "ä" * 127, "x" * 255, "'\"$`", "000001-user.md", "日本語"):
        assert name in why(anymnt, name)
    assert os.listdir(folder) == []
    for name in ("@user", ".hidden", "a\nb", "a\u202eb"):
        assert outcome(read, folder / name) == errno.ENOENT
    assert outcome(read, folder / ("x" * 256)) == errno.ENAMETOOLONG
    with fails(errno.EEXIST):
        os.mkdir(folder / "new")
    with fails(errno.EROFS, errno.EPERM, errno.EACCES):
        os.close(os.open(folder / "file", os.O_WRONLY))


def test_R3__live_thread__why_tells_until_when(anymnt):
    say(anymnt.thread(), "user", "x")
    text = why(anymnt, "thread")
    expires = os.getxattr(anymnt / "thread", "user.turnfs.expires").decode()
    assert text.startswith(f"thread is live until {expires[:19]}"), text
    assert re.search("another (23h 59m|24h 00m)", text) and "24h (its ttl)" in text and "It has 1 turn;" in text


def test_R3__live_thread_without_ttl__why_says_never(mount):
    mnt = mount(opts="ttl=never")
    mnt.thread()
    assert why(mnt, "thread").startswith("thread is live and never expires.")
    assert "The ttl in force is never" in why(mnt, "thread")


def test_R3__expired_thread__why_tells_when_and_how_to_get_it_back(anymnt, clock):
    say(anymnt.thread("it's one"), "user", "kept")
    deadline = parse_time(os.getxattr(anymnt / "it's one", "user.turnfs.expires").decode())
    expire(anymnt, clock, "it's one")
    text = why(anymnt, "it's one")
    when = re.match(r"it's one expired at (\S+) \((\S+ \S+|\S+) ago\), 24h \(its ttl\) after its last write or touch at (\S+)\.",
                    text)
    assert when, text
    assert abs(parse_time(when[1]) - deadline) < 10**9
    assert parse_time(when[1]) - parse_time(when[3]) == DAY * 10**9
    assert "It had 1 turn." in text
    until = parse_time(re.search(r"had back whole until (\S+),", text)[1])
    assert 0 <= until - deadline - DAY * 10**9 < 70 * 10**9
    assert f"turnfs restore 'it'\\''s one' {anymnt.path}\n" in text, "several may be mounted"
    shell(command_in(text))
    assert turns(anymnt / "it's one") == [("000001-user.md", b"kept")]
    assert why(anymnt, "it's one").startswith("it's one is live until")


def test_R3__deleted_thread__why_tells_when(anymnt):
    for _ in range(3):
        anymnt.thread()
        for _ in range(3):
            say(anymnt / "thread", "user", "x")
        os.unlink(anymnt / "thread" / "000002-user.md")
        remove(anymnt / "thread")
        assert re.match(r"thread was deleted at 20\S+Z \(\ds ago\), .*The last of its turns was number 3\. What",
                        why(anymnt, "thread"))
    anymnt.thread()
    os.rmdir(anymnt / "thread")
    assert "It had 0 turns." in why(anymnt, "thread")


def test_R3__renamed_thread__why_tells_its_names(anymnt):
    anymnt.thread("a")
    os.rename(anymnt / "a", anymnt / "b")
    text = why(anymnt, "a")
    assert re.match(r"a was renamed at 20\S+Z \(\ds ago\) to b\. That one is live", text)
    os.rename(anymnt / "b", anymnt / "c")
    assert "It is called c since. That one is live" in why(anymnt, "a")
    os.rmdir(anymnt / "c")
    assert "is not there any more" in why(anymnt, "a")
    assert shell(re.search(r"cat \S+why/c", why(anymnt, "a"))[0]).stdout.startswith("c was deleted")


def test_R3__restored_under_another_name__why_tells_which(mnt, clock):
    say(mnt.thread("old"), "user", "x")
    expire(mnt, clock, "old")
    os.rename(mnt / ".turnfs" / "expired" / "old", mnt / "new")
    assert re.match(r"old was restored at 20\S+Z \(\d+s ago\) under the name new\.", why(mnt, "old"))
    assert why(mnt, "new").startswith("new is live")


def test_R3__erased_after_grace__why_tells_both_times(mnt, clock):
    say(mnt.thread(), "user", "x")
    expire(mnt, clock, "thread")
    clock.forward(DAY + 60)
    wait_until(lambda: "erased at" in why(mnt, "thread"), 40, "it is erased", interval=0.2)
    text = why(mnt, "thread")
    assert re.match(r"thread expired at 20\S+Z .* After its grace it was erased at 20\S+Z", text), text
    assert [e["cause"] for e in ledger(mnt)] == ["expired", "erased"]
    mnt.remount()
    assert why(mnt, "thread").split(" (")[0] == text.split(" (")[0], "it is known after a restart"


def test_R3__without_grace__why_says_erased(mount, clock):
    mnt = mount(opts="grace=0")
    say(mnt.thread(), "user", "x")
    clock.forward(DAY + 60)
    wait_until(lambda: "erased at" in why(mnt, "thread"), 10, "it is erased")


def test_R3__new_thread_of_the_name_deleted__the_expired_one_is_told_of_too(mnt, clock):
    say(mnt.thread(), "user", "old")
    expire(mnt, clock, "thread")
    mnt.thread()
    os.rmdir(mnt / "thread")
    text = why(mnt, "thread")
    assert text.startswith("thread was deleted at") and "An earlier thread of that name is there:" in text
    shell(command_in(text))
    assert turns(mnt / "thread") == [("000001-user.md", b"old")]


def test_R3__expired_while_nothing_was_mounted__why_says_so(mnt, clock):
    say(mnt.thread(), "user", "x")
    mnt.stop()
    clock.forward(DAY + 3600)
    mnt.start()
    wait_until(lambda: ledger(mnt), 5, "it is found")
    text = why(mnt, "thread")
    assert re.match(r"thread expired at 20\S+Z \((59m \d\ds|1h 00m) ago\), while nothing was mounted, 24h", text), text
    until = parse_time(re.search(r"had back whole until (\S+),", text)[1])
    assert until > parse_time(text.split()[3]) + (DAY + 3000) * 10**9, "grace counts from when it was found"
    first = ledger(mnt)
    assert [(e["id"], e["cause"], e["detail"]) for e in first] == [
        ("thread", "expired", "while nothing was mounted")]
    for _ in range(2):
        mnt.remount()
        time.sleep(0.1)
        assert ledger(mnt) == first, "it is not entered again"


def test_R3__never_seen__why_names_the_beginning_of_the_ledger(mnt):
    text = why(mnt, "unknown")
    began = re.match(r"unknown was never seen here since the ledger began at (20\S+Z)\.", text)
    assert began, text
    mnt.thread()
    mnt.remount()
    assert began[1] in why(mnt, "unknown"), "the beginning is the store's, not the mount's"


def test_R3__read_only_mount__why_tells_what_the_store_cannot_take(mnt, clock):
    say(mnt.thread(), "user", "x")
    mnt.remount(opts="ro")
    clock.forward(DAY + 60)
    wait_until(lambda: not (mnt / "thread").exists(), 5, "it expires")
    assert why(mnt, "thread").startswith("thread expired at")
    wait_until(lambda: [e["cause"] for e in ledger(mnt)] == ["expired"], 5, "the line of the mount alone")


def test_R3__storage_and_ttl_in_force__are_always_named(mount):
    mnt = mount(opts="ttl=90m,grace=3h")
    mnt.thread()
    for name in ("thread", "other"):
        text = why(mnt, name)
        assert f"Storage: {mnt.store}." in text
        assert "The ttl in force is 90m; expired threads are kept for 3h" in text
        assert "-o ttl=" in text and "CONVERSATION_TIMEOUT_HOURS" in text


# The ledger


def test_R4__ledger__one_line_for_each_thread_that_went(anymnt, clock):
    one = anymnt.thread("one")
    set_attribute(one, "turnfs.ttl", "3600")
    for i in range(3):
        say(one, "user", str(i))
    say(anymnt.thread("two"), "user", "x")
    os.rename(anymnt / "two", anymnt / "zwei")
    remove(anymnt / "zwei")
    expire(anymnt, clock, "one", seconds=3700)
    os.rename(anymnt / ".turnfs" / "expired" / "one", anymnt / "one")
    lines = ledger(anymnt)
    assert [(e["id"], e["cause"], e["turns"], e["detail"]) for e in lines] == [
        ("two", "renamed", 1, "zwei"),
        ("zwei", "deleted", 1, None),
        ("one", "expired", 3, None),
        ("one", "restored", 3, "one"),
    ]
    assert [e["ttl_seconds"] for e in lines] == [DAY, DAY, 3600, 3600]
    times = [parse_time(e["time"]) for e in lines]
    assert times == sorted(times)
    assert parse_time(lines[2]["expired_at"]) <= times[2]
    assert lines[0]["expired_at"] is None
    assert os.stat(anymnt / ".turnfs" / "ledger.jsonl").st_size == len(read(anymnt / ".turnfs" / "ledger.jsonl"))


def test_R4__ledger__survives_kill9_and_remount(mnt):
    mnt.thread()
    os.rmdir(mnt / "thread")
    before = ledger(mnt)
    mnt.kill9()
    mnt.start()
    assert ledger(mnt) == before and before[0]["cause"] == "deleted"


@pytest.mark.limit(300)
def test_R4__2000_threads_expire_at_once__all_are_entered_and_nobody_waits(mnt, clock):
    say(mnt.thread("steady"), "user", "x")
    set_attribute(mnt / "steady", "turnfs.ttl", "never")
    for i in range(2000):
        mnt.thread(f"t{i}")
    clock.forward(DAY + 60)
    waits = []
    end = time.monotonic() + 20
    while time.monotonic() < end:
        begun = time.monotonic()
        say(mnt / "steady", "user", "y")
        waits.append(time.monotonic() - begun)
        if len(waits) % 50 == 0 and "turnfs_expiries_total 2000" in read(mnt / ".turnfs" / "metrics").decode():
            break
    lines = ledger(mnt)
    assert len({e["id"] for e in lines if e["cause"] == "expired"}) == 2000 == len(lines)
    waits.sort()
    p99 = waits[len(waits) * 99 // 100]
    print(f"p99 of {len(waits)} appends meanwhile: {p99 * 1000:.1f} ms")
    assert p99 < 0.1


# turnfs why


def test_R3__turnfs_why__prints_the_same_and_ends_with_0_for_a_live_one(cli):  # noqa: F811
    mnt = cli.folder()
    cli.mount(cli.shop.store_file, mnt)
    (mnt / "live").mkdir()
    (mnt / "gone").mkdir()
    os.rmdir(mnt / "gone")
    strip = lambda text: re.sub(r"\d+[smh]( \d+[ms])?( ago)?", "", text)
    for name, status in (("live", 0), ("gone", 1), ("never-there", 1)):
        done = cli("why", name, mnt)
        assert done.returncode == status and done.stderr == ""
        assert strip(done.stdout) == strip(why(mnt, name))
        assert strip(done.stdout.splitlines()[0]) == strip(cli("why", name, cli.shop.store_file).stdout.splitlines()[0])


def test_R3__turnfs_why_of_an_unmounted_store__tells_it_too(cli, clock):  # noqa: F811
    mnt, store = cli.folder(), cli.shop.store_file
    cli.mount(store, mnt)
    (mnt / "one").mkdir()
    say(mnt / "one", "user", "x")
    cli.end(mnt)
    done = cli("why", "one", store)
    assert done.returncode == 0 and done.stdout.startswith("one is live until"), done
    clock.forward(DAY + 60)
    done = cli("why", "one", store)
    assert done.returncode == 1 and "while nothing was mounted" in done.stdout, done
    assert "mv MOUNTPOINT/.turnfs/expired/one MOUNTPOINT/" in done.stdout
    assert cli("why", "two", store).stdout.startswith("two was never seen here since the ledger began")
    done = cli("why", "one", store, env={"CONVERSATION_TIMEOUT_HOURS": "5"})
    assert "ttl in force is 5h" in done.stdout


def test_C4__turnfs_why__one_line_errors(cli):  # noqa: F811
    one_line(cli("why"), 2, "of which thread")
    one_line(cli("why", "@user", cli.shop.store_file), 2, "not the name of a thread")
    one_line(cli("why", "talks/trip"), 2, "not the name of a thread", "the mountpoint behind it")
    one_line(cli("restore", "talks/trip"), 2, "not the name of a thread", "the mountpoint behind it")
    one_line(cli("why", "x", cli.base / "none.db"), 1, "none.db")
    one_line(cli("why", "x", "memory:"), 2, "mountpoint")
    one_line(cli("why", "x", "y", "z"), 2, "not understood")
    assert cli("why", "--help").stdout.startswith("usage: turnfs why ID")
