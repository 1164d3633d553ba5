"""zen-mcp-server's threads, which it rewrites whole at each turn: nothing of it is lost to us, nor of ours."""

import datetime
import errno
import json
import os
import threading
import time
import uuid

import pytest

from chat_tools import Zen, options
from harness import document, fails, get_attribute, read, say, set_document, turns, wait_until, write


@pytest.fixture
def client(server):
    with server.client() as client:
        yield client


@pytest.fixture
def zen(client):
    return Zen(client)


@pytest.fixture
def zmnt(server, mount):
    return mount(server.url, options(Zen))


def texts(thread):
    return [text.decode() for _, text in turns(thread)]


def lost(m, thread):
    folder = m / ".turnfs" / "lost" / thread
    return {name: read(folder / name).decode() for name in os.listdir(folder)} if folder.exists() else {}


def test_I6__another_ttl_than_ours__is_kept_by_appends(server, mount, client):
    zen = Zen(client, ttl=18000)
    thread = zen.create()
    client.pexpire(zen.key(thread), 7_200_000)  # three of its five hours have passed
    m = mount(server.url, options(Zen))
    before = json.loads(client.get(zen.key(thread)))
    old = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=3)
    client.set(zen.key(thread), zen.dump(before | {"last_updated_at": old.isoformat()}), px=7_200_000)
    wait_until(lambda: document(m / thread)["ttl_seconds"] == 18000, 1)
    say(m / thread, "user", "more")
    assert 17_990_000 < client.pttl(zen.key(thread)) <= 18_000_050
    assert document(m / thread)["ttl_seconds"] == 18000


def test_I6__times_long_ago__do_not_make_it_live_for_years(server, mount, client, zen):
    thread = zen.create(created_at="2025-10-13T02:47:00+00:00", last_updated_at="2025-10-13T02:47:00+00:00")
    m = mount(server.url, options(Zen))
    say(m / thread, "user", "more")
    assert 10_790_000 < client.pttl(zen.key(thread)) <= 10_800_050


def test_I6__unknown_fields_and_odd_spellings__survive_an_append(server, mount, client, zen):
    thread = str(uuid.uuid4())
    turn = (r'{"role":"user","content":"\u00e9\/ \ud83d\ude00","timestamp":"2025-10-13T02:47:00+00:00",'
            r'"files":null,"score":1.0e+2,"images":[],"tool_name":null,"x":{"b":[1,  2],"a":-0}}')
    value = (f'{{"thread_id":"{thread}","mood":"é \\u00e9","parent_thread_id":null,"n":1.50,'
             '"created_at":"2025-10-13T02:47:00+00:00","last_updated_at":"2025-10-13T02:47:00+00:00",'
             f'"tool_name":"chat","turns":[{turn}],"initial_context":{{}},"session_fingerprint":"f"}}')
    client.setex(zen.key(thread), 10800, value)
    m = mount(server.url, options(Zen))
    say(m / thread, "assistant", "answer")
    now = client.get(zen.key(thread)).decode()
    assert turn in now and '"mood":"é \\u00e9"' in now and '"n":1.50' in now and now.endswith('"session_fingerprint":"f"}')
    assert texts(m / thread) == ["é/ 😀", "answer"]
    assert document(m / thread)["session_fingerprint"] == "f"
    added = json.loads(now)["turns"][1]
    assert list(added) == list(Zen.TURN) and added["files"] in (None, [])


def test_M1__metadata_of_a_turn__comes_from_it_and_goes_into_it(zmnt, zen):
    thread = zen.create(turns=())
    wait_until(lambda: (zmnt / thread).is_dir(), 1)
    zen.add(thread, "assistant", "x", model_name="gpt-5", model_provider="openai", tool_name="chat",
            files=["/a.py"], model_metadata={"usage": {"in": 3}})
    turn = zmnt / thread / "000001-assistant.md"
    wait_until(turn.exists, 1)
    assert get_attribute(turn, "model_name") == b"gpt-5"
    assert json.loads(get_attribute(turn, "files")) == ["/a.py"]
    line = {"role": "assistant", "content": "y", "model_name": "o5", "files": ["/b.py"], "mood": "calm"}
    write(zmnt / thread / "@transcript.jsonl", json.dumps(line) + "\n", os.O_WRONLY)
    added = zen.load(thread)["turns"][1]
    assert added["model_name"] == "o5" and added["files"] == ["/b.py"] and "mood" not in added
    assert get_attribute(zmnt / thread / "000002-assistant.md", "mood") == b"calm"


