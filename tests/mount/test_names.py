"""N: names of threads, turns and attachments, and what can not be made at all."""

import errno
import fcntl
import os
import socket
import stat
import time

import pytest

from harness import (
    RENAME_EXCHANGE,
    RENAME_NOREPLACE,
    RENAME_WHITEOUT,
    document,
    expires,
    fails,
    fallocate,
    opened,
    outcome,
    read,
    renameat2,
    say,
    set_attribute,
    shell,
    turns,
    wait_until,
    write,
)

GOOD_THREADS = [
    "03bb338d-65fb-4285-92b2-d830a32509d7",
    "a",
    "x" * 255,
    "ä" * 127 + "x",
    "\U0001f600" * 63 + "abc",
    "-rf",
    "--",
    "with space",
    " leading",
    "trailing ",
    "a:b",
    "turnfs:t:x",
    "a*b?[c]",
    "{tag}",
    "{",
    "}{",
    "a%2Eb",
    "%",
    "日本語",
    "a..b",
    "name~",
    "a\\b",
    "'\"$`",
    "thread.json",
    "000001-user.md",
    "a@b",
    "\u00a0",
    "\u200b\u200d",
    "e\u0301",
    "é",
]

BIDI_CONTROLS = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
BAD_CHARACTERS = (
    [bytes([c]) for c in range(1, 0x20)]
    + [b"\x7f"]
    + [chr(c).encode() for c in range(0x80, 0xA0)]
    + ["\u2028".encode(), "\u2029".encode()]
    + [chr(c).encode() for c in BIDI_CONTROLS]
    + [b"\xff", b"\x80", b"\xc0\xaf", b"\xc1\x81", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"]
)
BAD_NAMES = [bad for c in BAD_CHARACTERS for bad in (c, b"a" + c + b"b", b"ab" + c)]

TOO_LONG = ["x" * 256, "ä" * 128, "x" * 1000]


def test_N1__good_names__made_listed_and_there_after_remount(anymnt):
    for name in GOOD_THREADS:
        thread = anymnt.thread(name)
        say(thread, "user", "in " + name)
    assert sorted(os.listdir(anymnt.path)) == sorted(GOOD_THREADS)
    if anymnt.store != "memory:":
        anymnt.remount()
    assert sorted(os.listdir(anymnt.path)) == sorted(GOOD_THREADS)
    for name in GOOD_THREADS:
        assert turns(anymnt / name) == [("000001-user.md", ("in " + name).encode())]


def test_N1__bad_characters__mkdir_is_EINVAL(mnt):
    root = os.fsencode(mnt.path)
    for name in BAD_NAMES:
        assert outcome(os.mkdir, root + b"/" + name) == errno.EINVAL, name
    assert os.listdir(mnt.path) == []


def test_N1__bad_characters__rename_is_EINVAL(mnt):
    root = os.fsencode(mnt.path)
    mnt.thread("good")
    for name in BAD_NAMES:
        assert outcome(os.rename, root + b"/good", root + b"/" + name) == errno.EINVAL, name
    assert os.listdir(mnt.path) == ["good"]


@pytest.mark.parametrize("name", [".x", "..x", "@x", "@user", "@", "...", ".hidden"])
def test_N1__leading_dot_or_at__EINVAL(mnt, name):
    with fails(errno.EINVAL):
        os.mkdir(mnt / name)
    mnt.thread("good")
    with fails(errno.EINVAL):
        os.rename(mnt / "good", mnt / name)
    assert os.listdir(mnt.path) == ["good"]


@pytest.mark.parametrize("name", TOO_LONG, ids=lambda n: f"{len(n.encode())}-bytes")
def test_N1__over_255_bytes__ENAMETOOLONG(mnt, name):
    thread = mnt.thread("good")
    with fails(errno.ENAMETOOLONG):
        os.mkdir(mnt / name)
    with fails(errno.ENAMETOOLONG):
        os.stat(mnt / name)
    with fails(errno.ENAMETOOLONG):
        os.rename(mnt / "good", mnt / name)
    with fails(errno.ENAMETOOLONG):
        write(thread / name, b"x")
    with fails(errno.ENAMETOOLONG):
        os.stat(thread / name)
    write(thread / "file", b"x")
    with fails(errno.ENAMETOOLONG):
        os.rename(thread / "file", thread / name)


def test_N1__names_that_look_like_store_keys__are_threads_apart(anymnt):
    names = ["a", "a:b", "a:b:c", "a:meta", "a:turns", "{a}", "{a}:b", "turnfs:a", "a*", "a%"]
    for name in names:
        say(anymnt.thread(name), "user", name)
    for name in names:
        assert turns(anymnt / name) == [("000001-user.md", name.encode())]
    for name in names[1:]:
        os.unlink(anymnt / name / "000001-user.md")
        os.rmdir(anymnt / name)
    assert turns(anymnt / "a") == [("000001-user.md", b"a")]


def test_N1__normal_forms__are_not_mixed_up(mnt):
    for name in ("e\u0301", "é"):
        say(mnt.thread(name), "user", name)
    assert len(os.listdir(mnt.path)) == 2


# N2


def test_N2__cat_of_all_turns__is_the_conversation_in_order(anythread):
    expected = b""
    for i in range(1, 31):
        text = f"turn {i}\n"
        say(anythread, "user" if i % 2 else "assistant", text)
        expected += text.encode()
    assert shell("cat ./*.md", cwd=anythread).stdout.encode() == expected


@pytest.mark.parametrize("name", ["000001-user.md", "999999-user.md", "000042-a.md",
                                  "000007-tool_call-2.md", "000003-" + "a" * 32 + ".md"])
def test_N2__well_formed_name__is_a_turn(mnt, thread, name):
    write(thread / name, b"text")
    assert name in document(thread)["turns"]
    assert read(thread / name) == b"text"
    mnt.remount()
    assert read(thread / name) == b"text"
    assert os.getxattr(thread / name, "user.turnfs.turn") == name.encode()


@pytest.mark.parametrize("name", ["000000-user.md", "1000000-user.md", "00001-user.md", "1-user.md",
                                  "000001-User.md", "000001-1user.md", "000001-_a.md", "000001-.md",
                                  "000001-user.txt", "000001-user.md.md", "000001-user", "000001user.md",
                                  "000001-us er.md", "000001-ä.md", "000001--a.md", "+00001-user.md",
                                  " 00001-user.md", "000001-" + "a" * 33 + ".md"])
def test_N2__not_quite_a_turn_name__is_an_attachment(thread, name):
    say(thread, "assistant", "the turn")
    write(thread / name, b"attached")
    assert list(document(thread)["turns"]) == ["000001-assistant.md"]
    say(thread, "user", "next")
    assert sorted(os.listdir(thread)) == sorted(
        ["000001-assistant.md", "000002-user.md", "thread.json", name])
    assert read(thread / name) == b"attached"


def test_N2__number_taken__creating_is_EEXIST(anythread):
    write(anythread / "000003-user.md", b"there")
    rival = anythread / "000003-assistant.md"
    for flags in (os.O_CREAT | os.O_WRONLY, os.O_CREAT | os.O_EXCL | os.O_WRONLY,
                  os.O_CREAT | os.O_TRUNC | os.O_RDWR):
        with fails(errno.EEXIST):
            os.close(os.open(rival, flags))
    with fails(errno.EEXIST):
        os.mknod(rival, stat.S_IFREG | 0o644)
    assert not os.path.lexists(rival)
    assert sorted(os.listdir(anythread)) == ["000003-user.md", "thread.json"]
    assert read(anythread / "000003-user.md") == b"there"


def test_N2__number_taken_by_an_open_draft__creating_is_EEXIST(anythread):
    with opened(anythread / "000003-user.md", os.O_CREAT | os.O_WRONLY) as fd:
        with fails(errno.EEXIST):
            os.close(os.open(anythread / "000003-tool.md", os.O_CREAT | os.O_WRONLY))
        os.write(fd, b"x")


@pytest.mark.parametrize("source", ["000004-user.md", "draft.txt", ".000003-assistant.md.swp"])
def test_N2__number_taken__renaming_onto_it_is_EEXIST(anythread, source):
    write(anythread / "000003-user.md", b"there")
    write(anythread / source, b"new")
    with fails(errno.EEXIST):
        os.rename(anythread / source, anythread / "000003-assistant.md")
    assert read(anythread / "000003-user.md") == b"there"
    assert read(anythread / source) == b"new"
    assert "000003-assistant.md" not in os.listdir(anythread)


def test_N2__number_taken_in_another_thread__renaming_onto_it_is_EEXIST(anymnt):
    one, two = anymnt.thread("one"), anymnt.thread("two")
    write(one / "000003-assistant.md", b"1")
    write(two / "000003-user.md", b"2")
    with fails(errno.EEXIST):
        os.rename(one / "000003-assistant.md", two / "000003-assistant.md")
    os.rename(one / "000003-assistant.md", two / "000003-user.md")
    assert turns(two) == [("000003-user.md", b"1")]
    assert turns(one) == []


def test_N2__own_role__changes_by_rename(anymnt, anythread):
    write(anythread / "000003-user.md", b"text")
    os.setxattr(anythread / "000003-user.md", "user.model", b"m")
    ino = os.stat(anythread / "000003-user.md").st_ino
    os.rename(anythread / "000003-user.md", anythread / "000003-system.md")
    assert turns(anythread) == [("000003-system.md", b"text")]
    assert os.stat(anythread / "000003-system.md").st_ino == ino
    assert os.getxattr(anythread / "000003-system.md", "user.model") == b"m"
    assert document(anythread)["turns"] == {"000003-system.md": {"model": "m"}}


def test_N2__free_number__turn_moves_there(anythread):
    say(anythread, "user", "one")
    os.rename(anythread / "000001-user.md", anythread / "000005-user.md")
    assert turns(anythread) == [("000005-user.md", b"one")]
    say(anythread, "assistant", "next")
    assert [n for n, _ in turns(anythread)] == ["000005-user.md", "000006-assistant.md"]


# N3


@pytest.mark.parametrize("name", ["diagram.png", ".hidden", "a b", "notes.md", "x~", "4913", "#x#",
                                  ".#x", "-", "a:b", "ä", "x" * 255, "a@b", ".@", "thread.json.bak"])
def test_N3__other_name__is_an_attachment(mnt, thread, name):
    data = bytes(range(256)) * 40
    write(thread / name, data)
    assert name in os.listdir(thread)
    assert document(thread)["turns"] == {}
    assert read(thread / name) == data
    mnt.remount()
    assert read(thread / name) == data


@pytest.mark.parametrize("name", ["@Foo", "@a b", "@", "@user.md", "@1", "@" + "a" * 33,
                                  "@transcript.txt", "@transcript.MD"])
def test_N3__leading_at__EINVAL(thread, name):
    with fails(errno.EINVAL):
        os.close(os.open(thread / name, os.O_CREAT | os.O_WRONLY))
    with fails(errno.EINVAL):
        os.mknod(thread / name, stat.S_IFREG | 0o644)
    assert os.listdir(thread) == ["thread.json"]


def test_N3__bad_characters__EINVAL(thread):
    folder = os.fsencode(thread)
    write(thread / "good", b"x")
    for name in BAD_NAMES:
        path = folder + b"/" + name
        assert outcome(os.open, path, os.O_CREAT | os.O_WRONLY) == errno.EINVAL, name
        assert outcome(os.rename, folder + b"/good", path) == errno.EINVAL, name
    assert sorted(os.listdir(thread)) == ["good", "thread.json"]


def test_N3__attachment__expires_with_its_thread(mount):
    mnt = mount(opts="ttl=1s")
    thread = mnt.thread()
    write(thread / "diagram.png", b"x")
    with opened(thread / "diagram.png") as fd:
        wait_until(lambda: not thread.exists(), 3)
        assert not (thread / "diagram.png").exists()
        assert os.read(fd, 10) == b"x"


SCRATCH = [".000001-user.md.swp", ".x", "000001-user.md~", "x~"]


@pytest.mark.parametrize("name", SCRATCH)
def test_N3__scratch_file__neither_renews_nor_moves_mtime(anythread, name):
    say(anythread, "user", "text")
    before = expires(anythread), os.stat(anythread).st_mtime_ns
    said = document(anythread)["updated_at"]

    def unmoved():
        return (expires(anythread), os.stat(anythread).st_mtime_ns) == before

    time.sleep(0.02)
    write(anythread / name, b"scratch")
    assert unmoved(), "create"
    write(anythread / name, b"more", os.O_WRONLY | os.O_APPEND)
    with opened(anythread / name, os.O_WRONLY) as fd:
        os.write(fd, b"fsynced")
        os.fsync(fd)
    assert unmoved(), "write"
    os.chmod(anythread / name, 0o600)
    os.utime(anythread / name)
    os.truncate(anythread / name, 0)
    assert unmoved(), "attributes"
    set_attribute(anythread / name, "key", "value")
    os.removexattr(anythread / name, "user.key")
    assert unmoved(), "extended attributes"
    os.rename(anythread / name, anythread / ".other")
    assert unmoved(), "rename"
    os.unlink(anythread / ".other")
    assert unmoved(), "unlink"
    assert document(anythread)["updated_at"] == said


def test_N3__scratch_file_fsynced__survives_kill(mnt, thread):
    fds = []
    for name in SCRATCH:
        fd = os.open(thread / name, os.O_CREAT | os.O_WRONLY)
        os.write(fd, name.encode())
        os.fsync(fd)
        fds.append(fd)
    mnt.kill9()
    for fd in fds:
        outcome(os.close, fd)
    mnt.remount()
    for name in SCRATCH:
        assert read(thread / name) == name.encode()


def test_N3__scratch_file_closed__survives_unmount(mnt, thread):
    for name in SCRATCH:
        write(thread / name, name.encode())
    mnt.remount()
    for name in SCRATCH:
        assert read(thread / name) == name.encode()


@pytest.mark.parametrize("name", [".000001-user.md.AbCdEf", "sedXYZ123", "000001-user.md.3f.tmp", "x~"])
def test_N3__temporary_file_renamed_to_a_turns_name__is_that_turn(mnt, thread, name):
    write(thread / name, b"text")
    os.rename(thread / name, thread / "000001-user.md")
    assert turns(thread) == [("000001-user.md", b"text")]
    assert list(document(thread)["turns"]) == ["000001-user.md"]
    say(thread, "assistant", "answer")
    mnt.kill9()
    mnt.remount()
    assert turns(thread) == [("000001-user.md", b"text"), ("000002-assistant.md", b"answer")]
    assert sorted(os.listdir(thread)) == ["000001-user.md", "000002-assistant.md", "thread.json"]


def test_N3__scratch_renamed_to_a_turns_name__renews_and_moves_mtime(anythread):
    write(anythread / ".tmp", b"text")
    before = expires(anythread), os.stat(anythread).st_mtime_ns
    time.sleep(0.02)
    os.rename(anythread / ".tmp", anythread / "000001-user.md")
    assert expires(anythread) > before[0]
    assert os.stat(anythread).st_mtime_ns > before[1]


# N4


def test_N4__percent_in_an_id_of_ours__is_shown_as_it_is(mnt):
    names = ["%41", "a%2Fb", "%2Ehidden", "100%", "%25"]
    for name in names:
        say(mnt.thread(name), "user", name)
    mnt.remount()
    assert sorted(os.listdir(mnt.path)) == sorted(names)
    for name in names:
        assert turns(mnt / name) == [("000001-user.md", name.encode())]
    assert not (mnt / "A").exists()


# N5


def test_N5__mkdir_in_a_thread__EPERM(anythread):
    with fails(errno.EPERM):
        os.mkdir(anythread / "folder")
    assert os.listdir(anythread) == ["thread.json"]


def test_N5__regular_file_in_the_root__EPERM(anymnt):
    with fails(errno.EPERM):
        os.open(anymnt / "file", os.O_CREAT | os.O_WRONLY)
    with fails(errno.EPERM):
        os.mknod(anymnt / "file", stat.S_IFREG | 0o644)
    thread = anymnt.thread()
    write(thread / "file", b"x")
    with fails(errno.EPERM):
        os.rename(thread / "file", anymnt / "file")
    assert os.listdir(anymnt.path) == ["thread"]
    assert read(thread / "file") == b"x"


def test_N5__thread_moved_into_a_thread__EPERM(anymnt):
    one, two = anymnt.thread("one"), anymnt.thread("two")
    with fails(errno.EPERM):
        os.rename(one, two / "one")
    assert sorted(os.listdir(anymnt.path)) == ["one", "two"]


@pytest.mark.parametrize("where", ["root", "thread"])
def test_N5__symlink_and_link__EPERM(anymnt, where):
    thread = anymnt.thread()
    write(thread / "file", b"x")
    place = anymnt.path if where == "root" else thread
    with fails(errno.EPERM):
        os.symlink("target", place / "symlink")
    with fails(errno.EPERM):
        os.link(thread / "file", place / "link")
    assert not os.path.lexists(place / "symlink")
    assert os.stat(thread / "file").st_nlink == 1


@pytest.mark.parametrize("where", ["root", "thread"])
@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK])
def test_N5__mknod_of_anything_but_a_regular_file__EPERM(mnt, kind, where):
    thread = mnt.thread()
    place = mnt.path if where == "root" else thread
    with fails(errno.EPERM):
        os.mknod(place / "node", kind | 0o600, os.makedev(1, 3))
    assert not os.path.lexists(place / "node")


