"""Regression of the metric on features of requests: associations, other features equal.

Least squares, weighted by the number of values a request has, so that without any feature it gives the
metric's own ratio. For a rate it is the linear probability model: its coefficients are differences of
shares, which people can read and which mean the same beside every other feature (those of a logit are
neither), and standard errors that are robust hold for outcomes of 0 and 1 as well. They are clustered by
unit, because the requests of one user are correlated; for independent requests they would be far too small.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from coalmine_analytics.arrays import FloatArray, IntArray
from coalmine_analytics.core.holm import holm
from coalmine_analytics.explain.features import Column, Design, SideNames, design
from coalmine_analytics.explain.words import decimals, interval, size_between, unit_after
from coalmine_analytics.metrics import Metric
from coalmine_analytics.results.explain import FeatureRegression, RegressionFeature
from coalmine_analytics.sample_size import MIN_UNITS
from coalmine_consumers.explain import Sample

LEAST_ROWS_PER_FEATURE = 10
"""With fewer requests per feature the fit follows noise."""

NO_CAUSE = "associations, not causes: anything that is not a feature here may explain them"


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Weighted least squares with cluster-robust standard errors; P coefficients after the constant."""

    coefficient: FloatArray
    """Shape (P,)."""
    standard_error: FloatArray
    lower: FloatArray
    upper: FloatArray
    p: FloatArray
    r_squared: float


def fit(matrix: FloatArray, y: FloatArray, weight: FloatArray, clusters: IntArray, *, alpha: float) -> Fit:
    """Fit y to the columns of a matrix and a constant.

    Args:
        matrix: Features, shape (R, P), of full rank beside a constant.
        y: Shape (R,).
        weight: Shape (R,), > 0.
        clusters: Index of each row's cluster, shape (R,); at least two.
        alpha: For the intervals, which hold at one look.

    References:
        K.-Y. Liang and S. L. Zeger, Biometrika 73 (1986), as statsmodels has it (cov_type "cluster", with its
        correction for few clusters), and Student's t with as many degrees of freedom as clusters less one.
    """
    # Takes a second to import, which every user of this package would wait for.
    from statsmodels.regression.linear_model import WLS  # noqa: PLC0415

    model = WLS(y, np.column_stack([np.ones(len(y)), matrix]), weights=weight)
    found = model.fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    bounds = np.asarray(found.conf_int(alpha))[1:]
    coefficient, error, p = (np.asarray(each)[1:] for each in (found.params, found.bse, found.pvalues))
    return Fit(coefficient, error, bounds[:, 0], bounds[:, 1], p, float(found.rsquared))


def regress(
    sample: Sample, cells: str, metric: Metric, sides: SideNames, *, alpha: float
) -> FeatureRegression:
    """Report the features associated with a metric.

    Args:
        sample: Requests with their values and features.
        cells: The metric, as experiment cells name it.
        metric: The same metric.
        sides: Names of the sides.
        alpha: For intervals, and for the correction over features.
    """
    encoded = pc.dictionary_encode(sample.rows["unit"].combine_chunks())
    units: IntArray = encoded.indices.to_numpy().astype(np.int64)
    made = design(sample, cells, sides, units)
    clusters = np.unique(units[made.rows], return_inverse=True)[1]
    rows, count = int(made.rows.sum()), int(clusters.max()) + 1 if len(clusters) else 0
    value = sample.rows["value"].to_numpy()[made.rows] * metric.scale
    why_not = _why_not(made, rows, count, value)
    if why_not is not None:
        return FeatureRegression(
            features=(),
            words=(f"no regression: {why_not}",),
            left_out=made.left_out,
            requests=rows,
            of_requests=sample.of_requests,
            units=count,
            r_squared=None,
        )
    weight = sample.rows["weight"].to_numpy()[made.rows]
    matrix = np.stack([column.values for column in made.columns], axis=1)
    fitted = fit(matrix, value, weight, clusters, alpha=alpha)
    return FeatureRegression(
        features=_features(made, fitted, metric, _spreads(matrix, value, weight), alpha=alpha),
        words=tuple(_words(sample, metric, rows, count)),
        left_out=made.left_out,
        requests=rows,
        of_requests=sample.of_requests,
        units=count,
        r_squared=fitted.r_squared,
    )


def _why_not(made: Design, rows: int, units: int, value: FloatArray) -> str | None:
    if units < MIN_UNITS:
        return f"it needs {MIN_UNITS} units, and there are {units}"
    if not made.columns:
        return "no feature differs between requests"
    # The constant is one more.
    if rows < LEAST_ROWS_PER_FEATURE * (len(made.columns) + 1) or units <= len(made.columns) + 1:
        return f"{rows:,} requests of {units:,} units are too few for {len(made.columns)} features"
    if value.min() == value.max():
        return "the metric is the same in every request"
    return None


def _spreads(matrix: FloatArray, value: FloatArray, weight: FloatArray) -> FloatArray:
    """Standard deviation of each feature over that of the metric."""
    share = weight / weight.sum()
    features = np.sqrt(share @ np.square(matrix - share @ matrix))
    return np.asarray(features / np.sqrt(share @ np.square(value - share @ value)))


def _features(
    made: Design, fitted: Fit, metric: Metric, spreads: FloatArray, *, alpha: float
) -> tuple[RegressionFeature, ...]:
    adjusted = holm(fitted.p)
    found = [
        RegressionFeature(
            feature=column.name,
            words=_sentence(column, metric, fitted, at, clear=bool(adjusted[at] <= alpha)),
            coefficient=float(fitted.coefficient[at]),
            lower=float(fitted.lower[at]),
            upper=float(fitted.upper[at]),
            standard_error=float(fitted.standard_error[at]),
            standardised=float(fitted.coefficient[at] * spreads[at]),
            p=float(fitted.p[at]),
            adjusted_p=float(adjusted[at]),
            clear=bool(adjusted[at] <= alpha),
        )
        for at, column in enumerate(made.columns)
    ]
    return tuple(sorted(found, key=lambda each: (not each.clear, -abs(each.standardised))))


def _sentence(column: Column, metric: Metric, fitted: Fit, at: int, *, clear: bool) -> str:
    effect, lower, upper = (float(each[at]) for each in (fitted.coefficient, fitted.lower, fitted.upper))
    against = f" {column.against}" if column.against else ""
    if clear:
        size = size_between(effect, lower, upper, metric.unit)
        return f"{column.of} have {metric.name} {size}{against}, other things equal"
    places = decimals([lower, upper])
    return (
        f"{column.of} have {metric.name} not clearly different{' from' + against[5:] if against else ''}: "
        f"{interval(lower, upper, places)}{unit_after(metric.unit)}"
    )


def _words(sample: Sample, metric: Metric, rows: int, units: int) -> list[str]:
    taken = f"{metric.name} of {rows:,} requests of {units:,} units"
    if not sample.is_all:
        taken += f", a sample by hash of their ids of the {sample.of_requests:,} there are"
    unknown = sample.rows.num_rows - rows
    if unknown:
        taken += f"; {unknown:,} more lack a feature"
    kind = "linear probability model" if metric.kind == "rate" else "least squares"
    return [
        f"{taken}: {kind}, standard errors clustered by unit, Holm over features",
        "its intervals hold for one look, unlike the others here",
        NO_CAUSE,
    ]
