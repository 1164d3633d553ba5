#!/usr/bin/env python3
"""The codecs against Python's own json: what it writes is read, what they write it reads.

    test_codecs_python.py DRIVER
"""
import datetime
import json
import random
import subprocess
import sys

EBADMSG, EINVAL, EPERM = -74, -22, -1
NO_TIME = -(1 << 63)
ID = "03bb338d-65fb-4285-92b2-d830a32509d7"
WHEN = "2025-10-13T02:47:00.123456+00:00"
WHEN_NS = 1760323620123456000


class Driver:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, what, codec, *parts, time=NO_TIME):
        parts = [part.encode() if isinstance(part, str) else part for part in parts]
        sizes = "".join(f" {len(part)}" for part in parts)
        self.process.stdin.write(f"{what} {codec} {time}{sizes}\n".encode() + b"".join(parts))
        self.process.stdin.flush()
        rc, time, patchable, *sizes = self.process.stdout.readline().split()
        answers = [self.process.stdout.read(int(size)) for size in sizes]
        return int(rc), int(time), patchable == b"1", answers

    def decode(self, codec, element):
        rc, time, patchable, parts = self.ask("decode", codec, element)
        if rc:
            return rc
        role, text, meta = parts
        return Turn(role.decode(), text.decode(), strict(meta) if meta else {}, time, patchable)

    def change(self, what, codec, *parts, time=NO_TIME):
        rc, _, _, parts = self.ask(what, codec, *parts, time=time)
        return rc or parts[0]


class Turn:
    def __init__(self, role, text, meta, time, patchable):
        self.role, self.text, self.meta = role, text, meta
        self.time, self.patchable = time, patchable


def strict(data):
    def refuse(constant):
        raise ValueError(constant)
    return json.loads(data, parse_constant=refuse)


def raw(value):
    """As pydantic's model_dump_json() and JSON.stringify() write it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


WRITERS = {
    "zen": raw,
    "langchain": lambda value: json.dumps(value).encode(),
    "langchain-js": raw,
    "openai-agents": lambda value: json.dumps(value, separators=(",", ":")).encode(),
    "llamaindex": raw,
    "agent-framework": lambda value: json.dumps(value).encode(),
}
TEXTS = ["", "hi", "é😀\U0010ffff", '"\\/\b\f\n\r\t\x00\x01\x1f\x7f\x80\u2028\u2029\ufeff\ufffd',
         "a" * 100000, "x\r\ny\n\n", "\ud7ff\ue000"]


def langchain(text, kind="human", **more):
    ai = {"tool_calls": [], "invalid_tool_calls": [], "usage_metadata": None}
    return {"type": kind, "data": {
        "content": text, "additional_kwargs": {}, "response_metadata": {}, "type": kind,
        "name": None, "id": None, **(ai if kind == "ai" else {}), **more}}


def zen(text, role="user", **more):
    return {"role": role, "content": text, "timestamp": WHEN, "files": None, "images": None,
            "tool_name": None, "model_provider": None, "model_name": None, "model_metadata": None,
            **more}


def langchain_js(text, kind="human", **more):
    calls = {"tool_calls": [], "invalid_tool_calls": []} if kind == "ai" else {}
    return {"type": kind, "data": {
        "content": text, **more, **calls, "additional_kwargs": {}, "response_metadata": {}}}


def openai(text, role="user"):
    return {"content": text, "role": role}


def llamaindex(text, role="user"):
    return {"role": role, "additional_kwargs": {}, "blocks": [{"block_type": "text", "text": text}]}


def agents(text, role="user"):
    return {"type": "chat_message", "role": role, "contents": [{"type": "text", "text": text}],
            "additional_properties": {}}


MAKERS = {  # by codec and role: what the tool keeps for a text
    "zen": {"user": zen, "assistant": lambda text: zen(text, "assistant"),
            "boss": lambda text: zen(text, "boss")},
    "langchain": {"user": langchain, "assistant": lambda text: langchain(text, "ai"),
                  "system": lambda text: langchain(text, "system"),
                  "boss": lambda text: langchain(text, "chat", role="boss")},
    "langchain-js": {"user": langchain_js, "assistant": lambda text: langchain_js(text, "ai"),
                     "system": lambda text: langchain_js(text, "system"),
                     "boss": lambda text: langchain_js(text, "generic", role="boss")},
    "openai-agents": {"user": openai, "assistant": lambda text: openai(text, "assistant"),
                      "developer": lambda text: openai(text, "developer")},
    "llamaindex": {"user": llamaindex, "tool": lambda text: llamaindex(text, "tool")},
    "agent-framework": {"user": agents, "boss": lambda text: agents(text, "boss")},
}


def test_W__encode__to_the_byte_as_the_tool(driver):
    for codec, makers in MAKERS.items():
        for role, make in makers.items():
            for text in TEXTS:
                found = driver.change("encode", codec, role, text, b"", time=WHEN_NS)
                assert found == WRITERS[codec](make(text)), (codec, role, text, found)


def test_S3__decode__what_the_tool_wrote(driver):
    for codec, makers in MAKERS.items():
        for role, make in makers.items():
            for text in TEXTS:
                turn = driver.decode(codec, WRITERS[codec](make(text)))
                assert (turn.role, turn.text, turn.meta) == (role, text, {}), turn.meta
                assert turn.patchable and turn.time == (WHEN_NS if codec == "zen" else NO_TIME)


def test_W__patch__only_the_text(driver):
    for codec, makers in MAKERS.items():
        for make in makers.values():
            before = WRITERS[codec](make("\U0001f600 first"))
            for text in TEXTS:
                found = driver.change("patch", codec, before, text)
                assert found == WRITERS[codec](make(text)), (codec, text, found)


# What Python's json makes of a text, and texts as no tool writes them.

def loads(data):
    """The value, or None for no JSON in UTF-8. Python's own limits are not ours."""
    try:
        return [json.loads(data.decode("utf-8"))]
    except (UnicodeDecodeError, json.JSONDecodeError):
        return None


