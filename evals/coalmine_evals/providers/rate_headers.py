"""For how long a provider says to wait, in the headers of its answers."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_UNITS_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PARTS: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_NUMBER: Final = re.compile(r"\d{1,12}(?:\.\d{1,9})?")
_LONGEST_FORESIGHT_S: Final = 60.0
"""A time until everything is allowed again says little of when the next request is: it is not waited for
longer than this."""


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Returns after how many seconds to try again: `retry-after-ms`, or `Retry-After` as number or date."""
    milliseconds = headers.get("retry-after-ms", "").strip()
    if _NUMBER.fullmatch(milliseconds):
        return float(milliseconds) / 1000
    said = headers.get("retry-after", "").strip()
    if _NUMBER.fullmatch(said):
        return float(said)
    try:
        until = parsedate_to_datetime(said)
    except (ValueError, IndexError):
        return None
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds())


def exhausted_for_s(headers: Mapping[str, str], now: datetime) -> float:
    """Returns how long to begin no further request, because what is allowed has been used up; 0 if it is not.

    Args:
        headers: `x-ratelimit-remaining-requests` and `-reset-requests` as OpenAI has them, the same for
            tokens, or `anthropic-ratelimit-requests-remaining` and `-reset`.
        now: The time.
    """
    waits = [0.0]
    for what in ("requests", "tokens"):
        for remaining, reset in (
            (f"x-ratelimit-remaining-{what}", f"x-ratelimit-reset-{what}"),
            (f"anthropic-ratelimit-{what}-remaining", f"anthropic-ratelimit-{what}-reset"),
        ):
            left = headers.get(remaining, "").strip()
            if _NUMBER.fullmatch(left) and float(left) < 1:
                waits.append(_duration_s(headers.get(reset, "").strip(), now))
    return min(max(waits), _LONGEST_FORESIGHT_S)


def _duration_s(text: str, now: datetime) -> float:
    """`6m0s`, `850ms`, seconds, or a time by RFC 3339; 0 for anything else."""
    if _NUMBER.fullmatch(text):
        return float(text)
    parts = _PARTS.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        return 0.0
    return max(0.0, (until.replace(tzinfo=until.tzinfo or UTC) - now).total_seconds())
