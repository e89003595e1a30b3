"""Readouts of simulated experiments: equal versions are left alone, bad ones found, what is said holds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from coalmine_analytics.core.confidence_sequence import confidence_sequence
from coalmine_analytics.core.contrast import one_stratum
from coalmine_analytics.core.e_process import log_e_value
from coalmine_analytics.core.effect import difference
from coalmine_analytics.core.fieller import relative_confidence_sequence
from coalmine_analytics.core.ratio import arm_ratio
from coalmine_analytics.metrics import MetricOverride, Size
from coalmine_analytics.readout import Plan, read_out
from coalmine_analytics.readout.service import READOUT
from coalmine_analytics.results.readout import ArmReadout, MetricReadout, Readout
from coalmine_consumers.experiments import ExperimentSums
from coalmine_schemas.errors import InvalidParameter
from tests.support.campaign import size
from tests.support.data.simulated_experiment import ARMS, METRICS, Service, looks, shuffled

START = datetime(2026, 3, 10, tzinfo=UTC)
SPLIT = Plan(weights={"canary": 0.05, "control": 0.95})


def watch(service: Service, seed: int, plan: Plan = SPLIT) -> list[Readout]:
    readouts: list[Readout] = []
    for number, sums in enumerate(looks(service, seed)):
        before = readouts[-1] if readouts else None
        readouts.append(read_out(sums, plan, taken_at=START + timedelta(hours=number), before=before))
    return readouts


def last(service: Service, seed: int) -> ExperimentSums:
    return list(looks(service, seed))[-1]


def canary(readout: Readout) -> ArmReadout:
    (arm,) = readout.arms
    return arm


def metric(readout: Readout, name: str) -> MetricReadout:
    (found,) = [each for each in canary(readout).metrics if each.metric == name]
    return found


def test_equal_versions_are_not_rolled_back() -> None:
    decisions = [canary(watch(Service(), seed)[-1]).decision for seed in range(size(6, 24))]
    # At 5 % each: more have a chance of 3 % in 6 runs and in 24.
    assert decisions.count("rollback") <= size(1, 3)


def test_a_version_that_is_worse_is_rolled_back_and_the_metric_named() -> None:
    for seed in range(size(3, 8)):
        readout = watch(Service(quality_effect=-0.05), seed)[-1]
        assert canary(readout).decision == "rollback"
        assert "quality" in canary(readout).words
        assert metric(readout, "quality").verdict == "worse"


def test_more_errors_are_found_at_once() -> None:
    for seed in range(size(4, 10)):
        readouts = watch(Service(error_effect=0.17, units_per_look=200), seed)
        found = next(each for each in readouts if canary(each).decision == "rollback")
        assert (
            canary(found).requests <= 200
        )  # about 80 units, 30 of which it takes before there is any result
        assert metric(found, "error_rate").verdict == "worse"


def test_a_version_that_is_no_worse_is_promoted_in_the_end() -> None:
    promoted = [
        canary(watch(Service(canary_share=0.5, units_per_look=3_000), seed, Plan())[-1]).decision
        for seed in range(size(4, 10))
    ]
    assert promoted.count("promote") >= size(4, 9)


def test_with_a_goal_no_worse_is_not_enough() -> None:
    plan = Plan(goals=frozenset({"quality"}))
    service = Service(canary_share=0.5, units_per_look=3_000)
    held = canary(watch(service, 1, plan)[-1])
    assert held.decision == "hold"
    assert "a gain in quality" in held.words, "a hold names what blocks it"
    better = watch(replace(service, quality_effect=0.02), 1, plan)[-1]
    assert canary(better).decision == "promote"
    assert metric(better, "quality").verdict == "better"
    assert "better in quality" in canary(better).words


def test_a_ramp_beside_a_drift_is_no_effect() -> None:
    service = Service(ramp_to=0.5, drift=0.15)
    plan = Plan(epoch_weights={1: {"canary": 0.05, "control": 0.95}, 2: {"canary": 1, "control": 1}})
    readouts = [watch(service, seed, plan)[-1] for seed in range(size(4, 10))]
    assert [canary(each).decision for each in readouts].count("rollback") <= size(1, 2)
    # Pooled, the same data would show a difference of many standard errors.
    sums = last(service, 0)
    at = METRICS.index("quality")
    y, x = sums.y[at].sum(axis=0), sums.x[at].sum(axis=0)
    pooled = difference(arm_ratio(y[0], x[0]), arm_ratio(y[1], x[1]))
    assert pooled.estimate / pooled.standard_error > 6


def test_decisions_and_p_values_stand() -> None:
    readouts = watch(Service(quality_effect=-0.06), 3)
    decided = [canary(each).decision for each in readouts]
    first = decided.index("rollback")
    assert set(decided[first:]) == {"rollback"}
    for name in ("quality", "error_rate", "latency_ms", "cost_per_request_uncached"):
        harm = [metric(each, name).evidence.harm for each in readouts]
        known = [p for p in harm if p is not None]
        assert known == sorted(known, reverse=True)


def test_where_the_test_is_sharpest_stays_and_what_is_acceptable_follows_control() -> None:
    found = [metric(each, "quality") for each in watch(Service(quality_effect=-0.05), 5)]
    scales = [each.scales for each in found if each.scales is not None]
    assert len({each.mde for each in scales}) == 1
    assert len({each.margin for each in scales}) > 1
    assert found[-1].control_value is not None
    assert scales[-1].margin == pytest.approx(0.03 * found[-1].control_value)
    assert scales[-1].tolerance == pytest.approx(0.01 * found[-1].control_value)


def test_too_little_data_is_a_result_of_its_own() -> None:
    readout = read_out(next(looks(Service(units_per_look=100), 1)), SPLIT, taken_at=START)
    found = metric(readout, "quality")
    assert found.verdict == "not enough data"
    assert (found.effect, found.lower, found.upper, found.evidence.difference) == (None, None, None, None)
    assert "30 units" in found.words
    assert canary(readout).decision == "hold"
    assert "a promotion needs 600 units in the arm" in canary(readout).words


def test_units_that_arrive_in_other_proportions_block_a_promotion() -> None:
    service = Service(canary_share=0.45, units_per_look=3_000)
    plan = Plan(weights={"canary": 1, "control": 1})
    readout = watch(service, 2, plan)[-1]
    assert readout.srm.mismatch
    assert canary(readout).decision == "hold"
    assert "proportions" in canary(readout).words
    assert not watch(Service(), 2)[-1].srm.mismatch
    assert watch(Service(), 2, Plan())[-1].srm.p is None


def test_one_epoch_gives_what_the_core_gives() -> None:
    sums = last(Service(), 7)
    readout = read_out(sums, SPLIT, taken_at=START)
    at = METRICS.index("quality")
    treatment, control = (arm_ratio(sums.y[at, 0, arm], sums.x[at, 0, arm]) for arm in range(2))
    found = metric(readout, "quality")
    assert found.scales is not None
    assert found.scales.margin == pytest.approx(0.03 * float(control.ratio))
    mde = found.scales.mde
    effect = difference(treatment, control)
    lower, upper = confidence_sequence(effect, mde=mde)
    expected = (effect.estimate, lower, upper, log_e_value(effect, mde=mde))
    assert (found.effect, found.lower, found.upper, found.log_e) == pytest.approx(
        tuple(float(each) for each in expected), rel=1e-12
    )
    relative = relative_confidence_sequence(one_stratum(treatment, control), mde=mde)
    assert (found.relative_lower, found.relative_upper) == pytest.approx(
        tuple(float(bound) for bound in relative), rel=1e-9
    )


def test_the_order_of_groups_changes_nothing() -> None:
    sums = last(Service(ramp_to=0.5), 11)
    one, other = (canary(read_out(each, SPLIT, taken_at=START)) for each in (sums, shuffled(sums, 1)))
    for left, right in zip(one.metrics, other.metrics, strict=True):
        if left.log_e is not None:
            assert left.log_e == pytest.approx(right.log_e, rel=1e-12, abs=1e-12)


def test_several_arms_are_each_compared_with_control() -> None:
    sums = last(Service(quality_effect=-0.05), 1)
    wide = replace(
        sums,
        arms=(*ARMS, "second"),
        x=np.concatenate([sums.x, sums.x[:, :, 1:]], axis=2),
        y=np.concatenate([sums.y, sums.y[:, :, 1:]], axis=2),
        units=np.concatenate([sums.units, sums.units[:, 1:]], axis=1),
        first_units=np.concatenate([sums.first_units, sums.first_units[:, 1:]], axis=1),
    )
    readout = read_out(wide, Plan(), taken_at=START)
    assert [arm.arm for arm in readout.arms] == ["canary", "second"]
    assert [arm.decision == "rollback" for arm in readout.arms] == [True, False]
    single = read_out(sums, Plan(), taken_at=START)
    wide_p = readout.arms[0].metrics[0].adjusted_p
    single_p = single.arms[0].metrics[0].adjusted_p
    assert wide_p is not None
    assert single_p is not None
    assert wide_p == pytest.approx(2 * single_p)  # twice as many hypotheses


def test_evidence_for_another_hypothesis_is_not_carried_on() -> None:
    before = watch(Service(quality_effect=-0.05), 4)[-1]
    sums = last(Service(quality_effect=-0.05), 4)
    tolerant = Plan(overrides={"quality": MetricOverride(tolerance=Size(0.5))})
    fresh = metric(read_out(sums, tolerant, taken_at=START, before=before), "quality")
    assert fresh.evidence.harm is not None
    assert fresh.evidence.harm > 0.5


def test_a_plan_may_say_what_matters() -> None:
    sums = last(Service(quality_effect=-0.05), 4)
    plan = Plan(control="canary", overrides={"quality": MetricOverride(role="shown")})
    readout = read_out(sums, plan, taken_at=START)
    assert readout.control == "canary"
    assert metric(readout, "quality").effect == pytest.approx(0.04, abs=0.01)
    assert metric(readout, "quality").role == "shown"
    with pytest.raises(InvalidParameter, match="control is 'nobody'"):
        read_out(sums, Plan(control="nobody"), taken_at=START)


def test_a_signal_with_a_direction_is_better_or_worse_and_decides_nothing() -> None:
    plan = Plan(overrides={"quality": MetricOverride(role="shown")})
    found = metric(watch(Service(quality_effect=-0.05), 4, plan)[-1], "quality")
    assert (found.verdict, found.adjusted_p) == ("worse", None)
    assert found.words.startswith("worse than control; nothing depends on it; shown at ")
    undirected = Plan(overrides={"quality": MetricOverride(role="shown", direction="unknown")})
    assert metric(watch(Service(quality_effect=-0.05), 4, undirected)[-1], "quality").verdict == "lower"


def test_a_readout_survives_json_to_the_last_digit() -> None:
    for readout in (watch(Service(ramp_to=0.2), 1)[-1], watch(Service(units_per_look=50), 1)[0]):
        assert READOUT.validate_json(READOUT.dump_json(readout)) == readout


def with_constant_quality(sums: ExperimentSums, canary_value: float) -> ExperimentSums:
    y, at = sums.y.copy(), METRICS.index("quality")
    values = np.array([canary_value, 0.17])[:, None]
    y[at] = sums.x[at] * values
    return replace(sums, y=y)


def test_constant_values_are_judged_like_others() -> None:
    first, *_, late = looks(Service(canary_share=0.5, looks=6), 1)
    early = metric(read_out(with_constant_quality(first, 0.17), Plan(), taken_at=START), "quality")
    assert early.evidence.harm == 1.0
    same = read_out(with_constant_quality(late, 0.17), Plan(), taken_at=START)
    assert (metric(same, "quality").verdict, canary(same).decision) != ("worse", "rollback")
    assert metric(same, "quality").verdict == "not worse"
    assert metric(same, "quality").evidence.difference == 1.0
    other = read_out(with_constant_quality(late, 0.12), Plan(), taken_at=START)
    assert (metric(other, "quality").verdict, canary(other).decision) == ("worse", "rollback")


def test_a_name_whose_values_are_all_0_or_1_is_judged_as_a_rate() -> None:
    sums = last(Service(canary_share=0.05, looks=4), 1)
    y, at = sums.y.copy(), METRICS.index("quality")
    y[at] = sums.x[at]
    y[at, 0, 1, :3] -= 1.0  # control failed thrice, and the canary has not been tried enough
    passing = replace(sums, y=y)
    found = {
        binary: metric(read_out(replace(passing, binary=binary), Plan(), taken_at=START), "quality")
        for binary in (frozenset[str](), frozenset({"quality"}))
    }
    mean, rate = found.values()
    assert mean.evidence.acceptable is not None
    assert rate.evidence.acceptable is not None
    assert mean.evidence.acceptable < rate.evidence.acceptable
    assert rate.verdict == "undecided"


def without_errors(sums: ExperimentSums) -> ExperimentSums:
    y = sums.y.copy()
    y[METRICS.index("errors")] = 0
    return replace(sums, y=y)


def test_a_rate_that_never_varied_can_pass_as_a_guardrail() -> None:
    readouts: list[Readout] = []
    for number, sums in enumerate(looks(Service(canary_share=0.5, looks=6), 1)):
        before = readouts[-1] if readouts else None
        at = START + timedelta(hours=number)
        readouts.append(read_out(without_errors(sums), Plan(), taken_at=at, before=before))
    errors = [metric(each, "error_rate") for each in readouts]
    assert errors[0].verdict == "undecided"
    assert (errors[0].control_value, errors[0].value, errors[0].lower) == (0.0, 0.0, None)
    # Units without an error that a rate of 1 % makes improbable: (1 - 0.01)^n times a stake of a tenth.
    units = canary(readouts[0]).units
    assert errors[0].evidence.acceptable == pytest.approx(min(1.0, 10 * 0.99**units), rel=1e-9)
    assert errors[0].units_needed == pytest.approx(2 * (np.log(200) / -np.log(0.99) - units), rel=0.2)
    assert errors[-1].verdict == "not worse"
    assert canary(readouts[-1]).units > 530
    assert errors[-1].evidence.harm == 1.0


def test_a_metric_that_is_near_0_in_the_mean_is_judged_all_the_same() -> None:
    random = np.random.default_rng(4)
    plan = Plan(overrides={"sentiment": MetricOverride(direction="higher", role="must_not_harm")})

    def look(units: int, change: float) -> Readout:
        shape = (2, 1, 2, 256)
        x, y = np.zeros(shape), np.zeros(shape)
        for arm, mean in enumerate((0.001, 0.001 + change)):
            group = np.arange(units) % 256
            x[:, 0, arm] = np.bincount(group, minlength=256)
            y[1, 0, arm] = np.bincount(group, random.normal(mean, 0.4, units), minlength=256)
        y[0] = x[0]
        counts = x[0].astype(np.int64)
        names, arms = ("requests", "sentiment"), ("control", "treatment")
        sums = ExperimentSums("exp", names, (1,), arms, x, y, counts, 1, counts.sum(axis=-1))
        return read_out(sums, plan, taken_at=START, before=read_out(sums, plan, taken_at=START))

    worse = metric(look(600, -0.2), "sentiment")
    assert worse.verdict == "worse"
    assert worse.lower is not None
    assert worse.upper is not None
    assert worse.upper - worse.lower < 0.4  # and not some standard deviations
    assert metric(look(600, 0.0), "sentiment").verdict == "undecided"
