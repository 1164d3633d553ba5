"""What SEMANTICS.md promises, as a small model in memory.

Two states side by side: what every process must see now (`live`), and what must be there after a
kill (`disk`: whole contents as of some close() or fsync(), names, numbers, metadata). A method does
what the call of its name does and returns the errno it must end with, 0 for success.
"""

import errno
import json
import os
import re

TURN = re.compile(r"^(\d{6})-([a-z][a-z0-9_-]{0,31})\.md$")
USUAL = ("title", "parent_thread_id", "tool_name", "initial_context")
COMPUTED = ("id", "created_at", "updated_at", "expires_at", "ttl_seconds", "turn_count", "turns")
DAY = 86400
# Known and not mended yet, each with a strict xfail in test_found.py: who mends one takes it out here
# too. TURNFS_MODEL_TOLERATE= (or a list of them) asks for more, or for all.
KNOWN = ""
TOLERATED = os.environ.get("TURNFS_MODEL_TOLERATE", KNOWN).split(",")


def number_of(name):
    found = TURN.match(name)
    return int(found[1]) if found and int(found[1]) else None


def is_scratch(name):
    """N3: editors' files, which never renew a thread nor move its mtime."""
    return name.startswith(".") or name.endswith("~")


def shown(value):
    """A metadata value as an attribute shows it."""
    if isinstance(value, str):
        return value.encode()
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class File:
    """One file: an inode."""

    def __init__(self, mode, stored=False):
        self.content = b""
        self.disk = b"" if stored else None  # None: a draft, not in the store
        self.mode = mode
        self.meta = {}
        self.mtime = self.disk_mtime = None  # in ns, where utimens said so and nothing moved it since
        self.handles = 0
        self.unlinked = False
        self.emptied = False  # made or cut to nothing: commits at the last close, or not (W4)
        self.loose = []  # what else a kill may leave: contents, or None for no file
        self.stat = None  # as seen last, while nothing has touched it
        self.floor = None  # ctime seen last


class Thread:
    def __init__(self, name, ttl, mode):
        self.name = name
        self.mode = mode
        self.live, self.disk = {}, {}  # name -> File
        self.own = {}
        self.pending = {}  # number -> metadata said of a turn that is not there
        self.away = {}  # number -> (File, metadata): a turn renamed to a name that is no turn's
        self.last = 0  # the highest number ever used
        self.ttl = ttl  # seconds; None: never
        self.renewed = None  # (earliest, latest) on the store's clock
        self.stat = None
        self.settling = 0.0  # until then a last close may still be on its way

    def drafts(self):
        return {name: f for name, f in self.live.items() if f.disk is None}

    def turns(self):
        return {name: f for name, f in self.disk.items() if number_of(name)}


class Descriptor:
    """An open file description."""

    def __init__(self, thread, file=None, role=None, writable=True, append=False):
        self.thread, self.file, self.role = thread, file, role
        self.writable, self.append = writable, append
        self.wrote = False
        self.error = 0
        self.text, self.committed = b"", 0  # streams
        self.turn = None  # streams: the File it has become
        self.number = None


