"""What people do with alerts."""

from datetime import timedelta
from pathlib import Path

import pytest

from coalmine_alerts.records import Finding
from coalmine_alerts.storage.sent import told_transitions
from coalmine_alerts.storage.silences import list_silences
from coalmine_alerts.storage.tables import marks
from coalmine_registry.errors import Conflict, Invalid, NotFound
from tests.support.data.alert_case import MINUTE, AlertCase, finding, name_of, told

HOUR = timedelta(hours=1)
NAME = name_of(finding())


@pytest.fixture
def case(tmp_path: Path) -> AlertCase:
    return AlertCase(tmp_path)


def test_what_is_worse_than_what_was_accepted_is_told_anew(case: AlertCase) -> None:
    def quality(value: float) -> Finding:
        return finding(value=value, is_worse_than=lambda accepted: value < accepted - 0.02)

    case.tick(quality(0.78))
    case.commands.accept(NAME, actor="ann", reason="a cheaper model")
    assert case.tick(quality(0.77), after=HOUR) == []
    assert told(case.tick(quality(0.75), after=HOUR)) == [("state", "firing")]
    found = case.only()
    assert (found.firing, found.accepted_by, found.accepted_value) == (2, None, None)
    case.commands.accept(NAME, actor="ann", reason="that, too")
    assert case.tick(quality(0.74), after=HOUR) == []


def test_acknowledging_stops_repeats_and_is_told(case: AlertCase) -> None:
    page = finding(severity="page")
    case.tick(page)
    found = case.commands.acknowledge(NAME, actor="ann", reason="on it")
    assert (found.acknowledged_by, found.acknowledged_at) == ("ann", case.now)
    assert case.commands.acknowledge(NAME, actor="bob").acknowledged_by == "ann"
    assert case.tick(page, after=3 * HOUR) == []
    made = told_transitions(case.database, NAME).items
    assert [each.transition.kind for each in made] == [
        "acknowledge",
        "state",
    ]
    assert [(row["transition"], row["channel"], row["due_at"]) for row in case.deliveries()[2:]] == [
        (2, "slack", case.now - 3 * HOUR),
        (2, "pager", case.now - 3 * HOUR),
    ]


@pytest.mark.parametrize("command", ["acknowledge", "accept"])
def test_only_what_fires_is_acknowledged_or_accepted(case: AlertCase, command: str) -> None:
    with pytest.raises(NotFound, match=NAME):
        getattr(case.commands, command)(NAME, actor="ann", reason="why")
    case.tick(finding(notice="1"))
    with pytest.raises(Conflict, match=f"alert {NAME} is ok: it must be firing"):
        getattr(case.commands, command)(NAME, actor="ann", reason="why")


def test_what_is_accepted_does_not_fire_before_it_was_not_so(case: AlertCase) -> None:
    case.tick(finding(value=0.78))
    case.commands.accept(NAME, actor="ann", reason="a cheaper model")
    assert case.tick(finding(value=0.77), after=HOUR) == []
    found = case.only()
    assert (found.state, found.accepted_by, found.accepted_value) == ("resolved", "ann", 0.78)
    assert case.only().accepted_at is not None
    case.tick(finding(False), after=MINUTE)
    assert case.only().accepted_at is None
    assert told(case.tick(finding(), after=MINUTE)) == [("state", "firing")]
    done = told_transitions(case.database, NAME).items[1].transition
    assert (done.kind, done.told, done.actor, done.reason) == ("accept", True, "ann", "a cheaper model")


@pytest.mark.parametrize("reason", ["", "  ", "x" * 1001])
def test_a_reason_is_asked_for(case: AlertCase, reason: str) -> None:
    case.tick(finding())
    with pytest.raises(Invalid, match="reason"):
        case.commands.accept(NAME, actor="ann", reason=reason)
    with pytest.raises(Invalid, match="reason"):
        case.commands.silence({"rule": "a"}, ends_at=case.now + HOUR, reason=reason, actor="ann")


@pytest.mark.parametrize("ends_in", [None, timedelta(0), timedelta(days=30, seconds=1), -HOUR])
def test_a_silence_without_a_near_end_is_refused(case: AlertCase, ends_in: timedelta | None) -> None:
    ends_at = None if ends_in is None else case.now + ends_in
    with pytest.raises(Invalid, match="ends_at"):
        case.commands.silence({"rule": "a"}, ends_at=ends_at, reason="why", actor="ann")
    with pytest.raises(Invalid, match="zone"):
        case.commands.silence(
            {"rule": "a"}, ends_at=(case.now + HOUR).replace(tzinfo=None), reason="why", actor="ann"
        )


@pytest.mark.parametrize("matchers", [{}, {"": "a"}, {"rule": ""}, {f"l{n}": "a" for n in range(21)}])
def test_a_silence_of_everything_is_refused(case: AlertCase, matchers: dict[str, str]) -> None:
    with pytest.raises(Invalid, match="matchers"):
        case.commands.silence(matchers, ends_at=case.now + HOUR, reason="why", actor="ann")


@pytest.mark.parametrize(
    ("matchers", "silenced"),
    [
        ({"rule": "quality_drift"}, True),
        ({"rule": "quality_*", "prompt": "summarize"}, True),
        ({"prompt": "*"}, True),
        ({"prompt": "summ"}, False),
        ({"prompt": "summarize", "app": "*"}, False),
        ({"rule": "cost_drift"}, False),
    ],
)
def test_a_silence_is_for_alerts_with_all_its_labels(
    case: AlertCase, matchers: dict[str, str], silenced: bool
) -> None:
    made = case.commands.silence(matchers, ends_at=case.now + HOUR, reason="why", actor="ann")
    assert list_silences(case.database, active_at=case.now).items == [made]
    assert (told(case.tick(finding())) == []) is silenced
    assert (case.only().silenced_until == made.ends_at) is silenced


def test_when_a_silence_ends_what_still_fires_is_told(case: AlertCase) -> None:
    ends_at = case.now + HOUR
    first = case.commands.silence({"rule": "*"}, ends_at=ends_at, reason="why", actor="ann")
    case.commands.silence({"rule": "q*"}, ends_at=ends_at + HOUR, reason="why", actor="ann")
    case.tick(finding())
    assert case.only().silenced_until == ends_at + HOUR
    ended = case.commands.unsilence(first.id, actor="bob")
    assert (ended.ended_by, ended.ended_at) == ("bob", case.now)
    with pytest.raises(Conflict, match="ended"):
        case.commands.unsilence(first.id, actor="bob")
    with pytest.raises(NotFound):
        case.commands.unsilence(99, actor="bob")
    assert told(case.tick(finding(), after=HOUR)) == []
    assert told(case.tick(finding(), after=HOUR)) == [("update", "firing")]
    assert [each.id for each in list_silences(case.database).items] == [2, 1]
    assert list_silences(case.database, active_at=case.now).items == []


def test_the_last_mark_of_a_person_counts(case: AlertCase) -> None:
    with pytest.raises(NotFound):
        case.commands.mark(NAME, useful=True, actor="ann")
    case.tick(finding())
    for useful in (True, False):
        case.commands.mark(NAME, useful=useful, actor="ann")
    case.commands.mark(NAME, useful=True, actor="bob")
    found = case.database.read(lambda connection: connection.execute(marks.select()).all())
    assert {(row.marked_by, row.firing, row.useful) for row in found} == {("ann", 1, False), ("bob", 1, True)}
