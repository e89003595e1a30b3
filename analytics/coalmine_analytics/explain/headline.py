"""A change in one sentence."""

from collections.abc import Sequence

from coalmine_analytics.explain.intervals import Certainty
from coalmine_analytics.explain.words import decimals, interval, plain, signed, unit_after
from coalmine_analytics.metrics import Metric
from coalmine_analytics.results.explain import ChangePart, ExplainedSide


def headline(
    metric: Metric, sides: tuple[ExplainedSide, ExplainedSide], parts: Sequence[ChangePart], known: Certainty
) -> str:
    """Summarise the change and its parts, each with its sign.

    Args:
        metric: The metric.
        sides: Sides a and b.
        parts: The parts to name, summing to the change.
        known: Certainty of the change.
    """
    a, b = sides
    change = known.taken_apart.change
    places = decimals([change, *(part.contribution for part in parts)])
    listed = ", ".join(f"{part.part} {signed(part.contribution, places)}" for part in parts)
    unit = unit_after(metric.unit)
    values = f"from {plain(a.value)} to {plain(b.value)}{unit}"
    bounds = known.change
    if bounds is None:
        reason = "" if known.too_little is None else f" ({known.too_little.reason.replace('arm', 'side')})"
        return f"too little data to tell a change of {metric.name} from chance{reason}: {values}; {listed}"
    if bounds[0] <= 0 <= bounds[1]:
        whole = f"{signed(change, places)} ({interval(*bounds, places)})"
        link = ", because its parts cancel:" if any(part.clear for part in parts) else ";"
        return f"no difference shown in {metric.name}, {values}: {whole}{link} {listed}"
    verb = "fell" if change < 0 else "rose"
    if a.name != "before":
        verb = f"is {'lower' if change < 0 else 'higher'} in {b.name} than in {a.name}"
    size = f"{abs(change):,.{places}f}{unit}"
    return f"{metric.name} {verb} by {size}, {values}: {listed}"
