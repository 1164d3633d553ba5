"""A program on a terminal of its own, as a person uses it: keys go in, and what it shows is waited for."""

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import termios
import time

from harness import wait_until

CONTROL = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[()][A-Z0-9]|\x1b[=>]|[\x00\x0e\x0f]")


class Terminal:
    def __init__(self, *command, cwd=None, env=None):
        self.shown = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.chdir(cwd or "/")
                os.environ.update({"TERM": "xterm", "LC_ALL": "C.UTF-8", **(env or {})})
                os.execvp(command[0], [os.fsencode(c) for c in command])
            finally:
                os._exit(127)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.fd >= 0:
            os.close(self.fd)
        if self.pid:
            os.kill(self.pid, 9)
            os.waitpid(self.pid, 0)

    def _read(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return False
        try:
            news = os.read(self.fd, 65536)
        except OSError:  # the program has closed its end
            return False
        self.shown += news
        return bool(news)

    def expect(self, text, timeout=10):
        """Waits until the text is shown, and forgets what was shown as far as that."""
        end = time.monotonic() + timeout
        while (plain := CONTROL.sub(b"", self.shown)).find(text) < 0:
            assert time.monotonic() < end, f"{text} is not shown: {plain[-2000:]!r}"
            self._read(0.1)
        self.shown = plain[plain.find(text) + len(text) :]

    def send(self, keys):
        os.write(self.fd, keys)

    def end(self, keys=b"", timeout=10):
        """The program must end now, at the latest at these keys, which it may have to be sent again: its exit status."""

        def ended():
            with contextlib.suppress(OSError):
                self.send(keys)
            self._read(0.2 if keys else 0.01)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return (status,) if pid else None

        (status,) = wait_until(ended, timeout)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)
