"""One server of each kind for all processes that share the tests of a run.

The process that distributes the tests starts a server when the first test asks for it, and ends it after the
last test. The others ask over a socket, and from then on the server is one that the environment names. The
process from which `coalmine` commands are forked is shared in the same way.
"""

import os
import socket
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

from tests.support.processes import warm_command
from tests.support.servers import demo_dashboard, kafka_broker, postgres, schema_registry
from tests.support.servers.server_choice import ServerUnavailable

Start = Callable[[ExitStack], str]
"""Starts a server that ends with the stack, and returns its address."""


def _kafka(servers: ExitStack) -> str:
    broker = kafka_broker.KafkaBroker(owned=True, quick_start=True, settings=kafka_broker.STEADY)
    return servers.enter_context(broker).bootstrap_servers


def _schema_registry(servers: ExitStack) -> str:
    return servers.enter_context(schema_registry.SchemaRegistry(owned=True)).url


def _postgres(servers: ExitStack) -> str:
    return servers.enter_context(postgres.PostgresServer(owned=True)).address


def _demo(servers: ExitStack) -> str:
    return demo_dashboard.demo_dashboard(servers).address


def _warm_command(_: ExitStack) -> str:
    return warm_command.warm_command().address  # from which the server of the demonstration is forked, too


STARTS: Mapping[str, Start] = {
    kafka_broker.VARIABLE: _kafka,
    schema_registry.VARIABLE: _schema_registry,
    postgres.VARIABLE: _postgres,
    demo_dashboard.VARIABLE: _demo,
    warm_command.VARIABLE: _warm_command,
}
"""By the environment variable that names such a server."""


class SharedServers:
    """Starts servers for other processes; `close` ends them."""

    def __init__(self, starts: Mapping[str, Start] = STARTS) -> None:
        self._starts = starts
        self._addresses: dict[str, str] = {}
        self._servers = ExitStack()
        self._starting: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._asked: list[threading.Thread] = []
        self._folder = tempfile.TemporaryDirectory(prefix="servers-")
        self.socket = str(Path(self._folder.name) / "socket")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.socket)
        self._listener.listen(64)
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End all of them."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for thread in self._asked:
            thread.join()
        self._listener.close()
        self._servers.close()
        self._folder.cleanup()

    def _answer(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            # Who wants another server does not wait: some take a minute to start.
            thread = threading.Thread(target=self._tell, args=(connection,), daemon=True)
            self._asked.append(thread)
            thread.start()

    def _tell(self, connection: socket.socket) -> None:
        with connection:
            variable = connection.recv(200).decode()
            # One after the other: who comes second finds the server that the first one waited for.
            with self._starting[variable]:
                connection.sendall(self._address(variable).encode())

    def _address(self, variable: str) -> str:
        """Empty if it cannot be had; the asker finds the reason when it tries for itself."""
        if variable not in self._addresses:
            try:
                self._addresses[variable] = self._starts[variable](self._servers)
            except (ServerUnavailable, TimeoutError, RuntimeError):
                return ""
        return self._addresses[variable]


def name_shared_server(path: str, variable: str) -> None:
    """Let the environment name the shared server, unless it names one already.

    Args:
        path: Where `SharedServers` listens.
        variable: The environment variable that names such a server.
    """
    if os.environ.get(variable):
        return
    with socket.socket(socket.AF_UNIX) as asked:
        asked.connect(path)
        asked.sendall(variable.encode())
        address = asked.recv(1000).decode()
    if address:
        os.environ[variable] = address
