"""Memory errors and leaks that only valgrind sees (uninitialised bytes, too): a mix of operations on a
mount whose daemon runs under it.

TURNFS_VALGRIND_OPS=N: so many operations (1500 by default; 10000 by hand, a few minutes).
"""

import os
import random
import shutil
import time

import pytest

import harness
from harness import Clock, Mount
from test_model import FAILURES
from world import FILES, World, made_up

OPERATIONS = int(os.environ.get("TURNFS_VALGRIND_OPS", "1500"))
SEED = int(os.environ.get("TURNFS_SEED", "1"))
SLOW = ("kill", "remount", "clock")  # another daemon each time


class Watched(Mount):
    """A mount whose daemon is valgrind's child in all but name: it execs into it."""

    def command(self):
        return ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite",
                "--fair-sched=yes", "--num-callers=25", "--child-silent-after-fork=yes", *super().command()]

    def start(self, timeout=120):
        return super().start(timeout)

    def _ended(self, timeout):
        super()._ended(max(timeout, 120))


def instrumented():
    return b"__asan_init" in harness.BINARY.read_bytes() or b"__tsan_init" in harness.BINARY.read_bytes()


@pytest.mark.limit(120 + OPERATIONS)
def test_valgrind__mix_of_operations__no_error_and_nothing_lost(workshop):
    if not shutil.which("valgrind"):
        pytest.skip("valgrind is not installed")
    if instrumented():
        pytest.skip("the build has sanitizers, which valgrind can not run")
    mount = Watched.__new__(Watched)
    workshop.mounts.append(mount)
    mount.__init__(workshop.base, 1, workshop.store_file, "", workshop.environment())
    world = World(mount, Clock(workshop.clock_file))
    rng = random.Random(SEED)
    print(f"TURNFS_SEED={SEED} TURNFS_VALGRIND_OPS={OPERATIONS}")
    done = 0
    try:
        while done < OPERATIONS:
            operation = made_up(rng, world, FILES)
            if operation[0] in SLOW:
                continue
            world.run(operation)
            done += 1
            if done % 50 == 0:
                world.check()
    except FAILURES as error:
        print(f"operation {done}: {error}")  # test_model.py is there to judge that
    for slot in list(world.slots):
        fd, _ = world.slots.pop(slot)
        harness.outcome(os.close, fd)
    assert done >= min(OPERATIONS, 100), "too few operations"
    time.sleep(0.5)  # what close() leaves to do later is done
    mount.proc.terminate()
    assert mount.proc.wait(120) == 0, mount.stderr[-20000:]
    assert "==" not in mount.stderr, mount.stderr[-20000:]
