"""emacs on a terminal and in batch, with each way it has of keeping a backup.

By default it renames x to x~ and makes x anew. It locks x by a symlink .#x; where that is EPERM, by a file of
that name. It refuses to save, or asks, when mtime or size are not those it saved last."""

import os
import subprocess

import pytest

from harness import document, read, run, set_attribute, wait_until
from talk import CONTENTS, FIRST, METADATA, edited, furnish, verify, verify_twice
from terminal import Terminal

EDITED = edited(FIRST, b"first", b"FIRST")
BACKUP = FIRST + "~"
LOCK = ".#" + FIRST
REPLACE = '(progn (goto-char 1) (while (search-forward "{}" nil t) (replace-match "{}" t)) (save-buffer))'

SETTINGS = {
    "default": ("", [BACKUP]),
    "backup-by-copying": ("(setq backup-by-copying t)", [BACKUP]),
    "no-backup": ("(setq make-backup-files nil)", []),
    "precious": ("(setq file-precious-flag t)", [BACKUP]),
    "numbered": ("(setq version-control t)", [FIRST + ".~1~"]),
    "by-copying-when-linked": ("(setq backup-by-copying-when-linked t backup-by-copying-when-mismatch t)", [BACKUP]),
    "no-lock": ("(setq create-lockfiles nil)", [BACKUP]),
    "fsync": ("(setq write-region-inhibit-fsync nil)", [BACKUP]),
}


@pytest.fixture
def talk(mnt):
    return furnish(mnt.thread("talk"))


@pytest.fixture
def emacs(program, workshop):
    """emacs(FILE, EXPRESSION…) in batch."""
    program("emacs")

    def call(path, *expressions):
        arguments = [a for e in expressions if e for a in ("--eval", e)]
        return run("emacs", "--batch", "-Q", path, *arguments, stdin=-3, env=workshop.environment())

    return call


@pytest.mark.parametrize("setting", SETTINGS)
def test_M6__emacs_in_batch__saves_and_keeps_number_and_metadata(mnt, talk, emacs, setting):
    expression, left = SETTINGS[setting]
    emacs(talk / FIRST, expression, REPLACE.format("first", "FIRST"))
    for name in left:
        assert read(talk / name) == CONTENTS[0][1]
    verify_twice(mnt, talk, EDITED, extra=["picture.png", *left])


@pytest.mark.parametrize("setting", ["default", "backup-by-copying"])
def test_M6__emacs_on_a_terminal__locks_saves_twice_and_unlocks(program, mnt, talk, workshop, setting):
    program("emacs")
    command = ["emacs", "-nw", "-Q", "--eval", SETTINGS[setting][0] or "t", talk / FIRST]
    with Terminal(*command, env=workshop.environment()) as emacs:
        emacs.expect(b"first question")
        for word in (b"2 ", b"1 "):
            emacs.send(b"\x1b<" + word)
            wait_until(lambda: LOCK in os.listdir(talk), 5, "the lock")
            emacs.send(b"\x18\x13")
            emacs.expect(b"Wrote ")
            assert LOCK not in os.listdir(talk)
        emacs.send(b"\x18\x03")
        assert emacs.end() == 0
    assert read(talk / BACKUP) == CONTENTS[0][1], "only the first save of a session makes a backup"
    verify_twice(mnt, talk, edited(FIRST, b"first", b"1 2 first"), extra=("picture.png", BACKUP))


@pytest.mark.parametrize("setting", ["default", "backup-by-copying"])
def test_M6__emacs_a_second_session__has_the_metadata_of_now_and_the_backup_of_now(mnt, talk, emacs, setting):
    emacs(talk / FIRST, SETTINGS[setting][0], REPLACE.format("first", "1"))
    set_attribute(talk / FIRST, "model", "later")
    emacs(talk / FIRST, SETTINGS[setting][0], REPLACE.format("1 q", "FIRST q"))
    assert read(talk / BACKUP) == b"1 question\n"
    metadata = {**METADATA, FIRST: {"model": "later", "n": 42}}
    verify_twice(mnt, talk, EDITED, metadata, extra=("picture.png", BACKUP))
    os.unlink(talk / BACKUP)
    verify_twice(mnt, talk, EDITED, metadata)


