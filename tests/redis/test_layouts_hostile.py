"""What chat servers do not write, under their keys: never a crash, never a wrong turn, said once."""

import errno
import json
import os
import random
import subprocess
import time
import uuid

import pytest

from chat_tools import ALL, LISTS, AgentFramework, LangChain, LlamaIndex, OpenAIAgents, Zen, options
from harness import BINARY, document, fails, is_turn, outcome, read, say, turns, wait_until, write

U = "11111111-2222-4333-8444-%012d"


@pytest.fixture
def client(server):
    with server.client() as client:
        yield client


def zen_value(thread, turns, **more):
    now = "2025-10-13T02:47:00+00:00"
    value = {"thread_id": thread, "parent_thread_id": None, "created_at": now, "last_updated_at": now,
             "tool_name": "chat", "turns": turns, "initial_context": {}} | more
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def walk(path):
    """Everything that can be asked of everything: only errors of the closed set come back."""
    for name in os.listdir(path):
        folder = path / name
        outcome(os.stat, folder)
        for file in (os.listdir(folder) if outcome(os.listdir, folder) == 0 else []):
            outcome(os.stat, folder / file)
            outcome(read, folder / file)
            outcome(os.listxattr, folder / file)
        outcome(read, folder / "@transcript.jsonl")
        outcome(read, folder / "@transcript.md")


def test_I6__values_that_are_no_threads__are_not_turns(server, mount, client):
    turn = Zen.turn("user", "x")
    values = [b"", b"{", b"[]", b"null", b"\0", b"\xff\xfe", b'{"turns":[]}', b"{" * 10000, b"[" * 10000 + b"]" * 10000,
              b'{"thread_id":' + b"1" * 100000, zen_value("t", [1]), zen_value("t", {}), zen_value("t", [[]]),
              zen_value("t", [turn | {"role": 1}]), zen_value("t", [turn | {"content": None}]),
              zen_value("t", [turn | {"files": "x"}]), zen_value("t", [turn], initial_context=[]),
              zen_value("t", [turn])[:-1], zen_value("t", [turn]) + b"x", b"\x00" + zen_value("t", [turn])]
    for i, value in enumerate(values):
        client.set("thread:" + U % i, value)
    client.zadd("thread:" + U % 100, {"a": 1})
    client.hset("thread:" + U % 101, "a", 1)
    client.rpush("thread:" + U % 102, "x")
    client.zadd(f"thread:{U % 103}:messages", {"a": 1})
    client.set("thread:test_thread_validation", json.dumps({"id": "test_thread_validation", "messages": []}))
    good = Zen(client).create()
    m = mount(server.url, options(Zen))
    for _ in range(2):
        walk(m.path)
    for name in os.listdir(m.path):
        if name != good:
            assert outcome(os.listdir, m / name) != 0, (name, os.listdir(m / name))
    assert turns(m / good) == [("000001-user.md", b"hi")]
    time.sleep(0.1)
    for i in range(len(values)):
        assert m.stderr.count(U % i) == 1, m.stderr
    assert m.stderr.count("test_thread_validation") == 1
    assert good in os.listdir(m.path) and "test_thread_validation" not in os.listdir(m.path)
    client.set("thread:" + U % 0, zen_value(U % 0, [turn]))
    wait_until(lambda: outcome(os.stat, m / (U % 0) / "000001-user.md") == 0, 1)


def test_I6__a_thread_that_was_one__is_EIO_and_then_one_again(server, mount, client):
    zen = Zen(client)
    thread = zen.create()
    m = mount(server.url, options(Zen))
    read(m / thread / "000001-user.md")
    value = client.get(zen.key(thread))
    client.set(zen.key(thread), b"{}")
    wait_until(lambda: outcome(os.listdir, m / thread) == 5, 1)
    assert outcome(say, m / thread, "user", "x") != 0
    assert client.get(zen.key(thread)) == b"{}"
    client.set(zen.key(thread), value)
    wait_until(lambda: outcome(read, m / thread / "000001-user.md") == 0, 1)


