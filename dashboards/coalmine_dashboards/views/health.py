"""From the collector's status to the strip that says whether the numbers below can be trusted."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from coalmine_dashboards.api import IngestStatus
from coalmine_dashboards.formatting import UNKNOWN, ago, count, rate

__all__ = ["HealthItem", "Tone", "health_items"]

Tone = Literal["good", "notice", "bad", "plain"]

_STALE = timedelta(minutes=5)
"""With messages waiting, a collector that has committed nothing for this long is in trouble."""


@dataclass(frozen=True, slots=True)
class HealthItem:
    """One figure of the strip."""

    label: str
    value: str
    tone: Tone
    explanation: str
    """What it means, and what to do when it is not good; shown on hovering."""


def health_items(status: IngestStatus, now: datetime) -> tuple[HealthItem, ...]:
    """The strip, from the most to the least urgent question."""
    return (
        _state(status),
        _lag(status),
        _last_commit(status, now),
        HealthItem(
            "Ingest rate", rate(status.events_per_s), "plain", "Messages committed per second, last 10 s."
        ),
        HealthItem("Stored", count(status.counts.stored), "plain", _stored_explanation(status)),
        _problem_count(
            "Dead letters",
            status.dead_letters_open,
            "Messages that cannot be events and wait for a decision. See them: coalmine dead-letters list",
        ),
        _problem_count(
            "Gaps",
            status.gaps_total,
            "Times that messages were lost before they could be read. See: coalmine audit",
        ),
        _unattributed(status),
    )


def _state(status: IngestStatus) -> HealthItem:
    words = {"running": "running", "waiting": "waiting", "embedded": "embedded"}
    tones: dict[str, Tone] = {"running": "good", "waiting": "bad", "embedded": "notice"}
    source = {"kafka": "Kafka", "spool": "the spool"}.get(status.source, status.source)
    explanation = f"Reads events from {source}."
    if status.reason:
        explanation = f"{explanation} It waits: {status.reason}"
    return HealthItem(
        "Collector",
        words.get(status.state, status.state),
        tones.get(status.state, "notice"),
        explanation,
    )


def _lag(status: IngestStatus) -> HealthItem:
    explanation = "Messages that wait to be read."
    if status.lag_note:
        explanation = f"{explanation} {status.lag_note}"
    if status.lag is None:
        return HealthItem("Lag", UNKNOWN, "notice", explanation)
    # What one batch takes is normal; more than half a minute's worth is not.
    behind = status.lag > max(1_000.0, 30 * status.events_per_s)
    return HealthItem("Lag", count(status.lag), "notice" if behind else "good", explanation)


def _last_commit(status: IngestStatus, now: datetime) -> HealthItem:
    explanation = "When events were last made visible here. Nothing new means nothing to commit."
    tone: Tone = "plain"
    if status.last_commit_at is not None and status.lag and now - status.last_commit_at > _STALE:
        tone = "bad"
        explanation = "Messages wait, and nothing was committed for long. See the server's log."
    return HealthItem("Last commit", ago(status.last_commit_at, now), tone, explanation)


def _stored_explanation(status: IngestStatus) -> str:
    counts = status.counts
    return (
        f"Events stored of {count(counts.consumed)} messages read; {count(counts.duplicates)} were "
        "duplicates, "
        f"{count(counts.dead_lettered)} could not be events."
    )


def _problem_count(label: str, number: int, explanation: str) -> HealthItem:
    return HealthItem(label, count(number), "bad" if number else "good", explanation)


def _unattributed(status: IngestStatus) -> HealthItem:
    number = status.unattributed_feedback + status.unattributed_scores
    explanation = (
        f"Feedback ({count(status.unattributed_feedback)}) and scores ({count(status.unattributed_scores)}) "
        "whose call has not come. A few are normal while calls are on their way."
    )
    many = number > max(100, status.counts.stored // 100)
    return HealthItem("Unattributed", count(number), "notice" if many else "plain", explanation)
