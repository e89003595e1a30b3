"""What happened to a prompt, in one ordered list: what people did, what rollouts decided, what else changed.

Registry and store each know a part. What a rollout did stands there once, as its decision.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Query

from coalmine_consumers import queries
from coalmine_consumers.drift import VersionKey, answering_models, prompts, read_watched, served_versions
from coalmine_consumers.queries import Filters
from coalmine_consumers.store import Reader
from coalmine_registry.errors import NotFound
from coalmine_schemas.prompts import served_words
from coalmine_schemas.results import Page
from coalmine_server.moment import MOMENT_HELP
from coalmine_server.results import TimelineItem, TimelineKind
from coalmine_server.services.moment_parameter import Moment, check_period

if TYPE_CHECKING:
    from coalmine_registry.freeze_records import FreezeRecord
    from coalmine_registry.records import AuditEntry
    from coalmine_registry.registry import Registry
    from coalmine_rollouts.records import RolloutDecision

LOOK_BACK: Final = timedelta(days=7)
"""The period, unless one is asked for."""
MOST_ITEMS: Final = 1_000
LEAST_THUMBS: Final = 5
"""Thumbs down that a peak has at least."""
PEAK_SDS: Final = 4.0
"""A peak is this many standard deviations of a Poisson count above the mean of the other hours."""

_OF_VERSIONS: Final = ("register", "retire", "archive")
_ELSEWHERE: Final = ("freeze", "unfreeze", "rollout_")
"""Beginnings of actions that are read elsewhere: freezes of a whole environment are in no prompt's log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineQuestion:
    """Whose timeline, over which period. Query parameters of the API."""

    prompt: Annotated[str, Query(min_length=1, description="Name of the prompt.")]
    environment: Annotated[
        str | None, Query(min_length=1, description="Only what is about this environment.")
    ] = None
    since: Annotated[
        Moment | None,
        Query(description=f"What happened at or after this: {MOMENT_HELP}. By default the last seven days."),
    ] = None
    until: Annotated[Moment | None, Query(description=f"What happened before this: {MOMENT_HELP}.")] = None


@dataclass(frozen=True, slots=True)
class _Period:
    since: datetime
    until: datetime
    environment: str | None

    def has(self, item: TimelineItem) -> bool:
        here = self.environment is None or item.environment in (None, self.environment)
        return here and self.since <= item.at < self.until


def timeline(
    reader: Reader, registry: "Registry", question: TimelineQuestion, now: datetime
) -> Page[TimelineItem]:
    """Returns the newest items of a period, oldest first.

    Raises:
        NotFound: Neither registry nor store knows the prompt.
        InvalidParameter: The period is empty.
    """
    until = question.until or now
    since = question.since or until - LOOK_BACK
    check_period(since, until)
    period = _Period(since, until, question.environment)
    items = [
        *_of_registry(registry, reader, question.prompt, since),
        *_of_store(reader, question.prompt, period),
    ]
    found = sorted(filter(period.has, items), key=lambda item: item.at)
    return Page(found[-MOST_ITEMS:], None)


def _of_registry(
    registry: "Registry", reader: Reader, prompt: str, since: datetime
) -> Iterator[TimelineItem]:
    try:
        registry.prompt(prompt)
    except NotFound:
        if prompt not in prompts(reader):
            raise
        return  # a service names its versions itself
    decisions = list(_decisions(registry, prompt, since))
    made = {
        (environment, decision.revision)
        for environment, _, decision in decisions
        if decision.revision is not None
    }
    for environment, version, decision in decisions:
        yield _of_decision(environment, version, decision)
    entries = _since(
        lambda cursor: registry.audit_log(prompt, None, cursor=cursor), lambda entry: entry.at, since
    )
    for entry in reversed(list(entries)):
        revision = (entry.after or {}).get("revision")
        is_told = entry.action.startswith(_ELSEWHERE) or (entry.environment, revision) in made
        if not is_told:
            yield _of_entry(entry, revision)
    for freeze in _all(lambda cursor: registry.freezes(prompt=prompt, ended=True, cursor=cursor)):
        yield from _of_freeze(freeze)


def _decisions(
    registry: "Registry", prompt: str, since: datetime
) -> "Iterator[tuple[str, str, RolloutDecision]]":
    from coalmine_rollouts.commands import Rollouts  # noqa: PLC0415 - imports SQLAlchemy

    rollouts = Rollouts(registry)

    def decisions_of(rollout_id: str) -> Iterator["RolloutDecision"]:
        return _all(lambda cursor: rollouts.decisions(rollout_id, cursor=cursor))

    for rollout in _all(lambda cursor: rollouts.rollouts(prompt=prompt, cursor=cursor)):
        if rollout.ended_at is None or rollout.ended_at >= since:
            for decision in decisions_of(rollout.id):
                yield rollout.environment, rollout.treatment, decision


def _all(page_after: Callable[[str | None], Page[Any]]) -> Iterator[Any]:
    return _since(page_after, lambda _: datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC))


