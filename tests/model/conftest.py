"""Tests that make up their operations: the harness is that of tests/mount."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "mount"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))

from fixtures import *  # noqa: E402,F401,F403


def pytest_configure(config):
    config.addinivalue_line("markers", "limit(seconds): kill the daemon after so long")
    config.addinivalue_line("markers", "local_store: holds of the local store only")
