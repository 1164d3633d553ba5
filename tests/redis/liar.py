"""A server that is none: answers whatever it was told to, and counts who came."""

import contextlib
import socket
import threading


class Liar:
    """answer(request: bytes) -> bytes, or None to close the connection."""

    def __init__(self, path, answer):
        self.path, self.answer, self.asked = path, answer, 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return f"redis+unix://{self.path}"

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError), client:
            while request := client.recv(1 << 16):
                self.asked += 1
                reply = self.answer(request)
                if reply is None:
                    return
                client.sendall(reply)

    def close(self):
        self.listener.close()
