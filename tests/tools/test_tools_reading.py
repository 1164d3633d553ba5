"""Programs that only look: each finds every turn once, nothing moves, and a second look sees the same."""

import json
import os
import subprocess

import pytest

from harness import expires, opened, read, run, say, shell, turns, wait_until, write
from talk import CONTENTS, FIRST, PICTURE, furnish, portrait, steady, verify
from terminal import Terminal


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


THREADS = ["-dash", "one", "two", "with space"]


@pytest.mark.parametrize("command", [
    "grep -rl 'second question' .", "rg -l 'second question' .", "rg -l -uuu 'second question' .",
    "grep -l 'second question' -- */*.md | sed s,^,./,", "find . -type f -exec grep -l 'second question' {} +",
    "git grep --no-index -l 'second question' . | sed 's,^\\([^.\"]\\),./\\1,; s,^\"\\(.*\\)\"$,./\\1,'",
    "ack -l 'second question' .", "ag -l 'second question' .",
    "rg -l --hidden --no-ignore --sort path 'second question' .", "rg --multiline --count-matches 'second question' . | cut -d: -f1",
    "rg --files -g '000003-*' .", "rg --json 'second question' . | jq -r 'select(.type == \"begin\").data.path.text'",
    "rg -l -t md -e second -j 4 --mmap .", "fdfind -t f 000003 . | sed 's,^\\([^.]\\),./\\1,'",
    "fdfind -H -I -e md -g '000003-*' .", "fdfind -t f -S -20b -e md '^000003' . -x printf '%s\\n'",
    "find . -name '000003*' -newer one/000001-user.md", "find . -name '000003*' ! -newer one/000003-user.md -size -17c",
    "fzf -f 'user.md 000003 !000001' --no-sort < ../list", "find . -type f | fzf -f ^./ | fzf -e -f 3-user",
    "grep -rlZ --include='*.md' second . | xargs -0 -n1 ls -1"],
    ids=lambda command: command[:40].replace("/", " "))
def test_tree__searching__finds_each_turn_once_and_moves_nothing(talks, program, command):
    for name in {"rg", "jq", "fdfind", "fzf", "ack", "ag", "git"} & set(command.replace("'", " ").split()):
        program(name)
    shell("find . -type f > ../list", cwd=talks)
    before = unchanged(talks)
    found = shell(command + " | sort", cwd=talks).stdout.splitlines()
    assert sorted(name.removeprefix("./") for name in found) == [f"{thread}/000003-user.md" for thread in THREADS]
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


def test_M5__df_du_stat_f__tell_numbers_that_fit_together(talks, mnt):
    one = talks / "one"
    sizes = sum(os.stat(one / name).st_size for name in os.listdir(one))
    blocks = sum(os.stat(one / name).st_blocks for name in os.listdir(one))
    folders = os.stat(one)
    assert int(shell("du -sb .", cwd=one).stdout.split()[0]) == sizes + folders.st_size
    assert int(shell("du -s -B512 .", cwd=one).stdout.split()[0]) == blocks + folders.st_blocks
    assert blocks * 512 >= sizes
    total, free, available, size, inodes, inodes_free, longest = map(
        int, shell("stat -f -c '%b %f %a %S %c %d %l' .", cwd=one).stdout.split())
    assert total >= free >= available > 0 and inodes >= inodes_free > 0 and longest == 255
    line = shell("df -B1 --output=size,avail,itotal,target .", cwd=one).stdout.splitlines()[1].split()
    assert (int(line[0]), line[3]) == (total * size, str(mnt.path))
    assert abs(int(line[1]) - available * size) < 1 << 30, "others use the disk, too"
    assert inodes - inodes_free >= 4 * 5, "one for each file"


