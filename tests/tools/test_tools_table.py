"""One row a command: what it leaves of a furnished conversation, at once and after the daemon was killed.

verify_twice() holds the number, the metadata, modes, times, the listing (so no scratch name is left), and all that
a backup looks at. A row is (id, programs that must be there, command, what is another than furnish() made it)."""

import os

import pytest

from harness import read, shell
from talk import CONTENTS, FIRST, METADATA, TIMES, differences, edited, furnish, portrait, steady, verify, verify_twice

EDITED = edited(FIRST, b"first", b"FIRST")
APPENDED = edited(FIRST, b"question\n", b"question\nmore\n")
SOURCE_TIME = 1_650_000_000_250_000_000
NO_METADATA = {"metadata": {**METADATA, FIRST: {}}}  # it unlinks the turn first
AS_TEXT = {"metadata": {**METADATA, FIRST: {"model": "m", "n": "42"}}}  # it does, and brings attributes
SECONDS = SOURCE_TIME // 10**9 * 10**9


@pytest.fixture
def talk(mnt):
    return furnish(mnt.thread("talk"))


@pytest.fixture
def outside(talk, workshop):
    """A folder beside the mount: `copy`, made with cp -a, where the first turn is edited in place; `d`, the edit as a diff."""
    shell("cp -a mnt1/talk copy; printf FIRST | dd of=copy/000001-user.md conv=notrunc status=none;"
          "diff -u --label 000001-user.md --label 000001-user.md mnt1/talk/000001-user.md copy/000001-user.md > d; true",
          cwd=workshop.base)
    os.utime(workshop.base / "copy" / FIRST, ns=(SOURCE_TIME, SOURCE_TIME))
    return workshop.base


