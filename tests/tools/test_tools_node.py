"""Node's ways of writing, and VS Code's: it refuses to save when a file's mtime or size moved by itself (M5)."""

import json
import os

import pytest

from harness import read, run, turns, write
from talk import CONTENTS, FIRST, edited, furnish, verify, verify_twice

EDITED = edited(FIRST, b"first", b"FIRST")
NEW = EDITED[0][1].decode()


@pytest.fixture
def talk(mnt):
    return furnish(mnt.thread("talk"))


@pytest.fixture
def node(program):
    """node(SCRIPT, ARGUMENT…): its standard output. `fs`, `args` and await are there."""
    program("node")

    def call(script, *arguments):
        whole = f"const fs = require('fs'), args = process.argv.slice(1); (async () => {{ {script} }})()"
        return run("node", "--unhandled-rejections=strict", "-e", whole, "--", *arguments, timeout=60).stdout

    return call


# As VS Code's disk file system provider and text file model do: etag of mtime (ms) and size; open with truncate,
# write, fdatasync, close; and what is on the disk must have the etag of the last load or save before each save.
VS_CODE = """
    const [path, state, ...texts] = args;
    const etag = stat => stat.mtimeMs.toString(29) + stat.size.toString(31);
    let known = state ? state : etag(fs.statSync(path));
    const before = fs.readFileSync(path, 'utf8'), said = [];
    for (const text of texts) {
        if (etag(fs.statSync(path)) !== known) { said.push('refused'); continue; }
        const fd = fs.openSync(path, 'w');
        fs.writeSync(fd, text);
        fs.fdatasyncSync(fd);
        fs.closeSync(fd);
        known = etag(fs.statSync(path));
        await new Promise(done => setTimeout(done, 30));
        said.push(etag(fs.statSync(path)) === known ? 'saved' : 'moved after it was saved');
    }
    console.log(JSON.stringify({before, known, said}));
"""


def vs_code(node, path, *texts, known=""):
    return json.loads(node(VS_CODE, path, known, *texts))


def test_M5__vs_code__saves_again_and_again_and_after_a_remount(mnt, talk, node):
    done = vs_code(node, talk / FIRST, "draft", "another draft, longer", "third", NEW)
    assert done["before"] == CONTENTS[0][1].decode() and done["said"] == ["saved"] * 4
    verify(talk, EDITED)
    mnt.remount()
    done = vs_code(node, talk / FIRST, "once more", NEW, known=done["known"])
    assert done["before"] == NEW and done["said"] == ["saved"] * 2
    mnt.kill9()
    mnt.remount()
    assert vs_code(node, talk / FIRST, known=done["known"])["before"] == NEW
    verify(talk, EDITED)


def test_M5__vs_code__another_program_changed_the_file__refuses_and_leaves_it(talk, node):
    known = vs_code(node, talk / FIRST)["known"]
    write(talk / FIRST, "changed by another")
    assert vs_code(node, talk / FIRST, "overwritten unseen", known=known)["said"] == ["refused"]
    assert read(talk / FIRST) == b"changed by another"


def test_M5__vs_code__other_turns_and_metadata_change__it_still_saves(talk, node):
    known = vs_code(node, talk / FIRST)["known"]
    write(talk / "@user", "a turn more", os.O_WRONLY)
    os.setxattr(talk / "000003-user.md", "user.k", b"v")
    assert vs_code(node, talk / FIRST, NEW, known=known)["said"] == ["saved"]
    assert turns(talk)[0] == EDITED[0]


def test_M5__vs_code__saves_thread_json__it_does_not_move_by_itself(talk, node):
    done = vs_code(node, talk / "thread.json", json.dumps({"title": "T", "custom": {"k": [1, None]}}))
    assert done["said"] == ["saved"]
    assert vs_code(node, talk / "thread.json", known=done["known"])["known"] == done["known"]
    verify(talk)


NODE_WRITERS = {
    "writeFileSync": "fs.writeFileSync(args[0], args[1])",
    "promises.writeFile": "await fs.promises.writeFile(args[0], args[1], {flush: true})",
    "a-stream": """await new Promise((done, fail) => {
        const out = fs.createWriteStream(args[0]);
        out.on('error', fail).on('close', done);
        for (const c of args[1]) out.write(c);
        out.end(); })""",
    "write-file-atomic": """const tmp = args[0] + '.' + process.pid;
        const fd = fs.openSync(tmp, 'w', 0o640);
        fs.writeSync(fd, args[1], 0, 'utf8');
        fs.fsyncSync(fd);
        fs.closeSync(fd);
        fs.chmodSync(tmp, fs.statSync(args[0]).mode);
        fs.renameSync(tmp, args[0])""",
    "copyFile": """fs.writeFileSync(args[0] + '.bak', args[1]);
        await fs.promises.copyFile(args[0] + '.bak', args[0]);
        fs.unlinkSync(args[0] + '.bak')""",
    "in-place": """const h = await fs.promises.open(args[0], 'r+');
        await h.truncate(0); await h.write(args[1], 0); await h.datasync(); await h.close()""",
}


@pytest.mark.parametrize("how", NODE_WRITERS)
def test_M6__node_writer__keeps_number_and_metadata(mnt, talk, node, how):
    node("process.umask(0o027);" + NODE_WRITERS[how], talk / FIRST, NEW)
    verify_twice(mnt, talk, EDITED)


def test_W5__node_wx_of_a_turn_that_is_there__is_EEXIST(talk, node):
    script = "try { fs.writeFileSync(args[0], 'x', {flag: 'wx'}) } catch (e) { console.log(e.code) }"
    assert node(script, talk / FIRST) == "EEXIST\n"
    assert node(script, talk / "000003-assistant.md") == "EEXIST\n"
    verify(talk)


def test_W6__node_appends__turns_in_order(mnt, node):
    thread = mnt.thread("agents")
    node("""for (let i = 0; i < 5; i++) {
            fs.writeFileSync(args[0] + '/@user', 'question ' + i);
            await fs.promises.appendFile(args[0] + '/@assistant', 'answer ' + i);
        }
        fs.appendFileSync(args[0] + '/@transcript.jsonl', JSON.stringify({role: 'tool', content: 'ü', k: 1}) + '\\n')""",
         thread)
    wanted = [f"{word} {i}".encode() for i in range(5) for word in ("question", "answer")]
    assert [content for _, content in turns(thread)] == [*wanted, "ü".encode()]
    assert os.getxattr(thread / "000011-tool.md", "user.k") == b"1"


def test_B3__node_cp_recursive__gives_the_same_thread_again(mnt, talk, node):
    node("fs.cpSync(args[0], args[1], {recursive: true, preserveTimestamps: true})", talk, mnt / "copy")
    verify_twice(mnt, mnt / "copy", times=False)
    assert int(os.stat(mnt / "copy" / FIRST).st_mtime) == int(os.stat(talk / FIRST).st_mtime)


def test_W10__node_rm_recursive__removes_the_thread(mnt, talk, node):
    node("fs.rmSync(args[0], {recursive: true})", talk)
    assert not talk.exists()