def test_M3__thread_json__is_split_between_the_value_and_beside(zmnt, zen):
    thread = zen.create()
    wait_until(lambda: (zmnt / thread).is_dir(), 1)
    doc = document(zmnt / thread)
    assert doc["tool_name"] == "chat" and doc["initial_context"] == {"prompt": "hi"}
    set_document(zmnt / thread, doc | {"tool_name": "codereview", "title": "Mine", "extra": [1]})
    value = zen.load(thread)
    assert value["tool_name"] == "codereview" and "title" not in value and "extra" not in value
    assert document(zmnt / thread)["title"] == "Mine" and document(zmnt / thread)["extra"] == [1]
    zen.add(thread, "user", "more")
    wait_until(lambda: len(texts(zmnt / thread)) == 2, 1)
    assert document(zmnt / thread)["title"] == "Mine"


def test_M3__one_member_of_thread_json_changes__the_others_stay(zmnt, zen):
    parent = str(uuid.uuid4())
    thread = zen.create(parent_thread_id=parent, session_fingerprint="f", client_friendly_name="c")
    wait_until(lambda: (zmnt / thread).is_dir(), 1)
    set_document(zmnt / thread, document(zmnt / thread) | {"tool_name": "codereview"})
    value = zen.load(thread)
    assert (value["tool_name"], value["parent_thread_id"]) == ("codereview", parent)
    assert (value["session_fingerprint"], value["client_friendly_name"]) == ("f", "c")
    doc = document(zmnt / thread)
    del doc["parent_thread_id"]
    set_document(zmnt / thread, doc)
    assert zen.load(thread)["parent_thread_id"] is None and zen.load(thread)["session_fingerprint"] == "f"


def test_I6__max_turns__is_shown(server, mount, zen):
    thread = zen.create()
    m = mount(server.url, options(Zen, "max_turns=20"))
    assert b"20 turns" in read(m / ".turnfs" / "health")
    assert document(m / thread)["max_turns"] == 20


# No one loses a turn


def test_I6__the_tool_writes_over_ours__it_is_kept_shown_and_said(server, zmnt, zen, client):
    thread = zen.create()
    wait_until(lambda: (zmnt / thread).is_dir(), 1)
    stale = zen.load(thread)
    say(zmnt / thread, "assistant", "ours\n")
    assert texts(zmnt / thread) == ["hi", "ours\n"]
    stale["turns"].append(zen.turn("user", "the tool's"))
    zen.store(thread, stale)
    wait_until(lambda: lost(zmnt, thread) == {"000002-assistant.md": "ours\n"}, 2)
    assert texts(zmnt / thread) == ["hi", "the tool's"]
    health = read(zmnt / ".turnfs" / "health").decode()
    assert health.startswith("degraded") and ".turnfs/lost" in health
    assert f".turnfs/lost/{thread}" in read(zmnt / ".turnfs" / "why" / thread).decode()
    assert thread in zmnt.stderr and "ours" not in zmnt.stderr
    with fails(errno.EROFS, errno.EACCES, errno.EPERM):
        os.unlink(zmnt / ".turnfs" / "lost" / thread / "000002-assistant.md")
    zmnt.remount()
    wait_until(lambda: lost(zmnt, thread) == {"000002-assistant.md": "ours\n"}, 2)
    client.delete(zen.key(thread))
    wait_until(lambda: lost(zmnt, thread) == {}, 2)


def test_I6__the_tool_writes_ours_back__it_is_lost_no_more(zmnt, zen):
    thread = zen.create()
    wait_until(lambda: (zmnt / thread).is_dir(), 1)
    stale = zen.load(thread)
    say(zmnt / thread, "assistant", "ours")
    full = zen.load(thread)
    zen.store(thread, stale)
    wait_until(lambda: lost(zmnt, thread), 2)
    zen.store(thread, full)
    wait_until(lambda: not lost(zmnt, thread), 2)
    assert read(zmnt / ".turnfs" / "health").startswith(b"ok")


