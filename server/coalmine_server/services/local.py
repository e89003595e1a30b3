"""Answers from the store of this process."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from coalmine_analytics.drift import Drifts
from coalmine_analytics.readout import Readouts
from coalmine_consumers import audit, queries
from coalmine_consumers import dead_letters as letters
from coalmine_consumers.audit.backlog import waiting_in_spool
from coalmine_consumers.collector.health import CollectorHealth
from coalmine_consumers.collector.pricing import Pricer
from coalmine_consumers.queries import Filters
from coalmine_consumers.store import Store

from coalmine_server.services.compare import catalogue, compared
from coalmine_server.services.dead_letters import dead_letter_detail, discarded, replayed
from coalmine_server.services.drift import drift_of
from coalmine_server.services.explain import explained
from coalmine_server.services.ingest_status import ingest_status
from coalmine_server.services.models import (
    AuditCheck,
    AuditIdentity,
    AuditReport,
    Comparison,
    DeadLetterDetail,
    DeadLetterRow,
    DeadLetters,
    DeadLettersChanged,
    Drift,
    ExperimentRow,
    Experiments,
    Explanation,
    Facets,
    IngestStatus,
    Metrics,
    QuantileMetric,
    QuantileRow,
    Quantiles,
    Readout,
    ReadoutPath,
    RebuildStatus,
    Timeseries,
    TimeseriesRow,
    VersionRow,
    Versions,
)
from coalmine_server.services.questions import (
    Comparing,
    DeadLetterAction,
    DeadLetterSelection,
    Drifting,
    Explaining,
    Page,
    Selection,
    StepChoice,
)
from coalmine_server.services.rebuild import RebuildTask
from coalmine_server.services.wiring import decoding
from coalmine_server.settings import Settings
from coalmine_server.workers.drift import make_drifts
from coalmine_server.workers.readouts import make_readouts, plans_of

Row = TypeVar("Row")


class Ingest(Protocol):
    """What an answer needs to know of the collector, where one runs."""

    @property
    def waiting_for(self) -> str | None:
        """What keeps the collector from its source."""
        ...

    def health(self) -> CollectorHealth | None:
        """How the collector is, once there is one."""
        ...


@dataclass(frozen=True, slots=True)
class LocalAnswers:
    """Implements `Answers` over a store that this process owns."""

    store: Store
    settings: Settings
    since: datetime
    """When the store became ours."""
    ingest_service: Ingest | None = None
    """The collector; none where a command asks without a server."""
    rebuild_task: RebuildTask = field(default_factory=RebuildTask)
    """The rebuild of this process."""
    readouts: Readouts | None = None
    """The looks of this process; made when asked for where a command asks without a server."""
    drifts: Drifts | None = None
    """Likewise what watches versions for drift."""

    def versions(self, selection: Selection, page: Page) -> Versions:
        """See `Answers.versions`."""
        rows = queries.versions(self.store.reader(), _filters(selection))
        chosen, next_offset = _part(rows, page)
        return Versions(items=[VersionRow.model_validate(row) for row in chosen], next_offset=next_offset)

    def timeseries(self, selection: Selection, step: StepChoice, page: Page) -> Timeseries:
        """See `Answers.timeseries`."""
        found = queries.timeseries(self.store.reader(), _filters(selection), step)
        chosen, next_offset = _part(found.items, page)
        return Timeseries(
            step=found.step,
            items=[TimeseriesRow.model_validate(row) for row in chosen],
            next_offset=next_offset,
        )

    def quantiles(self, selection: Selection, metric: QuantileMetric, shares: tuple[float, ...]) -> Quantiles:
        """See `Answers.quantiles`."""
        rows = queries.quantiles(self.store.reader(), metric, shares, _filters(selection))
        return Quantiles(metric=metric, items=[QuantileRow.model_validate(row) for row in rows])

    def facets(self) -> Facets:
        """See `Answers.facets`."""
        return Facets.model_validate(queries.facets(self.store.reader()))

    def ingest(self) -> IngestStatus:
        """See `Answers.ingest`."""
        service = self.ingest_service
        return ingest_status(
            queries.ingest_health(self.store.reader()),
            None if service is None else service.health(),
            source="spool" if self.settings.kafka.bootstrap_servers is None else "kafka",
            since=self.since,
            embedded=service is None,
            waiting_for=None if service is None else service.waiting_for,
        )

    def audit(self, *, deep: bool) -> AuditReport:
        """See `Answers.audit`."""
        report = audit.audit(self.store, waiting=self._waiting(), deep=deep)
        return AuditReport(
            ok=report.ok,
            summary=str(report.identity),
            identity=AuditIdentity.model_validate(report.identity),
            checks=[AuditCheck.model_validate(check) for check in report.checks],
            missing=list(report.missing),
            unattributed_feedback=report.unattributed_feedback,
            unattributed_scores=report.unattributed_scores,
        )

    def _waiting(self) -> int:
        """Messages that are somewhere on their way into the store, as far as this machine knows."""
        in_spool = waiting_in_spool(self.settings.spool_dir, self.store.positions()).messages
        collector = None if self.ingest_service is None else self.ingest_service.health()
        if self.settings.kafka.bootstrap_servers is None or collector is None:
            return in_spool
        return in_spool + collector.lag.messages

    def dead_letters(self, selection: DeadLetterSelection, limit: int, before: str | None) -> DeadLetters:
        """See `Answers.dead_letters`."""
        page = letters.list_dead_letters(
            self.store.reader(), _letter_filter(selection), limit=limit, before=before
        )
        return DeadLetters(
            items=[DeadLetterRow.model_validate(item) for item in page.items], next_before=page.next_before
        )

    def dead_letter(self, dead_letter_id: str) -> DeadLetterDetail | None:
        """See `Answers.dead_letter`."""
        found = letters.get_dead_letter(self.store.reader(), dead_letter_id)
        return None if found is None else dead_letter_detail(found)

    def change_dead_letters(
        self, action: DeadLetterAction, selection: DeadLetterSelection
    ) -> DeadLettersChanged:
        """See `Answers.change_dead_letters`."""
        chosen = _letter_filter(selection)
        if action == "discard":
            return discarded(letters.discard_dead_letters(self.store, chosen))
        with decoding(self.settings) as decoder:
            return replayed(letters.replay_dead_letters(self.store, decoder, Pricer(), chosen))

    def experiments(self) -> Experiments:
        """See `Answers.experiments`."""
        rows = [ExperimentRow.model_validate(row) for row in self._looking().experiments()]
        return Experiments(items=rows)

    def readout(self, experiment: str) -> Readout | None:
        """See `Answers.readout`."""
        max_age = timedelta(seconds=self.settings.readout.max_age_s)
        found = self._looking().current(experiment, max_age=max_age)
        return None if found is None else Readout.model_validate(found)

    def readout_path(self, experiment: str, since: datetime | None, limit: int) -> ReadoutPath:
        """See `Answers.readout_path`."""
        found = self._looking().path(experiment, since=since, limit=limit)
        return ReadoutPath(experiment=experiment, items=[Readout.model_validate(each) for each in found])

    def metrics(self) -> Metrics:
        """See `Answers.metrics`."""
        return catalogue(self.store.reader(), plans_of(self.settings.readout).default.overrides)

    def compare(self, question: Comparing) -> Comparison | None:
        """See `Answers.compare`."""
        return compared(self.store, question, plans_of(self.settings.readout).default)

    def _looking(self) -> Readouts:
        return self.readouts or make_readouts(self.store, self.settings.readout)

    def drift(self, question: Drifting) -> Drift:
        """See `Answers.drift`."""
        drifts = self.drifts or make_drifts(self.store, self.settings)
        return drift_of(drifts, self.store.reader(), question)

    def explain(self, question: Explaining) -> Explanation:
        """See `Answers.explain`."""
        return explained(self.store, question, plans_of(self.settings.readout).default)

    def start_rebuild(self) -> RebuildStatus:
        """See `Answers.start_rebuild`."""
        return self.rebuild_task.start(self.store)

    def rebuild_status(self) -> RebuildStatus:
        """See `Answers.rebuild_status`."""
        return self.rebuild_task.status


def _letter_filter(selection: DeadLetterSelection) -> letters.DeadLetterFilter:
    return letters.DeadLetterFilter(
        status=selection.status, event=selection.event, stage=selection.stage, ids=selection.ids
    )


def _filters(selection: Selection) -> Filters:
    return Filters(
        prompt=selection.prompt,
        version=selection.version,
        environment=selection.environment,
        app=selection.app,
        since=selection.since,
        until=selection.until,
    )


def _part(rows: list[Row], page: Page) -> tuple[list[Row], int | None]:
    """Rows of a page, and where the next page begins if there is one."""
    end = page.offset + page.limit
    return rows[page.offset : end], end if end < len(rows) else None
