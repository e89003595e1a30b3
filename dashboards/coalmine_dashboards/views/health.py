"""Health strip: shows from the collector's status whether the numbers below can be trusted."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from coalmine_consumers.results import IngestStatus
from coalmine_dashboards.formatting import UNKNOWN, ago, count, rate

__all__ = ["HealthItem", "Tone", "health_items"]

Tone = Literal["good", "notice", "bad", "plain"]

_STALE = timedelta(minutes=5)
"""With messages waiting, no commit for this long is a problem."""


@dataclass(frozen=True, slots=True)
class HealthItem:
    """One figure in the strip."""

    label: str
    value: str
    tone: Tone
    explanation: str
    """Meaning, and remedy if it is not good; the tooltip."""


def health_items(status: IngestStatus, now: datetime) -> tuple[HealthItem, ...]:
    """Returns the items of the strip, most urgent first."""
    return (
        _state(status, now),
        _lag(status),
        _last_commit(status, now),
        HealthItem(
            "Ingest rate", rate(status.events_per_s), "plain", "Messages committed per second, last 10 s."
        ),
        HealthItem("Stored", count(status.counts.stored), "plain", _stored_explanation(status)),
        _problem_count(
            "Dead letters",
            status.dead_letters_open,
            "Messages that could not be decoded as events. List them: coalmine dead-letters list",
        ),
        _problem_count(
            "Gaps",
            status.gaps_total,
            "Losses of messages before they could be read. Details: coalmine audit",
        ),
        _unattributed(status),
        *_beyond_limit(status),
    )


def _state(status: IngestStatus, now: datetime) -> HealthItem:
    if status.as_of is not None:
        return _of_replica(status.as_of, now)
    tones: dict[str, Tone] = {"running": "good", "waiting": "bad", "embedded": "notice"}
    source = {"kafka": "Kafka", "spool": "the spool", "spark": "Spark"}[status.source]
    explanation = f"Reads events from {source}."
    if status.reason:
        explanation = f"{explanation} Waiting: {status.reason}"
    return HealthItem("Collector", status.state, tones[status.state], explanation)


def _of_replica(as_of: datetime, now: datetime) -> HealthItem:
    explanation = "A replica answers, from a snapshot of the store: everything committed until then is in it."
    if now - as_of <= _STALE:
        return HealthItem("Answers from", ago(as_of, now), "good", explanation)
    explanation = f"{explanation} It is old: see why on the replica's /readyz, and in its log."
    return HealthItem("Answers from", ago(as_of, now), "bad", explanation)


def _lag(status: IngestStatus) -> HealthItem:
    explanation = "Messages waiting to be read."
    if status.lag_note:
        explanation = f"{explanation} {status.lag_note}"
    if status.lag is None:
        return HealthItem("Lag", UNKNOWN, "notice", explanation)
    # One batch is normal; more than half a minute of messages is not.
    behind = status.lag > max(1_000.0, 30 * status.events_per_s)
    return HealthItem("Lag", count(status.lag), "notice" if behind else "good", explanation)


def _last_commit(status: IngestStatus, now: datetime) -> HealthItem:
    explanation = "When new events last became visible. Without new events there are no commits."
    tone: Tone = "plain"
    if status.last_commit_at is not None and status.lag and now - status.last_commit_at > _STALE:
        tone = "bad"
        explanation = "Messages are waiting, but the last commit was long ago. Check the server's log."
    return HealthItem("Last commit", ago(status.last_commit_at, now), tone, explanation)


def _stored_explanation(status: IngestStatus) -> str:
    counts = status.counts
    return (
        f"Events stored from {count(counts.consumed)} messages; {count(counts.duplicates)} were duplicates, "
        f"{count(counts.dead_lettered)} could not be decoded."
    )


def _problem_count(label: str, number: int, explanation: str) -> HealthItem:
    return HealthItem(label, count(number), "bad" if number else "good", explanation)


def _unattributed(status: IngestStatus) -> HealthItem:
    number = status.unattributed_feedback + status.unattributed_scores
    explanation = (
        f"Feedback ({count(status.unattributed_feedback)}) and scores ({count(status.unattributed_scores)}) "
        "whose call has not arrived. A few are normal while calls are in flight."
    )
    many = number > max(100, status.counts.stored // 100)
    return HealthItem("Unattributed", count(number), "notice" if many else "plain", explanation)


def _beyond_limit(status: IngestStatus) -> tuple[HealthItem, ...]:
    """Said only where a limit was reached: most never see one."""
    names = {kind: number for kind, number in status.names_beyond_limit.items() if number}
    if not names:
        return ()
    kinds = ", ".join(f"{kind} {count(events)}" for kind, events in names.items())
    explanation = (
        f"Events under a name that was one too many new ones on its day ({kinds}), counted as (other). "
        "The usual cause is a name that holds an id."
    )
    return (HealthItem("Beyond limit", count(sum(names.values())), "notice", explanation),)
