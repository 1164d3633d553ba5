"""R6, W4: what the server's settings can lose is said, and what would lose silently is refused."""

import errno
import os
import re
import subprocess

import pytest

from across import health, seen, soon, state, timed
from harness import fails, opened, outcome, read, say, write_all

ONE = "000001-user.md"


def sentence(mnt, key):
    found = re.search(rf"^{key}: (.*)$", health(mnt), re.M)
    return found.group(1) if found else ""


def reply_of(workshop, *arguments):
    path = workshop.base / "refused"
    path.mkdir(exist_ok=True)
    done = workshop.refused(*arguments, path, timeout=20)
    assert not os.path.ismount(path)
    return done


# appendonly, appendfsync


def test_R6__appendfsync_always__health_is_ok_and_says_that_nothing_is_lost(servers, mount):
    mnt = mount(servers(appendfsync="always").url)
    assert state(mnt) == "ok", health(mnt)
    text = sentence(mnt, "durability")
    assert "always" in text and re.search(r"\bnothing\b|\bno turn|lose none|loses none", text), text


def test_R6__appendfsync_everysec__health_says_how_much_a_power_cut_can_lose(any_server, mount):
    any_server.set("appendfsync", "everysec")
    mnt = mount(any_server.url)
    text = sentence(mnt, "durability")
    assert "everysec" in text and re.search(r"power cut", text) and re.search(r"\b[12] s\b", text), text


def test_R6__appendfsync_no__health_says_so(servers, mount):
    mnt = mount(servers(appendfsync="no").url)
    assert "appendfsync" in health(mnt), health(mnt)
    assert state(mnt) == "degraded"


@pytest.mark.parametrize("save", ['""', "3600 1"], ids=["no save", "save"])
def test_R6__appendonly_no__degraded_named_in_log_and_health_with_the_command(servers, mount, save):
    mnt = mount(servers(appendonly="no", save=save).url)
    assert state(mnt) == "degraded"
    for text in (sentence(mnt, "problem") + sentence(mnt, "durability"), mnt.stderr):
        assert "appendonly" in text, text
    assert re.search(r"CONFIG SET appendonly yes", health(mnt)), health(mnt)


def test_R6__changed_while_mounted__named_within_a_minute(server, mount):
    if not os.environ.get("TURNFS_SLOW"):
        pytest.skip("takes a minute: TURNFS_SLOW=1 runs it")
    mnt = mount(server.url)
    assert state(mnt) == "ok"
    server.set("appendonly", "no")
    soon(lambda: state(mnt) == "degraded" and "appendonly" in health(mnt), timeout=75)
    soon(lambda: "appendonly" in mnt.stderr)
    server.set("appendonly", "yes")
    soon(lambda: state(mnt) == "ok", timeout=75)


def test_R6__config_forbidden__health_goes_by_INFO(server, mount):
    server.cli("ACL", "SETUSER", "app", "on", ">pw", "~*", "&*", "+@all", "-config")
    mnt = mount(f"redis+unix://app:pw@{server.path}")
    assert "appendonly" in health(mnt) or "everysec" in health(mnt) or "append" in health(mnt)
    assert outcome(say, mnt.thread(), "user", "x") == 0
    server2 = sentence(mnt, "durability")
    assert server2, health(mnt)


# Eviction


@pytest.mark.parametrize("policy", ["volatile-lru", "volatile-ttl", "allkeys-lru", "allkeys-random"])
def test_R6__evicting_policy__read_write_mount_is_refused_with_the_command_that_mends_it(servers, workshop, policy):
    server = servers(**{"maxmemory-policy": policy})
    done = reply_of(workshop, server.url)
    assert done.returncode == 1, done
    assert policy in done.stderr and "noeviction" in done.stderr and "allow_eviction" in done.stderr, done.stderr
    assert "CONFIG SET maxmemory-policy noeviction" in done.stderr
    assert len([line for line in done.stderr.splitlines() if "running as root" not in line]) == 1


def test_R6__evicting_policy__allow_eviction_and_ro_mount_and_health_names_it(servers, mount):
    server = servers(**{"maxmemory-policy": "volatile-lru"})
    mnt = mount(server.url, opts="allow_eviction")
    say(mnt.thread(), "user", "x")
    assert state(mnt) == "degraded" and "volatile-lru" in sentence(mnt, "problem"), health(mnt)
    assert "volatile-lru" in mnt.stderr
    server.set("maxmemory-policy", "noeviction")
    mnt.stop()
    server.set("maxmemory-policy", "allkeys-lru")
    reader = mount(server.url, opts="ro")
    assert read(reader / "thread" / ONE) == b"x"
    assert "allkeys-lru" in health(reader)
    assert "allkeys-lru" in reader.stderr, "who only reads is warned too: what is read may vanish"


# Replicas


@pytest.fixture
def replica(servers, server):
    """A replica of `server`, which has a port for it."""
    server.set("port", _port(server))
    other = servers(replicaof=f"127.0.0.1 {server.port}")
    soon(lambda: other.info("replication", "master_link_status") == "up", timeout=20)
    return other


def _port(server):
    from server import free_port  # pylint: disable=import-outside-toplevel

    server.port = free_port()
    return str(server.port)


