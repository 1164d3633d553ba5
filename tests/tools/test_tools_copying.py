"""cp, mv, install, rsync and tar: into the mount, out of it, and again."""

import os
import shutil
import stat

import pytest

from harness import attributes, document, read, run, say, shell, turns, write
from talk import CONTENTS, FIRST, METADATA, PICTURE, differences, furnish, portrait, verify, verify_twice


@pytest.fixture
def talk(mnt):
    return furnish(mnt.thread("talk"))


@pytest.fixture
def other(mount, workshop):
    """A second mount, of another store."""
    return mount(store=workshop.base / "store" / "other.db")


def everything(top, **kwargs):
    return {name: portrait(top / name, **kwargs) for name in sorted(os.listdir(top))}


# cp, install, mv


@pytest.mark.parametrize("command", ["cp -a", "cp -r --preserve=mode,timestamps", "cp -rp"])
def test_B3__cp__out_and_in_again(mnt, talk, other, workshop, command):
    before = everything(mnt.path)
    shell(f"{command} mnt1/talk backup", cwd=workshop.base)
    assert sorted(os.listdir(workshop.base / "backup")) == sorted(os.listdir(talk))
    assert (workshop.base / "backup" / FIRST).read_bytes() == CONTENTS[0][1]
    done = shell(f"{command} backup mnt2/talk", cwd=workshop.base)
    assert done.stderr == ""
    assert not differences(everything(other.path), before)
    other.remount()
    assert not differences(everything(other.path), before)
    shell(f"{command} mnt1/talk mnt2/again", cwd=workshop.base)
    assert not differences(everything(other.path)["again"], before["talk"])


def test_B3__cp_a__keeps_times_modes_and_attributes_outside(talk, workshop):
    run("cp", "-a", talk, workshop.base / "backup")
    for name in os.listdir(talk):
        inside, outside = os.stat(talk / name), os.stat(workshop.base / "backup" / name)
        for field in ("st_mtime_ns", "st_mode", "st_size"):
            assert getattr(inside, field) == getattr(outside, field), (name, field)
    assert attributes(workshop.base / "backup" / FIRST) == {"model": b"m", "n": b"42"}


def test_W2__cp_u__second_time_copies_nothing(talk, workshop):
    run("cp", "-a", talk, workshop.base / "backup")
    done = run("cp", "-auv", str(talk) + "/.", workshop.base / "backup/")
    assert [line for line in done.stdout.splitlines() if "md" in line] == []


def test_W2__install__content_and_mode(talk, workshop):
    (workshop.base / "new").write_bytes(b"installed\n")
    run("install", "-m", "0604", workshop.base / "new", talk / "000004-tool.md")
    run("install", "-D", "-p", "-m", "0600", workshop.base / "new", talk / "tool.txt")
    assert read(talk / "000004-tool.md") == b"installed\n"
    assert stat.S_IMODE(os.stat(talk / "000004-tool.md").st_mode) == 0o604
    assert os.stat(talk / "tool.txt").st_mtime_ns == os.stat(workshop.base / "new").st_mtime_ns


def test_W11__mv__within_across_out_and_in(mnt, talk, workshop):
    elsewhere = mnt.thread("elsewhere")
    outside = workshop.base / "outside.md"
    s = os.stat(talk / FIRST)
    seen = s.st_mtime_ns, s.st_mode

    def where(path):
        s = os.stat(path)
        assert (read(path), s.st_mtime_ns, s.st_mode, attributes(path)) == (
            CONTENTS[0][1], *seen, {"model": b"m", "n": b"42"})

    path = talk / FIRST
    for target in (talk / "000009-user.md", elsewhere / "000001-user.md", elsewhere / "plain.txt", outside,
                   talk / "back.md", talk / FIRST):
        run("mv", path, target)
        assert not os.path.lexists(path)
        where(target)
        path = target
    assert document(talk)["turns"][FIRST] == {"model": "m", "n": "42"}, "through attributes numbers become text"
    assert os.listdir(elsewhere) == ["thread.json"]