def test_M2__find_newer_ls_t_test_nt__go_by_the_turns_times(talks):
    one = talks / "one"
    assert shell("find . -newer 000002-assistant.md -name '0*'", cwd=one).stdout == "./000003-user.md\n"
    assert shell("ls -rt *.md; [ 000003-user.md -nt 000001-user.md ] && [ 000001-user.md -ot 000002-assistant.md ]",
                 cwd=one).stdout.split() == [name for name, _ in CONTENTS]
    assert shell("stat -c %.9Y 000001-user.md; date -u -r 000001-user.md +%N", cwd=one).stdout.split() == [
        "1700000000.123456789", "123456789"]
    say(talks / "two", "user", "the last")
    assert shell("ls -dt ./*", cwd=talks).stdout.splitlines()[0] == "./two"


def test_M5__less__shows_the_turn_and_follows_it(talks, program, workshop):
    program("less")
    one = talks / "one"
    before = steady(one)
    with Terminal("less", one / FIRST, env=workshop.environment()) as less:
        less.expect(b"first question")
        less.send(b"q")
        assert less.end() == 0
    assert steady(one) == before
    with opened(one / "@assistant", os.O_WRONLY) as fd:
        os.write(fd, b"streamed\n")
        os.fsync(fd)
        with Terminal("less", "+F", one / "000004-assistant.md", env=workshop.environment()) as less:
            less.expect(b"streamed")
            os.write(fd, b"and more\n")
            os.fsync(fd)
            less.expect(b"and more")
            less.send(b"\x03")
            assert less.end(b"q") == 0


def test_M5__watch__shows_each_version(talks, program, workshop):
    program("watch")
    with Terminal("watch", "-t", "-n0.1", "cat", talks / "one" / FIRST, env=workshop.environment()) as watch:
        watch.expect(b"first question")
        write(talks / "one" / FIRST, b"overwritten")
        watch.expect(b"overwritten")
        os.rename(talks / "one" / "picture.png", talks / "one" / "p")
        write(talks / "one" / "t", b"replaced in one step")
        os.rename(talks / "one" / "t", talks / "one" / FIRST)
        watch.expect(b"replaced in one step")
        watch.end(b"\x03")


def test_tree__fzf_on_a_terminal__lists_by_itself_and_gives_the_choice(talks, program, workshop):
    program("fzf")
    out = workshop.base / "out"
    before = unchanged(talks)
    env = {**workshop.environment(), "FZF_DEFAULT_COMMAND": "", "SHELL": "/bin/sh"}
    with Terminal("sh", "-c", f"fzf > '{out}'", cwd=talks, env=env) as fzf:
        fzf.expect(b"20/20")
        fzf.send(b"'space 000003")
        fzf.expect(b"1/20")
        fzf.send(b"\r")
        assert fzf.end() == 0
    assert out.read_text() == "with space/000003-user.md\n"
    assert unchanged(talks) == before


def test_W2__lsof_and_fuser__name_who_has_it_open(talks, program):
    program("lsof")
    with opened(talks / "one" / FIRST):
        done = shell(f"lsof -Fpfn '{talks / 'one' / FIRST}'")
        assert f"p{os.getpid()}" in done.stdout.splitlines()
        assert f"n{talks / 'one' / FIRST}" in done.stdout.splitlines()
    done = shell(f"lsof '{talks / 'one' / FIRST}'", check=False)
    assert (done.returncode, done.stdout) == (1, "")


def test_tree__ripgrep__obeys_an_ignore_file_that_is_an_attachment(talks, program):
    program("rg")
    write(talks / "one" / ".ignore", b"000003*\n")
    write(talks / "two" / ".rgignore", b"*-user.md\n")
    found = shell("rg -l 'second question' . | sort", cwd=talks).stdout.splitlines()
    assert found == ["./-dash/000003-user.md", "./with space/000003-user.md"]
    assert shell("rg -c --no-ignore 'second question' one", cwd=talks).stdout == "one/000003-user.md:1\n"


