"""Between a mount and its server: delays, cuts, trickles, falls silent."""

import contextlib
import socket
import threading
import time


class Cut(Exception):
    """Raised by a rule: this connection ends now, both ways."""


class Connection:
    """One client's way to the server and back, a thread each."""

    def __init__(self, proxy, client):
        self.proxy, self.client = proxy, client
        self.doomed = False  # for the rules: something was asked that is not to be answered
        self.server = socket.socket(socket.AF_UNIX)
        self.server.connect(str(proxy.target))
        self.threads = [threading.Thread(target=self.pump, args=way, daemon=True)
                        for way in ((client, self.server, "on_request"), (self.server, client, "on_reply"))]
        for thread in self.threads:
            thread.start()

    def pump(self, source, sink, rule):
        with contextlib.suppress(OSError, Cut):
            while data := source.recv(1 << 16):
                self.proxy.open.wait()
                passed = getattr(self.proxy, rule)
                self.send(sink, passed(self, data) if passed else data)
        self.close()

    def send(self, sink, data):
        if not self.proxy.trickles:
            sink.sendall(data)
            return
        for i in range(len(data)):
            sink.sendall(data[i : i + 1])

    def close(self):
        for s in (self.client, self.server):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()


class Proxy:
    """On a unix socket; `on_request` and `on_reply` are (connection, data) -> data, or raise Cut."""

    def __init__(self, path, server):
        self.path, self.target = path, server.path
        self.on_request = self.on_reply = None
        self.trickles = False
        self.refuses = False
        self.open = threading.Event()
        self.open.set()
        self.connections = []
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
                try:
                    if self.refuses:
                        raise ConnectionRefusedError
                    self.connections.append(Connection(self, client))
                except OSError:
                    client.close()

    def close(self):
        self.listener.close()
        self.cut()
        self.open.set()

    # Faults

    def cut(self):
        """Ends the connections there are; new ones are taken."""
        for connection in self.connections:
            connection.close()
        self.connections.clear()

    def away(self):
        """No connection, and no new one."""
        self.refuses = True
        self.cut()

    def back(self):
        self.refuses = False

    def silence(self):
        """Half-open: what is sent arrives nowhere, and nobody is told."""
        self.open.clear()

    def heal(self):
        self.on_request = self.on_reply = None
        self.trickles = self.refuses = False
        self.open.set()

    def delay(self, seconds):
        def late(_, data):
            time.sleep(seconds)
            return data

        self.on_reply = late

    def cut_before_request(self, needle, times=1):
        """The next requests that have `needle` in them never reach the server."""
        left = [times]

        def request(_, data):
            if needle in data and left[0] > 0:
                left[0] -= 1
                raise Cut
            return data

        self.on_request = request

    def cut_before_reply(self, needle, times=1, after=0):
        """What has `needle` in it reaches the server, of its answer only `after` bytes come."""
        left = [times]

        def request(connection, data):
            if needle in data and left[0] > 0:
                left[0] -= 1
                connection.doomed = True
            return data

        def reply(connection, data):
            if connection.doomed:
                connection.client.sendall(data[:after])
                raise Cut
            return data

        self.on_request, self.on_reply = request, reply

    def spoil_reply(self, needle, text, times=1):
        """The answer to what has `needle` in it is `text`."""
        left = [times]

        def request(connection, data):
            if needle in data and left[0] > 0:
                left[0] -= 1
                connection.doomed = True
            return data

        def reply(connection, data):
            if not connection.doomed:
                return data
            connection.doomed = False
            return text

        self.on_request, self.on_reply = request, reply
