"""How much cases are like what production asks, and the weights that make up for it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from coalmine.input_length import INPUT_LENGTH, length_bucket
from coalmine_consumers.sql import Source, statement
from coalmine_evals.results.datasets import (
    Case,
    Estimate,
    Representativeness,
    SegmentComparison,
    SegmentShare,
    Weighting,
)
from coalmine_schemas.prompts import percent

OTHER: Final = "(other)"
"""Stands for all values that are rare."""

_MOST_KEYS: Final = 20
_MOST_VALUES: Final = 20
_COVERED: Final = 0.5
"""A key whose most frequent values are a smaller share is an identifier rather than a segment."""
_NOTABLE: Final = 0.05
_LACKING: Final = 0.25
_ROUNDS: Final = 100
_LARGEST_WEIGHT: Final = 10.0
"""A case that stands for more than ten says too little about them."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What requests of a prompt were like."""

    prompt: str
    environment: str | None
    since: datetime
    until: datetime
    requests: int
    shares: Mapping[str, Mapping[str, float]]
    """By key and value: shares of those requests that have the key."""


def read_traffic(
    source: Source, prompt: str, environment: str | None, since: datetime, until: datetime
) -> Traffic:
    """Counts requests by segments."""
    parameters = {
        "prompt": prompt,
        "environment": environment,
        "since": since,
        "until": until,
        "most_values": _MOST_VALUES,
        "most_keys": _MOST_KEYS,
    }
    requests = 0
    totals: dict[str, int] = {}
    counts: dict[str, dict[str, int]] = {}
    for row in source.rows(statement("segments_of_requests", "coalmine_evals"), parameters):
        if row["key"] is None:
            requests = row["requests"]
        elif row["value"] is None:
            totals[row["key"]] = row["requests"]
        else:
            counts.setdefault(row["key"], {})[row["value"]] = row["requests"]
    shares = {}
    for key, total in totals.items():
        found = {value: count / total for value, count in counts[key].items()}
        if (covered := sum(found.values())) < _COVERED:
            continue
        shares[key] = found if covered > 1 - 1e-9 else {**found, OTHER: 1 - covered}
    return Traffic(prompt, environment, since, until, requests, shares)


def compare_with_production(
    dataset: tuple[str, str],
    cases: Sequence[Case],
    traffic: Traffic,
    scores: Mapping[str, Mapping[str, float]] | None = None,
) -> Representativeness:
    """Compares cases of `test` with requests.

    Args:
        dataset: Name and digest.
        cases: All of its cases.
        traffic: The requests.
        scores: Of a run, by metric and case, to be weighted to production.
    """
    chosen = [each for each in cases if each.split == "test"]
    found = [_comparison(key, shares, chosen) for key, shares in traffic.shares.items()]
    found.sort(key=lambda each: (each.distance is None, -(each.distance or 0.0), each.key))
    weights = production_weights(chosen, traffic.shares)
    return Representativeness(
        dataset=dataset[0],
        digest=dataset[1],
        prompt=traffic.prompt,
        environment=traffic.environment,
        since=traffic.since,
        until=traffic.until,
        requests=traffic.requests,
        cases=len(chosen),
        segments=tuple(found),
        lacking=tuple(_lacking(found, traffic)),
        weighting=None if weights is None else weights.weighting,
        estimates=() if weights is None else tuple(_estimates(scores or {}, weights.values, chosen)),
    )


