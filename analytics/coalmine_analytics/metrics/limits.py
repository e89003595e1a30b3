"""Rates that an experiment may limit absolutely, and which cells count what is bad."""

from collections.abc import Mapping
from dataclasses import dataclass

from coalmine_analytics.errors import invalid
from coalmine_analytics.metrics.catalogue import BUILT_IN
from coalmine_analytics.metrics.metric import MetricOverride


@dataclass(frozen=True, slots=True)
class BadValues:
    """Where what is bad is counted."""

    cells: str
    """A metric of the experiment cells whose values are 0 or 1."""
    zero: bool = False
    """True: 0 is what is bad."""


_SENT: Mapping[str, tuple[BadValues, ...]] = {
    "schema_invalid_rate": (BadValues("schema_valid", zero=True), BadValues("schema_invalid")),
    "empty_answer_rate": (BadValues("empty_answer"),),
}
"""Rates of named values that services send; the first that has data counts."""
_RATES = {
    metric.name: (BadValues(metric.cells),)
    for metric in BUILT_IN
    if metric.kind == "rate" and metric.direction == "lower"
}
LIMITED: Mapping[str, tuple[BadValues, ...]] = {**_SENT, **_RATES}
"""By name of the rate."""


def bad_values(name: str, overrides: Mapping[str, MetricOverride]) -> tuple[BadValues, ...]:
    """Where what a limit is about may be counted.

    Args:
        name: Of the limit: a built-in rate, or a metric of one's own whose values are 0 or 1.
        overrides: By metric; say which way one's own are better.

    Raises:
        InvalidParameter: Nothing is known of that name, or more of it is better.
    """
    if (found := LIMITED.get(name)) is not None:
        return found
    own = overrides.get(name)
    built_in = any(metric.name == name for metric in BUILT_IN)
    if built_in or own is None or own.direction not in ("higher", "lower"):
        raise invalid(
            "limit",
            name,
            f"limit one of {', '.join(sorted(LIMITED))}, or a metric of your own whose values are 0 or 1 and "
            "whose direction is given",
        )
    return (BadValues(name, zero=own.direction == "higher"),)
