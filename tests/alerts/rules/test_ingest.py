"""Rules about ingest: each fires on its smallest true input, and not on its nearest false one."""

from dataclasses import replace
from datetime import timedelta

import pytest

from coalmine_alerts.facts import Health, Ingest
from coalmine_alerts.rules.ingest import (
    ControllerSilent,
    DeadLetters,
    DiskFull,
    IngestStale,
    SourceGap,
    SourceUnavailable,
    UnattributedFeedback,
)
from coalmine_consumers.results import GapRow
from tests.support.data.alert_facts import NOW, facts, findings, held_back, one
from tests.support.data.alert_rollouts import rollout_facts

MINUTE = timedelta(minutes=1)


def ingest(**given: object) -> Ingest:
    values = {"last_commit_at": NOW - MINUTE, "newest_event_at": NOW - MINUTE, **given}
    return Ingest(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "stale"),
    [
        (ingest(), False),
        (ingest(health=Health(lag_s=299.0)), False),
        (ingest(health=Health(lag_s=300.0)), True),
        (ingest(health=Health(waiting_for="connection refused")), False),
        (ingest(last_commit_at=NOW - 5 * MINUTE, health=Health(waiting_for="connection refused")), True),
        (ingest(newest_event_at=NOW - 20 * MINUTE, expected_since=19.0), False),
        (ingest(newest_event_at=NOW - 20 * MINUTE, expected_since=20.0), True),
        (ingest(newest_event_at=NOW - 20 * MINUTE, expected_since=None), False),
        (ingest(newest_event_at=None, expected_since=20.0), True),
    ],
)
def test_ingest_is_stale_when_events_wait_or_come_no_more(found: Ingest, stale: bool) -> None:
    answers = list(IngestStale()(facts(ingest=found)))
    assert one(answers).condition is stale
    assert one(answers).severity == "warning"
    # While nothing is known, nothing that is measured is news.
    assert [(each.labels, each.rules) for each in held_back(answers)] == [({}, frozenset())] * stale


def test_a_store_without_any_commit_says_nothing_about_ingest() -> None:
    assert one(IngestStale()(facts(ingest=Ingest()))).condition is None
    assert list(IngestStale()(facts(ingest=ingest(), read=frozenset()))) == []


def test_stale_ingest_wakes_somebody_while_a_rollout_is_out() -> None:
    found = facts(ingest=ingest(health=Health(lag_s=600.0)), rollouts=[rollout_facts("running")])
    assert one(IngestStale()(found)).severity == "page"
    assert "is blind" in one(IngestStale()(found)).story.summary
    over = replace(found, rollouts=[rollout_facts("completed")])
    assert one(IngestStale()(over)).severity == "warning"


def test_a_loss_is_told_once_with_what_is_missing() -> None:
    gap = GapRow("coalmine.requests", "0", 1_000, 1_250, "expired", NOW - MINUTE)
    older = GapRow("coalmine.requests", "1", 5, 10, "expired", NOW - 60 * MINUTE)
    assert list(SourceGap()(facts(ingest=ingest()))) == []
    found = one(SourceGap()(facts(ingest=ingest(gaps=[gap, older]))))
    assert (found.condition, found.notice, found.value) == (True, "coalmine.requests/0@1000", 255.0)
    # The same loss at the next evaluation has the same id.
    assert one(SourceGap()(facts(ingest=ingest(gaps=[gap, older])))).notice == found.notice


@pytest.mark.parametrize(
    ("dead", "consumed", "condition", "severity"),
    [
        (0, 0, None, "warning"),
        (2, 2, False, "warning"),
        (5, 1_000, False, "warning"),
        (6, 1_000, True, "warning"),
        (19, 1_000_000, False, "warning"),
        (20, 1_000_000, True, "warning"),
        (20, 400, True, "warning"),
        (21, 400, True, "page"),
        (19, 20, True, "warning"),
    ],
)
def test_dead_letters_are_too_many_by_share_or_by_count(
    dead: int, consumed: int, condition: bool | None, severity: str
) -> None:
    found = one(DeadLetters()(facts(ingest=ingest(dead_lately=dead, consumed_lately=consumed))))
    assert (found.condition, found.severity) == (condition, severity)


@pytest.mark.parametrize(
    ("unattributed", "known", "condition"),
    [(0, 0, None), (20, 380, False), (20, 379, True), (19, 19, False), (0, 50, False)],
)
def test_feedback_about_unknown_requests_is_told_from_a_share_on(
    unattributed: int, known: int, condition: bool | None
) -> None:
    found = one(UnattributedFeedback()(facts(ingest=ingest(unattributed=unattributed, feedback=known))))
    assert found.condition is condition


@pytest.mark.parametrize(
    ("free", "expected"),
    [(0.1, (False, "warning")), (0.099, (True, "warning")), (0.029, (True, "page"))],
)
def test_a_disk_that_fills_is_told_and_wakes_somebody_at_the_end(
    free: float, expected: tuple[bool, str]
) -> None:
    found = one(DiskFull()(facts(ingest=ingest(health=Health(disk_free=free)))))
    assert (found.condition, found.severity) == expected


def test_what_wakes_somebody_is_told_whatever_is_told_before() -> None:
    found = one(DiskFull(free=0.01, page_free=0.5)(facts(ingest=ingest(health=Health(disk_free=0.2)))))
    assert (found.condition, found.severity) == (True, "page")


def test_nothing_is_said_of_a_disk_and_a_controller_that_are_elsewhere() -> None:
    assert findings(DiskFull()(facts(ingest=ingest()))) == []
    assert findings(ControllerSilent()(facts(ingest=ingest()))) == []


@pytest.mark.parametrize(("age_s", "silent"), [(59.0, False), (60.0, True)])
def test_a_controller_that_stops_to_decide_is_told(age_s: float, silent: bool) -> None:
    found = facts(ingest=ingest(health=Health(rollouts_tick_age_s=age_s)))
    assert one(ControllerSilent()(found)).condition is silent
    shown = replace(found, rollouts=[rollout_facts("running")])
    assert one(ControllerSilent()(shown)).severity == "page"


def test_a_source_that_cannot_be_read_is_itself_told_and_one_that_can_is_well() -> None:
    found = facts(read=frozenset(("ingest",)), failed={"rollouts": "DatabaseUnavailable: away"})
    said = {each.labels["source"]: each.condition for each in findings(SourceUnavailable()(found))}
    assert said == {"ingest": False, "rollouts": True}
