"""W6 and W7: @role and @transcript, where what is written becomes turns."""

import errno
import json
import multiprocessing
import os
import stat
import threading

import pytest

from harness import (
    attributes,
    document,
    fails,
    get_attribute,
    opened,
    outcome,
    parse_time,
    read,
    renameat2,
    run,
    say,
    set_attribute,
    shell,
    turns,
    write,
    write_all,
)

# W6


def test_W6__write_and_close__appends_one_turn(anythread):
    say(anythread, "user", "hello")
    say(anythread, "assistant", "hi")
    say(anythread, "tool", "42")
    say(anythread, "system", "be brief")
    say(anythread, "my-role_2", "x")
    assert turns(anythread) == [
        ("000001-user.md", b"hello"),
        ("000002-assistant.md", b"hi"),
        ("000003-tool.md", b"42"),
        ("000004-system.md", b"be brief"),
        ("000005-my-role_2.md", b"x"),
    ]


@pytest.mark.parametrize("text", [b"\0", b"\n", bytes(range(256)), b"\xff\xfe", b"no newline", b"x" * 300000,
                                  b"\r\n\r\n", "ä\u2028\U0001f600".encode()],
                         ids=["nul", "newline", "bytes", "not-utf8", "text", "large", "crlf", "utf8"])
def test_W6__any_bytes__are_kept_exactly(anythread, text):
    say(anythread, "user", text)
    assert turns(anythread) == [("000001-user.md", text)]
    assert os.stat(anythread / "000001-user.md").st_size == len(text)


def test_W6__number__is_the_highest_ever_used_plus_one(anythread):
    write(anythread / "000041-user.md", b"x")
    say(anythread, "user", "42")
    os.unlink(anythread / "000042-user.md")
    os.unlink(anythread / "000041-user.md")
    say(anythread, "user", "43")
    os.rename(anythread / "000043-user.md", anythread / "000002-user.md")
    say(anythread, "user", "44")
    assert turns(anythread) == [("000002-user.md", b"43"), ("000044-user.md", b"44")]


def test_W6__nothing_written__no_turn(anythread):
    for flags in (os.O_WRONLY, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND, os.O_WRONLY | os.O_CREAT):
        with opened(anythread / "@user", flags) as fd:
            os.close(os.dup(fd))
            os.fsync(fd)
    with opened(anythread / "@user", os.O_WRONLY) as fd:
        assert os.write(fd, b"") == 0
    shell(": > @user; : >> @user; true > @assistant", cwd=anythread)
    assert os.listdir(anythread) == ["thread.json"]
    say(anythread, "user", "first")
    assert turns(anythread) == [("000001-user.md", b"first")]


def test_W6__offsets__are_ignored(anythread):
    with opened(anythread / "@user", os.O_WRONLY) as fd:
        os.pwrite(fd, b"one ", 1000)
        os.pwrite(fd, b"two ", 0)
        os.write(fd, b"three ")
        outcome(os.lseek, fd, 0, os.SEEK_SET)
        os.write(fd, b"four")
    assert turns(anythread) == [("000001-user.md", b"one two three four")]


def test_W6__written_in_pieces__one_turn(anythread):
    with opened(anythread / "@assistant", os.O_WRONLY) as fd:
        for i in range(200):
            os.write(fd, b"%d " % i)
    assert turns(anythread) == [("000001-assistant.md", b"".join(b"%d " % i for i in range(200)))]


def append(i, folder, count):
    names = []
    for j in range(count):
        with opened(os.path.join(folder, "@user"), os.O_WRONLY) as fd:
            os.write(fd, b"%d:%d" % (i, j))
            os.fsync(fd)
            names.append((os.getxattr(fd, "user.turnfs.turn").decode(), b"%d:%d" % (i, j)))
    return names