def test_W11__mv_n_and_mv_of_a_number_taken__change_nothing(talk):
    run("mv", "-n", talk / FIRST, talk / "000003-user.md")
    assert shell("mv 000001-user.md 000003-tool.md", cwd=talk, check=False).returncode != 0
    verify(talk)


def test_W11__mv_of_a_thread__renames_it_and_out_and_in_moves_it_whole(mnt, talk, workshop):
    before = portrait(talk)
    run("mv", talk, mnt / "renamed")
    assert not differences(portrait(mnt / "renamed"), before)
    done = run("mv", mnt / "renamed", workshop.base / "outside")
    assert done.stderr == ""
    assert os.listdir(mnt.path) == []
    done = run("mv", workshop.base / "outside", mnt / "talk")
    assert done.stderr == ""
    assert not differences(portrait(mnt / "talk"), before)
    mnt.remount()
    assert not differences(portrait(mnt / "talk"), before)


def test_M2__touch_truncate_chmod_chown__as_usual(mnt, talk):
    shell("touch -d '2020-02-03 04:05:06.123456789 UTC' 000001-user.md; touch new.txt; touch -r 000001-user.md new.txt;"
          "truncate -s 5 000003-user.md; truncate -s +3 000003-user.md; chmod -R u=rwX,go= .; chmod u+x picture.png;"
          f"chown -R {os.geteuid()}:{os.getegid()} .; mkdir -p .; sync 000001-user.md; sync -f .", cwd=talk)
    mnt.remount()
    assert os.stat(talk / FIRST).st_mtime_ns == 1580702706123456789 == os.stat(talk / "new.txt").st_mtime_ns
    assert read(talk / "000003-user.md") == b"secon\0\0\0"
    assert stat.S_IMODE(os.stat(talk / "picture.png").st_mode) == 0o700
    assert stat.S_IMODE(os.stat(talk / FIRST).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(talk).st_mode) == 0o700


def test_N5__ln_mkfifo_mkdir__say_not_permitted(talk):
    for command in ("ln 000001-user.md l", "ln -s 000001-user.md l", "mkfifo l", "mkdir l", "mknod l c 1 3"):
        done = shell("LC_ALL=C " + command, cwd=talk, check=False)
        assert done.returncode != 0 and "not permitted" in done.stderr, command
    verify(talk)


def test_W3__sh_redirections__each_kind(mnt, talk):
    shell("echo a > n1.txt; echo b >> n1.txt; echo c | tee n2.txt >/dev/null; (echo d; cat n1.txt) > n3.txt;"
          "exec 3<>n1.txt; read x <&3; echo $x >&3; exec 3>&-; cat > n4.txt <<X\nhere\nX\n"
          ": > n5.txt; echo e 1<>n5.txt", cwd=talk)
    shell("echo f | cat - n1.txt > n6.txt; wc -c < n6.txt > n7.txt; cat n1.txt n2.txt | sort -o n1.txt", cwd=talk)
    mnt.remount()
    expected = {"n1.txt": b"a\na\nc\n", "n2.txt": b"c\n", "n3.txt": b"d\na\nb\n", "n4.txt": b"here\n", "n5.txt": b"e\n",
                "n6.txt": b"f\na\na\n", "n7.txt": b"6\n"}
    assert {name: read(talk / name) for name in expected} == expected


# rsync


def itemized(*arguments):
    """What `rsync -i` says it would do or has done."""
    return run("rsync", "-i", *arguments).stdout.splitlines()


@pytest.mark.parametrize("options", ["-a", "-aX", "-aH", "-a --inplace", "-a --delete", "-aX --checksum", "-a --fsync",
                                     "-aHAX --numeric-ids --modify-window=-1"])
def test_B2__rsync_out__second_run_finds_nothing_also_after_a_remount(program, mnt, talk, workshop, options):
    program("rsync")
    furnish(mnt.thread("more"))
    copy = workshop.base / "copy"
    arguments = [*options.split(), f"{mnt.path}/", f"{copy}/"]
    assert itemized(*arguments)
    assert sorted(os.listdir(copy)) == ["more", "talk"]
    assert itemized(*arguments) == []
    mnt.remount()
    assert itemized(*arguments) == []
    mnt.kill9()
    mnt.remount()
    assert itemized(*arguments) == []
    assert (copy / "talk" / FIRST).read_bytes() == CONTENTS[0][1]