# What changes one turn's content. $C is the folder of the edited copy.
EDITS = [
    ("cp", "", "cp $C/000001-user.md .", {}),
    ("cp-reflink", "", "cp --reflink=auto $C/000001-user.md .", {}),
    ("cp-sparse", "", "cp --sparse=always $C/000001-user.md .", {}),
    ("cp-force", "", "cp -f $C/000001-user.md .", {}),
    ("cp-a", "", "cp -a $C/000001-user.md .", {"mtime": SOURCE_TIME}),
    ("cp-backup", "", "cp --backup=simple $C/000001-user.md .", {"extra": {FIRST + "~"}}),
    ("cp-backup-numbered", "", "cp -a --backup=numbered $C/000001-user.md .",
     {"extra": {FIRST + ".~1~"}, "mtime": SOURCE_TIME}),
    ("cp-remove-destination", "", "cp --preserve=mode --remove-destination $C/000001-user.md .", NO_METADATA),
    ("install", "", "install -m 0604 $C/000001-user.md .", {**NO_METADATA, "modes": {FIRST: 0o604}}),
    ("install-p", "", "install -p -m 0640 $C/000001-user.md .", {**NO_METADATA, "mtime": SOURCE_TIME}),
    ("install-backup", "", "install -b -m 0640 $C/000001-user.md .", {"extra": {FIRST + "~"}}),
    ("install-twice", "", "install -C -m 0640 $C/000001-user.md .; t=$(stat -c %y,%i 000001-user.md);"
     "install -C -m 0640 $C/000001-user.md .; [ \"$t\" = \"$(stat -c %y,%i 000001-user.md)\" ]", NO_METADATA),
    ("mv-in", "", "mv $C/000001-user.md .", {**AS_TEXT, "mtime": SOURCE_TIME}),
    ("mv-backup", "", "mv -b $C/000001-user.md .", {"extra": {FIRST + "~"}, "mtime": SOURCE_TIME}),
    ("mv-of-an-attachment", "", "cp -a $C/000001-user.md new.txt; mv -f new.txt 000001-user.md", {"mtime": SOURCE_TIME}),
    ("mv-away-and-create", "", "mv 000001-user.md old; cat $C/000001-user.md > 000001-user.md; chmod 640 000001-user.md;"
     "rm old", {}),
    ("dd", "dd", "dd if=$C/000001-user.md of=000001-user.md status=none", {}),
    ("dd-in-place", "dd", "dd if=$C/000001-user.md of=000001-user.md conv=notrunc,fdatasync bs=3 status=none", {}),
    ("dd-seek", "dd", "printf FIRST | dd of=000001-user.md conv=notrunc oflag=seek_bytes seek=0 bs=1 status=none", {}),
    ("dd-nofollow-direct", "dd", "dd if=$C/000001-user.md of=000001-user.md iflag=fullblock oflag=nofollow,sync status=none",
     {}),
    ("tee", "", "tee 000001-user.md < $C/000001-user.md > /dev/null", {}),
    ("tee-append", "", "echo more | tee -a 000001-user.md > /dev/null", {"contents": APPENDED}),
    ("append", "", "echo more >> 000001-user.md", {"contents": APPENDED}),
    ("append-by-cat", "", "printf 'more\\n' | cat - >> 000001-user.md", {"contents": APPENDED}),
    ("ed", "ed", "printf 's/first/FIRST/\\nw\\nq\\n' | ed -s 000001-user.md", {}),
    ("ed-append", "ed", "printf 'a\\nmore\\n.\\nwq\\n' | ed -s 000001-user.md", {"contents": APPENDED}),
    ("ex", "ex", "printf 's/first/FIRST/\\nwq\\n' | ex -s -u NONE -i NONE 000001-user.md", {}),
    ("vim-as-a-filter", "vim", "vim -es -u NONE -i NONE -c '%!sed s/first/FIRST/' -c wq 000001-user.md < /dev/null", {}),
    ("patch", "patch", "patch -s -p0 < $C/../d", {}),
    ("patch-backup", "patch", "patch -s -b -p0 < $C/../d", {"extra": {FIRST + ".orig"}}),
    ("patch-and-back", "patch", "patch -s -p0 < $C/../d; patch -s -R -p0 < $C/../d", {"contents": CONTENTS}),
    ("git-apply", "git", "GIT_DIR=$C/../none git apply $C/../d", {**NO_METADATA, "modes": {FIRST: 0o644}, "p1": True}),
    ("sed-n", "", "sed -n -i p 000001-user.md; sed -i -e '1s/first/FIRST/' 000001-user.md", {}),
    ("sed-z-E", "", "sed -z -E -i.b~ 's/(first)/\\U\\1/' 000001-user.md", {"extra": {FIRST + ".b~"}}),
    ("perl-i", "perl", "perl -i -pe s/first/FIRST/ 000001-user.md", {}),
    ("perl-i-backup", "perl", "perl -i'*~' -pe s/first/FIRST/ 000001-user.md", {"extra": {FIRST + "~"}}),
    ("perl-open-rw", "perl", "perl -e 'open F, \"+<\", shift; print F \"FIRST\"; close F or die' 000001-user.md", {}),
    ("awk", "awk", "awk '{sub(/first/, \"FIRST\")} 1' 000001-user.md > $C/x; cat $C/x > 000001-user.md", {}),
    ("sponge", "sponge", "sed s/first/FIRST/ 000001-user.md | sponge 000001-user.md", {}),
    ("sort-o", "", "printf 'FIRST question\\n' > 000001-user.md; sort -o 000001-user.md 000001-user.md", {}),
    ("iconv-o", "iconv", "iconv -f latin1 -t utf8 -o 000001-user.md $C/000001-user.md", {}),
    ("truncate-and-refill", "", "truncate -s 0 000001-user.md; truncate -s 15 000001-user.md;"
     "dd if=$C/000001-user.md of=000001-user.md conv=notrunc status=none", {}),
    ("split-and-join", "", "split -b 4 $C/000001-user.md part.; cat part.* > 000001-user.md; rm part.*", {}),
    ("openssl", "openssl", "openssl base64 -in $C/000001-user.md | openssl base64 -d -out 000001-user.md; chmod 640 000001-user.md",
     {}),
    ("sqlite3-writefile", "sqlite3", "sqlite3 :memory: \"select writefile('000001-user.md', readfile('$C/000001-user.md'))\" >"
     " /dev/null", {}),
    ("flock-and-write", "flock", "flock 000001-user.md sh -c 'cat $C/000001-user.md > 000001-user.md'", {}),
    ("touch-only", "", "touch -d '2022-04-15 05:20:00.25 UTC' 000001-user.md", {"contents": CONTENTS, "mtime": SOURCE_TIME}),
    ("touch-reference", "", "touch -r $C/000001-user.md 000001-user.md", {"contents": CONTENTS, "mtime": SOURCE_TIME}),
    ("touch-access-only", "", "touch -a 000001-user.md", {"contents": CONTENTS}),
    ("touch-no-create", "", "touch -c none.md none", {"contents": CONTENTS}),
    ("chmod", "", "chmod u=rw,go=r 000001-user.md", {"contents": CONTENTS, "modes": {FIRST: 0o644}}),
    ("setfattr", "setfattr", "setfattr -n user.model -v new 000001-user.md; setfattr -x user.n 000001-user.md",
     {"contents": CONTENTS, "metadata": {**METADATA, FIRST: {"model": "new"}}}),
    ("setfattr-restore", "setfattr", "getfattr -dm- *.md > $C/x; setfattr -x user.n 000001-user.md; setfattr --restore=$C/x",
     {"contents": CONTENTS, **AS_TEXT}),
    ("shred-of-an-attachment", "shred", "cp picture.png x.png; shred -n1 -u x.png", {"contents": CONTENTS}),
    ("mktemp", "", "t=$(mktemp -p . .tmp.XXXXXX); sed s/first/FIRST/ 000001-user.md > $t; chmod 640 $t;"
     "mv $t 000001-user.md", {}),
    ("rename-of-a-role", "", "mv 000001-user.md 000001-tool.md; mv 000001-tool.md 000001-user.md", {"contents": CONTENTS}),
    ("rsync-inplace", "rsync", "rsync -a --inplace $C/000001-user.md .", {"mtime": SOURCE_TIME}),
    ("rsync-X", "rsync", "rsync -aX $C/000001-user.md .", {"mtime": SOURCE_TIME}),
    ("rsync-X-inplace", "rsync", "rsync -aX --inplace $C/000001-user.md .", {"mtime": SOURCE_TIME}),
    ("rsync-HAX", "rsync", "rsync -aHAX --numeric-ids $C/000001-user.md .", {"mtime": SOURCE_TIME}),
    ("rsync-backup", "rsync", "rsync -ab $C/000001-user.md .", {"mtime": SOURCE_TIME, "extra": {FIRST + "~"}}),
    ("rsync-fuzzy-sparse", "rsync", "rsync -a --fuzzy --sparse $C/000001-user.md .", {"mtime": SOURCE_TIME}),
    ("rsync-partial", "rsync", "rsync -a --partial --partial-dir=.p $C/000001-user.md .", {"mtime": SOURCE_TIME}),
    ("rsync-rlt", "rsync", "rsync -rlt --no-whole-file $C/000001-user.md .", {"mtime": SOURCE_TIME}),
    ("tar-over", "tar", "tar c --xattrs -C $C 000001-user.md | tar xp --xattrs", {**AS_TEXT,
     "mtime": SOURCE_TIME}),
    ("tar-overwrite", "tar", "tar c --format=posix -C $C 000001-user.md | tar xp --overwrite", {"mtime": SOURCE_TIME}),
    ("cpio-over", "cpio", "(cd $C; echo 000001-user.md | cpio -o --quiet -H newc) | cpio -i --quiet -u -m",
     {**NO_METADATA, "mtime": SECONDS}),
    ("unzip-over", "unzip zip", "(cd $C; zip -q x.zip 000001-user.md); unzip -qo $C/x.zip", {**NO_METADATA, "mtime": SECONDS}),
    ("7z-over", "7z", "(cd $C; 7z a -bso0 x.7z 000001-user.md); 7z x -y -bso0 -aoa $C/x.7z", {**NO_METADATA, "mtime": SOURCE_TIME}),
    ("restored-from-gzip", "gzip", "gzip -c $C/000001-user.md | gzip -dc > 000001-user.md", {}),
]


