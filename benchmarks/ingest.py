"""Events a second from a real broker to committed DuckDB, beside two yardsticks measured in the same run.

* fetch only: a loop that takes the same messages from the same client with the same settings, and drops them;
* per message: the obvious consumer, which decodes each message with fastavro and inserts with `executemany`.

Every side runs in a process of its own, so that its peak memory is its own. Time runs from the moment
partitions are assigned: joining a group takes seconds and has nothing to do with throughput.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import duckdb
from confluent_kafka import OFFSET_BEGINNING, Consumer
from confluent_kafka import TopicPartition as KafkaPartition
from fastavro import schemaless_reader

from benchmarks.load import produce_requests
from coalmine_consumers.collector.collector import Collector
from coalmine_consumers.sources.base import Positions
from coalmine_consumers.sources.kafka import KafkaSource
from coalmine_consumers.sources.kafka_settings import KafkaSourceSettings, consumer_config
from coalmine_consumers.sources.kafka_topics import ensure_topics
from coalmine_consumers.store import Store, StoreSettings
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.catalogue import latest
from coalmine_schemas.framing import SINGLE_OBJECT_HEADER_SIZE
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.topics import topic_name
from tests.support.servers.kafka_broker import KafkaBroker

PREFIX = "bench."
PARTITIONS = 6
PER_MESSAGE_EVENTS = 6_000
"""The per-message consumer is so slow that it gets a sample; its rate does not depend on the number."""
TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class Side:
    """What one side did."""

    events: int
    seconds: float
    peak_rss_mb: float
    cpu_us_per_event: float
    """Processor time of the process, all threads, from its start on."""

    @property
    def events_per_s(self) -> float:
        """Its rate."""
        return self.events / self.seconds

    def __str__(self) -> str:
        return f"{self.events_per_s:,.0f} events/s with {self.cpu_us_per_event:.2f} us of processor time each"


def fetch_only(bootstrap_servers: str, group: str, events: int, directory: str) -> Side:
    """Takes the messages and nothing else."""
    settings = KafkaSourceSettings(bootstrap_servers, group_id=group, topic_prefix=PREFIX)
    consumer = Consumer(consumer_config(settings) | {"enable.partition.eof": False})
    assigned_at: list[float] = []

    def on_assign(member: Consumer, partitions: list[KafkaPartition]) -> None:
        if partitions:
            assigned_at.append(time.monotonic())
        for partition in partitions:
            partition.offset = OFFSET_BEGINNING
        member.incremental_assign(partitions)

    consumer.subscribe([topic_name("requests", PREFIX)], on_assign=on_assign)
    got = 0
    while got < events:
        messages = consumer.consume(settings.chunk_messages, 0.1)
        for message in messages:
            if message.error() is not None:
                raise RuntimeError(str(message.error()))
        got += len(messages)
    seconds = time.monotonic() - assigned_at[0]
    consumer.close()
    return Side(got, seconds, *_used(got))


class _TimedSource(KafkaSource):
    """Notes when partitions were first assigned."""

    assigned_at = 0.0

    def start(self, positions: Callable[[], Positions], quiesce: Callable[[], None]) -> None:
        def noted() -> Positions:
            self.assigned_at = self.assigned_at or time.monotonic()
            return positions()

        super().start(noted, quiesce)


def ingest(
    bootstrap_servers: str, group: str, events: int, segments: tuple[str, ...], directory: str
) -> Side:
    """Everything the collector does, into an empty store."""
    store = Store.open(Path(directory), StoreSettings(segments=segments))
    source = _TimedSource(KafkaSourceSettings(bootstrap_servers, group_id=group, topic_prefix=PREFIX))
    collector = Collector(source, store, BatchDecoder(SchemaResolver()))
    collector.start()
    deadline = time.monotonic() + TIMEOUT_S
    while collector.health().consumed < events and time.monotonic() < deadline:
        if collector.wait(0.02):
            raise RuntimeError("the collector ended early")
    seconds = time.monotonic() - source.assigned_at
    used = _used(events)
    collector.stop()
    (row,) = (
        store.reader().table("SELECT count(*) AS rows, sum(cost_nano_usd) AS cost FROM requests").to_pylist()
    )
    store.close()
    if row["rows"] != events or not row["cost"]:
        raise RuntimeError(f"stored {row} instead of {events} events")
    return Side(events, seconds, *used)


def per_message(bootstrap_servers: str, group: str, events: int, directory: str) -> Side:
    """The obvious loop: poll, decode with fastavro, insert 1,000 rows at a time."""
    schema = latest("requests").parsed
    names = [field["name"] for field in schema["fields"]]
    connection = duckdb.connect(str(Path(directory) / "plain.duckdb"))
    columns = ", ".join(
        f"{name} {_column_type(field['type'])}" for name, field in zip(names, schema["fields"], strict=True)
    )
    connection.execute(f"CREATE TABLE requests ({columns})")
    insert = f"INSERT INTO requests VALUES ({', '.join('?' * len(names))})"
    settings = KafkaSourceSettings(bootstrap_servers, group_id=group, topic_prefix=PREFIX)
    consumer = Consumer({**consumer_config(settings), "auto.offset.reset": "earliest"})
    assigned_at: list[float] = []
    consumer.subscribe(
        [topic_name("requests", PREFIX)], on_assign=lambda *_: assigned_at.append(time.monotonic())
    )
    got = 0
    rows: list[list[Any]] = []
    while got < events:
        message = consumer.poll(0.1)
        if message is None:
            continue
        value = message.value()
        assert value is not None
        record: Any = schemaless_reader(BytesIO(value[SINGLE_OBJECT_HEADER_SIZE:]), schema, None)
        rows.append([record[name] for name in names])
        got += 1
        if len(rows) == 1000 or got == events:
            connection.begin()
            connection.executemany(insert, rows)
            connection.commit()
            rows.clear()
    seconds = time.monotonic() - assigned_at[0]
    consumer.close()
    connection.close()
    return Side(got, seconds, *_used(got))


def _column_type(node: Any) -> str:  # noqa: ANN401 - an Avro type as JSON
    if isinstance(node, list):
        return _column_type(next(each for each in node if each != "null"))
    if isinstance(node, dict):
        if node["type"] == "map":
            return f"MAP(VARCHAR, {_column_type(node['values'])})"
        if node.get("logicalType") == "timestamp-micros":
            return "TIMESTAMPTZ"
        return "VARCHAR" if node["type"] == "enum" else _column_type(node["type"])
    return {"string": "VARCHAR", "int": "INTEGER", "long": "BIGINT", "double": "DOUBLE"}[node]


def _used(events: int) -> tuple[float, float]:
    """Peak memory in MB, and processor time in microseconds per event."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_maxrss / 1024, (usage.ru_utime + usage.ru_stime) * 1e6 / events


