"""Free TCP ports for the servers of tests."""

from __future__ import annotations

import itertools
import os
import random
import re
import socket

#: Below the ports that the kernel gives to clients, so that no connection of another test is in the way.
FIRST, LAST = 10_000, 32_000
#: Test processes side by side (pytest-xdist: gw0, gw1 ...), each with ports of its own: a test that expects nobody at
#: its port must not reach the server of another one.
SHARES = 8
SIZE = (LAST - FIRST) // SHARES

_NUMBER = re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or "0"
_PORTS = itertools.count(random.randrange(SIZE))


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens. No other call of this process gets it soon, and no other process."""
    first = FIRST + int(_NUMBER) % SHARES * SIZE
    for _ in range(SIZE):
        port = first + next(_PORTS) % SIZE
        with socket.socket() as sock:
            # As a server would: a port whose last connection has ended a moment ago is free.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no port between {first} and {first + SIZE} is free")