@pytest.mark.parametrize("row", EDITS, ids=lambda row: row[0])
def test_M6__tool_changes_a_turn__content_number_and_metadata(program, mnt, talk, outside, row):
    _, programs, command, other = row
    for name in programs.split():
        program(name)
    if other.get("p1"):
        (outside / "d").write_text((outside / "d").read_text().replace("--- ", "--- a/").replace("+++ ", "+++ b/"))
    done = shell("set -e; " + command, cwd=talk, env={**os.environ, "C": str(outside / "copy"), "LC_ALL": "C.UTF-8"})
    assert done.stderr == ""
    contents = other.get("contents", EDITED)
    written = contents is not CONTENTS
    verify_twice(mnt, talk, contents, other.get("metadata", METADATA), extra=["picture.png", *other.get("extra", ())],
                 modes=other.get("modes"), rewritten=(FIRST,))
    mtime = os.stat(talk / FIRST).st_mtime_ns
    if "mtime" in other:
        assert mtime == other["mtime"]
    else:
        assert (mtime > TIMES[FIRST] + 10**15) == written or row[0] in ("patch-and-back", "rename-of-a-role")
    for name in other.get("extra", ()):
        assert read(talk / name) == CONTENTS[0][1], "a backup is what it was before"


# What must fail, say so, and leave everything as it was.
REFUSED = [
    ("sh-noclobber", "", "set -C; echo x > 000001-user.md", "exist"),
    ("mkdir", "", "mkdir sub", "not permitted"),
    ("ln", "", "ln 000001-user.md x", "not permitted"),
    ("ln-s", "", "ln -s 000001-user.md x", "not permitted"),
    ("cp-l", "", "cp -l 000001-user.md x", "not permitted"),
    ("cp-s", "", "cp -s 000001-user.md x", "not permitted"),
    ("mkfifo", "", "mkfifo x", "not permitted"),
    ("mv-onto-a-number", "", "mv 000001-user.md 000003-tool.md", "exist"),
    ("cp-onto-a-number", "", "cp 000001-user.md 000003-tool.md", "exist"),
    ("cp-reflink-always", "", "cp --reflink=always 000001-user.md x", "clone"),
    ("rmdir", "", "rmdir ../talk", "not empty"),
    ("git-init", "git", "git init -q .", "not permitted"),
    ("rsync-backup-dir", "rsync", "rsync -a --backup-dir=.b -b $C/000001-user.md .", "rsync"),
    ("chattr", "chattr", "chattr +a 000001-user.md", "not supported"),
    ("setfacl", "setfacl", "setfacl -m u:1:r 000001-user.md", "not supported"),
    ("setfattr-trusted", "setfattr", "setfattr -n trusted.x -v y 000001-user.md", "not "),
    ("cp-in-of-a-folder", "", "cp -r $C .", "not permitted"),
    ("tar-in-of-a-folder", "tar", "tar c -C $C/.. copy | tar x", "not permitted"),
    ("patch-that-does-not-fit", "patch", "sed s/first/other/ $C/../d | patch -s -p0 -r - --no-backup-if-mismatch", "FAILED"),
    ("sed-c", "", "sed -i --follow-symlinks 's/first' 000001-user.md", "unterminated"),
    ("unzip-broken", "unzip", "unzip -qo $C/000001-user.md", "zip"),
]


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row[0])
def test_N5__tool_is_refused__it_says_so_and_nothing_changed(program, mnt, talk, outside, row):
    _, programs, command, said = row
    for name in programs.split():
        program(name)
    done = shell(command, cwd=talk, check=False, env={**os.environ, "C": str(outside / "copy"), "LC_ALL": "C.UTF-8"})
    assert done.returncode != 0
    assert said in done.stderr + done.stdout
    left = {"cp-reflink-always": ["x"]}.get(row[0], [])
    for name in left:
        os.unlink(talk / name)
    verify_twice(mnt, talk)