def test_N5__binding_a_socket__EPERM(thread):
    with socket.socket(socket.AF_UNIX) as s, fails(errno.EPERM):
        s.bind(str(thread / "socket"))


def test_N5__mknod_of_a_regular_file__makes_it(mnt, thread):
    os.mknod(thread / "000001-user.md", stat.S_IFREG | 0o640)
    assert stat.S_IMODE(os.stat(thread / "000001-user.md").st_mode) & 0o600 == 0o600
    assert read(thread / "000001-user.md") == b""
    with fails(errno.EEXIST):
        os.mknod(thread / "000001-user.md", stat.S_IFREG | 0o640)
    write(thread / "000001-user.md", b"text", os.O_WRONLY)
    mnt.remount()
    assert read(thread / "000001-user.md") == b"text"


@pytest.mark.parametrize("target", ["@user", "@new", "@transcript.jsonl", "@transcript.md", "@Bad"])
def test_N5__rename_onto_an_at_name__EPERM(anythread, target):
    write(anythread / "file", b"x")
    with fails(errno.EPERM):
        os.rename(anythread / "file", anythread / target)
    assert read(anythread / "file") == b"x"
    assert turns(anythread) == []


def test_N5__rename_noreplace__works(anymnt):
    thread = anymnt.thread()
    write(thread / "a", b"a")
    write(thread / "b", b"b")
    with fails(errno.EEXIST):
        renameat2(thread / "a", thread / "b", RENAME_NOREPLACE)
    assert (read(thread / "a"), read(thread / "b")) == (b"a", b"b")
    renameat2(thread / "a", thread / "c", RENAME_NOREPLACE)
    assert sorted(os.listdir(thread)) == ["b", "c", "thread.json"]
    with fails(errno.EEXIST):
        renameat2(thread / "b", thread / "thread.json", RENAME_NOREPLACE)
    anymnt.thread("other")
    with fails(errno.EEXIST):
        renameat2(thread, anymnt / "other", RENAME_NOREPLACE)
    renameat2(thread, anymnt / "third", RENAME_NOREPLACE)
    assert sorted(os.listdir(anymnt.path)) == ["other", "third"]