def shown(text):
    """Python keeps lone surrogates, we show U+FFFD; both make one character of a pair."""
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in text)


class Odd:
    """Writes values with spaces, escapes and number spellings of all kinds."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def space(self):
        return self.random.choice(["", "", "", " ", "\n\t", "\r "])

    def string(self, text):
        out = ""
        for c in text:
            short = json.dumps(c, ensure_ascii=False)[1:-1]
            long = json.dumps(c)[1:-1] if ord(c) > 127 else f"\\u{ord(c):04x}"
            if self.random.random() < 0.1 or "\ud800" <= c <= "\udfff":
                short = self.random.choice([long, long.upper().replace("\\U", "\\u")])
            out += short
        return f'"{out}"'

    def text(self):
        some = ["a", "é", "\U0001f600", "\\", '"', "\n", "\0", "\x7f", "\u2028", "/", "{", "]", ","]
        if self.random.random() < 0.1:
            some += ["\ud800", "\udc00"]
        return "".join(self.random.choices(some, k=self.random.choice([0, 1, 3, 20])))

    def number(self):
        return self.random.choice(["0", "-0", "1.0e5", "1E+2", "0.10", "1e999", "-1.50",
                                   "123456789012345678901234567890", "NaN", "-Infinity"])

    def value(self, depth=0):
        kind = self.random.randrange(7 if depth < 3 else 4)
        if kind == 0:
            return self.number()
        if kind == 1:
            return self.random.choice(["true", "false", "null"])
        if kind < 4:
            return self.string(self.text())
        parts = [self.value(depth + 1) for _ in range(self.random.randrange(4))]
        return self.list(parts) if kind < 6 else self.object(
            [(self.text(), part) for part in parts])

    def list(self, parts):
        inside = ",".join(self.space() + part + self.space() for part in parts)
        return f"[{inside or self.space()}]"

    def object(self, members):
        parts = [f"{self.string(key)}{self.space()}:{self.space()}{part}" for key, part in members]
        return "{" + self.list(parts)[1:-1] + "}"

    def shuffled(self, members, more=3):
        """The members in some order, with others nobody knows between them."""
        members = list(members)
        for _ in range(self.random.randrange(more)):
            members.append(("x" + self.text(), self.value()))
        self.random.shuffle(members)
        return self.object(members)

    def written(self, value):
        """A value of Python's, written oddly."""
        if isinstance(value, dict):
            return self.object([(key, self.written(part)) for key, part in value.items()])
        if isinstance(value, list):
            return self.list([self.written(part) for part in value])
        return self.string(value) if isinstance(value, str) else json.dumps(value)

    def turn(self):
        members = [("role", self.string("user")), ("content", self.string(self.text())),
                   ("timestamp", self.string(WHEN))]
        if self.random.random() < 0.5:
            members.append(("files", self.list([self.string(self.text())])))
        return self.shuffled(members)

    def thread(self, turns):
        return self.space() + self.shuffled([
            ("thread_id", self.string(ID)), ("created_at", self.string(WHEN)),
            ("last_updated_at", self.string(WHEN)), ("tool_name", self.string("chat")),
            ("turns", self.list(turns)),
            ("initial_context", self.object([(self.text(), self.value())]))]) + self.space()


