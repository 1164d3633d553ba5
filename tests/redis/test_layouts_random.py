"""A tool and two mounts change the same conversations at random: both always show what the tool has, byte for byte.

Environment: TURNFS_RANDOM_SEED (else by the clock; it is printed), TURNFS_RANDOM_SECONDS for each layout (3)."""

import errno
import json
import os
import random
import threading
import time

import pytest

from chat_tools import ALL, AgentFramework, LangChain, LangChainJS, LlamaIndex, OpenAIAgents, Zen, options
from harness import outcome, read, set_attribute, set_document, document, turns, wait_until, write

SECONDS = float(os.environ.get("TURNFS_RANDOM_SECONDS", 3))
WORDS = ["ok", "", "x" * 5000, "two\nlines\n", "é “q” \u2028\x7f\t\\\"", "\0nul", "😀", "{\"role\":\"user\"}", "a" * 300]
ODD = {
    Zen: [r'{"role":"Assistant","content":"\u00e9 x","timestamp":"2025-10-13T02:47:00+00:00","n":1.50e+2,"files":[],"q":{"a":[ 1]}}',
          r'{"role":"user","role":"system","content":"twice","timestamp":"2025-10-13T02:47:00.5+00:00","model_metadata":{"a":1e999}}'],
    LangChain: [r'{"type": "ai", "data": {"content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": "u"}], "x": 1E5}}',
                r'{"type": "human", "data": {"content": "\ud83d\ude00\ud800", "additional_kwargs": {"k": -0}, "type": "human"}, "y": [ ]}'],
    OpenAIAgents: [r'{"type":"function_call","name":"f","arguments":"{\"a\":1}","call_id":"c"}',
                   r'{"type":"reasoning","id":"r","summary":[{"type":"summary_text","text":"s"},{"type":"summary_text","text":"t"}]}'],
    LlamaIndex: [r'{"role": "assistant", "content": "old form", "additional_kwargs": {"a": 1.0}}',
                 r'{"role":"user","additional_kwargs":{},"blocks":[{"block_type":"text","text":"a"},{"block_type":"text","text":"b"}],"z":null}'],
    AgentFramework: [r'{"type": "chat_message", "role": {"type": "role", "value": "user"}, "contents": [{"type": "text", "text": "w"}], "u": 1.10}'],
}
ODD[LangChainJS] = [*ODD[LangChain], '{"type":"human","role":null,"text":"very old"}']


class Talk:
    """One thread as it must be: the bytes of its turns, and what is beside it."""

    def __init__(self, name):
        self.name, self.elements, self.files = name, [], {}


