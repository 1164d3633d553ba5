"""A Redis or Valkey server of a test's own, on a socket in the test's folder."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess

import redis

from harness import wait_until

PROGRAMS = ("redis-server", "valkey-server")
# With everysec a kill of the server alone can lose a write: while it syncs it puts off its next write() to the log.
PERSISTENT = {"appendonly": "yes", "appendfsync": "always"}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def waits_for_aof(program):
    """Whether the program has WAITAOF: Valkey and Redis from 7.2 on."""
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return "Valkey" in version or tuple(map(int, version.split("v=")[1].split(".")[:2])) >= (7, 2)


class Server:
    """Appends to an AOF by default, loses nothing and never evicts; `config` has what differs, by name.

    port=True: also on a port of the loopback interface."""

    def __init__(self, folder, program="redis-server", port=False, **config):
        self.folder, self.program = folder, program
        self.folder.mkdir(0o700)
        self.data = folder / "data"
        self.data.mkdir()
        self.path = folder / "redis.sock"
        self.port = free_port() if port else 0
        self.config = {"save": '""', "maxmemory-policy": "noeviction", **PERSISTENT}
        self.config |= {name.replace("_", "-"): value for name, value in config.items()}
        self.password = config.get("requirepass")
        self.process = self.paused = None
        self.start()

    # What mounts are told

    @property
    def url(self):
        return f"redis+unix://{self.path}"

    @property
    def tcp_url(self):
        return f"redis://127.0.0.1:{self.port}"

    # Its life

    def write_config(self):
        """In a file of its own: nothing of it, least of all a password, is in `ps`."""
        lines = [f"{name} {value}" for name, value in self.config.items()]
        lines += [f"unixsocket {self.path}", f"port {self.port}", "bind 127.0.0.1", f"dir {self.data}",
                  "daemonize no", f"logfile {self.folder}/log", "enable-debug-command local",
                  "enable-protected-configs local"]
        (self.folder / "server.conf").write_text("\n".join(lines) + "\n")

    def start(self, wait=True):
        assert self.process is None
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        self.write_config()
        self.process = subprocess.Popen(
            [shutil.which(self.program), str(self.folder / "server.conf")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.answers if wait else self.path.exists, 20, "the server answers", interval=0.002)
        return self

    def answers(self):
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        try:
            return self.cli("PING")
        except redis.exceptions.AuthenticationError:
            return True
        except (redis.exceptions.RedisError, OSError):
            return False

    def kill9(self):
        self.process.kill()
        self.process.wait(10)
        self.process = None

    def stop(self):
        self.resume()
        self.process.terminate()
        assert self.process.wait(20) == 0, (self.folder / "log").read_text()[-2000:]
        self.process = None

    def restart(self):
        self.stop()
        return self.start()

    def pause(self):
        """It holds its connections and answers nothing: half-open."""
        self.process.send_signal(signal.SIGSTOP)
        self.paused = True

    def resume(self):
        if self.paused:
            self.process.send_signal(signal.SIGCONT)
            self.paused = False

    def close(self):
        if self.process and self.process.poll() is None:
            self.resume()
            self.process.kill()
        if self.process:
            self.process.wait(10)

    # Asking it

    def client(self, **options):
        options.setdefault("password", self.password)
        return redis.Redis(unix_socket_path=str(self.path), socket_timeout=10, **options)

    def cli(self, *command, **options):
        with self.client(single_connection_client=True, **options) as client:
            return client.execute_command(*command)

    def set(self, name, value):
        return self.cli("CONFIG", "SET", name, value)

    def info(self, section, field):
        return self.cli("INFO", section)[field]

    def keys(self, part=b""):
        """All keys that have `part` in them; the tests may look, turnfs never sends KEYS."""
        part = os.fsencode(part)
        with self.client() as client:
            return sorted(key for key in client.scan_iter(count=1000) if part in key)

    def commands(self):
        """{command: how often}, those of scripts included."""
        stats = self.cli("INFO", "commandstats")
        return {name[8:]: value["calls"] for name, value in stats.items() if name.startswith("cmdstat_")}

    def disconnect_all(self):
        """Every other connection is closed by the server."""
        with self.client(single_connection_client=True) as client:
            for kind in ("normal", "pubsub"):
                client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
