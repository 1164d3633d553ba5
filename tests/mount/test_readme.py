"""README.md and docs/ are true: their commands run on a real mount and print what they say."""

import ast
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import sys

import pytest

from harness import BINARY, ROOT, mounts_on, say

README = (ROOT / "README.md").read_text()
SEMANTICS = (ROOT / "SEMANTICS.md").read_text()
OPTIONAL = ("restic", "borg", "redis-server")  # a block that uses one is left out where it is not installed
ROOT_WARNING = "turnfs: warning: running as root"

IDS = [
    letter + str(number)
    for letter, count in {
        "N": 5, "W": 11, "M": 7, "B": 3, "T": 11, "R": 6, "F": 7, "S": 5, "C": 5,
    }.items()
    for number in range(1, count + 1)
]
# Rules without a test. Nothing may be added here, and what has a test must go.
UNTESTED = {}


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


class Example:
    """One `$ command` of a console block, and what it is said to print."""

    def __init__(self, command):
        self.command = command
        self.printed = ""


def examples(block):
    found = []
    for line in block.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append(Example(line[2:].rstrip("\n")))
        else:
            found[-1].printed += line
    return found


def all_examples():
    found = []
    for block in blocks(README, "console"):
        if all(shutil.which(name) or name not in block for name in OPTIONAL):
            found += examples(block)
    return found