def test_I6__odd_texts__are_what_they_are(server, mount, client):
    zen = Zen(client)
    lone = r'{"role":"user","content":"a\ud800b\u0000c","timestamp":"2025-10-13T02:47:00+00:00"}'
    thread = U % 1
    value = zen_value(thread, []).replace(b'"turns":[]', b'"turns":[' + lone.encode() + b"]")
    client.setex("thread:" + thread, 1000, value)
    big = zen.create(turns=[("user", "é\n" * 2_500_000)])
    m = mount(server.url, options(Zen))
    assert read(m / thread / "000001-user.md") == "a\ufffdb\0c".encode()
    assert read(m / big / "000001-user.md") == ("é\n" * 2_500_000).encode()
    say(m / thread, "assistant", "it goes on")
    assert lone.encode() in client.get("thread:" + thread)
    say(m / big, "assistant", "also here")
    assert zen.read(big)[1] == ("assistant", "also here")


def test_N4__ids_that_break_the_rules__are_shown_encoded(server, mount, client):
    tool = LangChain(client)
    ids = [b"a/b", b"@user", b".turnfs", b"\xff\xfe", b"a\nb", b"\xe2\x80\xae", b"100%", b"%41", b"a\0b", b"..", b"sp ace"]
    for name in ids:
        client.lpush(b"message_store:" + name, tool.element("user", f"of {name!r}"))
    client.lpush(b"message_store:", tool.element("user", "no id"))
    client.lpush(b"message_store:" + b"x" * 300, tool.element("user", "too long"))
    m = mount(server.url, options(LangChain))
    names = os.listdir(m.path)
    assert len(names) == len(ids) and "sp ace" in names and "a%2Fb" in names and "%40user" in names, names
    texts = sorted(read(m / name / "000001-user.md").decode() for name in names)
    assert texts == sorted(f"of {name!r}" for name in ids)
    for name in names:
        say(m / name, "assistant", "to " + name)
    assert all(client.llen(b"message_store:" + name) == 2 for name in ids)
    assert outcome(os.stat, m / "%53p ace") == 2


def test_N4__ids_with_the_signs_of_patterns_and_of_our_keys__are_ids_like_others(server, mount, client):
    tool = LlamaIndex(client, ttl=1000)
    keys = [b"chat-*", b"chat-[a]", b"chat-{x}", b"chat-}:files", b"chat-a}:files{b", b"chat-a/b", b"chat-%41", b"chat-\\",
            b"chat- ", b"chat-\n", "chat-é".encode(), b"chat-\xff"]
    for key in keys:
        client.rpush(key, tool.element("user", "one"))
        client.expire(key, 1000)
    m = mount(server.url, options(LlamaIndex))
    assert len(os.listdir(m.path)) == len(keys)
    for name in os.listdir(m.path):
        write(m / name / "note", name)
        say(m / name, "user", "two")
    m.remount()
    for name in os.listdir(m.path):
        assert read(m / name / "note") == os.fsencode(name)
        assert [text for _, text in turns(m / name)] == [b"one", b"two"]
    assert [client.llen(key) for key in keys] == [2] * len(keys)
    for name in os.listdir(m.path):
        assert subprocess.run(["rm", "-r", m / name]).returncode == 0
    assert not server.keys(b"chat") and not server.keys(b"{")


def test_S3__a_turn_with_odd_members__all_can_be_read_and_stays(server, mount, client):
    thread = str(uuid.uuid4())
    turn = ('{"role":"u\\u0000ser\\ud800","content":"a\\u0000b\\udc00","timestamp":"9999-12-31T23:59:59+00:00",'
            '"files":["\\u0000","\\ud83d"],"model_metadata":{"a":1e999,"a":[[[]]],"k\\u0000":1,"n":'
            '123456789012345678901234567890},"model_name":"m\\u0000","x y":1,"":2,"blocks":3,"turnfs.ttl":"x",'
            f'"{"k" * 300}":1,"big":"{"v" * 70000}"}}')
    value = (f'{{"thread_id":"{thread}","parent_thread_id":"\\u0000","created_at":"0001-01-01T00:00:00",'
             f'"last_updated_at":"garbage","tool_name":"","turns":[{turn}],"initial_context":{{"ttl_seconds":5}},'
             f'"id":"zz","turn_count":77,"ttl_seconds":1,"turns":[{turn},{turn}]}}')
    client.setex(f"thread:{thread}", 1000, value)
    m = mount(server.url, options(Zen))
    for name in os.listdir(m / thread):
        read(m / thread / name)
        for attribute in os.listxattr(m / thread / name):
            os.getxattr(m / thread / name, attribute)
    assert document(m / thread)["turn_count"] == 2
    for line in read(m / thread / "@transcript.jsonl").splitlines():
        json.loads(line)
    say(m / thread, "user", "ok")
    now = client.get(f"thread:{thread}").decode()
    assert now.startswith(value[:value.index('"garbage"')]) and now.count(turn) == 3
    assert [turn["content"] for turn in json.loads(now)["turns"]][2:] == ["ok"]
    m.stop()


