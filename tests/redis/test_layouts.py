"""Conversations of chat servers on a mount: what each layout shows, and how turns are added to it."""

import errno
import json
import os
import shutil
import subprocess
import threading
import time

import pytest

from chat_tools import ALL, LISTS, AgentFramework, LangChain, LlamaIndex, OpenAIAgents, Zen, options
from harness import (document, fails, get_attribute, outcome, read, say, set_attribute, turns, wait_until, write)


@pytest.fixture(params=ALL, ids=lambda tool: tool.layout)
def kind(request):
    return request.param


@pytest.fixture(params=LISTS, ids=lambda tool: tool.layout)
def list_kind(request):
    return request.param


@pytest.fixture
def tool(server, kind):
    with server.client() as client:
        yield kind(client, ttl=10800)


@pytest.fixture
def list_tool(server, list_kind):
    with server.client() as client:
        yield list_kind(client, ttl=10800)


@pytest.fixture
def lmnt(server, mount, kind):
    return mount(server.url, options(kind))


def shown(thread):
    """[(role, text)] as the mount has it."""
    return [(name[7:-3], text.decode()) for name, text in turns(thread)]


def snapshot(server):
    """Every key that is not ours, byte for byte, by DUMP, with when it goes."""
    with server.client() as client:
        return {key: (client.dump(key), client.pttl(key) > 0) for key in client.scan_iter()
                if not key.startswith(b"turnfs:")}


CONVERSATION = [("user", "hi"), ("assistant", "first line\nsecond — “line” \u2028\x7f\t/\\\""), ("user", "ok"),
                ("assistant", "ok"), ("user", "ok")]


# Reading


def test_I6__what_a_tool_wrote__is_there_as_turns(server, mount, tool, kind):
    thread = tool.create(turns=CONVERSATION)
    m = mount(server.url, options(kind))
    assert os.listdir(m.path) == [thread]
    assert shown(m / thread) == CONVERSATION
    assert [name for name, _ in turns(m / thread)][0] == "000001-user.md"