def test_W6__sixteen_writers__each_gets_its_own_turn_and_none_is_lost(anythread):
    with multiprocessing.get_context("fork").Pool(16) as pool:
        results = pool.starmap(append, [(i, str(anythread), 20) for i in range(16)])
    found = turns(anythread)
    assert [name for name, _ in found] == [f"{i:06d}-user.md" for i in range(1, 321)]
    assert sorted(found) == sorted(turn for result in results for turn in result)
    for result in results:
        assert result == sorted(result), "each writer's turns in its order"


def turn_names(thread):
    return [n for n in os.listdir(thread) if n.endswith(".md")]


def test_W5__number_created_while_streams_append__is_the_creators_or_EEXIST(anythread):
    """Whose exclusive create succeeded has the number: no stream takes it before the close."""
    stop, refused = threading.Event(), []

    def create():
        while not stop.is_set():
            number = max([int(n[:6]) for n in turn_names(anythread)], default=0) + 1
            try:
                fd = os.open(anythread / f"{number:06}-tool.md", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                continue
            os.write(fd, b"created")
            refused.append(outcome(os.close, fd))

    creator = threading.Thread(target=create)
    creator.start()
    streams = [threading.Thread(target=lambda: [say(anythread, "user", "x") for _ in range(150)]) for _ in range(3)]
    for stream in streams:
        stream.start()
    for stream in streams:
        stream.join()
    stop.set()
    creator.join()
    assert set(refused) <= {0}
    numbers = [n[:6] for n in turn_names(anythread)]
    assert len(set(numbers)) == len(numbers) == 450 + len(refused)


def test_W6__two_open_at_once__are_apart(anythread):
    with opened(anythread / "@user", os.O_WRONLY) as one:
        os.write(one, b"one ")
        with opened(anythread / "@user", os.O_WRONLY) as two:
            os.write(two, b"two ")
            os.write(one, b"still one")
            os.write(two, b"still two")
    assert sorted(content for _, content in turns(anythread)) == [b"one still one", b"two still two"]


def test_W6__threads_of_one_process__are_apart(anythread):
    def work(i):
        for j in range(10):
            say(anythread, "user", f"{i}:{j}")

    workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(content.decode() for _, content in turns(anythread)) == sorted(
        f"{i}:{j}" for i in range(8) for j in range(10))


def test_W6__fsync__the_turn_is_there_and_named_and_writing_on_completes_it(anythread):
    with opened(anythread / "@assistant", os.O_WRONLY) as fd:
        os.write(fd, b"Once ")
        os.fsync(fd)
        assert turns(anythread) == [("000001-assistant.md", b"Once ")]
        assert os.getxattr(fd, "user.turnfs.turn") == b"000001-assistant.md"
        say(anythread, "user", "between")
        os.write(fd, b"upon ")
        os.fdatasync(fd)
        assert turns(anythread)[0] == ("000001-assistant.md", b"Once upon ")
        os.close(os.dup(fd))
        os.write(fd, b"a time")
        assert os.getxattr(fd, "user.turnfs.turn") == b"000001-assistant.md"
    assert turns(anythread) == [("000001-assistant.md", b"Once upon a time"), ("000002-user.md", b"between")]
    assert os.stat(anythread / "000001-assistant.md").st_size == 16


def test_W6__turn_open_and_not_read_yet_when_it_is_completed__reads_whole(anythread):
    with opened(anythread / "@user", os.O_WRONLY) as fd:
        os.write(fd, b"first ")
        os.fsync(fd)
        with opened(anythread / "000001-user.md") as reader:
            os.write(fd, b"and second")
            os.fsync(fd)
            assert os.read(reader, 100) == b"first and second"
            assert os.fstat(reader).st_size == 16
    assert turns(anythread) == [("000001-user.md", b"first and second")]


def test_W6__fsynced__survives_kill_as_far_as_fsynced(mnt, thread):
    fd = os.open(thread / "@assistant", os.O_WRONLY)
    os.write(fd, b"Once ")
    os.fsync(fd)
    os.write(fd, b"upon")
    mnt.kill9()
    outcome(os.close, fd)
    mnt.remount()
    assert turns(thread) == [("000001-assistant.md", b"Once ")]
    say(thread, "user", "next")
    assert turns(thread)[1][0] == "000002-user.md"


def test_W6__not_yet_closed__no_turn_after_kill(mnt, thread):
    fd = os.open(thread / "@assistant", os.O_WRONLY)
    os.write(fd, b"Once ")
    assert os.listdir(thread) == ["thread.json"]
    mnt.kill9()
    outcome(os.close, fd)
    mnt.remount()
    assert turns(thread) == []


def test_W6__duplicates__one_turn(anythread):
    shell("(echo a; sh -c 'echo b'; echo c) > @user", cwd=anythread)
    assert turns(anythread) == [("000001-user.md", b"a\nb\nc\n")]
    shell("exec 3>@assistant; echo a >&3; ls >/dev/null; echo b >&3; exec 3>&-", cwd=anythread)
    assert turns(anythread)[1:] == [("000002-assistant.md", b"a\nb\n")]


def test_W6__reopened_through_dev_fd__an_open_of_its_own(anythread):
    with opened(anythread / "@user", os.O_WRONLY) as fd:
        os.write(fd, b"one")
        with opened(f"/dev/fd/{fd}", os.O_WRONLY) as again:
            os.write(again, b"two")
    assert sorted(content for _, content in turns(anythread)) == [b"one", b"two"]


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDWR], ids=["rdonly", "rdwr"])
@pytest.mark.parametrize("name", ["@user", "@other"])
def test_W6__open_for_reading__EACCES(anythread, name, flags):
    with fails(errno.EACCES):
        os.close(os.open(anythread / name, flags))
    assert run("cat", anythread / name, check=False).returncode == 1


