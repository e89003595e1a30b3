"""When a verdict was reached, and what is said when the data of now do not bear it out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from coalmine_analytics.metrics import BUILT_IN, Metric, MetricOverride
from coalmine_analytics.readout import Plan, read_out
from coalmine_analytics.readout.service import READOUT
from coalmine_analytics.readout.shown import Estimate, shown, shown_words
from coalmine_analytics.results.readout import MetricReadout, Readout
from coalmine_consumers.experiments import ExperimentSums
from tests.support.data.simulated_experiment import METRICS, Service, looks

START = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
QUALITY = next(metric for metric in BUILT_IN if metric.name == "quality")


def quality(readout: Readout) -> MetricReadout:
    (arm,) = readout.arms
    return next(each for each in arm.metrics if each.metric == "quality")


def with_glitch(sums: ExperimentSums) -> ExperimentSums:
    """The same, and besides 200 requests of as many units of the canary with a quality of 0."""
    x, units = sums.x.copy(), sums.units.copy()
    x[METRICS.index("quality"), 0, 0, :200] += 1
    x[METRICS.index("requests"), 0, 0, :200] += 1
    units[0, 0, :200] += 1
    return replace(sums, x=x, units=units)


def test_a_glitch_at_the_start_is_said_to_be_of_then_for_ever() -> None:
    readouts: list[Readout] = []
    service = Service(canary_share=0.5, units_per_look=400, looks=2)
    few, more = looks(service, 1)
    *_, many = looks(replace(service, units_per_look=15_000, looks=2), 1)
    for number, sums in enumerate((few, more, many)):
        before = READOUT.validate_json(READOUT.dump_json(readouts[-1])) if readouts else None
        at = START + timedelta(hours=number)
        readouts.append(read_out(with_glitch(sums), Plan(min_units=30), taken_at=at, before=before))
    first, second, last = readouts
    assert [quality(each).verdict for each in readouts] == ["worse"] * 3
    then = quality(first).shown
    assert then is not None
    assert (then.at, then.units, then.effect) == (START, first.arms[0].units, quality(first).effect)
    assert then.agrees
    assert quality(first).words.endswith(f"; shown at 2026-03-10 12:30 UTC with {then.units} units")
    assert quality(second).shown == then
    now = quality(last)
    assert now.shown == replace(then, agrees=False)
    assert now.relative_effect is not None
    assert -0.02 < now.relative_effect < 0
    assert (
        f"shown at 2026-03-10 12:30 UTC with {then.units} units; since then the effect has become -"
        in now.words
    )
    assert now.words.endswith(")")
    assert [each.arms[0].decided_at for each in readouts] == [START] * 3


def test_a_verdict_that_changes_is_shown_anew() -> None:
    plan = Plan(overrides={"quality": MetricOverride(role="must_not_harm")})
    equal = list(looks(Service(canary_share=0.5, units_per_look=4_000, looks=3), 2))
    before = None
    for number, sums in enumerate(equal):
        before = read_out(sums, plan, taken_at=START + timedelta(hours=number), before=before)
    assert before is not None
    assert quality(before).verdict == "not worse"
    worse = next(looks(Service(canary_share=0.5, quality_effect=-0.2, units_per_look=4_000), 2))
    later = START + timedelta(days=1)
    found = quality(read_out(worse, plan, taken_at=later, before=before))
    assert found.verdict == "worse"
    assert found.shown is not None
    assert (found.shown.at, found.shown.agrees) == (later, True)


def estimate(effect: float) -> Estimate:
    return Estimate(effect, effect - 0.001, effect + 0.001, 0.5, 2 * effect - 0.002, 2 * effect + 0.002)


def agrees(metric: Metric, verdict: str, effect: float) -> bool:
    found = shown(metric, verdict, estimate(effect), taken_at=START, units=40, before=None)  # type: ignore[arg-type]
    assert found is not None
    return found.agrees


def test_each_verdict_has_effects_that_bear_it_out() -> None:
    """Quality has a margin of 3 % of control, which is .015 here, and a tolerance of a third of that."""
    errors = next(metric for metric in BUILT_IN if metric.name == "error_rate")
    volume = next(metric for metric in BUILT_IN if metric.name == "requests_per_unit")
    assert [agrees(QUALITY, "worse", effect) for effect in (-0.006, -0.004, 0.006)] == [True, False, False]
    assert [agrees(QUALITY, "not worse", effect) for effect in (-0.014, -0.016, 0.5)] == [True, False, True]
    assert [agrees(QUALITY, "better", effect) for effect in (0.001, -0.001)] == [True, False]
    assert [agrees(errors, "worse", effect) for effect in (0.004, 0.003, -0.004)] == [True, False, False]
    assert [agrees(volume, "worse", effect) for effect in (0.026, -0.026, 0.02)] == [True, True, False]
    assert [agrees(volume, "lower", effect) for effect in (0.026, -0.026)] == [False, True]
    for verdict in ("undecided", "not enough data", "not applicable", "no difference shown"):
        assert shown(QUALITY, verdict, estimate(0.1), taken_at=START, units=40, before=None) is None


def test_effects_are_in_per_cent_where_margins_are() -> None:
    then = shown(QUALITY, "worse", estimate(0.0), taken_at=START, units=210, before=None)
    assert then is not None
    assert shown_words(QUALITY, then, estimate(-0.0025)) == (
        "shown at 2026-03-10 12:30 UTC with 210 units; since then the effect has become -0.5 % (-0.7 to -0.3)"
    )
    rate = next(metric for metric in BUILT_IN if metric.name == "error_rate")
    assert shown_words(rate, then, estimate(0.002)).endswith("+0.002 share (0.001 to 0.003)")
