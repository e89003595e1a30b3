from datetime import UTC, datetime, timedelta

import pytest
from pydantic import TypeAdapter

from coalmine_consumers.results import IngestStatus
from coalmine_dashboards.views.health import HealthItem, health_items
from tests.support.doubles.measured_simulation import ingest_status

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def items(**changes: object) -> dict[str, HealthItem]:
    status = TypeAdapter(IngestStatus).validate_python(ingest_status(NOW, **changes))
    return {item.label: item for item in health_items(status, NOW)}


def test_a_healthy_collector_is_all_green() -> None:
    found = items()
    assert {label: item.value for label, item in found.items()} == {
        "Collector": "running",
        "Lag": "0",
        "Last commit": "1 s ago",
        "Ingest rate": "6.4/s",
        "Stored": "89,990",
        "Dead letters": "0",
        "Gaps": "0",
        "Unattributed": "3",
    }
    assert {item.tone for item in found.values()} == {"good", "plain"}


def test_a_collector_that_waits_is_bad_and_says_why() -> None:
    item = items(state="waiting", reason="Kafka does not answer")["Collector"]
    assert (item.value, item.tone) == ("waiting", "bad")
    assert "Kafka does not answer" in item.explanation


def test_a_collector_inside_a_command_is_worth_noticing() -> None:
    item = items(state="embedded", source="kafka")["Collector"]
    assert (item.value, item.tone) == ("embedded", "notice")
    assert "Kafka" in item.explanation


def test_a_replica_says_how_old_its_answers_are() -> None:
    for age, value, tone in (
        (timedelta(seconds=10), "10 s ago", "good"),
        (timedelta(hours=1), "1 h ago", "bad"),
    ):
        found = items(state="replica", lag=None, as_of=NOW - age)
        assert "Collector" not in found
        assert (found["Answers from"].value, found["Answers from"].tone) == (value, tone)
        assert "snapshot" in found["Answers from"].explanation


@pytest.mark.parametrize(
    ("lag", "per_s", "value", "tone"),
    [
        (None, 5.0, "\N{EN DASH}", "notice"),
        (900, 0.0, "900", "good"),
        (5000, 10.0, "5,000", "notice"),
        (5000, 4000.0, "5,000", "good"),
    ],
)
def test_a_lag_of_more_than_half_a_minute_is_worth_noticing(
    lag: int | None, per_s: float, value: str, tone: str
) -> None:
    item = items(lag=lag, events_per_s=per_s)["Lag"]
    assert (item.value, item.tone) == (value, tone)


def test_waiting_messages_without_a_commit_are_a_problem() -> None:
    long_ago = (NOW - timedelta(minutes=6)).isoformat()
    assert items(lag=5, last_commit_at=long_ago)["Last commit"].tone == "bad"
    assert items(lag=0, last_commit_at=long_ago)["Last commit"].tone == "plain"
    assert items(lag=0, last_commit_at=None)["Last commit"].value == "never"


@pytest.mark.parametrize(("field", "label"), [("dead_letters_open", "Dead letters"), ("gaps_total", "Gaps")])
def test_any_loss_is_bad_and_says_where_to_look(field: str, label: str) -> None:
    item = items(**{field: 2})[label]
    assert (item.value, item.tone) == ("2", "bad")
    assert "coalmine" in item.explanation


def test_much_unattributed_feedback_is_worth_noticing() -> None:
    assert items(unattributed_feedback=900, unattributed_scores=100)["Unattributed"].tone == "notice"


def test_names_beyond_a_day_s_limit_are_said_where_there_are_any() -> None:
    assert "Beyond limit" not in items(names_beyond_limit={"prompt": 0})
    item = items(names_beyond_limit={"prompt": 1200, "model": 34})["Beyond limit"]
    assert (item.value, item.tone) == ("1,234", "notice")
    assert "prompt 1,200, model 34" in item.explanation
    assert "(other)" in item.explanation
