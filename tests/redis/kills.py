"""Writers on several mounts of one server that is killed again and again; then the account."""

import os
import random
import threading
import time

from harness import is_turn, read, wait_until


class Writer(threading.Thread):
    """Appends to one thread. An append that failed is of unknown outcome: it may be there, once."""

    def __init__(self, number, folder, kills):
        super().__init__()
        self.number, self.folder, self.kills = number, folder, kills
        self.acknowledged, self.unknown = [], []

    def run(self):
        i = 0
        while not self.kills.done.is_set():
            text = f"writer {self.number} turn {i}"
            i += 1
            try:
                fd = os.open(f"{self.folder}/@writer{self.number}", os.O_WRONLY)
                try:
                    os.write(fd, text.encode())
                finally:
                    os.close(fd)
            except OSError:
                self.unknown.append(text)
                time.sleep(0.02)
            else:
                self.acknowledged.append(text)


class Kills:
    """`mounts`: mountpoints of one server; two writers to a thread of their own on each."""

    def __init__(self, server, mounts, seed=None):
        self.server, self.mounts = server, mounts
        self.rng = random.Random(seed)
        self.done = threading.Event()
        self.writers = []
        for number in range(len(mounts)):
            thread = f"{mounts[0]}/thread{number}"
            os.mkdir(thread)
            for mountpoint in (mounts[number], mounts[(number + 1) % len(mounts)]):
                folder = f"{mountpoint}/thread{number}"
                wait_until(lambda f=folder: os.path.isdir(f), 5, folder)
                self.writers.append(Writer(len(self.writers), folder, self))

    def acknowledged(self):
        return sum(len(writer.acknowledged) for writer in self.writers)

    def run(self, kills, turns_each):
        """Kills the server so many times, each after about `turns_each` more turns."""
        for writer in self.writers:
            writer.start()
        try:
            for kill in range(kills):
                target = self.acknowledged() + turns_each * self.rng.uniform(0.7, 1.3)
                wait_until(lambda: self.acknowledged() >= target, 600, f"{target:.0f} turns", interval=0.001)
                self.server.kill9()
                time.sleep(self.rng.choice([0, 0, 0.1]))
                self.server.start()
                yield_after = self.acknowledged()
                wait_until(lambda: self.acknowledged() > yield_after, 15, f"it goes on after kill {kill + 1}")
        finally:
            self.done.set()
            for writer in self.writers:
                writer.join()

    def verify(self):
        """Every acknowledged turn is there once, in order; of the others none twice. Says how many."""
        for mountpoint in self.mounts:
            self.verify_mount(mountpoint)
        unknown = sum(len(writer.unknown) for writer in self.writers)
        return f"{self.acknowledged()} acknowledged turns, none lost; {unknown} refused or unknown"

    def verify_mount(self, mountpoint):
        for number in range(len(self.mounts)):
            folder = f"{mountpoint}/thread{number}"
            names = [name for name in sorted(os.listdir(folder)) if is_turn(name)]
            texts = {name: read(f"{folder}/{name}").decode() for name in names}
            assert len({name[:6] for name in names}) == len(names), "no number twice"
            for writer in self.writers[2 * number : 2 * number + 2]:
                mine = [texts[name] for name in names if name[7:-3] == f"writer{writer.number}"]
                assert len(mine) == len(set(mine)), f"twice: {sorted(t for t in mine if mine.count(t) > 1)[:5]}"
                lost = set(writer.acknowledged) - set(mine)
                assert not lost, f"{len(lost)} lost, such as {sorted(lost)[:5]}"
                assert set(mine) <= set(writer.acknowledged) | set(writer.unknown)
                order = [int(text.split()[-1]) for text in mine]
                assert order == sorted(order)
