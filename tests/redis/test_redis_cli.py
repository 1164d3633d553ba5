"""C1, C2, N1 to N3: the forms of a STORE, the commands on a server without a mount, names and keys."""

import json
import os
import threading

import pytest

from across import remove, seen, soon
from harness import attributes, document, outcome, read, say, set_attribute, turns, wait_until, write
from test_cli import cli, config  # noqa: F401

ONE = "000001-user.md"


# C1


@pytest.mark.parametrize("form", ["unix", "tcp", "tcp and number", "localhost", "unix and number", "environment"])
def test_C1__forms_of_a_store__all_reach_the_server(servers, mount, form):
    server = servers(port=True)
    urls = {"unix": server.url, "tcp": server.tcp_url, "tcp and number": f"{server.tcp_url}/0",
            "localhost": f"redis://localhost:{server.port}/", "unix and number": f"{server.url}?db=0",
            "environment": server.url}
    mnt = mount(store="", env={"REDIS_URL": urls[form]}) if form == "environment" else mount(urls[form])
    say(mnt.thread(), "user", "x")
    assert server.keys("turnfs:") and turns(mnt / "thread") == [(ONE, b"x")]


def test_C1__database_number__is_a_store_of_its_own(servers, mount):
    server = servers(port=True)
    zero, three, unix = mount(f"{server.tcp_url}/0"), mount(f"{server.tcp_url}/3"), mount(f"{server.url}?db=3")
    say(three.thread("in-three"), "user", "x")
    seen(unix / "in-three" / ONE, "x")
    say(three / "in-three", "user", "y")
    seen(unix / "in-three" / "000002-user.md", "y")
    assert os.listdir(zero.path) == []
    assert not server.keys("in-three")
    with server.client(db=3) as client:
        assert list(client.scan_iter("*in-three*"))


def test_C1__options_in_the_query__are_taken(server, mount):
    mnt = mount(f"{server.url}?prefix=chat:&ttl=90m")
    thread = mnt.thread()
    assert document(thread)["ttl_seconds"] == 5400
    assert config(mnt.path)["prefix"] == "chat:"
    assert server.keys() == server.keys("chat:") and server.keys()
    assert outcome(say, thread, "user", "x") == 0


def test_C1__two_prefixes_on_one_server__are_two_stores(server, mount):
    a, b, plain = mount(f"{server.url}?prefix=a:"), mount(server.url, opts="prefix=ab:"), mount(server.url)
    for i, mnt in enumerate((a, b, plain)):
        say(mnt.thread("same-name"), "user", f"{i}")
    for i, mnt in enumerate((a, b, plain)):
        assert os.listdir(mnt.path) == ["same-name"]
        assert turns(mnt / "same-name") == [(ONE, f"{i}".encode())]
    remove(a / "same-name")
    assert read(b / "same-name" / ONE) == b"1" and read(plain / "same-name" / ONE) == b"2"


@pytest.mark.parametrize("url, word", [
    ("redis://127.0.0.1:99999", "port"),
    ("redis://127.0.0.1:x", "port"),
    ("redis+unix://", "path"),
    ("redis://127.0.0.1:6379/x", "x"),
    ("redis+unix:///tmp/none.sock?nonsense=1", "nonsense"),
    ("redis+unix:///tmp/none.sock?timeout=soon", "timeout"),
    ("redis+unix:///tmp/none.sock?replicas=-1", "replicas"),
])
def test_C1__bad_store__one_line_that_says_what(workshop, url, word):
    path = workshop.base / "m"
    path.mkdir()
    done = workshop.refused(url, path, timeout=10)
    assert done.returncode in (1, 2), done
    lines = [line for line in done.stderr.splitlines() if "running as root" not in line]
    assert len(lines) == 1 and word in lines[0], done.stderr


def test_C1__mount__says_which_server_and_what_is_in_force(server, mount):
    mnt = mount(server.url, opts="ttl=3h")
    assert str(server.path) in mnt.stderr and "3h" in mnt.stderr
    told = config(mnt.path)
    assert told["prefix"] == "turnfs:" and told["timeout"] == "5s", told


def test_C1__env_file__names_the_server(server, cli):  # noqa: F811
    (cli.base / "env").write_text(f"REDIS_URL={server.url}\nCONVERSATION_TIMEOUT_HOURS=3\n")
    path = cli.folder()
    cli.mount("--env-file", cli.base / "env", path)
    (path / "thread").mkdir()
    assert document(path / "thread")["ttl_seconds"] == 3 * 3600
    assert server.keys("thread")


