"""F3: memory runs out in the daemon: at random, and at each allocation of each call in turn."""

import collections
import errno
import os
import random
import time

import pytest

from harness import (
    attributes,
    document,
    is_sanitized,
    opened,
    outcome,
    read,
    say,
    set_attribute,
    set_document,
    wait_until,
    write,
    write_all,
)
from owners import Appender, Keeper, contents

pytestmark = pytest.mark.skipif(is_sanitized(), reason="the sanitizer has its own malloc()")

LINES = b'{"role": "user", "content": "a", "k": "v"}\n{"role": "tool", "content": {"base64": "Yg=="}}\n'
OLD, NEW = b"old " * 2000, b"new " * 3000


def changed(name, content):
    return lambda files: {**files, name: content}


def dropped(name):
    return lambda files: {n: c for n, c in files.items() if n != name}


def appended(path):
    with opened(path, os.O_WRONLY | os.O_APPEND) as fd:
        write_all(fd, NEW)


def renamed(old, new):
    return lambda files: dropped(old)({**files, new: files[old]})


def replaced(thread):
    write(thread / ".x.tmp", NEW)
    os.rename(thread / ".x.tmp", thread / "000001-user.md")


# What is done to a thread that has 000001-user.md, and what it may then have
ACTS = {
    "create": (lambda t: write(t / "000002-user.md", NEW), changed("000002-user.md", NEW)),
    "create-exclusively": (
        lambda t: write(t / "000002-user.md", NEW, os.O_WRONLY | os.O_CREAT | os.O_EXCL),
        changed("000002-user.md", NEW),
    ),
    "cut-and-write": (lambda t: write(t / "000001-user.md", NEW), changed("000001-user.md", NEW)),
    "write-at-the-end": (lambda t: appended(t / "000001-user.md"), changed("000001-user.md", OLD + NEW)),
    "say": (lambda t: say(t, "tool", NEW), changed("000002-tool.md", NEW)),
    "rename": (
        lambda t: os.rename(t / "000001-user.md", t / "note"),
        renamed("000001-user.md", "note"),
    ),
    "replace": (replaced, changed("000001-user.md", NEW)),
    "unlink": (lambda t: os.unlink(t / "000001-user.md"), dropped("000001-user.md")),
    "truncate": (lambda t: os.truncate(t / "000001-user.md", 3), changed("000001-user.md", b"old")),
    "set-an-attribute": (lambda t: set_attribute(t / "000001-user.md", "k", "v"), dict),
    "set-the-document": (lambda t: set_document(t, {"title": "t"}), dict),
    "append-lines": (
        lambda t: write(t / "@transcript.jsonl", LINES, os.O_WRONLY),
        lambda files: {**files, "000002-user.md": b"a", "000003-tool.md": b"b"},
    ),
    "mknod": (lambda t: os.mknod(t / "000002-user.md", 0o600), changed("000002-user.md", b"")),
}


# One allocation fails, or all from it on until the call has ended
SHORTAGES = pytest.mark.parametrize("fails", [1, 10**6], ids=["once", "from-then-on"])


@pytest.mark.limit(300)
@SHORTAGES
@pytest.mark.parametrize("act", ACTS)
def test_F3__nth_allocation_fails__the_call_says_so_and_nothing_is_half_done(mount, shim, act, fails):
    """The first allocation of the call, the second, …, until it needs no more."""
    call, change = ACTS[act]
    mnt = mount(env=shim.env)
    wrong, failed, nth, seen = [], collections.Counter(), 0, {}
    while True:
        thread = mnt.thread(f"{act}-{nth}")
        write(thread / "000001-user.md", OLD)
        before, injected = contents(thread), shim["memory_injected"]
        shim.arm_memory(skip=nth, fails=fails)
        code = outcome(call, thread)
        shim.disarm()
        assert mnt.alive, f"allocation {nth}: ended with {mnt.proc.poll()}: {mnt.stderr[-500:]}"
        if shim["memory_injected"] == injected:
            break
        if outcome(write, thread / "probe", b"after"):
            wrong.append((nth, "not writable again"))
        found, wanted = contents(thread), change(before)
        judged = dropped("probe")(dropped(".x.tmp")(found))
        failed[code] += 1
        if judged not in ([wanted] if code == 0 else [before, wanted]):
            wrong.append((nth, code, {n: (c[:4], len(c)) for n, c in found.items()}))
        again = outcome(write, thread / "000002-user.md", b"again")
        if again and code != 0:
            wrong.append((nth, "the name is taken", again))
        seen[thread] = contents(thread)
        nth += 1
    mnt.remount()
    wrong += [(thread.name, "changed by a remount") for thread in seen if contents(thread) != seen[thread]]
    print(act, nth, {errno.errorcode.get(code, code): n for code, n in failed.items()})
    assert not wrong, wrong
    assert nth and set(failed) <= {0, errno.ENOMEM}, failed


