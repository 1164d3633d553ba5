"""R3, R6: .turnfs/health and .turnfs/metrics."""

import os
import re
import statistics
import time

import pytest

from harness import fails, outcome, read, say, set_attribute, wait_until, write

parser = pytest.importorskip("prometheus_client.parser")

DAY = 24 * 3600


def health(mnt):
    lines = read(mnt / ".turnfs" / "health").decode().splitlines()
    return lines[0], dict(line.split(": ", 1) for line in lines[1:])


def metrics(mnt):
    """{(name, labels): value}, read by Prometheus's own parser."""
    families = list(parser.text_string_to_metric_families(read(mnt / ".turnfs" / "metrics").decode()))
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def value(mnt, name, **labels):
    return metrics(mnt)[("turnfs_" + name, tuple(sorted(labels.items())))]


def counts(mnt):
    return [value(mnt, "threads", state=state) for state in ("live", "expiring", "expired")]


def test_R6__health__a_word_and_then_sentences(anymnt):
    say(anymnt.thread(), "user", "x")
    word, told = health(anymnt)
    assert word == "ok"
    assert list(told) == ["storage", "durability", "ttl", "threads", "recovered at start", "check", "last error",
                          "uptime", "boot"]
    assert all(sentence.endswith(".") for sentence in told.values()), told
    assert told["threads"].startswith("1 live, 0 of them within 1h")
    assert told["ttl"] == ("new threads expire 24h after their last write; expired ones can be restored for 24h "
                           "(grace).")
    assert re.search(r"lost|lose", told["durability"])
    assert told["last error"] == "none since the start."
    assert told["uptime"].startswith("mounted for ")


def test_R1__health__tells_what_was_recovered(mnt):
    for name in ("a", "b"):
        say(mnt.thread(name), "user", "1")
        say(mnt / name, "assistant", "2")
    mnt.kill9()
    mnt.start()
    wait_until(lambda: health(mnt)[1]["recovered at start"] == "2 threads with 4 turns.", 5, "it is read")


def test_W3__health__an_error_that_is_over_is_not_a_present_one(workshop, mount):
    folder = workshop.small_store("3m")
    mnt = mount(store=folder / "turnfs.db")
    thread = mnt.thread()
    say(thread, "user", "x")
    filled = folder / "filler"
    fd = os.open(filled, os.O_WRONLY | os.O_CREAT)
    while outcome(os.write, fd, b"\0" * 4096) == 0:
        pass
    os.close(fd)
    wait_until(lambda: outcome(write, thread / "a.bin", os.urandom(400000)) != 0, 10, "the disk is full")
    word, told = health(mnt)
    assert word == "failed" and "problem" in told and told["last error"].startswith("it may still be so: 20"), told
    assert value(mnt, "healthy") == 0
    os.unlink(filled)
    wait_until(lambda: outcome(write, thread / "b.bin", b"x") == 0, 10, "it heals", interval=0.1)
    word, told = health(mnt)
    assert word == "ok" and "problem" not in told and told["last error"].startswith("it is over: 20"), told


