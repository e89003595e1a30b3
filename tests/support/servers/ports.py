"""Free loopback ports for servers that tests start, stop and start again."""

import random
import socket
from pathlib import Path

_RANGE_FILE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST_PORT = 15_000


def _first_ephemeral_port() -> int:
    try:
        return int(_RANGE_FILE.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768  # Linux's default; macOS starts at 49152


def free_port() -> int:
    """A loopback port nobody listens on, outside the range that outgoing connections use.

    Two reasons to stay outside: while a server is down on purpose, an unrelated connection could
    take its port; and a client that retries a port of that range can, on Linux, connect to itself.
    """
    highest = max(_first_ephemeral_port(), _LOWEST_PORT + 1_000)
    chooser = random.SystemRandom()
    for _ in range(200):
        port = chooser.randrange(_LOWEST_PORT, highest)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise OSError("no free loopback port found in 200 tries")


def accepts_connections(host: str, port: int, *, timeout_s: float = 0.5) -> bool:
    """Whether somebody listens there."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s):
            return True
    except OSError:
        return False
