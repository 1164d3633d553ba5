"""Writers that each own some names, and know what the store may have of them and what it must have."""

import os
import threading

from harness import opened, outcome, read, write_all

BLOCK = 4096
# Whether close() and fsync() must fail once fsync() of that descriptor has failed (F4). Not yet: see
# test_F4__sync_after_a_commit_fails__….
FSYNC_ERRORS_STAY = True


class Wrong(AssertionError):
    """The mount showed what it must not show."""


def text(owner, version):
    """Of different lengths; any torn or mixed one is told by its bytes."""
    size = 60 + (version * 7919) % 20000
    line = b"owner %s version %d\n" % (owner.encode(), version)
    return (line * (size // len(line) + 1))[:size] + b"end %d" % version


def fsync(fd):
    """With an error that tells it from one of write()."""
    code = outcome(os.fsync, fd)
    if code:
        raise OSError(code, os.strerror(code), "fsync")


class Owner(threading.Thread):
    """Does `count` steps. An error is remembered in `errors`, with the call that had it; what was
    acknowledged is what the store must have, what failed is what it may have."""

    def __init__(self, name, folder, rng):
        super().__init__(name=name)
        self.me, self.folder, self.rng = name, folder, rng
        self.errors, self.wrong = [], []
        self.count = 0
        self.acknowledged = 0

    def run(self):
        try:
            for _ in range(self.count):
                self.step()
        except BaseException as error:  # told by the test
            self.wrong.append(error)

    def again(self, count):
        """A new thread that goes on where this one was."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        threading.Thread.__init__(other, name=self.me)
        other.count, other.errors, other.wrong = count, [], []
        return other

    def tried(self, call, function, *arguments):
        """Whether it succeeded; an error is noted."""
        code = outcome(function, *arguments)
        if code:
            self.errors.append((call, code))
        return code == 0

    def path(self, name):
        return os.path.join(self.folder, name)


class Appender(Owner):
    """@role: each acknowledged turn once, in order, whole."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.said = 0
        self.must, self.may = [], set()  # versions

    def step(self):
        version, self.said = self.said, self.said + 1
        content = text(self.me, version)
        if self.append(content):
            self.must.append(version)
            self.acknowledged += 1
        else:
            self.may.add(version)

    def append(self, content):
        try:
            fd = os.open(self.path("@" + self.me), os.O_WRONLY)
        except OSError as error:
            self.errors.append(("open", error.errno))
            return False
        failed = False
        try:
            for at in range(0, len(content), 9000):
                write_all(fd, content[at : at + 9000])
            if self.rng.random() < 0.3:
                fsync(fd)
        except OSError as error:
            failed = error.filename or "write"
            self.errors.append((failed, error.errno))
            # F4: what has failed is not reported as done by this descriptor, however often asked.
            if outcome(os.fsync, fd) == 0 and (failed == "write" or FSYNC_ERRORS_STAY):
                self.wrong.append(Wrong(f"{self.me}: fsync() succeeded after {error} of {failed}"))
        code = outcome(os.close, fd)
        if code:
            self.errors.append(("close", code))
        elif failed == "write" or (failed and FSYNC_ERRORS_STAY):
            self.wrong.append(Wrong(f"{self.me}: close() succeeded after an error of {failed}"))
        return not failed and not code

    def verify(self, found):
        mine = [content for name, content in sorted(found.items()) if name[7:-3] == self.me]
        known = {text(self.me, v): v for v in range(self.said)}
        for content in mine:
            if content not in known:
                raise Wrong(f"{self.me}: a turn nobody wrote: {content[:60]!r}… {len(content)} bytes")
        versions = [known[c] for c in mine]
        if len(set(versions)) != len(versions):
            raise Wrong(f"{self.me}: a turn is there twice: {versions}")
        if not set(self.must) <= set(versions):
            raise Wrong(f"{self.me}: lost {sorted(set(self.must) - set(versions))} of {self.said}")
        if versions != sorted(versions):
            raise Wrong(f"{self.me}: out of order: {versions}")

    def settle(self, found):
        """What is there now is there for good, what is not never was."""
        self.verify(found)
        known = {text(self.me, v): v for v in range(self.said)}
        self.must = [known[c] for n, c in sorted(found.items()) if n[7:-3] == self.me]
        self.may = set()


class Keeper(Owner):
    """Creates, edits, replaces, renames, moves and deletes files of its own names.

    `states`: the possible states of its files, each {name: content}; one when nothing failed."""

    NAMES = 4

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.version = 0
        self.base = 100000 + 1000 * int(self.me[-1])
        self.names = [f"{self.base + i:06d}-user.md" for i in range(self.NAMES - 1)] + [f"file-{self.me}"]
        self.scratch = [f".tmp-{self.me}", f"tmp-{self.me}"]
        self.states = [{}]
        self.doubtful = set()  # names left alone until settled
        self.spare = 10

    def step(self):
        free = [n for n in self.names if n not in self.doubtful]
        if not free:
            return
        name = self.rng.choice(free)
        there = name in self.states[0]
        acts = [self.write_whole, self.replace]
        if there:
            acts += [self.edit, self.edit, self.append, self.remove, self.rename]
        self.rng.choice(acts)(name)
        if name not in self.doubtful:
            self.look(name)

    def fresh(self):
        self.version += 1
        return text(self.me, self.version)

    def may(self, names, change):
        """What may have happened: the states as they are, and with `change`."""
        self.states += [s for s in map(change, self.states) if s not in self.states]
        self.doubtful |= set(names)

    def did(self, change):
        self.states = [change(s) for s in self.states]
        self.acknowledged += 1

    def commit(self, name, contents, act):
        """`act` makes the name have one of `contents` after another, the last if it succeeds."""
        put = lambda content: lambda state: {**state, name: content}
        if self.tried(act.__name__, act):
            self.did(put(contents[-1]))
        else:
            before = list(self.states)
            for content in contents:
                self.states += [s for s in (put(content)(b) for b in before) if s not in self.states]
            self.doubtful.add(name)

    def write_whole(self, name):
        content = self.fresh()

        def write():
            with opened(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as fd:
                write_all(fd, content)

        self.commit(name, [content], write)

    def edit(self, name):
        """In place: same size, in pieces, committed once or twice."""
        if len(self.states) > 1:
            old = {s.get(name) for s in self.states}
            if len(old) != 1:
                return
        old = self.states[0][name]
        twice = self.rng.random() < 0.4
        self.version += 1
        first = (b"%s half %d;" % (self.me.encode(), self.version) * 1200)[: len(old)]
        second = (b"%s full %d;" % (self.me.encode(), self.version) * 1200)[: len(old)]
        whole = lambda data: data + old[len(data) :]
        contents = [whole(first), whole(second)] if twice else [whole(second)]

        def edit():
            with opened(self.path(name), os.O_WRONLY) as fd:
                for number, content in enumerate(contents):
                    starts = list(range(0, len(content), BLOCK))
                    self.rng.shuffle(starts)
                    for at in starts:
                        os.pwrite(fd, content[at : at + BLOCK], at)
                    if number + 1 < len(contents) or self.rng.random() < 0.3:
                        self.fsync(fd)

        self.commit(name, contents, edit)

    def fsync(self, fd):
        try:
            fsync(fd)
        except OSError as error:
            for _ in range(2):
                if outcome(os.fsync, fd) == 0 and FSYNC_ERRORS_STAY:
                    self.wrong.append(Wrong(f"{self.me}: fsync() succeeded after {error}"))
            raise

    def append(self, name):
        old = self.states[0][name]
        if any(s.get(name) != old for s in self.states) or len(old) > 60000:
            return
        more = self.fresh()[:3000]

        def append():
            with opened(self.path(name), os.O_WRONLY | os.O_APPEND) as fd:
                write_all(fd, more)

        self.commit(name, [old + more], append)

    def replace(self, name):
        """As editors do."""
        temporary = self.rng.choice(self.scratch)
        content = self.fresh()

        def write():
            with opened(self.path(temporary), os.O_CREAT | os.O_TRUNC | os.O_WRONLY) as fd:
                write_all(fd, content)
                if self.rng.random() < 0.5:
                    self.fsync(fd)

        if not self.tried("write", write):
            self.errors[-1] = ("write a temporary", self.errors[-1][1])
            outcome(os.unlink, self.path(temporary))
            return
        put = lambda state: {**state, name: content}
        if self.tried("rename", os.rename, self.path(temporary), self.path(name)):
            self.did(put)
        else:
            self.may([name], put)
            outcome(os.unlink, self.path(temporary))

    def remove(self, name):
        drop = lambda state: {n: c for n, c in state.items() if n != name}
        if self.tried("unlink", os.unlink, self.path(name)):
            self.did(drop)
        else:
            self.may([name], drop)

    def rename(self, name):
        """To a new name of its own."""
        other = f"{self.base + self.spare:06d}-user.md"
        self.spare += 1

        def move(state):
            state = dict(state)
            if name in state:
                state[other] = state.pop(name)
            return state

        if self.tried("rename", os.rename, self.path(name), self.path(other)):
            self.did(move)
            self.names[self.names.index(name)] = other
        else:
            self.may([name, other], move)

    def look(self, name):
        """Reads it: what is acknowledged, or an error, but not absent and not another."""
        wanted = {s.get(name) for s in self.states}
        try:
            got = read(self.path(name))
        except FileNotFoundError:
            got = None
        except OSError as error:
            self.errors.append(("read", error.errno))
            return
        if got not in wanted:
            shown = "absent" if got is None else f"{got[:60]!r}… {len(got)} bytes"
            raise Wrong(f"{self.me}: {name} is {shown} while the store is failing")

    def mine(self, found):
        prefix = f"{self.base // 1000}"
        return {
            n: c for n, c in found.items() if n == f"file-{self.me}" or (n[:3] == prefix and n[3:6].isdigit())
        }

    def verify(self, found):
        mine = self.mine(found)
        if mine not in self.states:
            for name in sorted(set(mine) | {n for s in self.states for n in s}):
                wanted = {s.get(name) for s in self.states}
                if mine.get(name) not in wanted:
                    show = lambda c: None if c is None else (c[:40], len(c), c[-12:])
                    raise Wrong(f"{self.me}: {name} is {show(mine.get(name))}, not {list(map(show, wanted))}")
            raise Wrong(f"{self.me}: files of different moments together")

    def settle(self, found):
        self.verify(found)
        self.states = [self.mine(found)]
        self.doubtful = set()
        gone = [n for n in self.names if n not in self.states[0]]
        extra = [n for n in self.states[0] if n not in self.names]
        for old, new in zip(gone, extra):
            self.names[self.names.index(old)] = new


def names_there(thread):
    return sorted(n for n in os.listdir(thread) if n != "thread.json")


def contents(thread):
    """{name: content} of all that a thread lists but thread.json."""
    return {n: read(os.path.join(thread, n)) for n in names_there(thread)}
