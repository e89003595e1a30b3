"""Formats numbers and times for people. An unknown value is a dash, never a zero."""

from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

from coalmine_schemas.plain_number import hours_in_words, plain_number

__all__ = [
    "TIME_LABEL",
    "UNKNOWN",
    "ago",
    "count",
    "difference",
    "figure",
    "interval",
    "lasting",
    "milliseconds",
    "moment",
    "money",
    "percent",
    "quality",
    "rate",
    "size",
]

UNKNOWN = "\N{EN DASH}"
_DUST = 1e-7
"""Of shares that were added up, in per cent."""

TIME_LABEL = (
    "seconds(datum.value) != 0 ? timeFormat(datum.value, '%H:%M:%S')"
    " : hours(datum.value) == 0 && minutes(datum.value) == 0"
    " ? timeFormat(datum.value, '%b %d') : timeFormat(datum.value, '%H:%M')"
)
"""Labels of a chart's time axis (Vega): the date at midnight, the time elsewhere, in the viewer's zone.

Of a few minutes, ticks are less than a minute apart.
"""


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
    """`1.3 %`; a small share that is not zero is `<0.1 %`, and one that is not quite all `>99.9 %`."""
    if share is None:
        return UNKNOWN
    smallest = 10.0**-decimals
    if 0 < share * 100 < smallest / 2:
        return f"<{smallest:.{decimals}f} %"
    if 100 - smallest / 2 <= share * 100 < 100 - _DUST:
        return f">{100 - smallest:.{decimals}f} %"
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


def figure(value: float | None, unit: str) -> str:
    """A value of a metric in its unit, as the catalogue names it: `2.1 %`, `$0.0123`, `1.24 s`, `0.801`."""
    if value is None:
        return UNKNOWN
    match unit:
        case "share":
            return percent(value, 2)
        case "USD":
            return money(value)
        case "ms":
            return milliseconds(value)
    return f"{plain_number(value)} {unit}".strip()


def difference(value: float | None, unit: str) -> str:
    """A difference of two values of a metric, with its sign: `+0.4 pt` (points of per cent), `+85 ms`."""
    if value is None:
        return UNKNOWN
    sign = "+" if value > 0 else "\N{MINUS SIGN}" if value < 0 else "\N{PLUS-MINUS SIGN}"
    size = f"{plain_number(100 * abs(value), 2)} pt" if unit == "share" else figure(abs(value), unit)
    return f"{sign}{size}"


def interval(lower: float | None, upper: float | None, unit: str) -> str:
    """An interval of a difference; an end that is not known is infinity."""
    if lower is None and upper is None:
        return UNKNOWN
    ends = (
        difference(lower, unit) if lower is not None else "\N{MINUS SIGN}\N{INFINITY}",
        difference(upper, unit) if upper is not None else "+\N{INFINITY}",
    )
    return f"{ends[0]} to {ends[1]}"


def lasting(length_s: float) -> str:
    """A length of time: `0 s`, `45 s`, `12 min`, `3.5 h`, `2.1 days`."""
    return f"{length_s:.0f} s" if length_s < 60 else hours_in_words(length_s / 3600)
