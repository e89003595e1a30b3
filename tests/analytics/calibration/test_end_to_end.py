"""Whole rollouts in their reduced form, and the services that they simulate."""

import json
import pickle
from collections.abc import Mapping
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coalmine_analytics.calibration import Calibration, Trial, end_to_end, run
from coalmine_analytics.calibration.end_to_end.course import course_of
from coalmine_analytics.calibration.end_to_end.scenarios import SERVICES
from coalmine_analytics.calibration.end_to_end.service import Change, Service, dearer, requests_of, slower
from coalmine_analytics.calibration.end_to_end.sums import RunningSums
from coalmine_analytics.calibration.end_to_end.trials import AtMargin, Equal, Found
from coalmine_analytics.readout import Plan
from coalmine_consumers.experiments import ExperimentSums
from tests.support.campaign import size

REDUCED = end_to_end.scenarios(full=False)
DOCUMENT = Path(__file__).parents[3] / "docs" / "calibration-end-to-end"


@pytest.mark.parametrize("trial", REDUCED, ids=lambda trial: trial.cell)
def test_every_cell_is_as_it_must_be(trial: Trial) -> None:
    rows = run([trial], size(1, end_to_end.REPLICATIONS[False]), block_size=1)
    assert rows
    assert [row for row in rows if not row.as_it_must] == []


@pytest.mark.campaign
@pytest.mark.parametrize("trial", end_to_end.scenarios(full=True), ids=lambda trial: trial.cell)
def test_every_cell_is_as_it_must_be_with_more_replications(trial: Trial) -> None:
    rows = run([trial], 20, block_size=1)
    assert [row for row in rows if not row.as_it_must] == []


def test_cells_have_names_of_their_own_and_the_reduced_form_tries_some_of_each_kind() -> None:
    names = [trial.cell for trial in end_to_end.scenarios(full=True)]
    assert len(set(names)) == len(names)
    assert {trial.cell for trial in REDUCED} < set(names)
    assert {type(trial) for trial in REDUCED} == {type(trial) for trial in end_to_end.scenarios(full=True)}


def _judged(trial: Equal | AtMargin | Found, **outcome: list[float]) -> dict[str, bool]:
    return {row.method: row.passes for row in trial.judge({k: np.array(v) for k, v in outcome.items()})}


def test_too_many_errors_are_found_out() -> None:
    service, count = Service(), 200
    wrong = [1.0] * 11 + [inf] * 189
    equal = Equal(cell="equal", service=service, accepted=(6.0, 0.95))
    assert _judged(equal, promoted_h=[5.0] * count, rolled_back_h=wrong) == {
        "false rollback": False,
        "accepted within 6 h": True,
        "accepted within 24 h": True,
        "hours to acceptance, median": True,
    }
    late = _judged(equal, promoted_h=[5.0] * 189 + [7.0] * 11, rolled_back_h=[inf] * count)
    assert (late["false rollback"], late["accepted within 6 h"]) == (True, False)
    worse = AtMargin(cell="worse", service=service)
    assert not _judged(worse, promoted_h=wrong, rolled_back_h=[inf] * count)["false promotion"]
    bad = Found(cell="bad", service=service, within_h=3.0)
    found = _judged(
        bad, promoted_h=[inf] * count, rolled_back_h=[4.0] * 30 + [1.0] * 170, canary_requests=[9.0] * count
    )
    assert found["promoted"]
    assert not found["rolled back within 3 h"]


def test_the_upper_bound_of_a_rate_is_stated() -> None:
    never = np.full(200, inf)
    rows = Equal(cell="equal", service=Service()).judge({"promoted_h": never, "rolled_back_h": never})
    # By hand: (1 - p) ** 200 = 0.05.
    assert rows[0].upper_bound == pytest.approx(1.0 - 0.05 ** (1 / 200))
    assert [each["upper_bound"] for each in end_to_end.as_list(rows)] == [0.014867, None, None]


@pytest.mark.parametrize(("count", "said"), [(2, True), (200, False)])
def test_the_document_says_when_replications_are_too_few(count: int, said: bool) -> None:
    never = np.full(count, inf)
    rows = Equal(cell="equal", service=Service()).judge({"promoted_h": never, "rolled_back_h": never})
    text = end_to_end.as_markdown(Calibration(rows, True, 1, datetime(2026, 1, 1, tzinfo=UTC)))
    assert f"{count} replications" in text
    assert ("too few to show" in text) == said


