"""faults.c, compiled and steered."""

import mmap
import pathlib
import struct
import subprocess

import harness

SOURCE = pathlib.Path(__file__).with_name("faults.c")
OPS = ("open", "read", "write", "sync", "truncate", "mmap", "unlink", "rename")
KINDS = {"db": 1, "wal": 2, "shm": 3, "lock": 4, "other": 5, "folder": 6}
KILLED = -1  # in the place of an errno: the daemon is killed at that call
FIELDS = {  # of struct control
    "armed": ("I", 0),
    "ops": ("I", 4),
    "kinds": ("I", 8),
    "error": ("i", 12),
    "per_million": ("I", 16),
    "torn": ("I", 20),
    "seed": ("Q", 24),
    "skip": ("q", 32),
    "fails": ("q", 40),
    "calls": ("Q", 48),
    "injected": ("Q", 56),
    "recorded": ("Q", 128),
    "memory_armed": ("I", 136),
    "memory_per_million": ("I", 140),
    "memory_calls": ("Q", 144),
    "memory_injected": ("Q", 152),
    "memory_skip": ("q", 160),
    "memory_fails": ("q", 168),
    "memory_of_fuse": ("I", 176),
}
SIZE = 184


def compile_shim(folder):
    library = folder / "faults.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-g", "-o", library, SOURCE, "-ldl", "-lpthread"]
    if not harness.is_sanitized():
        command.append("-DFAULTS_MEMORY")
    subprocess.run([str(c) for c in command], check=True)
    return library


def sanitizer_runtime():
    """It must be loaded before any other library."""
    library = harness.sanitizer()
    if not library:
        return []
    name = subprocess.run(["cc", f"-print-file-name={library}"], capture_output=True, text=True, check=True)
    return [str(pathlib.Path(name.stdout.strip()).resolve())]


class Shim:
    def __init__(self, library, base):
        self.control_path = base / "faults.control"
        self.record_path = base / "faults.record"
        self.control_path.write_bytes(bytes(SIZE))
        with open(self.control_path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), SIZE)
        self.env = {
            "LD_PRELOAD": ":".join([*sanitizer_runtime(), str(library)]),
            "FAULTS_CONTROL": str(self.control_path),
            "FAULTS_FOLDER": str(base / "store"),
        }
        self.recording_env = {**self.env, "FAULTS_RECORD": str(self.record_path)}

    def __getitem__(self, field):
        kind, at = FIELDS[field]
        return struct.unpack_from(kind, self.map, at)[0]

    def __setitem__(self, field, value):
        kind, at = FIELDS[field]
        struct.pack_into(kind, self.map, at, value)

    def injected_by(self):
        counts = struct.unpack_from("8Q", self.map, 64)
        return {op: n for op, n in zip(OPS, counts) if n}

    def arm(self, ops, kinds, error, *, per_million=0, skip=0, fails=0, torn=False, seed=0):
        """Lets calls fail until disarm(): by chance, or `fails` of them after `skip` went well."""
        self["ops"] = sum(1 << OPS.index(op) for op in ops)
        self["kinds"] = sum(1 << KINDS[kind] for kind in kinds)
        self["error"], self["per_million"], self["torn"] = error, per_million, torn
        self["seed"], self["skip"], self["fails"] = seed, skip, fails
        self["armed"] = 1

    def disarm(self):
        self["armed"] = 0
        self["memory_armed"] = 0

    def arm_memory(self, per_million=0, seed=0, *, skip=0, fails=0, of_fuse=False):
        """Lets allocations fail until disarm(): by chance, or `fails` of them after `skip` went well."""
        self["seed"], self["memory_per_million"] = seed, per_million
        self["memory_skip"], self["memory_fails"] = skip, fails
        self["memory_calls"], self["memory_of_fuse"] = 0, of_fuse
        self["memory_armed"] = 1

    def close(self):
        self.map.close()
