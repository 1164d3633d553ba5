"""What a disk may hold after the power was cut, from the record that faults.c makes.

What was written before a file's last good sync is on the disk. Of each page written since, the disk
has the old one, or the one after any of the writes, or (torn) blocks of both. Names and lengths are
metadata of a journaling file system: a prefix of what was done, and all of it up to the last sync
of the folder or the file. A sync that failed left each dirty page either written or not, and
clean: later syncs do not write it again."""

import struct

PAGE = 4096
HEAD = struct.Struct("IIQQQq")
MAKE, WRITE, SYNC, SYNCED, TRUNCATE, UNLINK, RENAME = range(1, 8)
ZEROS = bytes(PAGE)


def records(data):
    """(end, type, names, file, offset, result, data) of each record."""
    at = 0
    while at + HEAD.size <= len(data):
        kind, names, file, offset, size, result = HEAD.unpack_from(data, at)
        begin = at + HEAD.size
        at = begin + names + size
        if at > len(data):
            return
        yield at, kind, data[begin : begin + names].decode(), file, offset, result, data[begin + names : at]


class File:
    def __init__(self):
        self.disk, self.cache = {}, {}  # page number -> bytes
        self.dirty = {}  # page number -> [(step, bytes)], since it was clean
        self.size, self.sizes = 0, []  # on the disk; [(step, size)] since
        self.cache_size = 0
        self.begun = {}  # number of a sync -> step at which it began

    def put(self, step, number, page):
        self.cache[number] = page
        self.dirty.setdefault(number, []).append((step, page))

    def write(self, step, offset, data):
        at = 0
        while at < len(data):
            number, within = divmod(offset + at, PAGE)
            count = min(PAGE - within, len(data) - at)
            old = self.cache.get(number, ZEROS)
            self.put(step, number, old[:within] + data[at : at + count] + old[within + count :])
            at += count
        if offset + len(data) > self.cache_size:
            self.resize(step, offset + len(data))

    def resize(self, step, size):
        self.cache_size = size
        self.sizes.append((step, size))

    def truncate(self, step, size):
        for number in [n for n in self.cache if (n + 1) * PAGE > size]:
            keep = max(0, size - number * PAGE)
            self.put(step, number, self.cache[number][:keep] + ZEROS[keep:])
        self.resize(step, size)

    def synced(self, sync, good, rng):
        since = self.begun.pop(sync)
        for number in list(self.dirty):
            before = [page for step, page in self.dirty[number] if step <= since]
            if before and (good or rng.random() < 0.5):
                self.disk[number] = before[-1]
            left = [(step, page) for step, page in self.dirty[number] if step > since]
            if left:
                self.dirty[number] = left
            else:
                del self.dirty[number]
        done = [size for step, size in self.sizes if step <= since]
        if done and good:
            self.size = done[-1]
            self.sizes = [(step, size) for step, size in self.sizes if step > since]

    def after_cut(self, rng):
        pages = dict(self.disk)
        written, torn = rng.choice([0, 0.1, 0.5, 0.9, 1]), rng.random() < 0.5
        for number, versions in self.dirty.items():
            if rng.random() >= written:
                continue
            new, old = rng.choice(versions)[1], pages.get(number, ZEROS)
            if torn and rng.random() < 0.5:
                blocks = range(0, PAGE, 512)
                new = b"".join((new if rng.random() < 0.5 else old)[at : at + 512] for at in blocks)
            pages[number] = new
        sizes = [self.size] + [size for _, size in self.sizes]
        size = sizes[rng.randrange(len(sizes))] if rng.random() < 0.5 else sizes[-1]
        out = bytearray(size)
        for number, page in pages.items():
            if number * PAGE < size:
                out[number * PAGE : min((number + 1) * PAGE, size)] = page[: size - number * PAGE]
        return bytes(out)


class Disk:
    def __init__(self, rng):
        self.rng = rng
        self.files = {}  # inode number -> File
        self.names, self.changes = {}, []  # on the disk; [(step, function)] since
        self.begun = {}
        self.step = 0

    def change(self, function):
        self.changes.append((self.step, function))

    def feed(self, kind, names, file, offset, result, data):
        self.step += 1
        if kind == MAKE:
            made = self.files[file] = File()
            self.change(lambda there: there.__setitem__(names, made))
        elif kind == UNLINK:
            self.change(lambda there: there.pop(names, None))
        elif kind == RENAME:
            old, new = names.split("/")
            self.change(lambda there: there.__setitem__(new, there.pop(old)))
        elif kind == WRITE:
            self.files[file].write(self.step, offset, data)
        elif kind == TRUNCATE:
            self.files[file].truncate(self.step, offset)
        elif file not in self.files:
            self.sync_folder(kind, offset, result)
        elif kind == SYNC:
            self.files[file].begun[offset] = self.step
        else:
            self.files[file].synced(offset, result == 0, self.rng)

    def sync_folder(self, kind, number, result):
        if kind == SYNC:
            self.begun[number] = self.step
            return
        since = self.begun.pop(number)
        if result == 0:
            for step, function in self.changes:
                if step <= since:
                    function(self.names)
            self.changes = [(step, function) for step, function in self.changes if step > since]

    def after_cut(self):
        """{name: content}"""
        there = dict(self.names)
        for _, function in self.changes[: self.rng.randint(0, len(self.changes))]:
            function(there)
        return {name: file.after_cut(self.rng) for name, file in there.items()}
