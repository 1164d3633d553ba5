"""docs/storage_backend.py: a chat server's get() and setex() over a mount, run as the server would."""

import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
import uuid

import pytest

from harness import ROOT, document, expires, get_attribute, turns

SOURCE = ROOT / "docs" / "storage_backend.py"


def load():
    spec = importlib.util.spec_from_file_location("storage_backend", SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def module():
    return load()


@pytest.fixture
def backend(module, mnt):
    return module.TurnfsStorage(mnt.path)


def conversation(*said, **more):
    turns = [{"role": role, "content": text, "timestamp": "2025-10-13T02:47:00.123456+00:00", "files": [],
              "images": None, "tool_name": None, "model_metadata": {"n": 1.50}} for role, text in said]
    return {"thread_id": str(uuid.uuid4()), "parent_thread_id": None, "tool_name": "chat", "turns": turns,
            "initial_context": {"prompt": "hi"}} | more


def put(backend, thread, ttl=10800):
    backend.setex("thread:" + thread["thread_id"], ttl, json.dumps(thread))


def got(backend, thread):
    value = backend.get("thread:" + thread["thread_id"])
    return None if value is None else json.loads(value)


def test_I6__a_conversation_is_kept__it_is_files_and_comes_back_the_same(backend, mnt):
    thread = conversation(("user", "hi"), ("assistant", "hello\n“there” \u2028"), ("user", ""), session_fingerprint="f")
    put(backend, thread)
    assert got(backend, thread) == thread
    assert list(got(backend, thread)) == list(thread)
    folder = mnt / thread["thread_id"]
    assert [text.decode() for _, text in turns(folder)] == ["hi", "hello\n“there” \u2028", ""]
    assert document(folder)["tool_name"] == "chat"
    assert get_attribute(folder, "turnfs.ttl") == b"3h"


def test_I6__a_turn_is_added__only_it_is_written(backend, mnt):
    thread = conversation(("user", "hi"))
    put(backend, thread)
    first = os.stat(mnt / thread["thread_id"] / "000001-user.md")
    for i in range(5):
        thread["turns"].append(conversation(("assistant", f"answer {i}"))["turns"][0])
        put(backend, thread)
        assert got(backend, thread) == thread
    again = os.stat(mnt / thread["thread_id"] / "000001-user.md")
    assert (first.st_ino, first.st_ctime_ns) == (again.st_ino, again.st_ctime_ns)
    thread["turns"][0]["content"] = "changed"
    put(backend, thread)
    assert got(backend, thread) == thread


def test_I6__other_keys_and_values__are_kept_too(backend):
    for key, value in {"a": "text", "x:y/z": "é", ".hidden": "", "thread:no-json": "{", "thread:x": '{"turns": [1]}'}.items():
        backend.set_with_ttl(key, 60, value)
        assert backend.get(key) == value
    assert backend.get("never") is None and backend.get("thread:" + str(uuid.uuid4())) is None


def test_T1__its_time_is_over__there_is_none(backend, mnt):
    thread = conversation(("user", "hi"))
    put(backend, thread, ttl=1)
    assert got(backend, thread) == thread
    assert abs(expires(mnt / thread["thread_id"]) - time.time() - 1) < 0.5
    end = time.monotonic() + 5
    while got(backend, thread) is not None and time.monotonic() < end:
        time.sleep(0.02)
    assert got(backend, thread) is None
    put(backend, thread)
    assert got(backend, thread) == thread


def test_R1__a_remount__changes_nothing(backend, mnt):
    threads = [conversation(("user", f"of {i}")) for i in range(5)]
    for thread in threads:
        put(backend, thread)
    mnt.remount()
    assert all(got(backend, thread) == thread for thread in threads)


def test_R2__nothing_is_mounted__it_fails_loudly(module, backend, mnt, monkeypatch):
    mnt.stop()
    for call in (lambda: backend.get("thread:x"), lambda: backend.setex("thread:x", 60, "{}"),
                 lambda: module.TurnfsStorage(mnt.path)):
        with pytest.raises(module.NotMounted, match="turnfs mount"):
            call()
    monkeypatch.delenv("TURNFS_MOUNT", raising=False)
    with pytest.raises(module.NotMounted):
        module.get_storage_backend()
    assert os.listdir(mnt.path) == []
    mnt.start()


def test_R2__the_daemon_was_killed__it_fails_loudly(module, backend, mnt):
    mnt.kill9()
    for call in (lambda: backend.get("thread:x"), lambda: backend.setex("thread:x", 60, "{}")):
        with pytest.raises(module.NotMounted, match="turnfs mount"):
            call()
    mnt.start()


def test_I6__threads_and_processes__keep_out_of_each_other(backend, mnt):
    thread = conversation()
    put(backend, thread)
    script = ("import sys; sys.path.insert(0, sys.argv[1]); import storage_backend, json\n"
              "b = storage_backend.get_storage_backend()\n"
              "for i in range(10): b.setex('thread:p%s.%d' % (sys.argv[2], i), 60, json.dumps({'turns': [{'role': 'user', 'content': 'x'}]}))\n")
    env = os.environ | {"TURNFS_MOUNT": str(mnt.path), "PYTHONDONTWRITEBYTECODE": "1"}
    running = [subprocess.Popen([sys.executable, "-c", script, str(SOURCE.parent), str(n)], env=env) for n in range(3)]

    def write(n):
        for i in range(10):
            put(backend, thread | {"n": n, "i": i})

    workers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [p.wait(60) for p in running] == [0, 0, 0]
    assert got(backend, thread)["i"] == 9
    assert all(backend.get(f"thread:p{n}.{i}") for n in range(3) for i in range(10))
