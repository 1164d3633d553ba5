"""`meson install`, and what a system does with it: man, mount(8) with fstab, systemd, completion."""

import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess

import pytest

from fixtures import needs_root
from harness import BINARY, ROOT, mounts_on, run, wait_until

BUILD = BINARY.parents[1]
PAGES = {"turnfs.1": "man1", "turnfs.5": "man5", "mount.turnfs.8": "man8"}


def install(destdir):
    """Installs what is built already; nothing is compiled here."""
    if not (BUILD / "build.ninja").exists():
        pytest.skip(f"{BUILD} is no build directory")
    prefix = subprocess.run(
        ["meson", "introspect", "--buildoptions", str(BUILD)], capture_output=True, text=True, check=True
    ).stdout
    prefix = re.search(r'"name": "prefix", "value": "([^"]*)"', prefix)[1]
    run("meson", "install", "--no-rebuild", "--quiet", "-C", BUILD, "--destdir", destdir)
    return pathlib.Path(destdir) / prefix.lstrip("/")


@pytest.fixture
def installed(workshop):
    """The prefix below a temporary root."""
    return install(workshop.base / "root")


def files_below(top):
    return {str(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir()}


def test_C3__meson_install__puts_everything_where_it_belongs(installed):
    wanted = {
        "bin/turnfs",
        "sbin/mount.turnfs",
        "lib/systemd/system/turnfs@.service",
        "lib/systemd/user/turnfs.service",
        "share/bash-completion/completions/turnfs",
        "share/doc/turnfs/README.md",
        "share/doc/turnfs/SEMANTICS.md",
        "share/doc/turnfs/LICENSE",
        "share/doc/turnfs/fstab.example",
        "share/doc/turnfs/design.md",
        "share/doc/turnfs/schema.md",
        "share/doc/turnfs/redis-schema.md",
        "share/doc/turnfs/chat-servers.md",
        "share/doc/turnfs/layouts.md",
        "share/doc/turnfs/storage_backend.py",
        "share/doc/turnfs/.env.example",
    }
    if shutil.which("scdoc"):
        wanted |= {f"share/man/{folder}/{page}" for page, folder in PAGES.items()}
    assert files_below(installed) == wanted
    assert os.readlink(installed / "sbin" / "mount.turnfs").endswith("/bin/turnfs")
    assert run(installed / "bin" / "turnfs", "--version").stdout == run(BINARY, "--version").stdout


# man


@pytest.mark.parametrize("page", PAGES)
def test_C2__man_page__renders_without_a_warning(installed, program, page):
    program("scdoc")
    program("groff")
    path = installed / "share" / "man" / PAGES[page] / page
    done = run("groff", "-man", "-Tutf8", "-ww", "-P-cbou", path)
    assert done.stderr == ""
    assert "NAME" in done.stdout and "SEE ALSO" in done.stdout
    if shutil.which("man"):
        assert "turnfs" in run("man", "-l", path, env={**os.environ, "MANPAGER": "cat"}).stdout


def helps():
    """{"": the text of --help, "mount": that of mount --help, …}"""
    top = run(BINARY, "--help").stdout
    commands = re.findall(r"^  ([a-z]+) ", top, re.M)
    return {"": top, **{name: run(BINARY, name, "--help").stdout for name in commands}}


def test_C2__man_page__has_every_command_and_option_of_the_help():
    page = (ROOT / "docs" / "man" / "turnfs.1.scd").read_text()
    for command, text in helps().items():
        if command:
            assert f"*turnfs {command}*" in page, command
        for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)) - {"--ttl"}:
            assert f"*{option}*" in page or f"*{option}=" in page or f"{option} " in page, (command, option)


def test_C4__man_page__has_every_mount_option_and_no_other():
    page = (ROOT / "docs" / "man" / "turnfs.1.scd").read_text()
    page = page[page.index("## Mount options") : page.index("# ENVIRONMENT")]
    heads = " ".join(line for line in page.splitlines() if line.startswith("*"))
    source = (ROOT / "fs" / "cli" / "options.c").read_text()
    known = re.findall(r'^\t\{"([a-z_]+)", option_', source, re.M)
    said = set(re.findall(r"[*,] ?\*?([a-z_]+)(?:=\*|\*|=)", heads)) - {"close", "fsync", "off", "auto", "on"}
    assert said == set(known)
    completion = (ROOT / "docs" / "completion" / "turnfs").read_text()
    assert all(re.search(rf"\b{name}\b", completion) for name in known)
    text = run(BINARY, "mount", "--help").stdout
    assert all(re.search(rf"\b{name}\b", text) for name in known)


# mount(8): /sbin and /etc/fstab are this test's own, in a mount namespace of its own