@pytest.mark.parametrize("flags", [RENAME_EXCHANGE, RENAME_WHITEOUT], ids=["exchange", "whiteout"])
def test_N5__rename_exchange_and_whiteout__EINVAL(anymnt, flags):
    one, two = anymnt.thread("one"), anymnt.thread("two")
    write(one / "a", b"a")
    write(one / "b", b"b")
    with fails(errno.EINVAL):
        renameat2(one / "a", one / "b", flags)
    with fails(errno.EINVAL):
        renameat2(one, two, flags)
    assert (read(one / "a"), read(one / "b")) == (b"a", b"b")


@pytest.mark.parametrize("mode", [0, 1, 3, 16], ids=["allocate", "keep-size", "punch", "zero"])
def test_N5__fallocate__EOPNOTSUPP(thread, mode):
    with opened(thread / "file", os.O_CREAT | os.O_RDWR) as fd:
        with fails(errno.EOPNOTSUPP):
            fallocate(fd, mode, 0, 4096)
        os.posix_fallocate(fd, 0, 5000)  # the C library writes zeros instead
        assert os.fstat(fd).st_size == 5000


@pytest.mark.parametrize("where", ["root", "thread"])
def test_N5__O_TMPFILE__EOPNOTSUPP(mnt, where):
    thread = mnt.thread()
    with fails(errno.EOPNOTSUPP):
        os.open(mnt.path if where == "root" else thread, os.O_TMPFILE | os.O_RDWR, 0o600)


