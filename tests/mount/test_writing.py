"""W1 to W5, W9 to W11: what writing files, removing and renaming them does. Streams: test_streams.py"""

import errno
import fcntl
import mmap
import multiprocessing
import os
import random
import shutil
import struct
import subprocess
import sys
import time

import pytest

from harness import (
    attributes,
    document,
    expires,
    fails,
    get_attribute,
    in_child,
    opened,
    outcome,
    parse_time,
    read,
    read_all,
    run,
    say,
    set_attribute,
    set_document,
    shell,
    turns,
    wait_until,
    write,
    write_all,
)

MIB = 1 << 20


def leave(*fds):
    """Closes descriptors of a mount that has died."""
    for fd in fds:
        outcome(os.close, fd)


def parallel(count, function, *arguments):
    """Runs function(i, *arguments) in `count` processes at once; returns what they return."""
    with multiprocessing.get_context("fork").Pool(count) as pool:
        return pool.starmap(function, [(i, *arguments) for i in range(count)], chunksize=1)


# W1


def test_W1__mkdir__makes_a_thread_with_the_default_ttl(anymnt):
    before = time.time()
    thread = anymnt.thread()
    after = time.time()
    assert os.listdir(anymnt.path) == ["thread"]
    assert document(thread)["ttl_seconds"] == 24 * 3600
    assert before + 86400 - 0.01 <= expires(thread) <= after + 86400 + 0.01


def test_W1__ttl_is_stored_with_the_thread__a_later_default_does_not_change_it(mount):
    mnt = mount(opts="ttl=3h")
    say(mnt.thread("old"), "user", "x")
    mnt.remount(opts="ttl=7d")
    say(mnt.thread("new"), "user", "x")
    say(mnt / "old", "user", "y")
    assert document(mnt / "old")["ttl_seconds"] == 3 * 3600
    assert document(mnt / "new")["ttl_seconds"] == 7 * 86400
    assert expires(mnt / "old") < time.time() + 3 * 3600 + 1


def test_W1__name_of_a_live_thread__EEXIST(anymnt):
    thread = anymnt.thread()
    say(thread, "user", "x")
    with fails(errno.EEXIST):
        os.mkdir(thread)
    assert turns(thread) == [("000001-user.md", b"x")]


def test_W1__many_make_the_same_thread__one_wins(mnt):
    results = parallel(8, make_folder, str(mnt / "race"))
    assert sorted(results) == [0] + [errno.EEXIST] * 7


def make_folder(_i, path):
    return outcome(os.mkdir, path)


# W2


def test_W2__pwrite_anywhere__as_posix_says(anymnt):
    """Random writes, truncations and reads, side by side with a byte array."""
    path = anymnt.thread() / "000001-user.md"
    rng = random.Random(7)
    model = bytearray()
    with opened(path, os.O_CREAT | os.O_RDWR) as fd:
        for _ in range(300):
            action = rng.choice(["write", "write", "read", "truncate", "append", "fsync"])
            offset = rng.randrange(0, 50000)
            if action == "write":
                data = rng.randbytes(rng.randrange(1, 9000))
                assert os.pwrite(fd, data, offset) == len(data)
                if offset > len(model):
                    model.extend(bytes(offset - len(model)))
                model[offset : offset + len(data)] = data
            elif action == "append":
                data = rng.randbytes(rng.randrange(1, 3000))
                write(path, data, os.O_WRONLY | os.O_APPEND)
                model += data
            elif action == "truncate":
                os.ftruncate(fd, offset)
                del model[offset:]
                model.extend(bytes(offset - len(model)))
            elif action == "fsync":
                os.fsync(fd)
            else:
                assert os.pread(fd, 7000, offset) == model[offset : offset + 7000]
            assert os.fstat(fd).st_size == len(model)
        assert read(path) == model
    assert read(path) == model
    assert os.stat(path).st_size == len(model)
    if anymnt.store != "memory:":
        anymnt.remount()
        assert read(path) == model


def test_W2__hole__reads_as_zeros(anythread):
    with opened(anythread / "f", os.O_CREAT | os.O_WRONLY) as fd:
        os.pwrite(fd, b"end", 100000)
    assert read(anythread / "f") == bytes(100000) + b"end"


def test_W2__append__goes_to_the_end_whoever_wrote_meanwhile(anythread):
    path = anythread / "000001-user.md"
    write(path, b"")
    flags = os.O_WRONLY | os.O_APPEND
    with opened(path, flags) as one, opened(path, flags) as two:
        for i in range(20):
            os.write(one, b"1%02d\n" % i)
            os.write(two, b"2%02d\n" % i)
            os.lseek(one, 0, os.SEEK_SET)
    expected = b"".join(b"1%02d\n2%02d\n" % (i, i) for i in range(20))
    assert read(path) == expected