class Model:
    def __init__(self, ttl=DAY):
        self.ttl = ttl
        self.threads = {}

    # Time

    def renew(self, thread, begun, ended, sure=True):
        if thread.renewed and not sure:
            begun = thread.renewed[0]
        thread.renewed = (begun, ended)

    def expired(self, now, margin=0.0):
        """Threads that must be gone at `now`, and those of which one can not tell."""
        gone, open_ = [], []
        for thread in self.threads.values():
            if thread.ttl is None:
                continue
            if thread.renewed[1] + thread.ttl + margin < now:
                gone.append(thread)
            elif thread.renewed[0] + thread.ttl - margin < now:
                open_.append(thread)
        return gone, open_

    # Threads

    def mkdir(self, name, mode):
        if name in self.threads:
            return errno.EEXIST
        self.threads[name] = Thread(name, self.ttl, mode)
        return 0

    def rmdir(self, name):
        thread = self.threads.get(name)
        if thread is None:
            return errno.ENOENT
        if thread.live:
            return errno.ENOTEMPTY
        del self.threads[name]
        return 0

    def rename_thread(self, name, to):
        thread, victim = self.threads.get(name), self.threads.get(to)
        if thread is None:
            return errno.ENOENT
        if thread is victim:
            return 0
        if victim is not None and victim.live:
            return errno.ENOTEMPTY
        del self.threads[name]
        thread.name = to
        self.threads[to] = thread
        return 0

    # Names

    def number_taken(self, thread, name, but=""):
        """N2: another turn has the number."""
        number = number_of(name)
        if number is None:
            return False
        names = set(thread.live) | set(thread.disk)
        return any(number_of(n) == number and n not in (name, but) for n in names)

    def create(self, thread, name, mode):
        if self.number_taken(thread, name):
            return errno.EEXIST, None
        file = File(mode)
        file.emptied = True
        thread.live[name] = file
        return 0, file

    def touch(self, thread, file=None):
        thread.stat = None
        if file:
            file.stat = None

    def drop_what_is_said(self, thread, file):
        """M6: once a turn that was renamed away is unlinked, or elsewhere, nothing lingers."""
        for number, (away, _) in list(thread.away.items()):
            if away is file:
                del thread.away[number]

    def store(self, thread, name, file):
        """A draft gets into the store: its metadata, its number."""
        number = number_of(name)
        replaced = thread.disk.get(name)
        if number:
            file.meta = self.take_kept(thread, number, file.meta, replaced)
            thread.last = max(thread.last, number)
        elif replaced and not file.meta and "meta" in TOLERATED:
            file.meta = dict(replaced.meta)
        if replaced and "away" not in TOLERATED:
            self.drop_what_is_said(thread, replaced)
        thread.disk[name] = file

    def take_kept(self, thread, number, own, replaced=None):
        """M1, M6: what a turn that comes has: what thread.json said of it and its own, whose types
        thread.json decides; else its own, where what shows the same keeps its predecessor's types; else
        its predecessor's."""
        away = thread.away.pop(number, (None, None))[1]
        pending = thread.pending.pop(number, None)
        if pending is not None:
            news = {k: v for k, v in own.items() if k not in pending or shown(pending[k]) != shown(v)}
            return {**pending, **news}
        had = away if away is not None else replaced.meta if replaced else {}
        if not own:
            return dict(had)
        return {k: had[k] if isinstance(v, str) and k in had and shown(had[k]) == shown(v) else v
                for k, v in own.items()}

    def commit(self, thread, file):
        """close() or fsync() of a descriptor that wrote it: the whole content of now."""
        if file.unlinked:
            return 0
        name = next(n for n, f in thread.live.items() if f is file)
        if file.disk is None:
            number = number_of(name)
            if number and any(number_of(n) == number and n != name for n in thread.disk):
                return errno.ESTALE  # W5: the second to commit
            self.store(thread, name, file)
        file.disk = file.content
        file.disk_mtime = file.mtime
        file.emptied = False
        if not is_scratch(name):
            file.loose = []
        return 0

    def revert(self, thread, file):
        """W9: a refused write leaves what was there before."""
        if file.disk is None:
            file.unlinked = True
            for name in [n for n, f in thread.live.items() if f is file]:
                del thread.live[name]
                if name in thread.disk:
                    thread.live[name] = thread.disk[name]
        else:
            file.content = file.disk

    def unlink(self, thread, name):
        file = thread.live.get(name)
        if file is None:
            return errno.ENOENT
        file.unlinked = True
        del thread.live[name]
        stored = thread.disk.pop(name, None)
        if stored:
            self.drop_what_is_said(thread, stored)
        return 0

    def rename(self, thread, name, to, new):
        file, victim = thread.live.get(name), to.live.get(new)
        if file is None:
            return errno.ENOENT
        if file is victim:
            return 0
        if self.number_taken(to, new, name if thread is to else ""):
            return errno.EEXIST
        if file.disk is None:
            thread.disk.pop(name, None)  # what it was renamed over before
        else:
            self.rename_stored(thread, name, to, new, file, victim)
        if victim:
            victim.unlinked = True
        del thread.live[name]
        to.live[new] = file
        return 0

    def rename_stored(self, thread, name, to, new, file, victim):
        number, was = number_of(new), number_of(name)
        replaced = to.disk.get(new)
        if number or (thread is not to and "away" not in TOLERATED):
            self.drop_what_is_said(thread, file)
        if replaced and "away" not in TOLERATED:
            self.drop_what_is_said(to, replaced)
        if number:
            file.meta = self.take_kept(to, number, file.meta, replaced)
            to.last = max(to.last, number)
        elif was and thread is to and file.meta:
            thread.away[was] = (file, dict(file.meta))
        del thread.disk[name]
        to.disk[new] = file

    # Streams

    def append(self, thread, role, content, mode, meta=None):
        """A turn with the next number; the File, or an errno."""
        number = thread.last + 1
        if number > 999999:
            return errno.EDQUOT, None
        file = File(mode, stored=True)
        file.content = file.disk = content
        file.meta = self.take_kept(thread, number, meta or {})
        name = f"{number:06d}-{role}.md"
        thread.last = number
        thread.disk[name] = file
        if name not in thread.live:  # else a draft of that very name is what one sees
            thread.live[name] = file
        return 0, file

    # thread.json

    def write_document(self, thread, doc):
        thread.own = {k: v for k, v in doc.items()
                      if k not in COMPUTED and not (k in USUAL and v is None)}
        if "ttl_seconds" in doc:
            thread.ttl = doc["ttl_seconds"]
        touched = []
        for key, value in (doc.get("turns") or {}).items():
            number = number_of(key) or int(key)
            stored = [f for n, f in thread.disk.items() if number_of(n) == number]
            if stored:
                for file in stored:
                    file.meta = dict(value or {})
                    touched.append(file)
            elif value:
                thread.pending[number] = dict(value)
            else:
                thread.pending.pop(number, None)
        return touched

    def document_turns(self, thread):
        """Entries that must be there, and those that may (drafts)."""
        sure = {name: f.meta for name, f in thread.turns().items()}
        sure.update({f"{number:06d}": meta for number, meta in thread.pending.items()})
        return sure

    # The end of the daemon

    def kill(self):
        """Only what is in the store remains. Which of several things: File.loose."""
        for thread in self.threads.values():
            for file in thread.live.values():
                if file.disk is None:
                    file.unlinked = True
            thread.ghosts = {n: f for n, f in thread.live.items() if f.disk is None and f.emptied}
            thread.live = dict(thread.disk)
            thread.stat = None
            for file in thread.live.values():
                file.unlinked = False
            for file in thread.live.values():
                if file.content != file.disk or file.emptied:
                    file.stat = file.floor = None
                    file.mtime = file.disk_mtime
                    file.loose = list(file.loose) + ([b""] if file.emptied else [])
                file.content = file.disk
                file.emptied = False
                file.handles = 0
