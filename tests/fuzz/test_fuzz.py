"""Each fuzz target for some seconds, for CI; see README. TURNFS_FUZZ_SECONDS=N, 2 by default."""

import os
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
SECONDS = os.environ.get("TURNFS_FUZZ_SECONDS", "2")
NAMES = sorted(path.stem[5:] for path in HERE.glob("fuzz_*.c"))


@pytest.mark.parametrize("name", NAMES)
def test_S3__fuzzing__finds_nothing(name):
    if not shutil.which("clang-14"):
        pytest.skip("clang-14 is not installed")
    done = subprocess.run([HERE / "run", SECONDS, name], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-10000:] + done.stderr[-10000:]
