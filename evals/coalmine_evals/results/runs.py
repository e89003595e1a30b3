"""Runs of suites."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from coalmine_evals.results.gate import GateReport
from coalmine_schemas.results import result

RunState = Literal["running", "interrupted", "ended"]

LONGEST_TEXT: Final = 200_000
"""Characters of an answer that is published; scorers read less."""


@result
class MetricSummary:
    """One metric of one side of a run."""

    metric: str
    """Name of the metric."""
    mean: float | None
    """Mean over cases of the mean over repeats; null if nothing was scored."""
    sd: float | None
    """Standard deviation between cases."""
    minimum: float | None
    """Smallest score of a case."""
    maximum: float | None
    """Largest score of a case."""
    count: int
    """Number of scores."""
    unscored: int
    """Number of answers without a score: errors, time-outs, a judge that refused."""


@result
class Side:
    """What was run: a version of a prompt, or answers that were recorded."""

    prompt: str | None
    """Name of the prompt; null for recorded answers of unknown origin."""
    version: str | None
    """Version of the prompt; null for a draft, or for recorded answers of unknown origin."""
    digest: str | None
    """Digest of the content."""
    provider: str
    """Who answered: `openai`, `anthropic` or `recorded`."""
    model: str | None
    """Model that was asked."""
    response_models: tuple[str, ...]
    """Models that answered, as the answers say."""
    answered_from: datetime | None
    """When the oldest answer was made."""
    answered_to: datetime | None
    """When the newest answer was made."""
    cost_nano_usd: int | None
    """What all answers and judgements cost, cached ones included; null if a price is not known."""
    latency_ms_p50: float | None
    """Median latency of an answer in milliseconds."""
    latency_ms_p95: float | None
    """95th percentile of the latency of an answer in milliseconds."""
    metrics: tuple[MetricSummary, ...]
    """Each metric of the suite."""


@result
class EvalRun:
    """One run of a suite over a candidate, and over a baseline where there is one."""

    id: str
    """Id of the run, for looking it up; `evidence` is what a promotion takes."""
    state: RunState
    """An interrupted run goes on where it stopped, and pays for nothing twice."""
    suite: str
    """Name of the suite."""
    suite_digest: str
    """SHA-256 of the suite."""
    dataset: str
    """Name of the dataset."""
    dataset_digest: str
    """SHA-256 of its cases."""
    split: str
    """Which cases were run: `test`, `dev` or `all`."""
    cases: int
    """Number of cases."""
    repeats: int
    """Answers per case and side."""
    partial: bool
    """True if it was limited to fewer cases or repeats than the suite says, or another split: no evidence."""
    candidate: Side
    """What was tried."""
    baseline: Side | None
    """What it was compared with; null if nothing."""
    gate: GateReport | None
    """The answer; null without a baseline or while it runs."""
    evidence: str | None
    """Id of the evidence that the registry keeps of it; null if none was recorded."""
    spent_nano_usd: int | None
    """What this run cost: cached answers cost nothing."""
    started_at: datetime
    """When it began."""
    ended_at: datetime | None
    """When it ended; null while it runs."""
    started_by: str
    """Subject of the token that ran it."""


@result
class Answer:
    """One answer to a case, and its scores."""

    case: str
    """Id of the case."""
    side: Literal["candidate", "baseline"]
    """Of which side."""
    repeat: int
    """Number of the repeat, from 0."""
    text: str | None
    """What was answered; null if nothing was, or the texts are not kept."""
    error: str | None
    """Why there is no answer; null if there is one."""
    scores: Mapping[str, float | None]
    """Score by metric; null where it could not be scored."""
    details: Mapping[str, Any]
    """What the scorers say about it, by metric."""
