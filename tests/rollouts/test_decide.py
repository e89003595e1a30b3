"""Each row of the table of states, and the order in which things come."""

from datetime import timedelta
from typing import Any

import pytest

from coalmine_analytics.results.readout import MetricEvidence
from coalmine_rollouts.decide import decide, watched
from coalmine_rollouts.decision import Decision
from coalmine_rollouts.inputs import Row
from coalmine_rollouts.records import SERVING
from coalmine_schemas.prompts import percent
from tests.support.data.rollout_inputs import (
    BEHIND,
    CLEO,
    NOW,
    PLAN,
    WITH_HOLDBACK,
    a_command,
    a_place,
    a_readout,
    a_row,
    a_traffic,
    limit,
    metric,
    plan_of,
    segment,
    the_inputs,
)


def decided(row: Row, **changes: Any) -> Decision | None:
    inputs = the_inputs(row, **changes)
    return decide(watched(row, inputs), inputs)


def outcome(decision: Decision | None) -> tuple[str, str, int, str] | None:
    if decision is None:
        return None
    return decision.kind, decision.to_state, decision.to_stage, decision.act


def test_a_stage_whose_gates_pass_gives_way_to_the_next() -> None:
    decision = decided(a_row())
    assert outcome(decision) == ("advance", "running", 1, "set_weight")
    assert decision is not None
    assert decision.weight == 0.25
    assert decision.restart_clock


def test_the_last_stage_bakes_with_a_holdback_or_without() -> None:
    with_it = decided(a_row(stage=2, plan=WITH_HOLDBACK))
    assert outcome(with_it) == ("bake", "baking", 3, "set_weight")
    assert with_it is not None
    assert with_it.weight == 0.95
    assert outcome(decided(a_row(stage=2))) == ("bake", "baking", 3, "keep")


def test_a_bake_of_no_time_is_left_out() -> None:
    plan = plan_of(bake={"time": "0s"})
    assert outcome(decided(a_row(stage=2, plan=plan))) == ("complete", "completed", 3, "keep")


def test_a_bake_in_which_nothing_was_shown_completes() -> None:
    assert outcome(decided(a_row("baking", 3, plan=WITH_HOLDBACK))) == ("complete", "completed", 3, "keep")
    assert outcome(decided(a_row("baking", 3))) == ("complete", "completed", 3, "nothing")


@pytest.mark.parametrize(("state", "stage"), [("running", 0), ("running", 2), ("paused", 1), ("baking", 3)])
@pytest.mark.parametrize("plan", [PLAN, WITH_HOLDBACK])
def test_harm_and_broken_limits_roll_back_wherever_it_is_shown(state: str, stage: int, plan: Any) -> None:
    row = a_row(state, stage, plan=plan)
    act = "go_back" if state == "baking" and plan is PLAN else "stop"
    wanted = ("roll_back", "rolled_back", stage, act)
    assert outcome(decided(row, readout=a_readout("rollback"))) == wanted
    broken = a_readout("rollback", limits=(limit(broken=True, bad_units=9, units=9, limit=0.005),))
    decision = decided(row, readout=broken)
    assert outcome(decision) == wanted
    assert decision is not None
    assert decision.reasons == ("limit: error_rate of 9 in 9 units, allowed is 0.5%",)


def test_harm_in_a_segment_rolls_back_or_holds_as_the_plan_says() -> None:
    harmed = a_readout("hold", segments=(segment(harmed=True), segment(value="en")))
    decision = decided(a_row(), readout=harmed)
    assert outcome(decision) == ("roll_back", "rolled_back", 0, "stop")
    assert decision is not None
    assert decision.reasons == ("harm: quality is worse where language is de",)
    holding = decided(a_row(plan=plan_of(on_segment_harm="hold")), readout=harmed)
    assert outcome(holding) == ("hold", "running", 0, "nothing")
    assert holding is not None
    assert holding.reasons == ("segment:language=de: quality is worse where language is de",)