class World:
    def __init__(self, server, mounts, kind, seed):
        self.rng = random.Random(seed)
        self.client = server.client()
        self.kind, self.mounts = kind, mounts
        self.tool = kind(self.client, ttl=10800)
        self.talks = []
        self.log = []
        self.count = 0

    # What is there

    def elements(self, talk):
        if self.kind is not Zen:
            return self.tool.elements(talk.name)
        value = self.client.get(self.tool.key(talk.name))
        return [] if value is None else split_turns(value)

    def check(self):
        for talk in self.talks:
            found = self.elements(talk)
            assert found == talk.elements, (talk.name, found, talk.elements)
            for m in self.mounts:
                wait_until(lambda: self.shows(m, talk), 2, f"{m.path}/{talk.name} shows what is there", interval=0.002)
            self.check_sides(talk)
        names = sorted(talk.name for talk in self.talks)
        for m in self.mounts:
            wait_until(lambda: sorted(os.listdir(m.path)) == names, 2, "the listing is right")

    def shows(self, m, talk):
        try:
            names = os.listdir(m / talk.name)
            found = [text for _, text in turns(m / talk.name)]
            files = {name: read(m / talk.name / name) for name in names if name.startswith("note")}
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ESTALE):
                return False
            raise
        return len(found) == len(talk.elements) and files == talk.files and \
            all(text_matches(self.kind, data, text) for data, text in zip(talk.elements, found))

    def check_sides(self, talk):
        side = f"turnfs:side:{{{self.tool.key(talk.name)}}}"
        key = self.tool.key(talk.name) if talk.elements or self.kind is Zen else side

        def same_end():
            ends = [self.client.pexpiretime(k) for k in (key, side, side + ":files")]
            return all(end == -2 or abs(end - ends[0]) <= 25 for end in ends[1:])

        wait_until(same_end, 2, "the side keys end with their thread")

    # What the tool does

    def tool_adds(self, talk):
        self.tool.add(talk.name, self.rng.choice(("user", "assistant")), self.word())
        talk.elements = self.elements(talk)

    def tool_adds_odd(self, talk):
        data = self.rng.choice(ODD[self.kind])
        if self.kind is Zen:
            value = self.client.get(self.tool.key(talk.name)).decode()
            end = value.rindex("]", 0, value.index('"initial_context"'))
            comma = "," if talk.elements else ""
            self.client.setex(self.tool.key(talk.name), 10800, value[:end] + comma + data + value[end:])
        else:
            self.tool.push(talk.name, data)
        talk.elements = talk.elements + [data.encode()]

    def tool_pops(self, talk):
        if not talk.elements or (len(talk.elements) == 1 and self.kind is not Zen):
            return
        if self.kind is Zen:
            value = json.loads(self.client.get(self.tool.key(talk.name)))
            value["turns"].pop()
            self.tool.store(talk.name, value)
            talk.elements = self.elements(talk)
            return
        (self.client.lpop if self.tool.newest_first else self.client.rpop)(self.tool.key(talk.name))
        talk.elements = talk.elements[:-1]

    def tool_renews(self, talk):
        if talk.elements or self.kind is Zen:
            self.client.pexpire(self.tool.key(talk.name), self.rng.randint(5_000_000, 20_000_000))

    def tool_persists(self, talk):
        self.client.persist(self.tool.key(talk.name))

    def tool_deletes(self, talk):
        if len(self.talks) > 2 and (talk.elements or self.kind is Zen):
            self.check_sides(talk)
            wait_until(lambda: not self.client.hexists(f"turnfs:side:{{{self.tool.key(talk.name)}}}", "made"), 2)
            self.client.delete(self.tool.key(talk.name))
            self.talks.remove(talk)

    def tool_expires(self, talk):
        if len(self.talks) > 2 and (talk.elements or self.kind is Zen):
            self.client.pexpire(self.tool.key(talk.name), self.rng.randint(1, 30))
            time.sleep(0.035)
            self.talks.remove(talk)

    def tool_creates(self, _):
        talk = Talk(self.tool.new_id())
        self.tool.create(talk.name, turns=[("user", self.word())])
        talk.elements = self.elements(talk)
        self.talks.append(talk)

    def tool_trims(self, talk):
        if self.kind is AgentFramework and len(talk.elements) > 3:
            self.client.ltrim(self.tool.key(talk.name), -3, -1)
            talk.elements = talk.elements[-3:]

    # What is done on a mount

    def mount_says(self, talk):
        role, text = self.rng.choice(("user", "assistant")), self.word().replace("\0", "")
        write(self.at(talk) / ("@" + role), text, os.O_WRONLY)
        self.took(talk, [text] if text else [])

    def mount_says_many(self, talk):
        texts = [self.word() for _ in range(self.rng.randint(1, 4))]
        lines = "".join(json.dumps({"role": "user", "content": text, "mood": "calm"}) + "\n" for text in texts)
        write(self.at(talk) / "@transcript.jsonl", lines, os.O_WRONLY)
        self.took(talk, texts)

    def mount_edits(self, talk):
        if not talk.elements:
            return
        folder = self.at(talk)
        names = sorted(name for name in os.listdir(folder) if name.endswith(".md"))
        i = self.rng.randrange(len(talk.elements))
        if len(names) != len(talk.elements):
            return  # the other mount or the tool has changed it a moment ago
        text = self.word() or "-"  # what is left empty is committed later (W4)
        r = outcome(self.rng.choice((self.in_place, self.by_rename)), folder, names[i], text)
        found = self.elements(talk)
        if r:
            assert r in (errno.EPERM, errno.ESTALE, errno.EIO), errno.errorcode[r]
            for name in [n for n in outcome_list(folder) if n.startswith((".tmp", "0")) and "conflict" in n or n == ".tmp"]:
                outcome(os.unlink, folder / name)
            assert found == talk.elements, "what failed changed nothing"
            return
        assert found[:i] + found[i + 1:] == talk.elements[:i] + talk.elements[i + 1:]
        assert text_matches(self.kind, found[i], text.encode())
        talk.elements = found

    @staticmethod
    def in_place(folder, name, text):
        write(folder / name, text, os.O_WRONLY | os.O_TRUNC)

    @staticmethod
    def by_rename(folder, name, text):
        write(folder / ".tmp", text)
        os.rename(folder / ".tmp", folder / name)

    def mount_removes_last(self, talk):
        folder = self.at(talk)
        names = sorted(name for name in os.listdir(folder) if name.endswith(".md"))
        if not names or len(names) != len(talk.elements):
            return
        if len(names) > 1:
            assert outcome(os.unlink, folder / names[0]) in (errno.EPERM, errno.ESTALE)
        r = outcome(os.unlink, folder / names[-1])
        assert r in (0, errno.ESTALE, errno.EIO), errno.errorcode[r]
        if r == 0:
            talk.elements = talk.elements[:-1]

    def mount_attaches(self, talk):
        name, text = self.rng.choice(("note1", "note2", "note3")), (self.word() or "-").encode()
        write(self.at(talk) / name, text)
        talk.files[name] = text

    def mount_detaches(self, talk):
        for name in list(talk.files)[:1]:
            if outcome(os.unlink, self.at(talk) / name) == 0:
                del talk.files[name]

    def mount_renames(self, talk):
        if "note1" in talk.files and outcome(os.rename, self.at(talk) / "note1", self.at(talk) / "note2") == 0:
            talk.files["note2"] = talk.files.pop("note1")

    def mount_says_of(self, talk):
        folder = self.at(talk)
        names = [*(name for name in os.listdir(folder) if name != "thread.json"), "."]
        r = outcome(self.rng.choice((self.chmod, self.attribute, self.utime)), folder / self.rng.choice(names))
        assert r in (0, errno.EIO, errno.ESTALE, errno.ENOENT), errno.errorcode[r]

    def chmod(self, path):
        os.chmod(path, self.rng.choice((0o755, 0o700)))

    def attribute(self, path):
        set_attribute(path, "mood", self.rng.choice(("calm", "wild")))

    def utime(self, path):
        os.utime(path, ns=(1, self.rng.randint(1, 2 * 10**18)))

    def mount_writes_document(self, talk):
        set_document(self.at(talk), document(self.at(talk)) | {"title": self.word(), "tool_name": "x"})

    def mount_makes(self, _):
        talk = Talk(self.tool.new_id())
        os.mkdir(self.rng.choice(self.mounts) / talk.name)
        self.talks.append(talk)
        self.check()

    def mount_deletes(self, talk):
        if len(self.talks) > 2:
            assert os.system(f"rm -r '{self.at(talk)}'") == 0
            self.talks.remove(talk)

    # The parts

    def word(self):
        self.count += 1
        return self.rng.choice((*WORDS, f"number {self.count}"))

    def at(self, talk):
        m = self.rng.choice(self.mounts)
        wait_until(lambda: self.shows(m, talk), 2, f"{m.path}/{talk.name} shows what is there", interval=0.002)
        return m / talk.name

    def took(self, talk, texts):
        found = self.elements(talk)
        assert found[:len(talk.elements)] == talk.elements
        added = found[len(talk.elements):]
        assert len(added) == len(texts) and all(text_matches(self.kind, data, text.encode())
                                                for data, text in zip(added, texts))
        talk.elements = found

    def step(self):
        does = [name for name in dir(self) if name.startswith(("tool_", "mount_"))]
        often = ["tool_adds", "mount_says", "mount_edits", "mount_attaches"]
        does = [name for name in does + 3 * often
                if not name.endswith(("deletes", "expires", "makes", "creates")) or self.rng.random() < 0.3]
        talk, name = self.rng.choice(self.talks), self.rng.choice(does)
        self.log.append((name, talk.name))
        getattr(self, name)(talk)


