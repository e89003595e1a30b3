"""The scan of many payloads finds the same sound ones as the walk over each."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coalmine_schemas.catalogue import latest
from coalmine_schemas.codec import Encoder, SingleObjectFraming
from coalmine_schemas.events import EventName
from coalmine_schemas.framing import SingleObject, single_object_header
from coalmine_schemas.payload import MalformedPayload, structure_of
from coalmine_schemas.topics import EVENT_NAMES
from coalmine_schemas.vectorised.physical import PhysicalSchema, physical_schema
from coalmine_schemas.vectorised.scan import scan
from coalmine_schemas.writer_schema import published_writer
from tests.support.campaign import size
from tests.support.data.event_strategies import plain_records
from tests.support.data.example_events import load_examples
from tests.support.data.loose_avro import LooseWriter


def _physical(event: EventName) -> PhysicalSchema:
    schema = latest(event)
    physical = physical_schema(published_writer(schema), SingleObject(schema.fingerprint))
    assert physical is not None
    return physical


def _is_sound(event: EventName, message: bytes) -> bool | None:
    """Whether the walk takes a message; None where it looks at what the scan leaves to others."""
    try:
        return structure_of(published_writer(latest(event)))(message, 10) == len(message)
    except MalformedPayload as problem:
        return None if "UTF-8" in str(problem) or "fit an int" in str(problem) else False


@pytest.mark.parametrize("event", EVENT_NAMES)
@settings(max_examples=size(20, 1_000))
@given(seed=st.integers(0, 2**32))
def test_the_scan_agrees_with_the_walk_about_bent_messages(event: EventName, seed: int) -> None:
    source = random.Random(seed)
    good = [Encoder(SingleObjectFraming()).encode(event, record) for record in load_examples(event)]
    frames = []
    for _ in range(30):
        bent = bytearray(source.choice(good))
        for _ in range(source.randrange(3)):
            at = source.randrange(10, len(bent))
            bent[at : at + source.randrange(2)] = source.randbytes(source.randrange(3))
        frames.append(bytes(bent))
    for message, found in zip(frames, scan(_physical(event).document, frames).tolist(), strict=True):
        expected = _is_sound(event, message)
        assert expected is None or found == expected


@pytest.mark.parametrize("event", EVENT_NAMES)
@settings(max_examples=size(20, 1_000))
@given(data=st.data(), seed=st.integers(0, 2**32), looseness=st.floats(0, 1))
def test_every_legal_layout_is_sound_until_a_byte_is_missing_or_more(
    event: EventName, data: st.DataObject, seed: int, looseness: float
) -> None:
    schema = latest(event)
    payload = LooseWriter(seed, looseness).write(schema.parsed, data.draw(plain_records(event)))
    message = single_object_header(schema) + payload
    frames = [message, message[:-1], message + b"\x00", message[:10], message]
    assert scan(_physical(event).document, frames).tolist() == [True, False, False, False, True]


def test_blocks_of_frames_are_scanned_alike() -> None:
    good = Encoder(SingleObjectFraming()).encode("scores", load_examples("scores")[0])
    frames = [good[:-1] if i % 1000 == 7 else good for i in range(9000)]
    expected = [i % 1000 != 7 for i in range(9000)]
    assert scan(_physical("scores").document, frames).tolist() == expected


def test_a_map_of_very_many_items_is_left_to_the_exact_path() -> None:
    record = {**load_examples("feedback")[0], "metadata": {f"k{i}": "" for i in range(1000)}}
    message = Encoder(SingleObjectFraming()).encode("feedback", record)
    assert scan(_physical("feedback").document, [message]).tolist() == [False]


def test_no_frames_are_no_answer() -> None:
    assert scan(_physical("scores").document, []).tolist() == []