def test_I6__overwritten_while_nothing_was_mounted__is_found_at_mount(zmnt, zen):
    thread = zen.create()
    wait_until(lambda: (zmnt / thread).is_dir(), 1)
    stale = zen.load(thread)
    say(zmnt / thread, "assistant", "ours")
    zmnt.stop()
    zen.store(thread, stale)
    zmnt.start()
    wait_until(lambda: lost(zmnt, thread) == {"000002-assistant.md": "ours"}, 2)


def test_I6__our_own_edit_or_removal__is_no_loss(zmnt, zen):
    thread = zen.create()
    wait_until(lambda: (zmnt / thread).is_dir(), 1)
    say(zmnt / thread, "assistant", "one")
    say(zmnt / thread, "assistant", "two")
    write(zmnt / thread / "000002-assistant.md", "one, edited", os.O_WRONLY | os.O_TRUNC)
    os.unlink(zmnt / thread / "000003-assistant.md")
    zen.add(thread, "user", "more")
    wait_until(lambda: texts(zmnt / thread)[-1] == "more", 1)
    time.sleep(0.1)
    assert lost(zmnt, thread) == {}


def test_I6__eight_of_the_tool_against_eight_of_ours__nothing_is_lost(zmnt, zen, server):
    """The tool loses its own turns to itself; none of them to us, and none of ours at all."""
    thread = zen.create(turns=())
    wait_until(lambda: (zmnt / thread).is_dir(), 1)
    lock = threading.Lock()  # the tool's own eight threads take turns: what they lose is not our matter
    said, errors = [], []

    def the_tool(n):
        with server.client() as client:
            own = Zen(client)
            for i in range(15):
                with lock:
                    assert own.add(thread, "user", f"tool {n}.{i}")
                    said.append(f"tool {n}.{i}")

    def ours(n):
        try:
            for i in range(15):
                say(zmnt / thread, "assistant", f"ours {n}.{i}")
        except OSError as error:
            errors.append(error)

    workers = [threading.Thread(target=f, args=(n,)) for n in range(8) for f in (the_tool, ours)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not errors
    value = [t["content"] for t in zen.load(thread)["turns"]]
    assert [t for t in value if t.startswith("tool")] == said
    mine = sorted(f"ours {n}.{i}" for n in range(8) for i in range(15))

    def all_of_ours():
        kept = [t for t in value if t.startswith("ours")] + list(lost(zmnt, thread).values())
        return sorted(kept) == mine

    wait_until(all_of_ours, 5, "each turn of ours is in the value or in lost/")
    assert value == texts(zmnt / thread)


def test_W8__an_edit_on_what_the_tool_has_changed__is_ESTALE(zmnt, zen):
    thread = zen.create(turns=[("user", "one"), ("assistant", "two")])
    wait_until(lambda: (zmnt / thread).is_dir(), 1)
    fd = os.open(zmnt / thread / "000001-user.md", os.O_WRONLY)
    value = zen.load(thread)
    value["turns"][0]["content"] = "the tool's"
    zen.store(thread, value)
    time.sleep(0.1)
    os.write(fd, b"mine")
    with fails(errno.ESTALE):
        os.close(fd)
    assert zen.read(thread)[0] == ("user", "the tool's")
    kept = [n for n in os.listdir(zmnt / thread) if ".conflict-" in n]
    assert len(kept) == 1


def test_F6__one_mount_edits_where_the_other_appends__both_changes_stay(server, mount, zen):
    """A long value is appended to in place: what another mount has changed in its middle is not taken back."""
    thread = zen.create(turns=[("user", f"number {i:04d} " + "x" * 200) for i in range(100)])
    a, b = mount(server.url, options(Zen)), mount(server.url, options(Zen))
    for i in range(30):
        read(a / thread / "000001-user.md")
        name = f"{30 + i:06d}-user.md"
        write(b / thread / name, f"NUMBER {i:04d} " + "y" * 200, os.O_WRONLY | os.O_TRUNC)
        say(a / thread, "assistant", f"said {i}")
        said = [text for _, text in zen.read(thread)]
        assert said[29 + i].startswith("NUMBER") and said[-1] == f"said {i}"
        wait_until(lambda: all(read(m / thread / name).startswith(b"NUMBER") for m in (a, b)), 1)
    wait_until(lambda: texts(a / thread) == texts(b / thread) == [text for _, text in zen.read(thread)], 2)
