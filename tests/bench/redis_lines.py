"""The lines about Redis: a server of their own, on a unix socket, everysec, beside what a chat server does itself."""

import codecs
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import time

from common import (HERE, MS, ROOT, SCRATCH, THREADS, Mount, Result, compare, line, make_thread, quantile, show_ns,
                    text_of, write)

sys.path += [str(ROOT / "tests" / "mount"), str(ROOT / "tests" / "redis")]

BARE = SCRATCH / "bare"
TTL = 3 * 3600


@contextlib.contextmanager
def redis_server(base, **config):
    config.setdefault("appendfsync", "everysec")
    from server import Server  # pylint: disable=import-outside-toplevel  # wants python3-redis

    with contextlib.closing(Server(base / "server", **config)) as server:
        yield server


@contextlib.contextmanager
def mounted(base, count=1, opts="ttl=7d"):
    """A server and so many mounts of it."""
    with redis_server(base) as server, contextlib.ExitStack() as stack:
        yield server, *(stack.enter_context(Mount(base, server.url, opts)) for _ in range(count))


# What one append makes the server do


WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"')


def commands_of(server, action):
    """The commands that the scripts of action() run in the server, as MONITOR tells them."""
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.connect(str(server.path))
        monitor.sendall(b"MONITOR\r\n")
        monitor.recv(100)
        action()
        monitor.settimeout(0.3)
        told = b""
        with contextlib.suppress(TimeoutError):
            while part := monitor.recv(1 << 20):
                told += part
    lines = [line for line in told.split(b"\r\n") if b" lua] " in line.split(b'"', 1)[0]]
    return [[codecs.escape_decode(word)[0] for word in WORD.findall(line)] for line in lines]


def save_commands(path, commands):
    with open(path, "wb") as out:
        out.write(b"%d\n" % len(commands))
        for words in commands:
            out.write(b"%d\n" % len(words))
            for word in words:
                out.write(b"%d\n%s\n" % (len(word), word))


def compile_bare():
    subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-o", BARE, HERE / "bare.c", "-lhiredis"], check=True)


def say(thread, data):
    write(thread / "@user", data, os.O_WRONLY)


@line("redis-append")
def append(base):
    compile_bare()
    empty = base / "empty"
    empty.mkdir()
    with mounted(base) as (server, mnt), Mount(empty, "memory:") as memory:
        for thread in (mnt / "thread", mnt / "captured", memory / "thread"):
            thread.mkdir()
        for _ in range(3):
            say(mnt / "captured", text_of(4096))
        commands = commands_of(server, lambda: say(mnt / "captured", text_of(4096)))
        save_commands(base / "commands", commands)
        done = subprocess.run([BARE, "1500", server.path, base / "commands", mnt / "thread" / "@user", memory / "thread"],
                              check=True, stdout=subprocess.PIPE)
        times = json.loads(done.stdout)
    ratio = statistics.median(a / (b + c) for a, b, c in zip(times["append"], times["bare"], times["create"]))
    middle = {kind: statistics.median(values) for kind, values in times.items()}
    result = Result("append of 4 KB, Redis, through the mount", show_ns(middle["append"]),
                    f"{show_ns(middle['bare'])} + {show_ns(middle['create'])}", ratio, 1.3,
                    note=f"reference: its {len(commands)} commands pipelined by hiredis + an empty create (memory store)")
    tenth = {kind: quantile(values, 0.1) for kind, values in times.items()}
    result.quiet = tenth["append"] / (tenth["bare"] + tenth["create"])
    return [result]


# Length of the thread


def group(base, mnt, name, count, turns):
    """A directory of links to `count` threads of so many turns, for the helper."""
    view = base / name
    view.mkdir()
    for i in range(count):
        thread = make_thread(mnt / f"{name}{i:03d}", turns)
        (view / thread.name).symlink_to(thread)
    return view


@line("redis-append-1000")
def append_long(base):
    with mounted(base) as (_, mnt):
        long, short = group(base, mnt, "long", 4, 1000), group(base, mnt, "short", 100, 1)
        return [compare("append at 1000 turns against at 1, Redis", 1.2, f"appendeach={long}", f"appendeach={short}",
                        400, 1)]


def incident_append(client, key, turn):
    """The incident's scheme: the whole conversation is one JSON with a ttl."""
    document = json.loads(client.get(key))
    document["messages"].append(turn)
    client.setex(key, TTL, json.dumps(document))


def against_incident(server, mnt, turns, rounds):
    """`server` is the incident's own, so that neither waits while the other's bytes go to the log."""
    turn = {"role": "user", "content": text_of(4096)}
    whole, data = json.dumps({"messages": [turn] * turns}), turn["content"].encode()
    ours, theirs = [], []
    with server.client() as client:
        for i in range(rounds):
            if i % 10 == 0:  # from `turns` on, then anew
                thread = make_thread(mnt / f"t{turns}-{i}", turns)
                client.setex("incident", TTL, whole)
            begun = time.monotonic_ns()
            say(thread, data)
            middle = time.monotonic_ns()
            incident_append(client, "incident", turn)
            ours.append(middle - begun)
            theirs.append(time.monotonic_ns() - middle)
    return Result(f"append at {turns} turns, Redis, against the incident's GET + JSON + SETEX",
                  show_ns(statistics.median(ours)), show_ns(statistics.median(theirs)),
                  statistics.median(b / a for a, b in zip(ours, theirs)), 5 if turns == 50 else None, "more",
                  "times faster; reference in Python")


