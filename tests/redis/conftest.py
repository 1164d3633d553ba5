"""The fixtures of tests/mount, and servers, proxies and several mounts of one server."""

import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "mount"))

import pytest  # noqa: E402

from fixtures import *  # noqa: E402,F401,F403
from proxy import Proxy  # noqa: E402
from server import PROGRAMS, Server  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): kill the daemon after so long")
    config.addinivalue_line("markers", "local_store: holds of the local store only")


def need(program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


@pytest.fixture
def servers(workshop):
    """servers(program="redis-server", port=False, **config) -> Server; they end after the mounts."""
    made = []

    def start(program="redis-server", **config):
        need(program)
        server = Server(workshop.base / f"server{len(made)}", program, **config)
        made.append(server)
        workshop.cleanups.append(server.close)
        return server

    return start


@pytest.fixture
def server(servers):
    return servers()


@pytest.fixture(params=PROGRAMS)
def any_server(request, servers):
    """A server of each kind that is installed."""
    return servers(request.param)


@pytest.fixture
def proxies(workshop):
    """proxies(server) -> Proxy"""
    made = []

    def start(server):
        proxy = Proxy(workshop.base / f"proxy{len(made)}.sock", server)
        made.append(proxy)
        workshop.cleanups.append(proxy.close)
        return proxy

    return start


@pytest.fixture
def pair(server, mount):
    """Two mounts of one server: a, b."""
    return mount(server.url), mount(server.url)


@pytest.fixture
def any_pair(any_server, mount):
    """Two mounts of one server of each kind."""
    return mount(any_server.url), mount(any_server.url)


@pytest.fixture
def rmnt(server, mount):
    """One mount of a Redis server."""
    return mount(server.url)
