#!/usr/bin/env python3
"""A chat server that keeps its conversations in a directory.

    chat_server.py CONVERSATIONS SOCKET

A request is one line of JSON on the Unix socket, {"text": ..., "continuation_id": ...}; the answer is one
line as well, {"reply": ..., "continuation_id": ...}. Without a continuation_id a conversation begins.
"""

import json
import os
import pathlib
import socketserver
import sys
import uuid

CONVERSATIONS = pathlib.Path(sys.argv[1])


def new_thread():
    thread = str(uuid.uuid4())
    (CONVERSATIONS / ".turnfs").stat()  # nothing is mounted: FileNotFoundError
    (CONVERSATIONS / thread).mkdir()
    return thread


def add_turn(thread, role, text):
    stream = os.open(CONVERSATIONS / thread / f"@{role}", os.O_WRONLY)  # a mount has it: no O_CREAT
    with open(stream, "wb") as turn:
        turn.write(text.encode())


def history(thread):
    turns = sorted((CONVERSATIONS / thread).glob("[0-9]*-*.md"))
    return [(turn.stem[7:], turn.read_bytes().decode()) for turn in turns]


def why(thread):
    """What to tell the user whose conversation is not there: the mount knows."""
    return (CONVERSATIONS / ".turnfs" / "why" / thread).read_text()


def model(turns):
    """Stands in for a language model: shows that it has read the whole conversation."""
    said = [text for role, text in turns if role == "user"]
    return f"You have said {len(said)} things; the first was {said[0]!r}, the last {said[-1]!r}."


class Conversation(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            try:
                request = json.loads(line)
                answer = self.answer(request)
            except FileNotFoundError as error:
                answer = {"error": self.explanation(request, error)}
            except (OSError, ValueError, KeyError) as error:
                answer = {"error": str(error)}
            self.wfile.write(json.dumps(answer).encode() + b"\n")

    def answer(self, request):
        thread = request.get("continuation_id") or new_thread()
        add_turn(thread, "user", request["text"])
        reply = model(history(thread))
        add_turn(thread, "assistant", reply)
        return {"continuation_id": thread, "reply": reply}

    def explanation(self, request, error):
        try:
            return why(request["continuation_id"])
        except (OSError, KeyError):
            return str(error)


class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


if __name__ == "__main__":
    pathlib.Path(sys.argv[2]).unlink(missing_ok=True)
    with Server(sys.argv[2], Conversation) as server:
        server.serve_forever()
