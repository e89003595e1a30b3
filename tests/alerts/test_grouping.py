"""What is told together, and when."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from coalmine_alerts.grouping import DigestTime, Weekday
from coalmine_alerts.results.alerts import Cause
from coalmine_alerts.storage.tables import messages
from coalmine_alerts.timing import Timing
from tests.support.data.alert_case import MINUTE, START, AlertCase, SaidRule, finding

SECOND = timedelta(seconds=1)


@pytest.fixture
def case(tmp_path: Path) -> AlertCase:
    return AlertCase(tmp_path)


def _sent(case: AlertCase, group: str, channel: str = "slack") -> None:
    """As delivery does after it has sent what waits."""
    row = {
        "channel": channel,
        "group_key": group,
        "open": True,
        "created_at": START,
        "changed_at": case.now,
        "text": "",
        "body": {},
    }
    case.database.write(lambda connection: connection.execute(insert(messages).values(row)))
    case.database.write(
        lambda connection: connection.exec_driver_sql("UPDATE deliveries SET state = 'delivered'")
    )


def _due(case: AlertCase) -> list[timedelta]:
    """How long after now each row that waits is due."""
    return [row["due_at"] - case.now for row in case.deliveries() if row["state"] == "waiting"]


def test_alerts_of_one_cause_are_one_group_that_waits_for_more(case: AlertCase) -> None:
    cause = Cause("model", "openai/gpt-4o-2026-11-18")
    case.tick(*[finding(labels={"prompt": f"p{number}"}, cause=cause) for number in range(12)])
    assert {row["group_key"] for row in case.deliveries()} == {"prod|model|openai/gpt-4o-2026-11-18"}
    assert _due(case) == 12 * [30 * SECOND]
    case.tick(finding(labels={"prompt": "p13"}, cause=cause), after=20 * SECOND)
    assert _due(case)[-1] == 10 * SECOND


def test_other_environments_are_other_groups(case: AlertCase) -> None:
    case.tick(finding(), finding(labels={"environment": "staging"}))
    assert len({row["group_key"] for row in case.deliveries()}) == 2


def test_a_page_waits_for_nothing(case: AlertCase) -> None:
    case.tick(finding())
    case.tick(finding(severity="page", labels={"version": "2"}), after=SECOND)
    assert _due(case) == [29 * SECOND, timedelta(0), timedelta(0)]
    case.tick(finding(labels={"version": "3"}))
    assert _due(case)[-1] == timedelta(0)


def test_a_rule_may_wait_for_nothing(tmp_path: Path) -> None:
    case = AlertCase(tmp_path, SaidRule(timing=Timing(group_wait=timedelta(0), info="at_once")))
    case.tick(finding(severity="info", notice="9"))
    assert _due(case) == [timedelta(0)]


def test_a_group_is_told_of_again_after_its_interval(case: AlertCase) -> None:
    case.tick(finding())
    case.now += 30 * SECOND
    _sent(case, "prod|prompt|summarize")
    case.tick(finding(), finding(labels={"version": "2"}), after=MINUTE)
    assert _due(case) == [4 * MINUTE]
    case.tick(finding(), finding(labels={"version": "2"}), finding(labels={"version": "3"}), after=MINUTE)
    assert _due(case) == 2 * [3 * MINUTE]
    _sent(case, "prod|prompt|summarize", channel="pager")
    case.tick(finding(labels={"version": "4"}), after=5 * MINUTE)
    assert _due(case) == [30 * SECOND]


def test_what_is_for_information_waits_for_the_daily_digest(case: AlertCase) -> None:
    case.tick(finding(severity="info"), finding(severity="info", labels={"prompt": "b"}, notice="1"))
    assert {(row["group_key"], row["due_at"]) for row in case.deliveries()} == {
        ("digest|2026-11-24", DigestTime().next(START) + MINUTE)
    }
    assert DigestTime().next(START) == START + timedelta(hours=21)
    assert DigestTime().next(DigestTime().next(START)) == START + timedelta(hours=45)


@pytest.mark.parametrize(
    ("now", "at", "zone", "following", "latest"),
    [
        # Clocks go back in Berlin on the 25th of October.
        ("2026-10-24T12:00", time(9), "Europe/Berlin", "2026-10-25T08:00", "2026-10-24T07:00"),
        ("2026-10-25T08:00", time(9), "Europe/Berlin", "2026-10-26T08:00", "2026-10-25T08:00"),
        ("2026-11-23T23:30", time(7, 30), "Asia/Tokyo", "2026-11-24T22:30", "2026-11-23T22:30"),
    ],
)
def test_the_daily_digest_is_told_at_a_time_of_day_of_a_zone(
    now: str, at: time, zone: str, following: str, latest: str
) -> None:
    when = DigestTime(at=at, time_zone=ZoneInfo(zone))
    moment = datetime.fromisoformat(f"{now}+00:00")
    assert when.next(moment) == datetime.fromisoformat(f"{following}+00:00")
    assert when.last(moment) == datetime.fromisoformat(f"{latest}+00:00")


@pytest.mark.parametrize(
    ("weekday", "zone", "told"),
    [
        ("monday", "UTC", "23T09:00"),
        ("monday", "Europe/Berlin", "23T08:00"),
        ("monday", "America/New_York", "23T14:00"),
        ("wednesday", "Europe/Berlin", "25T08:00"),
        ("sunday", "UTC", "29T09:00"),
    ],
)
def test_a_week_is_told_on_a_weekday_of_the_next_one(weekday: Weekday, zone: str, told: str) -> None:
    when = DigestTime(time_zone=ZoneInfo(zone), weekday=weekday)
    found = when.after_week(datetime(2026, 11, 23, tzinfo=UTC))
    assert found == datetime.fromisoformat(f"2026-11-{told}+00:00")


def test_a_warning_that_fires_on_is_in_the_daily_digest(case: AlertCase) -> None:
    case.tick(finding())
    case.tick(finding(), after=timedelta(hours=20, minutes=59))
    assert len(case.deliveries()) == 1
    case.tick(finding(), after=MINUTE + 5 * SECOND)
    assert [row["group_key"] for row in case.deliveries()] == ["prod|prompt|summarize", "digest|2026-11-24"]
    assert _due(case)[1] == 55 * SECOND


def test_its_end_is_told_where_it_was_told(case: AlertCase) -> None:
    case.tick(finding(severity="page"))
    case.tick(finding())
    case.tick(finding(), after=10 * MINUTE)
    case.tick(finding(False), after=MINUTE)
    case.tick(finding(False), after=10 * MINUTE)
    assert case.only().severity == "warning"
    assert [row["channel"] for row in case.deliveries()] == 3 * ["slack", "pager"]
    case.tick(finding(), after=MINUTE)
    assert [row["channel"] for row in case.deliveries()[6:]] == ["slack"]


def test_an_alert_without_a_way_out_is_written_all_the_same(case: AlertCase) -> None:
    case.channels = {}
    assert len(case.tick(finding())) == 1
    assert case.deliveries() == []
