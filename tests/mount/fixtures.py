"""The fixtures of tests/mount and tests/tools.

TURNFS_TEST_STORE=redis (or valkey) puts what is mounted without a STORE there: one server for the
session, a prefix for each test."""

import contextlib
import faulthandler
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import threading

import pytest

import harness

TIMEOUT = float(os.environ.get("TURNFS_TEST_TIMEOUT", "120"))
STORE = os.environ.get("TURNFS_TEST_STORE", "local")

# A shell that runs us in the background ignores it, and so would every daemon.
signal.signal(signal.SIGINT, signal.default_int_handler)

if "PYTEST_XDIST_WORKER" in os.environ:
    harness.take_mounts_of_ones_own()


def pytest_runtest_setup(item):
    """`local_store`: what the test says holds of the local store only."""
    if STORE != "local" and item.get_closest_marker("local_store"):
        pytest.skip("of the local store only")


@pytest.fixture(scope="session")
def store_server():
    """The server of TURNFS_TEST_STORE; None for the local store."""
    if STORE == "local":
        yield None
        return
    sys.path.append(str(pathlib.Path(__file__).parents[1] / "redis"))
    from server import Server  # pylint: disable=import-outside-toplevel

    with tempfile.TemporaryDirectory(prefix="turnfs-server-", dir=harness.SCRATCH) as folder:
        server = Server(pathlib.Path(folder) / "server", f"{STORE}-server", appendfsync="everysec")
        with contextlib.closing(server):
            yield server


@pytest.fixture
def workshop(request, store_server):
    """A folder of its own for one test, and the way to mount there. Everything is gone afterwards.

    A daemon that hangs is killed after a time, which ends the calls that wait for it."""
    if not harness.BINARY.exists():
        pytest.fail(f"{harness.BINARY} is not there: build it, or name another by TURNFS_BIN")
    if not os.path.exists("/dev/fuse"):
        pytest.fail("no /dev/fuse on this machine")
    shop = harness.Workshop()
    if store_server:
        shop.default_store = f"{store_server.url}?prefix={shop.base.name}:"
    marker = request.node.get_closest_marker("limit")
    limit = marker.args[0] if marker else TIMEOUT
    hung = threading.Event()

    def bite():
        hung.set()
        faulthandler.dump_traceback()
        shop.kill()

    watchdog = threading.Timer(limit, bite)
    watchdog.daemon = True
    watchdog.start()
    yield shop
    try:
        shop.close()
    finally:
        watchdog.cancel()
    assert not hung.is_set(), f"it hung: the daemon was killed after {limit} s"


@pytest.fixture
def mount(workshop):
    """mount(store=None, opts="", env=None) -> Mount"""
    return workshop.mount


@pytest.fixture
def mnt(mount):
    """A mount of a fresh local store."""
    return mount()


@pytest.fixture(params=["local", "memory"] if STORE == "local" else [STORE])
def anymnt(request, mount):
    """A mount of a fresh store of each kind."""
    return mount(store="memory:" if request.param == "memory" else None)


@pytest.fixture
def thread(mnt):
    """An empty thread on a fresh local store."""
    return mnt.thread()


@pytest.fixture
def anythread(anymnt):
    """An empty thread on a fresh store of each kind."""
    return anymnt.thread()


@pytest.fixture
def clock(workshop):
    """Moves the daemon's clock; needs a build with -Dtest_hooks=true."""
    if not harness.has_test_hooks():
        pytest.skip("built without -Dtest_hooks=true")
    return harness.Clock(workshop.clock_file)


@pytest.fixture
def program():
    """program("vim"): skips the test where the program is not installed."""

    def need(name):
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is not installed")
        return path

    return need


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
