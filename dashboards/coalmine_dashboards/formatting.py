"""Formats numbers and times for people. An unknown value is a dash, never a zero."""

from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

__all__ = [
    "UNKNOWN",
    "ago",
    "count",
    "milliseconds",
    "moment",
    "money",
    "percent",
    "quality",
    "rate",
    "size",
]

UNKNOWN = "\N{EN DASH}"


def count(number: int | None) -> str:
    """`12,345`."""
    return UNKNOWN if number is None else f"{number:,}"


def money(usd: Decimal | float | str | None) -> str:
    """US dollars, with two decimals from $1 up and three significant digits below.

    Args:
        usd: An amount; text is a decimal number.
    """
    if usd is None:
        return UNKNOWN
    try:
        amount = Decimal(str(usd))
    except InvalidOperation:  # from a server of another version
        return str(usd)
    if amount == 0:
        return "$0"
    if abs(amount) >= 1:
        return f"${amount.quantize(Decimal('0.01'), ROUND_HALF_EVEN):,}"
    digits = 2 - amount.adjusted()  # three significant digits
    return f"${amount.quantize(Decimal(1).scaleb(-max(digits, 2)), ROUND_HALF_EVEN):f}"


def milliseconds(ms: float | None) -> str:
    """`850 ms`, `1.24 s`."""
    if ms is None:
        return UNKNOWN
    if round(ms) < 1000:
        return f"{ms:.0f} ms"
    return f"{ms / 1000:.2f} s" if ms < 99_995 else f"{ms / 1000:,.0f} s"


def percent(share: float | None, decimals: int = 1) -> str:
    """`1.3 %`; a small share that is not zero is `<0.1 %`."""
    if share is None:
        return UNKNOWN
    smallest = 10.0**-decimals
    if 0 < share * 100 < smallest / 2:
        return f"<{smallest:.{decimals}f} %"
    return f"{share * 100:.{decimals}f} %"


def quality(value: float | None) -> str:
    """`0.801`."""
    return UNKNOWN if value is None else f"{value:.3f}"


def rate(per_s: float | None) -> str:
    """`42/s`."""
    if per_s is None:
        return UNKNOWN
    return f"{per_s:,.0f}/s" if per_s >= 10 or per_s == 0 else f"{per_s:.1f}/s"


def size(number: int | None) -> str:
    """`850 B`, `1.2 MB`: powers of 1,000."""
    if number is None:
        return UNKNOWN
    for unit, length in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)):
        if number >= length:
            return f"{number / length:,.1f} {unit}"
    return f"{number} B"


def ago(then: datetime | None, now: datetime) -> str:
    """`3 s ago`. A time in the future, from a clock that is ahead, is `0 s ago`."""
    if then is None:
        return "never"
    seconds = max(0.0, (now - then) / timedelta(seconds=1))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{int(seconds)} s ago"


def moment(then: datetime | None) -> str:
    """`2026-03-01 12:30 UTC`."""
    return UNKNOWN if then is None else f"{then:%Y-%m-%d %H:%M} UTC"