@pytest.mark.parametrize("options", ["-a", "-aX", "-a --inplace", "-a --delete", "-aX --delete-after --inplace",
                                     "-a --whole-file --fsync", "-aHAX --numeric-ids --modify-window=-1", "-a --delete --temp-dir=/var/tmp"])
def test_B3__rsync_in__restores_and_the_second_run_finds_nothing(program, mnt, talk, other, workshop, options):
    program("rsync")
    furnish(mnt.thread("more"))
    before = everything(mnt.path)
    copy = workshop.base / "copy"
    run("rsync", "-aX", f"{mnt.path}/", f"{copy}/")
    arguments = [*options.split(), f"{copy}/", f"{other.path}/"]
    itemized(*arguments)
    assert not differences(everything(other.path), before)
    assert itemized(*arguments) == []
    other.remount()
    assert not differences(everything(other.path), before)
    assert itemized(*arguments) == []


@pytest.mark.parametrize("options", ["-a", "-a --inplace", "-a --append-verify", "-a --checksum"])
def test_M6__rsync_in_of_an_edit__number_and_metadata_stay(program, mnt, talk, workshop, options):
    program("rsync")
    copy = workshop.base / "copy"
    run("rsync", "-a", f"{talk}/", f"{copy}/")
    with open(copy / FIRST, "ab") as f:
        f.write(b"more\n")
    changed = itemized(*options.split(), f"{copy}/", f"{talk}/")
    assert [line.split()[1] for line in changed if line.startswith(">f")] == [FIRST]
    contents = [(FIRST, b"first question\nmore\n"), *CONTENTS[1:]]
    verify(talk, contents)
    mnt.remount()
    verify(talk, contents)


@pytest.mark.parametrize("options", ["-a --delete", "-aX --delete-after", "-a --inplace --delete-during", "-aX --delete-excluded"])
def test_W10__rsync_delete__the_copy_loses_what_was_removed_and_numbers_stay(program, mnt, talk, other, options):
    program("rsync")
    furnish(mnt.thread("more"))
    arguments = [*options.split(), f"{mnt.path}/", f"{other.path}/"]
    itemized("-aX", *arguments[-2:])
    os.unlink(talk / "000002-assistant.md")
    os.unlink(talk / "picture.png")
    shutil.rmtree(mnt / "more")
    said = [line.split()[1] for line in itemized(*arguments) if line.startswith("*deleting")]
    gone = ["more/", "more/picture.png", "more/thread.json", *(f"more/{name}" for name, _ in CONTENTS)]
    assert sorted(said) == sorted([*gone, "talk/000002-assistant.md", "talk/picture.png"])
    assert os.listdir(other.path) == ["talk"]
    left = {name: value for name, value in METADATA.items() if name != "000002-assistant.md"}
    verify_twice(other, other / "talk", [CONTENTS[0], CONTENTS[2]], left, extra=())
    assert not differences(everything(other.path), everything(mnt.path))
    again = itemized(*arguments)
    if "--delete-after" in options:  # these removals have moved thread.json's time once more
        assert {line.split()[1] for line in again} <= {"talk/", "talk/thread.json"}
        again = itemized(*arguments)
    assert again == []
    say(other / "talk", "user", "next")
    assert turns(other / "talk")[-1] == ("000004-user.md", b"next")


def test_N5__rsync_that_wants_folders_in_a_thread__leaves_what_was_there(program, mnt, talk, workshop):
    """--delay-updates and --backup-dir put a folder into each one: rsync says that it could not, and changes nothing."""
    program("rsync")
    copy = workshop.base / "copy"
    run("rsync", "-aX", f"{talk}/", f"{copy}/")
    (copy / FIRST).write_bytes(b"edited")
    for options in (["--delay-updates"], ["-b", "--backup-dir=.old"]):
        done = run("rsync", "-a", *options, f"{copy}/{FIRST}", f"{talk}/", check=False)
        assert "rsync" in done.stderr or "Unable to create partial-dir" in done.stdout + done.stderr
        verify_twice(mnt, talk)