def _estimates(
    scores: Mapping[str, Mapping[str, float]], weights: NDArray[np.float64], cases: Sequence[Case]
) -> Iterator[Estimate]:
    for metric, of_cases in scores.items():
        values = np.array([of_cases.get(each.id, np.nan) for each in cases])
        if (found := weighted_mean(metric, values, weights, cases)) is not None:
            yield found


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Weights of cases, in their order, with mean 1."""

    values: NDArray[np.float64]
    weighting: Weighting


def production_weights(cases: Sequence[Case], shares: Mapping[str, Mapping[str, float]]) -> Weights | None:
    """Returns weights by which cases have the shares of production in every key that all of them know.

    Post-stratification by raking (iterative proportional fitting): exact for one key, and for several as near
    as the cases allow. Values that no case has are left out, and the others share their weight. Weights are
    cut at ten times the mean.

    Args:
        cases: Those that count.
        shares: By key and value; those of a key sum to 1.

    Returns:
        None if there is no key that all cases know.

    References:
        Deming, Stephan, "On a Least Squares Adjustment of a Sampled Frequency Table", 1940.
    """
    values = {key: [_value_of(case, key, known) for case in cases] for key, known in shares.items()}
    keys = [key for key, of_cases in values.items() if of_cases and None not in of_cases]
    if not keys:
        return None
    masks = {
        key: [
            (share, mask)
            for value, share in shares[key].items()
            if (mask := np.array([each == value for each in values[key]])).any()
        ]
        for key in keys
    }
    met = {key: sum(share for share, _ in masks[key]) for key in keys}
    keys = [key for key in keys if met[key] > 0]
    if not keys:
        return None
    weights = np.ones(len(cases))
    for _ in range(_ROUNDS):
        before = weights
        for key in keys:
            factors = np.zeros(len(cases))
            for share, mask in masks[key]:
                held = weights[mask].sum() / weights.sum()
                factors[mask] = share / met[key] / held if held > 0 else 0.0
            weights = weights * factors
            if not weights.any():
                return None
            weights = weights / weights.mean()
        if np.abs(weights - before).max() < 1e-9:
            break
    weights = np.minimum(weights, _LARGEST_WEIGHT)
    weights = weights / weights.mean()
    weighting = Weighting(
        keys=tuple(keys),
        effective_cases=float(weights.sum() ** 2 / (weights**2).sum()),
        largest=float(weights.max()),
        unmet=max(1 - met[key] for key in keys),
    )
    return Weights(weights, weighting)


def weighted_mean(
    metric: str, scores: NDArray[np.float64], weights: NDArray[np.float64], cases: Sequence[Case]
) -> Estimate | None:
    """Returns the mean of scores, and the mean weighted to production.

    Args:
        metric: Name of the metric.
        scores: One of each case; NaN where there is none.
        weights: One of each case.
        cases: Whose clusters are independent.

    Returns:
        None if no case has a score.

    The standard error is that of a ratio, linearised, summed over clusters.
    """
    known = ~np.isnan(scores) & (weights > 0)
    if not known.any():
        return None
    x, w = scores[known], weights[known]
    mean = float((w * x).sum() / w.sum())
    residuals: Counter[str] = Counter()
    for at, residual in zip(np.flatnonzero(known).tolist(), w * (x - mean), strict=True):
        residuals[cases[at].cluster] += residual
    count = len(residuals)
    spread = float(np.sqrt(sum(each**2 for each in residuals.values())) / w.sum())
    return Estimate(
        metric=metric,
        unweighted=float(scores[~np.isnan(scores)].mean()),
        weighted=mean,
        standard_error=float(spread * np.sqrt(count / (count - 1))) if count > 1 else None,
        cases=int((~np.isnan(scores)).sum()),
    )


def _comparison(key: str, shares: Mapping[str, float], cases: Sequence[Case]) -> SegmentComparison:
    values = [_value_of(case, key, shares) for case in cases]
    counts = Counter(value for value in values if value is not None)
    known = counts.total()
    rows = [
        SegmentShare(value, share, counts[value] / known if known else None, counts[value])
        for value, share in sorted(shares.items(), key=lambda item: (item[0] == OTHER, -item[1], item[0]))
    ]
    if counts[OTHER] and OTHER not in shares:
        rows.append(SegmentShare(OTHER, 0.0, counts[OTHER] / known, counts[OTHER]))
    distance = sum(abs(row.production - row.cases) for row in rows if row.cases is not None) / 2
    return SegmentComparison(key, distance if known else None, len(cases) - known, tuple(rows))


def _value_of(case: Case, key: str, known: Mapping[str, float]) -> str | None:
    """The value that a case has of a key: as a capability `key=value`, or as a variable of that name."""
    if key == INPUT_LENGTH:
        value: str | None = length_bucket(case.variables)
    else:
        begin = f"{key}="
        value = next((each[len(begin) :] for each in case.capabilities if each.startswith(begin)), None)
        if value is None and isinstance(variable := case.variables.get(key), str):
            value = variable
    return value if value is None or value in known else OTHER


def _lacking(found: Sequence[SegmentComparison], traffic: Traffic) -> Iterator[str]:
    if not traffic.requests:
        yield f"no request of {traffic.prompt} is stored from then: choose a longer time with --days"
        return
    if not found:
        yield "requests have no segments to compare by: pass `segments` to the client, e.g. language"
    for each in found:
        if each.distance is None:
            value = each.shares[0].value
            yield (
                f"no case says its {each.key}, so it is not compared: tag cases, e.g. with the capability "
                f"`{each.key}={value}`"
            )
            continue
        for row in each.shares:
            if row.production >= _NOTABLE and (row.cases or 0.0) < row.production * _LACKING:
                yield (
                    f"{percent(row.production)} of the traffic has {each.key} {row.value}, and "
                    f"{percent(row.cases or 0.0)} of the cases"
                )