def utf8(text):
    return text.encode("utf-8")


def test_S3__texts_a_little_changed__taken_when_python_takes_them(driver):
    rng = random.Random(1)
    accepted = 0
    for seed in range(1500):
        data = bytearray(utf8(Odd(seed).value()))
        for _ in range(rng.randrange(3)):
            at = rng.randrange(len(data))
            change = rng.randrange(3)
            if change == 0:
                data[at:at + 1] = b""
            elif change == 1:
                data.insert(at, rng.choice(b'{}[]",:\\u0e-+.1\x00\xff\xe2 \n'))
            else:
                data[at] = rng.randrange(256)
            if not data:
                break
        rc, *_ = driver.ask("scan", "-", bytes(data))
        assert rc in (0, EBADMSG)
        assert (rc == 0) == (loads(bytes(data)) is not None), bytes(data)
        accepted += rc == 0
    assert 300 < accepted < 1400, accepted


def test_S3__odd_elements__say_what_python_reads(driver):
    for seed in range(400):
        odd = Odd(seed)
        for codec, makers in MAKERS.items():
            text = odd.text()
            element = utf8(odd.written(odd.random.choice(list(makers.values()))(text)))
            turn = driver.decode(codec, element)
            assert turn.text == shown(text), (codec, element)
            assert turn.patchable


def test_W__odd_elements_patched__all_else_keeps_its_bytes(driver):
    for seed in range(400):
        odd = Odd(seed)
        for codec, makers in MAKERS.items():
            make = odd.random.choice(list(makers.values()))
            new = shown(odd.text())
            mark = "\ue000"  # stands where the text is, and nowhere else
            around = odd.written(make(mark))
            around = around.replace("\\ue000", mark).replace("\\uE000", mark)
            before, after = around.split(f'"{mark}"')
            element = utf8(before + odd.string(odd.text()) + after)
            patched = driver.change("patch", codec, element, new)
            assert patched.startswith(utf8(before)) and patched.endswith(utf8(after)), codec
            middle = patched[len(utf8(before)):len(patched) - len(utf8(after))]
            assert middle == WRITERS[codec](new), (codec, middle)


def test_M1__metadata__is_json_that_all_read(driver):
    for seed in range(400):
        odd = Odd(seed)
        values = {f"x{i}{odd.text()}": odd.value() for i in range(4)}
        members = [("role", '"user"'), ("content", '"t"'), ("timestamp", '""'), *values.items()]
        meta = driver.decode("zen", utf8(odd.object(members))).meta
        assert set(meta) == {shown(key) for key in values if "\0" not in key}
        for key, source in values.items():
            value, found = json.loads(source), meta.get(shown(key))
            if isinstance(value, str) and "\0" not in key:
                assert found == shown(value)
            elif "\0" not in key:  # the value, or where jansson cannot read it, its source
                assert found in (value, source), (found, source)


def thread_parts(driver, data):
    rc, _, _, parts = driver.ask("parse", "-", data)
    assert rc == 0, data
    ranges = [tuple(map(int, line.split())) for line in parts[2].splitlines()]
    return [data[start:start + size] for start, size in ranges], ranges


