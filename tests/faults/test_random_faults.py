"""F3, F4: system calls underneath fail at random while writers write; nothing acknowledged is lost."""

import collections
import errno
import os
import random
import time

import pytest

from harness import is_sanitized, outcome, read, run, say, wait_until
from owners import Appender, Keeper, contents

FAULTS = int(os.environ.get("TURNFS_FAULTS", "150"))
PLANS_PER_MOUNT = 5
HEAL_S = 15


def seed_of_run():
    seed = int(os.environ.get("TURNFS_SEED", time.time_ns() % 10**9))
    print("TURNFS_SEED =", seed)
    return seed


def health(mnt):
    return read(mnt / ".turnfs" / "health").decode()


def random_plan(rng):
    """Keywords for Shim.arm(): what a disk, a kernel or a quota might do."""
    plan = rng.choice(
        [
            dict(ops=["write"], error=errno.EIO),
            dict(ops=["write"], error=errno.ENOSPC),
            dict(ops=["write"], error=errno.EROFS),
            dict(ops=["write"], error=0),  # short
            dict(ops=["sync"], error=errno.EIO),
            dict(ops=["sync"], error=errno.EIO),
            dict(ops=["sync"], error=errno.ENOSPC),
            dict(ops=["read"], error=errno.EIO),
            dict(ops=["read", "write", "sync"], error=errno.EIO),
            dict(ops=["write", "sync", "truncate"], error=errno.EIO),
            dict(ops=["truncate"], error=errno.EIO),
            dict(ops=["open"], error=errno.EMFILE),
            dict(ops=["open", "mmap"], error=errno.ENOMEM),
            dict(ops=["open", "read", "write", "sync", "truncate", "mmap"], error=errno.EIO),
        ]
    )
    plan["kinds"] = rng.choice(
        [["wal"], ["db"], ["db", "wal"], ["db", "wal"], ["db", "wal", "shm", "lock", "other", "folder"]]
    )
    plan["torn"] = rng.random() < 0.5
    plan["seed"] = rng.getrandbits(63)
    if rng.random() < 0.5:
        plan["per_million"] = rng.choice([20_000, 100_000, 300_000, 1_000_000])
    else:
        plan["skip"], plan["fails"] = rng.randrange(60), rng.choice([1, 1, 2, 5, 1000])
    return plan


def errors_allowed(plan):
    """F3: as such. EIO too: SQLite knows no other word for a read that fails; and what was tried
    before is refused with the error of the store's last commit."""
    # ETIMEDOUT: wal_heal() waits for a checkpoint that is under way.
    return {plan["error"] or errno.EIO, errno.EIO, errno.ETIMEDOUT}


class Bout:
    """One mount with faults, plan after plan, and all that was acknowledged on it."""

    def __init__(self, mnt, shim, number, rng):
        self.mnt, self.shim, self.rng = mnt, shim, rng
        self.talk, self.files = mnt.thread(f"talk{number}"), mnt.thread(f"files{number}")
        self.owners = [
            kind(name, folder, random.Random(rng.random()))
            for kind, name, folder in [
                (Appender, "speaker1", self.talk),
                (Appender, "speaker2", self.talk),
                (Keeper, "keeper1", self.files),
                (Keeper, "keeper2", self.files),
            ]
        ]
        self.seen = collections.Counter()

    def plan(self, plan, steps=12):
        self.shim.arm(**plan)
        self.owners = [o.again(steps) for o in self.owners]
        for owner in self.owners:
            owner.start()
        for owner in self.owners:
            owner.join(60)
            assert not owner.is_alive(), f"hangs: {plan}"
        state = health(self.mnt).splitlines()[0]
        self.shim.disarm()
        failed = [e for o in self.owners for e in o.errors]
        self.seen.update((plan["error"], tuple(plan["ops"]), call, code) for call, code in failed)
        for owner in self.owners:
            assert not owner.wrong, f"{plan}: {owner.wrong} {self.mnt.stderr[-3000:]}"
        assert self.mnt.alive, f"the daemon ended: {plan}: {self.mnt.stderr[-3000:]}"
        return state, failed

    def heals(self, plan):
        """When the faults have stopped: all can be read and written again, and health says so."""
        say_all = lambda: all(outcome(say, self.talk, "healed", f"{time.time_ns()}") == 0 for _ in range(2))
        wait_until(say_all, HEAL_S, f"writing again after {plan}: {self.mnt.stderr[-3000:]}", interval=0.05)
        for owner in self.owners:
            owner.settle(contents(owner.folder))
        wait_until(lambda: health(self.mnt).startswith("ok"), HEAL_S, f"health after {plan}: {health(self.mnt)}")

    def verify(self):
        found = {folder: contents(folder) for folder in (self.talk, self.files)}
        for owner in self.owners:
            owner.verify(found[owner.folder])
        return found


@pytest.mark.limit(1500)
def test_F3__random_faults_underneath__no_acknowledged_turn_is_lost_or_altered(mount, shim):
    """Also F4: each descriptor whose fsync() failed is asked again, and so is its close()."""
    seed = seed_of_run()
    rng = random.Random(seed)
    seen, acknowledged, plans, bouts = collections.Counter(), 0, 0, 0
    by = collections.Counter()
    mnt = mount(env=shim.env)
    with_faults = mnt.env
    without = {k: v for k, v in with_faults.items() if k not in ("LD_PRELOAD",)}
    faults, earlier = 0, set()
    while faults < FAULTS:
        bouts += 1
        bout = Bout(mnt, shim, bouts, rng)
        for _ in range(PLANS_PER_MOUNT):
            plans += 1
            plan = random_plan(rng)
            before = shim["injected"]
            _, failed = bout.plan(plan)
            faults += min(shim["injected"] - before, 10)  # a disk that is gone counts for ten
            # Of earlier plans too: conn_errno() takes a stale errno for that of a COMMIT (see AS_EIO).
            earlier.add(plan["error"])
            odd = {code for _, code in failed} - errors_allowed(plan) - earlier
            assert not odd, f"{plan}: {[(c, errno.errorcode[e]) for c, e in failed if e in odd]} {mnt.stderr[-2000:]}"
            bout.heals(plan)
        seen += bout.seen
        acknowledged += sum(o.acknowledged for o in bout.owners)
        before = bout.verify()
        mnt.kill9() if rng.random() < 0.6 else mnt.stop()
        mnt.env = without
        mnt.start()
        assert bout.verify() == before
        mnt.stop()
        if bouts % 4 == 0:
            check = run("sqlite3", mnt.store, "PRAGMA integrity_check")
            assert check.stdout == "ok\n"
        mnt.env = with_faults
        mnt.start()
    print(f"{faults} faults, {shim['injected']} calls {shim.injected_by()}, {plans} plans, {acknowledged} acknowledged")
    for (injected, ops, call, code), n in sorted(seen.items(), key=str):
        print(n, errno.errorcode.get(injected, "short"), "+".join(ops), "->", call, errno.errorcode[code])
    assert sum(seen.values()) > 0 and acknowledged > plans
