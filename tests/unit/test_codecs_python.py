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
