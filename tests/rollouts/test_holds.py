"""The situations in which a rollout does not go on, and that none of them stands before harm."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from coalmine_analytics.results.readout import HeavyUnitReadout
from coalmine_rollouts.decide import decide, watched
from coalmine_rollouts.holds import held_for, tracked
from coalmine_rollouts.inputs import Held, Inputs, Row, Usual
from tests.support.data.rollout_inputs import (
    BEHIND,
    NOW,
    WITH_HOLDBACK,
    a_readout,
    a_row,
    a_traffic,
    an_arm,
    metric,
    plan_of,
    the_inputs,
)

OLD = NOW - timedelta(minutes=30)
USUAL = Usual(requests_per_h=3_600.0, error_share=0.01, latency_ms=800.0)
JUDGED = plan_of(metrics={"faithful": {"role": "must_not_harm", "direction": "higher"}})
QUIET = an_arm(requests=0, last_at=OLD, models={}, errors=0, latency_ms=0.0)
OTHER = {"gpt-5-mini": 500}
SIGNAL = metric("output_tokens", role="signal", verdict="worse", words="worse than control by more than 30%")

SITUATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no data at all": (
        {"traffic": a_traffic(treatment=QUIET, control=QUIET, assigned=0, on_epoch=0)},
        "no_traffic",
    ),
    "no data of the treatment": ({"traffic": a_traffic(treatment=QUIET)}, "arm_missing"),
    "a metric without values": (
        {"traffic": a_traffic(missing_metrics={"quality": "scores"})},
        "metric_missing:quality",
    ),
    "a metric of the plan that never had a value": (
        {"traffic": a_traffic(missing_metrics={"faithful": "no route to the model"})},
        "metric_missing:faithful",
    ),
    "ingest behind": ({"source_lag_s": 360.0}, "ingest_stale"),
    "nothing comes in": ({"traffic": a_traffic(watermark=OLD, usual=USUAL)}, "ingest_stale"),
    "sample ratio": ({"readout": a_readout("hold", srm=True)}, "srm"),
    "an outage of both arms": (
        {"traffic": a_traffic(control=an_arm(errors=200), usual=USUAL)},
        "unstable",
    ),
    "both arms slow": (
        {"traffic": a_traffic(control=an_arm(latency_ms=1_000_000.0), usual=USUAL)},
        "unstable",
    ),
    "another model for both": (
        {"traffic": a_traffic(control=an_arm(models=OTHER), treatment=an_arm(models=OTHER))},
        "model_changed",
    ),
    "another model for one arm": ({"traffic": a_traffic(treatment=an_arm(models=OTHER))}, "arms_not_alike"),
    "clients behind": ({"traffic": a_traffic(on_epoch=500, behind=(BEHIND,))}, "clients_behind"),
    "a signal": ({"readout": a_readout("hold", metrics=(metric(), SIGNAL))}, "signal:output_tokens"),
    "a failed tick": ({"error": "ValueError: no"}, "controller_error"),
    "a refused step": ({"refusals": ("approval: ann wrote it",)}, "refused"),
}


def held(row: Row, inputs: Inputs) -> set[str]:
    return set(held_for(row, inputs))


@pytest.mark.parametrize("name", SITUATIONS)
def test_each_situation_holds_and_nothing_else(name: str) -> None:
    changes, hold = SITUATIONS[name]
    row = a_row(plan=JUDGED)
    inputs = the_inputs(row, **changes)
    assert held(row, inputs) == {hold}
    decision = decide(watched(row, inputs), inputs)
    assert decision is not None
    assert (decision.kind, decision.to_state, decision.act) == ("hold", "running", "nothing")


@pytest.mark.parametrize("name", SITUATIONS)
@pytest.mark.parametrize(("state", "stage"), [("running", 0), ("paused", 1), ("baking", 3)])
def test_harm_is_acted_upon_in_each_situation(name: str, state: str, stage: int) -> None:
    changes, _ = SITUATIONS[name]
    row = a_row(state, stage, plan=WITH_HOLDBACK)
    readout = a_readout("rollback", srm=name == "sample ratio")
    inputs = the_inputs(row, **{**changes, "readout": readout})
    decision = decide(watched(row, inputs), inputs)
    assert decision is not None
    assert (decision.kind, decision.act) == ("roll_back", "stop")


def test_everything_fine_holds_nothing() -> None:
    row = a_row()
    assert held(row, the_inputs(row, traffic=a_traffic(usual=USUAL))) == set()


def test_versions_that_ask_for_different_models_may_be_answered_by_different_ones() -> None:
    row = a_row()
    inputs = the_inputs(row, traffic=a_traffic(treatment=an_arm(models=OTHER)), same_model=False)
    assert held(row, inputs) == set()


@pytest.mark.parametrize(
    "change",
    [
        {"treatment": an_arm(requests=0, last_at=OLD), "control": an_arm(requests=100)},  # few to be expected
        {"treatment": an_arm(requests=0, last_at=NOW - timedelta(minutes=4))},  # not for long
        {"control": an_arm(errors=8, requests=29), "usual": USUAL},
        {"on_epoch": 590},
        {"assigned": 2, "on_epoch": 0},
    ],
)
def test_what_may_be_chance_holds_nothing(change: dict[str, Any]) -> None:
    row = a_row()
    assert held(row, the_inputs(row, traffic=a_traffic(**change))) == set()


def test_clients_have_time_to_follow_before_they_are_named() -> None:
    row = a_row(full=False)
    began = NOW - timedelta(seconds=90)
    row = replace(row, clock=replace(row.clock, began_at=began, observed_at=None))
    late = a_traffic(on_epoch=100, behind=(BEHIND,))
    assert held(row, the_inputs(row, traffic=late)) == set()
    row = replace(row, clock=replace(row.clock, began_at=began - timedelta(minutes=1)))
    (text,) = held_for(row, the_inputs(row, traffic=late)).values()
    assert text == "only 17% of requests follow the current weights; behind are billing 0.3.1 (cached)"


def test_a_changed_model_holds_until_the_stage_has_had_its_time_again() -> None:
    changed = a_traffic(control=an_arm(models=OTHER), treatment=an_arm(models=OTHER))
    row = a_row()
    inputs = the_inputs(row, traffic=changed)
    decision = decide(watched(row, inputs), inputs)
    assert decision is not None
    assert decision.restart_clock
    later = a_row(full=False, held={"model_changed": "the provider changed the model"})
    assert held(later, the_inputs(later)) == {"model_changed"}
    after = a_row(held={"model_changed": "the provider changed the model"})
    assert held(after, the_inputs(after)) == set()


def test_a_hold_is_released_once_its_reason_was_gone_for_two_ticks_and_half_a_minute() -> None:
    standing = {"srm": Held(text="no", since=OLD)}
    once = tracked(standing, {}, NOW)
    twice = tracked(once, {}, NOW + timedelta(seconds=5))
    assert set(once) == set(twice) == {"srm"}
    assert set(tracked(twice, {}, NOW + timedelta(seconds=29))) == {"srm"}
    assert tracked(twice, {}, NOW + timedelta(seconds=31)) == {}
    ahead = tracked(once, {}, NOW - timedelta(days=1))  # the clock was set back
    assert tracked(ahead, {}, NOW - timedelta(days=1) + timedelta(seconds=31)) == {}
    back = tracked(twice, {"srm": "again"}, NOW + timedelta(seconds=10))
    assert set(tracked(back, {}, NOW + timedelta(seconds=31))) == {"srm"}


def test_one_message_for_each_change_of_the_set() -> None:
    row = a_row(held={"srm": "units do not arrive"})
    inputs = the_inputs(row, readout=a_readout("hold", srm=True))
    assert decide(watched(row, inputs), inputs) is None
    more = the_inputs(row, readout=a_readout("hold", srm=True), source_lag_s=900.0)
    decision = decide(watched(row, more), more)
    assert decision is not None
    assert [each.partition(":")[0] for each in decision.reasons] == ["ingest_stale"]


def test_the_clock_stands_while_a_hold_does() -> None:
    row = a_row(full=False, held={"srm": "no"})
    buckets = tuple(NOW - timedelta(minutes=5 * each) for each in (1, 2))
    inputs = the_inputs(row, readout=a_readout("hold", srm=True), traffic=a_traffic(buckets=buckets))
    assert watched(row, inputs).clock.seen_s == 0.0
    free = a_row(full=False)
    assert watched(free, the_inputs(free, traffic=a_traffic(buckets=buckets))).clock.seen_s == 300.0


@pytest.mark.parametrize(
    ("plan", "changes", "reason"),
    [
        ({"on_srm": "stop"}, {"readout": a_readout("hold", srm=True)}, "srm: more in treatment"),
        (
            {"when_blind": {"after": "30m", "do": "stop"}},
            {"source_lag_s": 900.0},
            "blind: nothing was measured for 1 h",
        ),
    ],
)
def test_a_plan_may_end_what_it_would_hold(
    plan: dict[str, Any], changes: dict[str, Any], reason: str
) -> None:
    row = a_row(
        plan=plan_of(**plan), held={"ingest_stale": "ingest is behind"} if "when_blind" in plan else {}
    )
    inputs = the_inputs(row, **changes)
    decision = decide(watched(row, inputs), inputs)
    assert decision is not None
    assert (decision.kind, decision.to_state, decision.act) == ("expire", "expired", "stop")
    assert decision.reasons == (reason,)


@pytest.mark.parametrize(("share", "units", "holds"), [(0.5, 30, True), (0.49, 30, False), (0.9, 29, False)])
def test_one_unit_proves_nothing_for_all(share: float, units: int, holds: bool) -> None:
    row = a_row()
    heavy = HeavyUnitReadout(unit_id="user-1", requests=900, share=share)
    readout = a_readout(units=units, heavy_units=(heavy,))
    assert ("one_unit" in held_for(row, the_inputs(row, readout=readout))) is holds