def test_harm_in_a_bake_holds_if_the_plan_says_so() -> None:
    plan = plan_of(bake={"time": "24h", "holdback": "5%", "rollback": False})
    decision = decided(a_row("baking", 3, plan=plan), readout=a_readout("rollback"))
    assert outcome(decision) == ("hold", "baking", 3, "nothing")


def test_harm_of_a_segment_in_a_bake_holds_if_the_plan_says_so() -> None:
    plan = plan_of(bake={"time": "24h", "holdback": "5%", "rollback": False})
    decision = decided(a_row("baking", 3, plan=plan), readout=a_readout(segments=(segment(harmed=True),)))
    assert outcome(decision) == ("hold", "baking", 3, "nothing")


def test_harm_comes_before_what_people_ask_for_and_before_holds() -> None:
    row = a_row(held={"srm": "no"})
    decision = decided(
        row, readout=a_readout("rollback"), commands=(a_command("promote_force"), a_command("pause", id=2))
    )
    assert outcome(decision) == ("roll_back", "rolled_back", 0, "stop")


@pytest.mark.parametrize(("state", "stage"), [("running", 0), ("paused", 1), ("baking", 3)])
def test_abort_takes_it_back_whatever_was_seen(state: str, stage: int) -> None:
    row = a_row(state, stage, plan=WITH_HOLDBACK)
    given = a_command("abort", seen_row_version=1)
    decision = decided(row, commands=(a_command("approve", id=0), given))
    assert outcome(decision) == ("abort", "aborted", stage, "stop")
    assert decision is not None
    assert decision.command == given


def test_a_pause_keeps_weights_and_a_resume_restarts_the_clock() -> None:
    assert outcome(decided(a_row(), commands=(a_command("pause"),))) == ("pause", "paused", 0, "nothing")
    decision = decided(a_row("paused", 1), commands=(a_command("resume"),))
    assert outcome(decision) == ("resume", "running", 1, "set_weight")
    assert decision is not None
    assert decision.restart_clock
    assert outcome(decided(a_row("paused", 3), commands=(a_command("resume"),))) == (
        "resume",
        "baking",
        3,
        "nothing",
    )


@pytest.mark.parametrize("stage", [-1, 2, 9])
def test_resuming_skips_no_stage(stage: int) -> None:
    decision = decided(a_row("paused", 1), commands=(a_command("resume", arguments={"stage": stage}),))
    assert outcome(decision) == ("refuse", "paused", 1, "nothing")


def test_resuming_after_weights_were_set_by_hand_asks_which_stage_this_is() -> None:
    row = a_row("paused", 0, reasons=("manual_weights: dana gave 30%",))
    assert outcome(decided(row, commands=(a_command("resume"),))) == ("refuse", "paused", 0, "nothing")
    beyond = a_command("resume", arguments={"stage": 3})  # the bake: everybody, of which there is no proof
    assert outcome(decided(row, commands=(beyond,))) == ("refuse", "paused", 0, "nothing")
    named = a_command("resume", arguments={"stage": 1})
    assert outcome(decided(row, commands=(named,))) == ("resume", "running", 1, "set_weight")


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_forced_promotion_is_marked_as_without_proof(state: str) -> None:
    decision = decided(
        a_row(state, 0, plan=WITH_HOLDBACK), readout=a_readout("hold"), commands=(a_command("promote_force"),)
    )
    assert outcome(decision) == ("bake", "baking", 3, "set_weight")
    assert decision is not None
    assert decision.reasons[0] == "without proof: bob: because"


def test_a_command_on_a_stale_view_is_refused_with_what_changed() -> None:
    decision = decided(a_row(), commands=(a_command("pause", seen_row_version=6),))
    assert outcome(decision) == ("refuse", "running", 0, "nothing")
    assert decision is not None
    assert "at row version 7 and not 6" in (decision.answer or "")