@pytest.mark.parametrize("name", ["@user", "@transcript.md", "@transcript.jsonl"])
def test_W6__unlink_and_rename__EPERM(anymnt, anythread, name):
    other = anymnt.thread("other")
    for action in (
        lambda: os.unlink(anythread / name),
        lambda: os.rename(anythread / name, anythread / "x"),
        lambda: os.rename(anythread / name, other / "000001-user.md"),
        lambda: renameat2(anythread / name, anythread / "x", 1),
    ):
        with fails(errno.EPERM):
            action()
    assert os.path.exists(anythread / name)


def test_W6__at_names_in_the_root__are_not_there(anymnt):
    assert not os.path.exists(anymnt / "@user")
    with fails(errno.ENOENT, errno.EINVAL):
        os.stat(anymnt / "@transcript.jsonl")


def test_W6__at_name__looks_like_an_empty_file(anythread):
    found = os.stat(anythread / "@user")
    assert stat.S_ISREG(found.st_mode)
    assert found.st_size == 0
    say(anythread, "user", "x")
    assert os.stat(anythread / "@user").st_size == 0


def test_W6__shell_and_tools__append(anythread):
    shell("echo one > @user; echo two >> @user; printf three | tee @assistant | cat; printf four | cat > @tool",
          cwd=anythread)
    write(anythread / "attachment", b"five")
    run("cp", anythread / "attachment", anythread / "@system")
    run("dd", f"if={anythread}/attachment", f"of={anythread}/@user", "conv=fsync")
    assert [content for _, content in turns(anythread)] == [
        b"one\n", b"two\n", b"three", b"four", b"five", b"five"]


def test_W6__thread_renamed_or_removed_while_open(anymnt):
    thread = anymnt.thread("old")
    with opened(thread / "@user", os.O_WRONLY) as fd:
        os.write(fd, b"text")
        os.rename(thread, anymnt / "new")
    assert turns(anymnt / "new") == [("000001-user.md", b"text")]
    gone = anymnt.thread("gone")
    fd = os.open(gone / "@user", os.O_WRONLY)
    os.write(fd, b"text")
    os.rmdir(gone)
    with fails(errno.ENOENT):
        os.close(fd)
    assert os.listdir(anymnt.path) == ["new"]