# tar


@pytest.mark.parametrize("out,back", [("--xattrs", "--xattrs"), ("--format=posix", ""), ("--xattrs", ""),
                                      ("--format=posix --sort=name", "--xattrs"), ("--xattrs", "--xattrs -U"),
                                      ("--xattrs", "--xattrs --overwrite"), ("--format=posix", "--overwrite")])
def test_B3__tar__out_and_in_with_and_without_attributes(mnt, talk, other, workshop, out, back):
    furnish(mnt.thread("more"))
    before = everything(mnt.path)
    done = shell(f"tar c {out} -f t.tar -C mnt1 .", cwd=workshop.base)
    assert done.stderr == ""
    done = shell(f"tar xp {back} -f t.tar -C mnt2", cwd=workshop.base)
    assert done.stderr == ""
    assert not differences(everything(other.path), before)
    assert shell("tar d -f t.tar -C mnt1", cwd=workshop.base, check=False).stdout == ""
    other.remount()
    assert not differences(everything(other.path), before)


def test_M3__tar_over_what_is_there__replaces_each_file(mnt, talk, workshop):
    """tar unlinks each file and makes it anew, thread.json as well; what it unlinks loses its metadata."""
    shell("tar c --format=posix -f t.tar -C mnt1 .", cwd=workshop.base)
    before = portrait(talk)
    write(talk / FIRST, b"changed since")
    say(talk, "user", "new since")
    done = shell("tar xp -f t.tar -C mnt1", cwd=workshop.base)
    assert done.stderr == ""
    assert turns(talk) == [*CONTENTS, ("000004-user.md", b"new since")]
    os.unlink(talk / "000004-user.md")
    for name, found in portrait(talk).items():
        if name != "thread.json":
            assert (found[0], found[2:]) == (before[name][0], before[name][2:])
    assert document(talk)["title"] == "T"


def test_B3__tar_in_any_order__metadata_is_the_same(mnt, talk, other, workshop):
    before = portrait(talk)
    names = sorted(os.listdir(talk))
    for i, order in enumerate([names, names[::-1], names[2:] + names[:2]]):
        target = other.thread(f"t{i}")
        shell("tar c --xattrs -f ../../t.tar " + " ".join(order), cwd=talk)
        shell("tar xp --xattrs -f ../../t.tar", cwd=target)
        assert not differences(portrait(target), before)


def test_B2__tar_incremental__second_run_finds_nothing(mnt, talk, workshop):
    command = "tar c -g snar --no-check-device -f {}.tar -C mnt1 . && tar tf {}.tar"
    first = shell(command.format("1", "1"), cwd=workshop.base).stdout.split()
    assert "./talk/" + FIRST in first
    second = shell(command.format("2", "2"), cwd=workshop.base).stdout.split()
    assert [name for name in second if not name.endswith("/")] == []
    mnt.remount()
    third = shell(command.format("3", "3"), cwd=workshop.base).stdout.split()
    assert [name for name in third if not name.endswith("/")] == []


def test_N5__cpio_and_zip__read_it(talk, workshop, program):
    program("cpio")
    shell("find . | cpio -o --quiet > ../../t.cpio; mkdir ../../x; cd ../../x; cpio -i --quiet < ../t.cpio", cwd=talk)
    assert (workshop.base / "x" / "picture.png").read_bytes() == PICTURE


def test_B3__copies_through_attributes_alone__types_follow_thread_json(mnt, talk, other):
    """tar x --xattrs writes attributes as text; thread.json, whichever comes first, decides the types."""
    shell(f"tar c --xattrs . | tar x --xattrs -C {other.thread('talk')}", cwd=talk)
    assert document(other / "talk")["turns"] == METADATA
