"""Programs that only look: each finds every turn once, nothing moves, and a second look sees the same."""

import json
import os
import subprocess

import pytest

from harness import expires, opened, read, run, say, shell, turns, wait_until, write
from talk import CONTENTS, FIRST, PICTURE, furnish, portrait


@pytest.fixture
def talks(mnt):
    for name in ("one", "two", "-dash", "with space"):
        furnish(mnt.thread(name))
    return mnt.path


def unchanged(top):
    """(everything that a look must not move)"""
    found = {}
    for name in os.listdir(top):
        s = os.stat(top / name)
        found[name] = portrait(top / name), s.st_mtime_ns, s.st_ctime_ns, expires(top / name)
    return found


THREADS = ["./-dash", "./one", "./two", "./with space"]


@pytest.mark.parametrize("command", [
    "grep -rl 'second question' .", "rg -l 'second question' .", "rg -l -uuu 'second question' .",
    "grep -l 'second question' -- */*.md | sed s,^,./,", "find . -type f -exec grep -l 'second question' {} +",
    "git grep --no-index -l 'second question' . | sed 's,^\\([^.\"]\\),./\\1,; s,^\"\\(.*\\)\"$,./\\1,'",
    "ack -l 'second question' .", "ag -l 'second question' ."])
def test_tree__searching__finds_each_turn_once_and_moves_nothing(talks, program, command):
    program(command.split()[0])
    before = unchanged(talks)
    found = shell(command + " | sort", cwd=talks).stdout.splitlines()
    assert sorted(found) == sorted(f"{thread}/000003-user.md" for thread in THREADS)
    assert unchanged(talks) == before


def test_tree__find__by_type_size_time_and_name(talks):
    assert len(shell("find . -type f", cwd=talks).stdout.splitlines()) == 4 * 5
    assert len(shell("find . -type d", cwd=talks).stdout.splitlines()) == 5
    assert len(shell("find . -name '*.md' -size -2c", cwd=talks).stdout.splitlines()) == 0
    assert len(shell(f"find . -size {len(PICTURE)}c", cwd=talks).stdout.splitlines()) == 4
    assert len(shell("find . -newermt 2023-11-14T22:13:21Z -name '0*'", cwd=talks).stdout.splitlines()) == 8
    assert len(shell("find . -empty", cwd=talks).stdout.splitlines()) == 0
    assert shell("find . -name '@*' -o -name '.turnfs'", cwd=talks).stdout == ""
    assert shell("find . -type f -links +1", cwd=talks).stdout == ""


def test_M5__du_ls_stat_wc__agree(talks):
    size = len(CONTENTS[1][1])
    for command in ("stat -c %s 000002-assistant.md", "wc -c < 000002-assistant.md", "cat 000002-assistant.md | wc -c",
                    "ls -l 000002-assistant.md | cut -d' ' -f5", "du -b 000002-assistant.md | cut -f1",
                    "find 000002-assistant.md -printf '%s\\n'"):
        assert int(shell(command, cwd=talks / "one").stdout) == size, command
    assert int(shell("du -sk .", cwd=talks).stdout.split()[0]) >= 4 * (len(PICTURE) + size) // 1024
    shell("df . && df -i .", cwd=talks)


def test_M5__head_tail_od_cmp_split__read_exactly(talks):
    one = talks / "one"
    assert shell("tail -n1 000001-user.md; head -c5 000001-user.md; tail -c9 000001-user.md", cwd=one).stdout == \
        "first question\nfirstquestion\n"
    done = shell("cmp picture.png ../two/picture.png; od -An -tx1 -j255 -N2 picture.png", cwd=one)
    assert done.stdout.split() == ["ff", "00"]
    assert shell("cat *.md | md5sum; cat < 000001-user.md > /dev/null", cwd=one).stdout
    shell("cat 000001-user.md 000003-user.md > all.txt", cwd=one)
    assert read(one / "all.txt") == CONTENTS[0][1] + CONTENTS[2][1]