@line("redis-incident")
def append_against_incident(base):
    theirs = base / "theirs"
    theirs.mkdir()
    with mounted(base) as (_, mnt), redis_server(theirs, appendonly="no") as server:
        return [against_incident(server, mnt, turns, rounds) for turns, rounds in ((1, 200), (50, 200), (1000, 50))]


# Many threads


def fill(args):
    top, first, last = args
    for i in range(first, last):
        os.mkdir(f"{top}/{i * 2654435761 % 2**32:08x}-{i:06d}")


@line("redis-ls")
def ls_root(base):
    plain = base / "plain"
    plain.mkdir()
    fill((plain, 0, THREADS))
    with mounted(base, opts="ttl=never") as (_, mnt):
        step = max(1, THREADS // 64)
        parts = [(str(mnt.path), i, min(i + step, THREADS)) for i in range(0, THREADS, step)]
        with concurrent.futures.ProcessPoolExecutor(8) as pool:
            list(pool.map(fill, parts))
        begun = time.monotonic_ns()
        subprocess.run(["ls", "-U", mnt.path], check=True, stdout=subprocess.DEVNULL)
        first = time.monotonic_ns() - begun
        mnt.stop()
        again = mnt.start()
        result = compare(f"ls of {THREADS} threads, again, Redis", 0.5, f"ls={mnt.path}", f"ls={plain}", 15, 1,
                         note=f"the first one {show_ns(first)}; mount {show_ns(again)}")
        return [result, Result("resident memory after it (MB)", f"{mnt.resident() / 1e6:.1f} MB", "",
                               mnt.resident() / 1e6, 100)]


# Many mounts


@line("redis-mounts")
def four_mounts(base):
    """Rates of appends to one thread: one writer, four of one mount, one each of four mounts."""
    with mounted(base, 4) as (_, *mounts):
        (mounts[0] / "thread").mkdir()
        seconds, rates = 1.5, {}
        for _ in range(4):
            for name, places in (("one", mounts[:1]), ("four", [mounts[0]] * 4), ("mounts", mounts)):
                with concurrent.futures.ProcessPoolExecutor(len(places)) as pool:
                    counts = pool.map(append_for, [(str(m / "thread"), seconds) for m in places])
                    rates.setdefault(name, []).append(sum(counts) / seconds)
    middle = {name: statistics.median(values) for name, values in rates.items()}
    note = f"4 KB turns; a writer each; four writers of one mount: {middle['four']:.0f}/s"
    return [Result("4 mounts append to one thread, Redis, against 1", f"{middle['mounts']:.0f}/s",
                   f"{middle['one']:.0f}/s", middle["mounts"] / middle["one"], None, "more", note)]


def append_for(args):
    thread, seconds = args
    data, count, ends = text_of(4096).encode(), 0, time.monotonic() + seconds
    while time.monotonic() < ends:
        write(f"{thread}/@user", data, os.O_WRONLY)
        count += 1
    return count


@line("redis-lag")
def visibility(base):
    """From the end of close() on one mount until stat() and ls on the other show the turn."""
    with mounted(base, 2) as (_, a, b):
        lags = {"stat": [], "ls": []}
        for i, look in enumerate(lags):
            here, there = a / f"thread{i}", b / f"thread{i}"
            here.mkdir()
            while not there.exists():
                time.sleep(0.001)
            for n in range(1, 501):
                name = f"{n:06d}-user.md"
                os.listdir(there)
                with contextlib.suppress(FileNotFoundError):
                    os.stat(there / name)
                say(here, "turn")
                begun = time.monotonic_ns()
                while not (os.path.exists(there / name) if look == "stat" else name in os.listdir(there)):
                    if time.monotonic_ns() - begun > 2e9:
                        raise OSError(f"{there / name} is not seen")
                lags[look].append(time.monotonic_ns() - begun)
    return [Result(f"seen on the other mount by {look}, p99 (ms)", show_ns(quantile(values, 0.99)), "close() returned",
                   quantile(values, 0.99) / MS, 50,
                   note=f"p50 {show_ns(quantile(values, 0.5))}, worst {show_ns(max(values))}, of {len(values)}")
            for look, values in lags.items()]


# Memory of the server


def used(server):
    return server.info("memory", "used_memory")


@line("redis-memory")
def memory(base):
    results = []
    for size in (100, 1024, 4096):
        place = pathlib.Path(base / f"of-{size}")
        place.mkdir()
        with mounted(place) as (server, mnt):
            threads, turns = 100, 100
            before = used(server)
            for i in range(threads):
                make_thread(mnt / f"t{i:03d}", turns, size)
            ours = (used(server) - before) / threads / turns
            before = used(server)
            with server.client() as client:
                for i in range(threads):
                    client.rpush(f"plain:{i}", *[json.dumps({"role": "user", "content": text_of(size)})] * turns)
                    client.expire(f"plain:{i}", TTL)
            plain = (used(server) - before) / threads / turns
        results.append(Result(f"server's memory per turn of {size} bytes", f"{ours:.0f} B", f"{plain:.0f} B",
                              ours / plain, None, note="reference: a list of JSON, RPUSH; 100 threads of 100"))
    return results
