#!/usr/bin/python3
"""R1 by hand: 100 000 acknowledged turns on four mounts over 20 kills of the server lose none.

    tests/redis/soak_kills.py [--turns 100000] [--kills 20] [--program redis-server] [--seed N]
"""

import argparse
import pathlib
import sys
import time

sys.path[1:1] = [str(pathlib.Path(__file__).resolve().parents[1] / "mount")]

from harness import Workshop  # noqa: E402
from kills import Kills  # noqa: E402
from server import Server  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--program", default="redis-server")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    args = parser.parse_args()
    print("seed", args.seed, flush=True)
    workshop = Workshop()
    server = Server(workshop.base / "server", args.program, appendfsync="always")
    workshop.cleanups.append(server.close)
    try:
        mounts = [workshop.mount(store=server.url) for _ in range(4)]
        kills = Kills(server, [str(mnt.path) for mnt in mounts], args.seed)
        begun = time.monotonic()
        kills.run(args.kills, args.turns / (args.kills * 0.99))
        took = time.monotonic() - begun
        print(f"{args.kills} kills in {took:.0f} s", flush=True)
        print(kills.verify())
    finally:
        workshop.close()


if __name__ == "__main__":
    main()