def normal(text, home):
    """Without what differs from run to run: who, where and when."""
    user = pwd.getpwuid(os.getuid()).pw_name
    text = text.replace(str(home), "/home/ada").replace(f"{user} {user}", "ada ada")
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?Z)?", "TIME", text)
    text = re.sub(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d", "TIME", text)
    text = re.sub(r"\b\d+[hm] \d\d[ms]\b", "LEFT", text)
    text = re.sub(r"\(\d+s ago\)", "(AGO)", text)
    return "".join(line for line in text.splitlines(keepends=True) if ROOT_WARNING not in line)


@pytest.fixture
def home(workshop):
    """A home directory, and turnfs in the PATH."""
    path = workshop.base / "home"
    (path / "bin").mkdir()
    (path / "bin" / "turnfs").symlink_to(BINARY)
    yield path
    for name in ("talks", "scratch", "one", "two"):
        while mounts_on(path / name):
            if subprocess.run([str(BINARY), "umount", str(path / name)]).returncode != 0:
                subprocess.run(["umount", "-l", str(path / name)], check=True)


def run_all(found, home, environment):
    """Each command in one and the same shell. [(exit status, what it printed)]"""
    mark = "--- end of a command:"
    script = "umask 022; exec 2>&1\n"
    for example in found:
        script += f"{example.command}\nprintf '\\n{mark} %d\\n' $?\n"
    environment = {**environment, "LC_ALL": "C.UTF-8", "PATH": f"{home}/bin:{os.environ['PATH']}"}
    environment.pop("TURNFS_TEST_CLOCK_FILE")
    done = subprocess.run(
        ["bash", "-c", script], cwd=home, env=environment, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=100,
    )
    parts = re.split(rf"\n{mark} (\d+)\n", done.stdout)
    assert len(parts) == 2 * len(found) + 1, done.stdout[-3000:] + done.stderr
    return [(int(parts[2 * i + 1]), parts[2 * i]) for i in range(len(found))]


def test_C1_C2_T4_B3__readme__its_commands_print_what_it_says(home, workshop):
    found = all_examples()
    results = run_all(found, home, workshop.environment())
    for example, (status, printed) in zip(found, results):
        if status:
            printed += f"[exit status {status}]\n"
        assert normal(printed, home) == normal(example.printed, home), example.command


def functions(text):
    return {node.name: ast.unparse(node) for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}


def test_R1__readme__three_functions_are_the_chat_servers():
    server = (ROOT / "tests" / "mount" / "chat_server.py").read_text()
    (block,) = blocks(README, "python")
    assert block.strip() in server, "they are there verbatim"
    assert list(functions(block)) == ["new_thread", "add_turn", "history"]


def test_R1__readme__three_functions_work_and_survive_a_kill(mnt):
    (block,) = blocks(README, "python")
    import uuid

    names = {"os": os, "uuid": uuid, "CONVERSATIONS": mnt.path}
    exec(compile(block, "README.md", "exec"), names)
    thread = names["new_thread"]()
    said = [("user", "first\n"), ("assistant", "Grüße 🌍"), ("user", "…")]
    for role, text in said:
        names["add_turn"](thread, role, text)
    mnt.kill9()
    mnt.start()
    assert names["history"](thread) == said
    with pytest.raises(FileNotFoundError):
        names["add_turn"]("never-was", "user", "x")


def test_R2__readme__three_functions_without_a_mount__raise_and_write_nothing(tmp_path):
    (block,) = blocks(README, "python")
    import uuid

    names = {"os": os, "uuid": uuid, "CONVERSATIONS": tmp_path}
    exec(compile(block, "README.md", "exec"), names)
    with pytest.raises(FileNotFoundError):
        names["new_thread"]()
    assert not list(tmp_path.iterdir())
    (tmp_path / "thread").mkdir()
    with pytest.raises(FileNotFoundError):
        names["add_turn"]("thread", "user", "x")
    assert not list((tmp_path / "thread").iterdir())


def test_C1__readme__what_it_points_to_is_there():
    for text in (README, SEMANTICS, (ROOT / "docs" / "design.md").read_text()):
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (ROOT / target).exists() or (ROOT / "docs" / target).exists(), target
    for name in re.findall(r"`((?:scripts|fs|backend|tests|docs)/[\w./-]*)`", README):
        assert (ROOT / name).exists(), name


def test_S2__env_example__changes_nothing_as_it_is(workshop, home):
    (home / "talks").mkdir()
    command = [str(BINARY), "mount", "--env-file", str(ROOT / ".env.example"), str(home / "talks")]
    done = subprocess.run(command, env=workshop.environment(), capture_output=True, text=True)
    assert done.returncode == 0, done
    assert f"turnfs: {home}/.local/share/turnfs/store.db is on" in done.stdout
    assert "expire 24h" in done.stdout


def test_F7__schema_md__its_statements_read_a_mounted_store(mnt, program):
    program("sqlite3")
    trip = mnt.thread("trip")
    for text in ("one", "two"):
        say(trip, "user", text)
    turns, deadlines = blocks((ROOT / "docs" / "schema.md").read_text(), "sh")
    run = lambda script: subprocess.run(
        ["sh", "-c", script.replace("store.db", str(mnt.store or "") or "store.db")],
        cwd=mnt.base / "store", capture_output=True, text=True, check=True,
    ).stdout
    assert run(turns) == "000001-user.md|one\n000002-user.md|two\n"
    name, packed = run(deadlines).strip().split("|")
    left_ms = int.from_bytes(bytes.fromhex(packed), "little") - os.stat(trip).st_mtime_ns // 10**6
    assert name == "trip" and abs(left_ms - 24 * 3600 * 1000) < 10_000


# SEMANTICS.md


def names_of_tests():
    """Names of every test of ours, C and Python: what a rule's id must be found in."""
    found = set()
    for folder, _, names in os.walk(ROOT / "tests"):
        for name in names:
            if name.endswith((".c", ".py")):
                text = pathlib.Path(folder, name).read_text(errors="replace")
                found |= set(re.findall(r"\b(test_(?:[A-Z]\d+_)+_\w+)", text))
    return found


def test_C2__semantics__has_every_rule_in_order():
    assert re.findall(r"^- \*\*([A-Z]\d+)\*\* ", SEMANTICS, re.M) == IDS


def test_C2__semantics__every_rule_has_a_test_or_is_named_as_without():
    tested = set()
    for name in names_of_tests():
        tested |= set(re.findall(r"[A-Z]\d+", name.split("__")[0]))
    missing = [rule for rule in IDS if rule not in tested]
    assert missing == [rule for rule in IDS if rule in UNTESTED], "the list must shrink, and be true"
