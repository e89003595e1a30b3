"""How soon a commanded rollback is effective: real clients of a real server, one without its connection."""

import socket
import tempfile
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx2

from benchmarks.propagation import ENVIRONMENT, NAME, PROCESSES, coalmine_clients, server, started, waited_s

VERSIONS = ("1.0.0", "1.1.0")


class Cable:
    """Forwards connections to the server, until they are cut."""

    def __init__(self, url: str) -> None:
        self._to = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Ends every connection; new ones are forwarded again."""
        ending, self._open = self._open, []
        for each in ending:
            each.close()

    def close(self) -> None:
        """Ends it."""
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                ours, _ = self._listener.accept()
                theirs = socket.create_connection(self._to)
            except OSError:
                return
            self._open += [ours, theirs]
            for pair in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=_forward, args=pair, daemon=True).start()


def _forward(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def effective_s(clients: int, commands: int) -> list[float]:
    """Times from each command to go back until each client serves the old version.

    Args:
        clients: How many; the connection of one is cut as the command is given.
        commands: How often.
    """
    found: list[float] = []
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(server(home, None))
        token = (home / "credentials").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        api = stack.enter_context(httpx2.Client(base_url=url, headers=headers, timeout=30, trust_env=False))

        def post(path: str, body: dict[str, object]) -> None:
            api.post(path, json=body).raise_for_status()

        def promote(version: str) -> None:
            post("/v1/promotions", {"prompt": NAME, "version": version, "environment": ENVIRONMENT})

        for version in VERSIONS:
            post(f"/v1/prompts/{NAME}/versions", {"version": version, "content": {"template": version}})
        promote(VERSIONS[0])
        cable = Cable(url)
        stack.callback(cable.close)
        others = clients - 1
        shares = [others // PROCESSES + (n < others % PROCESSES) for n in range(PROCESSES)]
        pipes = [started(stack, coalmine_clients, url, token, share) for share in shares if share]
        pipes.append(started(stack, coalmine_clients, cable.url, token, 1))
        for _ in range(commands):
            for version in (VERSIONS[1], VERSIONS[0]):
                for pipe in pipes:
                    pipe.send(version)
                began = time.monotonic()
                if version == VERSIONS[0]:
                    cable.cut()
                    path = f"/v1/environments/{ENVIRONMENT}/prompts/{NAME}/rollback"
                    post(path, {"reason": "measured"})
                else:
                    promote(version)
                times = waited_s(pipes, began)
                if version == VERSIONS[0]:
                    found += times
    return found
