"""The benchmark of alerts runs on the real rules, and its figures mean what they say."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.alerts import KINDS, Results, by_kind, by_rule, false_alarms, keep, kept, main
from benchmarks.alerts_runs import BEGAN, Incident, Told
from coalmine_alerts.rules.defaults import DEFAULT_RULES

HOUR_S = 3_600.0


@pytest.mark.campaign
def test_the_last_line_is_json_with_the_promised_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--days", "1", "--prompts", "2", "--runs", "1", "--kind", "feedback x5 for 3 h", "--json"]
    asked += ["--keep", str(tmp_path / "kept.jsonl")]
    status = main(asked)
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert status == 0
    assert result["false_alarms"]["feedback_above_usual"]["alarms"] == 0
    found = result["regressions"]["feedback x5 for 3 h"]
    # It begins at night, when hardly anybody rates: it may be over before it is shown.
    assert (found["incidents"], found["recall"] in (0.0, 1.0)) == (1, True)
    assert found["messages_per_incident"] == result["messages_per_incident"] <= 1.0
    # Nothing is simulated again.
    assert main(asked) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == result


def test_what_was_simulated_is_kept_and_a_line_that_broke_off_is_not(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    found = Results(calm=[told("cost_jump", 2.0)], incidents=[incident(2.0, {"quality_drift": 1}, {})])
    keep(path, "calm/60/6/1", found)
    with path.open("a") as file:
        file.write('{"task": "quality')
    keep(path, "calm/60/6/2", Results())
    assert kept(path) == {"calm/60/6/1": found, "calm/60/6/2": Results()}


def test_every_kind_is_told_by_rules_that_there_are() -> None:
    assert {rule for each in KINDS for rule in each.rules | each.also} <= DEFAULT_RULES.keys()
    assert len({each.name for each in KINDS}) == len(KINDS)


def told(rule: str, day: float, firing: str = "a/1/None") -> Told:
    at = BEGAN + timedelta(days=day)
    return Told(at=at, message=1, rule=rule, severity="warning", labels={}, firing=firing)


def test_each_firing_counts_once_and_drift_from_the_end_of_its_reference_on() -> None:
    found = {
        each.rule: each
        for each in false_alarms(
            [
                told("quality_drift", 13.0),
                told("quality_drift", 20.0, "b/1/None"),
                told("quality_drift", 21.0, "b/1/None"),
                told("cost_jump", 2.0),
                told("cost_jump", 3.0, "a/2/None"),
            ],
            days=28,
            prompts=4,
        )
    }
    drift, jump, version = (found[name] for name in ("quality_drift", "cost_jump", "version_regression"))
    assert (drift.alarms, drift.prompt_weeks, drift.per_prompt_week) == (1, 4.0, 0.25)
    assert (jump.alarms, jump.prompt_weeks, jump.per_prompt_week) == (2, 16.0, 0.125)
    assert (version.alarms, version.prompt_weeks) == (0, 8.0)


def incident(delay_h: float | None, right: Mapping[str, int], wrong: Mapping[str, int]) -> Incident:
    delay_s = None if delay_h is None else delay_h * HOUR_S
    return Incident(kind="quality -5 %", delay_s=delay_s, messages=len(right), right=right, wrong=wrong)


def test_times_are_of_what_was_told_and_precision_of_what_fired() -> None:
    incidents = [
        incident(2.0, {"quality_drift": 1}, {}),
        incident(4.0, {"quality_drift": 2}, {"cost_drift": 1}),
        incident(None, {}, {"quality_drift": 1}),
    ]
    (kind,) = by_kind(incidents)
    assert (kind.incidents, kind.to_message_h_p50) == (3, 3.0)
    assert kind.recall == pytest.approx(2 / 3)
    assert kind.messages_per_incident == pytest.approx(2 / 3)
    cost, quality = by_rule(incidents, KINDS)
    assert (cost.rule, cost.precision, cost.recall) == ("cost_drift", 0.0, None)
    assert (quality.rule, quality.precision) == ("quality_drift", 0.75)
    assert quality.recall == pytest.approx(2 / 3)
