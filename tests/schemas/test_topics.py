"""Topics and events name each other."""

import pytest

from coalmine_schemas.events import EventName
from coalmine_schemas.topics import EVENT_NAMES, event_of_topic, topic_name


def test_topics_are_those_of_the_design() -> None:
    assert [topic_name(event) for event in EVENT_NAMES] == [
        "coalmine.requests",
        "coalmine.feedback",
        "coalmine.scores",
        "coalmine.deployments",
        "coalmine.alerts",
        "coalmine.dead-letters",
    ]


@pytest.mark.parametrize("event", EVENT_NAMES)
@pytest.mark.parametrize("prefix", ["coalmine.", "", "test-7.coalmine."])
def test_a_topic_leads_back_to_its_event(event: EventName, prefix: str) -> None:
    assert event_of_topic(topic_name(event, prefix), prefix) == event


@pytest.mark.parametrize("topic", ["requests", "coalmine.dead_letters", "coalmine.other", "coalmine.", ""])
def test_other_topics_are_nobodys(topic: str) -> None:
    assert event_of_topic(topic, "coalmine.") is None
