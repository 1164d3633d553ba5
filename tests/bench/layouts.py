#!/usr/bin/python3
"""The speed lines of chat servers' layouts, each beside its reference in one run: prints the ratios."""

import argparse
import os
import pathlib
import statistics
import sys
import time

TESTS = pathlib.Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "redis"), str(TESTS / "mount")]

from chat_tools import LISTS, LangChain, Zen, options  # noqa: E402
from harness import Workshop, say  # noqa: E402
from server import Server  # noqa: E402

TEXT = "x" * 4096


def median_us(call, times):
    """Median of `times` calls; each may be given its number."""
    call(0)
    taken = []
    for i in range(1, times + 1):
        begin = time.perf_counter()
        call(i)
        taken.append((time.perf_counter() - begin) * 1e6)
    return statistics.median(taken)


def line(what, mine, reference, bar):
    ratio = mine / reference
    print(f"{what:64} {mine:9.0f} us {reference:9.0f} us  {ratio:5.2f}x  (bar {bar}) {'' if ratio <= bar else 'OVER'}")


def zen_append(workshop, server, client, times):
    """Each append to a thread that has 50 turns of 4 KB: it is put back after each."""
    zen = Zen(client)
    thread = zen.create(turns=[("user", TEXT)] * 50)
    value = client.get(zen.key(thread))
    m = workshop.mount(server.url, options(Zen))
    os.listdir(m / thread)

    def ours(i):
        say(m / thread, "assistant", TEXT)

    def tool_bare(i):
        client.get(key)
        client.setex(key, 10800, value)

    def with_json(i):
        zen.add(other, "assistant", TEXT)

    key = "thread:bare"
    client.set(key, value)
    reference = median_us(tool_bare, times)
    taken = []
    for i in range(times):
        client.setex(zen.key(thread), 10800, value)
        os.listdir(m / thread)
        time.sleep(0.012)
        taken.append(median_us(ours, 1))
    mine = statistics.median(taken)
    other = zen.create(turns=[("user", TEXT)] * 50)
    taken = []
    for i in range(times):
        client.setex(zen.key(other), 10800, value)
        taken.append(median_us(with_json, 1))
    line("append to a zen thread of 50 turns; bare GET + SETEX", mine, reference, 1.5)
    line("the same; the tool's GET, JSON and SETEX", mine, statistics.median(taken), 1.5)
    m.stop()


def listing(workshop, server, client, times):
    zen = Zen(client)
    threads = [zen.create(turns=[("user", "hi")]) for _ in range(10000)]

    def pass_over(i):
        cursor = 0
        found = 0
        while True:
            cursor, keys = client.scan(cursor, match="thread:*", count=1000)
            with client.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.type(key)
                found += sum(kind == b"string" for kind in pipe.execute())
            if cursor == 0:
                break
        assert found >= len(threads)

    reference = median_us(pass_over, 3)
    begin = time.perf_counter()
    m = workshop.mount(server.url, options(Zen))
    mounted = (time.perf_counter() - begin) * 1e6
    begin = time.perf_counter()
    assert len(os.listdir(m.path)) >= len(threads)
    line("first ls of 10 000 zen threads; SCAN and TYPE", (time.perf_counter() - begin) * 1e6, reference, 2)
    line("mount and first ls of them; SCAN and TYPE", mounted + (time.perf_counter() - begin) * 1e6, reference, 2)
    before = server.commands()
    (m / threads[0] / "000001-user.md").read_bytes()
    after = server.commands()
    print("commands that reading one takes:", {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)})
    m.stop()


def list_append(workshop, server, client, times):
    own = workshop.mount(server.url, "")
    thread = own.thread()
    reference = median_us(lambda i: say(thread, "user", TEXT), times)
    own.stop()
    for kind in LISTS:
        tool = kind(client, ttl=10800)
        name = tool.create()
        m = workshop.mount(server.url, options(kind))
        os.listdir(m / name)
        line(f"append to a thread of {kind.layout}; of the own layout",
             median_us(lambda i: say(m / name, "user", TEXT), times), reference, 1.3)
        m.stop()
    tool = LangChain(client, ttl=10800)
    name = tool.create(turns=[("user", TEXT)] * 1000)
    m = workshop.mount(server.url, options(LangChain))
    os.listdir(m / name)
    line("append to a thread of langchain with 1000 turns; own layout",
         median_us(lambda i: say(m / name, "user", TEXT), times), reference, 1.3)
    m.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--only", choices=["zen_append", "listing", "list_append"])
    args = parser.parse_args()
    for part in (zen_append, listing, list_append):
        if args.only and part.__name__ != args.only:
            continue
        workshop = Workshop()
        server = Server(workshop.base / "server", save='""', appendonly="no")
        workshop.cleanups.append(server.close)
        try:
            with server.client() as client:
                part(workshop, server, client, args.times)
        finally:
            workshop.close()


if __name__ == "__main__":
    main()