def test_W__odd_threads_changed__all_else_keeps_its_bytes(driver):
    for seed in range(500):
        odd = Odd(seed)
        turns = [odd.turn() for _ in range(odd.random.randrange(5))]
        data = utf8(odd.thread(turns))
        found, ranges = thread_parts(driver, data)
        assert found == list(map(utf8, turns))
        new = [raw(zen(shown(odd.text()))) for _ in range(odd.random.randrange(1, 4))]

        longer = driver.change("append", "-", data, *new)
        assert thread_parts(driver, longer)[0] == found + new
        if turns:
            at = sum(ranges[-1])
            assert longer == data[:at] + b"," + b",".join(new) + data[at:]
            last = driver.change("remove", "-", driver.change("append", "-", data, new[0]))
            assert last == data
            index = odd.random.randrange(len(turns))
            start, size = ranges[index]
            other = driver.change("replace", "-", data, str(index), new[0])
            assert other == data[:start] + new[0] + data[start + size:]
        before, after = json.loads(data), json.loads(longer)
        before["turns"] += map(json.loads, new)
        assert repr(after) == repr(before)  # NaN is not equal to itself


def test_W__the_time_of_a_change__replaces_the_old_one_alone(driver):
    for seed in range(200):
        odd = Odd(seed)
        data = utf8(odd.thread([odd.turn()]))
        ns = odd.random.randrange(0, 4 * 10**18)
        when = datetime.datetime.fromtimestamp(ns // 10**9, datetime.timezone.utc)
        when = when.replace(microsecond=ns // 1000 % 10**6 if seed % 4 else 0)
        ns = ns if seed % 4 else ns // 10**9 * 10**9
        longer = driver.change("append", "-", data, time=ns)
        expected = json.loads(data)
        expected["last_updated_at"] = when.isoformat()
        assert repr(json.loads(longer)) == repr(expected)
        assert driver.ask("parse", "-", longer)[1] == ns // 1000 * 1000


def test_M3__own_members_written_back__change_no_byte(driver):
    for seed in range(300):
        odd = Odd(seed)
        data = utf8(odd.thread([odd.turn()]))
        own = driver.ask("parse", "-", data)[3][1]
        assert driver.change("own", "-", data, own) == data
        changed = driver.change("own", "-", data, '{"initial_context":{"new":[1, 2]}}')
        expected = json.loads(data)
        expected["initial_context"] = {"new": [1, 2]}
        assert repr(json.loads(changed)) == repr(expected)


def pydantic_models():
    """What the tool reads with, where pydantic is installed."""
    try:
        import pydantic
    except ImportError:
        return None
    from typing import Any, Optional

    class Turn(pydantic.BaseModel):
        role: str
        content: str
        timestamp: str
        files: Optional[list[str]] = None
        images: Optional[list[str]] = None
        tool_name: Optional[str] = None
        model_provider: Optional[str] = None
        model_name: Optional[str] = None
        model_metadata: Optional[dict[str, Any]] = None

    class Thread(pydantic.BaseModel):
        thread_id: str
        parent_thread_id: Optional[str] = None
        created_at: str
        last_updated_at: str
        tool_name: str
        turns: list[Turn]
        initial_context: dict[str, Any]
    return Thread


def test_W__a_thread_of_ours__is_what_pydantic_writes(driver):
    thread = pydantic_models()
    value = driver.change("create", "-", ID, '{"initial_context":{"prompt":"é\\u0001"}}', time=WHEN_NS)
    for text in TEXTS:
        meta = raw({"files": [text], "model_metadata": {"tokens": 12, "x": 0.5}})
        turn = driver.change("encode", "zen", "assistant", text, meta, time=WHEN_NS)
        value = driver.change("append", "-", value, turn, time=WHEN_NS)
        assert value == raw(json.loads(value))
        assert not thread or value == thread.model_validate_json(value).model_dump_json().encode()


def main():
    driver = Driver(sys.argv[1])
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test(driver)
            print("ok", name)
    driver.process.stdin.close()
    return driver.process.wait()


if __name__ == "__main__":
    sys.exit(main())
