"""S2 to S4: passwords, servers that lie, and what goes over a network in the clear."""

import errno
import os
import re
import shlex
import time

import pytest

from across import health, seen, soon, timed, works
from harness import BINARY, ROOT, outcome, read, run, say, turns, wait_until, write
from liar import Liar
from test_cli import cli, daemon_pid  # noqa: F401
from test_cli_secrets import everything

SECRET = "kennwort"
ONE = "000001-user.md"


def acl_of(name):
    """The words of the ACL SETUSER command in a page of docs/."""
    text = (ROOT / "docs" / name).read_text()
    command = re.search(r"^redis-cli (ACL SETUSER turnfs .*?[^\\])$", text, re.M | re.S)[1]
    return [word.replace("PASSWORD", SECRET) for word in shlex.split(command.replace("\\\n", ""))]


@pytest.mark.parametrize("page", ["redis-schema.md", "chat-servers.md"])
def test_S4__a_user_with_the_acl_of_the_docs__can_all_that_a_mount_does(servers, mount, page):
    server = servers()
    if server.cli("CONFIG", "GET", "acl-pubsub-default") == ["acl-pubsub-default", "allchannels"]:
        server.cli("CONFIG", "SET", "acl-pubsub-default", "resetchannels")  # as from Redis 7 on
    server.cli(*acl_of(page))
    zen = page == "chat-servers.md"
    mnt = mount(f"redis+unix://turnfs:{SECRET}@{server.path}", opts="layout=zen" if zen else "")
    thread = mnt.thread("03bb338d-65fb-4285-92b2-d830a32509d7")
    say(thread, "user", "x")
    write(thread / "attached.txt", "y")
    os.utime(thread)
    os.setxattr(thread, "user.turnfs.ttl", b"1h")
    assert turns(thread) == [(ONE, b"x")] and read(thread / "attached.txt") == b"y"
    with server.client() as client:  # what another does is told
        client.flushall() if not zen else client.delete(f"thread:{thread.name}")
    soon(lambda: not os.path.exists(thread) if zen else why_is_lost(mnt, thread.name))
    assert "forbids" not in mnt.stderr, mnt.stderr


def why_is_lost(mnt, name):
    return b"was lost by the store" in read(mnt / ".turnfs" / "why" / name)


# S2


@pytest.fixture
def guarded(servers):
    """A server with a password and with a user of its own password."""
    server = servers(port=True, requirepass=SECRET)
    server.cli("ACL", "SETUSER", "app", "on", f">{SECRET}2", "~*", "&*", "+@all")
    return server


def urls(server):
    return {
        "argument": f"redis+unix://:{SECRET}@{server.path}",
        "user": f"redis+unix://app:{SECRET}2@{server.path}",
        "tcp": f"redis://:{SECRET}@127.0.0.1:{server.port}/0",
        "tcp and user": f"redis://app:{SECRET}2@127.0.0.1:{server.port}/0",
        "encoded": f"redis://:%6bennwort@127.0.0.1:{server.port}/0",
    }


@pytest.mark.parametrize("form", ["argument", "user", "tcp", "tcp and user", "encoded"])
def test_S2__password_in_the_url__works_and_shows_nowhere(guarded, mount, form):
    mnt = mount(urls(guarded)[form])
    say(mnt.thread(), "user", "x")
    shown = everything(mnt.pid)
    with open(f"/proc/{mnt.pid}/mountinfo", "rb") as f:
        shown += f.read()
    for name in ("config", "health", "metrics", "README.md", "why/nobody", "ledger.jsonl"):
        shown += read(mnt / ".turnfs" / name)
    shown += mnt.stderr.encode()
    shown += run(BINARY, "mount").stdout.encode() + run(BINARY, "status", mnt.path, check=False).stdout.encode()
    assert SECRET.encode() not in shown and b"%6bennwort" not in shown
    # The server goes away, comes back, and changes its password: nothing of that tells it either.
    guarded.disconnect_all()
    guarded.cli("ACL", "SETUSER", "app", "resetpass", ">another")
    guarded.set("requirepass", "another")
    guarded.password = "another"
    guarded.disconnect_all()
    outcome(say, mnt / "thread", "user", "y")
    assert SECRET not in mnt.stderr and "another" not in mnt.stderr


def test_S2__REDIS_URL_with_a_password__works_and_shows_nowhere(guarded, mount):
    mnt = mount(store="", env={"REDIS_URL": urls(guarded)["tcp"]})
    say(mnt.thread(), "user", "x")
    assert SECRET.encode() not in everything(mnt.pid)
    assert SECRET not in mnt.stderr and SECRET.encode() not in read(mnt / ".turnfs" / "config")
    soon(lambda: guarded.keys("thread"))