def append_lines(i, path, count):
    with opened(path, os.O_WRONLY | os.O_APPEND) as fd:
        for j in range(count):
            os.write(fd, f"{i}:{j}\n".encode())


def test_W2__append_by_many_processes__loses_nothing(anythread):
    path = anythread / "log.txt"
    write(path, b"")
    parallel(6, append_lines, str(path), 50)
    lines = read(path).decode().splitlines()
    assert sorted(lines) == sorted(f"{i}:{j}" for i in range(6) for j in range(50))
    for i in range(6):
        mine = [line for line in lines if line.startswith(f"{i}:")]
        assert mine == [f"{i}:{j}" for j in range(50)], "in order"


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 10000])
def test_W2__truncate__cuts_and_extends(anythread, size):
    path = anythread / "000001-user.md"
    data = bytes(range(1, 251)) * 20  # 5000 bytes, no zero
    expected = data[:size] + bytes(max(0, size - len(data)))
    write(path, data)
    os.truncate(path, size)
    assert os.stat(path).st_size == size
    assert read(path) == expected
    write(path, data)
    with opened(path, os.O_RDWR) as fd:
        os.ftruncate(fd, size)
        assert os.fstat(fd).st_size == size
    assert read(path) == expected


def test_W2__O_TRUNC__empties_at_once_for_all_here(anythread):
    path = anythread / "000001-user.md"
    write(path, b"old")
    with opened(path, os.O_WRONLY | os.O_TRUNC) as fd:
        assert read(path) == b""
        assert os.stat(path).st_size == 0
        os.write(fd, b"new")
        assert read(path) == b"new"


def test_W2__O_TRUNC_on_a_reader__cuts_as_other_filesystems_do(anymnt, anythread):
    write(anythread / "notes.txt", b"long")
    with opened(anythread / "notes.txt", os.O_RDONLY | os.O_TRUNC) as fd:
        assert os.fstat(fd).st_size == os.stat(anythread / "notes.txt").st_size == 0
        assert read(anythread / "notes.txt") == b""
    assert os.stat(anythread / "notes.txt").st_size == 0
    write(anythread / "notes.txt", b"new", os.O_WRONLY)
    assert read(anythread / "notes.txt") == b"new"


def test_W2__rename_over_while_open__old_descriptor_reads_on(anythread):
    path = anythread / "000001-user.md"
    write(path, b"old content")
    write(anythread / "tmp", b"new")
    with opened(path) as fd:
        os.rename(anythread / "tmp", path)
        assert os.read(fd, 3) == b"old"
        assert read(path) == b"new"
        assert os.read(fd, 100) == b" content"
        os.fstat(fd)


def test_W2__rename_while_open_for_writing__what_follows_is_written_to_the_new_name(anythread):
    with opened(anythread / "draft", os.O_CREAT | os.O_WRONLY) as fd:
        os.write(fd, b"one ")
        os.rename(anythread / "draft", anythread / "000001-user.md")
        os.write(fd, b"two")
    assert turns(anythread) == [("000001-user.md", b"one two")]
    assert "draft" not in os.listdir(anythread)


def test_W2__unlink_while_open__readable_and_writable_until_closed(anymnt):
    thread = anymnt.thread()
    write(thread / "f", b"content")
    with opened(thread / "f", os.O_RDWR) as fd:
        os.unlink(thread / "f")
        assert os.listdir(thread) == ["thread.json"]
        assert os.pread(fd, 100, 0) == b"content"
        os.pwrite(fd, b"C", 0)
        assert os.pread(fd, 100, 0) == b"Content"
        assert os.fstat(fd).st_nlink == 0
        write(thread / "f", b"another")
        assert os.pread(fd, 100, 0) == b"Content"
    assert read(thread / "f") == b"another"


def test_W2__unlinked_before_close__does_not_come_back(mnt, thread):
    with opened(thread / "000001-user.md", os.O_CREAT | os.O_WRONLY) as fd:
        os.write(fd, b"x")
        os.unlink(thread / "000001-user.md")
    assert os.listdir(thread) == ["thread.json"]
    mnt.remount()
    assert os.listdir(thread) == ["thread.json"]


def test_W2__written_by_one_process__read_by_the_next(anythread):
    path = anythread / "000001-user.md"
    for i in range(20):
        write(path, f"{i} " * i)
        assert run("cat", path).stdout == f"{i} " * i
        run("sh", "-c", 'printf "%s" "$0" >> "$1"', f"+{i}", path)
        assert read(path) == (f"{i} " * i + f"+{i}").encode()
        assert os.stat(path).st_size == len(f"{i} " * i + f"+{i}")


