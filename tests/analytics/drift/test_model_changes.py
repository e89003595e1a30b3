"""Models that answer: new ones are told of once."""

from datetime import UTC, datetime, timedelta

from coalmine_analytics.drift.model_changes import likely_causes, model_changes
from coalmine_consumers.drift import AnsweringModel

START = datetime(2026, 3, 1, tzinfo=UTC)
UNTIL = START + timedelta(days=14)


def answering(asked: str, answered: str, day: float, share: float = 1.0) -> AnsweringModel:
    first = START + timedelta(days=day)
    return AnsweringModel(asked, answered, first, START + timedelta(days=30), 100, share)


def test_a_model_that_answers_for_the_first_time_after_the_reference_is_news() -> None:
    old, new = answering("gpt-4o", "gpt-4o-08", 0, 0.3), answering("gpt-4o", "gpt-4o-11", 20, 0.7)
    (change,) = model_changes([old, new], UNTIL)
    assert (change.response_model, change.before, change.share_lately) == ("gpt-4o-11", ("gpt-4o-08",), 0.7)
    assert change.first_seen == START + timedelta(days=20)


def test_names_that_alternated_in_the_reference_are_none() -> None:
    assert model_changes([answering("a", "a-1", 0), answering("a", "a-2", 3)], UNTIL) == ()


def test_a_model_that_the_service_itself_began_to_ask_for_is_none() -> None:
    assert model_changes([answering("a", "a-1", 0), answering("b", "b-1", 20)], UNTIL) == ()


def test_changes_come_in_order_and_only_near_ones_are_likely_causes() -> None:
    models = [answering("a", "a-1", 0), answering("a", "a-3", 25), answering("a", "a-2", 16)]
    changes = model_changes(models, UNTIL)
    assert [change.response_model for change in changes] == ["a-2", "a-3"]
    began = START + timedelta(days=26)
    near = likely_causes(changes, began, began + timedelta(hours=3))
    assert [change.response_model for change in near] == ["a-3"]