@pytest.mark.parametrize("new", ["000007-tool.md", "note.txt", ".scratch"])
@pytest.mark.parametrize("across", [False, True], ids=["within", "to another thread"])
def test_W6__turn_fsynced_and_renamed__closing_completes_it_where_it_is(anymnt, anythread, new, across):
    into = anymnt.thread("other") if across else anythread
    with opened(anythread / "@user", os.O_WRONLY) as fd:
        os.write(fd, b"one")
        os.fsync(fd)
        os.rename(anythread / "000001-user.md", into / new)
        os.write(fd, b", two")
    assert read(into / new) == b"one, two"
    assert turns(anythread) == ([(new, b"one, two")] if "tool" in new and not across else [])
    assert os.stat(into / new).st_size == 8


def test_W6__turn_fsynced_and_replaced__closing_overwrites_nothing(anythread):
    fd = os.open(anythread / "@user", os.O_WRONLY)
    os.write(fd, b"one")
    os.fsync(fd)
    write(anythread / ".new", b"edited")
    os.rename(anythread / ".new", anythread / "000001-user.md")
    os.write(fd, b", two")
    with fails(errno.ESTALE):
        os.close(fd)
    assert turns(anythread) == [("000001-user.md", b"edited")]


def test_W6__turn_fsynced_and_unlinked__closing_does_not_bring_it_back_twice(anythread):
    fd = os.open(anythread / "@user", os.O_WRONLY)
    os.write(fd, b"one")
    os.fsync(fd)
    os.unlink(anythread / "000001-user.md")
    os.write(fd, b"two")
    outcome(os.close, fd)
    assert [n for n, _ in turns(anythread)] in ([], ["000001-user.md"])
    say(anythread, "user", "next")
    assert turns(anythread)[-1] == ("000002-user.md", b"next")


# W7


def jsonl(*objects, end="\n"):
    return "\n".join(json.dumps(o) for o in objects) + end


def transcript(thread):
    return [json.loads(line) for line in read(thread / "@transcript.jsonl").decode().splitlines()]


def test_W7__lines__become_turns(anythread):
    say(anythread, "system", "before")
    text = jsonl(
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hi", "model": "m", "tokens": 7, "nested": {"a": [1, None]}},
        {"role": "tool", "content": "", "timestamp": "2024-05-06T07:08:09.123456789Z"},
    )
    write(anythread / "@transcript.jsonl", text, os.O_WRONLY)
    assert turns(anythread)[1:] == [
        ("000002-user.md", b"hello"),
        ("000003-assistant.md", b"hi"),
        ("000004-tool.md", b""),
    ]
    assert document(anythread)["turns"]["000003-assistant.md"] == {
        "model": "m", "tokens": 7, "nested": {"a": [1, None]}}
    assert attributes(anythread / "000003-assistant.md")["tokens"] == b"7"
    assert os.stat(anythread / "000004-tool.md").st_mtime_ns == parse_time("2024-05-06T07:08:09.123456789Z")
    assert document(anythread)["turn_count"] == 4


@pytest.mark.parametrize("timestamp,seconds", [
    ("2024-05-06T07:08:09Z", 1714979289), ("2024-05-06T07:08:09+00:00", 1714979289),
    ("2024-05-06T09:08:09.5+02:00", 1714979289.5), ("1969-12-31T23:59:59Z", -1)])
def test_W7__timestamp__is_the_turns_time(anythread, timestamp, seconds):
    write(anythread / "@transcript.jsonl",
          jsonl({"role": "user", "content": "x", "timestamp": timestamp}), os.O_WRONLY)
    assert os.stat(anythread / "000001-user.md").st_mtime_ns == int(seconds * 10**9)