# C2


@pytest.fixture
def filled(any_server, mount):
    """A server on which a mount has left a live thread, an expired and a deleted one; it is gone now."""
    mnt = mount(any_server.url)
    say(mnt.thread("live-thread"), "user", "x")
    set_attribute(mnt / "live-thread", "title", "The title")
    say(mnt.thread("expired-thread"), "user", "y")
    set_attribute(mnt / "expired-thread", "turnfs.ttl", "1500ms")  # it is to live on for a look when restored
    say(mnt.thread("deleted-thread"), "user", "z")
    remove(mnt / "deleted-thread")
    soon(lambda: os.listdir(mnt.path) == ["live-thread"])
    mnt.stop()
    return any_server


def test_C2__list_status_why_check_restore__on_a_server_without_a_mount(filled, cli):  # noqa: F811
    url = filled.url
    done = cli("list", url)
    assert done.returncode == 0 and "live-thread" in done.stdout and "The title" in done.stdout, done
    assert "expired-thread" not in done.stdout
    listed = json.loads(cli("list", "--json", url).stdout)
    assert "live-thread" in json.dumps(listed)
    done = cli("status", url)
    assert done.returncode == 0 and str(filled.path) in done.stdout, done
    done = cli("why", "live-thread", url)
    assert done.returncode == 0 and "live" in done.stdout.splitlines()[0], done
    for thread, word in (("expired-thread", "expired at"), ("deleted-thread", "deleted at"), ("nobody", "never seen")):
        done = cli("why", thread, url)
        assert done.returncode == 1 and word in done.stdout.splitlines()[0], done
    assert cli("check", url).returncode == 0
    done = cli("restore", "expired-thread", url)
    assert done.returncode == 0, done
    assert "expired-thread" in cli("list", url).stdout


def test_C2__commands_on_a_server_that_is_mounted_too__see_what_the_mount_sees(server, mount, cli):  # noqa: F811
    mnt = mount(server.url)
    say(mnt.thread(), "user", "x")
    assert "thread" in cli("list", server.url).stdout
    assert cli("why", "thread", server.url).returncode == 0
    assert "thread" in cli("list", mnt.path).stdout
    assert cli("status", mnt.path).returncode == 0


def test_C2__server_that_is_not_there__status_2_others_1_and_a_sentence(cli):  # noqa: F811
    url = f"redis+unix://{cli.base}/none.sock"
    assert cli("status", url).returncode == 2
    for command in (("list", url), ("why", "x", url), ("check", url), ("restore", "x", url)):
        done = cli(*command)
        assert done.returncode == 1 and "none.sock" in done.stderr, done


def test_C2__status_of_a_degraded_server__1(servers, cli, mount):  # noqa: F811
    server = servers(appendonly="no")
    mount(server.url)
    done = cli("status", server.url)
    assert done.returncode == 1 and "appendonly" in done.stdout + done.stderr, done


# N1 to N4


ODD = [":", "a:b", "a*b", "*", "?", "[a]", "{", "}", "{}", "{x}", "}{", "a{b}c", "a}b{c", "turnfs:", "turnfs:{x}",
       "turnfs:{x}:turns", "x}:turns", "-rf", "--help", " ", "a b", "a  b ", "%", "%2e", "a%2Fb", "\\", "'", '"', "$x",
       "ä", "日本語", "x" * 255, "ä" * 127, "{x", "x}", "x", "threads", "index", "epoch", "ledger", "0", "-1", "null",
       "a=b&c", "#", "a\u00a0b", "e\u0301", "é"]


def test_N1__odd_names__each_is_a_thread_of_its_own_and_collides_with_nothing(any_pair):
    a, b = any_pair
    for name in ODD:
        say(a.thread(name), "user", f"in {name}")
        write(a / name / "a:{b}*.txt", name)
        set_attribute(a / name, "k", name)
    for mnt in (a, b):
        soon(lambda: sorted(os.listdir(mnt.path)) == sorted(ODD))
        for name in ODD:
            assert turns(mnt / name) == [(ONE, f"in {name}".encode())], name
            assert read(mnt / name / "a:{b}*.txt") == name.encode()
            assert attributes(mnt / name)["k"] == name.encode()
            assert document(mnt / name)["id"] == name
    for i, name in enumerate(ODD):
        remove((a if i % 2 else b) / name)
        for rest in ODD[i + 1 :]:
            assert outcome(os.stat, a / rest / ONE) == 0, (name, rest)
            break
        last = ODD[-1]
        if name != last:
            assert read(a / last / ONE) == f"in {last}".encode()
    soon(lambda: os.listdir(a.path) == os.listdir(b.path) == [])


