"""Around one call: how usual it was among those of its version, and why this version was served."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

import numpy as np

from coalmine_consumers.aggregation.histograms import bucket_of
from coalmine_consumers.queries.cover import cover
from coalmine_consumers.queries.deployment_marks import deployment_marks
from coalmine_consumers.queries.filters import Filters
from coalmine_consumers.queries.histograms import Histogram
from coalmine_consumers.queries.measures import histograms, kept_from
from coalmine_consumers.results import CallContext, CallPlace, DeploymentMark, ServedBy, StoredCall
from coalmine_consumers.sql import Source, statement
from coalmine_consumers.store import Reader, Snapshot, Stretch

LENGTH_WITHIN: Final = timedelta(days=1)
"""Lengths are compared with those of calls so long before and after: they are read from raw rows."""
MOST_CHANGES: Final = 200
"""So many changes of a deployment are searched for the one by which a version was served."""
_SLACK: Final = timedelta(seconds=5)
"""Clocks of services and of the registry differ."""
_HISTOGRAMS: Final = ("latency_ms", "time_to_first_token_ms", "cost_nano_usd")


def call_context(reader: Reader, call: StoredCall) -> CallContext:
    """Returns how usual a call was, and why its version was served.

    Args:
        reader: Of the store.
        call: From `stored_call`.
    """
    with reader.snapshot() as snapshot:
        places = [*_of_histograms(snapshot, call), *_of_length(snapshot, call)]
    filters = Filters(prompt=call.prompt, environment=call.environment, until=call.event_time + _SLACK)
    changes = deployment_marks(reader, filters, MOST_CHANGES)
    return CallContext(call.request_id, places, served_by(call, changes))


def served_by(call: StoredCall, changes: list[DeploymentMark]) -> ServedBy | None:
    """The last change by which the call's version was served as it was; None if there is none.

    Args:
        call: The call.
        changes: Of its prompt and environment until it began, oldest first.
    """
    if call.resolution == "fixed":
        return None  # the service named the version itself
    for newer, change in enumerate(reversed(changes)):
        rule = weight = None
        if call.experiment is None:
            serves = change.version == call.version
        else:
            arms = [
                (experiment.rule, arm.weight)
                for experiment in change.experiments
                for arm in experiment.arms
                if (experiment.name, experiment.allocation_epoch) == (call.experiment, call.allocation_epoch)
                and (arm.variant, arm.version) == (call.variant, call.version)
            ]
            serves = bool(arms)
            rule, weight = arms[0] if arms else (None, None)
        if serves:
            return ServedBy(
                revision=change.revision,
                event_time=change.event_time,
                action=change.action,
                changed_by=change.changed_by,
                reason=change.reason,
                rollout=change.rollout,
                rule=rule,
                weight=weight,
                newer=newer,
            )
    return None


def _of_histograms(source: Source, call: StoredCall) -> Iterator[CallPlace]:
    filters = Filters(environment=call.environment)
    pieces = cover(None, None, kept_from(source))
    name = (call.prompt, call.version)
    found = histograms(source, filters, pieces, [name], _HISTOGRAMS)
    for metric in _HISTOGRAMS:
        value, histogram = getattr(call, metric), found.get((None, *name, metric))
        if value is not None and histogram is not None and histogram.n:
            median, p95 = histogram.quantiles((0.5, 0.95))
            assert median is not None
            assert p95 is not None
            yield CallPlace(metric, value, _percentile(histogram, value), histogram.n, median, p95)


def _percentile(histogram: Histogram, value: float) -> float:
    """As a bucket is 2 % wide, its values count as being as large."""
    (bucket,) = bucket_of(np.array([value], np.float64))
    smaller = histogram.counts[histogram.buckets < bucket].sum()
    equal = histogram.counts[histogram.buckets == bucket].sum()
    return float((smaller + equal / 2) / histogram.n)


def _of_length(source: Snapshot, call: StoredCall) -> Iterator[CallPlace]:
    if call.output_tokens is None:
        return
    since, until = call.event_time - LENGTH_WITHIN, call.event_time + LENGTH_WITHIN
    source.narrow("requests", Stretch(since=since, until=until))
    parameters = {
        "prompt": call.prompt,
        "version": call.version,
        "environment": call.environment,
        "since": since,
        "until": until,
        "value": call.output_tokens,
    }
    (row,) = source.rows(statement("length_place", __package__), parameters)
    percentile = (row["smaller"] + row["equal"] / 2) / row["n"]
    yield CallPlace("output_tokens", call.output_tokens, percentile, row["n"], row["median"], row["p95"])