@needs_root
@pytest.mark.parametrize(
    "line",
    [
        "{store} {mnt} turnfs noauto,nofail,x-systemd.automount,comment=x,ttl=2h 0 0",
        "sqlite:{store} {mnt} turnfs defaults,_netdev,noatime,nosuid,ttl=2h 0 0",
        "{store}?ttl=2h {mnt} turnfs rw,allow_other,umask=077 0 0",
        "{store} {mnt} turnfs noauto,user,ttl=2h 0 0",
    ],
)
def test_C3__fstab__mount_mounts_and_umount_unmounts(workshop, line):
    installed = install(workshop.base / "root")
    mnt = workshop.base / "threads"
    mnt.mkdir()
    fstab = workshop.base / "fstab"
    fstab.write_text(line.format(store=workshop.store_file, mnt=mnt) + "\n")
    helper = workshop.base / "sbin"
    helper.mkdir()
    (helper / "mount.turnfs").symlink_to(installed / "bin" / "turnfs")
    script = f"""set -e
        mount -t overlay overlay -o lowerdir={helper}:/usr/sbin /usr/sbin 2>/dev/null || exit 77
        mount --bind {fstab} /etc/fstab
        mount {mnt}
        cat {mnt}/.turnfs/config
        mkdir {mnt}/t; echo hello > {mnt}/t/@user; cat {mnt}/t/000001-user.md
        grep ' {mnt} ' /proc/self/mountinfo
        umount {mnt}
        ! grep ' {mnt} ' /proc/self/mountinfo"""
    done = run("unshare", "-m", "sh", "-c", script, check=False, env=workshop.environment())
    if done.returncode == 77:
        pytest.skip("no overlay mounts here")
    assert done.returncode == 0, done
    assert "ttl = 2h\n" in done.stdout and "\nhello\n" in done.stdout
    assert "nosuid,nodev" in done.stdout and "fuse.turnfs" in done.stdout


@needs_root
def test_C3__fstab__a_mistyped_option_is_an_error(workshop):
    helper = workshop.base / "mount.turnfs"
    helper.symlink_to(BINARY)
    mnt = workshop.base / "threads"
    mnt.mkdir()
    done = run(helper, workshop.store_file, mnt, "-o", "rw,nofail,tll=2h", check=False)
    assert done.returncode == 2 and "tll" in done.stderr and len(done.stderr.splitlines()) == 1


def test_C3__fstab_example__its_lines_are_understood(workshop):
    """Those that are commented out as well; each is mounted, on directories of this test."""
    text = (ROOT / "docs" / "fstab.example").read_text()
    lines = [line.lstrip("#").split() for line in text.splitlines() if re.match(r"#?/var", line)]
    assert len(lines) == 2 and all(len(line) == 6 and line[2] == "turnfs" for line in lines)
    helper = workshop.base / "mount.turnfs"
    helper.symlink_to(BINARY)
    for number, (_, _, _, options, _, _) in enumerate(lines):
        mnt = workshop.base / f"threads{number}"
        mnt.mkdir()
        run(helper, workshop.store_file, mnt, "-o", options, env=workshop.environment())
        try:
            assert "ttl = 7d\n" in (mnt / ".turnfs" / "config").read_text()
        finally:
            run(BINARY, "umount", mnt)


# systemd


def unit(path):
    """{key: [values]} of a unit's file."""
    found = {}
    for line in path.read_text().splitlines():
        if line and line[0] not in "#[":
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


def start(service, specifiers, environment):
    """What systemd does with a unit of ours: directories, environment, ExecStartPre, ExecStart."""

    def expand(text):
        for letter, value in specifiers.items():
            text = text.replace("%" + letter, value)
        return text

    for value in service.get("Environment", []):
        environment.update(part.split("=", 1) for part in shlex.split(expand(value)))
    words = lambda text: [w for w in shlex.split(expand(text)) if w != "$TURNFS_OPTIONS"]
    for command in service["ExecStartPre"]:
        assert command.startswith("-")
        subprocess.run(words(command[1:]), env=environment, stderr=subprocess.DEVNULL)
    command = words(service["ExecStart"][0])
    options = shlex.split(environment.get("TURNFS_OPTIONS", ""))
    command = command[:3] + options + command[3:]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True), command[-1]


