"""R1, R2: killed daemons, killed servers, servers that are not there; and the incident again."""

import os

import pytest

from across import health, seen, soon, together
from harness import UNNAMED, outcome, read, run, say, turns, write_all
from kills import Kills
from test_incident import chat, incident  # noqa: F401

ONE = "000001-user.md"


def test_R1__daemon_killed__everything_acknowledged_is_there(any_server, mount):
    mnt = mount(any_server.url)
    for i in range(10):
        thread = mnt.thread(f"t{i}")
        for j in range(10):
            say(thread, "user", f"{i}:{j}")
        fd = os.open(thread / "@user", os.O_WRONLY)
        write_all(fd, b"fsynced")
        os.fsync(fd)
        mnt.kill9()
        outcome(os.close, fd)
        mnt.start()
    for i in range(10):
        found = [text for _, text in turns(mnt / f"t{i}")]
        assert found == [f"{i}:{j}".encode() for j in range(10)] + [b"fsynced"]


def test_R1__server_killed_with_appendfsync_always__both_mounts_go_on_and_nothing_is_lost(servers, mount):
    server = servers()
    a, b = mount(server.url), mount(server.url)
    here, there = a.thread(), seen(b / "thread")
    for i in range(5):
        say(here, "user", f"a{i}")
        server.kill9()
        server.start()
        soon(lambda: outcome(say, there, "user", f"b{i}") == 0, timeout=10)
    expected = [f"{side}{i}".encode() for i in range(5) for side in "ab"]
    for thread in (here, there):
        soon(lambda: [text for _, text in turns(thread)] == expected, timeout=10)


@pytest.mark.limit(200)
@pytest.mark.parametrize("program", ["redis-server", "valkey-server"])
def test_R1__server_killed_again_and_again_while_four_mounts_write__no_acknowledged_turn_is_lost(servers, mount, program):
    """The short form of soak_kills.py."""
    server = servers(program)
    mounts = [mount(server.url) for _ in range(4)]
    kills = Kills(server, [mnt.path for mnt in mounts])
    kills.run(kills=int(os.environ.get("TURNFS_SERVER_KILLS", "3")), turns_each=150)
    print(kills.verify())


def test_R2__no_server_at_mount__exit_status_1_and_a_sentence(workshop, mount):
    path = workshop.base / "mnt"
    path.mkdir()
    for url in (f"redis+unix://{workshop.base}/none.sock", "redis://127.0.0.1:1"):
        done = workshop.refused("-o", "timeout=1s", url, path, timeout=10)
        assert done.returncode == 1, done
        assert url.split("//")[1] in done.stderr, "it names the server"
        assert len(done.stderr.strip().splitlines()) <= 2, done.stderr
        assert os.listdir(path) == [] and not os.path.ismount(path)
    assert not (workshop.base / "home" / ".local" / "share" / "turnfs").exists(), "no fall back"


def test_R2__REDIS_URL_of_no_server__exit_status_1_and_no_local_store(workshop):
    path = workshop.base / "mnt"
    path.mkdir()
    env = {"REDIS_URL": "redis://127.0.0.1:1/0"}
    done = workshop.refused("-o", "timeout=1s", path, env=env, timeout=10)
    assert done.returncode == 1 and "127.0.0.1:1" in done.stderr
    assert not (workshop.base / "home" / ".local" / "share" / "turnfs").exists()


def test_R2__silent_server_at_mount__ends_within_the_timeout(server, workshop):
    path = workshop.base / "mnt"
    path.mkdir()
    server.pause()
    done = workshop.refused("-o", "timeout=1s", server.url, path, timeout=5)
    assert done.returncode == 1 and done.stderr
    server.resume()


def test_R2__server_that_has_gone__mount_stays_on_it_and_says_so(server, mount):
    mnt = mount(server.url, opts="timeout=1s")
    thread = mnt.thread()
    server.kill9()
    assert outcome(say, thread, "user", "nowhere") != 0
    assert outcome(os.mkdir, mnt / "new") != 0
    assert health(mnt).splitlines()[0] in ("degraded", "failed")
    assert "memory" not in health(mnt).splitlines()[1]
    server.start()
    soon(lambda: outcome(say, thread, "user", "here") == 0, timeout=10)
    assert [text for _, text in turns(thread)] == [b"here"]


def test_R1__mounted_again_over_a_killed_mount__works(server, mount):
    mnt = mount(server.url)
    say(mnt.thread(), "user", "x")
    for _ in range(5):
        mnt.kill9()
        mnt.start()
        assert read(mnt / "thread" / ONE) == b"x"
    mnt.remount()
    assert read(mnt / "thread" / ONE) == b"x"


# The incident, with REDIS_URL set


def test_R1__incident_on_redis__server_and_daemon_killed__conversation_continues(any_server, mount, chat):  # noqa: F811
    env = {"REDIS_URL": any_server.url, "CONVERSATION_TIMEOUT_HOURS": "3"}
    mnt = mount(store=UNNAMED, env=env)
    incident(mnt, chat(mnt))
    assert any_server.cli("DBSIZE") > 0, "it is in Redis"
    assert not list((mnt.base / "home").rglob("store.db"))


def test_R1__incident_on_redis__redis_killed_and_restarted_in_its_middle__conversation_continues(servers, mount, chat):  # noqa: F811
    server = servers()
    mnt = mount(store=UNNAMED, env={"REDIS_URL": server.url, "CONVERSATION_TIMEOUT_HOURS": "3"})
    talk = chat(mnt)
    first = talk.say("My name is Ada.")
    thread = first["continuation_id"]
    for i in range(4):
        talk.say(f"Message {i}.", thread)
        server.kill9()
        server.start()
        talk.kill9()
        talk.start()
        soon(lambda: outcome(os.listdir, mnt / thread) == 0, timeout=10)
    answer = talk.say("What is my name?", thread)
    assert answer["reply"] == "You have said 6 things; the first was 'My name is Ada.', the last 'What is my name?'."


def test_R3__incident_on_redis__flushed__user_reads_that_the_store_lost_it(server, mount, chat):  # noqa: F811
    mnt = mount(store=UNNAMED, env={"REDIS_URL": server.url})
    talk = chat(mnt)
    thread = talk.say("My name is Ada.")["continuation_id"]
    server.cli("FLUSHALL")
    answer = {}

    def told():
        answer.update(talk.say("Go on.", thread))
        return "error" in answer

    soon(told)
    text = read(mnt / ".turnfs" / "why" / thread).decode()
    assert "lost" in text and thread in text, text


def test_R1__backup_and_restore_over_redis__cp_a_gives_the_same(pair, workshop):
    a, b = pair
    thread = a.thread()
    for i in range(5):
        say(thread, "user" if i % 2 else "assistant", f"{i}" * 1000)
    run("cp", "-a", thread, workshop.base / "copy")
    run("cp", "-a", workshop.base / "copy", b / "again")
    assert turns(seen(a / "again" / "000005-assistant.md").parent) == turns(thread)
    together(*(lambda m=m: run("rsync", "-a", f"{workshop.base}/copy/", m / f"by-{m.path.name}/") for m in pair))
    for mnt in pair:
        assert turns(seen(b / f"by-{mnt.path.name}" / "000005-assistant.md").parent) == turns(thread)