def test_N3__odd_attachments__each_is_a_file_of_its_own(pair):
    a, b = pair
    thread = a.thread()
    names = [name for name in ODD if name not in ("x" * 255, "thread.json")] + [".hidden", "x~", "000000-user.md"]
    for name in names:
        write(thread / name, name)
    expected = sorted([*names, "thread.json"])
    for mnt in (a, b):
        soon(lambda: sorted(os.listdir(mnt / "thread")) == expected)
        assert all(read(mnt / "thread" / name) == name.encode() for name in names)


def test_N2__cat_in_order__the_same_on_both(pair):
    a, b = pair
    here, there = a.thread(), seen(b / "thread")
    for i in range(25):
        say(here if i % 2 else there, "user" if i % 3 else "assistant", f"{i}")
    soon(lambda: len(turns(there)) == len(turns(here)) == 25)
    assert turns(there) == turns(here)
    assert [int(name[:6]) for name, _ in turns(there)] == list(range(1, 26))


# What is sent


def workload(mnt, number):
    for i in range(10):
        thread = mnt.thread(f"w{number}-{i}")
        say(thread, "user", "x")
        write(thread / "a.txt", "x")
        set_attribute(thread, "k", "v")
        os.rename(thread, mnt / f"v{number}-{i}")
        for name in os.listdir(mnt / f"v{number}-{i}"):
            read(mnt / f"v{number}-{i}" / name)
        if i % 3 == 0:
            remove(mnt / f"v{number}-{i}")
    set_attribute(mnt / f"v{number}-1", "turnfs.ttl", "500ms")
    os.listdir(mnt.path)
    wait_until(lambda: f"v{number}-1" in os.listdir(mnt / ".turnfs" / "expired"))
    for name in ("health", "metrics", "ledger.jsonl", "latest", "why/nobody", f"why/v{number}-1"):
        read(mnt / ".turnfs" / name)
    os.rename(mnt / ".turnfs" / "expired" / f"v{number}-1", mnt / f"v{number}-1")
    set_attribute(mnt / f"v{number}-1", "turnfs.ttl", "1h")


def test_C2__whole_workload__no_command_that_looks_at_all_keys_is_ever_sent(server, mount, cli):  # noqa: F811
    a, b = mount(server.url), mount(server.url)
    workers = [threading.Thread(target=workload, args=(mnt, n)) for n, mnt in enumerate((a, b))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    b.remount()
    for command in (("list",), ("status",), ("why", "v0-2"), ("check",)):
        assert cli(*command, server.url).returncode in (0, 1)
    sent = server.commands()
    forbidden = {"keys", "flushall", "flushdb", "randomkey", "debug", "save", "bgsave", "config|set", "config|rewrite",
                 "scan", "monitor", "script|flush", "client|kill"}
    assert not forbidden & set(sent), sorted(forbidden & set(sent))
    assert read(a / "v0-1" / ONE) == b"x"


def test_C1__unix_as_redis_py_spells_it__is_the_same_store(server, mount):
    a = mount(server.url + "?db=3")
    say(a.thread(), "user", "text")
    b = mount(store="", env={"REDIS_URL": server.url.replace("redis+unix://", "unix://") + "?db=3"})
    assert read(b / "thread" / "000001-user.md") == b"text"


@pytest.mark.parametrize("url", ["redis://h:99999/0", "redis://h:x", "redis://h/x", "redis://", "redis+unix://",
                                 "redis+unix://not/absolute", "redis://127.0.0.1:1?prefix=a{b", "rediss://[::1"])
def test_C4__a_server_that_cannot_be_meant__is_a_mistake_in_what_was_typed(cli, workshop, url):
    path = workshop.base / "mnt"
    path.mkdir()
    done = cli("mount", url, path)
    assert done.returncode == 2, done
    assert len([line for line in done.stderr.splitlines() if "running as root" not in line]) == 1, done.stderr


def test_C2__the_server_is_away__list_says_so_and_shows_no_list(server, mount, cli):
    mnt = mount(server.url, opts="timeout=1s")
    say(mnt.thread(), "user", "x")
    os.listdir(mnt.path)
    server.pause()
    done = cli("list", mnt.path)
    assert done.returncode == 1 and done.stderr and not done.stdout, done
    done = cli("list", "--json", mnt.path)
    assert done.returncode == 1 and done.stderr and not done.stdout, done
    server.resume()
