"""A drop-in for chat servers whose storage is get(key) and setex(key, ttl, value): theirs becomes a turnfs mount.

For zen-mcp-server and its forks, put it in the place of utils/storage_backend.py and say where the mount is:

    turnfs mount -o ttl=3h ~/talks
    export TURNFS_MOUNT=~/talks

A value that is a conversation (a JSON object with "turns", under the key thread:ID) becomes the thread ID of the
mount: each turn a file, the rest in thread.json. Any other value is a file, `value`, in a thread named as its key.
What get() returns is the same JSON as was given to setex(). Conversations survive every restart, and expire when
the server says; `cat TURNFS_MOUNT/.turnfs/why/ID` tells what became of one.

Nothing is ever kept in memory instead: without a mount there, every call raises NotMounted."""

import contextlib
import errno
import fcntl
import json
import os
import pathlib
import re
import threading

ROLE = re.compile(r"[a-z][a-z0-9_-]{0,31}")
TURN = re.compile(r"\d{6}-[a-z][a-z0-9_-]*\.md")
FIELDS = "fields"  # what of a turn and of a thread has no place of its own on a mount


class NotMounted(RuntimeError):
    pass


class TurnfsStorage:
    def __init__(self, mount=None):
        mount = mount or os.environ.get("TURNFS_MOUNT")
        if not mount:
            raise NotMounted("set TURNFS_MOUNT to where turnfs is mounted: turnfs mount ~/talks")
        self.root = pathlib.Path(mount).expanduser()
        self.lock = threading.Lock()
        self._check()

    # What the server calls

    def get(self, key):
        """The value that setex() was given, or None: there is none, or it has expired."""
        self._check()
        folder = self._folder(key)
        try:
            if (folder / "value").exists():
                return (folder / "value").read_bytes().decode()
            thread = json.loads((folder / "thread.json").read_bytes())
            if FIELDS not in thread:
                return None
            lines = (folder / "@transcript.jsonl").read_bytes().splitlines()
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ESTALE):
                return None
            raise
        value = {name: None for name in thread[FIELDS]["order"]} | thread[FIELDS]["members"]
        value["turns"] = [json.loads(line)[FIELDS] for line in lines]
        return json.dumps(value, ensure_ascii=False)

    def setex(self, key, ttl_seconds, value):
        """Keeps `value` under `key` for so many seconds."""
        self._check()
        value = value.decode() if isinstance(value, bytes) else value
        folder = self._folder(key)
        with self.lock:
            with contextlib.suppress(FileExistsError):
                folder.mkdir()
            with self._locked(folder):
                thread = self._as_thread(key, value)
                if thread:
                    self._put_thread(folder, thread)
                    (folder / "value").unlink(missing_ok=True)
                else:
                    (folder / "value").write_bytes(value.encode())
                os.setxattr(folder, "user.turnfs.ttl", f"{int(ttl_seconds)}s".encode())

    def set_with_ttl(self, key, ttl_seconds, value):
        self.setex(key, ttl_seconds, value)

    # How it is kept

    def _check(self):
        with contextlib.suppress(OSError):  # ENOTCONN: the daemon has ended
            if (self.root / ".turnfs" / "health").exists():
                return
        raise NotMounted(f"turnfs is not mounted on {self.root}: turnfs mount {self.root}")

    def _folder(self, key):
        name = key.removeprefix("thread:")
        return self.root / re.sub(r"^[.@]|[%/\x00-\x1f\x7f]", lambda m: f"%{ord(m[0]):02X}", name)

    @contextlib.contextmanager
    def _locked(self, folder):
        """Other processes of the server keep out meanwhile."""
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    @staticmethod
    def _as_thread(key, value):
        with contextlib.suppress(ValueError, AttributeError, TypeError):
            thread = json.loads(value)
            turns = thread.get("turns")
            if key.startswith("thread:") and isinstance(turns, list) and all(
                    ROLE.fullmatch(t["role"]) and t["content"].encode() is not None for t in turns):
                return thread
        return None

    def _put_thread(self, folder, thread):
        turns = thread["turns"]
        lines = (folder / "@transcript.jsonl").read_bytes().splitlines()
        kept = [json.loads(line).get(FIELDS) for line in lines]
        same = 0
        while same < min(len(kept), len(turns)) and kept[same] == turns[same]:
            same += 1
        members = {name: member for name, member in thread.items() if name != "turns"}
        document = json.loads((folder / "thread.json").read_bytes())
        document |= {"tool_name": thread.get("tool_name"), "parent_thread_id": thread.get("parent_thread_id"),
                     "initial_context": thread.get("initial_context"),
                     FIELDS: {"order": list(thread), "members": members}}
        (folder / "thread.json").write_bytes(json.dumps(document, ensure_ascii=False).encode())
        if same < len(kept):  # a turn that was there has changed: all of them anew
            for name in filter(TURN.fullmatch, os.listdir(folder)):
                (folder / name).unlink()
            same = 0
        added = [{"role": t["role"], "content": t["content"], FIELDS: t} for t in turns[same:]]
        if added:
            self._append(folder, "".join(json.dumps(line) + "\n" for line in added).encode())

    @staticmethod
    def _append(folder, lines):
        handle = os.open(folder / "@transcript.jsonl", os.O_WRONLY)
        try:
            view = memoryview(lines)
            while view:
                view = view[os.write(handle, view):]
        finally:
            os.close(handle)  # here the turns are stored, all of them or none


_backend = None
_backend_lock = threading.Lock()


def get_storage_backend():
    """As zen-mcp-server's own: one for the process."""
    global _backend
    with _backend_lock:
        if _backend is None:
            _backend = TurnfsStorage()
        return _backend
