"""Prometheus metrics of the pipeline, read from the collector when they are asked for."""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from coalmine_consumers.collector.health import CollectorHealth
from coalmine_consumers.maintenance.housekeeping import HousekeepingHealth
from coalmine_server.workers.ingest import IngestService
from coalmine_server.workers.worker import WorkerHealth


def process_registry() -> CollectorRegistry:
    """A registry with metrics of the process: memory, processor time, open files."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class IngestMetrics(Collector):
    """State, counts and lag of the ingest service. Counters start with the process, as Prometheus expects."""

    def __init__(self, ingest: IngestService) -> None:
        self._ingest = ingest

    def describe(self) -> Iterable[Metric]:
        """Nothing: names are only known when asked."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics as they are now."""
        phase = self._ingest.situation.phase
        yield GaugeMetricFamily(
            "coalmine_owns_store", "1 while this process owns the store.", value=float(phase == "running")
        )
        yield GaugeMetricFamily(
            "coalmine_standby", "1 while this process waits for the store.", value=float(phase == "standby")
        )
        if (housekeeping := self._ingest.housekeeping()) is not None:
            yield from _of_housekeeping(housekeeping)
        if (health := self._ingest.health()) is not None:
            yield from _of_collector(health)
        if (age_s := self._ingest.rollout_tick_age_s()) is not None:
            yield GaugeMetricFamily(
                "coalmine_rollout_tick_age_seconds",
                "Seconds since rollouts were last decided about: alert when it passes a minute.",
                value=age_s,
            )
        yield from _of_workers(self._ingest.workers())


def _of_workers(workers: Mapping[str, WorkerHealth]) -> Iterator[Metric]:
    ticks = CounterMetricFamily("coalmine_worker_ticks", "Ticks of background workers.", labels=["worker"])
    failures = CounterMetricFamily(
        "coalmine_worker_failures", "Ticks of background workers that failed.", labels=["worker"]
    )
    for name, health in workers.items():
        ticks.add_metric([name], health.ticks)
        failures.add_metric([name], health.failures)
    yield from (ticks, failures)


def _of_housekeeping(health: HousekeepingHealth) -> Iterator[Metric]:
    yield CounterMetricFamily("coalmine_housekeeping_runs", "Runs of maintenance tasks.", value=health.runs)
    yield CounterMetricFamily(
        "coalmine_housekeeping_failures", "Runs of maintenance tasks that failed.", value=health.failures
    )


def _of_collector(health: CollectorHealth) -> Iterator[Metric]:
    events = CounterMetricFamily(
        "coalmine_ingest_messages", "Messages by what became of them.", labels=["outcome"]
    )
    events.add_metric(["stored"], health.stored)
    events.add_metric(["duplicate"], health.duplicates)
    events.add_metric(["dead_lettered"], health.dead_lettered)
    yield events
    yield CounterMetricFamily("coalmine_ingest_batches", "Batches committed.", value=health.batches)
    yield CounterMetricFamily(
        "coalmine_ingest_gaps", "Losses: ranges that could not be read.", value=health.gaps
    )
    yield GaugeMetricFamily(
        "coalmine_ingest_lag_messages", "Messages that wait in the source.", value=health.lag.messages
    )
    yield GaugeMetricFamily(
        "coalmine_ingest_waiting",
        "1 while something fails and is tried again.",
        value=float(health.state == "waiting"),
    )
    if health.last_commit_at is not None:
        yield GaugeMetricFamily(
            "coalmine_ingest_last_commit_timestamp_seconds",
            "When a batch was last committed.",
            value=health.last_commit_at.timestamp(),
        )
    if health.last_commit_s is not None:
        yield GaugeMetricFamily(
            "coalmine_ingest_last_commit_duration_seconds",
            "How long the last commit took.",
            value=health.last_commit_s,
        )
