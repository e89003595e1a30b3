"""Answers of a server elsewhere, over HTTP."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import quote

from coalmine_server.errors import NothingKnown
from coalmine_server.services.http_client import NothingThere, Parameters, ServerClient
from coalmine_server.services.models import (
    AuditReport,
    Comparison,
    DeadLetterDetail,
    DeadLetters,
    DeadLettersChanged,
    Drift,
    Experiments,
    Explanation,
    Facets,
    IngestStatus,
    Metrics,
    QuantileMetric,
    Quantiles,
    Readout,
    ReadoutPath,
    RebuildStatus,
    Timeseries,
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

AUDIT_TIMEOUT_S = 3600.0
"""A deep audit reads every raw row."""
EXPLAIN_TIMEOUT_S = 600.0
"""An explanation reads every raw request of a prompt: some seconds for a million."""


class RemoteAnswers:
    """Implements `Answers` by asking."""

    def __init__(self, client: ServerClient) -> None:
        self._client = client

    def versions(self, selection: Selection, page: Page) -> Versions:
        """See `Answers.versions`."""
        return Versions.model_validate(self._client.get("/v1/versions", _parameters(selection, page)))

    def timeseries(self, selection: Selection, step: StepChoice, page: Page) -> Timeseries:
        """See `Answers.timeseries`."""
        parameters = {**_parameters(selection, page), "step": step}
        return Timeseries.model_validate(self._client.get("/v1/timeseries", parameters))

    def quantiles(self, selection: Selection, metric: QuantileMetric, shares: tuple[float, ...]) -> Quantiles:
        """See `Answers.quantiles`."""
        parameters = {**_parameters(selection), "metric": metric, "q": list(shares)}
        return Quantiles.model_validate(self._client.get("/v1/quantiles", parameters))

    def facets(self) -> Facets:
        """See `Answers.facets`."""
        return Facets.model_validate(self._client.get("/v1/facets"))

    def ingest(self) -> IngestStatus:
        """See `Answers.ingest`."""
        return IngestStatus.model_validate(self._client.get("/v1/ingest"))

    def audit(self, *, deep: bool) -> AuditReport:
        """See `Answers.audit`."""
        parameters: Parameters = {"deep": "true" if deep else "false"}
        found = self._client.get("/v1/audit", parameters, timeout_s=AUDIT_TIMEOUT_S)
        return AuditReport.model_validate(found)

    def dead_letters(self, selection: DeadLetterSelection, limit: int, before: str | None) -> DeadLetters:
        """See `Answers.dead_letters`."""
        parameters: Parameters = {
            "status": selection.status,
            "event": selection.event,
            "stage": selection.stage,
            "limit": limit,
            "before": before,
        }
        return DeadLetters.model_validate(self._client.get("/v1/dead-letters", parameters))

    def dead_letter(self, dead_letter_id: str) -> DeadLetterDetail | None:
        """See `Answers.dead_letter`."""
        found = self._client.find(f"/v1/dead-letters/{dead_letter_id}")
        return None if found is None else DeadLetterDetail.model_validate(found)

    def change_dead_letters(
        self, action: DeadLetterAction, selection: DeadLetterSelection
    ) -> DeadLettersChanged:
        """See `Answers.change_dead_letters`."""
        given = {"ids": selection.ids, "event": selection.event, "stage": selection.stage}
        body: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return DeadLettersChanged.model_validate(
            self._client.post(f"/v1/dead-letters/{action}", body or {"all": True})
        )

    def experiments(self) -> Experiments:
        """See `Answers.experiments`."""
        return Experiments.model_validate(self._client.get("/v1/readouts"))

    def readout(self, experiment: str) -> Readout | None:
        """See `Answers.readout`."""
        found = self._client.find(f"/v1/experiments/{quote(experiment, safe='')}/readout")
        return None if found is None else Readout.model_validate(found)

    def readout_path(self, experiment: str, since: datetime | None, limit: int) -> ReadoutPath:
        """See `Answers.readout_path`."""
        parameters: Parameters = {"since": _iso(since), "limit": limit}
        found = self._client.get(f"/v1/experiments/{quote(experiment, safe='')}/looks", parameters)
        return ReadoutPath.model_validate(found)

    def metrics(self) -> Metrics:
        """See `Answers.metrics`."""
        return Metrics.model_validate(self._client.get("/v1/metrics"))

    def compare(self, question: Comparing) -> Comparison | None:
        """See `Answers.compare`."""
        parameters: Parameters = {
            "prompt": question.prompt,
            "a": question.a,
            "b": question.b,
            "environment": question.environment,
            "since": _iso(question.since),
            "until": _iso(question.until),
            "segment": None if question.segments is None else list(question.segments),
        }
        found = self._client.find("/v1/compare", parameters)
        return None if found is None else Comparison.model_validate(found)

    def drift(self, question: Drifting) -> Drift:
        """See `Answers.drift`."""
        parameters: Parameters = {
            "prompt": question.prompt,
            "version": question.version,
            "environment": question.environment,
            "metric": question.metric,
        }
        return Drift.model_validate(self._client.get("/v1/drift", parameters))

    def explain(self, question: Explaining) -> Explanation:
        """See `Answers.explain`."""
        parameters: Parameters = {
            "prompt": question.prompt,
            "metric": question.metric,
            "a": question.a,
            "b": question.b,
            "since": _iso(question.since),
            "until": _iso(question.until),
            "before_since": _iso(question.before_since),
            "before_until": _iso(question.before_until),
            "environment": question.environment,
            "segment": None if question.segments is None else list(question.segments),
        }
        try:
            return Explanation.model_validate(
                self._client.get("/v1/explain", parameters, timeout_s=EXPLAIN_TIMEOUT_S)
            )
        except NothingThere as error:
            raise NothingKnown(error.message) from None

    def start_rebuild(self) -> RebuildStatus:
        """See `Answers.start_rebuild`."""
        return RebuildStatus.model_validate(self._client.post("/v1/rebuild", {}))

    def rebuild_status(self) -> RebuildStatus:
        """See `Answers.rebuild_status`."""
        return RebuildStatus.model_validate(self._client.get("/v1/rebuild"))


def _parameters(selection: Selection, page: Page | None = None) -> Parameters:
    return dict(_pairs(selection, page))


def _pairs(selection: Selection, page: Page | None) -> Iterator[tuple[str, str | int | None]]:
    yield "prompt", selection.prompt
    yield "version", selection.version
    yield "environment", selection.environment
    yield "app", selection.app
    yield "since", _iso(selection.since)
    yield "until", _iso(selection.until)
    if page is not None:
        yield "limit", page.limit
        yield "offset", page.offset


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