def test_S2__background_mount__no_process_shows_the_password(guarded, cli):  # noqa: F811
    path = cli.folder()
    for url in (urls(guarded)["argument"], urls(guarded)["tcp"]):
        done = cli.mount(url, path)
        assert SECRET not in done.stdout + done.stderr
        assert SECRET.encode() not in everything(daemon_pid(path))
        assert cli("umount", path).returncode == 0


# S3


def frame(text):
    return f"${len(text)}\r\n{text}\r\n".encode()


LIES = {
    "noise": b"\x00\xff\xfeHTTP/1.1 200 OK\r\n\r\n",
    "absurd bulk": b"$9223372036854775807\r\n",
    "absurd array": b"*2147483647\r\n",
    "negative": b"*-5\r\n$-7\r\n",
    "deep nesting": b"*1\r\n" * 100,
    "bad number": b":12x4\r\n",
    "wrong type": b":1\r\n",
    "ok to all": b"+OK\r\n",
    "nil to all": b"$-1\r\n",
    "empty array": b"*0\r\n",
    "unheard-of error": b"-WHATEVER it is\r\n",
    "never ends": b"$100\r\nhalf",
    "info without lines": frame("x" * 1000),
    "long line": b"+" + b"x" * 200_000,
}


@pytest.mark.parametrize("lie", LIES)
def test_S3__false_server_at_mount__exit_status_1_within_the_timeout(workshop, lie):
    liar = Liar(workshop.base / "liar.sock", lambda request: LIES[lie])
    workshop.cleanups.append(liar.close)
    path = workshop.base / "m"
    path.mkdir()
    begun = time.monotonic()
    done = workshop.refused("-o", "timeout=1s", liar.url, path, timeout=20)
    assert done.returncode == 1, done
    assert time.monotonic() - begun < 4 and len(done.stderr) < 2000
    assert liar.asked > 0


@pytest.mark.parametrize("lie", LIES)
def test_S3__server_begins_to_lie__EIO_and_the_mount_goes_on_when_it_stops(server, mount, proxies, lie):
    proxy = proxies(server)
    mnt = mount(proxy.url, opts="timeout=500ms")
    thread = mnt.thread()
    say(thread, "user", "true")
    proxy.on_reply = lambda _, data: LIES[lie]
    for call in (lambda: read(thread / "@transcript.jsonl"), lambda: os.listdir(thread), lambda: say(thread, "user", "y"),
                 lambda: os.stat(mnt / "unheard-of"), lambda: os.listdir(mnt / ".turnfs" / "expired"),
                 lambda: os.mkdir(mnt / "new")):
        result, seconds = timed(call)
        assert seconds < 2.5
        assert mnt.alive
        assert result in (0, errno.EIO, errno.ETIMEDOUT, errno.ENOENT), errno.errorcode[result]
    proxy.heal()
    proxy.cut()
    soon(lambda: works(thread), timeout=8)
    assert turns(thread)[0] == (ONE, b"true")


def test_S3__threads_index_with_names_that_are_none__never_reach_the_kernel_as_they_are(server, mount):
    """N4: whatever is in the store, readdir gives names that can be looked up."""
    mnt = mount(server.url)
    mnt.thread("good")
    for key in server.keys():
        kind = server.cli("TYPE", key)
        kind = kind.decode() if isinstance(kind, bytes) else kind
        for name in (b"../evil", b"a/b", b"\xff\xfe", b".hidden", b"@user", b"x" * 300, b""):
            if kind == "zset" and b"{" not in key:
                server.cli("ZADD", key, 1, name)
            elif kind == "hash" and b"{" not in key:
                server.cli("HSET", key, name, name)
    server.disconnect_all()
    soon(lambda: works(mnt / "good"), timeout=5)
    assert outcome(os.listdir, mnt.path) in (0, errno.EIO)
    if outcome(os.listdir, mnt.path) == 0:
        for name in os.listdir(mnt.path):
            assert "/" not in name and len(os.fsencode(name)) <= 255 and name[0] not in ".@"
    for name in ("../evil", "a", ".hidden"):
        assert outcome(os.stat, mnt / name / "thread.json") != 0
    assert works(mnt / "good") and mnt.alive


# S4


def has_tls():
    return "libssl" in run("ldd", BINARY).stdout


