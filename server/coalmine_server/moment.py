"""Moments as people and programs write them: ISO 8601, or how long ago."""

import re
from datetime import UTC, datetime, timedelta

from coalmine_schemas.errors import InvalidParameter

_AGO = re.compile(r"([0-9]{1,9})(s|m|h|d|w)")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

MOMENT_HELP = (
    "ISO 8601 (2026-03-01, 2026-03-01T12:00:00Z; UTC if it names no zone) or how long ago (15m, 1h, 7d)"
)


def parse_moment(text: str, now: datetime) -> datetime:
    """Reads a moment.

    Args:
        text: See `MOMENT_HELP`; `now` is understood, too.
        now: What relative moments count from, aware.

    Raises:
        InvalidParameter: It is neither.
    """
    text = text.strip()
    if text == "now":
        return now
    try:
        if (ago := _AGO.fullmatch(text)) is not None:
            return now - timedelta(seconds=int(ago[1]) * _UNIT_S[ago[2]])
        # A plus sign that was not escaped in a URL arrives as a space.
        moment = datetime.fromisoformat(
            re.sub(r"(?<=\d) (?=\d\d:?\d\d$)", "+", text) if "T" in text else text
        )
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidParameter(f"{text!r} is no moment: give {MOMENT_HELP}") from None
