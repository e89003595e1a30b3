"""The event classes are the Avro records, field for field."""

from dataclasses import FrozenInstanceError, fields
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from coalmine_schemas import events
from coalmine_schemas.catalogue import latest
from coalmine_schemas.codec import Decoder, Encoder, SingleObjectFraming
from coalmine_schemas.events import EventName
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.topics import EVENT_NAMES
from tests.support.data.example_events import load_examples

CLASSES: dict[EventName, type[Any]] = {
    "requests": events.PromptRequest,
    "feedback": events.PromptFeedback,
    "scores": events.PromptScore,
    "deployments": events.Deployment,
    "rollout_transitions": events.RolloutTransition,
    "alerts": events.AlertTransition,
    "dead_letters": events.DeadLetter,
}
ENUMS: dict[str, Any] = {
    "coalmine.events.Resolution": events.ResolutionName,
    "coalmine.events.Thumbs": events.ThumbsName,
    "coalmine.events.CostSource": events.CostSourceName,
    "coalmine.events.Outcome": events.OutcomeName,
    "coalmine.events.ScoreSource": events.ScoreSourceName,
    "coalmine.events.AlertState": events.AlertStateName,
    "coalmine.events.Stage": events.StageName,
}


def _build(event: EventName, record: dict[str, Any]) -> Any:
    if event == "deployments":
        return events.Deployment.from_record(record)
    if event == "alerts":
        return events.AlertTransition.from_record(record)
    return CLASSES[event](**record)


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_a_class_has_the_fields_of_its_record_in_order(event: EventName) -> None:
    assert [f.name for f in fields(CLASSES[event])] == [f["name"] for f in latest(event).parsed["fields"]]


def test_arms_and_experiments_have_the_fields_of_their_records() -> None:
    items = {
        f["name"]: f["type"]["items"]
        for f in latest("deployments").parsed["fields"]
        if f["name"] in ("arms", "experiments")
    }
    of_experiment = items["experiments"]["fields"]
    inner = next(f["type"]["items"] for f in of_experiment if f["name"] == "arms")
    assert [f.name for f in fields(events.DeploymentExperiment)] == [f["name"] for f in of_experiment]
    for arms in (items["arms"], inner):
        assert [f.name for f in fields(events.DeploymentArm)] == [f["name"] for f in arms["fields"]]


def test_enum_types_have_the_symbols_of_the_schemas() -> None:
    found = {}
    for event in EVENT_NAMES:
        for member in latest(event).parsed["fields"]:
            for branch in member["type"] if isinstance(member["type"], list) else [member["type"]]:
                if isinstance(branch, dict) and branch["type"] == "enum":
                    found[branch["name"]] = tuple(branch["symbols"])
    assert found == {name: get_args(literal) for name, literal in ENUMS.items()}


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_an_event_survives_encoding_and_decoding(event: EventName) -> None:
    for record in load_examples(event):
        value = _build(event, record)
        frame = Encoder(SingleObjectFraming()).encode(event, value.to_record())
        assert _build(event, Decoder(SchemaResolver()).decode(event, frame)) == value


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_what_avro_gives_a_default_may_be_left_out(event: EventName) -> None:
    needed = {f["name"] for f in latest(event).parsed["fields"] if "default" not in f}
    record = {name: value for name, value in load_examples(event)[0].items() if name in needed}
    value = _build(event, record)
    defaults = {f["name"]: f["default"] for f in latest(event).parsed["fields"] if "default" in f}
    assert {name: value.to_record()[name] for name in defaults} == defaults


def test_events_cannot_be_changed() -> None:
    score = events.PromptScore(
        score_id="a",
        request_id="b",
        event_time=datetime(2026, 1, 1, tzinfo=UTC),
        app="c",
        name="quality",
        value=1.0,
        source="human",
    )
    with pytest.raises(FrozenInstanceError):
        score.value = 2.0  # type: ignore[misc] # the point of the test