@pytest.mark.parametrize("kind", LISTS, ids=lambda kind: kind.layout)
def test_I6__elements_that_are_none__are_EIO_and_the_others_are_there(server, mount, client, kind):
    tool = kind(client, ttl=1000)
    thread = tool.create()
    for bad in (b"", b"{", b"null", b"[]", b"\0\xff", b"[" * 10000, b"{}", b'{"type":1}', b"{" + b'"a":' * 10000):
        tool.push(thread, bad)
    tool.add(thread, "user", "last")
    m = mount(server.url, options(kind))
    names = sorted(n for n in os.listdir(m / thread) if is_turn(n))
    assert len(names) == 11
    results = [outcome(read, m / thread / n) for n in names]
    assert results[0] == results[-1] == 0 and results.count(0) == 2
    assert read(m / thread / names[-1]) == b"last"
    say(m / thread, "user", "more")
    assert tool.client.llen(tool.key(thread)) == 12
    walk(m.path)


def test_I6__other_lists_beside_bare_keys__are_not_threads(server, mount, client):
    tool = LlamaIndex(client)
    thread = tool.create()
    client.rpush("chat-jobs", "not json", "1")
    client.rpush("chat-celery", json.dumps({"body": "x", "headers": {}}))
    client.zadd("chat-zset", {"a": 1})
    client.set("chat-string", "x")
    m = mount(server.url, options(LlamaIndex))
    assert os.listdir(m.path) == [thread]
    client.rpush("chat-later", "garbage")
    time.sleep(0.1)
    assert os.listdir(m.path) == [thread]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.layout)
def test_S3__side_keys_of_somebody_else__do_no_harm(server, mount, client, kind):
    tool = kind(client, ttl=1000)
    threads = [tool.create() for _ in range(9)]
    rng = random.Random(7)
    junk = [b"", b"{", b"\0", b"1", b"[]", b'{"ino":"0000000000000001","size":5}', b'{"mode":-1,"uid":"x"}',
            b'{"ino":"ffffffffffffffff"}', b"999999999999 1", json.dumps({"of": 3, "meta": []}).encode()]
    fields = [b"thread", b"doc", b"doc:text", b"turn:1", b"turn:x", b"file:", b"file:../x", b"file:000001-user.md",
              b"file:a", b"file:\0", b"ours:0000000000000001", b"ours:", b"claim:a", b"made", b"rev", b"ttl", b"\xff"]
    for thread in threads[1:]:
        side = f"turnfs:side:{{{tool.key(thread)}}}"
        for field in fields:
            client.hset(side, field, rng.choice(junk))
    client.set(f"turnfs:side:{{{tool.key(threads[0])}}}", "a string")
    client.set("turnfs:side:ledger", "x")
    client.set("turnfs:side:root", "x")
    m = mount(server.url, options(kind))
    walk(m.path)
    for thread in threads[1:]:
        outcome(say, m / thread, "user", "more")
    assert read(m / threads[1] / "000001-user.md") == b"hi"
    outcome(read, m / ".turnfs" / "health")
    outcome(os.listdir, m / ".turnfs" / "lost")


@pytest.mark.parametrize("kind", LISTS, ids=lambda kind: kind.layout)
def test_S3__a_key_beside_it_is_of_another_type__an_append_is_refused_whole(server, mount, client, kind):
    tool = kind(client, ttl=10800)
    thread = tool.create()
    side = f"turnfs:side:{{{tool.key(thread)}}}"
    others = [side, side + ":files"] + ([f"{tool.prefix}{thread}"] if kind is OpenAIAgents else [])
    m = mount(server.url, options(kind))
    assert len(turns(m / thread)) == 1
    for key in others:
        was = client.dump(key)
        client.delete(key)
        client.set(key, "somebody's")
        with fails(errno.EIO):
            say(m / thread, "user", "two")
        assert len(tool.read(thread)) == 1 and client.get(key) == b"somebody's"
        client.delete(key)
        if was:
            client.restore(key, 0, was)
    wait_until(lambda: outcome(say, m / thread, "user", "two") == 0, 2, "the store can commit again")
    assert len(tool.read(thread)) == 2


