"""Two ways to run a single Kafka broker that can be stopped, killed and started again with its data.

One process is broker and controller (KRaft, no ZooKeeper). `JavaKafka` runs the program from Maven
Central; `ContainerKafka` runs the official image. Both obey the same settings.
"""

import atexit
import contextlib
import os
import shutil
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tests.support.processes.child_process import ChildProcess
from tests.support.servers import maven_cache
from tests.support.servers.kafka_start import CLASSES, earlier_start, make_empty_storage
from tests.support.servers.ports import free_port

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

IMAGE = "apache/kafka:4.1.0"
_LOG4J = Path(__file__).parent / "maven" / "log4j2.xml"


@dataclass(frozen=True, slots=True)
class Listener:
    """A further address of the broker: behind a proxy, or with TLS or a login."""

    name: str
    """In capitals, e.g. `PROXIED`."""
    port: int
    """Where the broker listens, on this machine's loopback address."""
    advertised_port: int
    """Where clients are sent to: that of the proxy, or the same."""
    protocol: str = "PLAINTEXT"
    """`SSL`, `SASL_PLAINTEXT` or `SASL_SSL`."""


class KafkaEngine(Protocol):
    """Runs one broker; `start` after `stop` or `kill` finds the data of before, at the same address."""

    bootstrap_servers: str

    def start(self) -> None:
        """Begin to run; the broker answers some seconds later."""

    def stop(self) -> None:
        """End in order, as at a deployment."""

    def kill(self) -> None:
        """End at once, as at a power cut."""

    def close(self) -> None:
        """End and delete the data."""

    @property
    def running(self) -> bool:
        """Whether it has not ended by itself."""

    def log_tail(self) -> str:
        """The last lines of its log."""


def broker_settings(
    *, listeners: str, advertised: str, extra: dict[str, str], further: Sequence[Listener] = ()
) -> dict[str, str]:
    """Settings of a broker for tests: everything on one node, nothing waits, a 5 MB message fits."""
    protocols = ["PLAINTEXT:PLAINTEXT", "CONTROLLER:PLAINTEXT"]
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.listener.names": "CONTROLLER",
        "listeners": ",".join([listeners, *(f"{each.name}://0.0.0.0:{each.port}" for each in further)]),
        "advertised.listeners": ",".join(
            [advertised, *(f"{each.name}://127.0.0.1:{each.advertised_port}" for each in further)]
        ),
        "listener.security.protocol.map": ",".join(
            [*protocols, *(f"{each.name}:{each.protocol}" for each in further)]
        ),
        "inter.broker.listener.name": "PLAINTEXT",
        "auto.create.topics.enable": "false",
        "message.max.bytes": str(10 * 1024 * 1024),
        "replica.fetch.max.bytes": str(10 * 1024 * 1024),
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        # A member that was killed should not hold its partitions for the default 6 s at least.
        "group.min.session.timeout.ms": "1000",
        # After a kill the new broker must outwait the old one's session; 9 s is the default.
        "broker.session.timeout.ms": "4000",
        "broker.heartbeat.interval.ms": "500",
        **extra,
    }


def _new_id() -> str:
    """A random id in Kafka's own spelling, which must not begin like an option."""
    return urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=").replace("-", "_")