def test_W7__last_line_without_newline__counts(anythread):
    text = jsonl({"role": "user", "content": "1"}, {"role": "user", "content": "2"}, end="")
    write(anythread / "@transcript.jsonl", text, os.O_WRONLY)
    assert [content for _, content in turns(anythread)] == [b"1", b"2"]


def test_W7__written_in_pieces__lines_are_put_together(anythread):
    text = jsonl(*({"role": "user", "content": f"ä{i}"} for i in range(50))).encode()
    with opened(anythread / "@transcript.jsonl", os.O_WRONLY | os.O_APPEND) as fd:
        for i in range(0, len(text), 7):
            os.write(fd, text[i : i + 7])
        assert turns(anythread) == []
    assert [content.decode() for _, content in turns(anythread)] == [f"ä{i}" for i in range(50)]


@pytest.mark.parametrize("bad", [
    '{"role":"user"}', '{"content":"x"}', '{"role":"user","content":7}', '{"role":7,"content":"x"}',
    '{"role":"user","content":null}', '{"role":"Bad Role!","content":"x"}', '{"role":"","content":"x"}',
    'nonsense', '{"role":"user","content":"x"', '["user","x"]', '"x"', '7', 'null',
    '{"role":"user","content":"x"} trailing', '{"role":"user","content":{"base64":"!!"}}',
    '{"role":"user","content":"x","timestamp":"yesterday"}', '{"role":"user","content":"x","timestamp":{}}',
    "[" * 100000], ids=lambda bad: bad[:40])
def test_W7__one_bad_line__none_becomes_a_turn_and_close_is_EINVAL(anythread, bad):
    good = jsonl({"role": "user", "content": "good"})
    for text in (good + bad, good + bad + "\n", bad + "\n" + good):
        fd = os.open(anythread / "@transcript.jsonl", os.O_WRONLY)
        write_all(fd, text.encode())
        with fails(errno.EINVAL):
            os.close(fd)
    assert os.listdir(anythread) == ["thread.json"]
    write(anythread / "@transcript.jsonl", good, os.O_WRONLY)
    assert turns(anythread) == [("000001-user.md", b"good")]


@pytest.mark.parametrize("depth", [1999, 2000, 2045, 2047])
def test_W7__metadata_nested_deeply__is_refused_or_reads_back_in_thread_json(anythread, depth):
    line = jsonl({"role": "user", "content": "x", "a": 0}).replace("0", "[" * depth + "]" * depth)
    result = outcome(write, anythread / "@transcript.jsonl", line, os.O_WRONLY)
    assert result == (errno.EINVAL if depth > 1999 else 0)
    assert len(turns(anythread)) == (result == 0)
    write(anythread / "thread.json", read(anythread / "thread.json"))


def test_W7__integers_of_any_size__keep_their_digits(anythread):
    line = {"role": "user", "content": "x", "seed": 18446744073709551615, "n": [-(10**30), 1]}
    write(anythread / "@transcript.jsonl", jsonl(line), os.O_WRONLY)
    assert get_attribute(anythread / "000001-user.md", "seed") == b"18446744073709551615"
    set_attribute(anythread / "000001-user.md", "seed", "18446744073709551615")
    (read_back,) = transcript(anythread)
    assert (read_back["seed"], read_back["n"]) == (line["seed"], line["n"])
    with fails(errno.EINVAL):
        write(anythread / "@transcript.jsonl", jsonl({"role": "user", "content": 10**30}), os.O_WRONLY)


def test_W7__opened_for_both__reads_what_was_there_and_appends(anythread):
    say(anythread, "user", "one")
    with open(anythread / "@transcript.jsonl", "a+", encoding="utf-8") as file:
        file.seek(0)
        assert [json.loads(line)["content"] for line in file] == ["one"]
        file.write(jsonl({"role": "assistant", "content": "two"}))
    assert [t["content"] for t in transcript(anythread)] == ["one", "two"]
    with fails(errno.EACCES):
        os.close(os.open(anythread / "@transcript.md", os.O_RDWR))


