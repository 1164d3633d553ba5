"""S2: a password never shows, neither in what is printed nor in what other processes can read."""

import os
import subprocess

import pytest

from harness import BINARY, mounts_on, read
from test_cli import cli, config, daemon_pid, one_line  # noqa: F401

SECRET = "geheim"
URL = f"redis://:{SECRET}@127.0.0.1:1/0"


def everything(pid):
    """What ps, /proc/mounts and the like tell of a process."""
    text = subprocess.run(["ps", "axeww"], capture_output=True, check=True).stdout
    for name in ("cmdline", "environ", "mounts", "comm"):
        with open(f"/proc/{pid}/{name}", "rb") as f:
            text += f.read()
    return text


@pytest.mark.parametrize(
    "url",
    [
        URL,
        f"rediss://user:{SECRET}@127.0.0.1:1/0",
        f"redis://{SECRET}@127.0.0.1:1/0",
        f"redis://u:?{SECRET}@127.0.0.1:1/0",
        f"redis://u:a/{SECRET}@127.0.0.1:1/0",
        f"redis://127.0.0.1:1/0?password={SECRET}",
        f"radish://u:{SECRET}@127.0.0.1:1/0",
    ],
)
def test_S2__a_store_that_fails__its_password_is_not_printed(cli, url):  # noqa: F811
    mnt = cli.folder()
    for done in (
        cli("mount", url, mnt),
        cli("mount", mnt, env={"REDIS_URL": url}),
        cli("mount", "-f", mnt, env={"REDIS_URL": url}),
        cli("mount", url),
        cli("mount", mnt, url),
        cli("mount", "a", "b", url),
        cli("mount", "-o", url, "memory:", mnt),
        cli("mount", f"--{url}", "memory:", mnt),
        cli("list", url),
        cli("umount", url),
        cli("list", "a", url),
        cli(url),
    ):
        assert done.returncode in (1, 2, 4), done
        assert SECRET not in done.stdout + done.stderr
    assert not mounts_on(mnt)


def test_S2__redis_url_of_a_running_mount__shows_nowhere(cli, mount):  # noqa: F811
    mnt = mount(store="memory:", env={"REDIS_URL": URL})
    assert SECRET.encode() not in everything(mnt.pid)
    for name in ("config", "health"):
        assert SECRET.encode() not in read(mnt / ".turnfs" / name)
    assert SECRET not in mnt.stderr


def test_S2__an_argument_with_a_password__is_overwritten_for_ps(cli):  # noqa: F811
    """The path of a local store that looks like a URL, since such a mount goes on running."""
    folder = cli.base / "x:" / f":{SECRET}@host"
    folder.mkdir(parents=True, mode=0o700)
    mnt = cli.folder()
    cli.mount(f"{cli.base}/x://:{SECRET}@host/store.db", mnt)
    pid = daemon_pid(mnt)
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        assert SECRET.encode() not in f.read()
    assert (folder / "store.db").exists()


def test_S2__core_dumps__are_off(cli):  # noqa: F811
    mnt = cli.folder()
    cli.mount("memory:", mnt)
    with open(f"/proc/{daemon_pid(mnt)}/limits", encoding="ascii") as f:
        line = next(line for line in f if line.startswith("Max core file size"))
    assert line.split()[4:6] == ["0", "0"]


def test_S2__env_file_that_cannot_be_parsed__its_value_is_not_printed(cli):  # noqa: F811
    (cli.base / "env").write_text(f'\nREDIS_URL="redis://:{SECRET}@h\n')
    line = one_line(cli("mount", "--env-file", cli.base / "env", cli.folder()), 2, "line 2")
    assert SECRET not in line
