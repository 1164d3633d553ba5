"""The same fixtures as tests/mount, and a daemon whose system calls can be made to fail."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "mount"))

import pytest  # noqa: E402

from fixtures import *  # noqa: E402,F401,F403
from shim import Shim, compile_shim  # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): kill the daemon after so long")
    config.addinivalue_line("markers", "local_store: holds of the local store only")


@pytest.fixture(scope="session")
def shim_library(tmp_path_factory):
    return compile_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def shim(workshop, shim_library):
    """The faults of one test's mounts: mount(env=shim.env)."""
    shim = Shim(shim_library, workshop.base)
    yield shim
    shim.close()