# A file that is too big is refused at write(), so every program sees it, those too that ignore an error of close().
BIG = [
    ("sh-builtin", "", "printf %099999d 0 > 000001-user.md"),
    ("sh-append", "", "printf %099999d 0 >> 000001-user.md"),
    ("cat", "", "cat $C/big > 000001-user.md"),
    ("cp", "", "cp $C/big 000001-user.md"),
    ("dd", "dd", "dd if=$C/big of=000001-user.md bs=1000 status=none"),
    ("tee", "", "tee 000001-user.md < $C/big > /dev/null"),
    ("sed-i", "sed", "sed -i s,first,`printf %099999d 0`, 000001-user.md"),
    ("perl-i", "perl", "perl -i -pe 'BEGIN { $^W = 1 } s/first/\"x\" x 99999/e; END { close ARGVOUT or die $! }' 000001-user.md"),
    ("install", "", "install -T $C/big new"),
    ("mv", "", "mv $C/big new"),
    ("rsync", "rsync", "rsync -a $C/big new"),
    ("rsync-inplace", "rsync", "rsync -a --inplace $C/big 000001-user.md"),
    ("tar", "tar", "tar c -C $C big | tar x"),
    ("unzip", "unzip zip", "(cd $C; zip -q big.zip big); unzip -qo $C/big.zip"),
    ("vim", "vim", "vim -es -u NONE -i NONE -c \"%!cat $C/big\" -c w -c qa! 000001-user.md < /dev/null"),
    ("node", "node", "node -e 'fs.writeFileSync(\"000001-user.md\", \"x\".repeat(99999))'"),
    ("python", "python3", "python3 -c 'open(\"000001-user.md\", \"w\").write(\"x\" * 99999)'"),
    ("truncate", "", "truncate -s 99999 000001-user.md"),
    ("sqlite3", "sqlite3", "sqlite3 n.db 'create table t(x); insert into t values (zeroblob(99999))'"),
]