def _since(
    page_after: Callable[[str | None], Page[Any]], at: Callable[[Any], datetime], since: datetime
) -> Iterator[Any]:
    """Items of a list that is newest first, back to a moment."""
    cursor = None
    while True:
        page = page_after(cursor)
        for item in page.items:
            if at(item) < since:
                return
            yield item
        cursor = page.next_cursor
        if cursor is None:
            return


def _of_decision(environment: str, version: str, decision: "RolloutDecision") -> TimelineItem:
    change = decision.to_state if decision.from_state != decision.to_state else decision.kind
    words = "; ".join(decision.reasons)
    text = f"rollout {decision.rollout}: {change.replace('_', ' ')}" + (f" ({words})" if words else "")
    return TimelineItem(
        at=decision.at,
        kind="rollout",
        environment=environment,
        version=version,
        text=text,
        actor=decision.actor,
        reason=None,
        rollout=decision.rollout,
        revision=decision.revision,
    )


def _of_entry(entry: "AuditEntry", revision: int | None) -> TimelineItem:
    action = entry.action.replace("_", " ")
    served = served_words(entry.after)
    if entry.action in _OF_VERSIONS:
        text = f"{action} {entry.version}"
    elif served is not None:
        text = f"{action}: {entry.environment} serves {served}"
    else:
        text = action
    return TimelineItem(
        at=entry.at,
        kind="version" if entry.action in _OF_VERSIONS else "deployment",
        environment=entry.environment,
        version=entry.version,
        text=text,
        actor=entry.actor,
        reason=entry.reason,
        rollout=None,
        revision=revision,
    )


def _of_freeze(freeze: "FreezeRecord") -> Iterator[TimelineItem]:
    what = freeze.prompt or "every prompt"
    where = freeze.environment or "every environment"
    ends = freeze.ended_at or freeze.until
    for at, text, actor, reason in (
        (freeze.starts_at, f"freeze {freeze.id}: {what} in {where}", freeze.frozen_by, freeze.reason),
        (ends, f"end of freeze {freeze.id}", freeze.ended_by, None),
    ):
        if at is not None:
            yield TimelineItem(
                at=at,
                kind="freeze",
                environment=freeze.environment,
                version=None,
                text=text,
                actor=actor,
                reason=reason,
                rollout=None,
                revision=None,
            )


def _of_store(reader: Reader, prompt: str, period: _Period) -> Iterator[TimelineItem]:
    yield from _model_changes(reader, prompt)
    for gap in queries.ingest_health(reader).gaps:
        missing = max(gap.available_offset - gap.expected_offset, 0)  # below: the log was truncated
        text = f"{missing:,} positions of {gap.topic}/{gap.partition} could not be read: {gap.reason}"
        yield _seen(gap.detected_at, "ingest_gap", text)
    yield from _feedback_peaks(reader, prompt, period)


def _model_changes(reader: Reader, prompt: str) -> Iterator[TimelineItem]:
    """Of versions that are watched for drift: a younger one has no models from before."""
    from coalmine_analytics.drift.model_changes import model_changes  # noqa: PLC0415 - numpy

    for served in served_versions(reader, prompt):
        watched = read_watched(reader, VersionKey(prompt, served.version, served.environment))
        if watched is None or watched.reference_until is None:
            continue
        for change in model_changes(
            answering_models(reader, [watched.key])[watched.key], watched.reference_until
        ):
            text = (
                f"{change.response_model} began to answer for {change.request_model}, "
                f"before {', '.join(change.before)}"
            )
            yield _seen(change.first_seen, "model_change", text, served.environment, served.version)


def _feedback_peaks(reader: Reader, prompt: str, period: _Period) -> Iterator[TimelineItem]:
    filters = Filters(prompt=prompt, environment=period.environment, since=period.since, until=period.until)
    series = queries.timeseries(reader, filters, "hour")
    down: dict[datetime, int] = {}
    for row in series.items:
        down[row.bucket_start] = down.get(row.bucket_start, 0) + row.thumbs_down
    for bucket, usual in feedback_peaks(down):
        text = f"{down[bucket]} thumbs down in one {series.step}, usually {usual:.1f}"
        yield _seen(bucket, "feedback_peak", text, period.environment)


def feedback_peaks(down: dict[datetime, int]) -> Iterable[tuple[datetime, float]]:
    """Hours with far more thumbs down than the others have on average, and that average.

    Args:
        down: Thumbs down by hour, of every hour that had requests.
    """
    others = len(down) - 1
    total = sum(down.values())
    for bucket, count in down.items():
        usual = (total - count) / others if others else 0.0
        if others and count >= LEAST_THUMBS and count > usual + PEAK_SDS * math.sqrt(max(usual, 1.0)):
            yield bucket, usual


def _seen(
    at: datetime, kind: TimelineKind, text: str, environment: str | None = None, version: str | None = None
) -> TimelineItem:
    return TimelineItem(
        at=at,
        kind=kind,
        environment=environment,
        version=version,
        text=text,
        actor=None,
        reason=None,
        rollout=None,
        revision=None,
    )