def test_M5__checksums_of_all__hold_before_and_after_a_remount(talks, mnt, workshop):
    shell("find . -type f ! -name thread.json -exec sha256sum {} + > ../sums", cwd=talks)
    for _ in range(2):
        assert "OK" in shell("sha256sum -c ../sums", cwd=talks).stdout
        shell("diff -r one two -x thread.json; cmp one/picture.png two/picture.png; comm -3 one/000001-user.md two/000001-user.md",
              cwd=talks)
        mnt.kill9()
        mnt.remount()
    for name in ("one", "two", "-dash", "with space"):
        verify(talks / name)


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


def test_M5__tail_F__follows_a_turn_that_editors_replace_and_one_that_comes_later(talks):
    one = talks / "one"
    command = ["tail", "-q", "-n0", "-s0.05", "-F", one / FIRST, one / "000004-assistant.md"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as tail:
        assert b"cannot open" in tail.stderr.readline()
        with opened(one / FIRST, os.O_WRONLY | os.O_APPEND) as fd:
            os.write(fd, b"appended\n")
        assert tail.stdout.readline() == b"appended\n"
        write(one / "tmp", b"replaced, and longer than it was before\n")
        os.rename(one / "tmp", one / FIRST)
        assert tail.stdout.readline() == b"replaced, and longer than it was before\n"
        say(one, "assistant", "come\n")
        assert tail.stdout.readline() == b"come\n"
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


@pytest.fixture
def git(talks, workshop, program):
    """git(ARGUMENT…) in the mount, with its folder elsewhere: its standard output."""
    program("git")
    env = {**workshop.environment(), "GIT_DIR": str(workshop.base / "git"), "GIT_WORK_TREE": str(talks),
           "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}

    def call(*arguments, **kwargs):
        done = run("git", *arguments, env=env, cwd=talks, **kwargs)
        assert done.stderr == ""
        return done.stdout

    call("init", "-q")
    call("add", "-A")
    call("commit", "-qm", "all")
    return call


def test_B2__git_with_its_folder_elsewhere__finds_nothing_changed_also_after_a_remount(talks, mnt, git):
    """diff-files goes by what the index remembers of stat alone: size, times, inode, mode, owner."""
    assert len(git("ls-files").splitlines()) == 4 * 5
    git("update-index", "-q", "--really-refresh")
    for end in (mnt.stop, mnt.kill9, None):
        assert git("diff-files", "--quiet") == ""
        assert git("status", "--porcelain") == git("diff", "--stat") == ""
        if end:
            end()
            mnt.remount()
    for name in ("one", "two", "-dash", "with space"):
        verify(talks / name)


def test_M5__git_with_its_folder_elsewhere__sees_edits_and_takes_them_back(talks, mnt, git):
    say(talks / "one", "user", "new\n")
    assert "?? one/000004-user.md" in git("status", "--porcelain").splitlines()
    write(talks / "one" / FIRST, b"changed\n")
    assert "-first question\n+changed\n" in git("diff", "--", "one/" + FIRST)
    git("checkout", "-q", "--", "one/" + FIRST)
    assert read(talks / "one" / FIRST) == CONTENTS[0][1]
    git("rm", "-rq", "two")
    assert sorted(os.listdir(talks)) == ["-dash", "one", "with space"]
    git("reset", "-q", "--hard")
    assert turns(talks / "two") == CONTENTS
    git("mv", "one/000003-user.md", "one/000009-user.md")
    write(talks / "one" / FIRST, b"FIRST question\n")
    git("stash", "-q", "--", "*.md")  # thread.json tells when it was changed, so it never is as it was
    assert turns(talks / "one")[:3] == CONTENTS
    git("stash", "pop", "-q")
    mnt.kill9()
    mnt.remount()
    assert [name for name, _ in turns(talks / "one")] == [FIRST, "000002-assistant.md", "000004-user.md", "000009-user.md"]
    assert read(talks / "one" / FIRST) == b"FIRST question\n"
    git("add", "-A")
    git("commit", "-qm", "edits")
    assert git("status", "--porcelain") == ""
    git("checkout", "-q", "HEAD~1")
    assert turns(talks / "one") == CONTENTS
    git("clean", "-qfd")
    assert sorted(os.listdir(talks)) == ["-dash", "one", "two", "with space"]


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