@pytest.mark.limit(300)
@pytest.mark.parametrize("act", ["create", "create-exclusively", "cut-and-write", "write-at-the-end", "say", "replace"])
def test_F3__libfuse_refuses_a_request__no_file_is_left_empty_or_half_written(mount, shim, act):
    """Of a WRITE or FLUSH that libfuse answers by itself, for lack of memory, the daemon sees nothing."""
    call, change = ACTS[act]
    mnt = mount(env=shim.env)
    wrong, seen, nth, injected = [], {}, 0, None
    while shim["memory_injected"] != injected:
        thread = mnt.thread(f"{act}-{nth}")
        write(thread / "000001-user.md", OLD)
        before, injected = contents(thread), shim["memory_injected"]
        shim.arm_memory(skip=nth, fails=1, of_fuse=True)
        code = outcome(call, thread)
        shim.disarm()
        assert mnt.alive, f"request {nth}: ended with {mnt.proc.poll()}: {mnt.stderr[-500:]}"
        write(thread / "probe", b"after")
        allowed = [change(before)] if code == 0 else [before, change(before)]
        shown = lambda: dropped("probe")(dropped(".x.tmp")(contents(thread)))  # noqa: B023
        try:
            wait_until(lambda: shown() in allowed, 2)  # noqa: B023
        except AssertionError:
            wrong.append((nth, code, {n: (c[:4], len(c)) for n, c in contents(thread).items()}))
        seen[thread] = contents(thread)
        nth += 1
    print(act, nth, "requests")
    mnt.remount()
    wrong += [
        (thread.name, "changed by a remount", {n: (c[:4], len(c)) for n, c in contents(thread).items()})
        for thread in seen
        if contents(thread) != seen[thread]
    ]
    assert not wrong, wrong
    assert nth > 3


# What reads, and must be what it was, or ENOMEM
LOOKS = {
    "read": lambda t: read(t / "000001-user.md"),
    "list": lambda t: sorted((e.name, e.stat().st_mode) for e in os.scandir(t)),
    "transcript": lambda t: read(t / "@transcript.jsonl").partition(b"timestamp")[0],
    "markdown": lambda t: read(t / "@transcript.md").split(b"\n\n")[2:],
    "document": lambda t: document(t)["turns"],
    "attributes": lambda t: attributes(t / "000001-user.md"),
    "attributes-of-a-thread": attributes,
    "backup": lambda t: read(t.parent / ".turnfs" / "backup" / t.name / "000001-user.md"),
    "why": lambda t: read(t.parent / ".turnfs" / "why" / t.name).count(b"live"),
}


@pytest.mark.limit(300)
@SHORTAGES
@pytest.mark.parametrize("look", LOOKS)
def test_F3__nth_allocation_fails__what_is_read_is_whole_or_refused(mount, shim, look, fails):
    mnt = mount(env=shim.env)
    wanted, wrong, failed, nth = None, [], collections.Counter(), -1
    injected = None
    while shim["memory_injected"] != injected:
        thread = mnt.thread(f"{look}-{nth}")
        write(thread / "000001-user.md", OLD)
        set_document(thread, {"title": "t", "turns": {"1": {"a": 1, "b": "x"}, "7": {"later": True}}})
        injected, seen, code = shim["memory_injected"] if nth >= 0 else None, None, 0
        shim.arm_memory(skip=max(nth, 0), fails=fails if nth >= 0 else 0)
        try:
            seen = LOOKS[look](thread)
        except OSError as error:
            code = error.errno
        shim.disarm()
        assert mnt.alive, f"allocation {nth}: ended with {mnt.proc.poll()}: {mnt.stderr[-500:]}"
        if nth < 0:
            wanted = seen
        if LOOKS[look](thread) != wanted or (code == 0 and seen != wanted):
            wrong.append((nth, code, str(seen)[:200]))
        failed[code] += 1
        nth += 1
    print(look, nth, {errno.errorcode.get(code, code): n for code, n in failed.items()})
    assert not wrong, (wanted, wrong)
    assert nth and set(failed) <= {0, errno.ENOMEM}, failed
    assert read(mnt / ".turnfs" / "health").startswith(b"ok"), read(mnt / ".turnfs" / "health")


@pytest.mark.limit(300)
def test_F3__memory_runs_short__errors_come_up_nothing_is_lost_and_it_goes_on(mount, shim):
    """malloc(), calloc() and realloc() fail at random, of all that is in the daemon."""
    seed = int(os.environ.get("TURNFS_SEED", time.time_ns() % 10**9))
    print("TURNFS_SEED =", seed)
    rng = random.Random(seed)
    mnt = mount(env=shim.env)
    talk, files = mnt.thread("talk"), mnt.thread("files")
    owners = [kind(name, folder, random.Random(rng.random())) for kind, name, folder in [
        (Appender, "speaker1", talk), (Appender, "speaker2", talk), (Keeper, "keeper1", files), (Keeper, "keeper2", files)]]
    codes = collections.Counter()
    for round_ in range(int(os.environ.get("TURNFS_SHORTAGES", "8"))):
        per_million = rng.choice([100, 1000, 5000, 30000])
        shim.arm_memory(per_million, rng.getrandbits(62))
        owners = [owner.again(10) for owner in owners]
        for owner in owners:
            owner.start()
        for owner in owners:
            owner.join(60)
        shim.disarm()
        assert mnt.alive, f"{per_million}: ended with {mnt.proc.poll()}: {mnt.stderr[-1500:]}"
        for owner in owners:
            codes.update(errno.errorcode[code] for _, code in owner.errors)
            assert not owner.wrong, (per_million, owner.wrong, mnt.stderr[-1500:])
        wait_until(lambda: outcome(say, talk, "healed", f"{round_}") == 0, 5, f"writing again: {mnt.stderr[-300:]}")
        for owner in owners:
            if outcome(contents, owner.folder):
                print("\n".join(line for line in mnt.stderr.splitlines() if "out of memory" not in line))
            owner.settle(contents(owner.folder))
        wait_until(lambda: read(mnt / ".turnfs" / "health").startswith(b"ok"), 15, "health")
    print(shim["memory_injected"], "allocations failed;", dict(codes))
    mnt.kill9()
    mnt.env = {k: v for k, v in mnt.env.items() if k != "LD_PRELOAD"}
    mnt.start()
    for owner in owners:
        owner.verify(contents(owner.folder))
