"""Drift as sentences."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from coalmine_analytics.metrics import Metric
from coalmine_analytics.results.drift import MetricDrift, ModelChange
from coalmine_analytics.results.verdicts import DriftState, difference_word
from coalmine_consumers.drift import Reallocation


def is_better(metric: Metric, *, upward: bool) -> bool | None:
    """True if a shift is for the better; None if no direction is declared."""
    if metric.direction in ("higher", "lower"):
        return upward == (metric.direction == "higher")
    return False if metric.direction == "same" else None


def metric_words(
    metric: Metric,
    state: DriftState,
    since: datetime | None,
    causes: Sequence[ModelChange],
    *,
    upward: bool,
) -> str:
    """Describe a metric that has a reference."""
    if since is None:
        return "no difference from the reference shown"
    words = f"{difference_word(metric.direction, upward=upward)} since about {since:%Y-%m-%d %H:%M} UTC"
    if state == "returned":
        words = f"was {words} and has returned to the reference"
    if causes:
        cause = causes[0]
        words += f"; {cause.response_model} began to answer for {cause.request_model} at about that time"
    return words


def version_words(state: DriftState, rows: Sequence[MetricDrift], changes: Sequence[ModelChange]) -> str:
    """Describe a version, all metrics together."""
    named: Mapping[DriftState, str] = {
        "drifted": "drift",
        "returned": "drifted and has returned",
        "steady": "no drift",
        "not enough data": "no metric has enough data to be judged",
    }
    words = named[state]
    concerned = [row.metric for row in rows if row.state == state]
    if state in ("drifted", "returned"):
        words += f" in {', '.join(concerned)}"
    if changes:
        told = ", ".join(f"{each.response_model} for {each.request_model}" for each in changes)
        words += f"; new models answer: {told}"
    return words


def warnings(days: int, since: datetime, reallocations: Sequence[Reallocation]) -> list[str]:
    """Return reasons to be careful with the answer.

    Args:
        days: Days of the reference that had requests.
        since: When it began.
        reallocations: Deployments that changed which users get the version.
    """
    found = []
    if days < 7:
        found.append(
            "the reference is shorter than a week: if weekends differ, false alarms are likelier than stated"
        )
    elif days < 14:
        found.append(
            "the reference is shorter than two weeks: hours are matched by hour of day only, and what "
            "weekdays differ by counts as noise"
        )
    later = [each for each in reallocations if each.event_time >= since]
    if later:
        last = later[-1]
        often = "once" if len(later) == 1 else f"{len(later)} times"
        found.append(
            f"what the environment serves was changed {often} since the reference began, latest "
            f"at {last.event_time:%Y-%m-%d %H:%M} UTC ({last.action}): that changes who gets the version, "
            "and with it what it is measured on"
        )
    return found