def test_figures_do_not_depend_on_processes_and_more_replications_begin_with_the_same() -> None:
    short = Service(hours=1.0, per_s=0.5)
    trial = Found(cell="short", service=short, change=Change(quality=0.8), within_h=1.0)
    alone = run([trial], 2, block_size=1)
    # What a process gets; that it does not matter how many there are, test_grid.py shows in each run.
    assert run([pickle.loads(pickle.dumps(trial))], 2, block_size=1, processes=size(1, 2)) == alone
    first, second = (trial.simulate(np.random.default_rng(4), n)["rolled_back_h"] for n in (1, 2))
    assert first.tolist() == second[:1].tolist()


def _sums(service: Service, change: Change, *times_s: float, seed: int = 3) -> list[ExperimentSums]:
    rng = np.random.default_rng(seed)
    running = RunningSums(service, requests_of(service, change, rng), rng)
    return [running.until(at_s) for at_s in times_s]


def _mean(sums: ExperimentSums, metric: str, arm: int) -> float:
    at = sums.metrics.index(metric)
    return float(sums.y[at][:, arm].sum() / sums.x[at][:, arm].sum())


def test_a_version_is_worse_by_what_its_change_says() -> None:
    even = Service(stages=((0.5, inf),), loyal=0.0, hours=48.0)
    changes = (
        ("quality", Change(quality=0.97), 0.97, 0.003),
        ("cost_uncached_nano_usd.capped", dearer(1.1), 1.1, 0.02),
        ("latency_ms.capped", slower(1.1), 1.1, 0.02),
        ("errors", Change(errors=0.01), 2.0, 0.2),
    )
    for metric, change, ratio, within in changes:
        (sums,) = _sums(even, change, 48 * 3_600.0)
        assert _mean(sums, metric, 0) / _mean(sums, metric, 1) == pytest.approx(ratio, abs=within), metric
    (sums,) = _sums(Service(passing=0.9, stages=even.stages), Change(), 86_400.0)
    assert _mean(sums, "quality", 0) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("name", SERVICES)
def test_sums_grow_and_users_stay_in_their_arm(name: str) -> None:
    service = SERVICES[name]
    end_s = service.hours * 3_600.0
    early, late = _sums(service, Change(), 3_600.0, end_s)
    assert early.requests < late.requests
    assert late.epochs == tuple(range(1, len(service.stages) + 1))
    assert (late.units <= late.x[late.metrics.index("requests")]).all()
    assert late.first_units.sum() <= late.units.sum()
    requests = requests_of(service, Change(), np.random.default_rng(3))
    treated = set(requests.unit[requests.treated].tolist())
    after = requests.at_s > requests.at_s[requests.treated][0]
    last_stage = requests.stage == requests.stage.max()
    # Once in the canary, always in it, for shares only grow.
    assert treated & set(requests.unit[~requests.treated & last_stage & after].tolist()) == set()
    for metric in ("feedback", "corrections"):
        assert _mean(late, metric, 0) == pytest.approx(_mean(late, metric, 1), abs=0.02)


def test_units_are_aged_after_a_day() -> None:
    service = Service(hours=48.0, per_s=0.05, loyal=1.0, loyal_users=50)
    early, late = _sums(service, Change(), 86_400.0, 172_800.0)
    at = late.metrics.index("requests.aged")
    assert early.x[at].sum() == 0
    assert 0 < late.x[at].sum() <= late.units.sum()
    assert 0 < late.y[late.metrics.index("returned")].sum() <= late.x[at].sum()


@pytest.mark.parametrize("change", [Change(quality=0.95), Change()], ids=["bad", "equal"])
def test_looks_that_are_left_out_change_nothing(change: Change) -> None:
    service = Service(hours=0.5, per_s=20.0, loyal_users=200_000)
    every, some = (
        course_of(
            service, change, Plan(), np.random.default_rng(8), until_decided=True, every_look=every_look
        )
        for every_look in (True, False)
    )
    assert some.looks < every.looks or some.looks < 10
    # Found at the next look that is not left out, which may be two later.
    assert every.rolled_back_h <= some.rolled_back_h <= 1.15 * every.rolled_back_h + 1 / 60
    assert every.promoted_h <= some.promoted_h <= 1.15 * every.promoted_h + 1 / 60


def test_the_committed_document_is_of_the_full_form() -> None:
    rows: list[Mapping[str, Any]] = json.loads(DOCUMENT.with_suffix(".json").read_text(encoding="utf-8"))
    # Whole rollouts, which are among them, have their controller to say so: tests/rollouts.
    cells = {row["cell"] for row in rows if not row["cell"].startswith("whole rollout")}
    assert cells == {trial.cell for trial in end_to_end.scenarios(full=True)}
    text = DOCUMENT.with_suffix(".md").read_text(encoding="utf-8")
    for row in rows:
        assert f"| {row['cell']} | {row['method']} |" in text
        errs = row["method"] in {
            "false rollback",
            "false promotion",
            "rolled back",
            "promoted, then rolled back",
        }
        assert not errs or row["upper_bound"] >= row["rate"]
