"""The questions one can ask Coalmine, whoever answers: the store in this process or a server elsewhere."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

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

StepChoice = Literal["auto", "minute", "5m", "15m", "hour", "6h", "day"]
DeadLetterStatus = Literal["open", "replayed", "discarded"]
DeadLetterAction = Literal["replay", "discard"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which requests. None leaves a dimension open."""

    prompt: str | None = None
    version: str | None = None
    environment: str | None = None
    app: str | None = None
    since: datetime | None = None
    """Calls that began at or after this; to the rollups' resolution."""
    until: datetime | None = None
    """Calls that began before this; to the rollups' resolution."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list that may be long."""

    limit: int = 1_000
    offset: int = 0


@dataclass(frozen=True, slots=True)
class DeadLetterSelection:
    """Which dead letters. None leaves a property open; `ids` narrows to these."""

    status: DeadLetterStatus | None = "open"
    event: str | None = None
    stage: str | None = None
    ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparing:
    """Which two versions to compare."""

    prompt: str
    a: str
    """The version to compare with."""
    b: str
    """The version in question."""
    environment: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    segments: tuple[str, ...] | None = None
    """Segments whose mix is adjusted for; None: those with few values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifting:
    """Which version may have drifted."""

    prompt: str
    version: str | None = None
    """None: the one that serves most now."""
    environment: str | None = None
    """None: each."""
    metric: str | None = None
    """None: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explaining:
    """Which change to explain: between two versions, or between two times."""

    prompt: str
    metric: str = "quality"
    a: str | None = None
    """The version to compare with; None: times are compared."""
    b: str | None = None
    """The version in question."""
    since: datetime | None = None
    """Where the time after begins; of versions, only calls at or after this."""
    until: datetime | None = None
    """Where the time after ends, now if None; of versions, only calls before this."""
    before_since: datetime | None = None
    """Where the time before begins; None: it is as long as the time after."""
    before_until: datetime | None = None
    """Where the time before ends; None: where the time after begins."""
    environment: str | None = None
    segments: tuple[str, ...] | None = None
    """Segments whose mix is the mix of traffic; None: those whose mix moved most."""


class Answers(Protocol):
    """Answers questions."""

    def versions(self, selection: Selection, page: Page) -> Versions:
        """Measures of each version of a prompt."""
        ...

    def timeseries(self, selection: Selection, step: StepChoice, page: Page) -> Timeseries:
        """Measures over time."""
        ...

    def quantiles(self, selection: Selection, metric: QuantileMetric, shares: tuple[float, ...]) -> Quantiles:
        """Quantiles of a metric, within 1 %."""
        ...

    def facets(self) -> Facets:
        """What there is to choose from."""
        ...

    def ingest(self) -> IngestStatus:
        """How the collector is."""
        ...

    def audit(self, *, deep: bool) -> AuditReport:
        """Whether everything adds up; deep: every number of rollups and cells, too, counted anew."""
        ...

    def dead_letters(self, selection: DeadLetterSelection, limit: int, before: str | None) -> DeadLetters:
        """Dead letters, newest first, those older than `before`."""
        ...

    def dead_letter(self, dead_letter_id: str) -> DeadLetterDetail | None:
        """One dead letter with its bytes, or None if there is none of that id."""
        ...

    def change_dead_letters(
        self, action: DeadLetterAction, selection: DeadLetterSelection
    ) -> DeadLettersChanged:
        """Replays or discards open dead letters."""
        ...

    def experiments(self) -> Experiments:
        """Experiments that had requests."""
        ...

    def readout(self, experiment: str) -> Readout | None:
        """The readout of an experiment now, or None if there is none of that name."""
        ...

    def readout_path(self, experiment: str, since: datetime | None, limit: int) -> ReadoutPath:
        """What people saw of an experiment: its latest looks, oldest first."""
        ...

    def metrics(self) -> Metrics:
        """The metric catalogue."""
        ...

    def compare(self, question: Comparing) -> Comparison | None:
        """Two versions of a prompt beside each other, without randomisation; None if one had no requests."""
        ...

    def drift(self, question: Drifting) -> Drift:
        """Whether versions that nobody changed are still what they were.

        Raises:
            NothingThere: No request of that prompt, environment or version has come.
        """
        ...

    def explain(self, question: Explaining) -> Explanation:
        """Why a metric of a prompt changed.

        Raises:
            NothingKnown: There is no such prompt, version or metric, or no request to compare.
        """
        ...

    def start_rebuild(self) -> RebuildStatus:
        """Begins to count rollups and experiment cells anew from raw rows, unless that is under way."""
        ...

    def rebuild_status(self) -> RebuildStatus:
        """How the rebuild is coming on."""
        ...