@pytest.mark.parametrize("row", BIG, ids=lambda row: row[0])
def test_W9__tool_writes_too_much__it_fails_and_what_was_there_stays(program, mount, workshop, row):
    _, programs, command = row
    for name in programs.split():
        program(name)
    mnt = mount(opts="max_file_size=64k")
    talk = furnish(mnt.thread("talk"))
    (workshop.base / "c").mkdir()
    (workshop.base / "c" / "big").write_bytes(b"y" * 99999)
    done = shell(command, cwd=talk, check=False, env={**os.environ, "C": str(workshop.base / "c")}, timeout=30)
    assert done.returncode != 0
    mnt.kill9()
    mnt.remount()
    left = {"vim": [FIRST + "~"], "sqlite3": ["n.db", "n.db-journal"]}.get(row[0], [])  # what they recover it from
    verify(talk, extra=["picture.png", *left], rewritten=(FIRST,) if row[0] == "vim" else ())


# What carries a whole thread out and in again. `$1` is a thread, `$2` a folder outside, `$3` a thread's new name.
CARRIERS = [
    ("cp-r-reflink", "", "cp -r --reflink=auto $1 $2 && cp -r --reflink=auto $2 $3", {"times": False}),
    ("cp-R-p", "", "cp -Rp $1 $2 && cp -Rp $2 $3", {}),
    ("cp-a-T", "", "cp -a $1 $2; mkdir $3; cp -aT $2 $3", {}),
    ("mv-and-mv", "", "cp -a $1 $1.copy; mv $1.copy $2; mv $2 $3", {}),
    ("rsync-aX", "rsync", "rsync -aX $1/ $2; rsync -aX $2/ $3", {}),
    ("rsync-aHAX", "rsync", "rsync -aHAX --numeric-ids $1/ $2; rsync -aHAX --numeric-ids $2/ $3", {}),
    ("rsync-aX-inplace", "rsync", "rsync -aX --inplace $1/ $2; rsync -aX --inplace --delete $2/ $3", {}),
    ("rsync-no-X", "rsync", "rsync -rt $1/ $2; rsync -rt --inplace $2/ $3", {"modes": False}),
    ("rsync-c-z", "rsync", "rsync -acz $1/ $2; rsync -acz --delete-before $2/ $3", {}),
    ("tar", "tar", "tar c --xattrs -C $1 . > $2.tar; mkdir $3; tar x --xattrs -C $3 < $2.tar", {}),
    ("tar-gzip", "tar gzip", "tar cz -C $1 . > $2.tar; mkdir $3; tar xzp -C $3 < $2.tar", {"times": 10**9}),
    ("tar-pax", "tar", "tar c -H pax -C $1 . > $2.tar; mkdir $3; tar xp --skip-old-files -C $3 < $2.tar", {}),
    ("cpio", "cpio", "mkdir $3; (cd $1; find . -type f | cpio -o --quiet -H newc) | (cd $3; cpio -i --quiet -m -u)",
     {"times": 10**9}),
    ("cpio-p", "cpio", "mkdir $3; (cd $1; find . | cpio -p --quiet -m -u $3)", {"times": 10**9}),
    ("zip", "zip unzip", "(cd $1; zip -qr $2.zip .); unzip -qo -d $3 $2.zip", {"times": 10**9}),
    ("7z", "7z", "(cd $1; 7z a -bso0 $2.7z .); 7z x -bso0 -aoa -o$3 $2.7z", {"times": 10**9}),
    ("git-archive", "git tar", "mkdir $2 $3; cd $1; export GIT_DIR=$2/git GIT_WORK_TREE=$1; git init -q; git add -A;"
     "git -c user.name=t -c user.email=t@t commit -qm x; git archive HEAD | tar x --no-same-permissions -C $3",
     {"times": False, "modes": False}),
    ("python-copytree", "python3", "python3 -c 'import shutil, sys; shutil.copytree(*sys.argv[1:3]);"
     "shutil.copytree(*sys.argv[2:4])' $1 $2 $3", {}),
    ("python-move", "python3", "cp -a $1 $1.copy; python3 -c 'import shutil, sys; shutil.move(*sys.argv[1:3]);"
     "shutil.move(*sys.argv[2:4])' $1.copy $2 $3", {}),
    ("perl-copy", "perl", "mkdir $3; perl -MFile::Copy -e 'for (glob \"$ARGV[0]/*\") { copy($_, $ARGV[1]) or die }' $1 $3",
     {"times": False, "modes": False}),
    ("find-exec-install", "", "mkdir $3; find $1 -type f -exec install -p -m 0640 -t $3 {} +", {"modes": False}),
    ("dd-each", "dd", "mkdir $3; cd $1; for f in *; do dd if=$f of=$3/$f bs=1k status=none; done", {"times": False, "modes": False}),
    ("pax-like-cat", "", "mkdir $3; cd $1; for f in *; do cat $f > $3/$f; done", {"times": False, "modes": False}),
]


