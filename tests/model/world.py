"""Operations done on a real mount and on the model at once, and the comparison of the two.

An operation is a tuple of its name and plain arguments, so that a run is a list that can be
replayed, shortened and printed. Each makes sense in any state; what it must end with, the model says.
"""

import contextlib
import errno
import json
import os
import stat
import time

import harness
from harness import attributes, document, expires, read, renameat2
from reference import COMPUTED, TOLERATED, USUAL, Descriptor, Model, is_scratch, number_of, shown

THREADS = ["a", "b c", "-c"]
FILES = [f"{n:06d}-{role}.md" for n in (1, 2, 3, 4, 7) for role in ("user", "assistant")] + [
    "x", "picture.png", ".x.swp", "x~", "000001-user.md~"]
ROLES = ["user", "assistant"]
KEYS = ["model", "n", "ä"]
SPANS = {"never": None, "1h": 3600, "90m": 5400, "7d": 7 * 86400, "7200": 7200}
SLOTS = 4
SETTLING = 2.0  # s, that a last close may take to commit on a machine that does other things
SLACK = 1.0  # s, between the daemon's clock and ours


class Mismatch(AssertionError):
    pass


def same(what, found, expected):
    if found != expected:
        raise Mismatch(f"{what}: found {shorten(found)}, expected {shorten(expected)}")


def shorten(value):
    text = repr(value)
    return text if len(text) < 300 else f"{text[:200]}…{text[-60:]}"


