"""Models behind prompts: changed, not evaluated, soon gone."""

from datetime import date, timedelta

import pytest

from coalmine_alerts.facts import AnsweredBy, Evaluation, VersionPlace
from coalmine_alerts.rules.models import (
    Deprecation,
    ModelChanged,
    ModelDeprecated,
    ModelNotEvaluated,
    shipped_deprecations,
)
from tests.support.data.alert_facts import (
    KEY,
    NOW,
    facts,
    findings,
    held_back,
    later,
    metric_drift,
    model_change,
    one,
    version_drift,
)

DAY = timedelta(days=1)


def test_a_change_over_twelve_prompts_is_one_finding_with_a_row_for_each() -> None:
    change = model_change()
    prompts = [f"prompt-{number:02}" for number in range(12)]
    known = facts(
        drifts=[
            version_drift(metric_drift(state="steady", better=None), prompt=each, model_changes=(change,))
            for each in prompts
        ]
    )
    told = one(ModelChanged()(known))
    assert (told.condition, told.severity, told.value) == (True, "info", 12.0)
    assert told.cause.kind == "model"
    assert told.story.table is not None
    assert [row[0] for row in told.story.table.rows] == [f"{each} 1.0.0" for each in prompts]
    assert "and 7 more" in told.story.summary


def test_a_metric_that_moved_with_it_makes_it_urgent_and_is_told_here_alone() -> None:
    change = model_change()
    row = metric_drift(likely_causes=(change,))
    known = facts(drifts=[version_drift(row, model_changes=(change,))])
    answers = list(ModelChanged()(known))
    assert (one(answers).severity, one(answers).condition) == ("warning", True)
    (held,) = held_back(answers)
    assert held.labels["metric"] == "quality"
    assert "quality_drift" in held.rules
    # As long as it has not come back, and no longer.
    weeks = later(known, 14 * DAY)
    assert one(ModelChanged()(weeks)).condition is True
    back = facts(
        drifts=[
            version_drift(metric_drift(state="returned", likely_causes=(change,)), model_changes=(change,))
        ]
    )
    assert one(ModelChanged()(later(back, 14 * DAY))).condition is False
    assert held_back(ModelChanged()(back)) == []


def test_a_change_is_news_for_two_days() -> None:
    change = model_change(first_seen=NOW - 2 * DAY)
    known = facts(drifts=[version_drift(metric_drift(state="steady"), model_changes=(change,))])
    assert one(ModelChanged()(known)).condition is True
    assert one(ModelChanged()(later(known, timedelta(seconds=1)))).condition is False
    assert findings(ModelChanged()(facts(drifts=[version_drift(metric_drift())]))) == []


def answered(model: str, requests: int = 100, key: VersionPlace = KEY) -> AnsweredBy:
    return AnsweredBy(key=key, model=model, requests=requests, first_at=NOW - DAY)


@pytest.mark.parametrize(
    ("new", "condition"),
    [(1, False), (2, True), (100, True)],
)
def test_a_model_without_a_run_of_evals_is_told_above_one_per_cent(new: int, condition: bool) -> None:
    known = facts(
        answered=[answered("old-1", 100), answered("new-1", new)],
        evaluations=[Evaluation(key=KEY, runs=1, models=frozenset(("old-1",)))],
    )
    said = {each.labels["model"]: each.condition for each in findings(ModelNotEvaluated()(known))}
    assert said == {"old-1": False, "new-1": condition}
    assert ModelNotEvaluated().timing.for_ == timedelta(hours=1)


@pytest.mark.parametrize(
    "evaluations", [[], [Evaluation(key=KEY, runs=1, models=frozenset())]], ids=["none", "no model named"]
)
def test_nothing_is_said_of_versions_whose_models_nobody_named(evaluations: list[Evaluation]) -> None:
    known = facts(answered=[answered("new-1")], evaluations=evaluations)
    assert findings(ModelNotEvaluated()(known)) == []


@pytest.mark.parametrize(
    ("days", "notice"),
    [(61, None), (60, 60), (31, 60), (30, 30), (8, 30), (7, 7), (1, 7), (0, 0), (-5, 0)],
)
def test_the_end_of_a_model_is_told_at_each_border_once(days: int, notice: int | None) -> None:
    end = NOW.date() + timedelta(days=days)
    rule = ModelDeprecated(models=(Deprecation("old-1", end, "Acme", "new-1"),))
    found = findings(rule(facts(answered=[answered("old-1"), answered("other-1")])))
    assert [each.notice for each in found] == ([] if notice is None else [f"{end}@{notice}"])
    for each in found:
        assert dict(each.story.details)["Replacement"] == "new-1"


def test_the_shipped_list_can_be_read() -> None:
    ends = {each.model: each.ends for each in shipped_deprecations()}
    assert ends["gpt-4o-2024-08-06"] == date(2027, 1, 14)
    assert len(ends) == len(shipped_deprecations())
