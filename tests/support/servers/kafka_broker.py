"""A real Kafka broker for tests and benchmarks.

```python
with KafkaBroker() as broker:
    broker.create_topics("coalmine.requests", partitions=4)
    ...
    broker.kill()      # a power cut
    broker.restart()   # the same address, the same data
```
"""

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.support.servers.kafka_engines import ContainerKafka, JavaKafka, KafkaEngine, Listener
from tests.support.servers.ports import accepts_connections
from tests.support.servers.server_choice import ServerChoice, choose_server

VARIABLE = "COALMINE_TEST_KAFKA"
"""Names a running broker to use instead of starting one, as `host:port`."""
STEADY = {
    "broker.session.timeout.ms": "60000",
    # Twice a second, it would tell itself that it is there, and write that nothing happened.
    "broker.heartbeat.interval.ms": "5000",
    "metadata.max.idle.interval.ms": "0",
}
"""Settings of a broker that nobody kills: however busy the machine is, its partitions keep their leader."""


class KafkaBroker:
    """One broker: named by `COALMINE_TEST_KAFKA`, else in a container, else a Java program.

    Not thread-safe as a whole, but `stop`, `kill` and `restart` may be called from another thread than
    the one that uses `bootstrap_servers`.
    """

    def __init__(
        self,
        *,
        owned: bool = True,
        heap_mb: int = 512,
        quick_start: bool = False,
        settings: Mapping[str, str] | None = None,
        listeners: Sequence[Listener] = (),
        ready_timeout_s: float = 120.0,
    ) -> None:
        """Choose how to run it; nothing runs yet.

        Args:
            owned: True when it will be stopped or killed, so a broker that somebody named will not do.
            heap_mb: Java heap.
            quick_start: True for tests: start with two thirds of the work, wait with a third of it, and be
                slower under load.
            settings: Broker settings beside, or instead of, those of `broker_settings`.
            listeners: Addresses beside `bootstrap_servers`.
            ready_timeout_s: How long a start may take, on a loaded machine.

        Raises:
            ServerUnavailable: There is no way to run one here; the message says what was tried.
        """
        self.choice: ServerChoice = choose_server(VARIABLE, allow_named=not owned)
        self._ready_timeout_s = ready_timeout_s
        self._engine: KafkaEngine | None = None
        self._admin: AdminClient | None = None
        self._named = ""
        extra = dict(settings or {})
        if self.choice.kind == "named":
            self._named = str(self.choice.address)
        elif self.choice.kind == "container":
            self._engine = ContainerKafka(heap_mb=heap_mb, extra=extra, further=listeners)
        else:
            self._engine = JavaKafka(heap_mb=heap_mb, quick_start=quick_start, extra=extra, further=listeners)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` for clients; the same after every restart."""
        return self._engine.bootstrap_servers if self._engine is not None else self._named

    @property
    def running(self) -> bool:
        """Whether the broker's process runs; it may not answer yet."""
        return self._engine.running if self._engine is not None else True

    def start(self) -> None:
        """Run it and wait until it answers and every topic it holds has a leader."""
        if self._engine is not None:
            self._engine.start()
        self.wait_until_ready()

    def stop(self) -> None:
        """End it in order, keeping its data."""
        self._own_engine().stop()

    def kill(self) -> None:
        """End it at once (SIGKILL), keeping its data."""
        self._own_engine().kill()

    def restart(self) -> None:
        """Run it again with its data, ending it in order first if it still runs."""
        engine = self._own_engine()
        if engine.running:
            engine.stop()
        self.start()

    def close(self) -> None:
        """End it and delete its data; a named broker is left alone."""
        self._admin = None
        if self._engine is not None:
            self._engine.close()

    def admin(self) -> AdminClient:
        """The broker's admin client; silent, and quick to notice that the broker is back.

        One and the same until `close`: a client that is collected takes its futures with it.
        """
        if self._admin is None:
            self._admin = AdminClient(
                {"bootstrap.servers": self.bootstrap_servers, "log_level": 0, "reconnect.backoff.max.ms": 200}
            )
        return self._admin

    def create_topics(
        self,
        *names: str,
        partitions: int = 1,
        config: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        """Create topics and wait until each partition has a leader; those that exist are left as they are."""
        admin = self.admin()
        deadline = time.monotonic() + timeout_s
        wanted = {name: NewTopic(name, partitions, 1, config=dict(config or {})) for name in names}
        while wanted:
            for name, future in admin.create_topics([*wanted.values()], operation_timeout=timeout_s).items():
                try:
                    future.result(timeout_s)
                except KafkaException as error:
                    # A busy broker is fenced for a moment, and then there is none to hold a partition.
                    if _code(error) == KafkaError.INVALID_REPLICATION_FACTOR and time.monotonic() < deadline:
                        continue
                    if _code(error) != KafkaError.TOPIC_ALREADY_EXISTS:
                        raise
                del wanted[name]
        while not self._led(admin, names):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no leader after {timeout_s:.0f} s for one of {', '.join(names)}")
            time.sleep(0.02)

    def delete_topics(self, *names: str, timeout_s: float = 60.0) -> None:
        """Delete topics; those that do not exist are no error."""
        for future in self.admin().delete_topics(list(names), operation_timeout=timeout_s).values():
            try:
                future.result(timeout_s)
            except KafkaException as error:
                if _code(error) != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise

    def wait_until_ready(self) -> None:
        """Wait until the broker answers and leads every partition it holds.

        Raises:
            TimeoutError: It does not in time, or its process ended; with the end of its log.
        """
        deadline = time.monotonic() + self._ready_timeout_s
        host, _, port = self.bootstrap_servers.split(",")[0].rpartition(":")
        while not accepts_connections(host, int(port)):
            self._check_start(deadline)
            time.sleep(0.05)
        admin = self.admin()
        while not self._led(admin, ()):
            self._check_start(deadline)
            time.sleep(0.05)

    def _check_start(self, deadline: float) -> None:
        if not self.running:
            raise TimeoutError(f"Kafka ended while starting; its log ends:\n{self._log_tail()}")
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"Kafka at {self.bootstrap_servers} does not answer after {self._ready_timeout_s:.0f} s; "
                f"its log ends:\n{self._log_tail()}"
            )

    def _log_tail(self) -> str:
        return self._engine.log_tail() if self._engine is not None else "(a named broker)"

    def _own_engine(self) -> KafkaEngine:
        if self._engine is None:
            raise RuntimeError(f"the broker named by {VARIABLE} is not ours to stop; ask for owned=True")
        return self._engine

    @staticmethod
    def _led(admin: AdminClient, names: tuple[str, ...]) -> bool:
        """Whether a broker is registered and every partition (of `names`, when given) has a leader."""
        try:
            metadata = admin.list_topics(timeout=2.0)
        except KafkaException:
            return False
        topics: dict[str, Any] = metadata.topics
        looked_at = [topics[name] for name in names if name in topics] if names else list(topics.values())
        if not metadata.brokers or len(looked_at) < len(names):
            return False
        return all(
            topic.error is None
            and topic.partitions
            and all(part.leader >= 0 for part in topic.partitions.values())
            for topic in looked_at
        )


def _code(error: KafkaException) -> object:
    cause = error.args[0]
    return cause.code() if isinstance(cause, KafkaError) else None
