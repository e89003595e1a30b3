"""Numbers and effects as text."""

import math
from collections.abc import Iterable

from coalmine_schemas.plain_number import plain_number


def decimals(values: Iterable[float]) -> int:
    """Places after the point at which the largest of some numbers has two significant digits."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return 0 if largest == 0 else max(0, 1 - math.floor(math.log10(largest)))


def signed(value: float, places: int) -> str:
    """Format with a sign, except for zero."""
    text = f"{value:+,.{places}f}"
    return text[1:] if float(text.replace(",", "")) == 0 else text


def plain(value: float) -> str:
    """Format to three significant digits."""
    return plain_number(value)


def interval(lower: float, upper: float, places: int) -> str:
    """Format both ends of an interval."""
    return f"{signed(lower, places)} to {signed(upper, places)}"


def unit_after(unit: str) -> str:
    """The unit as it follows a number; a share has none."""
    return "" if unit in {"", "share"} else f" {unit}"


def named(dimension: str, value: str) -> str:
    """A value with the name of its dimension."""
    return f"{dimension}={value or '(none)'}"


def size_between(effect: float, lower: float, upper: float, unit: str) -> str:
    """An effect that has a direction: "lower by 0.02 (0.01 to 0.03)"."""
    direction = "lower" if effect < 0 else "higher"
    small, large = sorted((lower, upper)) if effect > 0 else sorted((-lower, -upper))
    places = decimals([effect, lower, upper])
    return (
        f"{direction} by {abs(effect):,.{places}f}{unit_after(unit)} "
        f"({small:,.{places}f} to {large:,.{places}f})"
    )