def test_W2__written_and_not_closed__others_here_see_it(anythread):
    path = anythread / "000001-user.md"
    with opened(path, os.O_CREAT | os.O_WRONLY) as fd:
        assert os.path.exists(path)
        assert "000001-user.md" in os.listdir(anythread)
        os.write(fd, b"partial")
        assert run("cat", path).stdout == "partial"
        assert os.stat(path).st_size == 7
        os.write(fd, b" and more")
        assert run("cat", path).stdout == "partial and more"
    assert read(path) == b"partial and more"


def test_W2__close_of_role_has_returned__ls_stat_and_document_show_the_turn(anythread):
    for i in range(1, 30):
        name = f"{i:06d}-user.md"
        document(anythread), os.listdir(anythread)  # so that the kernel has them cached
        assert not os.path.exists(anythread / name)
        say(anythread, "user", "x" * i)
        assert os.stat(anythread / name).st_size == i
        assert name in os.listdir(anythread)
        assert name in document(anythread)["turns"]
        assert document(anythread)["turn_count"] == i


@pytest.mark.parametrize("way", ["stored by rename", "written over", "removed"])
def test_W2__changed_while_a_listing_goes_on__is_what_it_is_now(anymnt, anythread, way):
    """find -exec sed -i: what is listed after a change, from before it, must not be believed again."""
    names = [f"file-{i:04}" for i in range(600)]
    write(anythread / "@transcript.jsonl", '{"role":"user","content":"x"}\n', os.O_WRONLY)
    for name in names:
        write(anythread / name, b"old")
    changed = names[1::3]
    with os.scandir(anythread) as listing:
        next(listing)
        for name in changed:
            if way == "removed":
                os.unlink(anythread / name)
            elif way == "written over":
                write(anythread / name, b"longer")
            else:
                write(anythread / "new", b"longer")
                os.rename(anythread / "new", anythread / name)
        assert sum(1 for _ in listing) >= 600 - len(changed)
    for name in changed:
        assert os.path.exists(anythread / name) == (way != "removed")
        if way != "removed":
            assert (os.stat(anythread / name).st_size, read(anythread / name)) == (6, b"longer")
        else:
            write(anythread / name, b"again", os.O_WRONLY | os.O_CREAT | os.O_EXCL)


def test_W2__open_directory__lists_anew_after_rewind(anythread):
    with opened(anythread, os.O_RDONLY | os.O_DIRECTORY) as fd:
        assert os.listdir(fd) == ["thread.json"]
        say(anythread, "user", "x")
        assert sorted(os.listdir(fd)) == ["000001-user.md", "thread.json"]
        os.unlink(anythread / "000001-user.md")
        assert os.listdir(fd) == ["thread.json"]


LOCKER = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
(fcntl.flock if sys.argv[2] == "flock" else fcntl.lockf)(fd, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["flock", "fcntl"])
def test_W2__locks__hold_between_processes(anythread, kind):
    path = anythread / "lock"
    write(path, b"x")
    lock = fcntl.flock if kind == "flock" else fcntl.lockf
    with subprocess.Popen([sys.executable, "-c", LOCKER, path, kind], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        with opened(path, os.O_RDWR) as fd:
            with fails(errno.EAGAIN, errno.EACCES):
                lock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            other.stdin.close()
            other.wait(5)
            lock(fd, fcntl.LOCK_EX)
            lock(fd, fcntl.LOCK_UN)


def test_W2__byte_range_locks__hold_where_they_overlap(anythread):
    path = anythread / "lock"
    write(path, b"x" * 100)
    with opened(path, os.O_RDWR) as fd:
        fcntl.lockf(fd, fcntl.LOCK_EX, 10, 0)
        flock = lambda start: struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, start, 10, 0)

        def other():
            with opened(path, os.O_RDWR) as mine:
                with fails(errno.EAGAIN, errno.EACCES):
                    fcntl.fcntl(mine, fcntl.F_SETLK, flock(5))
                fcntl.fcntl(mine, fcntl.F_SETLK, flock(10))

        with in_child(other):
            pass


def test_W2__mapping__reads_and_writes_the_file(mnt, thread):
    path = thread / "000001-user.md"
    write(path, b"a" * 10000)
    with opened(path, os.O_RDWR) as fd:
        with mmap.mmap(fd, 10000) as mapping:
            assert mapping[9999:] == b"a"
            mapping[5000:5004] = b"MMAP"
            mapping.flush()
            assert read(path)[4998:5006] == b"aaMMAPaa"
    assert read(path) == b"a" * 5000 + b"MMAP" + b"a" * 4996
    mnt.remount()
    assert read(path) == b"a" * 5000 + b"MMAP" + b"a" * 4996


def test_W2__stored_through_a_mapping_before_close__survives_kill(mnt, thread):
    path = thread / "000001-user.md"
    write(path, b"a" * 10000)
    fd = os.open(path, os.O_RDWR)
    mapping = mmap.mmap(fd, 10000)
    mapping[0:4] = b"MMAP"
    mapping.flush()
    os.fsync(fd)
    mnt.kill9()
    mapping.close()
    leave(fd)
    mnt.remount()
    assert read(path) == b"MMAP" + b"a" * 9996