SIDES: dict[str, Callable[..., Side]] = {"fetch": fetch_only, "ingest": ingest, "per_message": per_message}


def _run(answer: Connection, side: str, *arguments: Any) -> None:  # noqa: ANN401
    answer.send(SIDES[side](*arguments))


def run_side(side: str, *arguments: Any) -> Side:  # noqa: ANN401
    """Run one side in a new process, in an empty folder that is removed afterwards."""
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory(prefix="coalmine-bench-") as directory:
        process = context.Process(target=_run, args=(send, side, *arguments, directory), daemon=True)
        process.start()
        send.close()
        try:
            result: Side = receive.recv()
        except EOFError:
            raise RuntimeError(f"the {side} side failed; its error is above") from None
        finally:
            process.join(30)
    return result


def measure(
    events: int, rounds: int, unpriced: float, segments: tuple[str, ...], say: Callable[[str], None]
) -> dict[str, float]:
    """Run all sides against one broker.

    Args:
        events: Events to produce first, then to fetch and to ingest.
        rounds: How often to fetch and to ingest, in turn; the best of each counts, since what else the
            machine does only ever makes a side slower.
        unpriced: Share of the events that come without a cost.
        segments: Declared keys: events have `tier` with two values and `language` with one.
        say: Called with lines of progress.
    """
    with KafkaBroker(owned=False) as broker:
        servers = broker.bootstrap_servers
        ensure_topics(broker.admin(), PREFIX, PARTITIONS)
        seconds = produce_requests(servers, PREFIX, events, PARTITIONS, unpriced=unpriced)
        say(f"produced {events:,} events in {seconds:.0f} s")
        fetches: list[Side] = []
        ingests: list[Side] = []
        for round_ in range(rounds):
            fetches.append(run_side("fetch", servers, f"fetch-{time.time_ns()}", events))
            say(f"round {round_ + 1}: fetched {fetches[-1]}")
            ingests.append(run_side("ingest", servers, f"ingest-{time.time_ns()}", events, segments))
            say(f"round {round_ + 1}: ingested {ingests[-1]}")
        plain = run_side("per_message", servers, f"plain-{time.time_ns()}", min(events, PER_MESSAGE_EVENTS))
    fetch = max(fetches, key=lambda side: side.events_per_s)
    best = max(ingests, key=lambda side: side.events_per_s)
    return {
        "events": events,
        "unpriced": unpriced,
        "segments": len(segments),
        "fetch_only_events_per_s": round(fetch.events_per_s),
        "ingest_events_per_s": round(best.events_per_s),
        "per_message_events_per_s": round(plain.events_per_s),
        "per_message_sample": plain.events,
        "ratio_to_fetch_only": round(best.events_per_s / fetch.events_per_s, 3),
        "ratio_to_per_message": round(best.events_per_s / plain.events_per_s, 1),
        "ingest_cpu_us_per_event": round(min(side.cpu_us_per_event for side in ingests), 2),
        "peak_rss_mb": round(max(side.peak_rss_mb for side in ingests)),
    }


def table(result: dict[str, float]) -> str:
    """The result for people."""
    rows = [
        ("fetch only, same client and settings", result["fetch_only_events_per_s"], "1.00"),
        ("ingest, everything on", result["ingest_events_per_s"], f"{result['ratio_to_fetch_only']:.2f}"),
        (
            f"per message (rate of {result['per_message_sample']:,.0f} events)",
            result["per_message_events_per_s"],
            f"{result['per_message_events_per_s'] / result['fetch_only_events_per_s']:.4f}",
        ),
    ]
    lines = [f"{'ingest':<40}{'events/s':>12}{'ratio':>10}"]
    lines += [f"{name:<40}{rate:>12,.0f}{ratio:>10}" for name, rate, ratio in rows]
    lines.append(
        f"{result['ratio_to_per_message']:.0f} times the per-message consumer; "
        f"peak memory while ingesting {result['peak_rss_mb']:,.0f} MB"
    )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="events to ingest (default: 1,000,000)")
    parser.add_argument("--rounds", type=int, default=3, help="fetch and ingest this often; the best counts")
    parser.add_argument(
        "--unpriced", type=float, default=0.5, help="share of the events without a cost (default: 0.5)"
    )
    parser.add_argument("--segment", action="append", default=[], help="a declared segment, e.g. tier")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args(arguments)
    result = measure(
        options.events,
        options.rounds,
        options.unpriced,
        tuple(options.segment),
        lambda text: print(text, file=sys.stderr, flush=True),
    )
    print(table(result))
    if options.json:
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