def test_S4__plain_redis_to_a_host_that_is_not_loopback__is_warned_of(workshop):
    """192.0.2.1 is nobody's (RFC 5737); here it is this machine's, in a network namespace of the test's own."""
    path = workshop.base / "m"
    path.mkdir()
    script = f"""set -e
        ip link set lo up
        ip addr add 192.0.2.1/32 dev lo
        redis-server --bind 192.0.2.1 --port 6379 --protected-mode no --save '' --dir {workshop.base} >/dev/null &
        server=$!
        trap 'kill $server' EXIT
        until redis-cli -h 192.0.2.1 ping >/dev/null 2>&1; do sleep 0.05; done
        {BINARY} mount redis://192.0.2.1:6379 {path} >/dev/null
        {BINARY} umount {path}"""
    done = run("unshare", "--net", "sh", "-c", script, env=workshop.environment(), timeout=30)
    warning = [line for line in done.stderr.splitlines() if "192.0.2.1" in line and "in the clear" in line]
    assert len(warning) == 1 and "warning" in warning[0] and "rediss://" in warning[0], done.stderr


def test_S4__loopback_and_unix_socket__no_warning(servers, mount):
    server = servers(port=True)
    for url in (server.url, server.tcp_url, f"redis://localhost:{server.port}"):
        mnt = mount(url)
        assert "rediss" not in mnt.stderr, mnt.stderr
        mnt.stop()


def make_certificates(folder):
    """A CA, and certificates for localhost by it and for another host by it."""
    ssl = lambda *args: run("openssl", *args, cwd=folder)
    ssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Test CA",
        "-keyout", "ca.key", "-out", "ca.crt")
    for name in ("localhost", "elsewhere.example"):
        ssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
            "-out", f"{name}.csr")
        (folder / "ext").write_text(f"subjectAltName=DNS:{name}\n")
        ssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-out", f"{name}.crt", "-extfile", "ext")


@pytest.mark.parametrize("case", ["good", "another host", "unknown CA"])
def test_S4__rediss__chain_and_host_name_are_verified_or_it_says_that_it_cannot(servers, workshop, mount, program, case):
    program("openssl")
    folder = workshop.base / "tls"
    folder.mkdir()
    make_certificates(folder)
    name = "elsewhere.example" if case == "another host" else "localhost"
    try:
        server = servers(**{"tls-port": _free(), "tls-cert-file": folder / f"{name}.crt",
                            "tls-key-file": folder / f"{name}.key", "tls-ca-cert-file": folder / "ca.crt",
                            "tls-auth-clients": "no"})
    except AssertionError:
        pytest.skip("this server was built without TLS")
    url = f"rediss://localhost:{server.config['tls-port']}"
    env = {} if case == "unknown CA" else {"SSL_CERT_FILE": str(folder / "ca.crt")}
    path = workshop.base / "m"
    path.mkdir()
    if case == "good" and has_tls():
        mnt = mount(url, env=env)
        say(mnt.thread(), "user", "x")
        assert turns(mnt / "thread") == [(ONE, b"x")]
        return
    done = workshop.refused("-o", "timeout=2s", url, path, env=env, timeout=20)
    assert done.returncode in (1, 2), done
    assert "TLS" in done.stderr or "certificate" in done.stderr, done.stderr
    assert not os.path.ismount(path)


def _free():
    from server import free_port  # pylint: disable=import-outside-toplevel

    return free_port()


def test_S4__rediss__nothing_is_sent_in_the_clear(workshop):
    liar = Liar(None, lambda request: b"+OK\r\n")
    workshop.cleanups.append(liar.close)
    path = workshop.base / "m"
    path.mkdir()
    done = workshop.refused("-o", "timeout=1s", f"rediss://:{SECRET}@127.0.0.1:{liar.port}", path, timeout=10)
    assert done.returncode in (1, 2) and SECRET not in done.stderr
    assert SECRET.encode() not in liar.heard and b"AUTH" not in liar.heard
    assert liar.heard[:1] in (b"", b"\x16"), "a handshake of TLS, or nothing"


def test_S2__health_and_log_after_faults__no_turn_text(server, mount):
    mnt = mount(server.url, opts="timeout=300ms")
    thread = mnt.thread()
    say(thread, "user", "private words")
    server.kill9()
    outcome(say, thread, "user", "private words")
    outcome(os.listdir, thread)
    server.start()
    wait_until(lambda: works(thread, "private words"), 8)
    seen(thread / ONE)
    assert "private words" not in mnt.stderr + health(mnt)