def outcome_list(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return []


def split_turns(value):
    """The bytes of each turn in a zen value."""
    text = value.decode()
    at = text.index('"turns":[') + len('"turns":[')
    found, decoder = [], json.JSONDecoder()
    while text[at] != "]":
        at += text[at] == ","
        _, end = decoder.raw_decode(text, at)
        found.append(text[at:end].encode())
        at = end
    return found


def texts_of(kind, value):
    """The texts of an element, or None: it is an item that has none of its own."""
    if kind is Zen:
        return [value["content"]]
    if kind in (LangChain, LangChainJS):
        content = value["data"]["content"] if "data" in value else value["text"]
    elif kind is LlamaIndex:
        content = value.get("blocks", value.get("content"))
    elif kind is AgentFramework:
        content = value["contents"]
    else:
        content = value.get("content", value.get("arguments", value.get("summary")))
    return [content] if isinstance(content, str) else [part["text"] for part in content if "text" in part]


def text_matches(kind, data, text):
    expected = "\n\n".join(texts_of(kind, json.loads(data)))
    return text == expected.encode("utf-16-be", "surrogatepass").decode("utf-16-be", "replace").encode()


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.layout)
def test_I6__a_tool_and_two_mounts_at_random__both_show_what_the_tool_has(server, mount, kind):
    seed = int(os.environ.get("TURNFS_RANDOM_SEED", time.time_ns() % 1_000_000))
    print("seed", seed)
    world = World(server, [mount(server.url, options(kind)) for _ in range(2)], kind, seed)
    for _ in range(3):
        world.tool_creates(None)
    end = time.monotonic() + SECONDS
    try:
        while time.monotonic() < end:
            world.step()
            if world.rng.random() < 0.5:
                world.check()
    except BaseException:
        print("\n".join(map(str, world.log[-25:])))
        raise
    world.check()
    print(len(world.log), "steps")

    def left():
        return [key for key in server.keys(b"turnfs:side:{")
                if not any(world.tool.key(talk.name).encode() in key for talk in world.talks)]

    wait_until(lambda: not left(), 3, "nothing is left of what went")
    for m in world.mounts:
        m.stop()
    assert all(world.elements(talk) == talk.elements for talk in world.talks)
