"""What the gate found and could have found, in sentences."""

from coalmine_evals.gate.measured import Measured
from coalmine_evals.results.gate import GateRow
from coalmine_schemas.plain_number import plain_number


def points(value: float | None, *, sign: bool = False) -> str:
    """A score or a difference of scores in hundredths, as people speak of them."""
    if value is None:
        return "-"
    return plain_number(round(100.0 * value, 1 if abs(value) >= 0.001 else 4), 3, sign=sign).rstrip()


def interval_words(row: GateRow) -> str:
    """Difference and interval of a row, in points."""
    if row.difference is None:
        return "no case has a score on both sides"
    bounds = f"{points(row.lower, sign=True)} to {points(row.upper, sign=True)}"
    return f"{points(row.difference, sign=True)} points, 90 % interval {bounds}"


def name_of(row: GateRow | Measured) -> str:
    """Metric and capability."""
    return row.metric if row.capability is None else f"{row.metric} of {row.capability}"


def power_words(of: Measured) -> str:
    """What the cases of a metric could have shown, and what would show more."""
    name = name_of(of)
    if of.drop is None:
        return f"{name}: no case has a score on both sides, so nothing can be seen."
    cases = f"{of.cases:,} cases"
    if of.clusters < of.cases:
        cases += f" in {of.clusters:,} clusters"
    if of.interval is not None and bool(of.interval.alike):
        words = (
            f"{name}: {cases}, and all differ by the same: at most {_percent(of.drop)} of cases can be worse "
            "unseen (95 %)."
        )
    else:
        words = (
            f"{name}: {cases}, spread of differences {plain_number(of.spread, 2)}: this gate sees a drop of "
            f"{points(of.drop)} points or more (80 %)."
        )
    if of.needed is None or of.drop <= of.margin:
        return words
    words += f" For {points(of.margin)} points it needs about {_about(of.needed)} cases"
    if of.flicker is not None and of.flicker >= 0.005:
        words += f", or fewer with repeats: {_percent(of.flicker)} of the spread is flicker within cases"
    return f"{words}."


def share_words(share: float) -> str:
    """A share, in per cent."""
    return _percent(share)


def _percent(share: float) -> str:
    return f"{plain_number(round(100.0 * share, 1), 2)} %"


def _about(cases: int) -> str:
    """With two digits that say something."""
    return f"{int(float(f'{cases:.2g}')):,}"
