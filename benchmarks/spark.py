"""Spark with 1 and 2 workers beside the collector, on the same events in one broker.

Workers are processes of their own (`local-cluster[N,1,1024]`), with one core each. A rate is that of all
batches but the first, in which programs start. What an event costs is the processor time of all processes for
many events, less that for few, by the difference. What the server then does to import is measured apart.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.ingest import PARTITIONS, PREFIX, TIMEOUT_S, run_side
from benchmarks.load import produce_requests
from coalmine_consumers.collector.collector import Collector
from coalmine_consumers.prepared.folder import Position, QueryFolder, write_position
from coalmine_consumers.prepared.source import PreparedSource
from coalmine_consumers.sources.kafka_topics import ensure_topics
from coalmine_consumers.store import Store
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.resolver import SchemaResolver
from coalmine_spark.job import Decoding, Job, write_job
from tests.support.servers.kafka_broker import KafkaBroker
from tests.support.servers.spark import missing_spark, start_job

BATCHES = 4
"""Batches that the events are divided into."""


@dataclass(frozen=True, slots=True)
class Spark:
    """What Spark did."""

    events_per_s: float
    cpu_s: float
    """Processor time of all its processes."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What the server did."""

    events_per_s: float
    cpu_us_per_event: float


def by_spark(servers: str, workers: int, events: int, max_events: int, folder: Path) -> Spark:
    """Reads what there is, as a job of so many workers."""
    folder.mkdir()
    write_position(folder, Position(1, []))
    job = folder / "job.json"
    decoding = Decoding(topic_prefix=PREFIX)
    write_job(
        job,
        Job(folder, servers, decoding, max_events=max_events, tasks=workers, max_waiting=1_000, once=True),
    )
    before = _children_s()
    log = folder / "log"
    process = start_job(job, f"local-cluster[{workers},1,1024]", log)
    if process.wait(TIMEOUT_S) != 0:
        raise RuntimeError(f"Spark ended with {process.returncode}:\n{log.read_text()[-3000:]}")
    cpu_s = _children_s() - before
    query = QueryFolder.newest(folder)
    assert query is not None, "it has begun"
    made = [
        (number, found) for number in query.waiting() if (found := query.manifest(number)) and found.messages
    ]
    total = sum(manifest.messages for _, manifest in made)
    if total != events:
        raise RuntimeError(f"Spark read {total} of {events} events")
    ends = [(query.batch(number) / "manifest.json").stat().st_mtime for number, _ in made]
    later = sum(manifest.messages for _, manifest in made[1:])
    return Spark(later / (ends[-1] - ends[0]) if later else 0.0, cpu_s)


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def by_server(folder: Path, events: int) -> Imported:
    """Imports what Spark wrote into an empty store."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as directory:
        store = Store.open(Path(directory))
        source = PreparedSource(folder, lambda: store.next_ingest_id)
        collector = Collector(source, store, BatchDecoder(SchemaResolver()))
        began, used = time.monotonic(), time.process_time()
        collector.start()
        while collector.health().consumed < events:
            if collector.wait(0.02) or time.monotonic() > began + TIMEOUT_S:
                raise RuntimeError("the import ended early")
        seconds, cpu_s = time.monotonic() - began, time.process_time() - used
        collector.stop()
        store.close()
    return Imported(events / seconds, cpu_s * 1e6 / events)


def measure(events: int, say: Callable[[str], None]) -> dict[str, float]:
    """Run all sides against one broker."""
    few = events // 8
    result: dict[str, float] = {"events": events}
    with KafkaBroker(owned=False) as broker, tempfile.TemporaryDirectory(prefix="coalmine-bench-") as made:
        servers, root = broker.bootstrap_servers, Path(made)
        ensure_topics(broker.admin(), PREFIX, PARTITIONS)
        produce_requests(servers, PREFIX, few, PARTITIONS)
        small = {
            workers: by_spark(servers, workers, few, events // BATCHES, root / f"few-{workers}")
            for workers in (1, 2)
        }
        say(f"few: {small}")
        produce_requests(servers, PREFIX, events - few, PARTITIONS, seed=1)
        ingest = run_side("ingest", servers, f"ingest-{time.time_ns()}", events, ())
        say(f"collector: {ingest}")
        result["collector_events_per_s"] = round(ingest.events_per_s)
        result["collector_cpu_us_per_event"] = round(ingest.cpu_us_per_event, 2)
        for workers in (1, 2):
            folder = root / f"all-{workers}"
            spark = by_spark(servers, workers, events, events // BATCHES, folder)
            say(f"{workers} workers: {spark}")
            result[f"spark_{workers}_events_per_s"] = round(spark.events_per_s)
            cpu_us = (spark.cpu_s - small[workers].cpu_s) * 1e6 / (events - few)
            result[f"spark_{workers}_cpu_us_per_event"] = round(cpu_us, 2)
        imported = by_server(root / "all-2", events)
        result["import_events_per_s"] = round(imported.events_per_s)
        result["import_cpu_us_per_event"] = round(imported.cpu_us_per_event, 2)
    return result


def table(result: dict[str, float]) -> str:
    """The result for people."""
    lines = [f"{'':<28}{'events/s':>12}{'CPU us/event':>14}"]
    for name, side in (
        ("collector", "collector"),
        ("Spark, 1 worker", "spark_1"),
        ("Spark, 2 workers", "spark_2"),
        ("server, import", "import"),
    ):
        rate, cost = result[f"{side}_events_per_s"], result[f"{side}_cpu_us_per_event"]
        lines.append(f"{name:<28}{rate:>12,.0f}{cost:>14.2f}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spark", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="events to read (default: 1,000,000)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args(arguments)
    reason = missing_spark()
    if reason is not None:
        print(f"cannot measure Spark: {reason}", file=sys.stderr)
        return 1
    result = measure(options.events, lambda text: print(text, file=sys.stderr, flush=True))
    print(table(result))
    if options.json:
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