def test_N1__an_id_whose_session_is_anothers_list__is_neither_made_nor_removed(server, mount, client):
    tool = OpenAIAgents(client, ttl=10800)
    thread = tool.create()
    before = tool.elements(thread)
    m = mount(server.url, options(OpenAIAgents))
    with fails(errno.EINVAL):
        os.mkdir(m / f"{thread}:messages")
    tool.push(f"{thread}:messages", tool.element("user", "of one that is called so"))
    wait_until(lambda: outcome(os.listdir, m / f"{thread}:messages") == 0, 2)
    assert os.system(f"rm -r '{m / thread}:messages' 2>/dev/null") != 0
    outcome(say, m / f"{thread}:messages", "user", "x")
    assert tool.elements(thread) == before


@pytest.mark.parametrize("kind", LISTS, ids=lambda kind: kind.layout)
def test_T1__a_deadline_beyond_all_clocks__is_as_good_as_never(server, mount, client, kind):
    tool = kind(client)
    ends = 9_000_000_000_000_000, 9_000_000_000_000_000_000
    threads = [tool.create() for _ in ends]
    for thread, end in zip(threads, ends):
        client.pexpireat(tool.key(thread), end)
    m = mount(server.url, options(kind))
    for thread, end in zip(threads, ends):
        assert document(m / thread)["expires_at"] is None
        write(m / thread / "a.txt", "x")
        say(m / thread, "user", "more")
        assert len(tool.read(thread)) == 2 and read(m / thread / "a.txt") == b"x"
        assert client.pexpiretime(tool.key(thread)) == end
    m.stop()


@pytest.mark.parametrize("kind", LISTS, ids=lambda kind: kind.layout)
def test_S3__side_keys_that_lie__change_nothing_of_the_thread(server, mount, client, kind):
    tool = kind(client, ttl=10800)
    thread = tool.create()
    side = f"turnfs:side:{{{tool.key(thread)}}}"
    end = client.pexpiretime(tool.key(thread))
    file = json.dumps({"ino": "0000000000000abc", "revision": "0000000000000000", "size": 5})
    names = ["thread.json", "@user", ".", "..", "a/b", "000001-user.md", "ok", "a\0b"]
    client.hset(side, mapping={f"file:{name}": file for name in names} | {
        "ttl": f"9223372036854775807 {end}", "rev": "x" * 100, "doc:text": "{", "doc": '{"flags": 7}',
        "turn:1": '{"meta": 5, "mode": 99999999, "mtime": 1e400}',
        "thread": '{"created": 9223372036854775807, "mode": -1, "uid": 1e3}'})
    client.hset(side + ":files", str(0xabc), "12345")
    client.pexpireat(side, end)
    m = mount(server.url, options(kind))
    assert sorted(os.listdir(m / thread)) == ["000001-user.md", "ok", "thread.json"]
    assert read(m / thread / "ok") == b"12345"
    say(m / thread, "user", "more")
    write(m / thread / "ok", "other")
    os.utime(m / thread)
    assert [text for _, text in turns(m / thread)] == [b"hi", b"more"] and read(m / thread / "ok") == b"other"
    assert client.pexpiretime(side) == pytest.approx(client.pexpiretime(tool.key(thread)), abs=25)
    if kind is not AgentFramework:
        assert 0 < client.pttl(tool.key(thread)) <= 10_800_050
    m.stop()


def test_I6__a_foreign_list_is_asked_for_by_name__it_is_no_thread(server, client, workshop):
    client.rpush("jobs-1", "do this", "and that")
    url = f"{server.url}?layout=langchain-js&match=*"
    why = subprocess.run([BINARY, "why", "jobs-1", url], capture_output=True, text=True, env=workshop.environment())
    assert why.returncode == 1 and "live" not in why.stdout


def test_I6__a_key_is_renamed_and_gets_another_type__it_is_followed(server, mount, client):
    tool = LangChain(client, ttl=1000)
    thread = tool.create(turns=[("user", "a"), ("assistant", "b")])
    m = mount(server.url, options(LangChain))
    write(m / thread / "note", "1")
    client.rename(tool.key(thread), tool.key("other"))
    wait_until(lambda: os.listdir(m.path) == ["other"], 1)
    assert [text for _, text in turns(m / "other")] == [b"a", b"b"] and 0 < client.pttl(tool.key("other")) <= 1_000_000
    wait_until(lambda: not server.keys(b"turnfs:side:{"), 3)
    client.set(tool.key("other"), "a string")
    wait_until(lambda: os.listdir(m.path) == [], 1)
    assert outcome(say, m / "other", "user", "x") == errno.ENOENT and client.get(tool.key("other")) == b"a string"
    client.delete(tool.key("other"))
    tool.create("other")
    wait_until(lambda: outcome(os.listdir, m / "other") == 0, 1)


