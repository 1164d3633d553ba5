"""A server that is none: answers whatever it was told to, and counts who came."""

import contextlib
import socket
import threading


class Liar:
    """answer(request: bytes) -> bytes, or None to close the connection. Without a path: on a port."""

    def __init__(self, path, answer):
        self.path, self.answer, self.asked, self.heard = path, answer, 0, b""
        self.listener = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        self.listener.bind(str(path) if path else ("127.0.0.1", 0))
        self.listener.listen(64)
        self.port = None if path else self.listener.getsockname()[1]
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
                self.heard += request
                reply = self.answer(request)
                if reply is None:
                    return
                client.sendall(reply)

    def close(self):
        self.listener.close()
