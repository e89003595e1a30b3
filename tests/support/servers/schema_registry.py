"""A real schema registry that speaks Confluent's API, for tests and benchmarks.

Apicurio Registry 2.5, chosen like the broker: `COALMINE_TEST_SCHEMA_REGISTRY` names a running one, else a
container, else the program from Maven Central. All tests share one: where it is to be away, put
a `RoundRobin` in front of it.
"""

import atexit
import os
import shutil
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import httpx2

from tests.support.processes.child_process import ChildProcess
from tests.support.servers import maven_cache
from tests.support.servers.ports import free_port
from tests.support.servers.server_choice import ServerChoice, choose_server

VARIABLE = "COALMINE_TEST_SCHEMA_REGISTRY"
"""Names a running registry, as the URL a client would be given."""

IMAGE = "apicurio/apicurio-registry-mem:2.5.11.Final"
_API = "/apis/ccompat/v7"


class _Engine(Protocol):
    url: str

    def start(self) -> None: ...
    def close(self) -> None: ...
    @property
    def running(self) -> bool: ...
    def log_tail(self) -> str: ...


class _JavaRegistry:
    def __init__(self) -> None:
        directory = maven_cache.resolve(maven_cache.SCHEMA_REGISTRY_POM)
        runner = next(directory.glob("*-runner.jar"))
        port = free_port()
        self.url = f"http://127.0.0.1:{port}{_API}"
        self._directory = Path(tempfile.mkdtemp(prefix="coalmine-schema-registry-"))
        self._owner_pid = os.getpid()
        atexit.register(self.close)
        options = ["-Xmx256m", *maven_cache.QUICK_START]
        options += ["-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={port}"]
        self._process = ChildProcess(
            [maven_cache.java_command(), *options, "-jar", str(runner)],
            log_file=self._directory / "registry.log",
            remove_with_us=[self._directory],
        )

    @property
    def running(self) -> bool:
        return self._process.running

    def start(self) -> None:
        self._process.start()

    def close(self) -> None:
        if self._owner_pid != os.getpid():
            return
        self._process.kill()
        atexit.unregister(self.close)
        shutil.rmtree(self._directory, ignore_errors=True)

    def log_tail(self) -> str:
        return self._process.log_tail()


class _ContainerRegistry:
    def __init__(self) -> None:
        # Imported where it is used: without Docker nobody needs it.
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415

        port = free_port()
        self._container: DockerContainer | None = DockerContainer(IMAGE).with_bind_ports(8080, port)
        self._created = False
        self._owner_pid = os.getpid()
        atexit.register(self.close)
        self.url = f"http://{self._container.get_container_host_ip()}:{port}{_API}"

    @property
    def running(self) -> bool:
        if self._container is None or not self._created:
            return False
        wrapped = self._container.get_wrapped_container()
        wrapped.reload()
        return str(wrapped.status) == "running"

    def start(self) -> None:
        if self._container is None:
            raise RuntimeError("the container is gone")
        self._container.start()
        self._created = True

    def close(self) -> None:
        if self._owner_pid != os.getpid():
            return
        atexit.unregister(self.close)
        if self._container is not None and self._created:
            self._container.stop(force=True, delete_volume=True)
        self._container = None

    def log_tail(self) -> str:
        if self._container is None or not self._created:
            return "(never started)"
        shown: bytes = self._container.get_wrapped_container().logs(tail=30)
        return shown.decode("utf-8", errors="replace")


class SchemaRegistry:
    """One registry; `url` is what clients are given."""

    def __init__(self, *, owned: bool = True, ready_timeout_s: float = 120.0) -> None:
        """Choose how to run it; nothing runs yet.

        Args:
            owned: True for one that is to be ended, so a running one that somebody named will not do.
            ready_timeout_s: How long a start may take, on a loaded machine.

        Raises:
            ServerUnavailable: There is no way to run one here; the message says what was tried.
        """
        self.choice: ServerChoice = choose_server(VARIABLE, allow_named=not owned)
        self._ready_timeout_s = ready_timeout_s
        self._engine: _Engine | None = None
        if self.choice.kind == "container":
            self._engine = _ContainerRegistry()
        elif self.choice.kind == "java":
            self._engine = _JavaRegistry()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The base URL of the Confluent API."""
        return self._engine.url if self._engine is not None else str(self.choice.address)

    def start(self) -> None:
        """Run it and wait until it answers."""
        if self._engine is not None:
            self._engine.start()
        self.wait_until_ready()

    def close(self) -> None:
        """End it; a named registry is left alone."""
        if self._engine is not None:
            self._engine.close()

    def wait_until_ready(self) -> None:
        """Wait until it answers.

        Raises:
            TimeoutError: It does not in time, or its process ended; with the end of its log.
        """
        deadline = time.monotonic() + self._ready_timeout_s
        with httpx2.Client(timeout=2.0) as client:
            while not self._answers(client):
                if self._engine is not None and not self._engine.running:
                    raise TimeoutError(
                        f"the schema registry ended while starting:\n{self._engine.log_tail()}"
                    )
                if time.monotonic() > deadline:
                    shown = self._engine.log_tail() if self._engine is not None else "(a named registry)"
                    raise TimeoutError(f"the schema registry at {self.url} does not answer:\n{shown}")
                time.sleep(0.1)
            # The first id is taken alone: Apicurio makes its counters then, and two lock each other.
            body = {"schema": '"string"'}
            client.post(f"{self.url}/subjects/first/versions", json=body, timeout=30.0).raise_for_status()

    def _answers(self, client: httpx2.Client) -> bool:
        try:
            return client.get(f"{self.url}/subjects").is_success
        except httpx2.TransportError:
            return False