def test_R6__server_is_a_replica__said_and_a_read_only_mount_shows_its_content(server, replica, mount, workshop):
    mnt = mount(server.url)
    say(mnt.thread(), "user", "x")
    soon(lambda: replica.cli("DBSIZE") == server.cli("DBSIZE"))
    done = reply_of(workshop, replica.url)
    assert done.returncode == 1 and "replica" in done.stderr, done
    reader = mount(replica.url, opts="ro")
    assert read(reader / "thread" / ONE) == b"x"
    assert "replica" in health(reader)
    say(mnt / "thread", "user", "followed")
    seen(reader / "thread" / "000002-user.md", "followed")
    with fails(errno.EROFS):
        os.mkdir(reader / "new")


def test_R6__replicas_1_and_one_is_there__commits_wait_for_it(server, replica, mount):
    mnt = mount(server.url, opts="replicas=1,timeout=1s")
    thread = mnt.thread()
    for i in range(20):
        say(thread, "user", f"{i}")
    assert server.commands().get("wait", 0) >= 20
    assert state(mnt) == "ok", health(mnt)
    replica.pause()
    result, seconds = timed(say, thread, "user", "not on the replica")
    assert result == errno.EIO and seconds < 2.5
    replica.resume()
    soon(lambda: outcome(say, thread, "user", "again") == 0, timeout=10)


def test_R6__replicas_1_and_none_is_there__close_fails_and_health_says_why(server, mount):
    mnt = mount(server.url, opts="replicas=1,timeout=500ms")
    soon(lambda: state(mnt) != "ok" and "replica" in health(mnt), health(mnt))
    assert outcome(os.mkdir, mnt / "thread") in (0, errno.EIO)
    assert outcome(say, mnt / "thread", "user", "x") == errno.EIO


# fsync


def test_W4__fsync_on_a_server_with_WAITAOF__waits_for_the_disk(servers, mount):
    server = servers("valkey-server")
    mnt = mount(server.url)
    thread = mnt.thread()
    with opened(thread / "@user", os.O_WRONLY) as fd:
        write_all(fd, b"x")
        os.fsync(fd)
        assert server.commands().get("waitaof", 0) >= 1
        assert server.info("persistence", "aof_pending_bio_fsync") == 0
    assert outcome(say, thread, "user", "y") == 0


def test_W4__fsync_when_WAITAOF_is_not_met__fails(servers, mount):
    """A server whose AOF is written, and never synced: appendfsync no and a kernel that takes its time."""
    server = servers("valkey-server", appendfsync="no")
    mnt = mount(server.url, opts="timeout=1s")
    thread = mnt.thread()
    fd = os.open(thread / "@user", os.O_WRONLY)
    write_all(fd, b"x")
    result, seconds = timed(os.fsync, fd)
    assert seconds < 3
    if result == 0:
        assert server.commands().get("waitaof", 0) >= 1
        pytest.skip("this server acknowledges WAITAOF without a sync")
    assert result == errno.EIO
    outcome(os.close, fd)


def test_W4__fsync_without_an_aof__health_says_what_it_is_worth(servers, mount):
    mnt = mount(servers("valkey-server", appendonly="no").url)
    thread = mnt.thread()
    with opened(thread / "@user", os.O_WRONLY) as fd:
        write_all(fd, b"x")
        os.fsync(fd)
    assert state(mnt) == "degraded" and "appendonly" in health(mnt)


# AOF and RDB that fail


def fail_to_save(server):
    """dump.rdb cannot be put in its place: a directory has it. (A mode would not stop root.)"""
    (server.data / "dump.rdb").mkdir()
    server.set("save", "3600 1")
    server.cli("BGSAVE")
    soon(lambda: server.info("persistence", "rdb_last_bgsave_status") == "err", timeout=10)


def test_R6__saving_fails__named_in_health_writes_are_ENOSPC_until_it_is_mended(servers, mount):
    server = servers(appendonly="no")
    mnt = mount(server.url)
    thread = mnt.thread()
    say(thread, "user", "before")
    fail_to_save(server)
    with fails(errno.ENOSPC):
        say(thread, "user", "refused")
    assert read(thread / ONE) == b"before"
    soon(lambda: state(mnt) == "failed", health(mnt))
    assert re.search(r"RDB|BGSAVE|bgsave|snapshot|save", health(mnt)), health(mnt)
    (server.data / "dump.rdb").rmdir()
    server.cli("SAVE")
    soon(lambda: outcome(say, thread, "user", "after") == 0, timeout=10)
    assert len(os.listdir(thread)) == 3


def test_R6__disk_of_the_aof_full__ENOSPC_named_in_health_and_goes_on_when_there_is_room(servers, mount, workshop):
    small = workshop.base / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", small], check=True)
    workshop.cleanups.insert(0, lambda: subprocess.run(["umount", "-l", small], check=True))
    server = servers(appendonly="no", appendfsync="everysec")  # with "always" it would end itself
    server.set("dir", str(small))
    server.set("appendonly", "yes")
    soon(lambda: server.info("persistence", "aof_last_bgrewrite_status") == "ok"
         and not server.info("persistence", "aof_rewrite_in_progress"), timeout=10)
    mnt = mount(server.url)
    thread = mnt.thread()
    say(thread, "user", "before")
    outcome((small / "filler").write_bytes, b"x" * (8 << 20))

    def full():
        return outcome(say, thread, "user", "y" * 5000) == errno.ENOSPC

    soon(full, "ENOSPC", timeout=10)
    assert read(thread / ONE) == b"before"
    soon(lambda: state(mnt) != "ok" and re.search("AOF|append", health(mnt)), health(mnt))
    (small / "filler").unlink()
    soon(lambda: outcome(say, thread, "user", "after") == 0, timeout=10)
