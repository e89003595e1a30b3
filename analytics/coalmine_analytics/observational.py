"""Comparison of two versions without randomisation: a weaker answer, and it says so.

Versions were not assigned by chance, so a difference may come from anything else that differed: the time, the
users, the model, the kind of request. Known differences, the time and the mix of models and segments, are
adjusted for by direct standardisation: both versions are weighted to their common mix. Unknown differences
remain.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from coalmine_analytics.arrays import known
from coalmine_analytics.core.contrast import one_stratum
from coalmine_analytics.core.mix import MIN_REQUESTS, same_mix
from coalmine_analytics.core.ratio import arm_ratio
from coalmine_analytics.metrics import Metric, metrics_in
from coalmine_analytics.readout.evidence import intervals
from coalmine_analytics.readout.plan import DEFAULT_PLAN, Plan
from coalmine_analytics.readout.scales import first_mde
from coalmine_analytics.results.comparison import ComparedMetric, ComparedVersion, Comparison
from coalmine_analytics.results.verdicts import Difference, SeemingVerdict, difference_word
from coalmine_analytics.sample_size import MIN_UNITS, NotEnoughData
from coalmine_consumers.experiments import VersionSpan, VersionSums

_SEEMING: Mapping[Difference, SeemingVerdict] = {
    "better": "seems better",
    "worse": "seems worse",
    "higher": "seems higher",
    "lower": "seems lower",
}


def compare_versions(sums: VersionSums, plan: Plan = DEFAULT_PLAN) -> Comparison:
    """Compare version b with version a.

    Intervals are as wide as those of a running experiment, so looking often does no harm; what they cannot
    hold is what randomisation would have excluded.

    Args:
        sums: Of both versions, by mix.
        plan: For alpha, and for what is known of metrics.
    """
    metrics = [metric for metric in metrics_in(sums.metrics, plan.overrides) if not metric.per_unit]
    place = {name: index for index, name in enumerate(sums.metrics)}
    shape = (len(metrics), *sums.x.shape[1:])
    x, y = np.zeros(shape), np.zeros(shape)
    for row, metric in enumerate(metrics):
        if (at := place.get(metric.cells)) is not None:
            x[row], y[row] = sums.x[at], sums.y[at] * metric.scale
    plain = arm_ratio(y.sum(axis=1), x.sum(axis=1))  # (M, 2)
    mixed = arm_ratio(*same_mix(y, x))
    a, b = (mixed.at((..., version)) for version in range(2))
    units_a, units_b = (
        np.minimum(span.units, version.clusters.astype(np.int64))
        for span, version in zip(sums.spans, (a, b), strict=True)
    )
    contrast = one_stratum(b.at((..., None)), a.at((..., None)))
    effect = contrast.difference.only_where((np.minimum(units_a, units_b) >= MIN_UNITS)[:, None])
    both = np.array(sum(span.units for span in sums.spans))
    mde = first_mde(metrics, effect, contrast.ratios[1], both)
    found = intervals(contrast, effect, np.where(np.isfinite(mde), mde, 1.0), alpha=plan.alpha)
    compared = []
    for row, metric in enumerate(metrics):
        enough = bool(effect.usable[row, 0] or effect.identical[row, 0])
        bounds = (found.lower[row, 0], found.upper[row, 0])
        verdict = _verdict(metric, bounds) if enough else "not enough data"
        units = int(units_b[row]), int(units_a[row])
        compared.append(
            ComparedMetric(
                metric=metric.name,
                unit=metric.unit,
                verdict=verdict,
                words=_words(verdict, sums) if enough else NotEnoughData(*units).reason,
                a_value=known(plain.ratio[row, 0]),
                b_value=known(plain.ratio[row, 1]),
                difference=known(plain.ratio[row, 1] - plain.ratio[row, 0]),
                adjusted_a_value=known(a.ratio[row]) if enough else None,
                adjusted_b_value=known(b.ratio[row]) if enough else None,
                adjusted_difference=known(effect.estimate[row, 0]) if enough else None,
                lower=known(bounds[0]),
                upper=known(bounds[1]),
                relative_lower=known(found.relative_lower[row, 0]),
                relative_upper=known(found.relative_upper[row, 0]),
            )
        )
    return _comparison(sums, compared)


def _comparison(sums: VersionSums, compared: Sequence[ComparedMetric]) -> Comparison:
    a, b = sums.spans
    overlap = len(a.hours & b.hours) / len(a.hours | b.hours)
    experiments = () if sums.experiment is None else (sums.experiment,)
    requests = sums.x[sums.metrics.index("requests")].sum(axis=-1)  # (S, 2)
    both = (requests >= MIN_REQUESTS).all(axis=1)
    coverage = float(requests[both].sum() / requests.sum())
    return Comparison(
        randomised=sums.experiment is not None,
        warnings=tuple(_warnings(sums, overlap, coverage)),
        a=_version(a),
        b=_version(b),
        overlap=overlap,
        experiments=experiments,
        adjusted_for=("model", *sums.segments, *(() if sums.periods is None else ("time",))),
        coverage=coverage,
        metrics=tuple(compared),
    )


def _version(span: VersionSpan) -> ComparedVersion:
    return ComparedVersion(span.requests, span.units, span.first_event_time, span.last_event_time)


def _warnings(sums: VersionSums, overlap: float, coverage: float) -> list[str]:
    if sums.experiment is not None:
        found = [
            f"these are the requests of {sums.experiment}, in which both were arms: decide by its readout, "
            "which says more"
        ]
    else:
        found = [
            "not randomised: versions were not assigned by chance, so this shows differences that are "
            "associated with the versions, not caused by them"
        ]
    if sums.periods is None:
        found.append(
            "time is not separated: they never ran in the same hour, but for that of the change, so this "
            "compares the time before the change with the time after it, at the same hours of the day and of "
            "like days where that can be; whatever else changed then (users, season, the provider's model) "
            "counts as an effect here"
        )
    elif overlap < 0.5:
        found.append(f"they ran together in only {overlap:.0%} of the hours: others are left out")
    if coverage < 0.95:
        found.append(
            f"{1 - coverage:.0%} of the requests are of a time, model or segment that the other version "
            "hardly had; they are left out of adjusted figures"
        )
    return found


def _verdict(metric: Metric, bounds: tuple[float, float]) -> SeemingVerdict:
    lower, upper = bounds
    if lower <= 0 <= upper:
        return "no difference shown"
    return _SEEMING[difference_word(metric.direction, upward=bool(lower > 0))]


def _words(verdict: SeemingVerdict, sums: VersionSums) -> str:
    same = "in the same mix of models and segments"
    if sums.periods is not None:
        same = f"at the same times, {same}"
    if verdict == "no difference shown":
        return f"no difference shown, {same}"
    if sums.experiment is not None:
        return f"{verdict} {same}, in {sums.experiment}"
    time = "" if sums.periods else "time is not separated, and "
    return f"{verdict} {same}; {time}nothing was randomised, so the cause may lie elsewhere"
