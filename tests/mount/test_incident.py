"""The incident: a chat server and its store restart, and the conversation must go on by the same id."""

import json
import os
import pathlib
import random
import re
import socket
import subprocess
import sys
import threading
import time

import pytest

from harness import UNNAMED, read, turns, wait_until

SERVER = pathlib.Path(__file__).with_name("chat_server.py")


class Chat:
    """The chat server as a process, and a client of it."""

    def __init__(self, mnt):
        self.mnt = mnt
        self.socket_path = str(mnt.base / "chat.sock")
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen([sys.executable, str(SERVER), str(self.mnt.path), self.socket_path])
        wait_until(lambda: self.process.poll() is None and self.answers(), 10, "the chat server answers")

    def answers(self):
        try:
            with self.connect():
                return True
        except OSError:
            return False

    def connect(self):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(20)
        try:
            s.connect(self.socket_path)
        except OSError:
            s.close()
            raise
        return s

    def say(self, text, continuation_id=None):
        with self.connect() as s, s.makefile("rwb") as f:
            f.write(json.dumps({"text": text, "continuation_id": continuation_id}).encode() + b"\n")
            f.flush()
            line = f.readline()
        if not line:
            raise ConnectionError("the server has gone")
        return json.loads(line)

    def kill9(self):
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def chat(request):
    chats = []

    def start(mnt):
        chats.append(Chat(mnt))
        return chats[-1]

    yield start
    for one in chats:
        one.kill9()


