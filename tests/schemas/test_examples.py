"""Every schema has examples that can be written and read, and that show every field."""

from importlib.resources import files
from uuid import UUID

import pytest

from coalmine_schemas.catalogue import RECORD_NAMES, latest
from coalmine_schemas.codec import Decoder, Encoder, SingleObjectFraming
from coalmine_schemas.events import EventName
from coalmine_schemas.identifiers import unit_group
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.topics import EVENT_NAMES
from tests.support.data.example_events import load_examples


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_every_example_can_be_written_and_read(event: EventName) -> None:
    encoder, decoder = Encoder(SingleObjectFraming()), Decoder(SchemaResolver())
    for record in load_examples(event):
        assert decoder.decode(event, encoder.encode(event, record)) == record


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_there_are_several_and_each_has_all_fields(event: EventName) -> None:
    names = [member["name"] for member in latest(event).parsed["fields"]]
    records = load_examples(event)
    assert len(records) > 1
    assert all(list(record) == names for record in records)


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_every_field_is_filled_in_some_example_and_empty_in_another(event: EventName) -> None:
    records = load_examples(event)
    for member in latest(event).parsed["fields"]:
        values = [record[member["name"]] for record in records]
        assert any(value not in (None, {}, []) for value in values), member["name"]
        if isinstance(member["type"], list):
            assert None in values, member["name"]


def test_unit_groups_and_identifiers_in_the_examples_are_real() -> None:
    for record in load_examples("requests"):
        assert record["unit_group"] == unit_group(record["unit_id"])
        made_ms = UUID(record["request_id"]).int >> 80
        assert abs(made_ms / 1000 - record["event_time"].timestamp()) < 86_400


def test_there_are_no_examples_of_unknown_events() -> None:
    folder = files("coalmine_schemas") / "examples"
    names = {entry.name for entry in folder.iterdir() if entry.name.endswith(".jsonl")}
    assert names == {f"{name}.jsonl" for name in RECORD_NAMES.values()}