@pytest.mark.parametrize("folder, name", [("system", "turnfs@.service"), ("user", "turnfs.service")])
def test_C3__systemd_unit__ready_when_it_answers_and_sigterm_ends_it_well(workshop, folder, name):
    installed = install(workshop.base / "root")
    service = unit(installed / "lib" / "systemd" / folder / name)
    assert service["Type"] == ["notify"]
    program, arguments = service["ExecStart"][0].split(" ", 1)
    assert program.endswith("/bin/turnfs")
    service["ExecStart"] = [f"{BINARY} {arguments}"]
    state = workshop.base / "home"
    specifiers = {"h": str(state), "S": str(state / "state"), "i": "chat", "E": str(state)}
    (state / "state" / "turnfs" / "chat").mkdir(parents=True)
    path = str(workshop.base / "notify")
    environment = workshop.environment({"NOTIFY_SOCKET": path, "TURNFS_OPTIONS": "-o ttl=7d"})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.settimeout(20)
        for i in range(2):
            process, mnt = start(service, specifiers, dict(environment))
            try:
                assert server.recv(100) == b"READY=1"
                mnt = pathlib.Path(mnt)
                assert "ttl = 7d\n" in (mnt / ".turnfs" / "config").read_text()
                if i == 0:
                    (mnt / "t").mkdir()
                    (mnt / "t" / "@user").write_text("kept")
                else:
                    assert (mnt / "t" / "000001-user.md").read_text() == "kept"
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0, process.stderr.read()
                assert server.recv(100) == b"STOPPING=1"
                assert not mounts_on(mnt)
            finally:
                process.kill()
                process.wait(10)
                process.stderr.close()
                while mounts_on(mnt):
                    run("umount", "-l", mnt)


def test_C3__systemd_units__systemd_understands_them(workshop, program):
    program("systemd-analyze")
    installed = install(workshop.base / "root")
    prefix = "/" + str(installed.relative_to(workshop.base / "root"))
    for folder, name, instance in (
        ("system", "turnfs@.service", "turnfs@root.service"),
        ("user", "turnfs.service", "turnfs.service"),
    ):
        text = (installed / "lib" / "systemd" / folder / name).read_text()
        assert f"ExecStart={prefix}/bin/turnfs " in text
        path = workshop.base / folder / instance
        path.parent.mkdir()
        path.write_text(text.replace(f"{prefix}/bin/turnfs", str(BINARY)))
        env = {**os.environ, "XDG_RUNTIME_DIR": str(workshop.base), "SYSTEMD_LOG_LEVEL": "warning"}
        done = run("systemd-analyze", "--man=no", f"--{folder}", "verify", path, check=False, env=env)
        ours = [line for line in done.stderr.splitlines() if "turnfs" in line]
        assert ours == [], ours


# Completion


def complete(line, cwd, env):
    """What bash is offered at the end of a line."""
    script = f"""set -u
        source {shlex.quote(str(ROOT / 'docs' / 'completion' / 'turnfs'))}
        compopt() {{ :; }} # there is no completion under way that it could change
        COMP_LINE={shlex.quote(line)}
        COMP_POINT=${{#COMP_LINE}}
        read -ra COMP_WORDS <<<"$COMP_LINE"
        [[ $COMP_LINE != *' ' ]] || COMP_WORDS+=('')
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
        _turnfs
        printf '%s\\n' "${{COMPREPLY[@]}}" """
    path = f"{cwd}/bin:{os.environ['PATH']}"
    done = run("bash", "-c", script, cwd=cwd, env={**env, "PATH": path})
    assert done.stderr == ""
    return done.stdout.split()


def test_C2__completion__knows_commands_options_and_mounts(workshop, mnt):
    cwd, env = workshop.base, workshop.environment()
    (cwd / "bin").mkdir()
    (cwd / "bin" / "turnfs").symlink_to(BINARY)
    offered = lambda line: complete(line, cwd, env)
    assert set(offered("turnfs ")) == {name for name in helps() if name}
    assert offered("turnfs li") == ["list"]
    assert offered("turnfs umount " + str(mnt.path)[:-2]) == [str(mnt.path)]
    for name in ("completed-live", "completed-gone"):
        (mnt / name).mkdir()
    os.setxattr(mnt / "completed-gone", "user.turnfs.ttl", b"1s")
    wait_until(lambda: not (mnt / "completed-gone").exists())
    assert offered("turnfs why completed") == ["completed-live"]
    assert offered("turnfs restore completed") == ["completed-gone"]
    assert "--json" in offered("turnfs list --")
    assert "--env-file" in offered("turnfs mount --")
    assert offered("turnfs mount -o gr") == ["grace="]
    assert offered("turnfs mount -o ro,gr") == ["ro,grace="]
    assert offered("turnfs mount -o sync=") == ["close", "fsync"]
    assert offered("turnfs mount -o ro,sync=f") == ["fsync"]


def test_S3__completion__a_name_that_is_a_command__is_not_run(workshop):
    cwd, env = workshop.base, workshop.environment()
    (cwd / "bin").mkdir()
    (cwd / "bin" / "turnfs").symlink_to(BINARY)
    trap = cwd / "$(touch trap)"
    trap.mkdir()
    run(BINARY, "mount", "memory:", trap, env=env)
    try:
        (trap / "`touch trap`").mkdir()
        for line in ("turnfs umount ", "turnfs list ", "turnfs why "):
            assert complete(line, cwd, env)
            assert not (cwd / "trap").exists(), line
    finally:
        run(BINARY, "umount", trap, env=env)