def test_F6__a_tool_adds_a_turn__seen_within_50_ms(lmnt, tool):
    thread = tool.create()
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    lags = []
    for number in range(2, 22):
        name = lmnt / thread / f"{number:06d}-user.md"
        assert name.name not in os.listdir(lmnt / thread) and not name.exists()
        tool.add(thread, "user", f"turn {number}")
        since = time.monotonic()
        wait_until(lambda: name.name in os.listdir(lmnt / thread) and name.exists(), 1, interval=0.0005)
        lags.append(time.monotonic() - since)
    assert sorted(lags)[len(lags) // 2] < 0.05, lags
    assert read(name) == b"turn 21"


def test_F6__a_tool_changes_an_old_turn_right_behind_our_append__its_size_is_right(server, mount, list_kind):
    with server.client() as client:
        tool = list_kind(client, ttl=10800)
        thread = tool.create(turns=[("user", "hi"), ("assistant", "ok")])
        m = mount(server.url, options(list_kind))
        for i in range(1, 16):
            os.stat(m / thread / "000001-user.md")
            say(m / thread, "user", f"said {i}")
            client.lset(tool.key(thread), -1 if tool.newest_first else 0, tool.element("user", "x" * i))
            wait_until(lambda: os.stat(m / thread / "000001-user.md").st_size == i, 1)


def test_F6__a_tool_makes_and_deletes_threads__listings_follow(lmnt, tool):
    threads = [tool.create() for _ in range(20)]
    wait_until(lambda: set(threads) == set(os.listdir(lmnt.path)), 1)
    for thread in threads[:10]:
        tool.client.delete(tool.key(thread))
    wait_until(lambda: set(threads[10:]) == set(os.listdir(lmnt.path)), 1)
    assert not (lmnt / threads[0]).exists()
    wait_until(lambda: b"deleted" in read(lmnt / ".turnfs" / "why" / threads[0]), 2)


def test_F6__a_tool_deletes_threads_while_the_root_is_listed_all_the_time__no_name_stays(lmnt, tool):
    done = threading.Event()

    def list_again_and_again():
        while not done.is_set():
            os.listdir(lmnt.path)

    listers = [threading.Thread(target=list_again_and_again) for _ in range(2)]
    for lister in listers:
        lister.start()
    try:
        for _ in range(6):
            threads = [tool.create() for _ in range(10)]
            wait_until(lambda: set(threads) == set(os.listdir(lmnt.path)), 2)
            for thread in threads:
                tool.client.delete(tool.key(thread))
            wait_until(lambda: os.listdir(lmnt.path) == [], 2)
    finally:
        done.set()
        for lister in listers:
            lister.join()


def test_I6__only_read__every_byte_is_as_it_was(server, mount, tool, kind):
    for _ in range(3):
        tool.create(turns=CONVERSATION)
    before = snapshot(server)
    m = mount(server.url, options(kind))
    for thread in os.listdir(m.path):
        for name in os.listdir(m / thread):
            read(m / thread / name)
        read(m / thread / "@transcript.jsonl")
        os.listxattr(m / thread / "000001-user.md")
    read(m / ".turnfs" / "health")
    m.stop()
    assert snapshot(server) == before
    assert [k for k in server.keys() if k.startswith(b"turnfs:") and b"ledger" not in k] == [b"turnfs:side:root"]


def test_I6__read_only_mount__writes_nothing_at_all(server, mount, tool, kind):
    thread = tool.create(turns=CONVERSATION)
    keys = server.keys()
    m = mount(server.url, options(kind, "ro"))
    assert shown(m / thread) == CONVERSATION
    with fails(errno.EROFS):
        say(m / thread, "user", "no")
    m.stop()
    assert server.keys() == keys


def test_T1__its_key_expires__it_is_gone_at_once(lmnt, tool):
    tool.ttl = 1
    thread = tool.create()
    tool.client.pexpire(tool.key(thread), 700)
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    left = tool.client.pttl(tool.key(thread)) / 1000
    until = time.monotonic() + left
    wait_until(lambda: not (lmnt / thread).exists(), 2, interval=0.001)
    assert abs(time.monotonic() - until) < 0.05
    assert os.listdir(lmnt.path) == []
    wait_until(lambda: b"expired at" in read(lmnt / ".turnfs" / "why" / thread), 1)
    assert os.listdir(lmnt / ".turnfs" / "expired") == []


def test_T3__reading__does_not_renew(lmnt, tool):
    thread = tool.create()
    tool.client.pexpire(tool.key(thread), 5000)
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    shown(lmnt / thread)
    assert tool.client.pttl(tool.key(thread)) <= 5000


def test_B2__inode_numbers_and_times__are_the_same_after_a_remount(lmnt, tool):
    thread = tool.create(turns=CONVERSATION)
    wait_until(lambda: (lmnt / thread).is_dir(), 1)

    def look():
        names = sorted(os.listdir(lmnt / thread))
        found = {n: os.stat(lmnt / thread / n) for n in names}
        return os.stat(lmnt / thread).st_ino, {n: (s.st_ino, s.st_mtime_ns, s.st_ctime_ns, s.st_size)
                                               for n, s in found.items() if n != "thread.json"}

    before = look()
    lmnt.remount()
    assert look() == before
    assert len({ino for ino, *_ in before[1].values()}) == len(CONVERSATION)


# Writing


def test_W6__a_turn_is_said__it_is_as_the_tool_would_have_written_it(lmnt, tool):
    thread = tool.create(turns=CONVERSATION)
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    before = tool.elements(thread)
    say(lmnt / thread, "assistant", "an answer\nof “two” lines")
    say(lmnt / thread, "user", "and a question")
    added = [("assistant", "an answer\nof “two” lines"), ("user", "and a question")]
    assert tool.read(thread) == CONVERSATION + added
    assert tool.elements(thread)[:len(before)] == before
    assert shown(lmnt / thread) == CONVERSATION + added
    assert tool.add(thread, "user", "the tool goes on")
    wait_until(lambda: shown(lmnt / thread)[-1] == ("user", "the tool goes on"), 1)


def test_W6__a_turn_is_said__the_time_to_live_is_as_the_tool_sets_it(lmnt, tool, kind):
    thread = tool.create(turns=CONVERSATION)
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    if kind is AgentFramework:
        tool.client.persist(tool.key(thread))
        wait_until(lambda: document(lmnt / thread)["expires_at"] is None, 1)
    time.sleep(1.2)
    say(lmnt / thread, "user", "more")
    left = tool.client.pttl(tool.key(thread))
    assert left == -1 if kind is AgentFramework else 10799000 < left <= 10800050
    side = f"turnfs:side:{{{tool.key(thread)}}}"
    assert not tool.client.exists(side) or tool.client.pttl(side) in range(left - 50, left + 50)


def test_W6__sixteen_writers__each_turn_is_there_once(server, mount, tool, kind):
    import threading

    thread = tool.create()
    mounts = [mount(server.url, options(kind)) for _ in range(2)]
    wait_until(lambda: all((m / thread).is_dir() for m in mounts), 1)

    def write_some(m, n):
        for i in range(10):
            say(m / thread, "assistant", f"{n}.{i}")

    threads = [threading.Thread(target=write_some, args=(mounts[n % 2], n)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    said = [text for role, text in tool.read(thread) if role == "assistant"]
    assert sorted(said) == sorted(f"{n}.{i}" for n in range(8) for i in range(10))
    wait_until(lambda: all(shown(m / thread) == tool.read(thread) for m in mounts), 2)


def test_W7__lines_of_one_open__are_turns_in_one_step(lmnt, tool):
    thread = tool.create()
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    lines = [{"role": "user", "content": "one"}, {"role": "assistant", "content": "two"}]
    write(lmnt / thread / "@transcript.jsonl", "".join(json.dumps(line) + "\n" for line in lines), os.O_WRONLY)
    assert tool.read(thread)[1:] == [("user", "one"), ("assistant", "two")]
    with fails(errno.EINVAL):
        write(lmnt / thread / "@transcript.jsonl", '{"role": "user"}\n', os.O_WRONLY)
    assert len(tool.read(thread)) == 3


def test_W7__ten_thousand_lines__are_turns_in_one_step(lmnt, tool):
    thread = tool.create()
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    texts = [str(n) for n in range(10000)]
    lines = "".join(json.dumps({"role": "user", "content": text, "mood": text}) + "\n" for text in texts)
    write(lmnt / thread / "@transcript.jsonl", lines, os.O_WRONLY)
    assert [text for _, text in tool.read(thread)] == ["hi", *texts]
    for number in (2, 999, 1002, 10001):
        name = lmnt / thread / f"{number:06d}-user.md"
        assert read(name) == get_attribute(name, "mood") == texts[number - 2].encode()


def test_I6__a_role_the_tool_cannot_say__is_refused(lmnt, tool, kind):
    if kind is not LangChain:
        pytest.skip("the others say any word")
    thread = tool.create()
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    with fails(errno.EINVAL):
        say(lmnt / thread, "human", "it would be read back as the user's")
    assert len(tool.read(thread)) == 1


def test_W2__a_turn_is_edited__only_its_text_changes(lmnt, tool, kind):
    thread = tool.create(turns=CONVERSATION)
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    before = tool.elements(thread)
    left = tool.client.pttl(tool.key(thread))
    write(lmnt / thread / "000003-user.md", "other “text”\n", os.O_WRONLY | os.O_TRUNC)
    after = tool.elements(thread)
    assert after[:2] + after[3:] == before[:2] + before[3:]
    expected = list(CONVERSATION)
    expected[2] = ("user", "other “text”\n")
    assert tool.read(thread) == shown(lmnt / thread) == expected
    as_json = lambda data: json.dumps(json.loads(data)).replace(json.dumps("other “text”\n"), json.dumps("ok"))  # noqa: E731
    assert as_json(after[2]) == json.dumps(json.loads(before[2]))
    assert left - 2000 < tool.client.pttl(tool.key(thread)) <= left


def test_W2__sed_in_place__edits_the_turn(lmnt, tool):
    thread = tool.create(turns=CONVERSATION)
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    assert os.system(f"sed -i s/ok/fine/ {lmnt / thread}/000003-user.md") == 0
    assert tool.read(thread)[2] == ("user", "fine")
    assert [n for n in os.listdir(lmnt / thread) if n.startswith("sed")] == []


def test_M6__vim__edits_the_turn(lmnt, tool):
    if shutil.which("vim") is None:
        pytest.skip("vim is not installed")
    thread = tool.create(turns=CONVERSATION)
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    for turn, option in (("000001-user.md", "set wb"), ("000003-user.md", "set backup")):
        subprocess.run(["vim", "-N", "-u", "NONE", "-es", "-c", option, "-c", "s/^/so /", "-c", "wq",
                        str(lmnt / thread / turn)], timeout=30)
    assert [tool.read(thread)[i][1] for i in (0, 2)] == ["so hi\n", "so ok\n"]
    assert len(tool.read(thread)) == len(CONVERSATION)


def test_W10__turns__go_from_the_last_backwards_only(lmnt, tool):
    thread = tool.create(turns=CONVERSATION)
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    with fails(errno.EPERM):
        os.unlink(lmnt / thread / "000002-assistant.md")
    os.unlink(lmnt / thread / "000005-user.md")
    assert tool.read(thread) == CONVERSATION[:4]
    with fails(errno.EPERM):
        os.rename(lmnt / thread / "000002-assistant.md", lmnt / thread / "000002-user.md")
    with fails(errno.EPERM):
        os.rename(lmnt / thread / "000002-assistant.md", lmnt / thread / "old.md")
    with fails(errno.EPERM):
        os.rename(lmnt / thread, lmnt / "other")
    assert tool.read(thread) == CONVERSATION[:4]


def test_W10__rm_r__takes_the_whole_thread(server, lmnt, tool):
    thread = tool.create(turns=CONVERSATION)
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    write(lmnt / thread / "notes.txt", "x")
    assert os.system(f"rm -r {lmnt / thread}") == 0
    assert [k for k in server.keys(thread) if not k.endswith(b"ledger")] in ([], [f"agents:session:{thread}".encode()])
    assert os.listdir(lmnt.path) == []
    assert b"deleted" in read(lmnt / ".turnfs" / "why" / thread)


def test_R4__removed_on_one_of_two_mounts__is_entered_once(server, mount, tool, kind):
    """The other one sees a thread go before its deadline, and nothing that says who took it but the ledger."""
    a, b = (mount(server.url, options(kind)) for _ in range(2))
    ours, theirs = tool.create(), tool.create()
    for thread in (ours, theirs):
        wait_until(lambda: (a / thread).is_dir() and (b / thread).is_dir(), 2)
    assert os.system(f"rm -r {a / ours}") == 0
    wait_until(lambda: not (b / ours).exists(), 2)
    tool.client.delete(tool.key(theirs))

    def entered():
        lines = [json.loads(line) for line in read(b / ".turnfs" / "ledger.jsonl").decode().splitlines()]
        return [(e["id"], e["detail"]) for e in lines if e["cause"] == "deleted"]

    wait_until(lambda: theirs in dict(entered()), 3)  # what was seen to go before is entered by then
    assert entered() == [(ours, None), (theirs, "by the chat server or another program")]


def test_N2__a_turn_is_created_by_name__numbers_must_follow(lmnt, tool):
    thread = tool.create()
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    with fails(errno.EINVAL):
        write(lmnt / thread / "000007-user.md", "x")
    with fails(errno.EEXIST, errno.ESTALE):
        write(lmnt / thread / "000001-assistant.md", "x")
    write(lmnt / thread / "000002-assistant.md", "two")
    assert tool.read(thread)[1] == ("assistant", "two")
    st = os.stat(lmnt / thread / "000002-assistant.md")
    lmnt.remount()
    again = os.stat(lmnt / thread / "000002-assistant.md")
    assert (st.st_ino, st.st_size) == (again.st_ino, again.st_size)
    assert st.st_mtime_ns // 1000 == again.st_mtime_ns // 1000


def test_W1__mkdir__makes_a_thread_that_the_tool_reads(lmnt, tool, kind):
    thread = tool.new_id()
    os.mkdir(lmnt / thread)
    with fails(errno.EEXIST):
        os.mkdir(lmnt / thread)
    assert os.listdir(lmnt / thread) == ["thread.json"]
    say(lmnt / thread, "user", "hello")
    assert tool.read(thread) == [("user", "hello")]
    left = tool.client.pttl(tool.key(thread))
    assert left == -1 if kind is AgentFramework else 86390000 < left <= 86400050
    assert tool.add(thread, "assistant", "it goes on")
    wait_until(lambda: shown(lmnt / thread) == [("user", "hello"), ("assistant", "it goes on")], 1)


def test_W1__mkdir_and_a_turn_at_once__it_always_expires(lmnt, tool, kind):
    if kind is AgentFramework:
        pytest.skip("its threads never expire")
    for _ in range(50):
        thread = tool.new_id()
        os.mkdir(lmnt / thread)
        say(lmnt / thread, "user", "hello")
        assert tool.client.pttl(tool.key(thread)) > 0


def test_W1__mkdir_then_the_tool_writes_and_deletes__nothing_is_left(server, lmnt, list_tool, list_kind, kind):
    if kind is not list_kind:
        pytest.skip("each layout once")
    thread = list_tool.new_id()
    os.mkdir(lmnt / thread)
    side = f"turnfs:side:{{{list_tool.key(thread)}}}"
    list_tool.add(thread, "user", "hi")
    wait_until(lambda: shown(lmnt / thread) == [("user", "hi")], 2)
    wait_until(lambda: not list_tool.client.hexists(side, "made"), 2)
    list_tool.client.delete(list_tool.key(thread))
    wait_until(lambda: not (lmnt / thread).exists() and not list_tool.client.exists(side), 3)


def test_W1__a_thread_without_turns__survives_a_remount(lmnt, tool):
    thread = tool.new_id()
    os.mkdir(lmnt / thread)
    lmnt.remount()
    assert os.listdir(lmnt.path) == [thread]
    say(lmnt / thread, "user", "hello")
    os.unlink(lmnt / thread / "000001-user.md")
    lmnt.remount()
    assert os.listdir(lmnt.path) == [thread]
    os.rmdir(lmnt / thread)
    assert os.listdir(lmnt.path) == []


def test_I6__the_list_expires_before_the_append__it_does_not_rise_without_a_ttl(server, mount, list_tool, list_kind):
    thread = list_tool.create()
    m = mount(server.url, options(list_kind))
    fd = os.open(m / thread / "@user", os.O_WRONLY)
    os.write(fd, b"late")
    list_tool.client.delete(list_tool.key(thread))
    with fails(errno.ENOENT, errno.ESTALE):
        os.close(fd)
    assert not list_tool.client.exists(list_tool.key(thread))


# What the tool has no place for


def test_N3__attachments_and_attributes__are_kept_beside(server, lmnt, tool):
    thread = tool.create(turns=CONVERSATION)
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    before = tool.elements(thread)
    write(lmnt / thread / "diagram.png", b"\x89PNG\0\xff" * 1000)
    set_attribute(lmnt / thread / "000002-assistant.md", "rating", "good")
    set_attribute(lmnt / thread / "diagram.png", "note", "drawn")
    os.chmod(lmnt / thread / "000002-assistant.md", 0o640)
    os.utime(lmnt / thread / "000003-user.md", ns=(1, 1_600_000_000_123_456_789))
    set_attribute(lmnt / thread, "title", "A talk")
    os.rename(lmnt / thread / "diagram.png", lmnt / thread / "plan.png")
    assert tool.elements(thread) == before and tool.read(thread) == CONVERSATION
    lmnt.remount()
    assert read(lmnt / thread / "plan.png") == b"\x89PNG\0\xff" * 1000
    assert get_attribute(lmnt / thread / "000002-assistant.md", "rating") == b"good"
    assert get_attribute(lmnt / thread / "plan.png", "note") == b"drawn"
    assert os.stat(lmnt / thread / "000002-assistant.md").st_mode & 0o777 == 0o640
    assert os.stat(lmnt / thread / "000003-user.md").st_mtime_ns == 1_600_000_000_123_456_789
    assert document(lmnt / thread)["title"] == "A talk"
    os.unlink(lmnt / thread / "plan.png")
    assert "plan.png" not in os.listdir(lmnt / thread)


def test_W11__one_attachment_replaces_another__with_its_own_attributes(lmnt, tool):
    thread = tool.create()
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    for name in ("one", "two"):
        write(lmnt / thread / name, name)
        set_attribute(lmnt / thread / name, "of", name)
    os.rename(lmnt / thread / "one", lmnt / thread / "two")
    assert read(lmnt / thread / "two") == get_attribute(lmnt / thread / "two", "of") == b"one"
    assert not (lmnt / thread / "one").exists()
    lmnt.stop()  # which tells of leaks


def test_T1__side_keys__live_as_long_as_the_thread(server, lmnt, tool, kind):
    thread = tool.create()
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    write(lmnt / thread / "notes.txt", "x")
    sides = [k for k in server.keys(thread) if k.startswith(b"turnfs:")]
    assert len(sides) == 2
    near = lambda: all(abs(tool.client.pttl(k) - tool.client.pttl(tool.key(thread))) < 100 for k in sides)  # noqa: E731
    assert near()
    tool.client.pexpire(tool.key(thread), 500_000)  # as a tool's write does it
    wait_until(near, 2)
    tool.client.delete(tool.key(thread))
    wait_until(lambda: not tool.client.exists(*sides), 2)


def test_T1__a_tool_renews_all_the_time__side_keys_do_not_fall_behind(server, lmnt, tool):
    thread = tool.create()
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    write(lmnt / thread / "notes.txt", "x")
    sides = [k for k in server.keys(thread) if k.startswith(b"turnfs:")]
    for _ in range(100):
        tool.client.pexpire(tool.key(thread), 500_000)
        time.sleep(0.01)
    ends = tool.client.pexpiretime(tool.key(thread))
    wait_until(lambda: all(abs(tool.client.pexpiretime(k) - ends) < 50 for k in sides), 1)


def test_N3__a_tool_deletes_and_writes_anew__what_is_beside_stays(server, mount):
    """llama-index' set_messages(): DEL, then RPUSH of each."""
    with server.client() as client:
        tool = LlamaIndex(client)
        thread = tool.create(turns=CONVERSATION)
        m = mount(server.url, options(LlamaIndex))
        write(m / thread / "notes.txt", "mine")
        elements = tool.elements(thread)
        for i in range(40):
            client.delete(tool.key(thread))
            time.sleep(0.001 * (i % 8))
            for element in elements:
                client.rpush(tool.key(thread), element)
            wait_until(lambda: outcome(read, m / thread / "notes.txt") == 0, 1)
        time.sleep(1.2)  # the second that they would have had
        assert read(m / thread / "notes.txt") == b"mine"
        assert client.ttl(f"turnfs:side:{{{thread}}}") == -1


def test_W5__a_name_is_claimed_and_the_tool_deletes_the_thread__no_key_is_left(server, lmnt, tool):
    thread = tool.create()
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    fd = os.open(lmnt / thread / "x.txt", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    tool.client.delete(tool.key(thread))
    wait_until(lambda: not server.keys(b"turnfs:side:{"), 3)
    time.sleep(11)  # the lease is renewed every ten seconds
    assert not server.keys(b"turnfs:side:{")
    os.close(fd)


def test_M2__another_thread_gets_another_ttl__times_are_what_they_were(lmnt, tool):
    threads = [tool.create() for _ in range(3)]
    wait_until(lambda: len(os.listdir(lmnt.path)) == 3, 1)
    before = [os.stat(lmnt / thread).st_mtime_ns for thread in threads[1:]]
    set_attribute(lmnt / threads[0], "turnfs.ttl", "7d")
    os.mkdir(lmnt / tool.new_id())  # with the mount's own ttl
    for thread in threads[1:]:
        os.chmod(lmnt / thread / "000001-user.md", 0o640)
    look = lambda: [os.stat(lmnt / thread).st_mtime_ns for thread in threads[1:]]  # noqa: E731
    assert look() == before
    lmnt.remount()
    assert look() == before
    another = tool.create()
    wait_until(lambda: (lmnt / another).is_dir(), 1)
    assert abs(os.stat(lmnt / another).st_mtime - time.time()) < 5 or tool.layout == "agent-framework"


def test_T4__touch_and_ttl__renew_it(lmnt, tool):
    thread = tool.create()
    wait_until(lambda: (lmnt / thread).is_dir(), 1)
    set_attribute(lmnt / thread, "turnfs.ttl", "7d")
    assert 604_790_000 < tool.client.pttl(tool.key(thread)) <= 604_800_000
    assert get_attribute(lmnt / thread, "turnfs.ttl") == b"7d"
    tool.client.pexpire(tool.key(thread), 300_000)
    wait_until(lambda: document(lmnt / thread)["ttl_seconds"] <= 10800, 1)
    set_attribute(lmnt / thread, "turnfs.ttl", "90m")
    time.sleep(0.05)
    os.utime(lmnt / thread)
    assert 5_390_000 < tool.client.pttl(tool.key(thread)) <= 5_400_000


def test_C4__a_layout_that_is_none__is_refused_with_their_names(workshop, server):
    (workshop.base / "mnt").mkdir()
    done = workshop.refused("-o", "layout=nothing", server.url, workshop.base / "mnt")
    assert done.returncode in (1, 2) and "zen" in done.stderr and "agent-framework" in done.stderr
    done = workshop.refused("-o", "layout=llamaindex", server.url, workshop.base / "mnt")
    assert "match=" in done.stderr


def test_I6__openai_agents__its_session_says_when(server, mount):
    with server.client() as client:
        tool = OpenAIAgents(client, ttl=10800)
        thread = tool.create()
        m = mount(server.url, options(OpenAIAgents))
        client.hset(f"agents:session:{thread}", "updated_at", "1600000000")
        say(m / thread, "user", "x")
        session = client.hgetall(f"agents:session:{thread}")
        assert session[b"session_id"].decode() == thread
        assert abs(int(session[b"updated_at"]) - time.time()) < 3
        ends = {client.execute_command("PEXPIRETIME", k) for k in (f"agents:session:{thread}", tool.key(thread))}
        assert len(ends) == 1


def test_I6__agent_framework__the_oldest_go_at_its_maximum(server, mount):
    with server.client() as client:
        tool = AgentFramework(client)
        tool.maximum = 5
        thread = tool.create(turns=[("user", f"{i}") for i in range(4)])
        m = mount(server.url, options(AgentFramework, "max_turns=5"))

        def same():
            try:
                return shown(m / thread) == tool.read(thread)
            except FileNotFoundError:  # a name that has moved between listing and reading
                return False

        for i in range(4, 24):
            if i % 2:
                tool.add(thread, "user", f"{i}")
            else:
                say(m / thread, "assistant", f"{i}")
            if i % 3 == 0:
                wait_until(same, 1)
        assert [text for _, text in tool.read(thread)] == [f"{i}" for i in range(19, 24)]
        wait_until(same, 1)
        assert client.ttl(tool.key(thread)) == -1


def test_I6__zen_only_its_uuids__mkdir_of_another_name_is_EINVAL(server, mount):
    m = mount(server.url, options(Zen))
    with fails(errno.EINVAL):
        os.mkdir(m / "notes")


# Backup


def test_B1_B2__rsync_of_a_layout__is_whole_and_finds_nothing_the_second_time(lmnt, tool, tmp_path, program):
    program("rsync")
    thread = tool.create(turns=CONVERSATION)
    wait_until(lambda: (lmnt / thread).is_dir() and shown(lmnt / thread) == CONVERSATION, 2)
    for found in (None, ""):
        done = subprocess.run(["rsync", "-aXi", f"{lmnt.path}/.turnfs/backup/", tmp_path / "copy"],
                              capture_output=True, text=True)
        assert done.returncode == 0 and found in (None, done.stdout), done
    assert shown(tmp_path / "copy" / thread) == CONVERSATION


def test_B3__rsync_of_a_copy_into_a_layout__the_same_turns_as_the_tool_would_have_written_them(
        lmnt, tool, server, tmp_path, program):
    """It makes files in the order of their names, so that the numbers follow on; thread.json is the last."""
    program("rsync")
    turns_said = [(role, f"{number}: {text}") for number in range(5) for role, text in CONVERSATION]
    thread = tool.create(turns=turns_said)
    wait_until(lambda: (lmnt / thread).is_dir() and shown(lmnt / thread) == turns_said, 2)
    subprocess.run(["rsync", "-aX", f"{lmnt.path}/.turnfs/backup/", tmp_path / "copy"], check=True)
    shutil.rmtree(lmnt / thread)
    assert not [key for key in snapshot(server) if thread.encode() in key]
    done = subprocess.run(["rsync", "-a", tmp_path / "copy" / thread, lmnt.path], capture_output=True, text=True)
    assert done.returncode == 0, done
    assert shown(lmnt / thread) == turns_said
    assert tool.read(thread) == turns_said
    if isinstance(tool, Zen):
        assert tool.load(thread)["initial_context"] == {"prompt": "hi"}, "thread.json brings it"
