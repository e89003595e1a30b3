"""What a message tells, in its order: what and how much; why; what was done; what one can do; how sure.

A story is plain text without any channel's markup. Each channel draws it in its own way, and escapes it. Two
things are set apart: moments, and between back-ticks what one may type or copy as it is.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from coalmine_schemas.results import result

MOMENT: Final = "\x02{}\x03"
"""How a text holds a moment, which a channel may show in the reader's own time zone."""


def moment(at: datetime) -> str:
    """Returns a moment as it stands in the texts of a story."""
    return MOMENT.format(int(at.timestamp()))


_MOMENT: Final = re.compile("\x02([0-9]{1,11})\x03")


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def readable(text: str, written: Callable[[datetime], str] = _utc) -> str:
    """Returns a text of a story as it is read where moments are not set apart.

    Args:
        text: The text.
        written: How a moment is written.
    """
    return _MOMENT.sub(lambda found: written(datetime.fromtimestamp(int(found[1]), UTC)), text)


@result
class StoryTable:
    """Rows of text; the first column says what, and is aligned left as the last one is if it holds words."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@result
class StoryChart:
    """A line by hour or day."""

    title: str
    labels: tuple[str, ...]
    """Of the points, at most 20."""
    series: tuple[tuple[str, tuple[float | None, ...]], ...]
    """Name and values; None: nothing is known."""
    y_label: str
    x_label: str = "Hour (UTC)"


@result
class StoryLink:
    """Something to open, in the words of a button."""

    text: str
    path: str
    """Below the dashboard's URL, with its query: it restores the view, filter, window and version."""


@result
class Excerpt:
    """Texts of one request; told only where a channel is to have texts, redacted."""

    request_id: str
    at: datetime
    question: str | None
    answer: str | None
    comment: str | None
    correction: str | None
    labels: tuple[str, ...] = ()
    """Model and segments."""


@result
class Story:
    """What a message tells."""

    title: str
    """At most 150 characters: `Quality fell 5.2 % · summarize 1.1.0 · prod`."""
    summary: str
    """One or two sentences that suffice alone, on a locked phone."""
    why: str | None = None
    table: StoryTable | None = None
    chart: StoryChart | None = None
    details: tuple[tuple[str, str], ...] = ()
    """Label and text: `("Worst", "lang=de -11 % (412 calls)")`."""
    diff: str | None = None
    """Lines of a change of a prompt, each beginning with `+`, `-` or a space, and who made it above."""
    diff_title: str | None = None
    done: str | None = None
    """What was done so far."""
    could: tuple[str, ...] = ()
    """What one can do."""
    sure: str | None = None
    """How sure it is: the test, its error chance, the units."""
    links: tuple[StoryLink, ...] = ()
    """The first is where to look."""
    excerpts: tuple[Excerpt, ...] = ()
    icon: str = "🔴"
    """What the colour says is also in words."""