@pytest.mark.parametrize(
    ("when", "wanted"),
    [
        ("stop", ("expire", "expired", 0, "stop")),
        ("complete", ("bake", "baking", 3, "keep")),
        ("hold", ("hold", "running", 0, "nothing")),
    ],
)
def test_time_that_is_used_up_ends_as_the_plan_says(when: str, wanted: tuple[str, str, int, str]) -> None:
    plan = plan_of(max_duration="1d", when_inconclusive=when)
    assert outcome(decided(a_row(plan=plan), readout=a_readout("hold"))) == wanted


@pytest.mark.parametrize(
    ("row", "changes"),
    [
        ({"state": "paused"}, {}),
        ({}, {"frozen": "by dana: holidays"}),
        ({}, {"readout": None}),
        ({}, {"readout": a_readout("hold", srm=True)}),
        ({"window": "Wed 09:00-17:00 Europe/Berlin"}, {}),  # it is a Tuesday
        ({"approve_before": ["complete"]}, {}),
        ({"approve_before": ["50%"]}, {}),
    ],
)
def test_time_that_is_used_up_shows_it_to_nobody_else_while_something_forbids_that(
    row: dict[str, Any], changes: dict[str, Any]
) -> None:
    state = row.pop("state", "running")
    plan = plan_of(max_duration="1d", when_inconclusive="complete", **row)
    decision = decided(a_row(state, plan=plan), **{"readout": a_readout("hold"), **changes})
    assert decision is None or (decision.kind, decision.act) == ("hold", "nothing")


@pytest.mark.parametrize(
    ("limits", "arm"),
    [
        ({"max_exposed_units": 1_000}, {"units": 1_000}),
        (
            {"max_extra_cost_usd": 5.0},
            {"metrics": (metric("cost_per_request", control_value=0.01, value=0.02),), "units": 200},
        ),
    ],
)
def test_exposure_that_is_used_up_expires(limits: dict[str, Any], arm: dict[str, Any]) -> None:
    plan = plan_of(when_inconclusive="stop", **limits)
    decision = decided(a_row(plan=plan, full=False), readout=a_readout("hold", **arm))
    assert outcome(decision) == ("expire", "expired", 0, "stop")


def test_a_suspicion_keeps_the_stage_only_as_long_as_patience_lasts() -> None:
    doubt = metric(effect=-0.02, evidence=MetricEvidence(0.3, 0.15, 0.9, 0.9))
    readout = a_readout("hold", metrics=(doubt,))
    row = a_row(stage=0)
    decision = decided(row, readout=readout)
    assert outcome(decision) == ("hold", "running", 0, "nothing")  # 30 h are more than 3 times the hour
    assert decision is not None
    assert decision.reasons[0].startswith("inconclusive: neither harm nor its absence")
    assert decided(a_row(plan=plan_of(max_duration="30d", stages=_of_a_day())), readout=readout) is None


def _of_a_day() -> list[dict[str, Any]]:
    return [{"weight": "5%", "min_time": "24h"}, {"weight": "50%", "min_time": "24h", "gate": "not_worse"}]


def test_a_suspicion_that_the_data_no_longer_bear_out_is_none() -> None:
    past = metric(effect=0.0, evidence=MetricEvidence(0.3, 0.15, 0.9, 0.9))
    assert outcome(decided(a_row(), readout=a_readout("hold", metrics=(past,)))) == (
        "advance",
        "running",
        1,
        "set_weight",
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"readout": None}, "0 of 100 units"),
        ({"readout": a_readout(units=99)}, "99 of 100 units"),
        ({"readout": a_readout(control_units=80)}, "80 of 100 units"),
        ({"frozen": "by dana: holidays"}, "frozen"),
    ],
)
def test_without_proof_of_data_or_while_it_is_closed_nothing_advances(
    changes: dict[str, Any], reason: str
) -> None:
    assert decided(a_row(), **changes) is None
    assert reason


