"""What the benchmarks share: mounts, the helper in C, pairs of measurements, results, the list of lines."""

import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SCRATCH = pathlib.Path(os.environ.get("TURNFS_BENCH_DIR", "/var/tmp/turnfs-bench"))
THREADS = int(os.environ.get("TURNFS_BENCH_THREADS", "100000"))
TURNS = 10
TEXT = "".join(f"{'abcdefghijklmnopqrstuvwxyz'[i % 26]}{i:05d} text\n" for i in range(400))
HOT = SCRATCH / "hot"
US, MS = 1e3, 1e6  # ns


def find_binary():
    if "TURNFS_BIN" in os.environ:
        return pathlib.Path(os.environ["TURNFS_BIN"]).absolute()
    for build in ("build-bench", "build"):
        if (ROOT / build / "fs" / "turnfs").exists():
            return ROOT / build / "fs" / "turnfs"
    sys.exit("run: no program: meson setup build-bench --buildtype=release && ninja -C build-bench")


BINARY = find_binary()


# The mount and the helper


class Mount:
    """A mount of its own, unmounted at the end of the with block."""

    def __init__(self, base, store=None, opts="ttl=7d"):
        self.path = base / f"mnt-{time.monotonic_ns()}"
        self.path.mkdir()
        self.store, self.opts = store or base / "store.db", opts

    def start(self):
        begun = time.monotonic_ns()
        subprocess.run([BINARY, "mount", "-o", self.opts, self.store, self.path],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.monotonic_ns() - begun

    def stop(self):
        subprocess.run([BINARY, "umount", self.path], check=True, stdout=subprocess.DEVNULL)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
        self.path.rmdir()

    def __truediv__(self, name):
        return self.path / name

    def pids(self):
        for line in (self / ".turnfs" / "config").read_text().splitlines():
            if line.startswith("pid = "):
                pid = int(line[6:])
                children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                return [pid, *map(int, children)]
        sys.exit("run: .turnfs/config tells no pid")

    def resident(self):
        """Bytes of memory of the daemon and its children, without what is only file cache."""
        total = 0
        for pid in self.pids():
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith(("RssAnon:", "RssShmem:")):
                    total += int(line.split()[1]) * 1024
        return total


def hot(*args, stdin=None):
    done = subprocess.run([HOT, *map(str, args)], check=True, input=stdin, stdout=subprocess.PIPE,
                          text=stdin is None or isinstance(stdin, str))
    return json.loads(done.stdout)


def text_of(size):
    return (TEXT * (size // len(TEXT) + 1))[:size]


def write(path, data, flags=os.O_WRONLY | os.O_CREAT | os.O_TRUNC):
    fd = os.open(path, flags, 0o600)
    try:
        data = memoryview(data.encode() if isinstance(data, str) else data)
        while data:
            data = data[os.write(fd, data):]
    finally:
        os.close(fd)


def lines_of(turns, size):
    return "".join(json.dumps({"role": "assistant" if i % 2 else "user", "content": text_of(size)}) + "\n"
                   for i in range(turns))


def make_thread(thread, turns, size=4096):
    thread.mkdir()
    if turns:
        write(thread / "@transcript.jsonl", lines_of(turns, size), os.O_WRONLY)
    return thread


def make_plain(directory, turns, size=4096):
    """The same conversation as plain files, with a thread.json of the usual size."""
    directory.mkdir(parents=True)
    for i in range(turns):
        write(directory / f"{i + 1:06d}-{'assistant' if i % 2 else 'user'}.md", text_of(size))
    write(directory / "thread.json", text_of(400 + 30 * turns))
    return directory


# Results


class Result:
    def __init__(self, what, ours, reference, ratio, bar, better="less", note=""):
        self.what, self.ours, self.reference = what, ours, reference
        self.ratio, self.bar, self.better, self.note = ratio, bar, better, note
        self.quiet = None  # the same ratio of the fastest tenths: with less of what else runs

    def meets(self):
        if self.bar is None or self.ratio is None:
            return None
        return self.ratio <= self.bar if self.better == "less" else self.ratio >= self.bar


def show_ns(ns):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns:.0f} ns"


def quantile(values, q):
    values = sorted(values)
    return values[min(len(values) - 1, int(q * len(values)))]


def compare(what, bar, ours, reference, rounds=40, batch=200, better="less", note=""):
    """A pair of the helper's operations. For better="more" the ratio is how many times faster."""
    times = hot("pair", rounds, batch, ours, reference)
    ratios = [a / b if better == "less" else b / a for a, b in zip(times["a"], times["b"])]
    result = Result(what, show_ns(statistics.median(times["a"])), show_ns(statistics.median(times["b"])),
                    statistics.median(ratios), bar, better, note)
    tenth = [quantile(times[side], 0.1) for side in "ab"]
    result.quiet = tenth[0] / tenth[1] if better == "less" else tenth[1] / tenth[0]
    return result


LINES = []


def line(word):
    def add(function):
        LINES.append((word, function))
        return function
    return add


def machine():
    model = next((l.split(":")[1].strip() for l in open("/proc/cpuinfo", encoding="utf-8")
                  if l.startswith("model name")), platform.machine())
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE,
                            text=True, check=False).stdout.strip()
    return {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "cpu": model,
            "cores": os.cpu_count(), "kernel": platform.release(), "commit": commit,
            "binary": str(BINARY), "load": os.getloadavg()[0]}