def test_M5__tail_f__follows_a_turn_that_is_streamed(talks):
    one = talks / "one"
    with opened(one / "@assistant", os.O_WRONLY) as fd:
        os.write(fd, b"Once\n")
        os.fsync(fd)
        command = ["tail", "-n+1", "-s0.05", "-f", one / "000004-assistant.md"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as tail:
            assert tail.stdout.readline() == b"Once\n"
            for word in (b"upon\n", b"a\n", b"time\n"):
                os.write(fd, word)
                os.fsync(fd)
                assert tail.stdout.readline() == word
            tail.kill()


def test_M3__jq__reads_documents_and_transcripts(talks, program):
    program("jq")
    assert run("jq", "-r", ".title", talks / "one" / "thread.json").stdout == "T\n"
    done = shell("jq -r 'select(.role == \"user\") | .content' @transcript.jsonl", cwd=talks / "one")
    assert done.stdout == "first question\n\nsecond question\n\n"
    shell("jq -c '{role, content}' @transcript.jsonl > ../two/@transcript.jsonl", cwd=talks / "one")
    assert [content for _, content in turns(talks / "two")][3:] == [content for _, content in CONTENTS]
    shell("jq '.title = \"from jq\"' thread.json > t && mv t thread.json", cwd=talks / "one")
    assert json.loads(read(talks / "one" / "thread.json"))["title"] == "from jq"


def test_M5__git_with_its_folder_elsewhere__status_is_clean_also_after_a_remount(talks, mnt, workshop, program):
    program("git")
    env = {**os.environ, "GIT_DIR": str(workshop.base / "git"), "GIT_WORK_TREE": str(talks), "HOME": str(workshop.base),
           "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}
    git = lambda *a: run("git", *a, env=env, cwd=talks).stdout
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "all")
    assert len(git("ls-files").splitlines()) == 4 * 5
    assert git("status", "--porcelain") == ""
    mnt.remount()
    assert git("status", "--porcelain") == ""
    say(talks / "one", "user", "new\n")
    assert "?? one/000004-user.md" in git("status", "--porcelain").splitlines()
    write(talks / "one" / FIRST, b"changed\n")
    git("checkout", "-q", "--", "one/" + FIRST)
    assert read(talks / "one" / FIRST) == CONTENTS[0][1]
    git("rm", "-rq", "two")
    assert sorted(os.listdir(talks)) == ["-dash", "one", "with space"]
    git("reset", "-q", "--hard")
    assert turns(talks / "two") == CONTENTS


def test_T9__inotifywait__sees_local_writes(talks, workshop, program):
    program("inotifywait")
    log = workshop.base / "events"
    watch = subprocess.Popen(["inotifywait", "-q", "-m", "--format", "%e %f", "-e",
                              "create,modify,close_write,moved_to,moved_from,delete,attrib", talks / "one"],
                             stdout=open(log, "wb"), stderr=subprocess.STDOUT)
    try:
        marker = talks / "one" / "marker"

        def watching():
            write(marker, b"x")
            return b"marker" in log.read_bytes()

        wait_until(watching, 5, interval=0.05)
        write(talks / "one" / "new.txt", b"x")
        os.rename(talks / "one" / "new.txt", talks / "one" / "000009-user.md")
        os.chmod(talks / "one" / "000009-user.md", 0o600)
        os.unlink(talks / "one" / "000009-user.md")
        expected = ["CREATE new.txt", "MODIFY new.txt", "CLOSE_WRITE,CLOSE new.txt", "MOVED_FROM new.txt",
                    "MOVED_TO 000009-user.md", "ATTRIB 000009-user.md", "DELETE 000009-user.md"]
        wait_until(lambda: set(expected) <= set(log.read_text().splitlines()), 3, "events: " + log.read_text())
        seen = [line for line in log.read_text().splitlines() if line in expected]
        assert [line for i, line in enumerate(seen) if line not in seen[:i]] == expected
    finally:
        watch.kill()
        watch.wait()
