"""What depends on a metric: roles, metrics that cannot be judged, and what a promotion needs."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from coalmine_analytics.metrics import Metric, MetricOverride, Size, planned
from coalmine_analytics.readout import Plan, read_out
from coalmine_analytics.results.readout import ArmReadout, MetricReadout, Readout
from coalmine_analytics.results.verdicts import Role
from coalmine_consumers.experiments import ExperimentSums
from tests.support.data.simulated_experiment import METRICS, Service, looks

START = datetime(2026, 3, 10, tzinfo=UTC)
EVEN = Service(canary_share=0.5, units_per_look=4_000, looks=3)


def watch(found: Sequence[ExperimentSums], plan: Plan, before: Readout | None = None) -> Readout:
    """The readout of the last of some looks."""
    for number, sums in enumerate(found):
        before = read_out(sums, plan, taken_at=START + timedelta(hours=number), before=before)
    assert before is not None
    return before


def arm(readout: Readout) -> ArmReadout:
    (found,) = readout.arms
    return found


def metric(readout: Readout, name: str) -> MetricReadout:
    (found,) = [each for each in arm(readout).metrics if each.metric == name]
    return found


def quality(role: Role, margin: float = 0.03) -> Plan:
    return Plan(overrides={"quality": MetricOverride(role=role, margin=Size(margin, relative=True))})


def without(sums: ExperimentSums, name: str) -> ExperimentSums:
    rows = [row for row, metric in enumerate(sums.metrics) if metric != name]
    return replace(sums, metrics=tuple(sums.metrics[row] for row in rows), x=sums.x[rows], y=sums.y[rows])


def with_nothing_of(sums: ExperimentSums, row: int) -> ExperimentSums:
    y = sums.y.copy()
    y[row] = 0.0
    return replace(sums, y=y)


@pytest.mark.parametrize(
    ("role", "decision", "words"),
    [
        ("must_prove", "rollback", "roll back: worse in quality"),
        ("must_not_harm", "rollback", "roll back: worse in quality"),
        ("signal", "hold", "hold: worse in quality, a signal"),
        ("shown", "promote", "promote"),
    ],
)
def test_the_role_says_what_harm_leads_to(role: Role, decision: str, words: str) -> None:
    worse = list(looks(replace(EVEN, quality_effect=-0.06), 1))
    found = watch(worse, quality(role))
    assert (arm(found).decision, arm(found).words[: len(words)]) == (decision, words)
    assert metric(found, "quality").verdict == "worse"


def test_one_of_many_metrics_is_better_only_with_their_number_counted() -> None:
    # Units come slowly enough that its p passes alpha long before it passes what is left for one of many.
    service = replace(EVEN, quality_effect=0.02, units_per_look=60, looks=80)
    judged = sum(each.role != "shown" and each.direction != "same" for each in planned({}))
    before, seen = None, []
    for number, sums in enumerate(looks(service, 4)):
        before = read_out(sums, Plan(), taken_at=START + timedelta(hours=number), before=before)
        seen.append(metric(before, "quality"))
        if seen[-1].verdict == "better":
            break
    p = [each.evidence.better or 1.0 for each in seen]
    assert seen[-1].verdict == "better"
    assert seen[-1].adjusted_p == pytest.approx(judged * p[-1])
    assert p[-1] <= 0.05 / judged < p[-2] <= 0.05


def test_what_is_0_everywhere_holds_up_no_promotion() -> None:
    cost, errors = (METRICS.index(name) for name in ("cost_uncached_nano_usd.capped", "errors"))
    free = [with_nothing_of(sums, cost) for sums in looks(EVEN, 2)]
    early, found = watch(free[:1], Plan()), watch(free, Plan())
    at = metric(found, "cost_per_request_uncached")
    assert (at.verdict, at.value, at.required, at.units_needed) == ("undecided", 0.0, False, None)
    assert metric(early, "cost_per_request_uncached").required
    assert arm(found).decision == "promote"
    assert ", cost_per_request_uncached, " in arm(found).words
    # Quality of 0 is as bad as can be, and more likely that of a broken judge.
    useless = watch([with_nothing_of(sums, METRICS.index("quality")) for sums in looks(EVEN, 2)], Plan())
    assert (arm(useless).decision, metric(useless, "quality").required) == ("hold", True)
    # Of a rate 0 is an answer, which it takes units to prove.
    few = Plan(overrides={"error_rate": MetricOverride(margin=Size(1e-5))})
    faultless = [with_nothing_of(sums, errors) for sums in looks(EVEN, 2)]
    assert metric(watch(faultless, few), "error_rate").required


def test_only_what_must_be_proven_waits_for_proof() -> None:
    equal = list(looks(EVEN, 2))
    unprovable = 1e-6
    held = watch(equal, quality("must_prove", unprovable))
    assert arm(held).decision == "hold"
    assert "quality" in arm(held).words
    for role in ("must_not_harm", "signal"):
        assert arm(watch(equal, quality(role, unprovable))).decision == "promote", role


def test_a_tolerance_is_a_third_of_the_margin_unless_another_is_given() -> None:
    plain = Metric("zeal", "mean", "", "higher", "zeal", margin=Size(0.06, relative=True))
    assert plain.tolerance == Size(0.02, relative=True)
    assert MetricOverride(margin=Size(0.75)).applied_to(plain).tolerance == Size(0.25)
    assert MetricOverride(tolerance=Size(0.0)).applied_to(plain).tolerance == Size(0.0)
    assert MetricOverride(margin=Size(0.0)).applied_to(plain).tolerance == Size(0.0)


def test_what_was_promoted_within_the_margin_is_not_rolled_back_later() -> None:
    slightly = replace(EVEN, quality_effect=-0.005, units_per_look=20_000, looks=12)
    for seed in range(3):
        assert arm(watch(list(looks(slightly, seed)), Plan())).decision == "promote"
    contradicting = Plan(overrides={"quality": MetricOverride(tolerance=Size(0.0))})
    assert arm(watch(list(looks(slightly, 0)), contradicting)).decision == "rollback"


def test_a_promotion_needs_the_minimum_of_units() -> None:
    equal = list(looks(EVEN, 3))
    units = arm(watch(equal, Plan())).units
    held = arm(watch(equal, Plan(min_units=2 * units)))
    assert held.decision == "hold"
    assert held.units_needed == pytest.approx(2 * units, rel=0.1)
    assert held.words == f"hold: a promotion needs {2 * units:,} units in the arm, and there are {units:,}"


def test_a_metric_without_values_is_not_applicable_and_holds_nothing_up() -> None:
    found = watch([without(sums, "quality") for sums in looks(EVEN, 4)], Plan())
    assert arm(found).decision == "promote"
    assert "not applicable: " in arm(found).words
    assert "quality" in arm(found).words
    missing = metric(found, "quality")
    assert (missing.verdict, missing.required, missing.value) == ("not applicable", False, None)
    assert "units has a value" in missing.words
    early = watch([without(sums, "quality") for sums in looks(EVEN, 4)], Plan(min_units=10**6))
    assert metric(early, "quality").verdict == "not enough data"
    assert metric(early, "quality").required


def rated_once(sums: ExperimentSums, ratings: int = 1) -> ExperimentSums:
    """Some units of the canary, and none of control, gave a rating."""
    x = np.zeros_like(sums.x[:1])
    x[0, 0, 0, :ratings] = 1
    names = (*sums.metrics, "zeal")
    return replace(sums, metrics=names, x=np.concatenate([sums.x, x]), y=np.concatenate([sums.y, 4 * x]))


def test_a_single_value_in_a_whole_experiment_holds_nothing_up() -> None:
    plan = Plan(overrides={"zeal": MetricOverride(role="must_prove", direction="higher")})
    found = watch([rated_once(sums) for sums in looks(EVEN, 5)], plan)
    assert metric(found, "zeal").verdict == "not applicable"
    assert arm(found).decision == "promote"


def test_values_in_one_arm_alone_hold() -> None:
    plan = Plan(overrides={"zeal": MetricOverride(role="must_prove", direction="higher")})
    found = watch([rated_once(sums, 200) for sums in looks(EVEN, 5)], plan)
    assert metric(found, "zeal").verdict == "not enough data"
    assert (arm(found).decision, arm(found).words) == ("hold", "hold: not enough data yet for zeal")


def test_a_metric_that_comes_late_is_shown_and_not_required() -> None:
    first, *others = looks(EVEN, 6)
    unprovable = quality("must_prove", 1e-6)
    late = watch([without(first, "quality"), without(others[0], "quality"), *others], unprovable)
    assert arm(late).decision == "promote"
    in_time = watch([without(first, "quality"), *others, others[-1]], unprovable)
    assert arm(in_time).decision == "hold", "within the first hour it is not settled yet"
    found = metric(late, "quality")
    assert (found.verdict, found.required) == ("undecided", False)
    assert "not required" in found.words
    assert arm(watch([first, *others], unprovable)).decision == "hold"


def test_the_family_is_that_of_the_plan_whatever_has_data() -> None:
    sums = list(looks(replace(EVEN, quality_effect=-0.01, looks=1), 7))
    whole = metric(watch(sums, Plan()), "error_rate")
    less = metric(watch([without(sums[0], "quality")], Plan()), "error_rate")
    assert whole.evidence.harm == less.evidence.harm
    named = Plan(overrides={"zeal": MetricOverride(role="must_prove", direction="higher")})
    assert whole.adjusted_p == pytest.approx(less.adjusted_p, rel=0.2)
    worse = list(looks(replace(EVEN, quality_effect=-0.04, looks=1), 7))
    smallest = min(
        (each for each in arm(watch(worse, named)).metrics if each.evidence.harm is not None),
        key=lambda each: each.evidence.harm or 1.0,
    )
    assert smallest.evidence.harm is not None
    assert 0 < smallest.evidence.harm < 0.01
    assert smallest.adjusted_p == pytest.approx(14 * smallest.evidence.harm)


def test_a_harm_that_is_only_suspected_keeps_an_arm_from_being_promoted() -> None:
    """Shown to be within the margin, and yet by now it looks worse: promoting would be taken back later."""
    good = list(looks(EVEN, 8))
    proven = watch(good, Plan(min_units=100, goals=frozenset({"quality"})))
    bad = replace(EVEN, quality_effect=-0.05, units_per_look=700, looks=1)
    later = START + timedelta(days=1)
    held = arm(read_out(next(looks(bad, 8)), Plan(min_units=100), taken_at=later, before=proven))
    assert held.decision == "hold"
    assert held.words.startswith("hold: quality ")
    assert arm(read_out(good[-1], Plan(min_units=100), taken_at=later, before=proven)).decision == "promote"


def test_without_control_the_readout_says_so_and_not_what_was_decided_before() -> None:
    ramp = list(looks(replace(EVEN, ramp_to=0.5), 9))
    both = {"canary": 0.5, "control": 0.5}
    plan = Plan(epoch_weights={1: both, 2: both})
    promoted = watch(ramp, plan)
    assert (arm(promoted).decision, promoted.no_control_since) == ("promote", None)
    alone = replace(plan, epoch_weights={1: both, 2: {"canary": 1.0, "control": 0.0}})
    found = watch(ramp[-1:], alone, promoted)
    assert found.no_control_since == 2
    assert (arm(found).decision, arm(found).words) == (
        "hold",
        "hold: no control since epoch 2, nothing to compare with",
    )
    longer = replace(alone, epoch_weights={**alone.epoch_weights, 3: {"canary": 1.0}})
    assert watch(ramp[-1:], longer).no_control_since == 2
    assert (
        watch(ramp[-1:], replace(longer, epoch_weights={**longer.epoch_weights, 4: both})).no_control_since
        is None
    )


def test_a_rollback_stands_without_control() -> None:
    worse = list(looks(replace(EVEN, quality_effect=-0.06), 1))
    alone = Plan(epoch_weights={1: {"canary": 1.0, "control": 0.0}})
    assert arm(watch(worse, alone, watch(worse, Plan()))).decision == "rollback"


def test_the_budget_of_alpha_is_stated() -> None:
    budget = watch(list(looks(replace(EVEN, looks=1), 1)), Plan()).budget
    assert (budget.overall, budget.segments, budget.limits) == pytest.approx((0.04, 0.009, 0.001))


def test_values_that_are_all_the_same_pass_and_are_said_to_be() -> None:
    def constant(sums: ExperimentSums) -> ExperimentSums:
        y = sums.y.copy()
        y[METRICS.index("quality")] = 0.17 * sums.x[METRICS.index("quality")]
        return replace(sums, y=y)

    found = watch([constant(sums) for sums in looks(EVEN, 10)], Plan())
    assert arm(found).decision == "promote"
    assert metric(found, "quality").verdict == "not worse"
    assert "every value is the same in both arms" in metric(found, "quality").words


def test_units_that_could_not_come_back_yet_are_no_metric_that_cannot_be() -> None:
    found = metric(watch(list(looks(EVEN, 11)), Plan()), "requests_per_unit")
    assert (found.verdict, found.words) == ("not enough data", "too few units have had time to come back")
