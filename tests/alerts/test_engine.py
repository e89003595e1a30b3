"""The engine: rules are asked, alerts move on, and everything is written at once."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from coalmine_alerts.records import Inhibition
from coalmine_alerts.results.story import Story
from coalmine_alerts.storage.alerts import alert, list_alerts
from coalmine_alerts.storage.sent import told_transitions
from coalmine_alerts.timing import Timing
from tests.support.data.alert_case import MINUTE, START, AlertCase, SaidRule, finding, name_of, told


@pytest.fixture
def case(tmp_path: Path) -> AlertCase:
    return AlertCase(tmp_path)


def test_what_is_not_so_makes_no_alert(case: AlertCase) -> None:
    assert case.tick(finding(False), finding(None, labels={"version": "2.0.0"})) == []
    assert list_alerts(case.database).items == []


def test_an_alert_fires_is_told_and_is_over(case: AlertCase) -> None:
    (fired,) = case.tick(finding())
    assert (fired.kind, fired.from_state, fired.to_state, fired.told) == ("state", "ok", "firing", True)
    assert case.tick(finding(), after=MINUTE) == []
    assert case.tick(finding(False), after=MINUTE) == []
    (over,) = case.tick(finding(False), after=10 * MINUTE)
    assert (over.to_state, over.told) == ("resolved", True)
    found = case.only()
    assert (found.state, found.firing, found.fired_at, found.since) == ("resolved", 1, START, case.now)
    assert [(row["channel"], row["group_key"]) for row in case.deliveries()] == 2 * [
        ("slack", "prod|prompt|summarize")
    ]


def test_a_rule_that_raises_does_not_stop_the_others(tmp_path: Path) -> None:
    broken = SaidRule("broken", answers=[finding(rule="broken")], error=KeyError("secret text"))
    case = AlertCase(tmp_path, SaidRule(), broken)
    made = case.tick(finding())
    found = {each.rule: each for each in list_alerts(case.database).items}
    assert {rule: each.state for rule, each in found.items()} == {
        "quality_drift": "firing",
        "broken": "firing",
        "rule_failed": "firing",
    }
    assert len(made) == 3
    assert found["rule_failed"].labels == {"rule": "broken"}
    assert "KeyError at alert_case.py" in found["rule_failed"].story.summary
    assert "secret text" not in found["rule_failed"].story.summary
    broken.error = None
    case.tick(finding(), after=MINUTE)
    case.tick(finding(), after=10 * MINUTE)
    found = {each.rule: each for each in list_alerts(case.database).items}
    assert found["rule_failed"].state == "resolved"
    broken.error = KeyError()
    case.tick(finding(), after=MINUTE)
    found = {each.rule: each for each in list_alerts(case.database).items}
    assert (found["rule_failed"].state, found["rule_failed"].firing) == ("firing", 2)


def test_facts_that_cannot_be_read_are_an_alert_and_nothing_is_taken_for_over(case: AlertCase) -> None:
    case.tick(finding())

    def fails(now: object) -> None:
        raise OSError("away")

    case.engine._read_facts = fails  # type: ignore[assignment]
    (made,) = case.tick(after=15 * MINUTE)
    assert "Facts cannot be read" in made.summary
    assert alert(case.database, name_of(finding())).state == "firing"


def test_a_finding_that_cannot_be_stored_stops_no_other(case: AlertCase) -> None:
    bad = [
        finding(labels={"version": "1"}, story=Story(title="\udc80", summary="")),
        finding(labels={"version": "2"}, story=Story(title=3, summary="")),  # type: ignore[arg-type]
        finding(labels={"version": "3"}, severity="loud"),
        finding(labels={"version": 4}),
    ]
    case.tick(*bad, finding(value=float("nan")))
    found = {each.rule: each for each in list_alerts(case.database).items}
    assert set(found) == {"quality_drift", "rule_failed"}
    assert found["quality_drift"].value is None


@pytest.mark.parametrize("other", [None, False])
def test_of_two_findings_about_one_thing_the_worse_counts(case: AlertCase, other: bool | None) -> None:
    case.tick(finding(other), finding(True), finding(other))
    assert case.only().state == "firing"


def test_a_notice_is_told_once(case: AlertCase) -> None:
    first, second = finding(notice="1"), finding(notice="2")
    assert told(case.tick(first, second)) == [("notice", "ok"), ("notice", "ok")]
    assert case.tick(first, second, after=MINUTE) == []
    case.open()
    assert case.tick(second, first, after=MINUTE) == []
    assert (case.only().state, case.only().last_notice, case.only().firing) == ("ok", "2", 2)


def test_an_alert_whose_rule_is_switched_off_is_over(tmp_path: Path) -> None:
    case = AlertCase(tmp_path)
    case.tick(finding())
    case.rules = (SaidRule("another"),)
    case.open()
    (over,) = case.tick(after=MINUTE)
    assert (over.to_state, over.summary) == ("resolved", "Its rule is not evaluated any more.")


def test_a_rollout_holds_back_metric_alerts_of_its_version(tmp_path: Path) -> None:
    other = SaidRule("prompt_changed", answers=[finding(rule="prompt_changed")])
    rollouts = SaidRule("rollout_decision")
    case = AlertCase(tmp_path, SaidRule(timing=Timing(metric=True)), other, rollouts)
    labels = {"environment": "prod", "prompt": "summarize", "version": "1.1.0"}
    rollouts.answers = [Inhibition(by="ro-1", labels=labels)]
    made = case.tick(finding(), finding(labels={"version": "1.0.0"}))
    assert {(each.fingerprint, each.told) for each in made} == {
        (name_of(finding()), False),
        (name_of(finding(labels={"version": "1.0.0"})), True),
        (name_of(finding(rule="prompt_changed")), True),
    }
    assert alert(case.database, name_of(finding())).inhibited_by == "ro-1"
    rollouts.answers = []
    made = case.tick(finding(), finding(labels={"version": "1.0.0"}), after=MINUTE)
    assert told(made) == [("update", "firing")]


def test_a_rule_does_not_hold_back_its_own_alerts(tmp_path: Path) -> None:
    case = AlertCase(tmp_path, SaidRule(timing=Timing(metric=True)))
    assert told(case.tick(finding(), Inhibition(by="itself", labels={}))) == [("state", "firing")]


def test_rules_may_be_held_back_by_name(tmp_path: Path) -> None:
    drift = SaidRule("quality_drift", answers=[finding()])
    case = AlertCase(tmp_path, SaidRule("model_change"), drift)
    labels = {"environment": "prod", "prompt": "summarize"}
    made = case.tick(Inhibition(by="openai/b", labels=labels, rules=frozenset(["quality_drift"])))
    assert [each.told for each in made] == [False]


def test_a_thousand_alerts_are_written_with_few_statements(case: AlertCase) -> None:
    statements: list[str] = []
    event.listen(
        case.database._engine,
        "before_cursor_execute",
        lambda _connection, _cursor, statement, *_rest: statements.append(statement),
    )
    many = [finding(labels={"prompt": f"p{number}"}) for number in range(1000)]
    assert len(case.tick(*many)) == 1000
    assert len(statements) < 30
    assert len(case.deliveries()) == 1000
    statements.clear()
    assert case.tick(*many, after=timedelta(seconds=5)) == []
    assert len(statements) < 15
    assert not [each for each in statements if each.startswith(("INSERT", "UPDATE"))]


def test_lists_come_in_pages(case: AlertCase) -> None:
    case.tick(*[finding(labels={"prompt": f"p{number}"}) for number in range(5)])
    case.tick(finding(labels={"prompt": "later"}), after=MINUTE)
    seen, cursor = [], None
    while True:
        page = list_alerts(case.database, states=["firing"], cursor=cursor, limit=2)
        seen += [each.fingerprint for each in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 6
    assert seen[0] == name_of(finding(labels={"prompt": "later"}))
    assert [each.labels["prompt"] for each in list_alerts(case.database, prompt="p3").items] == ["p3"]
    first = told_transitions(case.database, limit=4)
    second = told_transitions(case.database, limit=4, cursor=first.next_cursor)
    assert [each.transition.seq for each in (*first.items, *second.items)] == [6, 5, 4, 3, 2, 1]
    of_one = told_transitions(case.database, prompt="p3", limit=4).items
    assert [each.labels["prompt"] for each in of_one] == ["p3"]
    assert told_transitions(case.database, prompt="p3", environment="nowhere").items == []
