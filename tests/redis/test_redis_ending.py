"""C3: a mount ends at once, whatever others do meanwhile."""

import contextlib
import os
import threading
import time

from harness import outcome, write


@contextlib.contextmanager
def crew(*workers):
    """Each runs again and again, in a thread, until the block ends."""
    stop = threading.Event()

    def run(worker):
        while not stop.is_set():
            with contextlib.suppress(OSError):
                worker()

    threads = [threading.Thread(target=run, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_C3__SIGTERM_while_others_change_what_is_being_looked_up__ends_at_once(server, mount):
    """Without an answer to who holds a directory locked, whoever tells the kernel of it waits for ever."""
    a, b = mount(server.url), mount(server.url)
    threads = [a.thread(f"t{i}").name for i in range(4)]
    count = iter(range(10**9))

    def change():
        name = a / threads[next(count) % 4] / "changing"
        write(name, "x" * (next(count) % 9))
        os.unlink(name)

    def look():
        thread = b / threads[next(count) % 4]
        outcome(os.stat, thread / "changing")
        write(thread / f"own-{threading.get_ident()}", "")
        os.unlink(thread / f"own-{threading.get_ident()}")

    for _ in range(5):
        with crew(change, change, look, look, look, look, look, look):
            time.sleep(0.2)
            begun = time.monotonic()
            b.terminate(timeout=10)
            assert time.monotonic() - begun < 5
        b.start()
