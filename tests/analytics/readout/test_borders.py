"""Borders cut epochs: harm that begins after one is found as if the experiment had begun there."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from coalmine_analytics.core.harm import lasting_harm_log_e
from coalmine_analytics.metrics.catalogue import BUILT_IN
from coalmine_analytics.readout import Plan, read_out
from coalmine_analytics.readout.borders import split_at
from coalmine_analytics.readout.scales import worsening
from coalmine_analytics.readout.strata import stratify
from coalmine_consumers.experiments import ExperimentSums
from tests.support.data.simulated_experiment import METRICS, Service, looks

AT = datetime(2026, 3, 10, tzinfo=UTC)
QUALITY = [metric for metric in BUILT_IN if metric.name == "quality"]
FIELDS = ("x", "y", "units", "first_units")


def harm(sums: ExperimentSums) -> float:
    strata = stratify(sums, QUALITY, sums.arms.index("control"), [sums.arms.index("canary")])
    tolerance = worsening(QUALITY, lambda metric: metric.tolerance)
    return float(lasting_harm_log_e(strata.compared, strata.weight, tolerance, mde=np.array([[0.024]]))[0, 0])


def begun(sums: ExperimentSums) -> ExperimentSums:
    """Without epochs that have no requests yet."""
    last = 1 + int(np.flatnonzero(sums.units.any(axis=(1, 2)))[-1])
    return replace(
        sums, epochs=sums.epochs[:last], x=sums.x[:, :last], y=sums.y[:, :last],
        units=sums.units[:last], first_units=sums.first_units[:last],
    )  # fmt: skip


def test_parts_add_up_to_what_was_cut() -> None:
    every = [begun(sums) for sums in looks(Service(ramp_to=0.5, looks=8), 1)]
    cut = split_at(every[-1], [every[1], every[2], every[5]])
    assert cut.epochs == (1, 1, 1, 2, 2)
    for name in ("x", "y"):
        whole, parts = getattr(every[-1], name), getattr(cut, name)
        np.testing.assert_allclose(parts[:, :3].sum(axis=1), whole[:, 0], rtol=1e-12)
        np.testing.assert_allclose(parts[:, 3:].sum(axis=1), whole[:, 1], rtol=1e-12)
        np.testing.assert_allclose(parts[:, 1], getattr(every[2], name)[:, 0] - getattr(every[1], name)[:, 0])
    requests = cut.x[METRICS.index("requests")]
    assert (cut.units >= (requests > 0)).all()
    assert split_at(every[-1], []).epochs == every[-1].epochs


def test_a_border_may_know_fewer_metrics_and_arms_and_what_was_taken_back_is_left_out() -> None:
    first, *_, now = looks(Service(looks=4), 2)
    keep = [at for at, name in enumerate(METRICS) if name != "errors"]
    narrow = replace(
        first, metrics=tuple(METRICS[at] for at in keep), arms=("control",),
        x=first.x[keep][:, :, 1:], y=first.y[keep][:, :, 1:],
        units=first.units[:, 1:], first_units=first.first_units[:, 1:],
    )  # fmt: skip
    cut = split_at(now, [narrow])
    np.testing.assert_array_equal(cut.x[METRICS.index("errors"), 1], now.x[METRICS.index("errors"), 0])
    np.testing.assert_array_equal(cut.x[:, 1, 0], now.x[:, 0, 0])
    less = replace(now, x=now.x.copy())
    less.x[METRICS.index("quality"), 0, 0, 3] = 0.0
    assert (split_at(less, [first]).x >= 0).all()


def test_harm_that_begins_at_a_border_is_found_sooner() -> None:
    good = Service(canary_share=0.5, looks=20, units_per_look=2_000)
    past = list(looks(good, 3))[-1]
    worse = list(looks(replace(good, quality_effect=-0.05, looks=1), 4))[-1]
    now = replace(past, **{name: getattr(past, name) + getattr(worse, name) for name in FIELDS})
    assert harm(now) < np.log(20) < harm(split_at(now, [past]))
    decisions = [read_out(now, Plan(), taken_at=AT, borders=at).arms[0].decision for at in ((), (past,))]
    assert decisions == ["hold", "rollback"]