def test_M5__emacs_that_stays_open_across_a_remount__finds_the_file_unmoved_and_saves(program, mnt, talk, workshop):
    program("emacs")
    ready, go = workshop.base / "ready", workshop.base / "go"
    script = f"""(progn
        {REPLACE.format("first", "1")}
        (write-region "" nil "{ready}")
        (while (not (file-exists-p "{go}")) (sleep-for 0.02))
        (unless (verify-visited-file-modtime (current-buffer)) (error "it moved by itself"))
        {REPLACE.format("1", "FIRST")})"""
    command = ["emacs", "--batch", "-Q", talk / FIRST, "--eval", script]
    with subprocess.Popen(command, cwd=workshop.base, env=workshop.environment(), stdin=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as emacs:
        wait_until(lambda: ready.exists() or emacs.poll() is not None, 10, "the first save")
        mnt.kill9()
        mnt.remount()
        go.write_text("")
        said = emacs.communicate(timeout=20)[1]
    assert emacs.returncode == 0, said
    verify_twice(mnt, talk, EDITED, extra=("picture.png", BACKUP))


def test_M5__emacs__another_program_changed_the_file__it_notices_and_does_not_save(talk, emacs):
    done = emacs(talk / FIRST, f"""(progn
        (with-temp-file "{talk / '000003-user.md'}" (insert "changed elsewhere"))
        (unless (verify-visited-file-modtime (current-buffer)) (error "moved, though another turn changed"))
        (call-process "sh" nil nil nil "-c" "echo changed > '{talk / FIRST}'")
        (message (if (verify-visited-file-modtime (current-buffer)) "not noticed" "noticed")))""")
    assert done.stderr == "noticed\n"
    assert read(talk / FIRST) == b"changed\n"


def test_N3__emacs_killed__its_auto_save_file_recovers_the_edit_and_goes(talk, emacs):
    auto = f"#{FIRST}#"
    emacs(talk / FIRST, f"""(progn
        (auto-save-mode 1) (goto-char 1) (insert "FIRST, not ") (do-auto-save) (signal-process (emacs-pid) 0)
        (set-buffer-modified-p nil) (unlock-buffer) (kill-emacs))""")
    assert read(talk / auto) == b"FIRST, not first question\n" and read(talk / FIRST) == CONTENTS[0][1]
    emacs(talk / FIRST, "(setq make-backup-files nil)", f"""(progn
        (erase-buffer) (insert-file-contents (make-auto-save-file-name)) (save-buffer)
        (delete-file (make-auto-save-file-name)))""")
    verify(talk, edited(FIRST, b"first", b"FIRST, not first"))


def test_M3__emacs__edits_the_document(talk, emacs):
    emacs(talk / "thread.json", REPLACE.format('\\"T\\"', '\\"From emacs\\"'))
    doc = document(talk)
    assert doc["title"] == "From emacs" and doc["turns"] == METADATA
    assert sorted(os.listdir(talk))[-2:] == ["thread.json", "thread.json~"]


def test_W2__emacs__makes_a_turn_and_appends_to_the_conversation(mnt, talk, emacs, workshop):
    emacs(talk / "000004-user.md", '(progn (insert "New turn") (save-buffer))')
    emacs(workshop.base / "draft", f"""(progn
        (write-region "said by emacs" nil "{talk}/@assistant")
        (write-region " and more" nil "{talk}/000004-user.md" t))""")
    verify_twice(mnt, talk, [*CONTENTS, ("000004-user.md", b"New turn and more"),
                             ("000005-assistant.md", b"said by emacs")],
                 {**METADATA, "000004-user.md": {}, "000005-assistant.md": {}},
                 modes={"000004-user.md": 0o644, "000005-assistant.md": 0o600})
