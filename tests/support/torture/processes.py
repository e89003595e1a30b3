"""The processes of a torture test: producers that send at a rate, and collectors to be killed.

They are forked from a server that has everything imported, so that a collector is up in a moment.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Final

from confluent_kafka import Producer

from coalmine_consumers.collector.collector import Collector, CollectorSettings
from coalmine_consumers.collector.pace import PacePolicy
from coalmine_consumers.collector.standby import wait_for_lock
from coalmine_consumers.prepared.source import PreparedSource
from coalmine_consumers.sources import Source
from coalmine_consumers.sources.kafka_renewal import RenewedKafkaSource
from coalmine_consumers.sources.kafka_settings import KafkaSourceSettings, store_instance_id
from coalmine_consumers.sources.spool import SpoolSource
from coalmine_consumers.store import Store, StoreSettings
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.spool_format import SpoolRecord, SpoolWriter
from coalmine_schemas.topics import topic_name
from tests.support.processes.forked import FORKS
from tests.support.torture.load import TortureLoad

STORE: Final = StoreSettings(segment_min_rows=2_000, segment_min_day_rows=500)
"""Both ways of landing rows are used: what piled up goes to Parquet, a trickle to the hot table."""
COLLECTOR: Final = CollectorSettings(
    pace=PacePolicy(live_messages=1_500, live_min_wait_s=0.05, catch_up_messages=8_000, catch_up_wait_s=0.3)
)
"""Small batches, for many commits to be killed in."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where messages travel, and where they end."""

    store: Path
    spool: Path | None = None
    servers: str | None = None
    prefix: str = "coalmine."
    prepared: Path | None = None
    """Folder of what Spark makes of the messages, if it is to be imported."""

    @property
    def group(self) -> str:
        """The consumer group, which belongs to the store."""
        return f"{self.prefix}{self.store.name}"

    def source(self, store: Store) -> Source:
        """A new source."""
        if self.prepared is not None:
            return PreparedSource(self.prepared, lambda: store.next_ingest_id)
        if self.spool is not None:
            return SpoolSource(self.spool)
        assert self.servers is not None
        return RenewedKafkaSource(
            KafkaSourceSettings(
                self.servers,
                group_id=self.group,
                topic_prefix=self.prefix,
                instance_id=store_instance_id(self.store),
                session_timeout_s=10,
            )
        )


class TortureCollector:
    """A collector process. It says when it waits and when it runs, and runs until told or killed."""

    def __init__(self, where: Where, log: Path, until_consumed: int | None = None) -> None:
        self._receive, send = FORKS.Pipe(duplex=False)
        self._process: ForkServerProcess = FORKS.Process(
            target=_collect, args=(where, log, until_consumed, send), daemon=True
        )
        self._process.start()
        send.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def wait_for(self, state: str, timeout_s: float = 120.0) -> None:
        """Wait until it says that it is in a state."""
        deadline = time.monotonic() + timeout_s
        while True:
            if not self._receive.poll(max(0.0, deadline - time.monotonic())):
                raise AssertionError(f"not {state} after {timeout_s:.0f} s")
            if self._receive.recv() == state:
                return

    def kill(self) -> None:
        """End it at once, wherever it is."""
        os.kill(self.pid, signal.SIGKILL)
        self.join(-signal.SIGKILL)

    def join(self, exit_code: int, timeout_s: float = 300.0) -> None:
        """Wait for its end."""
        self._process.join(timeout_s)
        assert self._process.exitcode == exit_code, f"it ended with {self._process.exitcode}"
        self._receive.close()


def _collect(where: Where, log: Path, until_consumed: int | None, say: Connection) -> None:
    logging.basicConfig(
        filename=log, level=logging.INFO, format="%(process)d %(asctime)s %(name)s %(message)s"
    )
    waited = threading.Event()

    def on_wait(pid: int | None) -> None:
        if not waited.is_set():
            waited.set()
            say.send("standby")

    store = wait_for_lock(
        lambda: Store.open(where.store, STORE), threading.Event(), on_wait=on_wait, look_every_s=0.05
    )
    assert store is not None
    # The last one, which nobody kills, is to be done soon.
    settings = COLLECTOR if until_consumed is None else CollectorSettings()
    collector = Collector(where.source(store), store, BatchDecoder(SchemaResolver()), settings=settings)
    collector.start()
    say.send("running")
    reader = store.reader()
    while not collector.wait(0.2):
        if until_consumed is None:
            continue
        ((consumed,),) = reader.table("SELECT sum(consumed) AS n FROM batches").to_pydict().values()
        if (consumed or 0) >= until_consumed and collector.wait_until_dry(60):
            assert collector.stop(60)
            break
    store.close()


@contextmanager
def producing(where: Where, loads: list[TortureLoad], seconds: float) -> Iterator[list[ForkServerProcess]]:
    """Producers that send their loads over about `seconds`; they must end well within the block."""
    processes = [FORKS.Process(target=_produce, args=(where, load, seconds), daemon=True) for load in loads]
    for process in processes:
        process.start()
    try:
        yield processes
        for process in processes:
            process.join(600)
            assert process.exitcode == 0, f"a producer ended with {process.exitcode}"
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()


def _produce(where: Where, load: TortureLoad, seconds: float) -> None:
    if where.spool is not None:
        _produce_to_spool(where.spool, load, seconds)
    else:
        _produce_to_kafka(where, load, seconds)


def _produce_to_kafka(where: Where, load: TortureLoad, seconds: float) -> None:
    producer = Producer(
        {
            "bootstrap.servers": str(where.servers),
            "enable.idempotence": True,
            "compression.type": "zstd",
            "message.max.bytes": 8_000_000,
            "linger.ms": 5,
        }
    )
    failures: list[str] = []
    pacing = _Pacing(load.count, seconds)
    for number, message in enumerate(load.messages()):
        topic = topic_name(message.event, where.prefix)
        while True:
            try:
                producer.produce(
                    topic,
                    message.value,
                    message.key,
                    on_delivery=lambda error, _: failures.append(str(error)) if error is not None else None,
                )
                break
            except BufferError:
                producer.poll(0.1)
        if number % 100 == 0:
            producer.poll(pacing.ahead_s(number))
    assert producer.flush(300) == 0
    assert not failures, failures[:3]


def _produce_to_spool(directory: Path, load: TortureLoad, seconds: float) -> None:
    writer = SpoolWriter(directory, fsync=False)
    pacing = _Pacing(load.count, seconds)
    block: list[SpoolRecord] = []
    for number, message in enumerate(load.messages()):
        block.append(SpoolRecord(message.event, message.key, message.value, time.time_ns() // 1000))
        if len(block) == 200:
            writer.write(block)
            block = []
            time.sleep(pacing.ahead_s(number))
    writer.write(block)
    writer.close()


class _Pacing:
    """Spreads messages evenly over a time."""

    def __init__(self, count: int, seconds: float) -> None:
        self._per_message_s = seconds / count
        self._began = time.monotonic()

    def ahead_s(self, number: int) -> float:
        """How long to wait before message `number`."""
        return max(0.0, self._began + number * self._per_message_s - time.monotonic())
