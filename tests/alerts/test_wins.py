"""What shipped versions brought, added up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from coalmine_alerts.results.digest import Shipped, ShippedEffect
from coalmine_alerts.wins import gains_of, wilson, wins_of
from coalmine_rollouts.plan import read_plan
from tests.support.data.rollout_case import BROKEN, STEADY, Rig

NOW = datetime(2026, 11, 28, tzinfo=UTC)
QUALITY = ShippedEffect(
    metric="quality",
    unit="",
    role="must_prove",
    verdict="better",
    control_value=0.80,
    value=0.84,
    effect=0.04,
    lower=0.02,
    upper=0.06,
    units=900,
    control_units=1_000,
)
SHIPPED = Shipped(
    rollout="ro-1",
    environment="prod",
    prompt="refund",
    before="1.0.0",
    version="1.1.0",
    outcome="better",
    changes=(),
    effects=(QUALITY,),
    ended_at=NOW,
    lead_time_s=3_600.0,
    exposed_share=None,
    out_s=1_800.0,
)


def test_relative_changes_multiply_and_their_errors_are_independent() -> None:
    other = replace(QUALITY, control_value=0.84, effect=-0.021, lower=-0.042, upper=0.0)
    second = replace(SHIPPED, version="1.2.0", effects=(other,), ended_at=NOW + timedelta(days=1))
    one, both = gains_of([SHIPPED, second])
    assert (one.relative, one.versions, one.version) == (True, 1, "1.1.0")
    assert (one.change, one.lower, one.upper) == pytest.approx((0.05, 0.025, 0.075))
    assert (both.versions, both.version) == (2, "1.2.0")
    assert both.change == pytest.approx(1.05 * 0.975 - 1)
    assert both.lower is not None
    assert both.upper is not None
    assert both.lower < 1.025 * 0.975 - 1  # wider than the first alone
    assert both.lower > 1.025 * 0.95 - 1  # narrower than both at their worst
    assert both.upper > both.change


def test_differences_of_shares_add_up() -> None:
    thumbs = replace(QUALITY, metric="thumbs_up_rate", unit="share", effect=0.02, lower=0.0, upper=0.04)
    *_, both = gains_of([replace(SHIPPED, effects=(thumbs,))] * 2)
    assert both.relative is False
    assert both.change == pytest.approx(0.04)
    assert both.lower == pytest.approx(0.04 - 0.02 * 2**0.5)


def test_what_was_not_measured_counts_for_nothing() -> None:
    nothing = replace(QUALITY, effect=None, lower=None, upper=None)
    from_zero = replace(QUALITY, control_value=0.0)
    assert list(gains_of([replace(SHIPPED, effects=(nothing, from_zero))])) == []
    open_ended = replace(QUALITY, lower=None)
    (found,) = gains_of([replace(SHIPPED, effects=(open_ended,))])
    assert found.lower is None
    assert found.upper == pytest.approx(0.075)


def test_others_prompts_and_places_are_added_up_by_themselves() -> None:
    staging = replace(SHIPPED, environment="staging")
    assert [gain.versions for gain in gains_of([SHIPPED, staging])] == [1, 1]


def test_a_share_of_few_has_a_wide_interval() -> None:
    # R: prop.test(1, 10, correct = FALSE)
    assert wilson(1, 10) == pytest.approx((0.0178762, 0.4041500), abs=1e-6)
    assert wilson(0, 3)[0] == pytest.approx(0.0, abs=1e-12)


def test_a_version_is_not_worse_though_what_need_not_be_proven_is_not(tmp_path: Path) -> None:
    plan = read_plan(
        {
            "stages": [{"weight": "50%", "min_time": "5m", "min_units": 100, "gate": "not_worse"}],
            "bake": {"time": "5m", "holdback": "5%"},
            "limits": {},
            "metrics": {"input_tokens": {"role": "must_not_harm", "margin": "0.01%", "tolerance": "2%"}},
        }
    )
    with Rig(tmp_path) as rig:
        began = rig.clock.now
        rig.serve("1.0.0", treatment="1.1.0").behaviours = {"1.0.0": STEADY, "1.1.0": STEADY}
        rollout = rig.start(plan=plan)
        rig.until("completed", rollout.id, step=4)
        (shipped,) = wins_of(rig.registry, began, rig.clock.now + timedelta(minutes=1)).shipped
    (tokens,) = (each for each in shipped.effects if each.metric == "input_tokens")
    assert (tokens.verdict, shipped.outcome) == ("undecided", "not worse")


def test_what_was_taken_back_is_counted_with_how_long_it_took(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        began = rig.clock.now
        rig.serve("1.0.0", treatment="1.1.0").behaviours = {"1.1.0": BROKEN}
        rollout = rig.start()
        rig.until("rolled_back", rollout.id, within=40)
        now = rig.clock.now + timedelta(minutes=1)
        found = wins_of(rig.registry, began - timedelta(days=1), now)
        assert wins_of(rig.registry, began - timedelta(days=1), now, prompt="other").shipped == ()
        assert wins_of(rig.registry, began - timedelta(days=1), now, environment="dev").shipped == ()
        assert wins_of(rig.registry, now, now + timedelta(days=1)).rolled_back_share is None
    (shipped,) = found.shipped
    assert (found.rolled_back, found.reached_everybody, found.rolled_back_share) == (1, 0, 1.0)
    assert found.median_rollback_s == shipped.out_s
    assert found.rolled_back_lower == pytest.approx(wilson(1, 1)[0])
    assert found.gains == ()
    assert {each.metric for each in shipped.effects} >= {"quality", "error_rate"}
    assert found.complete