@pytest.mark.parametrize("pieces", [
    ('{"role":"user",', '"content":"x"}'), ('{"role":"user","content":"x"}\n{"role":', '"user","content":"y"}')])
def test_W7__closed_in_the_middle_of_a_line__the_rest_completes_it(anythread, pieces):
    """(a; b) > @transcript.jsonl: what a leaves is no JSON yet, which its exit tells nobody."""
    with opened(anythread / "@transcript.jsonl", os.O_WRONLY) as fd:
        os.write(fd, pieces[0].encode())
        with fails(errno.EINVAL):
            os.close(os.dup(fd))
        assert turns(anythread) == []
        os.write(fd, pieces[1].encode())
    assert [t for _, t in turns(anythread)] == [b"x", b"y"][:"".join(pieces).count("role")]


def test_W7__bad_line_before_good_ones__each_close_is_EINVAL(anythread):
    fd = os.open(anythread / "@transcript.jsonl", os.O_WRONLY)
    os.write(fd, b"no json\n")
    for _ in range(2):
        with fails(errno.EINVAL):
            os.close(os.dup(fd))
    os.write(fd, jsonl({"role": "user", "content": "x"}).encode())
    with fails(errno.EINVAL):
        os.close(fd)
    assert turns(anythread) == []


def test_W7__not_utf8__EINVAL(anythread):
    fd = os.open(anythread / "@transcript.jsonl", os.O_WRONLY)
    os.write(fd, b'{"role":"user","content":"\xff"}\n')
    with fails(errno.EINVAL):
        os.close(fd)
    assert turns(anythread) == []


def test_W7__nothing_written__no_turn(anythread):
    write(anythread / "@transcript.jsonl", b"", os.O_WRONLY | os.O_TRUNC)
    shell(": > @transcript.jsonl; : >> @transcript.jsonl", cwd=anythread)
    assert turns(anythread) == []


def test_W7__reading__gives_the_same_form_with_the_number(anythread):
    say(anythread, "user", "hello")
    say(anythread, "assistant", "hi")
    os.utime(anythread / "000002-assistant.md", ns=(10**18 + 5, 10**18 + 5))
    set_attribute(anythread / "000002-assistant.md", "model", "m")
    say(anythread, "user", b"\xff\x00")
    os.unlink(anythread / "000001-user.md")
    lines = transcript(anythread)
    assert [(line["turn"], line["role"]) for line in lines] == [(2, "assistant"), (3, "user")]
    assert lines[0]["content"] == "hi"
    assert lines[0]["model"] == "m"
    assert parse_time(lines[0]["timestamp"]) == 10**18 + 5
    assert lines[1]["content"] == {"base64": "/wA="}
    assert set(lines[1]) == {"turn", "role", "content", "timestamp"}


def test_W7__read_and_written_again__gives_the_same_conversation(anymnt):
    one, two = anymnt.thread("one"), anymnt.thread("two")
    for text in (b"hello", b"", b"\xff\xfe", "ä\u2028\"\\\n\t\x01".encode(), b"x" * 200000, b"\r\n", b"\0"):
        if text:
            say(one, "user", text)
        else:
            write(one / "000002-assistant.md", b"")
    set_attribute(one / "000003-user.md", "model", "m")
    os.utime(one / "000001-user.md", ns=(10**18 + 123456789, 10**18 + 123456789))
    text = read(one / "@transcript.jsonl")
    write(two / "@transcript.jsonl", text, os.O_WRONLY)
    assert read(two / "@transcript.jsonl") == text
    assert turns(one) == turns(two)
    assert document(one)["turns"] == document(two)["turns"]
    run("cp", one / "@transcript.jsonl", two / "@transcript.jsonl")
    assert len(turns(two)) == 2 * len(turns(one))


def test_W7__empty_thread__reads_empty(anythread):
    assert read(anythread / "@transcript.jsonl") == b""
    assert os.stat(anythread / "@transcript.jsonl").st_size == 0


