"""Every event has a topic of its own."""

from coalmine_schemas.topics import EVENT_NAMES, topic_name


def test_topics_are_those_of_the_design() -> None:
    assert [topic_name(event) for event in EVENT_NAMES] == [
        "coalmine.requests",
        "coalmine.feedback",
        "coalmine.scores",
        "coalmine.deployments",
        "coalmine.rollout-transitions",
        "coalmine.alerts",
        "coalmine.dead-letters",
    ]
