"""The texts of a story in pieces, printable and no longer than a channel takes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from coalmine_schemas.safe_text import printable

# As `results.story` writes them: a moment in seconds, and code. Eleven digits never leave the calendar.
_MARKED: Final = re.compile("\x02([0-9]{1,11})\x03|\x0e([^\x0e\x0f]*)\x0f")
_BLANKS: Final = str.maketrans({"\xa0": " ", "\u202f": " ", "\r": "\n", "\t": " "})
CUT: Final = "…"


@dataclass(frozen=True, slots=True)
class Moment:
    """A time, which a channel may show in the reader's own zone."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Code:
    """What one may type or copy as it is."""

    text: str


Piece: TypeAlias = str | Moment | Code


def size(text: str) -> int:
    """Returns the length as JavaScript counts it, which is never less than others count."""
    return len(text) + sum(each > "\uffff" for each in text)


def clean(text: str) -> str:
    """Returns a text in which nothing is hidden: no controls, no turned directions of writing."""
    return printable(text.replace("\r\n", "\n").translate(_BLANKS))


def cut(text: str, limit: int) -> str:
    """Returns at most this much of a text; one that was cut ends with an ellipsis."""
    if size(text) <= limit:
        return text
    kept, left = 0, limit - 1
    for each in text:
        left -= 2 if each > "\uffff" else 1
        if left < 0:
            break
        kept += 1
    return text[:kept].rstrip() + CUT


def pieces(text: str, limit: int) -> Iterator[Piece]:
    """Splits a text of a story; what would be longer than the limit in all is cut.

    Args:
        text: With moments and code as `results.story` marks them.
        limit: In characters; a moment counts as 24.
    """
    if len(text) > 8 * limit + 2_000:
        # Nothing beyond can be shown, and whoever names something must not choose what it costs us.
        text = text[: 8 * limit + 2_000] + CUT
    place = 0
    for found in [*_MARKED.finditer(text), None]:
        plain = clean(text[place : found.start() if found else None])
        if plain:
            yield cut(plain, limit)
        limit -= size(plain)
        if found is None or limit <= 0:
            return
        place = found.end()
        if found[1]:
            yield Moment(datetime.fromtimestamp(int(found[1]), UTC))
            limit -= 24
        elif found[2]:
            inner = " ".join(clean(found[2]).split())
            yield Code(cut(inner, limit))
            limit -= size(inner)
        if limit <= 0:
            if text[place:]:
                yield CUT
            return


def clock(at: datetime, now: datetime | None) -> str:
    """Returns a time of day, with the date where it is not today's."""
    at = at.astimezone(UTC)
    if now is None or now.astimezone(UTC).date() == at.date():
        return f"{at:%H:%M} UTC"
    return f"{at.day} {at:%b %H:%M} UTC" if now.year == at.year else f"{at:%Y-%m-%d %H:%M} UTC"


def flat(text: str, limit: int, now: datetime | None = None) -> str:
    """Returns a text of a story as plain text.

    Args:
        text: With moments and code as `results.story` marks them.
        limit: In characters.
        now: Moments of this day are told without their date; None: all are.
    """
    drawn = []
    for piece in pieces(text, limit):
        if isinstance(piece, Moment):
            drawn.append(clock(piece.at, now))
        else:
            drawn.append(f"`{piece.text}`" if isinstance(piece, Code) else piece)
    return cut("".join(drawn), limit)


def one_line(text: str, limit: int, now: datetime | None = None) -> str:
    """Returns a text of a story as one plain line."""
    return cut(" ".join(flat(text, 2 * limit, now).split()), limit)


def duration(seconds: float) -> str:
    """Returns a length of time in one or two units: `38 s`, `21 min`, `6 h 30 min`, `3 d 2 h`."""
    minutes = max(0, int(seconds)) // 60
    if minutes == 0:
        return f"{max(0, int(seconds))} s"
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, "d"), (hours, "h"), (minutes, "min")]
    first = next(place for place, (number, _) in enumerate(units) if number)
    return " ".join(f"{number} {unit}" for number, unit in units[first : first + 2] if number)