def test_W2__copy_file_range_and_sendfile__copy(anythread):
    data = os.urandom(300000)
    write(anythread / "from", data)
    with opened(anythread / "from") as source:
        with opened(anythread / "to", os.O_CREAT | os.O_WRONLY) as target:
            while os.copy_file_range(source, target, 1 << 20):
                pass
        with opened(anythread / "to2", os.O_CREAT | os.O_WRONLY) as target:
            offset = 0
            while sent := os.sendfile(target, source, offset, 1 << 20):
                offset += sent
    assert read(anythread / "to") == data
    assert read(anythread / "to2") == data


def test_W2__readers_beside_a_writer__see_whole_writes(anythread):
    """A reader never sees a file that no writer made (rename over it is one step)."""
    path = anythread / "000001-user.md"
    write(path, b"0" * 5000)

    def replace():
        for i in range(300):
            write(anythread / "tmp", bytes([48 + i % 10]) * (4000 + 100 * (i % 20)))
            os.rename(anythread / "tmp", path)

    with in_child(replace) as is_running:
        while is_running():
            data = read(path)
            assert len(set(data)) == 1 and len(data) >= 4000


# W3


def test_W3__close_of_a_duplicate__commits_what_was_written_so_far(mnt, thread):
    fd = os.open(thread / "000001-user.md", os.O_CREAT | os.O_WRONLY)
    os.write(fd, b"one ")
    os.close(os.dup(fd))
    os.write(fd, b"two ")
    os.close(os.dup(fd))
    os.write(fd, b"three")
    mnt.kill9()
    leave(fd)
    mnt.remount()
    assert read(thread / "000001-user.md") == b"one two "


def test_W3__subshell_of_two_commands__commits_after_each(mnt, thread):
    """(a; b) > f: each of the two closes its duplicate when it ends."""
    script = '(printf one; sh -c "printf two"; echo ready >&2; sleep 60; printf never) > 000001-user.md'
    with subprocess.Popen(["sh", "-c", script], cwd=thread, stderr=subprocess.PIPE) as process:
        assert process.stderr.readline() == b"ready\n"
        mnt.kill9()
        process.kill()
        run("pkill", "-P", process.pid, check=False)
    mnt.remount()
    assert read(thread / "000001-user.md") == b"onetwo"


def test_W3__close_before_anything_was_written__commits_nothing(mnt, thread):
    path = thread / "000001-user.md"
    write(path, b"old content")
    fd = os.open(path, os.O_WRONLY | os.O_TRUNC)
    os.close(os.dup(fd))
    mnt.kill9()
    leave(fd)
    mnt.remount()
    assert read(path) == b"old content"


def test_W3__written_and_neither_closed_nor_fsynced__a_kill_leaves_the_old_whole(mnt, thread):
    path = thread / "000001-user.md"
    write(path, b"old content")
    fd = os.open(path, os.O_RDWR)
    os.pwrite(fd, b"NEW", 0)
    mnt.kill9()
    leave(fd)
    mnt.remount()
    assert read(path) == b"old content"


def test_W3__fsync__commits_without_close(mnt, thread):
    path = thread / "000001-user.md"
    fd = os.open(path, os.O_CREAT | os.O_RDWR)
    os.write(fd, b"first")
    os.fsync(fd)
    os.write(fd, b" second")
    os.fdatasync(fd)
    os.write(fd, b" third")
    mnt.kill9()
    leave(fd)
    mnt.remount()
    assert read(path) == b"first second"


def test_W3__unchanged_file_opened_and_closed__is_not_committed_anew(anythread):
    path = anythread / "000001-user.md"
    write(path, b"x")
    before = os.stat(path), os.stat(anythread), expires(anythread)
    time.sleep(0.02)
    with opened(path, os.O_RDWR):
        pass
    with opened(path, os.O_WRONLY | os.O_APPEND):
        pass
    after = os.stat(path), os.stat(anythread), expires(anythread)
    for one, two in zip(before[:2], after[:2]):
        assert (one.st_mtime_ns, one.st_ctime_ns) == (two.st_mtime_ns, two.st_ctime_ns)
    assert before[2] == after[2]


def test_W3__descriptor_that_only_reads__closes_without_error(mount, workshop):
    mnt = mount(opts="max_file_size=1M")
    path = mnt.thread() / "000001-user.md"
    write(path, b"old")
    reader = os.open(path, os.O_RDONLY)
    writer = os.open(path, os.O_WRONLY)
    with fails(errno.EFBIG):
        os.pwrite(writer, b"x", 2 * MIB)
    os.close(reader)
    with fails(errno.EFBIG):
        os.close(writer)