def test_N5__unusual_calls__are_never_ENOSYS(anymnt):
    thread = anymnt.thread()
    write(thread / "file", b"x" * 5000)
    write(thread / "to", b"")
    with opened(thread / "file", os.O_RDWR) as fd, opened(thread / "to", os.O_RDWR) as to, opened(
        thread, os.O_RDONLY | os.O_DIRECTORY
    ) as folder, opened(anymnt.path, os.O_RDONLY | os.O_DIRECTORY) as root:
        calls = [
            (os.fsync, folder),
            (os.fdatasync, folder),
            (os.fsync, root),
            (os.statvfs, thread),
            (os.access, thread, os.W_OK),
            (os.copy_file_range, fd, to, 100),
            (os.lseek, fd, 0, os.SEEK_DATA),
            (os.lseek, fd, 0, os.SEEK_HOLE),
            (os.posix_fadvise, fd, 0, 0, os.POSIX_FADV_DONTNEED),
            (fcntl.ioctl, fd, 0x80086601, b"\0" * 8),  # FS_IOC_GETFLAGS
            (fcntl.ioctl, folder, 0x80086601, b"\0" * 8),
            (fcntl.flock, fd, fcntl.LOCK_EX),
            (fcntl.lockf, fd, fcntl.LOCK_EX),
            (os.readlink, thread / "file"),
            (os.getxattr, thread / "file", "security.capability"),
            (os.removexattr, thread / "file", "user.none"),
        ]
        for call, *arguments in calls:
            assert outcome(call, *arguments) != errno.ENOSYS, call
    assert outcome(fallocate, -1, 0, 0, 0) == errno.EBADF


