"""Means over all production requests, from those that were scored."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from scipy.special import stdtrit
from sqlalchemy import Connection, Float, case, cast, func, select, tuple_

from coalmine_evals.results.production import ProductionQuality
from coalmine_evals.storage.tables import production_scores

_TAIL: Final = 0.975
_MOST_STRATA: Final = 200
_NO_SPREAD: Final = 1e-9


@dataclass(frozen=True, slots=True)
class _UnitSums:
    """What the requests of one unit add up to."""

    scored: int
    unscored: int
    weight: float
    """Sum of 1 / probability, of those with a score."""
    weighted: float
    """Sum of score / probability."""
    counted: int
    """Requests whose scores the metric has."""
    plain: float
    """Sum of their scores."""


def quality_of(
    connection: Connection,
    *,
    prompt: str,
    environment: str | None,
    metric: str | None,
    since: datetime,
    until: datetime,
) -> list[ProductionQuality]:
    """Returns the mean of each metric by version, of all requests and then by stratum.

    Of scorers, such as versions of a judge, the one counts that scored last of these requests: others measure
    something else.

    The mean is Hájek's: scores weighted by the inverse of the probability that their request was taken, over
    the sum of these weights. Its standard error is that of the linearised estimator with units as clusters,
    which needs no more than that units are independent; the interval has as many degrees of freedom as
    there are units less one. Requests that could not be scored are assumed to be like the others.

    Args:
        connection: Of the database.
        prompt: Name of the prompt.
        environment: None: all of them.
        metric: None: all of them.
        since: When requests began, at the earliest.
        until: Before then.

    References:
        Hájek 1971; Särndal, Swensson, Wretman 1992, 5.7 and 5.10.
    """
    table = production_scores
    has = table.c.value.is_not(None)
    weight = 1.0 / table.c.probability
    counted = has & table.c.counts
    asked = [table.c.prompt == prompt, table.c.requested_at >= since, table.c.requested_at < until]
    if environment is not None:
        asked.append(table.c.environment == environment)
    if metric is not None:
        asked.append(table.c.metric == metric)
    last = select(func.max(table.c.id)).where(*asked).group_by(table.c.metric)
    scorers = select(table.c.metric, table.c.scorer).where(table.c.id.in_(last))
    query = (
        select(
            table.c.version,
            table.c.metric,
            table.c.stratum,
            table.c.unit,
            func.sum(cast(has, Float)).label("scored"),
            func.sum(case((has, 0), else_=1)).label("unscored"),
            func.sum(case((has, weight), else_=0.0)).label("weight"),
            func.sum(case((has, table.c.value * weight), else_=0.0)).label("weighted"),
            func.sum(case((counted, 1), else_=0)).label("counted"),
            func.sum(case((counted, table.c.value), else_=0.0)).label("plain"),
        )
        .where(*asked, tuple_(table.c.metric, table.c.scorer).in_(scorers))
        .group_by(table.c.version, table.c.metric, table.c.stratum, table.c.unit)
        .order_by(table.c.metric, table.c.version, table.c.stratum)
    )
    whole: dict[tuple[str, str], dict[str, list[_UnitSums]]] = {}
    strata: dict[tuple[str, str, str], list[_UnitSums]] = {}
    for row in connection.execute(query):
        sums = _UnitSums(
            int(row.scored), int(row.unscored), row.weight, row.weighted, int(row.counted), row.plain
        )
        whole.setdefault((row.metric, row.version), {}).setdefault(row.unit, []).append(sums)
        if row.stratum:
            strata.setdefault((row.metric, row.version, row.stratum), []).append(sums)
    rows = [
        _quality(prompt, version, name, None, [_together(each) for each in units.values()])
        for (name, version), units in whole.items()
    ]
    rows += [
        _quality(prompt, version, name, stratum, units)
        for (name, version, stratum), units in list(strata.items())[:_MOST_STRATA]
    ]
    return rows


def hajek(weight: Sequence[float], weighted: Sequence[float]) -> tuple[float, float, float] | None:
    """Returns a weighted mean of scores from 0 to 1 with its 95 % interval; None without any weight.

    Where all scores are the same, the interval is that of the rule of three: a t interval would be none.

    Args:
        weight: Sum of weights of each unit.
        weighted: Sum of weight times score of each unit.
    """
    weights, sums = np.asarray(weight, float), np.asarray(weighted, float)
    total = math.fsum(weights)
    if total <= 0:
        return None
    mean = math.fsum(sums) / total
    units = int(np.count_nonzero(weights))
    if units < 2:
        return mean, math.nan, math.nan
    residuals = sums - mean * weights
    error = math.sqrt(math.fsum(residuals**2) * units / (units - 1)) / total
    if error < _NO_SPREAD:
        # A few alike are not all: as many may be otherwise, 0 or 1, as go unseen with a chance of 2.5 %.
        unseen = min(-math.log(1.0 - _TAIL) * float(np.square(weights).sum()) / total**2, 1.0)
        return mean, mean - unseen * mean, mean + unseen * (1.0 - mean)
    half = float(stdtrit(units - 1, _TAIL)) * error
    return mean, mean - half, mean + half


def _together(parts: Sequence[_UnitSums]) -> _UnitSums:
    if len(parts) == 1:
        return parts[0]
    return _UnitSums(
        sum(each.scored for each in parts),
        sum(each.unscored for each in parts),
        math.fsum(each.weight for each in parts),
        math.fsum(each.weighted for each in parts),
        sum(each.counted for each in parts),
        math.fsum(each.plain for each in parts),
    )


def _quality(
    prompt: str, version: str, metric: str, stratum: str | None, units: Sequence[_UnitSums]
) -> ProductionQuality:
    found = hajek([each.weight for each in units], [each.weighted for each in units])
    mean, lower, upper = (None, None, None) if found is None else found
    counted = sum(each.counted for each in units)
    return ProductionQuality(
        prompt=prompt,
        version=version,
        metric=metric,
        stratum=stratum,
        scored=sum(each.scored for each in units),
        unscored=sum(each.unscored for each in units),
        units=sum(each.scored > 0 for each in units),
        mean=mean,
        lower=_bounded(lower),
        upper=_bounded(upper),
        unweighted=math.fsum(each.plain for each in units) / counted if counted else None,
    )


def _bounded(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else min(max(value, 0.0), 1.0)
