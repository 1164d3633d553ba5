"""Random operations on a real mount, side by side with a model of the contract.

A run prints its seed. TURNFS_SEED=N runs that one alone, TURNFS_MODEL_SECONDS=N goes on for so long
(120 by default), TURNFS_MODEL_STEPS=N ends each round after so many operations. A round that fails is
shortened: what is printed then is a list of operations that still fails, to be replayed by
TURNFS_MODEL_REPLAY=FILE.
"""

import ast
import contextlib
import os
import pathlib
import random
import time

import pytest

from harness import Clock
from world import FILES, Mismatch, World, made_up

SECONDS = float(os.environ.get("TURNFS_MODEL_SECONDS", "120"))
STEPS = int(os.environ.get("TURNFS_MODEL_STEPS", "150"))
SHRINKING = float(os.environ.get("TURNFS_MODEL_SHRINK", "60"))
CHECK_EVERY = 3

FAILURES = (Mismatch, AssertionError, OSError)


class Round:
    """Some operations on a fresh store."""

    def __init__(self, workshop):
        self.workshop = workshop

    def __enter__(self):
        clock = Clock(self.workshop.clock_file)
        clock.set(0)
        for path in (self.workshop.base / "store").iterdir():
            path.unlink()
        self.mount = self.workshop.mount()
        self.world = World(self.mount, clock)
        self.operations = []
        return self

    def step(self, operation):
        self.operations.append(operation)
        self.world.run(operation)
        if len(self.operations) % CHECK_EVERY == 0:
            self.world.check()

    def __exit__(self, *failed):
        for fd, _ in self.world.slots.values():
            with contextlib.suppress(OSError):
                os.close(fd)
        self.mount.close()
        self.workshop.mounts.remove(self.mount)
        self.mount.path.rmdir()


def made_up_round(workshop, seed, steps):
    """Returns (operations, what went wrong or None)."""
    rng = random.Random(seed)
    files = rng.sample(FILES, rng.choice([4, 6, len(FILES)]))  # few names meet more often
    with Round(workshop) as current:
        try:
            for _ in range(steps):
                current.step(made_up(rng, current.world, files))
            current.world.op_remount()
        except FAILURES as error:
            return current.operations, error
    return current.operations, None


def replayed(workshop, operations):
    with Round(workshop) as current:
        try:
            for operation in operations:
                current.step(operation)
            current.world.check(full=True)
            current.world.op_remount()
        except FAILURES as error:
            return error
    return None


def kind(error):
    return str(error).split(":")[0] if error else None


def shortened(workshop, operations, error, seconds):
    """Leaves out what can be left out while it fails in the same way."""
    end = time.monotonic() + seconds
    size = max(1, len(operations) // 2)
    while size and time.monotonic() < end:
        at, shorter = 0, False
        while at < len(operations) and time.monotonic() < end:
            attempt = operations[:at] + operations[at + size :]
            found = replayed(workshop, attempt)
            if found is not None and kind(found) == kind(error):
                operations, error, shorter = attempt, found, True
            else:
                at += size
        if not shorter or size > 1:
            size = size // 2 if size > 1 else 0
    return operations, error


def fail(workshop, seed, operations, error):
    print(f"TURNFS_SEED={seed} TURNFS_MODEL_STEPS={STEPS}: step {len(operations)}: {error}")
    operations, error = shortened(workshop, operations, error, SHRINKING)
    script = "\n".join(repr(operation) for operation in operations)
    pytest.fail(f"seed {seed}: {error}\n{script}", pytrace=False)


@pytest.mark.limit(SECONDS + SHRINKING + 120)
def test_model__random_operations__what_the_contract_says(workshop):
    replay = os.environ.get("TURNFS_MODEL_REPLAY")
    if replay:
        text = pathlib.Path(replay).read_text()
        error = replayed(workshop, [ast.literal_eval(line) for line in text.splitlines() if line])
        if error:
            raise error
        return
    given = os.environ.get("TURNFS_SEED")
    seed = int(given or time.time_ns() % 10**9)
    end = time.monotonic() + SECONDS
    rounds = total = 0
    while True:
        print(f"TURNFS_SEED={seed}")
        operations, error = made_up_round(workshop, seed, STEPS)
        if error:
            fail(workshop, seed, operations, error)
        rounds, total = rounds + 1, total + len(operations)
        if given or time.monotonic() > end:
            break
        seed += 1
    print(f"{rounds} rounds, {total} operations")
