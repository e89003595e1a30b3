"""The size of the shortest encoding is exact for what we write, and below every other layout."""

import pyruhvro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coalmine_schemas.catalogue import latest
from coalmine_schemas.codec import Encoder, SingleObjectFraming
from coalmine_schemas.events import EventName
from coalmine_schemas.framing import SingleObject, single_object_header
from coalmine_schemas.topics import EVENT_NAMES
from coalmine_schemas.vectorised.physical import physical_schema
from coalmine_schemas.vectorised.size import encoded_size
from coalmine_schemas.writer_schema import published_writer
from tests.support.campaign import size
from tests.support.data.event_strategies import plain_records
from tests.support.data.example_events import frame
from tests.support.data.loose_avro import LooseWriter


def _size(event: EventName, frames: list[bytes]) -> int:
    schema = latest(event)
    physical = physical_schema(published_writer(schema), SingleObject(schema.fingerprint))
    assert physical is not None
    return encoded_size(physical.document, pyruhvro.deserialize_array(frames, physical.json))


@pytest.mark.parametrize("event", EVENT_NAMES)
@settings(max_examples=size(20, 1_000))
@given(data=st.data())
def test_the_size_of_what_fastavro_writes_is_exact(event: EventName, data: st.DataObject) -> None:
    encoder = Encoder(SingleObjectFraming())
    frames = [encoder.encode(event, r) for r in data.draw(st.lists(plain_records(event), max_size=5))]
    assert _size(event, frames) == sum(map(len, frames))


@pytest.mark.parametrize("event", EVENT_NAMES)
@settings(max_examples=size(20, 1_000))
@given(data=st.data(), seed=st.integers(0, 2**32), looseness=st.floats(0, 1), rest=st.binary(max_size=3))
def test_no_other_layout_is_shorter(
    event: EventName, data: st.DataObject, seed: int, looseness: float, rest: bytes
) -> None:
    schema, record = latest(event), data.draw(plain_records(event))
    shortest = Encoder(SingleObjectFraming()).encode(event, record)
    loose = single_object_header(schema) + LooseWriter(seed, looseness).write(schema.parsed, record) + rest
    assert _size(event, [loose]) == len(shortest) <= len(loose)


@pytest.mark.parametrize("bits", range(6, 64, 7))
def test_numbers_at_the_edges_of_their_sizes_are_measured_exactly(bits: int) -> None:
    edge = 1 << bits
    values = [value for v in (edge - 1, edge, edge + 1) for value in (v, -v) if -(2**63) <= value < 2**63]
    frames = [frame("dead_letters", source_offset=value) for value in values]
    for message in frames:
        assert _size("dead_letters", [message]) == len(message)
    assert _size("dead_letters", frames) == sum(map(len, frames))