def whole(thread, modes=True, times=1, **_):
    """A portrait of what this carrier can carry."""
    found = {}
    for name, value in portrait(thread, times or 1).items():
        if name == "thread.json":
            value = {k: v for k, v in value.items() if k != "created_at" or times == 1}
        else:
            content, keys, mode, mtime = value
            value = (content, keys, mode if modes else 0, mtime if times else 0)
        found[name] = value
    return found


@pytest.mark.parametrize("row", CARRIERS, ids=lambda row: row[0])
def test_B3__tool_carries_a_thread_out_and_in_again__it_is_the_same(program, mnt, talk, outside, row):
    _, programs, command, limits = row
    for name in programs.split():
        program(name)
    options = {k: limits[k] for k in ("modes", "times") if k in limits}
    before, seen = whole(talk, **options), steady(talk)
    done = shell("set -e; " + command, cwd=outside, env={**os.environ, "LC_ALL": "C.UTF-8"}, arguments=[
        talk, outside / "out", mnt / "again"])
    assert done.stderr == ""
    assert not differences(whole(mnt / "again", **options), before)
    assert not differences(steady(talk), seen), "who only reads moves nothing"
    there = steady(mnt / "again")
    mnt.kill9()
    mnt.remount()
    assert not differences(whole(mnt / "again", **options), before)
    assert not differences(steady(mnt / "again"), there)
    assert sorted(os.listdir(mnt.path)) == ["again", "talk"]
    verify(talk)