def test_T8__counts__follow_every_way_a_thread_comes_and_goes(anymnt, clock):
    for name in ("a", "b", "c", "d"):
        say(anymnt.thread(name), "user", "x")
    assert counts(anymnt) == [4, 0, 0]
    set_attribute(anymnt / "a", "turnfs.ttl", "30m")
    set_attribute(anymnt / "b", "turnfs.ttl", "never")
    assert counts(anymnt) == [4, 1, 0]
    set_attribute(anymnt / "a", "turnfs.ttl", "2h")
    assert counts(anymnt) == [4, 0, 0]
    for name in os.listdir(anymnt / "c"):
        os.unlink(anymnt / "c" / name)
    os.rmdir(anymnt / "c")
    assert counts(anymnt) == [3, 0, 0]
    anymnt.thread("empty")
    os.rename(anymnt / "d", anymnt / "empty")
    assert counts(anymnt) == [3, 0, 0]
    clock.forward(DAY + 60)
    wait_until(lambda: counts(anymnt) == [1, 0, 2], 5, "two expire")
    assert outcome(os.stat, anymnt / "a") != 0
    assert value(anymnt, "expired_lookups_total") >= 1
    os.rename(anymnt / ".turnfs" / "expired" / "a", anymnt / "a")
    assert counts(anymnt) == [2, 0, 1]
    clock.forward(DAY + 60)
    wait_until(lambda: counts(anymnt)[2] == 1 and value(anymnt, "erasures_total") == 1, 40, "one is erased", 0.2)
    assert value(anymnt, "expiries_total") == 3 and value(anymnt, "restores_total") == 1
    if anymnt.store != "memory:":
        anymnt.remount()
        wait_until(lambda: counts(anymnt) == [1, 0, 1], 5, "they are read")


def test_C2__metrics__are_what_prometheus_reads(anymnt):
    thread = anymnt.thread()
    say(thread, "user", "hello")
    write(thread / "000002-assistant.md", "six 66")
    write(thread / "note.txt", "n")
    read(thread / "000001-user.md")
    with fails(17):
        os.mkdir(thread)
    text = read(anymnt / ".turnfs" / "metrics").decode()
    families = {f.name: f for f in parser.text_string_to_metric_families(text)}
    for name, family in families.items():
        assert name.startswith("turnfs_") and family.documentation and family.type != "unknown", name
    assert families["turnfs_commit_seconds"].type == "histogram" == families["turnfs_read_seconds"].type
    assert families["turnfs_operations"].type == "counter"
    assert families["turnfs_threads"].type == "gauge"
    for histogram in ("commit_seconds", "read_seconds"):
        samples = families["turnfs_" + histogram].samples
        buckets = [s.value for s in samples if s.name.endswith("_bucket")]
        count = next(s.value for s in samples if s.name.endswith("_count"))
        assert buckets == sorted(buckets) and buckets[-1] == count > 0
    assert value(anymnt, "turns_appended_total") == 2
    assert value(anymnt, "written_bytes_total") == 12
    assert value(anymnt, "operations_total", op="mkdir") >= 1
    assert value(anymnt, "build_info", store="memory" if anymnt.store == "memory:" else "sqlite",
                 version=families["turnfs_build_info"].samples[0].labels["version"]) == 1
    assert abs(value(anymnt, "start_time_seconds") - time.time()) < 60
    assert outcome(os.stat, anymnt / "nowhere") != 0
    assert value(anymnt, "errors_total", errno="ENOENT") >= 1
    write(thread / "000003-user.md", "x")
    assert value(anymnt, "turns_appended_total") == 3


def test_C2__metrics__only_grow(mnt):
    thread = mnt.thread()
    before = metrics(mnt)
    for i in range(20):
        say(thread, "user", str(i))
    after = metrics(mnt)
    for key, old in before.items():
        if key[0].endswith(("_total", "_count", "_sum", "_bucket")):
            assert after[key] >= old, key
    assert after[("turnfs_commit_seconds_count", ())] - before[("turnfs_commit_seconds_count", ())] == 20


def test_C2__health_and_metrics__answer_at_once_with_many_threads(mount):
    number = int(os.environ.get("TURNFS_TEST_THREADS", "5000"))
    mnt = mount(store="memory:")
    for i in range(number):
        os.mkdir(mnt / f"t{i}")
    for name in ("health", "metrics"):
        took = []
        for _ in range(21):
            begun = time.perf_counter()
            read(mnt / ".turnfs" / name)
            took.append(time.perf_counter() - begun)
        print(f"{name}: {statistics.median(took) * 1000:.2f} ms, at most {max(took) * 1000:.2f} ms")
        assert statistics.median(took) < 0.05
    assert counts(mnt) == [number, 0, 0]
