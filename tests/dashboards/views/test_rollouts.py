"""Rollouts in words and tables."""

from dataclasses import replace

import pytest

from coalmine_dashboards.parts.tables import table_html
from coalmine_dashboards.views.rollouts import (
    evidence_rows,
    figures_of,
    metric_columns,
    metrics_that_matter,
    stage_of,
    stages_track,
    weights_of,
)
from coalmine_rollouts.records import AppBehind
from tests.support.doubles.rollout_answers import BEGAN, a_look, a_rollout, a_status, decisions


@pytest.mark.parametrize(
    ("stage", "state", "words"),
    [(0, "running", "1 of 2"), (1, "paused", "2 of 2"), (2, "baking", "bake"), (2, "completed", "done")],
)
def test_where_it_is_in_its_plan(stage: int, state: str, words: str) -> None:
    assert stage_of(a_rollout(stage=stage, state=state)) == words


def test_the_stages_say_in_words_what_is_done_and_what_comes() -> None:
    track = stages_track(a_rollout(stage=1))
    assert track.count(" <small>done</small>") == 1
    assert track.count('aria-current="step"') == 1
    assert track.count(" <small>to come</small>") == 2
    assert stages_track(a_rollout(stage=2, state="completed")).count("<small>done</small>") == 3
    assert 'aria-current="step"' not in stages_track(a_rollout(stage=0, started_at=None, state="pending"))


def test_weights_are_not_rounded_to_none_or_all() -> None:
    assert weights_of({"treatment": 0.005, "control": 0.995}) == "treatment 0.5%, control 99.5%"
    assert weights_of({"treatment": 0.125, "control": 0.875}) == "treatment 12.5%, control 87.5%"


def test_an_application_that_has_not_followed_is_said_without_hovering() -> None:
    behind = AppBehind("checkout", "1.2.0", "stale", 31, BEGAN)
    status = a_status(a_rollout(), behind=(behind,), effective_at=None)
    items = {each.label: each for each in figures_of(status, None, False, str, str)}
    assert items["Effective"].tone == "bad"
    assert "checkout (31 requests)" in items["Effective"].explanation
    assert items["Observed"].tone == "plain"
    far = figures_of(a_status(a_rollout(), weight_observed=0.2), "more than planned", True, str, str)
    tones = {each.label: each.tone for each in far}
    assert (tones["Observed"], tones["Proportions"]) == ("notice", "bad")


def test_what_is_worse_comes_first_and_has_words_beside_its_colour() -> None:
    arm = a_look(BEGAN, 1_180, 2_430).arms[0]
    worse = replace(arm.metrics[4], verdict="worse")
    rows = metrics_that_matter(replace(arm, metrics=(*arm.metrics[:4], worse, *arm.metrics[5:])))
    assert rows[0] == worse
    assert rows[-1].role == "shown"
    shown = table_html(rows, metric_columns(), "Metrics")
    assert '<span class="cm-dot cm-bad" aria-hidden="true"></span>worse' in shown
    assert "cannot be told apart" in shown


def test_numbers_of_a_decision_are_read_as_far_as_they_are_there() -> None:
    first, _start, advance = decisions()
    assert evidence_rows(first) == []
    assert [each.metric for each in evidence_rows(advance)][:2] == ["quality", "error_rate"]
    assert evidence_rows(replace(advance, evidence={"look": {"metrics": [{"other": 1}]}})) == []
