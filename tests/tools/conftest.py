"""The same fixtures as tests/mount."""

import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "mount"))

pytest.register_assert_rewrite("talk")

from fixtures import *  # noqa: E402,F401,F403


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): kill the daemon after so long")
    config.addinivalue_line("markers", "local_store: holds of the local store only")
    config.addinivalue_line("markers", "said(regex): what the daemon may say on stderr besides the usual")


# What every mount says. Anything else a tool has made it say, and no tool should.
USUAL = re.compile(r"""turnfs:\ (
    warning:\ running\ as\ root:.* | .*\ is\ on\ .* | threads\ expire\ .*
)""", re.VERBOSE)


@pytest.fixture(autouse=True)
def daemon_says_nothing(request, workshop):
    """Whatever a program does, the daemon has nothing to complain of."""
    yield
    marker = request.node.get_closest_marker("said")
    for mount in workshop.mounts:
        mount.close()
        lines = [line for line in mount.stderr.splitlines() if not USUAL.fullmatch(line)]
        lines = [line for line in lines if not (marker and re.search(marker.args[0], line))]
        assert lines == [], mount.stderr