def filling(seed, size):
    """Bytes without NUL, told apart by their seed."""
    return bytes(1 + (seed * 31 + i * 7) % 250 for i in range(size)) if size < 64 else (
        (b"%d:" % seed) * (size // 2))[:size]


class World:
    def __init__(self, mount, clock, full_check=0):
        self.mount, self.clock, self.full_check = mount, clock, full_check
        self.model = Model()
        self.slots = {}  # slot -> (fd, Descriptor)

    # Running

    def run(self, operation):
        name, *arguments = operation
        getattr(self, "op_" + name)(*arguments)

    def path(self, *names):
        return os.path.join(self.mount.path, *names)

    def now(self):
        return time.time() + self.clock.offset

    def call(self, function, *arguments):
        """(result or None, errno), and the interval it took on the store's clock."""
        self.begun = self.now()
        try:
            result, code = function(*arguments), 0
        except OSError as error:
            result, code = None, error.errno
        self.ended = self.now()
        return result, code

    def expect(self, what, code, *allowed):
        if code not in allowed:
            words = lambda c: errno.errorcode.get(c, str(c))
            raise Mismatch(f"{what}: {words(code)}, expected {' or '.join(map(words, allowed))}")

    def changed(self, thread, *files, scratch=False, sure=True):
        """The thread has changed: its stat is not known any more, and it is renewed."""
        for file in files:
            file.stat = None
        thread.stat = None
        if not scratch:
            self.model.renew(thread, self.begun, self.ended, sure)

    def thread(self, name):
        return self.model.threads.get(name)

    def file(self, thread, name):
        found = self.thread(thread)
        return found.live.get(name) if found else None

    # Threads

    def op_mkdir(self, name, mode):
        _, code = self.call(os.mkdir, self.path(name), mode)
        self.expect(f"mkdir {name}", code, self.model.mkdir(name, mode & ~0o022))
        if not code:
            self.changed(self.thread(name))

    def op_rmdir(self, name):
        thread = self.thread(name)
        _, code = self.call(os.rmdir, self.path(name))
        self.expect(f"rmdir {name}", code, self.model.rmdir(name))
        if thread and not code:
            self.orphan(thread)

    def orphan(self, thread):
        """Descriptors in a thread that is gone are of no interest."""
        for slot in [s for s, (_, d) in self.slots.items() if d.thread is thread]:
            fd, _ = self.slots.pop(slot)
            with contextlib.suppress(OSError):
                os.close(fd)

    def op_mvdir(self, name, to):
        victim = self.thread(to)
        _, code = self.call(os.rename, self.path(name), self.path(to))
        expected = self.model.rename_thread(name, to)
        self.expect(f"rename {name} {to}", code, expected, *([errno.EEXIST] if expected == errno.ENOTEMPTY else []))
        if not code and name != to:
            if victim:
                self.orphan(victim)
            self.changed(self.thread(to), sure=False)

    def op_ttl(self, name, span):
        thread = self.thread(name)
        _, code = self.call(os.setxattr, self.path(name), "user.turnfs.ttl", span.encode())
        self.expect(f"ttl {name}", code, 0 if thread else errno.ENOENT)
        if thread:
            thread.ttl = SPANS[span]
            self.changed(thread)

    def op_touch(self, name):
        thread = self.thread(name)
        _, code = self.call(os.utime, self.path(name))
        self.expect(f"touch {name}", code, 0 if thread else errno.ENOENT)
        if thread:
            self.changed(thread)

    # Files

    def op_open(self, slot, name, file_name, flags, mode):
        self.op_close(slot)
        thread, file = self.thread(name), self.file(name, file_name)
        fd, code = self.call(os.open, self.path(name, file_name), flags, mode)
        expected, created = 0, False
        if thread is None:
            expected = errno.ENOENT
        elif file is not None:
            if flags & os.O_CREAT and flags & os.O_EXCL:
                expected = errno.EEXIST
        elif not flags & os.O_CREAT:
            expected = errno.ENOENT
        else:
            expected, file = self.model.create(thread, file_name, mode & ~0o022)
            created = True
        self.expect(f"open {name}/{file_name} {flags:o}", code, expected)
        if code:
            return
        writable = flags & os.O_ACCMODE != os.O_RDONLY
        if flags & os.O_TRUNC and writable and not created:
            self.cut(thread, file)
        if created:
            thread.stat = None
        file.handles += 1
        self.slots[slot] = fd, Descriptor(thread, file, None, writable, bool(flags & os.O_APPEND))

    def cut(self, thread, file):
        file.content, file.emptied, file.mtime = b"", True, None
        file.stat = None

    def op_role(self, slot, name, role):
        self.op_close(slot)
        thread = self.thread(name)
        fd, code = self.call(os.open, self.path(name, "@" + role), os.O_WRONLY)
        self.expect(f"open @{role}", code, 0 if thread else errno.ENOENT)
        if not code:
            self.slots[slot] = fd, Descriptor(thread, None, role)

    def op_write(self, slot, offset, size, seed):
        if slot not in self.slots:
            return
        fd, descriptor = self.slots[slot]
        data = filling(seed, size)
        count, code = self.call(os.pwrite, fd, data, offset)
        if not descriptor.writable:
            return self.expect("write to a reader", code, errno.EBADF)
        if descriptor.error:
            return self.expect("write after an error", code, descriptor.error)
        self.expect("write", code, 0)
        same("written", count, size)
        if descriptor.role:
            descriptor.text += data
            return
        file = descriptor.file
        at = len(file.content) if descriptor.append else offset
        content = file.content.ljust(at, b"\0")
        file.content = content[:at] + data + content[at + size :]
        self.wrote(descriptor)

    def wrote(self, descriptor):
        descriptor.wrote = True
        descriptor.file.emptied = False
        descriptor.file.mtime = descriptor.file.stat = None

    def op_ftruncate(self, slot, size):
        if slot not in self.slots or self.slots[slot][1].role:
            return
        fd, descriptor = self.slots[slot]
        _, code = self.call(os.ftruncate, fd, size)
        if not descriptor.writable:
            return self.expect("ftruncate of a reader", code, errno.EINVAL, errno.EBADF)
        if descriptor.error:
            return self.expect("ftruncate after an error", code, descriptor.error)
        self.expect("ftruncate", code, 0)
        file = descriptor.file
        if size:
            file.content = file.content[:size].ljust(size, b"\0")
            self.wrote(descriptor)
        else:
            wrote = descriptor.wrote
            self.cut(descriptor.thread, file)
            file.emptied = not wrote

    def op_truncate(self, name, file_name, size):
        thread, file = self.thread(name), self.file(name, file_name)
        _, code = self.call(os.truncate, self.path(name, file_name), size)
        if file is None:
            return self.expect("truncate", code, errno.ENOENT)
        before = file.content
        file.content = file.content[:size].ljust(size, b"\0")
        file.mtime = None
        former = file.disk
        expected = self.model.commit(thread, file)
        self.expect(f"truncate {file_name} {size}", code, expected)
        if code:
            file.content = before
        elif not size:
            file.loose.append(former)  # W4: cut to nothing
        self.changed(thread, file, scratch=is_scratch(file_name))

    def op_fsync(self, slot):
        if slot in self.slots:
            self.commit(slot, os.fsync, "fsync")

    def op_dup(self, slot):
        if slot in self.slots:
            self.commit(slot, lambda fd: os.close(os.dup(fd)), "close of a duplicate")

    def op_close(self, slot):
        if slot in self.slots:
            self.commit(slot, os.close, "close", last=True)

    def commit(self, slot, function, what, last=False):
        fd, d = self.slots[slot]
        if d.role and d.turn is None and d.text:
            self.make_way(d.thread, 1)
        _, code = self.call(function, fd)
        if d.role:
            allowed = self.commit_role(d)
        else:
            allowed = [self.commit_file(d)]
        self.expect(f"{what} of {d.role or 'a file'}", code, *allowed)
        d.error = d.error or code
        if code and d.file and not d.file.unlinked and not self.others_wrote(d):
            self.model.revert(d.thread, d.file)
            d.thread.stat = d.file.stat = None
        if last:
            del self.slots[slot]
            if d.file:
                self.released(d)

    def others_wrote(self, descriptor):
        return any(d.wrote for _, d in self.slots.values() if d is not descriptor and d.file is descriptor.file)

    def commit_file(self, d):
        if d.error:
            return d.error
        if not d.wrote:
            return 0
        d.wrote = False
        name = next((n for n, f in d.thread.live.items() if f is d.file), None)
        code = self.model.commit(d.thread, d.file)
        if name and not code:
            self.changed(d.thread, d.file, scratch=is_scratch(name))
        return code

    def released(self, d):
        """The last close of an empty file commits it, a moment later."""
        file, thread = d.file, d.thread
        file.handles -= 1
        if file.handles or file.unlinked or not file.emptied:
            return
        name = next(n for n, f in thread.live.items() if f is file)
        former = file.disk
        time.sleep(0.02)
        if self.model.commit(thread, file):
            self.model.revert(thread, file)
        else:
            file.loose.append(former)
        thread.settling = file.settling = time.monotonic() + SETTLING
        self.changed(thread, file, scratch=is_scratch(name), sure=False)

    def make_way(self, thread, count):
        """Commits drafts whose numbers an append would take: who wins there has a test of its own."""
        for slot in [s for s, (_, d) in self.slots.items() if d.thread is thread and d.file]:
            for name, file in thread.drafts().items():
                number = number_of(name)
                if number and thread.last < number <= thread.last + count + 9 and self.slots[slot][1].file is file:
                    self.op_close(slot)
                    break

    def commit_role(self, d):
        if d.error:
            return [d.error]
        if len(d.text) == d.committed:
            return [0]
        d.committed = len(d.text)
        if d.turn is None:
            code, d.turn = self.model.append(d.thread, d.role, d.text, 0o600 & d.thread.mode)
            d.number = d.thread.last
            if not code:
                self.changed(d.thread)
            return [code]
        now = [(t, n) for t in self.model.threads.values() for n, f in t.disk.items() if f is d.turn]
        if not now:
            d.lost = True  # it has been removed or replaced
            return [errno.ENOENT, errno.ESTALE]
        (thread, name), = now  # W6: the same turn, whatever it is called by now
        d.turn.content = d.turn.disk = d.text
        d.turn.mtime = d.turn.disk_mtime = None
        d.turn.emptied = False
        self.changed(thread, d.turn, scratch=is_scratch(name))
        return [0]

    def op_read(self, slot, offset, size):
        if slot not in self.slots or self.slots[slot][1].role:
            return
        fd, d = self.slots[slot]
        flags = os.O_ACCMODE & fcntl_flags(fd)
        data, code = self.call(os.pread, fd, size, offset)
        if flags == os.O_WRONLY:
            return self.expect("read of a writer", code, errno.EBADF)
        self.expect("read", code, 0)
        same("read", data, d.file.content[offset : offset + size])

    def op_unlink(self, name, file_name):
        thread, file = self.thread(name), self.file(name, file_name)
        _, code = self.call(os.unlink, self.path(name, file_name))
        self.expect(f"unlink {file_name}", code, self.model.unlink(thread, file_name) if thread else errno.ENOENT)
        if not code:
            self.changed(thread, file, scratch=is_scratch(file_name), sure=file.disk is not None)

    def op_rename(self, name, file_name, to, new_name, flags):
        thread, other = self.thread(name), self.thread(to)
        file = self.file(name, file_name)
        _, code = self.call(renameat2, self.path(name, file_name), self.path(to, new_name), flags)
        what = f"rename {name}/{file_name} {to}/{new_name} {flags}"
        if thread is None or other is None:
            return self.expect(what, code, errno.ENOENT)
        if file and flags and new_name in other.live:
            return self.expect(what, code, errno.EEXIST)
        stored = file is not None and file.disk is not None
        victim = other.live.get(new_name)
        self.expect(what, code, self.model.rename(thread, file_name, other, new_name))
        if code or file is victim:
            return
        scratch = is_scratch(file_name) and is_scratch(new_name)
        for each in (thread, other):
            self.changed(each, file, scratch=scratch, sure=stored)
        for slot_fd, d in self.slots.values():
            if d.file is file:
                d.thread = other

    def op_mknod(self, name, file_name):
        thread, file = self.thread(name), self.file(name, file_name)
        _, code = self.call(os.mknod, self.path(name, file_name), stat.S_IFREG | 0o640)
        if thread is None or file is not None:
            return self.expect("mknod", code, errno.EEXIST if file else errno.ENOENT)
        expected, file = self.model.create(thread, file_name, 0o640)
        self.expect(f"mknod {file_name}", code, expected)
        if not code:
            self.model.commit(thread, file)
            file.loose.append(None)
            self.changed(thread, file, scratch=is_scratch(file_name))

    # Metadata

    def op_setxattr(self, name, file_name, key, value):
        thread, file = self.thread(name), self.file(name, file_name) if file_name else None
        if file and file.disk is None:
            return  # what a draft shows of metadata is not said; its own is tested in tests/mount
        _, code = self.call(os.setxattr, self.path(name, file_name), "user." + key, value.encode())
        if thread is None or (file_name and file is None):
            return self.expect("setxattr", code, errno.ENOENT)
        self.expect("setxattr", code, 0)
        meta = file.meta if file_name else thread.own
        if key not in meta or shown(meta[key]) != value.encode():
            meta[key] = value
            self.changed(thread, *([file] if file else []), sure=False)

    def op_removexattr(self, name, file_name, key):
        thread, file = self.thread(name), self.file(name, file_name) if file_name else None
        if file and file.disk is None:
            return
        _, code = self.call(os.removexattr, self.path(name, file_name), "user." + key)
        if thread is None or (file_name and file is None):
            return self.expect("removexattr", code, errno.ENOENT)
        meta = file.meta if file_name else thread.own
        self.expect("removexattr", code, 0 if key in meta else errno.ENODATA)
        if key in meta:
            del meta[key]
            self.changed(thread, *([file] if file else []), sure=False)

    def op_chmod(self, name, file_name, mode):
        thread, file = self.thread(name), self.file(name, file_name) if file_name else None
        _, code = self.call(os.chmod, self.path(name, file_name), mode)
        if thread is None or (file_name and file is None):
            return self.expect("chmod", code, errno.ENOENT)
        self.expect("chmod", code, 0)
        (file or thread).mode = mode
        self.changed(thread, *([file] if file else []), scratch=is_scratch(file_name), sure=False)

    def op_utime(self, name, file_name, ns):
        thread, file = self.thread(name), self.file(name, file_name)
        _, code = self.call(lambda p: os.utime(p, ns=(ns, ns)), self.path(name, file_name))
        self.expect("utimens", code, 0 if file else errno.ENOENT)
        if file:
            file.mtime = ns
            if file.disk is not None:
                file.disk_mtime = ns
            self.changed(thread, file, scratch=is_scratch(file_name), sure=False)

    def op_document(self, name, text, way):
        thread, doc = self.thread(name), json.loads(text)
        place = self.path(name, "thread.json")

        def put():
            if way == "rename":
                harness.write(place + ".tmp", text)
                os.rename(place + ".tmp", place)
            else:
                harness.write(place, text, os.O_WRONLY | os.O_TRUNC)

        _, code = self.call(put)
        self.expect("thread.json", code, 0 if thread else errno.ENOENT)
        if thread:
            self.changed(thread, *self.model.write_document(thread, doc))

    def op_jsonl(self, name, lines):
        thread = self.thread(name)
        if thread:
            self.make_way(thread, len(lines))
        text = "\n".join(lines)
        _, code = self.call(lambda: harness.write(self.path(name, "@transcript.jsonl"), text, os.O_WRONLY))
        if thread is None:
            return self.expect("jsonl", code, errno.ENOENT)
        if any('"role"' not in line for line in lines):
            return self.expect("jsonl with a bad line", code, errno.EINVAL)
        self.expect("jsonl", code, 0)
        for line in map(json.loads, lines):
            meta = {k: v for k, v in line.items() if k not in ("role", "content", "timestamp")}
            _, file = self.model.append(
                thread, line["role"], line["content"].encode(), 0o600 & thread.mode, meta)
            if line.get("timestamp"):
                file.mtime = file.disk_mtime = harness.parse_time(line["timestamp"])
        self.changed(thread)

    # Time, restart and loss

    def op_clock(self, seconds):
        if not harness.has_test_hooks():
            return
        gone, open_ = self.model.expired(self.now() + seconds, SLACK)
        for thread in open_ + gone:
            self.orphan_by_close(thread)
        gone, open_ = self.model.expired(self.now() + seconds, SLACK)
        if open_:
            return  # too close to tell
        self.clock.forward(seconds)
        for thread in gone:
            del self.model.threads[thread.name]
        names = sorted(self.model.threads)
        harness.wait_until(lambda: sorted(os.listdir(self.mount.path)) == names, 5, f"only {names} remain")

    def orphan_by_close(self, thread):
        for slot in [s for s, (_, d) in self.slots.items() if d.thread is thread]:
            self.op_close(slot)

    def op_remount(self):
        for slot in list(self.slots):
            self.op_close(slot)
        self.mount.remount()
        self.check(full=True)

    def op_kill(self):
        self.mount.kill9()
        for fd, descriptor in self.slots.values():
            with contextlib.suppress(OSError):
                os.close(fd)
            file = descriptor.file
            if descriptor.wrote and file:  # even what left the content as it was had its time
                file.stat = file.floor = None
                file.mtime = file.disk_mtime
        self.slots.clear()
        self.model.kill()
        self.mount.start()
        self.adopt()
        self.check(full=True)

    def adopt(self):
        """Where a kill may leave one of several things, the model takes what is there, if allowed."""
        for thread in self.model.threads.values():
            names = set(os.listdir(self.path(thread.name)))
            for name, file in thread.ghosts.items():  # made and left empty (W4)
                if name in names and name not in thread.live:
                    same("made and left empty", read(self.path(thread.name, name)), b"")
                    file.content, file.unlinked, file.handles = b"", False, 0
                    thread.live[name] = file
                    self.model.commit(thread, file)
            for name, file in list(thread.live.items()):
                if not file.loose:
                    continue
                if name not in names:
                    if None in file.loose or is_scratch(name):
                        self.model.unlink(thread, name)
                    continue
                content = read(self.path(thread.name, name))
                if content != file.content and content in file.loose:
                    file.content = file.disk = content
                    file.stat = file.floor = None
                file.loose = []

    # Comparing

    def check(self, full=False):
        same("threads", sorted(os.listdir(self.mount.path)), sorted(self.model.threads))
        for thread in self.model.threads.values():
            self.check_settled(thread, full)
        for fd, d in self.slots.values():
            if d.file and os.O_ACCMODE & fcntl_flags(fd) != os.O_WRONLY:
                same("read of an open file", os.pread(fd, 1 << 20, 0), d.file.content)
            if d.file:
                same("size of an open file", os.fstat(fd).st_size, len(d.file.content))

    def check_settled(self, thread, full):
        """A last close that commits something is on its way for a moment after close() returned."""
        while True:
            try:
                return self.check_thread(thread, full)
            except Mismatch:
                if thread.settling < time.monotonic():
                    raise
                time.sleep(0.005)

    def check_thread(self, thread, full):
        folder = self.path(thread.name)
        same(f"listing of {thread.name}", sorted(os.listdir(folder)), sorted([*thread.live, "thread.json"]))
        self.check_deadline(thread, folder)
        self.check_stat(f"{thread.name}", thread, os.stat(folder), stat.S_IFDIR | thread.mode, None)
        for name, file in thread.live.items():
            self.check_file(thread, name, file, full or file.stat is None)
        self.check_document(thread, folder)
        self.check_transcript(thread, folder)

    def check_deadline(self, thread, folder):
        found = expires(folder)
        if thread.ttl is None:
            return same("expires", found, None)
        low, high = (t + thread.ttl for t in thread.renewed)
        if not low - SLACK <= (found or 0) <= high + SLACK:
            raise Mismatch(f"{thread.name} expires at {found}, expected {low} to {high}")

    def check_file(self, thread, name, file, content):
        path = self.path(thread.name, name)
        found = os.stat(path)
        same(f"size of {name}", found.st_size, len(file.content))
        if file.mtime is not None:
            same(f"mtime of {name}", found.st_mtime_ns, file.mtime)
        self.check_stat(f"{thread.name}/{name}", file, found, stat.S_IFREG | file.mode, thread)
        if content:
            same(f"content of {name}", read(path), file.content)
        if file.disk is not None:
            shown_now = attributes(path)
            same(f"attributes of {name}", shown_now, {k: shown(v) for k, v in file.meta.items()})

    def check_stat(self, what, item, found, mode, thread):
        same(f"mode of {what}", oct(found.st_mode), oct(mode))
        seen = (found.st_ino, found.st_mtime_ns, "ctime" in TOLERATED or found.st_ctime_ns, found.st_size)
        number = getattr(item, "ino", None)
        if number is not None:
            same(f"inode number of {what}", found.st_ino, number)
        item.ino = found.st_ino
        settling = getattr(item, "settling", 0.0) > time.monotonic()
        if item.stat is not None and not settling:
            same(f"(ino, mtime, ctime, size) of {what}, which nothing has touched", seen, item.stat)
        item.stat = None if settling else seen

    def check_document(self, thread, folder):
        doc = document(folder)
        same("id", doc["id"], thread.name)
        same("ttl_seconds", doc["ttl_seconds"], thread.ttl)
        own = {k: v for k, v in doc.items() if k not in COMPUTED and not (k in USUAL and v is None)}
        same("the thread's own keys", own, {k: v for k, v in thread.own.items() if not (k in USUAL and v is None)})
        turns = doc["turns"]
        drafts = {n for n in thread.drafts() if number_of(n)}
        same(f"turns in thread.json of {thread.name}",
             {k: v for k, v in turns.items() if k not in drafts or k in thread.disk},
             self.model.document_turns(thread))
        if not len(thread.turns()) <= doc["turn_count"] <= len(set(thread.turns()) | {n for n in drafts if number_of(n)}):
            raise Mismatch(f"turn_count {doc['turn_count']}, expected {len(thread.turns())}")
        same("size of thread.json", os.stat(os.path.join(folder, "thread.json")).st_size,
             len(read(os.path.join(folder, "thread.json"))))
        same("attributes of the thread", attributes(folder), {k: shown(v) for k, v in thread.own.items()})

    def check_transcript(self, thread, folder):
        lines = [json.loads(line) for line in read(os.path.join(folder, "@transcript.jsonl")).splitlines()]
        drafts = set(thread.drafts()) - set(thread.disk)
        found = {}
        for line in lines:
            name = f"{line['turn']:06d}-{line['role']}.md"
            if name not in drafts:
                found[name] = line
        same("turns of the transcript", sorted(found), sorted(thread.turns()))
        same("order of the transcript", [line["turn"] for line in lines], sorted(line["turn"] for line in lines))
        for name, line in found.items():
            file = thread.disk[name]
            content = line["content"]
            content = content.encode() if isinstance(content, str) else None
            live = thread.live[name]
            if content is not None and content not in (file.disk, file.content, live.content, *file.loose):
                raise Mismatch(f"content of {name} in the transcript: {shorten(content)}, "
                               f"expected {shorten(file.disk)}")


def fcntl_flags(fd):
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_GETFL)


# Making up operations


def made_up(rng, world, files=FILES):
    """The next operation, likely to make sense now."""
    model = world.model
    threads = list(model.threads) or THREADS
    t = rng.choice(threads) if rng.random() < 0.95 else rng.choice(THREADS)
    live = list(model.threads[t].live) if t in model.threads else []
    f = rng.choice(live) if live and rng.random() < 0.6 else rng.choice(files)
    slot = rng.choice(list(world.slots)) if world.slots and rng.random() < 0.8 else rng.randrange(SLOTS)
    size = rng.choice([0, 1, 10, 100, 4096, 4097, 5000, 20000])
    offset = rng.choice([0, 0, 0, 1, 50, 4095, 4096, 9000])
    seed = rng.randrange(10**6)
    access = rng.choice([os.O_RDWR, os.O_RDWR, os.O_WRONLY, os.O_WRONLY, os.O_RDONLY])
    more = rng.choice([0, 0, os.O_CREAT, os.O_CREAT, os.O_CREAT | os.O_EXCL, os.O_TRUNC, os.O_CREAT | os.O_TRUNC,
                       os.O_CREAT | os.O_APPEND, os.O_APPEND])
    if access == os.O_RDONLY:
        more &= ~os.O_TRUNC
    mode = rng.choice([0o644, 0o600, 0o640])
    choices = {
        "mkdir": (4 if len(model.threads) < 3 else 1, lambda: (rng.choice(THREADS), rng.choice([0o755, 0o700]))),
        "rmdir": (1, lambda: (t,)),
        "mvdir": (1, lambda: (t, rng.choice(THREADS))),
        "ttl": (1, lambda: (t, rng.choice(list(SPANS)))),
        "touch": (1, lambda: (t,)),
        "open": (20, lambda: (slot if rng.random() < 0.3 else rng.randrange(SLOTS), t, f, access | more, mode)),
        "role": (5, lambda: (rng.randrange(SLOTS), t, rng.choice(ROLES))),
        "write": (25, lambda: (slot, offset, max(size, 1), seed)),
        "ftruncate": (4, lambda: (slot, rng.choice([0, 0, 1, 100, 4096, 10000]))),
        "truncate": (3, lambda: (t, f, rng.choice([0, 1, 100, 4096, 10000]))),
        "fsync": (5, lambda: (slot,)),
        "dup": (4, lambda: (slot,)),
        "close": (15, lambda: (slot,)),
        "read": (4, lambda: (slot, offset, size)),
        "unlink": (6, lambda: (t, f)),
        "rename": (12, lambda: (t, f, t if rng.random() < 0.7 else rng.choice(threads), rng.choice(files),
                                rng.choice([0, 0, 0, 1]))),
        "mknod": (2, lambda: (t, f)),
        "setxattr": (5, lambda: (t, f if rng.random() < 0.8 else "", rng.choice(KEYS),
                                 rng.choice(["v", "7", "", "w" * 300]))),
        "removexattr": (2, lambda: (t, f if rng.random() < 0.8 else "", rng.choice(KEYS))),
        "chmod": (2, lambda: (t, f if rng.random() < 0.8 else "", rng.choice([0o644, 0o600, 0o755]) | 0o600
                              if rng.random() < 0.8 else 0o700)),
        "utime": (3, lambda: (t, f, rng.choice([1, 10**18 + 1, -5, 1_700_000_000_123_456_789]))),
        "document": (4, lambda: (t, made_up_document(rng), rng.choice(["write", "rename"]))),
        "jsonl": (3, lambda: (t, made_up_lines(rng))),
        "clock": (0.5, lambda: (rng.choice([60, 1800, 4000, 90000]),)),
        "remount": (0.4, lambda: ()),
        "kill": (0.8, lambda: ()),
    }
    name = rng.choices(list(choices), [weight for weight, _ in choices.values()])[0]
    return (name, *choices[name][1]())


def made_up_document(rng):
    doc = {}
    for key in rng.sample(["title", "tool_name", "x-own", "n"], rng.randrange(4)):
        doc[key] = rng.choice(["T", "ä", None, 7, {"deep": [1, None]}])
    if rng.random() < 0.7:
        keys = rng.sample(["000001-user.md", "000002", "3", "000004-assistant.md", "12", "15"], rng.randrange(1, 4))
        doc["turns"] = {key: rng.choice([None, {}, {"n": 42}, {"model": "m", "l": [1]}]) for key in keys}
    if rng.random() < 0.2:
        doc["ttl_seconds"] = rng.choice([None, 3600, 7200])
    return json.dumps(doc, ensure_ascii=False)


def made_up_lines(rng):
    lines = []
    for _ in range(rng.randrange(1, 4)):
        line = {"role": rng.choice(ROLES), "content": "said %d" % rng.randrange(10**6)}
        if rng.random() < 0.4:
            line["n"] = rng.randrange(9)
        if rng.random() < 0.3:
            line["timestamp"] = rng.choice(["2024-05-06T07:08:09.123456789Z", "1969-12-31T23:59:59.000000001Z"])
        lines.append(json.dumps(line))
    if rng.random() < 0.15:
        lines.append("{}")
    return lines
