"""The catalogue of published schema versions, read from the `.avsc` files of this package.

A published version never changes: `catalogue.json` holds its digest; `coalmine_schemas.freeze` adds new ones.
"""

import json
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, cast

from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

from coalmine_schemas.events import EventName
from coalmine_schemas.topics import EVENT_NAMES

RECORD_NAMES: dict[EventName, str] = {
    "requests": "prompt_request",
    "feedback": "prompt_feedback",
    "scores": "prompt_score",
    "deployments": "deployment",
    "rollout_transitions": "rollout_transition",
    "alerts": "alert_transition",
    "dead_letters": "dead_letter",
}
"""Event to the name of its folders under `avro/` and `examples/`."""


@dataclass(frozen=True, slots=True)
class Schema:
    """One published version of one event's schema."""

    event: EventName
    version: int
    """Counted from 1."""
    json: str
    """The schema as compact JSON, with documentation and defaults."""
    parsed: dict[str, Any] = field(repr=False, compare=False)
    """The schema as fastavro wants it."""
    fingerprint: bytes
    """CRC-64-AVRO of the parsing canonical form, 8 bytes little-endian, as single-object frames carry it."""
    owner: str
    """Part of Coalmine that decides about this event."""

    @property
    def record_name(self) -> str:
        """Full name of the Avro record."""
        return str(self.parsed["name"])


def schema_fingerprint(schema: object) -> bytes:
    """CRC-64-AVRO of a schema's parsing canonical form, 8 bytes little-endian."""
    canonical = to_parsing_canonical_form(cast(Any, schema))
    return bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))


def read_schema(event: EventName, version: int, text: str) -> Schema:
    """Build the catalogue's entry from the text of an `.avsc` file."""
    document = json.loads(text)
    return Schema(
        event=event,
        version=version,
        json=json.dumps(document, ensure_ascii=False, separators=(",", ":")),
        parsed=cast(dict[str, Any], parse_schema(document)),
        fingerprint=schema_fingerprint(document),
        owner=str(document["owner"]),
    )


def avro_folder(event: EventName) -> Traversable:
    """Folder of an event's `.avsc` files."""
    return files("coalmine_schemas") / "avro" / RECORD_NAMES[event]


@cache
def versions(event: EventName) -> tuple[Schema, ...]:
    """Published versions of an event's schema, oldest first."""
    found = {
        int(entry.name.removesuffix(".avsc")): entry
        for entry in avro_folder(event).iterdir()
        if entry.name.endswith(".avsc")
    }
    return tuple(read_schema(event, number, found[number].read_text("utf-8")) for number in sorted(found))


def latest(event: EventName) -> Schema:
    """The version new events are written with and every event is read as."""
    return versions(event)[-1]


@cache
def _by_fingerprint() -> dict[bytes, Schema]:
    # Versions that differ in documentation alone share a fingerprint; the newest of them stands for all.
    return {schema.fingerprint: schema for event in EVENT_NAMES for schema in versions(event)}


def by_fingerprint(fingerprint: bytes) -> Schema | None:
    """The published schema with this fingerprint (8 bytes little-endian), or None."""
    return _by_fingerprint().get(fingerprint)
