"""Moments as people and programs write them: ISO 8601, or how long ago."""

import re
from datetime import UTC, datetime, timedelta

from coalmine_schemas.errors import InvalidParameter

_AGO = re.compile(r"([0-9]{1,9})(s|m|h|d|w)")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}

_EARLIEST, _LATEST = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)
"""Between these, buckets of any length around a moment can be computed."""

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
        moment = _parse(text, now)
    except (ValueError, OverflowError):
        moment = None
    if moment is None or not _EARLIEST <= moment <= _LATEST:
        raise InvalidParameter(f"{text!r} is not a time: give {MOMENT_HELP}")
    return moment


def parse_length(text: str) -> timedelta:
    """Reads a length of time.

    Raises:
        InvalidParameter: It is none.
    """
    if (found := _AGO.fullmatch(text.strip())) is None:
        raise InvalidParameter(f"{text!r:.40} is not a length of time: write 90s, 15m, 2h, 7d or 2w")
    return timedelta(seconds=int(found[1]) * _UNIT_S[found[2]])


def _parse(text: str, now: datetime) -> datetime:
    if _AGO.fullmatch(text) is not None:
        return now - parse_length(text)
    # A plus sign that was not escaped in a URL arrives as a space.
    escaped = re.sub(r"(?<=\d) (?=\d\d:?\d\d$)", "+", text) if "T" in text else text
    moment = datetime.fromisoformat(escaped)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
