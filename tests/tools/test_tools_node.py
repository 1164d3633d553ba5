"""Node's ways of writing, and VS Code's: it refuses to save when a file's mtime or size moved by itself (M5)."""

import json
import os

import pytest

from harness import read, run, turns, write
from talk import CONTENTS, FIRST, METADATA, edited, furnish, verify, verify_twice

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


# fs.promises, and how agents edit


def test_W2__node_promises__write_append_rename_copy_and_remove(mnt, talk, node):
    said = node("""
        const p = fs.promises, dir = args[0], one = dir + '/000001-user.md';
        await p.writeFile(one, 'FIRST ');
        await p.appendFile(one, 'question\\n', {flush: true});
        await p.writeFile(dir + '/note.txt', 'x', {flag: 'wx', mode: 0o600});
        await p.rename(dir + '/note.txt', dir + '/000004-tool.md');
        await p.copyFile(dir + '/000004-tool.md', dir + '/copy', fs.constants.COPYFILE_EXCL);
        await p.copyFile(dir + '/000004-tool.md', dir + '/copy', fs.constants.COPYFILE_FICLONE);
        await p.truncate(dir + '/copy', 0);
        await p.rm(dir + '/copy');
        for (const call of [() => p.mkdtemp(dir + '/t-'), () => p.link(one, dir + '/l'), () => p.symlink(one, dir + '/s'),
                            () => p.rename(one, dir + '/@user'),
                            () => p.copyFile(one, dir + '/c', fs.constants.COPYFILE_FICLONE_FORCE)])
            await call().then(() => console.log('done'), e => console.log(e.code));
        const entries = await p.readdir(dir, {withFileTypes: true, recursive: true});
        console.log(entries.filter(e => e.isFile()).map(e => e.name).sort().join());
        console.log((await p.stat(one)).size, (await p.realpath(one)) === one, (await p.access(one)) === undefined)""", talk)
    refused, clone, *rest = said.splitlines()[:4], *said.splitlines()[4:]
    assert refused == ["EPERM"] * 4
    assert clone.startswith("E"), "there are no clones"
    assert rest == ["000001-user.md,000002-assistant.md,000003-user.md,000004-tool.md,picture.png,thread.json", "15 true true"]
    verify_twice(mnt, talk, [*EDITED, ("000004-tool.md", b"x")], {**METADATA, "000004-tool.md": {}},
                 modes={"000004-tool.md": 0o600})


# As coding agents do it: remember mtime when reading, refuse when it has moved; then a name beside the file, its mode
# put on, and a rename over it, or in place where that fails.
AGENT = """
    const [path, ...edits] = args, said = [], seen = new Map();
    const read = () => { const text = fs.readFileSync(path, 'utf8');
                         seen.set(path, Math.floor(fs.statSync(path).mtimeMs)); return text; };
    read();
    for (let i = 0; i < edits.length; i += 2) {
        if (edits[i] === 'elsewhere') {
            await new Promise(done => setTimeout(done, 20));
            require('child_process').execFileSync('sh', ['-c', 'echo more >> "$0"', path]);
        }
        if (Math.floor(fs.statSync(path).mtimeMs) > seen.get(path)) { said.push('modified since read'); read(); continue; }
        const text = fs.readFileSync(path, 'utf8');
        if (text.split(edits[i]).length !== 2) { said.push('not found once'); continue; }
        const target = fs.realpathSync(path), tmp = `${target}.tmp.${process.pid}.${Date.now()}`;
        try {
            const mode = fs.statSync(target).mode;
            fs.writeFileSync(tmp, text.replace(edits[i], () => edits[i + 1]), {encoding: 'utf8', flush: true});
            fs.chmodSync(tmp, mode);
            fs.renameSync(tmp, target);
        } catch (error) { said.push(error.code); try { fs.unlinkSync(tmp) } catch {} }
        said.push('edited');
        read();
    }
    console.log(said.join());
"""


def test_M6__agent_edits__again_and_again_each_on_the_last(mnt, talk, node):
    said = node(AGENT, talk / FIRST, "first", "second", "second", "third", "nothing", "x", "third", "FIRST")
    assert said == "edited,edited,not found once,edited\n"
    verify_twice(mnt, talk, EDITED)


def test_M5__agent_edits__after_another_programs_change__refuses_once_and_goes_on(mnt, talk, node):
    said = node(AGENT, talk / FIRST, "first", "1", "elsewhere", "", "1", "FIRST")
    assert said == "edited,modified since read,edited\n"
    verify_twice(mnt, talk, edited(FIRST, b"first question\n", b"FIRST question\nmore\n"))


def test_T9__node_watch__sees_what_is_written_on_this_mount(talk, node):
    said = node("""
        const dir = args[0], stop = new AbortController(), seen = new Set();
        const wanted = ['000001-user.md', 'new.txt', '000009-user.md', 'gone'];
        const timer = setTimeout(() => stop.abort(), 10000);
        fs.watch(dir, (kind, name) => { seen.add('watch ' + name); }).unref();
        setTimeout(async () => {
            fs.appendFileSync(dir + '/000001-user.md', 'more');
            fs.writeFileSync(dir + '/new.txt', 'x');
            fs.writeFileSync(dir + '/gone', 'x');
            fs.unlinkSync(dir + '/gone');
            fs.renameSync(dir + '/new.txt', dir + '/000009-user.md');
        }, 50);
        try {
            for await (const event of fs.promises.watch(dir, {signal: stop.signal})) {
                seen.add(event.filename);
                if (wanted.every(name => seen.has(name) && seen.has('watch ' + name))) break;
            }
        } catch (error) { console.log('never seen', [...seen].join()); }
        clearTimeout(timer);
        console.log(wanted.every(name => seen.has(name) && seen.has('watch ' + name)))""", talk)
    assert said == "true\n"


def test_M5__node_watchFile__tells_of_changes_and_of_nothing_else(talk, node):
    said = node("""
        const path = args[0] + '/000001-user.md', seen = [];
        fs.watchFile(path, {interval: 20}, (now, was) => seen.push(now.size - was.size));
        const pause = ms => new Promise(done => setTimeout(done, ms));
        await pause(60);
        fs.writeFileSync(args[0] + '/000003-user.md', 'another');
        fs.readFileSync(path);
        await pause(120);
        const before = seen.length;
        fs.appendFileSync(path, 'four');
        for (let i = 0; i < 200 && seen.length === before; i++) await pause(20);
        fs.unwatchFile(path);
        console.log(before, seen.join())""", talk)
    assert said == "0 4\n"