def test_W7__st_size_of_transcripts__is_what_is_read(anythread):
    for i in range(10):
        say(anythread, "user", f"text {i} ä")
        for name in ("@transcript.md", "@transcript.jsonl"):
            assert os.stat(anythread / name).st_size == len(read(anythread / name)) > 0


def test_W7__open_for_reading_while_a_turn_comes__reads_one_state_whole(anythread):
    for i in range(200):
        say(anythread, "user", "x" * 1000)
    with opened(anythread / "@transcript.jsonl") as fd:
        data = os.read(fd, 5000)
        say(anythread, "user", "new")
        os.unlink(anythread / "000001-user.md")
        while part := os.read(fd, 5000):
            data += part
    assert [json.loads(line)["turn"] for line in data.splitlines()] == list(range(1, 201))
    assert transcript(anythread)[-1]["turn"] == 201


def test_W7__edited_turn__shows_in_the_transcript_at_once(anythread):
    say(anythread, "user", "one")
    assert transcript(anythread)[0]["content"] == "one"
    write(anythread / "000001-user.md", b"two, longer")
    assert transcript(anythread)[0]["content"] == "two, longer"
    assert b"two, longer" in read(anythread / "@transcript.md")


def test_W7__transcript_md__has_the_conversation_and_is_read_only(anythread):
    say(anythread, "user", "question")
    say(anythread, "assistant", "answer")
    text = read(anythread / "@transcript.md").decode()
    assert text.index("question") < text.index("answer")
    assert "user" in text and "assistant" in text
    with fails(errno.EACCES, errno.EPERM, errno.EROFS):
        write(anythread / "@transcript.md", b"x", os.O_WRONLY)


def test_W7__many_lines_by_many_writers__each_lot_in_one_step(anythread):
    def work(i):
        for j in range(5):
            text = jsonl(*({"role": "user", "content": f"{i}:{j}:{k}"} for k in range(10)))
            write(anythread / "@transcript.jsonl", text, os.O_WRONLY)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = [content.decode() for _, content in turns(anythread)]
    assert len(found) == 300
    for at in range(0, 300, 10):
        lot = found[at].rsplit(":", 1)[0]
        assert found[at : at + 10] == [f"{lot}:{k}" for k in range(10)]


def test_W7__fsync__stores_the_lines_so_far_and_closing_adds_only_the_rest(anythread):
    with opened(anythread / "@transcript.jsonl", os.O_WRONLY) as fd:
        write_all(fd, jsonl({"role": "user", "content": "1"}).encode())
        os.fsync(fd)
        assert [content for _, content in turns(anythread)] == [b"1"]
        write_all(fd, jsonl({"role": "user", "content": "2"}).encode())
    assert [content for _, content in turns(anythread)] == [b"1", b"2"]


def test_W7__closed__survives_kill(mnt, thread):
    write(thread / "@transcript.jsonl",
          jsonl(*({"role": "user", "content": str(i), "n": i} for i in range(100))), os.O_WRONLY)
    mnt.kill9()
    mnt.remount()
    assert [content for _, content in turns(thread)] == [b"%d" % i for i in range(100)]
    assert get_attribute(thread / "000100-user.md", "n") == b"99"


def test_W2__appended_to_a_turn_that_its_stream_has_completed__at_its_end(mnt):
    thread = mnt.thread()
    turn = thread / "000001-user.md"
    with opened(thread / "@user", os.O_WRONLY) as stream:
        os.write(stream, b"1" * 1000)
        os.fsync(stream)
        with opened(turn, os.O_WRONLY | os.O_APPEND) as appending:
            os.stat(turn)
            os.write(stream, b"2" * 1000)
            os.fsync(stream)
            os.write(appending, b"3" * 10)
    assert read(turn) == b"1" * 1000 + b"2" * 1000 + b"3" * 10