def incident(mnt, talk):
    """A conversation; everything is killed in its middle and started again; it must continue."""
    first = talk.say("My name is Ada.")
    thread = first["continuation_id"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", thread)
    for i in range(4):
        talk.say(f"Message {i}.", thread)

    mnt.kill9()
    talk.kill9()
    mnt.start()
    talk.start()

    answer = talk.say("What is my name?", thread)
    assert answer["continuation_id"] == thread
    assert answer["reply"] == "You have said 6 things; the first was 'My name is Ada.', the last 'What is my name?'."
    found = turns(mnt / thread)
    assert [name[7:-3] for name, _ in found] == ["user", "assistant"] * 6
    assert found[0] == ("000001-user.md", b"My name is Ada.")
    assert found[1] == ("000002-assistant.md", first["reply"].encode())
    assert found[10] == ("000011-user.md", b"What is my name?")


def test_R1__incident__server_and_daemon_killed__conversation_continues_with_nothing_lost(mnt, chat):
    incident(mnt, chat(mnt))


def test_R2__incident__no_redis_url_and_no_store_named__nothing_lost(mount, workshop, chat):
    """Exactly what lost everything: REDIS_URL was not in the environment of the restarted server."""
    mnt = mount(store=UNNAMED, env={"REDIS_URL": None, "HOME": str(workshop.base / "home"),
                                    "XDG_DATA_HOME": str(workshop.base / "home" / "data")})
    incident(mnt, chat(mnt))


def test_R2__incident__home_alone__nothing_lost(mount, workshop, chat):
    mnt = mount(store=UNNAMED, env={"REDIS_URL": None, "HOME": str(workshop.base / "home"),
                                    "XDG_DATA_HOME": None, "XDG_STATE_HOME": None})
    incident(mnt, chat(mnt))


def test_R1__incident__killed_at_random_moments_of_many_conversations(mnt, chat):
    """What the server had acknowledged is there, in order; what was in flight at most half."""
    talk = chat(mnt)
    seed = int(os.environ.get("TURNFS_SEED", time.time_ns() % 10**9))
    print("TURNFS_SEED =", seed)
    rng = random.Random(seed)
    acknowledged = {}  # thread -> [(user's text, reply)]
    sent = {}
    stop = threading.Event()

    def converse(client):
        thread, i = None, 0
        while not stop.is_set():
            text = f"client {client}, message {i}"
            i += 1
            try:
                answer = talk.say(text, thread)
            except (OSError, ValueError):
                answer = {"error": "connection"}
            if thread is not None:
                sent[thread].add(text)
            if "error" in answer:
                time.sleep(0.01)
                continue
            if thread is None:
                thread = answer["continuation_id"]
                acknowledged[thread], sent[thread] = [], {text}
            acknowledged[thread].append((text, answer["reply"]))

    clients = [threading.Thread(target=converse, args=(c,)) for c in range(4)]
    for client in clients:
        client.start()
    for _ in range(6):
        time.sleep(rng.uniform(0.05, 0.3))
        order = [mnt.kill9, talk.kill9]
        rng.shuffle(order)
        for kill in order:
            kill()
        mnt.start()
        talk.start()
    time.sleep(0.2)
    stop.set()
    for client in clients:
        client.join()

    assert len(acknowledged) == 4
    for thread, exchanges in acknowledged.items():
        found = [(name[7:-3], content.decode()) for name, content in turns(mnt / thread)]
        expected = [turn for text, reply in exchanges for turn in (("user", text), ("assistant", reply))]
        rest = iter(found)
        assert all(turn in rest for turn in expected), "all that was acknowledged, in this order"
        said = [text for role, text in found if role == "user"]
        assert len(said) == len(set(said)) and set(said) <= sent[thread], "nothing twice, nothing else"


# What the incident's user read, whatever had happened, and with nothing to be done about it.
INCIDENT = "Conversation thread '{}' was not found or has expired"
UNKNOWN = "03bb338d-65fb-4285-92b2-d830a32509d7"


def refused(talk, thread):
    """What the user reads who goes on with a conversation that is not there."""
    answer = talk.say("Go on.", thread)
    assert "reply" not in answer, answer
    text = answer["error"]
    assert "not found or has expired" not in text, text
    assert thread in text, "it says which"
    assert len(text) > len(INCIDENT.format(thread)), text
    assert re.search(r"Storage: \S+", text) and re.search(r"ttl in force is 24h", text), text
    assert "-o ttl=" in text and "CONVERSATION_TIMEOUT_HOURS" in text, "what to change"
    assert re.search(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", text), "when"
    return text


def test_R3__incident__every_case__user_reads_which_it_is_and_what_to_do(mnt, chat, clock):
    talk = chat(mnt)
    expired, deleted, renamed = (talk.say(name)["continuation_id"] for name in ("one", "two", "three"))
    os.rename(mnt / renamed, mnt / "kept-talk")
    for name in os.listdir(mnt / deleted):
        os.unlink(mnt / deleted / name)
    os.rmdir(mnt / deleted)
    texts = {"renamed": refused(talk, renamed), "deleted": refused(talk, deleted), "never": refused(talk, UNKNOWN)}
    clock.forward(24 * 3600 + 60)
    wait_until(lambda: not (mnt / expired).exists(), 5, "it expires")
    texts["expired"] = refused(talk, expired)

    said = {"expired": "expired at", "deleted": "was deleted at", "renamed": "to kept-talk", "never": "was never seen"}
    for case, text in texts.items():
        first = text.splitlines()[0]
        assert said[case] in first, (case, text)
        assert not any(words in first for other, words in said.items() if other != case), (case, text)
    command = re.search(r"^  (mv .*)$", texts["expired"], re.M).group(1)
    subprocess.run(command, shell=True, check=True)
    assert "reply" in talk.say("Go on.", expired), "it did as it was told and has the conversation back"


def test_R3__incident__memory_store_restarted__user_reads_that_the_storage_lost_it(mount, chat):
    mnt = mount(store="memory:")
    talk = chat(mnt)
    thread = talk.say("My name is Ada.")["continuation_id"]
    mnt.remount()
    text = refused(talk, thread)
    assert "in memory" in text and "nothing from before the start at" in text, text
    assert "turnfs mount" in text, "what keeps conversations over a restart"


def test_R3__incident__why__tells_the_user_of_an_unknown_conversation(mnt):
    """The sentence the incident lacked."""
    text = read(mnt / ".turnfs" / "why" / UNKNOWN).decode()
    assert "never" in text and UNKNOWN in text


def test_chat_server__history__works_on_a_plain_directory(tmp_path):
    """Reading is plain file operations: history() of a folder that `cp` made."""
    code = SERVER.read_text()
    scope = {"__name__": "chat_server"}
    argv, sys.argv = sys.argv, ["chat_server.py", str(tmp_path), "unused"]
    try:
        exec(compile(code, str(SERVER), "exec"), scope)
    finally:
        sys.argv = argv
    thread = "a-copy"
    (tmp_path / thread).mkdir()
    (tmp_path / thread / "000002-assistant.md").write_bytes("two ä\r\n".encode())
    (tmp_path / thread / "000001-user.md").write_bytes(b"one")
    (tmp_path / thread / "thread.json").write_bytes(b"{}")
    (tmp_path / thread / "diagram.png").write_bytes(b"\0")
    assert scope["history"](thread) == [("user", "one"), ("assistant", "two ä\r\n")]