def test_W3__refused_write__that_descriptor_commits_nothing_more_and_close_repeats_it(mount):
    mnt = mount(opts="max_file_size=1M")
    path = mnt.thread() / "000001-user.md"
    write(path, b"old")
    fd = os.open(path, os.O_RDWR)
    os.pwrite(fd, b"NEW", 0)
    with fails(errno.EFBIG):
        os.pwrite(fd, b"x", 2 * MIB)
    outcome(os.pwrite, fd, b"later", 0)
    with fails(errno.EFBIG):
        os.fsync(fd)
    with fails(errno.EFBIG):
        os.close(os.dup(fd))
    with fails(errno.EFBIG):
        os.close(fd)
    assert read(path) == b"old"
    write(path, b"another descriptor is free to write")
    mnt.remount()
    assert read(path) == b"another descriptor is free to write"


# W4


def test_W4__closed__survives_kill(mnt, thread):
    expected = []
    for i in range(1, 40):
        say(thread, "user", f"said {i}")
        expected.append((f"{i:06d}-user.md", f"said {i}".encode()))
    write(thread / "000050-tool.md", b"x" * 100000)
    expected.append(("000050-tool.md", b"x" * 100000))
    write(thread / "picture.png", bytes(range(256)))
    set_attribute(thread / "000001-user.md", "model", "m")
    os.chmod(thread / "000002-user.md", 0o640)
    os.utime(thread / "000003-user.md", ns=(10**18 + 1, 10**18 + 1))
    os.unlink(thread / "000004-user.md")
    os.rename(thread / "000005-user.md", thread / "000005-system.md")
    set_document(thread, {"title": "T"})
    mnt.kill9()
    mnt.remount()
    del expected[3]
    expected[3] = ("000005-system.md", b"said 5")
    assert turns(thread) == expected
    assert read(thread / "picture.png") == bytes(range(256))
    assert get_attribute(thread / "000001-user.md", "model") == b"m"
    assert os.stat(thread / "000002-user.md").st_mode & 0o777 == 0o640
    assert os.stat(thread / "000003-user.md").st_mtime_ns == 10**18 + 1
    assert document(thread)["title"] == "T"


def test_W4__mkdir_rename_and_rmdir__survive_kill(mnt):
    for name in ("one", "two", "three"):
        say(mnt.thread(name), "user", name)
    os.rename(mnt / "one", mnt / "uno")
    os.unlink(mnt / "two" / "000001-user.md")
    os.rmdir(mnt / "two")
    mnt.kill9()
    mnt.remount()
    assert sorted(os.listdir(mnt.path)) == ["three", "uno"]
    assert turns(mnt / "uno") == [("000001-user.md", b"one")]


def test_W4__sync_fsync__what_was_fsynced_survives_kill(mount):
    mnt = mount(opts="sync=fsync")
    thread = mnt.thread()
    fds = []
    for i in range(1, 20):
        fd = os.open(thread / "@user", os.O_WRONLY)
        os.write(fd, b"said %d" % i)
        os.fsync(fd)
        os.close(fd)
    mnt.kill9()
    leave(*fds)
    mnt.remount()
    assert [content for _, content in turns(thread)] == [b"said %d" % i for i in range(1, 20)]


def test_W4__sync_fsync__closed_survives_unmount(mount):
    mnt = mount(opts="sync=fsync")
    thread = mnt.thread()
    for i in range(1, 100):
        say(thread, "user", f"said {i}")
    mnt.terminate()
    mnt.start()
    assert [content for _, content in turns(thread)] == [b"said %d" % i for i in range(1, 100)]


def test_W4__made_and_left_empty__there_after_the_last_close(mnt, thread):
    write(thread / "empty", b"")
    os.mknod(thread / "node")
    write(thread / "000001-user.md", b"text")
    write(thread / "000001-user.md", b"")
    write(thread / "cut", b"text")
    os.truncate(thread / "cut", 0)
    assert os.stat(thread / "empty").st_size == 0
    mnt.remount()
    for name in ("empty", "node", "000001-user.md", "cut"):
        assert read(thread / name) == b"", name


def test_W4__stored_through_a_mapping_after_close__commits_at_the_last_release(mnt, thread):
    path = thread / "000001-user.md"
    write(path, b"a" * 5000)
    fd = os.open(path, os.O_RDWR)
    mapping = mmap.mmap(fd, 5000)
    os.close(fd)
    mapping[0:4] = b"MMAP"
    mapping.close()
    wait_until(lambda: read(path)[:4] == b"MMAP")
    mnt.remount()
    assert read(path) == b"MMAP" + b"a" * 4996


@pytest.mark.local_store
def test_W4__health__says_in_words_what_could_be_lost(mnt):
    text = read(mnt / ".turnfs" / "health").decode()
    assert "SQLite" in text or str(mnt.store) in text
    assert len(text.split()) > 5


# W5