def test_I6__random_bytes_in_a_value__never_crash(server, mount, client):
    zen = Zen(client)
    thread = zen.create(turns=[("user", "one"), ("assistant", "two")])
    value = client.get(zen.key(thread))
    m = mount(server.url, options(Zen))
    rng = random.Random(11)
    for _ in range(150):
        broken = bytearray(value)
        for _ in range(rng.randint(1, 4)):
            broken[rng.randrange(len(broken))] = rng.choice(b'"\\{}[],:0\0\xff a')
        client.set(zen.key(thread), bytes(broken))
        outcome(read, m / thread / "000001-user.md")
        outcome(os.listdir, m / thread)
    client.set(zen.key(thread), value)
    wait_until(lambda: outcome(read, m / thread / "000002-assistant.md") == 0, 2)


def test_I6__what_is_no_thread_is_deleted__health_is_ok_again(server, mount, client):
    thread = str(uuid.uuid4())
    client.set(f"thread:{thread}", "garbage")
    m = mount(server.url, options(Zen))
    assert outcome(os.listdir, m / thread) in (errno.EIO, errno.ENOENT)
    wait_until(lambda: read(m / ".turnfs" / "health").startswith(b"degraded"), 2)
    client.delete(f"thread:{thread}")
    wait_until(lambda: read(m / ".turnfs" / "health").startswith(b"ok"), 2)


def test_R5__started_anew_without_its_data__a_known_thread_is_EIO(servers, mount):
    server = servers(appendonly="no")
    with server.client() as client:
        threads = [Zen(client).create() for _ in range(3)]
    m = mount(server.url, options(Zen))
    read(m / threads[0] / "000001-user.md")
    server.restart()
    for thread in threads:
        wait_until(lambda: outcome(os.stat, m / thread) == errno.EIO
                   and b"lost" in read(m / ".turnfs" / "why" / thread), 5)


def test_R5__started_anew_with_its_data__what_the_tool_deletes_then_is_deleted(server, mount, client):
    threads = [Zen(client).create() for _ in range(2)]
    m = mount(server.url, options(Zen))
    server.restart()
    wait_until(lambda: client.pubsub_numsub("__redis__:invalidate")[0][1] >= 1, 5, "it watches again")
    time.sleep(1)  # and looks at all keys, of which nothing tells; what goes before that counts as lost
    client.delete(f"thread:{threads[0]}")
    wait_until(lambda: outcome(os.stat, m / threads[0]) == errno.ENOENT
               and b"deleted" in read(m / ".turnfs" / "why" / threads[0]), 5)


def test_R5__flushed__a_known_thread_is_EIO_and_said(server, mount, client):
    zen = Zen(client)
    threads = [zen.create() for _ in range(3)]
    m = mount(server.url, options(Zen))
    read(m / threads[0] / "000001-user.md")
    client.flushall()
    wait_until(lambda: outcome(os.stat, m / threads[0]) == 5, 3)
    wait_until(lambda: "lost" in read(m / ".turnfs" / "why" / threads[0]).decode(), 3)
    assert str(uuid.UUID(threads[0])) in m.stderr


def test_F1__the_server_is_away_and_back__nothing_old_is_served(server, mount, client):
    zen = Zen(client)
    thread = zen.create()
    m = mount(server.url, options(Zen, "timeout=1s"))
    read(m / thread / "000001-user.md")
    server.stop()
    begin = time.monotonic()
    assert outcome(read, m / thread / "000001-user.md") in (5, 110)
    assert time.monotonic() - begin < 3
    server.start()
    with server.client() as again:
        Zen(again).store(thread, json.loads(zen_value(thread, [Zen.turn("user", "new")])))
    wait_until(lambda: outcome(read, m / thread / "000001-user.md") == 0
               and read(m / thread / "000001-user.md") == b"new", 10)
    say(m / thread, "assistant", "back")
    with server.client() as again:
        assert Zen(again).read(thread)[-1] == ("assistant", "back")
