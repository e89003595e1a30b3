"""The grid itself, in its reduced form: what must hold holds, and what must fail fails."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from coalmine_analytics.calibration import Trial, as_list, grid, run, run_trial, size_of
from coalmine_analytics.calibration.false_alarms import FalseAlarms
from coalmine_analytics.calibration.methods import PeekingT
from coalmine_analytics.calibration.populations import beta, normal
from coalmine_analytics.calibration.traffic import Single
from tests.support.campaign import CAMPAIGN, size

REDUCED = grid(full=False)
NEAR_A_LIMIT = {
    "rate 0.005, 50/50",
    "rate 0.3, 50/50",
    "score beta(8, 2), 50/50",
    "capped lognormal 1.5, 50/50",
    "effect of 0.2 sd, 50/50",
    "effect of 0.2 sd, returning users, 5/95",
    "drift: quality -5%, 60 users an hour",
    "pairs: right or wrong, 40 cases in clusters of 1, breaks 0.05, repairs 0.3",
}
"""Cells in which a quarter of the replications decides by luck."""
SELDOM = {
    "effect of 0.2 sd, 50/50",
    "rate 0.005, 50/50",
    "score beta(8, 2), 50/50",
    "capped lognormal 1.5, 50/50",
    "effect of 0.2 sd, returning users, 5/95",
}
"""Near a limit, too: other splits of the same values, and of units with the same effect, always run."""
DEAR = {
    "ten steps of 5 %, loyal users",
    "50 % published five times, loyal users",
    "harm looked for from 5 borders on, loyal users",
    "harm of 0.2 sd from the start",
    "harm of 0.2 sd after five good stages",
    "one unit makes 30 % of the requests, 25/75",
    "errors 3 % to 9 %",
    "four times a rate of 0.03",
    "loyal users, quality, 5/95",
    "loyal users, rate, 5/95",
    "returning users, quality, 5/95",
    "returning users, rate, 5/95",
    "ramp 5-25-50 with drift",
    "ramp 5-25-50 with drift, loyal users, quality",
    "ramp 5-25-50 with drift, loyal users, rate",
}
"""Cells of which a small block takes half a second and more."""
DOCUMENT = Path(__file__).parents[3] / "docs" / "calibration"


@pytest.mark.parametrize(
    "trial",
    [
        pytest.param(each, marks=[pytest.mark.campaign] * (each.cell in SELDOM), id=each.cell)
        for each in REDUCED
    ],
)
def test_every_cell_is_as_it_must_be(trial: Trial) -> None:
    usual = size_of(full=False).replications
    if trial.cell in DEAR and not CAMPAIGN:
        rows = run([trial], 40, block_size=40)
    else:
        rows = run_trial(trial, size(usual if trial.cell in NEAR_A_LIMIT else usual // 4, usual))
    assert rows
    assert [row for row in rows if not row.as_it_must] == []


def test_cells_have_names_of_their_own() -> None:
    for full in (True, False):
        names = [trial.cell for trial in grid(full=full)]
        assert len(set(names)) == len(names)


def test_the_reduced_grid_tries_what_the_full_one_tries() -> None:
    assert {trial.cell for trial in REDUCED} <= {trial.cell for trial in grid(full=True)}


def test_a_method_that_errs_too_often_is_found_out() -> None:
    """The hypothesis is false here, so rejecting it is right: taken for false alarms, there are too many."""
    population = beta(8, 2)
    traffic = Single(population, population, 0.5, 100, 30)
    rows = run_trial(FalseAlarms("wrong", traffic, mde=0.02, effect=0.03), 250)
    assert {row.method: row.passes for row in rows} == {"two-sided": False, "greater": True, "less": False}
    assert [row.as_it_must for row in rows] == [False, True, False]


def test_a_grid_whose_control_does_not_fail_is_found_out() -> None:
    traffic = Single(normal(0, 1), normal(0, 1), 0.5, 100, 1)  # one look is no peeking
    trial = FalseAlarms("tame", traffic, mde=0.2, sides=(), controls={"t-test": (PeekingT, 0.25)})
    (row,) = run_trial(trial, 500)
    assert 0.02 < row.rate < 0.09
    assert (row.role, row.passes, row.as_it_must) == ("control", True, False)


def test_a_cell_that_never_errs_is_no_proof() -> None:
    traffic = Single(normal(0, 1), normal(0, 1), 0.5, 10, 5)  # too short for a single look
    (row,) = run_trial(FalseAlarms("idle", traffic, mde=0.2, sides=("greater",), at_least=0.01), 125)
    assert (row.rate, row.passes) == (0.0, False)


def test_figures_do_not_depend_on_processes_or_on_other_cells() -> None:
    some = [trial for trial in REDUCED if trial.cell.startswith("sample ratio")][:2]
    done: list[tuple[int, int]] = []
    alone = run(some, 50, block_size=25, on_done=lambda at, total: done.append((at, total)))
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert run(some, 50, block_size=25, processes=2) == alone
    assert run(some[1:], 50, block_size=25) == alone[-2:]
    assert run(some, 50, block_size=25, seed=1) != alone


def test_the_committed_document_is_of_the_full_grid_and_holds() -> None:
    rows: list[Mapping[str, Any]] = json.loads(DOCUMENT.with_suffix(".json").read_text(encoding="utf-8"))
    beyond = {trial.cell for trial in grid(full=True) if getattr(trial, "role", "ours") == "beyond"}
    assert {row["cell"] for row in rows} == {trial.cell for trial in grid(full=True)} - beyond
    text = DOCUMENT.with_suffix(".md").read_text(encoding="utf-8")
    for row in rows:
        assert row.keys() == {"cell", "method", "rate", "replications", "limit", "passes"}
        assert row["replications"] >= (800 if row["cell"].startswith("drift: ") else 4_000)
        assert f"| {row['cell']} | {row['method']} |" in text
    controls = [row for row in rows if not row["passes"]]
    assert {row["method"] for row in controls} == {
        "capped mean alone",
        "chi-squared at every look",
        "delta method",
        "epochs as if independent",
        "hours alone: false alarms a year",
        "margin fixed at the first look",
        "no correction",
        "normal interval, cases as if independent",
        "one e-process, all units",
        "plain asymptotic sequence",
        "pooled ramp",
        "pooled variance alone",
        "t-test at every look",
        "tolerance 0",
        "units counted in each epoch",
        "variance of what was seen",
        "variance over requests",
    }
    assert all(row["rate"] >= row["limit"] for row in controls)
    assert all(row["rate"] <= row["limit"] for row in rows if row["passes"])


def test_the_list_says_of_each_row_whether_it_passes() -> None:
    control = Single(normal(0, 1), normal(0, 1), 0.5, 100, 20)
    trial = FalseAlarms("cell", control, mde=0.2, sides=("less",), controls={"t-test": (PeekingT, 0.25)})
    ours, shortcut = as_list(run_trial(trial, 250))
    assert (ours["cell"], ours["method"], ours["limit"], ours["passes"]) == ("cell", "less", 0.05, True)
    assert (shortcut["method"], shortcut["limit"], shortcut["passes"]) == ("t-test", 0.25, False)
    assert ours["replications"] == shortcut["replications"] == 250