def test_a_metric_that_nobody_sends_is_not_waited_for_and_one_that_an_arm_lacks_is() -> None:
    unsent = metric("cost_per_request_uncached", units=0, control_units=0, verdict="not enough data")
    decision = decided(a_row(), readout=a_readout("hold", metrics=(metric(), unsent)))
    assert outcome(decision) == ("advance", "running", 1, "set_weight")
    lacking = metric("cost_per_request_uncached", units=0, control_units=900, verdict="not enough data")
    assert decided(a_row(), readout=a_readout("hold", metrics=(metric(), lacking))) is None


def test_without_its_time_nothing_advances() -> None:
    assert decided(a_row(full=False)) is None


def test_the_last_stage_waits_for_proof() -> None:
    assert decided(a_row(stage=2), readout=a_readout("hold")) is None


def test_a_known_version_needs_no_more_than_no_harm() -> None:
    plan = plan_of(stages=[{"weight": "50%", "min_time": "1h", "gate": "no_harm_if_known"}])
    readout = a_readout("hold")
    assert decided(a_row(plan=plan), readout=readout) is None
    decision = decided(a_row(plan=plan, known=True), readout=readout)
    assert outcome(decision) == ("bake", "baking", 1, "keep")
    assert decision is not None
    assert decision.reasons[0].startswith("without proof")


def test_a_window_that_is_closed_keeps_it_where_it_is() -> None:
    plan = plan_of(window="Wed 09:00-17:00 Europe/Berlin")  # it is a Tuesday
    assert decided(a_row(plan=plan)) is None


def test_what_a_person_has_to_approve_waits_for_another_than_who_started_it() -> None:
    plan = plan_of(approve_before=["25%"])
    row = a_row(plan=plan)
    assert decided(row) is None
    assert outcome(decided(row, commands=(a_command("approve"),))) == ("refuse", "running", 0, "nothing")
    decision = decided(row, commands=(a_command("approve", actor=CLEO),))
    assert outcome(decision) == ("approve", "running", 0, "nothing")
    assert decision is not None
    assert decision.approved == percent(0.25)


# Who else changes the place


@pytest.mark.parametrize("state", sorted(SERVING))
@pytest.mark.parametrize("readout", [a_readout("promote"), a_readout("rollback")])
def test_a_place_that_somebody_changed_supersedes_it_and_nothing_is_undone(state: str, readout: Any) -> None:
    row = a_row(state, 3 if state == "baking" else 0, plan=WITH_HOLDBACK)
    place = a_place(row, revision=4, version="1.0.0", experiment=None, weight=None)
    decision = decided(row, place=place, readout=readout, commands=(a_command("abort"),))
    assert outcome(decision) == ("supersede", "superseded", row.rollout.stage, "nothing")
    assert decision is not None
    assert decision.reasons[0].startswith("dana at 2026-03-10 11:57 UTC made it serve 1.0.0")


def test_another_version_where_it_bakes_without_holdback_supersedes_it() -> None:
    row = a_row("baking", 3)
    assert outcome(decided(row, place=a_place(row, version="1.2.0"))) == (
        "supersede",
        "superseded",
        3,
        "nothing",
    )


def test_a_revision_that_moved_with_the_place_unchanged_changes_nothing() -> None:
    row = a_row(full=False)
    assert decided(row, place=a_place(row, revision=9)) is None


def test_weights_that_were_changed_by_hand_pause_it() -> None:
    row = a_row()
    decision = decided(row, place=a_place(row, revision=4, weight=0.3))
    assert outcome(decision) == ("pause", "paused", 0, "nothing")
    assert decision is not None
    assert decision.reasons[0].startswith("manual_weights: dana")


@pytest.mark.parametrize("place", [{"revision": 4, "weight": 0.3}, {"revision": 1}])
def test_what_is_to_be_aborted_is_not_paused_first(place: dict[str, Any]) -> None:
    row = a_row()
    decision = decided(row, place=a_place(row, **place), commands=(a_command("abort"),))
    assert decision is not None
    assert (decision.kind, decision.to_state) == ("abort", "aborted")


