"""Borders cut epochs: harm that begins after one is found as if the experiment had begun there."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from coalmine_analytics.core.harm import lasting_harm_log_e
from coalmine_analytics.metrics.catalogue import BUILT_IN
from coalmine_analytics.readout import FixedPlans, Plan, Readouts, read_out
from coalmine_analytics.readout.borders import MOST_BORDERS, since, split_at, sums_in, with_sums
from coalmine_analytics.readout.scales import worsening
from coalmine_analytics.readout.strata import stratify
from coalmine_analytics.results.readout import Readout
from coalmine_consumers.experiments import ExperimentSums, experiment_sums
from coalmine_consumers.store import Store
from tests.support.data.looked_at import SetClock
from tests.support.data.simulated_experiment import METRICS, Service, looks
from tests.support.data.store_feed import START, Feed, many_requests

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


def test_sums_are_kept_and_subtracted_wherever_new_metrics_epochs_and_arms_stand() -> None:
    early, *_, late = looks(Service(looks=4, ramp_to=0.5), 1)
    kept = sums_in(with_sums('{"through_ingest_id": 7}', early), early.experiment)
    assert (kept.metrics, kept.epochs, kept.arms, kept.through_ingest_id) == (
        early.metrics, early.epochs, early.arms, 7,
    )  # fmt: skip
    left = since(late.with_arms(["a third"]), kept)
    for name in FIELDS:
        assert getattr(left, name).sum() == pytest.approx(
            getattr(late, name).sum() - getattr(early, name).sum()
        ), name
    assert (left.x >= 0).all()
    taken_back = replace(late, x=np.zeros_like(late.x))
    assert not since(taken_back, kept).x.any()
    assert not since(taken_back, kept).y.any()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store")
    yield store
    store.close()


def day_by_day(store: Store, clock: SetClock, days: int, feed: Feed | None = None) -> Iterator[Readout]:
    """The look at the end of each half a day."""
    readouts, feed = Readouts(store, FixedPlans(), clock=clock), feed or Feed()
    for seed in range(2 * days):
        store.commit(feed.batch(many_requests(800, seed=seed, start=clock.now, hours=12)))
        clock.move(hours=12)
        found = readouts.current("exp-1")
        assert found is not None
        yield found


def test_each_day_of_an_epoch_is_a_border_and_a_new_process_goes_on_from_them(
    store: Store, tmp_path: Path
) -> None:
    clock, feed = SetClock(START), Feed()
    every = list(day_by_day(store, clock, 3, feed))
    assert every[-1].epoch_since == every[0].taken_at
    assert [len(found.borders) for found in every] == [0, 0, 1, 1, 2, 2]
    assert every[-1].borders == (every[2].taken_at, every[4].taken_at)
    # As a look says that is taken of the same sums, by hand.
    other, at = Store.open(tmp_path / "other"), SetClock(START)
    sums = []
    for _ in day_by_day(other, at, 3):
        found = experiment_sums(other.reader(), "exp-1", at=at.now)
        assert found is not None
        sums.append(found)
    other.close()
    expected = read_out(sums[-1], Plan(), taken_at=clock.now, before=every[-2], borders=[sums[2], sums[4]])
    assert expected == every[-1]
    again = Readouts(store, FixedPlans(), clock=clock)
    clock.move(hours=12)
    store.commit(feed.batch(many_requests(10, seed=99, start=clock.now, hours=1)))
    later = again.current("exp-1")
    assert later is not None
    assert later.borders == (*every[-1].borders, clock.now)


def test_evidence_that_begins_anew_has_no_borders_yet(store: Store) -> None:
    clock = SetClock(START)
    *_, last = day_by_day(store, clock, 2)
    assert last.borders
    begun = Readouts(store, FixedPlans(), clock=clock).begin_anew("exp-1", "someone", "a broken scorer")
    assert begun is not None
    assert (begun.borders, begun.epoch_since) == ((), begun.taken_at)


def test_borders_come_to_an_end(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_BORDERS == 30
    monkeypatch.setattr("coalmine_analytics.readout.borders.MOST_BORDERS", 1)
    assert [len(found.borders) for found in day_by_day(store, SetClock(START), 3)] == [0, 0, 1, 1, 1, 1]
