"""Whole rollouts of simulated services in their reduced form, and what they are made of."""

import json
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest

from coalmine_analytics.calibration import Trial, run
from coalmine_analytics.calibration.end_to_end.service import Change, Requests, Service, requests_of
from coalmine_analytics.calibration.end_to_end.sums import RunningSums
from coalmine_analytics.readout import Plan
from coalmine_rollouts.calibration import SEGMENTS, RunningSegments, WholeRollout, whole_rollouts
from coalmine_rollouts.plan import RolloutPlan, template
from coalmine_server.services.plan_metrics import plan_with

DOCUMENT = Path(__file__).parents[2] / "docs" / "calibration-end-to-end.json"
GROWING = ((0.1, 1.0), (0.5, inf))


def judged(plan: RolloutPlan) -> Plan:
    return plan_with(plan.experiment_plan(), Plan())


@pytest.mark.parametrize("trial", whole_rollouts(judged, full=False), ids=lambda trial: trial.cell)
def test_every_cell_is_as_it_must_be(trial: Trial) -> None:
    rows = run([trial], 1, block_size=1)
    assert [row for row in rows if not row.as_it_must] == []


@pytest.mark.campaign
@pytest.mark.parametrize("trial", whole_rollouts(judged, full=True), ids=lambda trial: trial.cell)
def test_every_cell_is_as_it_must_be_with_more_replications(trial: Trial) -> None:
    assert [row for row in run([trial], 20, block_size=1) if not row.as_it_must] == []


def test_committed_cells_are_of_the_full_form() -> None:
    rows = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    committed = {row["cell"] for row in rows if row["cell"].startswith("whole rollout")}
    assert committed <= {trial.cell for trial in whole_rollouts(judged, full=True)}


def _drawn(service: Service) -> tuple[Requests, RunningSums]:
    rng = np.random.default_rng(3)
    requests = requests_of(service, Change(quality=0.9), rng)
    return requests, RunningSums(service, requests, rng)


def test_what_came_before_other_weights_stays_as_it_was() -> None:
    one, two = Service(hours=2.0, stages=((0.1, inf),)), Service(hours=2.0, stages=GROWING)
    (_, before), (requests, after) = _drawn(one), _drawn(two)
    early, same, late = before.until(3_600.0), after.until(3_600.0), after.until(7_200.0)
    for name in ("x", "y", "units", "first_units"):
        np.testing.assert_array_equal(getattr(early, name), getattr(same, name))
    assert late.epochs == (1, 2)
    assert requests.treated[requests.at_s > 3_600.0].mean() == pytest.approx(0.5, abs=0.05)


def test_the_values_of_a_segment_add_up_to_all_requests() -> None:
    requests, running = _drawn(Service(hours=2.0, stages=GROWING))
    segments, names = RunningSegments(requests), ("errors", "quality")
    for at_s in (1_800.0, 7_200.0):
        sums = running.until(at_s)
        found = {name: of_name for name, *of_name in segments.until(at_s).in_each(names, sums)}
        assert found.keys() == {(key, each) for key in SEGMENTS for each in SEGMENTS[key]}
        rows = [sums.metrics.index(name) for name in names]
        for key in SEGMENTS:
            x, y = np.sum([found[key, each] for each in SEGMENTS[key]], axis=0)
            np.testing.assert_allclose(x, sums.x[rows])
            np.testing.assert_allclose(y, sums.y[rows])


def test_a_version_that_breaks_everything_meets_a_limit_at_once() -> None:
    plan = template("canary-standard")
    broken = WholeRollout(
        cell="broken", plan=plan, judged=judged(plan), service=Service(hours=1.0), change=Change(errors=0.9)
    )
    assert broken.simulate(np.random.default_rng(1), 1)["rolled_back_h"][0] <= 3 / 60
    nothing = replace(broken, judged=replace(broken.judged, limits={}))
    assert nothing.simulate(np.random.default_rng(1), 1)["rolled_back_h"][0] > 3 / 60


def test_too_many_false_rollbacks_are_found_out() -> None:
    plan = template("canary-standard")
    trial = WholeRollout(cell="equal", plan=plan, judged=judged(plan), service=Service())
    never, always = np.full(200, inf), np.full(200, 1.0)
    some = np.where(np.arange(200) < 11, 1.0, inf)
    rows = trial.judge({"rolled_back_h": some, "completed_h": never, "plain_h": always})
    assert {row.method: row.as_it_must for row in rows}["false rollback"] is False
    rows = trial.judge({"rolled_back_h": never, "completed_h": always, "plain_h": never})
    assert {row.method: row.as_it_must for row in rows} == {
        "false rollback": True,
        "completed within 24 h": True,
        "hours to completion, median": True,
        "p < .05 of any metric": False,
    }
