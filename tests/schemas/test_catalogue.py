"""The catalogue holds the published schemas, documented, owned and found by fingerprint."""

import json
from typing import Any

import pytest
from fastavro.schema import fingerprint, to_parsing_canonical_form

from coalmine_schemas.catalogue import by_fingerprint, latest, schema_fingerprint, versions
from coalmine_schemas.events import EventName
from coalmine_schemas.topics import EVENT_NAMES


def test_the_fingerprint_is_the_one_of_the_specification() -> None:
    # Avro 1.12 specification, "Single-object encoding" and its Java test vectors: CRC-64-AVRO of "int" is
    # 0x7275d51a3f395c8f, carried in little-endian order.
    assert schema_fingerprint("int") == bytes.fromhex("8f5c393f1ad57572")
    assert schema_fingerprint("null") == (0x63DD24E7CC258F8A).to_bytes(8, "little")


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_every_version_is_found_by_its_fingerprint(event: EventName) -> None:
    for schema in versions(event):
        canonical = to_parsing_canonical_form(json.loads(schema.json))
        assert schema.fingerprint.hex() == fingerprint(canonical, "CRC-64-AVRO")
        found = by_fingerprint(schema.fingerprint)
        assert found is not None
        assert found.event == event
        assert found.fingerprint == schema.fingerprint


def test_an_unknown_fingerprint_is_not_found() -> None:
    assert by_fingerprint(bytes(8)) is None


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_versions_count_from_one_and_the_last_is_the_latest(event: EventName) -> None:
    assert [schema.version for schema in versions(event)] == list(range(1, len(versions(event)) + 1))
    assert latest(event) is versions(event)[-1]


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_records_live_in_one_namespace_and_have_an_owner(event: EventName) -> None:
    schema = latest(event)
    assert schema.record_name.startswith("coalmine.events.")
    assert schema.owner in {"producers", "registry", "rollouts", "analytics", "consumers"}


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_what_may_be_null_is_null_by_default_and_enums_can_grow(event: EventName) -> None:
    for member in latest(event).parsed["fields"]:
        kind: Any = member["type"]
        if isinstance(kind, list):
            assert kind[0] == "null"
            assert member["default"] is None
        elif isinstance(kind, dict) and kind["type"] == "enum":
            # Without a default an older reader could not read a symbol added later.
            assert kind["default"] == "unknown" == kind["symbols"][0]


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_nothing_is_fixed_because_the_vectorised_decoder_panics_on_it(event: EventName) -> None:
    assert '"fixed"' not in latest(event).json.replace('"live","cached","disk","fallback","fixed"', "")
