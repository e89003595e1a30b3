"""Looks at a real store: counted like raw rows, stored before they are seen, gone on from after a restart."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.effect import difference
from coalmine_analytics.core.ratio import arm_ratio
from coalmine_analytics.readout import FixedPlans, Plan, Readouts
from coalmine_analytics.readout.service import READOUT
from coalmine_analytics.results.readout import MetricReadout, Readout
from coalmine_consumers.experiments import Look, append_look, experiment_sums, looks
from coalmine_consumers.maintenance import rebuild
from coalmine_consumers.store import Store
from tests.support.campaign import size
from tests.support.data.looked_at import CountedPlans, SetClock
from tests.support.data.store_feed import START, Feed, Row, feedback, many_requests, reactions_to, request
from tests.support.oracles.store_state import by_hand, freeze_windows, query

COUNT = size(1_000, 3_000)
NEWER = {"stopped", "left_out_requests"}
"""Fields that looks of earlier versions do not have."""
PLANS = FixedPlans(Plan(weights={"control": 1, "treatment": 1}))


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store")
    yield store
    store.close()


def commit(store: Store, feed: Feed, seed: int, count: int = COUNT, *, reactions: bool = False) -> None:
    """Requests of six hours; with feedback and scores it takes nearly twice as long."""
    requests = many_requests(count, seed=seed, start=START + timedelta(hours=6 * seed))
    said = reactions_to(requests, seed=seed) if reactions else ()
    store.commit(feed.batch(requests, *said))


def metric(readout: Readout | None, name: str) -> MetricReadout:
    assert readout is not None
    (arm,) = readout.arms
    (found,) = [each for each in arm.metrics if each.metric == name]
    return found


RAW = """
WITH counted AS (
    SELECT * FROM requests WHERE experiment = 'exp-1' AND ingest_id <= $through
),
marked AS (
    SELECT variant, unit_group, unit_id, 1.0 AS x, {y} AS y FROM {source}
)
SELECT variant, unit_group, sum(x) AS x, sum(y) AS y FROM marked WHERE y IS NOT NULL GROUP BY ALL
"""
# What users and judges say comes late and is compared at equal age: tests/consumers counts it.
ORACLES = {
    "error_rate": ("counted", "(error_type IS NOT NULL)::DOUBLE"),
    "output_tokens": ("counted", "output_tokens::DOUBLE"),
}


def slow(store: Store, name: str, through: int, mde: float) -> tuple[float, float]:
    """Effect and log e-value from raw rows, unit group by unit group, in Python."""
    source, y = ORACLES[name]
    rows = store.reader().table(RAW.format(source=source, y=y), {"through": through}).to_pylist()
    arms = []
    for variant in ("treatment", "control"):
        mine = [row for row in rows if row["variant"] == variant]
        arms.append(arm_ratio(*(np.array([[row[axis] for row in mine]]) for axis in ("y", "x"))))
    effect = difference(*arms)
    return float(effect.estimate[0]), float(log_e_value(effect, mde=mde)[0])


def test_a_readout_says_what_raw_rows_say(store: Store, clock: SetClock) -> None:
    freeze_windows(store, "exp-1", 3)  # more than any reaction takes
    feed = Feed()
    readouts = Readouts(store, PLANS, clock=clock)
    for seed in range(3):
        commit(store, feed, seed, reactions=True)
        clock.move(days=1)
        readout = readouts.current("exp-1")
        for name in ORACLES:
            found = metric(readout, name)
            assert readout is not None
            assert found.scales is not None, name
            effect, log_e = slow(store, name, readout.through_ingest_id, found.scales.mde)
            assert found.effect == pytest.approx(effect, rel=1e-9, abs=1e-12), name
            assert found.log_e == pytest.approx(log_e, rel=1e-9, abs=1e-12), name


def test_an_arm_has_values_of_its_own_with_what_raw_rows_leave_open(store: Store, clock: SetClock) -> None:
    freeze_windows(store, "exp-1", 3)
    feed = Feed()
    readouts = Readouts(store, PLANS, clock=clock)
    assert readouts.own_values("exp-1", "treatment") == {}
    for seed in range(3):
        commit(store, feed, seed)
    readout = readouts.current("exp-1")
    found = readouts.own_values("exp-1", "treatment")
    assert readouts.own_values("exp-1", "nobody") == {}
    assert len(readouts.path("exp-1")) == 1  # asking is no look
    (raw,) = store.reader().rows(
        "SELECT avg((error_type IS NOT NULL)::DOUBLE) AS error_rate, avg(output_tokens) AS output_tokens "
        "FROM requests WHERE variant = 'treatment' AND experiment = 'exp-1'"
    )
    for name in ORACLES:
        own, effect = found[name], metric(readout, name)
        assert own.value == pytest.approx(raw[name], rel=1e-9)
        assert own.lower is not None
        assert own.upper is not None
        assert 0 <= own.lower < own.value < own.upper
        assert effect.lower is not None
        assert effect.upper is not None
        assert own.upper - own.value < effect.upper - effect.lower  # one arm is surer than two


def test_costs_and_latencies_are_capped_and_shown_as_they_are_too(store: Store, clock: SetClock) -> None:
    feed = Feed()
    for seed in range(4):
        commit(store, feed, seed, count=3_000)
    readout = Readouts(store, PLANS, clock=clock).current("exp-1")
    latency = metric(readout, "latency_ms")
    assert latency.value is not None
    assert latency.raw_value is not None
    assert latency.value < latency.raw_value
    assert latency.clipped_share == pytest.approx(0.005, abs=0.004)
    tail = metric(readout, "latency_over_p95_rate")
    assert tail.control_value == pytest.approx(0.05, abs=0.02)
    cost = metric(readout, "cost_per_request")
    assert cost.raw_value == pytest.approx(0.045, rel=0.05)  # dollars


def test_units_are_counted_once_however_often_they_come(store: Store, clock: SetClock) -> None:
    feed = Feed()
    for seed in range(3):
        commit(store, feed, seed)
    readout = Readouts(store, PLANS, clock=clock).current("exp-1")
    assert readout is not None
    counted = query(
        store, "SELECT variant, count(DISTINCT unit_id) AS n FROM requests GROUP BY variant ORDER BY variant"
    )
    assert counted == [("control", readout.control_units), ("treatment", readout.arms[0].units)]


def test_looks_are_stored_before_they_are_seen_and_nothing_new_is_no_look(
    store: Store, clock: SetClock
) -> None:
    feed = Feed()
    commit(store, feed, 0)
    readouts = Readouts(store, PLANS, clock=clock)
    seen = [readouts.current("exp-1")]
    clock.move(minutes=1)
    assert readouts.current("exp-1") == seen[0]
    commit(store, feed, 1)
    seen.append(readouts.current("exp-1"))
    assert seen[1] != seen[0]
    assert readouts.path("exp-1") == seen
    stored = looks(store.reader(), "exp-1")
    assert [(each.look_id, each.through_ingest_id, each.requests) for each in stored] == [
        (1, 1, COUNT),
        (2, 2, 2 * COUNT),
    ]
    assert readouts.path("exp-1", limit=1) == seen[1:]


def test_a_recent_look_will_do_for_who_says_so(store: Store, clock: SetClock) -> None:
    feed = Feed()
    commit(store, feed, 0)
    readouts = Readouts(store, PLANS, clock=clock)
    first = readouts.current("exp-1")
    commit(store, feed, 1)
    clock.move(seconds=9)
    assert readouts.current("exp-1", max_age=timedelta(seconds=10)) == first
    clock.move(seconds=2)
    assert readouts.current("exp-1", max_age=timedelta(seconds=10)) != first


def test_a_clock_that_was_set_back_hides_nothing_that_came_in(store: Store, clock: SetClock) -> None:
    feed = Feed()
    commit(store, feed, 0)
    readouts = Readouts(store, PLANS, clock=clock)
    clock.move(days=1)
    first = readouts.current("exp-1")
    clock.move(days=-1)
    commit(store, feed, 1)
    second = readouts.current("exp-1")
    assert first is not None
    assert second is not None
    assert second.requests > first.requests


def test_nothing_is_computed_while_no_batch_comes_in(store: Store, clock: SetClock) -> None:
    feed = Feed()
    commit(store, feed, 0)
    plans = CountedPlans(PLANS.default)
    readouts = Readouts(store, plans, clock=clock)
    first = readouts.current("exp-1")
    for seconds in (5, 5, 30):
        clock.move(seconds=seconds)
        assert readouts.current("exp-1") is readouts.current("exp-1") == first
    assert plans.looks == 1
    commit(store, feed, 1, count=30)
    second = readouts.current("exp-1")
    assert (second != first, plans.looks) == (True, 2)
    # What was looked at and said the same is not looked at again at once, either.
    clock.move(seconds=61)
    assert readouts.current("exp-1") == readouts.current("exp-1") == second
    assert plans.looks == 3
    assert len(readouts.path("exp-1")) == 2
    # Another process took a look meanwhile.
    commit(store, feed, 2, count=30)
    third = Readouts(store, PLANS, clock=clock).current("exp-1")
    assert readouts.current("exp-1", max_age=timedelta(seconds=1)) == third


def test_units_with_a_value_are_counted_for_each_metric_in_the_latest_epoch(
    store: Store, clock: SetClock
) -> None:
    freeze_windows(store, "exp-1", 3)
    commit(store, Feed(), 0, reactions=True)
    clock.move(days=1)
    found = Readouts(store, PLANS, clock=clock).current("exp-1")
    assert found is not None
    errors, thumbs = metric(found, "error_rate"), metric(found, "thumbs_up_rate")
    assert (errors.units, errors.control_units) == (found.arms[0].units, found.control_units)
    assert 0 < thumbs.units < errors.units


def test_a_restart_goes_on_where_the_last_look_stopped(tmp_path: Path, clock: SetClock) -> None:
    def watched(directory: Path, *, restart: bool) -> list[Readout | None]:
        store, feed, found = Store.open(directory), Feed(), []
        readouts = Readouts(store, PLANS, clock=clock)
        for seed in range(size(3, 4)):
            commit(store, feed, seed, reactions=True)
            if restart:
                store.close()
                store = Store.open(directory)
                readouts = Readouts(store, PLANS, clock=clock)
            found.append(readouts.current("exp-1"))
        store.close()
        return found

    assert watched(tmp_path / "one", restart=False) == watched(tmp_path / "two", restart=True)


def test_what_is_remembered_of_a_look_is_what_was_stored(store: Store, clock: SetClock) -> None:
    feed, readouts = Feed(), Readouts(store, PLANS, clock=clock)
    shown = []
    for seed in range(2):
        commit(store, feed, seed)
        shown.append(readouts.current("exp-1"))
        clock.move(hours=6)
    assert readouts.path("exp-1") == shown
    assert shown[-1] == readouts.current("exp-1", max_age=timedelta(days=1))


def test_looks_of_an_earlier_version_are_not_gone_on_from(store: Store, clock: SetClock) -> None:
    commit(store, Feed(), 0)
    with store.transaction() as connection:
        append_look(connection, Look(0, "exp-1", clock.now, 1, 3_000, '{"experiment": "exp-1"}'))
    readouts = Readouts(store, PLANS, clock=clock)
    assert readouts.path("exp-1") == []
    (found,) = readouts.take_due()
    assert readouts.path("exp-1") == [found]


def test_a_rebuild_changes_no_readout(store: Store, clock: SetClock) -> None:
    feed = Feed()
    for seed in range(3):
        commit(store, feed, seed, reactions=True)
    clock.move(days=2)  # so that units had time to return
    before = Readouts(store, PLANS, clock=clock).current("exp-1")
    rebuild(store)
    with store.reader().snapshot() as snapshot:
        sums = experiment_sums(snapshot, "exp-1")
    assert sums is not None
    after = Readouts(store, PLANS, clock=clock).current("exp-1")
    for name in ("quality", "latency_ms", "cost_per_request", "requests_per_unit"):
        assert metric(after, name).log_e == pytest.approx(metric(before, name).log_e, rel=1e-9, abs=1e-12)


def test_the_background_looks_at_what_has_grown(store: Store, clock: SetClock) -> None:
    feed = Feed()
    readouts = Readouts(store, PLANS, clock=clock)
    assert readouts.take_due() == []
    commit(store, feed, 0)
    (first,) = readouts.take_due()
    assert readouts.take_due() == []
    commit(store, feed, 1, count=COUNT // 150)  # less than 1 %
    assert readouts.take_due() == []
    clock.move(minutes=61)
    (second,) = readouts.take_due()
    assert second.through_ingest_id == 2
    commit(store, feed, 2)
    (third,) = readouts.take_due()
    assert readouts.path("exp-1") == [first, second, third]


def test_what_no_longer_grows_is_not_read_again_and_again(store: Store, clock: SetClock) -> None:
    commit(store, Feed(), 0)
    plans = CountedPlans(PLANS.default)
    readouts = Readouts(store, plans, clock=clock)
    assert len(readouts.take_due()) == 1
    for minutes, taken in ((1, 1), (60, 2), (1, 2), (58, 2), (2, 3)):
        clock.move(minutes=minutes)
        assert readouts.take_due() == []
        assert plans.looks == taken


def test_a_stopped_experiment_is_read_once_more_and_then_kept(store: Store, clock: SetClock) -> None:
    feed = Feed()
    commit(store, feed, 0)
    (first,) = Readouts(store, PLANS, clock=clock).take_due()
    commit(store, feed, 1)
    plans = CountedPlans(replace(PLANS.default, stopped_at=clock()))
    stopped = Readouts(store, plans, clock=clock)
    (second,) = stopped.take_due()  # what was still under way
    assert (first.final, first.stopped, second.final, second.stopped) == (False, False, False, True)
    clock.move(minutes=61)
    (last,) = stopped.take_due()
    assert last.final
    commit(store, feed, 2)
    clock.move(days=1)
    assert stopped.take_due() == []
    assert stopped.current("exp-1") == last
    assert plans.looks == 2

    document = json.loads(READOUT.dump_json(last))
    kept_before = {name: value for name, value in document.items() if name not in NEWER}
    with store.transaction(of_segments=False) as connection:
        append_look(connection, Look(0, "exp-1", clock(), last.through_ingest_id, 0, json.dumps(kept_before)))
    assert Readouts(store, plans, clock=clock).current("exp-1") == last


def test_reactions_to_the_last_calls_of_a_stopped_experiment_still_count(
    store: Store, clock: SetClock
) -> None:
    calls = [
        request(unit, clock() - timedelta(minutes=unit % 30), unit_id=f"unit-{unit}", experiment="exp-1")
        | {"variant": "control" if unit % 2 else "treatment", "allocation_epoch": 1}
        for unit in range(400)
    ]
    feed = Feed()
    freeze_windows(store, "exp-1", hours=3)
    store.commit(feed.batch(calls))
    readouts = Readouts(store, FixedPlans(replace(PLANS.default, stopped_at=clock())), clock=clock)
    assert metric(readouts.current("exp-1"), "quality").verdict == "not enough data"
    clock.move(minutes=2)  # who looks at the page must not end it
    at_once = readouts.current("exp-1")
    clock.move(hours=2)
    store.commit(feed.batch((), [feedback(n, each, thumbs="up") for n, each in enumerate(calls)]))
    before = readouts.current("exp-1")
    clock.move(hours=3)
    after = readouts.current("exp-1")
    assert at_once is not None
    assert before is not None
    assert after is not None
    assert (at_once.final, before.final, after.final) == (False, False, True)
    assert metric(after, "thumbs_up_rate").control_units == 200


def in_epoch(epoch: int, units: range, arm: str | None = None, hours: int = 0) -> list[Row]:
    """One request of each unit."""
    return [
        request(
            1_000 * hours + unit,
            START + timedelta(hours=hours),
            unit_id=f"unit-{unit}",
            experiment="exp-1",
            variant=arm or ("control" if unit % 2 else "treatment"),
            allocation_epoch=epoch,
        )
        for unit in units
    ]


SPLITS = {epoch: {"treatment": 1.0, "control": 1.0} for epoch in (1, 2)}


def test_who_comes_back_after_weights_changed_is_one_unit(store: Store, clock: SetClock) -> None:
    feed, readouts = Feed(), Readouts(store, FixedPlans(Plan(epoch_weights=SPLITS)), clock=clock)
    store.commit(feed.batch([*in_epoch(1, range(200)), *in_epoch(2, range(300), hours=1)]))
    found = readouts.current("exp-1")
    assert found is not None
    assert (found.control_units, found.arms[0].units, found.requests) == (150, 150, 500)
    readouts.begin_anew("exp-1", "ann", "a glitch")
    store.commit(feed.batch(in_epoch(2, range(40), hours=48)))
    clock.move(days=3)
    anew = readouts.current("exp-1")
    assert anew is not None
    assert (anew.control_units, anew.arms[0].units) == (20, 20)


def test_what_names_an_arm_or_epoch_that_never_was_is_left_out(store: Store, clock: SetClock) -> None:
    feed = Feed()
    plan = Plan(control="control", epoch_weights=SPLITS, is_whole=True)
    readouts = Readouts(store, FixedPlans(plan), clock=clock)
    store.commit(feed.batch(in_epoch(1, range(200))))
    assert_left_out(readouts.current("exp-1"), 0)
    strays = [*in_epoch(1, range(3), arm="Treatment", hours=1), *in_epoch(7, range(2), hours=2)]
    store.commit(feed.batch([*strays, *in_epoch(-1, range(1), hours=3)]))
    clock.move(minutes=2)
    assert_left_out(readouts.current("exp-1"), 6)
    clock.move(days=2)  # to a border, and beyond it
    store.commit(feed.batch(in_epoch(9, range(2), hours=4)))
    assert_left_out(readouts.current("exp-1"), 8)
    store.commit(feed.batch(in_epoch(9, range(2), hours=5)))
    clock.move(days=2)
    last = readouts.current("exp-1")
    assert_left_out(last, 10)
    assert last is not None
    assert last.borders
    assert Readouts(store, FixedPlans(Plan(epoch_weights=SPLITS)), clock=clock).current("exp-1") is not None


def assert_left_out(found: Readout | None, requests: int) -> None:
    assert found is not None
    assert found.left_out_requests == requests
    assert (found.epochs, [arm.arm for arm in found.arms], found.requests) == ((1,), ["treatment"], 200)
    assert not found.srm.mismatch


def test_what_names_no_epoch_counts(store: Store, clock: SetClock) -> None:
    plan = Plan(control="control", epoch_weights=SPLITS, is_whole=True)
    rows = [{**row, "allocation_epoch": None} for row in in_epoch(1, range(200))]
    store.commit(Feed().batch(rows))
    found = Readouts(store, FixedPlans(plan), clock=clock).current("exp-1")
    assert found is not None
    assert (found.epochs, found.requests, found.left_out_requests) == ((0,), 200, 0)


def test_there_is_no_readout_of_strays_alone(store: Store, clock: SetClock) -> None:
    plan = Plan(control="control", epoch_weights=SPLITS, is_whole=True)
    store.commit(Feed().batch(in_epoch(7, range(2))))
    assert Readouts(store, FixedPlans(plan), clock=clock).current("exp-1") is None


def test_there_is_no_readout_of_what_is_not_there(store: Store, clock: SetClock) -> None:
    readouts = Readouts(store, PLANS, clock=clock)
    assert readouts.current("nothing") is None
    assert readouts.experiments() == []
    bare = many_requests(50, seed=1)
    column = bare.column_names.index("variant")
    without_arm = bare.set_column(column, "variant", pa.nulls(50, pa.string()))
    store.commit(Feed().batch(without_arm))
    assert readouts.current("exp-1") is None
    assert readouts.take_due() == []
    assert [row.experiment for row in readouts.experiments()] == ["exp-1"]


def test_the_split_that_was_deployed_is_the_one_units_are_held_against(store: Store, clock: SetClock) -> None:
    commit(store, Feed(), 0)
    unplanned = Readouts(store, clock=clock).current("exp-1")
    assert unplanned is not None
    assert (unplanned.srm.p, unplanned.srm.mismatch) == (None, False)
    by_hand(
        store,
        """
        INSERT INTO deployments BY NAME
        SELECT 'prod' AS environment, 'refund' AS prompt, 1 AS revision, now() AS event_time,
            'start' AS action, 'someone' AS changed_by, 1 AS ingest_id, now() AS ingested_at,
            [{'name': 'exp-1', 'rule': 'german', 'allocation_epoch': 1, 'arms': [
                {'variant': 'control', 'version': '1.0.0', 'weight': 0.9},
                {'variant': 'treatment', 'version': '1.1.0', 'weight': 0.1}
            ]}] AS experiments
        """,
    )
    clock.move(minutes=1)
    planned = Readouts(store, clock=clock).current("exp-1")
    assert planned is not None
    assert planned.srm.mismatch  # half of the units are in each arm
    assert planned.arms[0].words.startswith("hold: units do not arrive")


def test_a_plan_that_does_not_fit_keeps_no_other_experiment_waiting(store: Store, clock: SetClock) -> None:
    feed = Feed()
    for day, name in enumerate(("aa", "zz")):
        rows = many_requests(2_000, seed=day, experiment=name, start=START + timedelta(days=day))
        store.commit(feed.batch(rows))
    refused: dict[str, str] = {}
    plans = FixedPlans(by_experiment={"aa": Plan(control="nobody")})
    taken = Readouts(store, plans, clock=clock).take_due(
        lambda experiment, error: refused.update({experiment: str(error)})
    )
    assert [readout.experiment for readout in taken] == ["zz"]
    assert "control is 'nobody'" in refused["aa"]


def test_an_arm_that_was_to_get_units_and_has_none_is_in_the_readout(store: Store, clock: SetClock) -> None:
    commit(store, Feed(), 0)
    plan = Plan(weights={"control": 1, "treatment": 1, "broken": 1, "idle": 0})
    readout = Readouts(store, FixedPlans(plan), clock=clock).current("exp-1")
    assert readout is not None
    broken, treatment = readout.arms
    assert (broken.arm, broken.units, broken.requests, broken.decision) == ("broken", 0, 0, "hold")
    assert {found.verdict for found in broken.metrics} == {"not enough data"}
    assert readout.srm.mismatch
    assert (treatment.arm, treatment.units > 30) == ("treatment", True)
    assert Readouts(store, FixedPlans(plan), clock=clock).current("exp-1") == readout


def test_a_planned_control_that_nobody_got_yet_is_no_error(store: Store, clock: SetClock) -> None:
    commit(store, Feed(), 0)
    plan = Plan(control="late", weights={"control": 1, "treatment": 1, "late": 0})
    readout = Readouts(store, FixedPlans(plan), clock=clock).current("exp-1")
    assert readout is not None
    assert (readout.control, readout.control_units, len(readout.arms)) == ("late", 0, 2)
    assert {arm.decision for arm in readout.arms} == {"hold"}
    assert not readout.srm.mismatch


def test_the_last_arm_of_the_latest_deployment_is_control() -> None:
    assert Plan().with_deployed({1: {"a": 0.9, "b": 0.1}, 2: {"b": 0.1, "a": 0.9}}).control == "a"
    assert Plan().with_deployed({1: {"control": 0.9, "b": 0.1}}).control == "control"
    assert Plan(control="b").with_deployed({1: {"b": 0.1, "a": 0.9}}).control == "b"
    assert Plan().with_deployed({}).control is None
