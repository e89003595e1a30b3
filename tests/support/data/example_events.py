"""The example events shipped beside the schemas, as records an encoder takes."""

import json
from datetime import datetime
from importlib.resources import files
from typing import Any

from coalmine_schemas.catalogue import RECORD_NAMES, latest
from coalmine_schemas.codec import Encoder, SingleObjectFraming
from coalmine_schemas.events import EventName


def load_examples(event: EventName) -> list[dict[str, Any]]:
    """All examples of an event; times as datetimes, bytes as bytes."""
    path = files("coalmine_schemas") / "examples" / f"{RECORD_NAMES[event]}.jsonl"
    types = {member["name"]: str(member["type"]) for member in latest(event).parsed["fields"]}
    records = []
    for line in path.read_text("utf-8").splitlines():
        record: dict[str, Any] = json.loads(line)
        for name, value in record.items():
            if value is not None and "timestamp-micros" in types[name]:
                record[name] = datetime.fromisoformat(value)
            elif value is not None and "'bytes'" in f"'{types[name]}'":
                record[name] = bytes.fromhex(value)
        records.append(record)
    return records


def example(event: EventName, **changes: Any) -> dict[str, Any]:
    """The first example of an event, with changes."""
    return {**load_examples(event)[0], **changes}


def frame(event: EventName, **changes: Any) -> bytes:
    """The first example of an event as a single-object frame, with changes."""
    return Encoder(SingleObjectFraming()).encode(event, example(event, **changes))
