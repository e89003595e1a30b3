"""Gauges of every version that is served, and of rollouts, for dashboards and alerts of one's own.

Labels are names that somebody registered or that have traffic now, at most `MOST_VERSIONS` of them: never
users, requests or texts, so that what scrapes them stays small.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from coalmine_consumers import queries
from coalmine_consumers.queries import Filters
from coalmine_consumers.results import VersionRow
from coalmine_registry.records import ENVIRONMENTS
from coalmine_rollouts.commands import Rollouts
from coalmine_rollouts.records import TERMINAL, Rollout
from coalmine_server.services.owned_store import OwnedStore
from coalmine_server.workers.ingest import IngestService

WINDOW: Final = timedelta(hours=1)
"""Measures are of the last hour."""
FRESH_S: Final = 10.0
"""Several that scrape share what was computed."""
MOST_VERSIONS: Final = 500
MOST_ROLLOUTS: Final = 200
ENDED_FOR: Final = timedelta(days=1)
"""A rollout that has ended is shown for so long."""

_OF_VERSION: Final = ("environment", "prompt", "version")

_log = structlog.stdlib.get_logger("coalmine.metrics")


@dataclass(frozen=True, slots=True)
class _Measure:
    """A gauge of a version and the number of calls that it stands on."""

    name: str
    text: str
    field: str


_MEASURES: Final = (
    _Measure("coalmine_version_requests", "LLM calls in the last hour.", "requests"),
    _Measure("coalmine_version_error_ratio", "Calls that failed, 0 to 1.", "error_rate"),
    _Measure("coalmine_version_quality", "Mean of the quality.", "quality_mean"),
    _Measure("coalmine_version_quality_values", "Values that the quality is the mean of.", "quality_n"),
    _Measure("coalmine_version_cost_usd", "Mean US dollars of a call.", "cost_usd_per_request"),
    _Measure("coalmine_version_cost_values", "Calls whose cost is known.", "priced_requests"),
    _Measure("coalmine_version_spent_usd", "US dollars spent in the last hour.", "cost_usd"),
    _Measure("coalmine_version_thumbs_up_ratio", "Thumbs up per thumb, 0 to 1.", "thumbs_up_rate"),
)
_LATENCIES: Final = (("0.5", "latency_ms_p50"), ("0.95", "latency_ms_p95"))


class ServedMetrics(Collector):
    """Measures of served versions over the last hour, and the rollouts that are on their way."""

    def __init__(self, ingest: IngestService) -> None:
        self._ingest = ingest
        self._lock = threading.Lock()
        self._computed_at = float("-inf")
        self._found: list[Metric] = []
        self._served: dict[str, frozenset[tuple[str, str]]] = {}

    def describe(self) -> Iterable[Metric]:
        """Nothing: names are only known when asked."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All metrics, at most `FRESH_S` old."""
        owned = self._ingest.owned
        if owned is None:
            return
        with self._lock:
            if time.monotonic() - self._computed_at > FRESH_S:
                self._found = list(self._compute(owned))
                self._computed_at = time.monotonic()
            found = self._found
        yield from found

    def _compute(self, owned: OwnedStore) -> Iterator[Metric]:
        now = owned.clock()
        up = GaugeMetricFamily(
            "coalmine_metrics_source_up",
            "1 if the store or the registry could be asked for the metrics of versions and rollouts.",
            labels=["source"],
        )
        for source, read in (("registry", self._of_rollouts), ("store", self._of_versions)):
            found: list[Metric] = []
            try:
                found = list(read(owned, now))
            except Exception as error:  # noqa: BLE001 - what else there is to tell must still be told
                _log.info("no metrics of it now", source=source, reason=str(error))
            up.add_metric([source], float(bool(found)))
            yield from found
        yield up

    def _of_rollouts(self, owned: OwnedStore, now: datetime) -> Iterator[Metric]:
        for environment in ENVIRONMENTS:
            served = owned.known_registry.snapshot(environment).prompts
            self._served[environment] = frozenset(
                (prompt, version) for prompt, each in served.items() for version in each.versions()
            )
        latest: dict[tuple[str, str, str], Rollout] = {}
        for each in Rollouts(owned.known_registry).rollouts(limit=MOST_ROLLOUTS).items:
            if each.ended_at is None or each.ended_at > now - ENDED_FOR:
                latest.setdefault((each.environment, each.prompt, each.treatment), each)
        state = GaugeMetricFamily(
            "coalmine_rollout_state",
            "1 for the state of a version's last rollout, until a day after its end.",
            labels=[*_OF_VERSION, "state"],
        )
        stage = GaugeMetricFamily(
            "coalmine_rollout_stage", "Index of the stage of a rollout.", labels=_OF_VERSION
        )
        holds = GaugeMetricFamily(
            "coalmine_rollout_holds", "Reasons for which a rollout does not go on.", labels=_OF_VERSION
        )
        for name, each in latest.items():
            state.add_metric([*name, each.state], 1.0)
            if each.state not in TERMINAL:
                stage.add_metric(name, each.stage)
                holds.add_metric(name, len(each.holds))
        yield from (state, stage, holds)

    def _of_versions(self, owned: OwnedStore, now: datetime) -> Iterator[Metric]:
        rows = {
            (environment, row.prompt, row.version): row
            for environment in ENVIRONMENTS
            for row in self._rows(owned, environment, now)
        }
        left_out = max(0, len(rows) - MOST_VERSIONS)
        if left_out:
            busiest = sorted(rows, key=lambda name: rows[name].requests, reverse=True)[:MOST_VERSIONS]
            rows = {name: rows[name] for name in busiest}
        for measure in _MEASURES:
            yield _gauge(measure, rows)
        latency = GaugeMetricFamily(
            "coalmine_version_latency_seconds",
            "Median and 95th percentile of the latency of calls.",
            labels=[*_OF_VERSION, "quantile"],
        )
        thumbs = GaugeMetricFamily("coalmine_version_thumbs", "Thumbs up and down.", labels=_OF_VERSION)
        for name, row in rows.items():
            thumbs.add_metric(name, row.thumbs_up + row.thumbs_down)
            for quantile, field in _LATENCIES:
                if (value := getattr(row, field)) is not None:
                    latency.add_metric([*name, quantile], value / 1_000)
        yield from (latency, thumbs)
        yield GaugeMetricFamily(
            "coalmine_versions_left_out", "Versions with few calls, left out here.", value=left_out
        )

    def _rows(self, owned: OwnedStore, environment: str, now: datetime) -> list[VersionRow]:
        """Versions with calls that are served, or whose prompt the registry does not serve there at all."""
        filters = Filters(environment=environment, since=now - WINDOW)
        served = self._served.get(environment, frozenset())
        prompts = {prompt for prompt, _ in served}
        found = queries.versions(owned.store.reader(), filters).items
        return [row for row in found if row.prompt not in prompts or (row.prompt, row.version) in served]


def _gauge(measure: _Measure, rows: Mapping[tuple[str, str, str], VersionRow]) -> Metric:
    gauge = GaugeMetricFamily(measure.name, measure.text, labels=_OF_VERSION)
    for name, row in rows.items():
        if (value := getattr(row, measure.field)) is not None:
            gauge.add_metric(name, value)
    return gauge
