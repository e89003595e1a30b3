"""What the page of the pipeline shows: dead letters by cause, their bytes, and the course of ingest."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import altair as alt

from coalmine_consumers.results import Counts, DeadLetterRow, DeadLettersChanged
from coalmine_dashboards.parts.charts import Drawing

__all__ = [
    "Cause",
    "EventCounts",
    "Sample",
    "by_cause",
    "course_chart",
    "event_counts",
    "first_bytes",
    "said",
]

_HEIGHT_PX = 150
_SHOWN_BYTES = 4_000


@dataclass(frozen=True, slots=True)
class Sample:
    """The collector at one refresh."""

    at: datetime
    events_per_s: float
    """Messages committed per second."""
    lag: int | None
    """Messages waiting; None if unknown."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Dead letters that failed for the same reason."""

    event: str
    stage: str
    reason: str
    letters: int
    first_at: datetime
    last_at: datetime
    ids: tuple[str, ...]
    """Newest first."""

    @property
    def words(self) -> str:
        """For a choice among several."""
        return f"{self.letters:,} of {self.event}, {self.stage}: {self.reason}"


@dataclass(frozen=True, slots=True)
class EventCounts:
    """What became of the messages of one event."""

    event: str
    consumed: int
    stored: int
    duplicates: int
    dead_lettered: int
    rows: int | None
    """Raw rows kept now; None where the event has none."""


def by_cause(letters: Sequence[DeadLetterRow]) -> list[Cause]:
    """Returns the causes of dead letters, the most frequent first.

    Args:
        letters: Newest first.
    """
    found: dict[tuple[str, str, str], list[DeadLetterRow]] = {}
    for each in letters:
        found.setdefault((each.event, each.stage, each.reason), []).append(each)
    causes = [
        Cause(*key, len(of), of[-1].failed_at, of[0].failed_at, tuple(each.dead_letter_id for each in of))
        for key, of in found.items()
    ]
    return sorted(causes, key=lambda each: -each.letters)


def event_counts(by_event: dict[str, Counts], rows: dict[str, int]) -> list[EventCounts]:
    """Returns what became of the messages, by event, the most frequent first."""
    found = [
        EventCounts(event, each.consumed, each.stored, each.duplicates, each.dead_lettered, rows.get(event))
        for event, each in by_event.items()
    ]
    return sorted(found, key=lambda each: -each.consumed)


def said(came: DeadLettersChanged) -> str:
    """What became of those chosen, with the reason of the first that still fails."""
    if came.action == "discard":
        return f"{came.discarded:,} of {came.selected:,} were discarded."
    failing = f"{len(came.failing):,} still fail: {came.failing[0].reason}" if came.failing else "none fails"
    return (
        f"{came.replayed:,} of {came.selected:,} are stored now, {came.duplicates:,} were already; {failing}."
    )


def first_bytes(payload_base64: str) -> str:
    """Returns the beginning of a message for people: what is text as text, the rest as `·`."""
    raw = base64.b64decode(payload_base64)
    text = "".join(chr(byte) if 32 <= byte < 127 else "·" for byte in raw[:_SHOWN_BYTES])
    more = len(raw) - _SHOWN_BYTES
    return text + (f"\n… and {more:,} bytes more" if more > 0 else "")


def course_chart(samples: Sequence[Sample], field: str, title: str, colour: str) -> Drawing:
    """Returns the course of one figure of the collector, in the viewer's time.

    Args:
        samples: In order of time.
        field: Of a sample.
        title: Of the axis, with its unit.
        colour: Of the line.
    """
    values = [{"at": each.at.isoformat(), field: getattr(each, field)} for each in samples]
    flat = not any(each[field] for each in values)
    return Drawing(_course_spec(field, title, colour, flat=flat), {"points": values})


@lru_cache
def _course_spec(field: str, title: str, colour: str, *, flat: bool) -> Mapping[str, Any]:
    time = alt.Axis(format="%H:%M:%S", grid=False, tickCount=5, labelOverlap=True)
    figure = alt.Axis(tickCount=3, tickMinStep=1, format=",.3~f", titleFontWeight="normal")
    base = alt.Chart(alt.NamedData("points")).encode(
        x=alt.X("at:T", title=None, axis=time),
        y=alt.Y(
            f"{field}:Q", title=title, axis=figure, scale=alt.Scale(domain=[0, 1]) if flat else alt.Undefined
        ),
        tooltip=[
            alt.Tooltip("at:T", title="At", format="%H:%M:%S"),
            alt.Tooltip(f"{field}:Q", title=title, format=",.4~r"),
        ],
    )
    area = base.mark_area(line={"color": colour, "strokeWidth": 1.6}, color=colour, fillOpacity=0.15)
    return alt.LayerChart(layer=[area], height=_HEIGHT_PX).to_dict()
