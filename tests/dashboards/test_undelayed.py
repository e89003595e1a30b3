"""What a dashboard sends leaves at once, as its connections take it from what is listened on."""

import os
import socket
from contextlib import suppress
from pathlib import Path

from starlette.applications import Starlette
from starlette.testclient import TestClient

from coalmine_dashboards.undelayed import Undelayed, undelay_listeners


def listener() -> socket.socket:
    """As Streamlit opens it: nothing says that it is of TCP."""
    opened = socket.socket(family=socket.AF_INET)
    opened.bind(("127.0.0.1", 0))
    opened.listen()
    return opened


def delays(listening: socket.socket) -> bool:
    """True if a new connection holds small segments back."""
    with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
        return not accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def times_open(descriptor: int) -> int:
    """How many descriptors of this process are of the same file."""
    found = 0
    for opened in Path("/dev/fd").iterdir():
        with suppress(OSError):  # that of the listing
            found += os.path.samestat(os.fstat(int(opened.name)), os.fstat(descriptor))
    return found


def test_a_dashboard_that_starts_delays_nothing() -> None:
    with listener() as listening:
        assert delays(listening)
        with TestClient(Undelayed(Starlette())):
            assert not delays(listening)


def test_whatever_else_is_open_is_left_alone(tmp_path: Path) -> None:
    connected, other = socket.socketpair()
    with listener() as listening, connected, other, (tmp_path / "file").open("w+") as file:
        with socket.create_connection(listening.getsockname()) as client, listening.accept()[0]:
            undelay_listeners()
            assert not client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connected.sendall(b"still open")
        assert other.recv(10) == b"still open"
        file.write("still open")
        assert times_open(file.fileno()) == 1, "a lock, or a pipe, would stay once it is closed"
        assert not delays(listening)