# The tree


def test_tree__unlisted_names__answer_to_lookup_and_never_to_readdir(anymnt):
    thread = anymnt.thread()
    say(thread, "user", "hello")
    assert os.listdir(anymnt.path) == ["thread"]
    assert sorted(os.listdir(thread)) == ["000001-user.md", "thread.json"]
    for name in ("@user", "@assistant", "@system", "@tool", "@any-other_role2", "@transcript.md",
                 "@transcript.jsonl"):
        assert stat.S_ISREG(os.stat(thread / name).st_mode), name
    assert stat.S_ISDIR(os.stat(anymnt / ".turnfs").st_mode)
    assert sorted(os.listdir(anymnt.path)) == ["thread"]


# strict: whoever makes one of these takes it out of the list
@pytest.mark.parametrize("name", ["README.md", "health", "metrics", "config", "latest", "ledger.jsonl", "backup", "why",
                                  "expiring", "expired"])
def test_tree__view__is_there_and_listed_in_its_folder(mnt, name):
    say(mnt.thread(), "user", "x")
    found = os.stat(mnt / ".turnfs" / name)
    if name in ("backup", "why", "expiring", "expired"):
        assert stat.S_ISDIR(found.st_mode)
    else:
        assert stat.S_ISREG(found.st_mode)
        read(mnt / ".turnfs" / name)
    assert name in os.listdir(mnt / ".turnfs")


def test_tree__mkdir_of_the_views_name__EEXIST(mnt):
    with fails(errno.EEXIST):
        os.mkdir(mnt / ".turnfs")


def test_tree__latest__names_the_thread_that_changed_last(anymnt):
    one, two = anymnt.thread("one"), anymnt.thread("two")
    say(two, "user", "x")
    assert read(anymnt / ".turnfs" / "latest") == b"two\n"
    say(one, "user", "x")
    assert read(anymnt / ".turnfs" / "latest") == b"one\n"


def test_tree__scandir__tells_types_and_inodes(anymnt):
    thread = anymnt.thread()
    say(thread, "user", "x")
    for place in (anymnt.path, thread):
        for entry in os.scandir(place):
            found = os.lstat(entry.path)
            assert entry.inode() == found.st_ino
            assert entry.is_dir() == stat.S_ISDIR(found.st_mode)


def test_tree__dot_and_dotdot__are_listed_to_those_who_ask(thread):
    names = shell("ls -a", cwd=thread).stdout.split()
    assert names == [".", "..", "thread.json"]
    numbers = shell("ls -ai1 | head -1", cwd=thread).stdout.split()
    assert int(numbers[0]) == os.stat(thread).st_ino