def test_a_registry_that_was_set_back_pauses_it() -> None:
    row = a_row()
    decision = decided(row, place=a_place(row, revision=2))
    assert outcome(decision) == ("pause", "paused", 0, "nothing")
    assert decision is not None
    assert decision.reasons[0].startswith("rewound")


# Advice


def test_where_it_only_advises_it_says_once_what_it_would_do() -> None:
    plan = plan_of(mode="advise")
    decision = decided(a_row(plan=plan))
    assert outcome(decision) == ("advise", "running", 0, "nothing")
    assert decision is not None
    assert decision.reasons[0] == "would advance with 25%"
    assert decided(a_row(plan=plan, told=(decision.told,))) is None
    harmed = decided(a_row(plan=plan, told=(decision.told,)), readout=a_readout("rollback"))
    assert outcome(harmed) == ("advise", "running", 0, "nothing")


def test_where_it_only_advises_people_can_still_abort() -> None:
    decision = decided(a_row(plan=plan_of(mode="advise")), commands=(a_command("abort"),))
    assert outcome(decision) == ("abort", "aborted", 0, "stop")


def test_advice_that_was_given_keeps_nobody_from_aborting_and_advises_nothing_else() -> None:
    row = a_row(plan=plan_of(mode="advise"), told=("roll_back 0",))
    harmed = a_readout("rollback")
    assert decided(row, readout=harmed) is None
    decision = decided(row, readout=harmed, commands=(a_command("abort"),))
    assert outcome(decision) == ("abort", "aborted", 0, "stop")


# After the end


@pytest.mark.parametrize(
    "state", ["completed", "rolled_back", "aborted", "expired", "superseded", "cancelled"]
)
def test_what_has_ended_stays_so(state: str) -> None:
    row = a_row(state, 1, ended_at=NOW - timedelta(minutes=1), told=("late_harm",))
    place = a_place(row, experiment=None, version="1.0.0")
    assert decided(row, place=place, readout=a_readout("rollback"), commands=(a_command("abort"),)) is None


def test_harm_that_late_data_show_is_said_once_and_changes_nothing() -> None:
    row = a_row("completed", 3, ended_at=NOW - timedelta(hours=1))
    decision = decided(row, readout=a_readout("rollback"))
    assert outcome(decision) == ("notice", "completed", 3, "nothing")
    assert decision is not None
    assert decision.reasons[0].startswith("late_harm: roll back: worse in quality; nothing was changed")
    assert decision.told == "late_harm"
    assert decided(row) is None


def test_when_a_rollback_has_reached_everybody_it_is_said() -> None:
    row = a_row("rolled_back", 1, ended_at=NOW - timedelta(minutes=7))
    last = NOW - timedelta(minutes=6)
    decision = decided(row, traffic=a_traffic(treated_at=last, watermark=NOW))
    assert outcome(decision) == ("notice", "rolled_back", 1, "nothing")
    assert decision is not None
    assert decision.effective_at == last
    assert decision.reasons == (f"effective: nobody was served it after {last:%Y-%m-%d %H:%M:%S} UTC",)


def test_a_rollback_that_does_not_reach_an_application_is_said_once() -> None:
    row = a_row("rolled_back", 1, ended_at=NOW - timedelta(minutes=7))
    late = a_traffic(treated_at=NOW - timedelta(seconds=10), behind=(BEHIND,))
    decision = decided(row, traffic=late)
    assert outcome(decision) == ("notice", "rolled_back", 1, "nothing")
    assert decision is not None
    assert decision.reasons == ("rollback_incomplete: still served by billing 0.3.1 (cached)",)
    assert (
        decided(
            a_row("rolled_back", 1, ended_at=NOW - timedelta(minutes=7), told=(decision.told,)), traffic=late
        )
        is None
    )