def claim(i, path):
    try:
        fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except OSError as error:
        return error.errno
    os.write(fd, b"%d" % i)
    os.close(fd)
    return 0


def test_W5__many_create_one_turn_exclusively__one_gets_it(anythread):
    for number in range(1, 11):
        path = anythread / f"{number:06d}-user.md"
        results = parallel(6, claim, str(path))
        assert sorted(results) == [0] + [errno.EEXIST] * 5
        assert read(path) == b"%d" % results.index(0)


def claim_role(i, folder):
    return claim(i, os.path.join(folder, "000007-" + ["user", "assistant", "tool", "system"][i] + ".md"))


def test_W5__many_create_one_number_with_different_roles__one_gets_it(anythread):
    results = parallel(4, claim_role, str(anythread))
    assert sorted(results) == [0] + [errno.EEXIST] * 3
    assert [content for _, content in turns(anythread)] == [b"%d" % results.index(0)]


def test_W5__shell_noclobber__is_exclusive(anythread):
    shell("set -C; echo one > 000001-user.md", cwd=anythread)
    assert shell("set -C; echo two > 000001-user.md", cwd=anythread, check=False).returncode != 0
    assert read(anythread / "000001-user.md") == b"one\n"


@pytest.mark.local_store
def test_W5__claim__dies_with_its_mount(mnt, thread):
    fd = os.open(thread / "000007-user.md", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    mnt.kill9()
    leave(fd)
    mnt.remount()
    assert os.listdir(thread) == ["thread.json"]
    assert claim(1, thread / "000007-assistant.md") == 0


def test_W5__claim__dies_at_last_close_after_unlink(anythread):
    fd = os.open(anythread / "000007-user.md", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    os.unlink(anythread / "000007-user.md")
    os.close(fd)
    assert claim(1, anythread / "000007-user.md") == 0


# W9


def test_W9__max_file_size__EFBIG_and_the_old_stays(mount):
    mnt = mount(opts="max_file_size=1M")
    thread = mnt.thread()
    path = thread / "000001-user.md"
    write(path, b"x" * MIB)
    with fails(errno.EFBIG):
        write(path, b"y" * (MIB + 1))
    assert read(path) == b"x" * MIB
    with fails(errno.EFBIG):
        write(path, b"y", os.O_WRONLY | os.O_APPEND)
    with fails(errno.EFBIG):
        os.truncate(path, MIB + 1)
    with fails(errno.EFBIG):
        say(thread, "user", b"z" * (MIB + 1))
    with fails(errno.EFBIG):
        write(thread / "attachment", b"z" * (MIB + 1))
    assert read(path) == b"x" * MIB
    assert [name for name, _ in turns(thread)] == ["000001-user.md"]
    say(thread, "assistant", b"z" * MIB)
    mnt.remount()
    assert [len(content) for _, content in turns(thread)] == [MIB, MIB]


def test_W9__default_max_file_size__is_64_MiB(mnt, thread):
    with opened(thread / "big", os.O_CREAT | os.O_WRONLY) as fd:
        os.ftruncate(fd, 64 * MIB)
    assert os.stat(thread / "big").st_size == 64 * MIB
    with fails(errno.EFBIG):
        os.truncate(thread / "big", 64 * MIB + 1)
    assert os.stat(thread / "big").st_size == 64 * MIB
    fd = os.open(thread / "other", os.O_CREAT | os.O_WRONLY)
    with fails(errno.EFBIG):
        os.pwrite(fd, b"x", 64 * MIB)
    with fails(errno.EFBIG):
        os.close(fd)


def test_W9__last_turn_number_used__EDQUOT(anythread):
    write(anythread / "999998-user.md", b"x")
    say(anythread, "assistant", "the last")
    with fails(errno.EDQUOT):
        say(anythread, "user", "one too many")
    with fails(errno.EDQUOT):
        write(anythread / "@transcript.jsonl", b'{"role":"user","content":"x"}\n', os.O_WRONLY)
    assert turns(anythread) == [("999998-user.md", b"x"), ("999999-assistant.md", b"the last")]
    os.unlink(anythread / "999999-assistant.md")
    with fails(errno.EDQUOT):
        say(anythread, "user", "numbers do not come back")


@pytest.mark.skipif(
    os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") < 8 << 30, reason="too little memory"
)
def test_W9__too_much_unwritten_data__ENOMEM_and_all_goes_on(mount):
    mnt = mount(store="memory:")
    thread = mnt.thread()
    write(thread / "kept", b"old")
    block = bytes(4 * MIB)
    fds = []

    def fill():
        for i in range(72):  # 4.5 GiB
            fds.append(os.open(thread / f"big{i}", os.O_CREAT | os.O_WRONLY))
            for _ in range(16):
                write_all(fds[-1], block)

    try:
        with fails(errno.ENOMEM):
            fill()
    finally:
        for i in range(len(fds)):
            os.unlink(thread / f"big{i}")
        results = [outcome(os.close, fd) for fd in fds]
    assert set(results) <= {0, errno.ENOMEM}
    assert read(thread / "kept") == b"old"
    write(thread / "kept", b"new")
    assert read(thread / "kept") == b"new"


# W10


def test_W10__unlink_a_turn__leaves_a_gap(mnt, thread):
    for i in range(1, 6):
        say(thread, "user", str(i))
    os.unlink(thread / "000003-user.md")
    os.unlink(thread / "000005-user.md")
    expected = [(f"{i:06d}-user.md", str(i).encode()) for i in (1, 2, 4)]
    assert turns(thread) == expected
    say(thread, "user", "6")
    expected.append(("000006-user.md", b"6"))
    assert turns(thread) == expected
    mnt.remount()
    assert turns(thread) == expected
    write(thread / "000003-user.md", b"filled")
    say(thread, "user", "7")
    assert [n for n, _ in turns(thread)][-1] == "000007-user.md"


def test_W10__last_turn_unlinked__number_is_not_given_again_even_after_remount(mnt, thread):
    for i in range(1, 4):
        say(thread, "user", str(i))
    os.unlink(thread / "000003-user.md")
    mnt.remount()
    say(thread, "user", "4")
    assert [n for n, _ in turns(thread)] == ["000001-user.md", "000002-user.md", "000004-user.md"]


@pytest.mark.parametrize("name", ["000001-user.md", "attachment", ".scratch"])
def test_W10__rmdir_of_a_thread_with_files__ENOTEMPTY(anythread, name):
    write(anythread / name, b"x")
    with fails(errno.ENOTEMPTY):
        os.rmdir(anythread)
    os.unlink(anythread / name)
    os.rmdir(anythread)
    assert not anythread.exists()


def test_W10__document__does_not_count(anymnt, anythread):
    set_document(anythread, {"title": "T"})
    os.rmdir(anythread)
    assert os.listdir(anymnt.path) == []


@pytest.mark.parametrize("program", ["rm", "shutil"])
def test_W10__rm_r__works(anymnt, anythread, program):
    for i in range(40):
        say(anythread, "user", str(i))
    write(anythread / "a", b"x")
    if program == "rm":
        done = run("rm", "-r", anythread)
        assert done.stderr == ""
    else:
        shutil.rmtree(anythread)
    assert os.listdir(anymnt.path) == []
    assert outcome(os.stat, anythread) == errno.ENOENT


def test_W10__removed_thread__is_gone_after_remount_and_can_be_made_anew(mnt, thread):
    say(thread, "user", "old")
    set_document(thread, {"title": "old"})
    run("rm", "-r", thread)
    mnt.remount()
    assert os.listdir(mnt.path) == []
    mnt.thread()
    assert turns(thread) == []
    assert document(thread).get("title") is None
    say(thread, "user", "new")
    assert turns(thread) == [("000001-user.md", b"new")]


def test_W10__unlink_of_what_is_not_there__ENOENT(anymnt, anythread):
    with fails(errno.ENOENT):
        os.unlink(anythread / "000001-user.md")
    with fails(errno.ENOENT):
        os.rmdir(anymnt / "none")
    with fails(errno.EISDIR, errno.EPERM):
        os.unlink(anythread)
    write(anythread / "f", b"")
    with fails(errno.ENOTDIR):
        os.rmdir(anythread / "f")


# W11


def everything(thread):
    """All that one can tell of a thread and its files, but its name and what moves with a rename."""
    found = {}
    for name in sorted(os.listdir(thread)):
        if name == "thread.json":
            continue
        s = os.stat(thread / name)
        found[name] = (read(thread / name), attributes(thread / name), s.st_ino, s.st_mode, s.st_uid,
                       s.st_gid, s.st_size, s.st_mtime_ns)
    doc = document(thread)
    for key in ("id", "expires_at", "updated_at"):
        del doc[key]
    s = os.stat(thread)
    return found, doc, (s.st_ino, s.st_mode, s.st_uid, s.st_gid), get_attribute(thread, "turnfs.ttl")


def test_W11__rename_of_a_thread__keeps_everything_but_its_name(anymnt):
    thread = anymnt.thread("old")
    for i in range(5):
        say(thread, "user", f"turn {i}")
    os.unlink(thread / "000005-user.md")
    write(thread / "a.png", b"\0\1")
    set_attribute(thread / "000001-user.md", "model", "m")
    set_attribute(thread, "topic", "t")
    set_document(thread, {"title": "T", "turns": {"000003-user.md": {"n": 5}}, "unknown": [1]})
    set_attribute(thread, "turnfs.ttl", "7d")
    os.utime(thread / "000002-user.md", ns=(5, 5))
    os.chmod(thread, 0o750)
    before = everything(thread)
    os.rename(thread, anymnt / "new")
    assert os.listdir(anymnt.path) == ["new"]
    assert everything(anymnt / "new") == before
    assert document(anymnt / "new")["id"] == "new"
    say(anymnt / "new", "user", "next")
    assert "000006-user.md" in os.listdir(anymnt / "new")
    if anymnt.store != "memory:":
        os.unlink(anymnt / "new" / "000006-user.md")
        anymnt.remount()
        assert everything(anymnt / "new")[0] == before[0]
        assert os.listdir(anymnt.path) == ["new"]


def test_W11__rename_of_a_thread_with_open_files__they_go_on(anymnt):
    thread = anymnt.thread("old")
    with opened(thread / "000001-user.md", os.O_CREAT | os.O_RDWR) as fd:
        os.write(fd, b"before ")
        os.rename(thread, anymnt / "new")
        os.write(fd, b"after")
        assert os.pread(fd, 100, 0) == b"before after"
    assert turns(anymnt / "new") == [("000001-user.md", b"before after")]


def test_W11__rename_of_a_thread_onto_another__only_onto_an_empty_one(anymnt):
    one, two = anymnt.thread("one"), anymnt.thread("two")
    say(one, "user", "one")
    say(two, "user", "two")
    with fails(errno.ENOTEMPTY, errno.EEXIST):
        os.rename(one, two)
    assert turns(two) == [("000001-user.md", b"two")]
    os.unlink(two / "000001-user.md")
    os.rename(one, two)
    assert os.listdir(anymnt.path) == ["two"]
    assert turns(two) == [("000001-user.md", b"one")]
    assert document(two)["id"] == "two"


def test_W11__rename_of_a_file__within_and_between_threads(mnt):
    one, two = mnt.thread("one"), mnt.thread("two")
    say(one, "user", "text")
    set_attribute(one / "000001-user.md", "model", "m")
    os.utime(one / "000001-user.md", ns=(7, 7))
    ino = os.stat(one / "000001-user.md").st_ino
    write(one / "a.png", b"\0")
    os.rename(one / "000001-user.md", two / "000009-user.md")
    os.rename(one / "a.png", two / "b.png")
    assert os.listdir(one) == ["thread.json"]
    assert sorted(os.listdir(two)) == ["000009-user.md", "b.png", "thread.json"]
    for _ in "before and after a remount", "":
        s = os.stat(two / "000009-user.md")
        assert (read(two / "000009-user.md"), s.st_mtime_ns, s.st_ino) == (b"text", 7, ino)
        assert attributes(two / "000009-user.md") == {"model": b"m"}
        assert document(two)["turns"] == {"000009-user.md": {"model": "m"}}
        assert document(one)["turns"] == {}
        mnt.kill9()
        mnt.remount()
    say(two, "user", "next")
    assert "000010-user.md" in os.listdir(two)


def test_W11__rename_over_an_attachment__replaces_it(anymnt):
    one, two = anymnt.thread("one"), anymnt.thread("two")
    write(one / "a", b"new")
    write(two / "a", b"old")
    os.rename(one / "a", two / "a")
    assert read(two / "a") == b"new"
    assert os.listdir(one) == ["thread.json"]


def test_W11__rename_onto_itself__changes_nothing(anymnt, anythread):
    say(anythread, "user", "x")
    os.rename(anythread / "000001-user.md", anythread / "000001-user.md")
    os.rename(anythread, anythread)
    assert turns(anythread) == [("000001-user.md", b"x")]


def test_W11__rename_of_a_file_onto_a_directory_and_back__as_posix_says(anymnt):
    one, two = anymnt.thread("one"), anymnt.thread("two")
    write(one / "f", b"x")
    with fails(errno.EISDIR):
        os.rename(one / "f", two)
    with fails(errno.ENOTDIR):
        os.rename(two, one / "f")
    with fails(errno.ENOENT):
        os.rename(one / "none", one / "g")
    with fails(errno.ENOENT):
        os.rename(anymnt / "none", anymnt / "some")


def test_W11__mtimes__both_threads_have_changed(anymnt):
    one, two = anymnt.thread("one"), anymnt.thread("two")
    write(one / "f", b"x")
    before = os.stat(one).st_mtime_ns, os.stat(two).st_mtime_ns
    time.sleep(0.02)
    os.rename(one / "f", two / "f")
    assert os.stat(one).st_mtime_ns > before[0]
    assert os.stat(two).st_mtime_ns > before[1]
    assert parse_time(document(two)["updated_at"]) > before[1]


def test_W2__large_file__whole(anythread):
    data = os.urandom(1 << 20) * 20
    write(anythread / "big", data)
    with opened(anythread / "big") as fd:
        assert read_all(fd) == data
        assert os.lseek(fd, 0, os.SEEK_END) == len(data)