class JavaKafka:
    """A broker in a Java process of this machine, its data in a temporary folder."""

    def __init__(
        self,
        *,
        heap_mb: int = 512,
        quick_start: bool = False,
        extra: dict[str, str] | None = None,
        further: Sequence[Listener] = (),
    ) -> None:
        """Prepare the folder and pick ports; nothing runs yet."""
        self._further = further
        self._quick_start = quick_start
        self._jars = maven_cache.resolve(maven_cache.KAFKA_POM)
        self._heap_mb = heap_mb
        self._extra = extra or {}
        self._directory = Path(tempfile.mkdtemp(prefix="coalmine-kafka-"))
        self._owner_pid = os.getpid()
        atexit.register(self.close)
        self.bootstrap_servers = ""
        self._process: ChildProcess | None = None

    @property
    def running(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process is not None and self._process.running

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Make the storage at the first time, then run."""
        if self._process is None:
            self._process = self._prepare()
        self._process.start()

    def stop(self) -> None:
        """End in order; Kafka gets 30 s for it."""
        if self._process is not None:
            self._process.stop(timeout_s=30)

    def kill(self) -> None:
        """End at once."""
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End at once and delete the data."""
        if self._owner_pid != os.getpid():
            return
        self.kill()
        atexit.unregister(self.close)
        shutil.rmtree(self._directory, ignore_errors=True)

    def log_tail(self) -> str:
        """The last lines of its log."""
        return self._process.log_tail() if self._process is not None else "(never started)"

    def _prepare(self) -> ChildProcess:
        port, controller_port = free_port(), free_port()
        self.bootstrap_servers = f"127.0.0.1:{port}"
        data = self._directory / "data"
        listeners = f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}"
        settings = broker_settings(
            listeners=listeners,
            advertised=listeners,
            further=self._further,
            extra={
                "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
                "log.dirs": str(data),
                **self._extra,
            },
        )
        properties = self._directory / "server.properties"
        properties.write_text(
            "".join(f"{name}={value}\n" for name, value in settings.items()), encoding="utf-8"
        )
        log_file = self._directory / "broker.log"
        java = [maven_cache.java_command(), "-cp", ":".join(map(str, sorted(self._jars.glob("*.jar"))))]
        java += [f"-Dlog4j2.configurationFile={_LOG4J.as_uri()}", "-Djava.awt.headless=true"]
        java += [f"-Xms{self._heap_mb}m", f"-Xmx{self._heap_mb}m"]
        if self._quick_start:
            java += maven_cache.QUICK_START
        else:
            # Kafka's own start script asks for G1 with short pauses as well.
            java += ["-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"]
        left = earlier_start(java, properties, data, self.bootstrap_servers, log_file)
        make_empty_storage(left, data, cluster_id=_new_id(), directory_id=_new_id())
        return ChildProcess(
            [*java, f"-XX:SharedArchiveFile={left / CLASSES}", "kafka.Kafka", str(properties)],
            log_file=log_file,
            remove_with_us=[self._directory],
        )


class ContainerKafka:
    """A broker in a container of the official image, at a fixed port of this machine."""

    def __init__(
        self, *, heap_mb: int = 512, extra: dict[str, str] | None = None, further: Sequence[Listener] = ()
    ) -> None:
        """Pick a port; nothing runs yet."""
        self._further = further
        self._heap_mb = heap_mb
        self._extra = extra or {}
        self._container: DockerContainer | None = None
        self._owner_pid = os.getpid()
        atexit.register(self.close)
        self.bootstrap_servers = ""

    @property
    def running(self) -> bool:
        """Whether it has not ended by itself."""
        if self._container is None:
            return False
        wrapped = self._container.get_wrapped_container()
        wrapped.reload()
        return str(wrapped.status) == "running"

    def start(self) -> None:
        """Create the container at the first time, then run it."""
        if self._container is None:
            self._container = self._create()
            self._container.start()
        else:
            self._container.get_wrapped_container().start()

    def stop(self) -> None:
        """End in order; Kafka gets 30 s for it."""
        if self._container is not None:
            self._container.get_wrapped_container().stop(timeout=30)

    def kill(self) -> None:
        """End at once."""
        if self._container is not None and self.running:
            self._container.get_wrapped_container().kill()

    def close(self) -> None:
        """End at once and delete container and data."""
        if self._owner_pid != os.getpid():
            return
        atexit.unregister(self.close)
        if self._container is not None:
            container, self._container = self._container, None
            container.stop(force=True, delete_volume=True)

    def log_tail(self) -> str:
        """The last lines of its log."""
        if self._container is None:
            return "(never started)"
        shown: bytes = self._container.get_wrapped_container().logs(tail=30)
        return shown.decode("utf-8", errors="replace")

    def _create(self) -> "DockerContainer":
        # Imported where it is used: without Docker nobody needs it.
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415

        port = free_port()
        container = DockerContainer(IMAGE).with_bind_ports(9092, port)
        for each in self._further:
            container = container.with_bind_ports(each.port, each.port)
        host = "127.0.0.1"
        with contextlib.suppress(OSError):
            host = container.get_container_host_ip().replace("localhost", "127.0.0.1")
        self.bootstrap_servers = f"{host}:{port}"
        settings = broker_settings(
            listeners="PLAINTEXT://0.0.0.0:9092,CONTROLLER://127.0.0.1:9093",
            advertised=f"PLAINTEXT://{self.bootstrap_servers},CONTROLLER://127.0.0.1:9093",
            further=self._further,
            # The image formats the storage by itself, and for a fixed set of controllers only.
            extra={"controller.quorum.voters": "1@127.0.0.1:9093", **self._extra},
        )
        for name, value in settings.items():
            # The image's rule: KAFKA_ and the setting's name in capitals, dots as underscores.
            container = container.with_env(f"KAFKA_{name.upper().replace('.', '_')}", value)
        container = container.with_env("CLUSTER_ID", _new_id())
        return container.with_env("KAFKA_HEAP_OPTS", f"-Xms{self._heap_mb}m -Xmx{self._heap_mb}m")
