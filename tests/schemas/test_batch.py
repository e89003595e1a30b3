"""A batch is decoded like its messages one by one: the same accepted, with the same values and reasons."""

import random
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coalmine_schemas.batch import BatchDecoder, BatchResult, Failure, arrow_schema
from coalmine_schemas.catalogue import latest
from coalmine_schemas.codec import ConfluentFraming, Decoder, Encoder, SingleObjectFraming
from coalmine_schemas.errors import InvalidMessage
from coalmine_schemas.events import EventName
from coalmine_schemas.framing import single_object_header
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.topics import EVENT_NAMES
from tests.support.campaign import size
from tests.support.data.event_strategies import plain_records
from tests.support.data.example_events import example, frame, load_examples
from tests.support.data.loose_avro import LooseWriter
from tests.support.doubles.memory_registry import MemoryRegistry
from tests.support.oracles.decoded_rows import rows_as_records

REGISTRY = MemoryRegistry()
ENCODERS = (Encoder(SingleObjectFraming()), Encoder(ConfluentFraming(REGISTRY)))


def assert_same_as_one_by_one(event: EventName, frames: Sequence[bytes | None]) -> BatchResult:
    result = BatchDecoder(SchemaResolver(REGISTRY), ranges={}).decode(event, frames)
    exact = Decoder(SchemaResolver(REGISTRY))
    accepted, records, failures = [], [], []
    for index, message in enumerate(frames):
        try:
            records.append(exact.decode_plain(event, message))
            accepted.append(index)
        except InvalidMessage as problem:
            failures.append(Failure(index, problem.stage, problem.reason, problem.schema_ref))
    assert result.failures == failures
    assert result.rows.tolist() == accepted
    assert rows_as_records(event, result.table) == records
    assert result.table.schema.equals(arrow_schema(event))
    result.table.validate(full=True)
    return result


@st.composite
def messages(draw: st.DrawFn, event: EventName) -> bytes | None:
    """Anything a topic may hold: good, legal but odd, bent, and rubbish."""
    kind = draw(st.sampled_from(["good", "good", "good", "loose", "bent", "bent", "other", "rubbish"]))
    if kind == "rubbish":
        return draw(st.none() | st.binary(max_size=40) | st.binary(max_size=40).map(lambda b: b"\x00" + b))
    if kind == "other":
        other: EventName = draw(st.sampled_from(EVENT_NAMES))
        return frame(other)
    record = draw(plain_records(event))
    if kind == "loose":
        writer = LooseWriter(draw(st.integers(0, 2**32)), draw(st.floats(0, 1)))
        schema = latest(event)
        return single_object_header(schema) + writer.write(schema.parsed, record)
    good = draw(st.sampled_from(ENCODERS)).encode(event, record)
    return good if kind == "good" else bend(random.Random(draw(st.integers(0, 2**32))), good)


def bend(source: random.Random, good: bytes) -> bytes:
    """The message with a few bytes changed, lost or added."""
    bent = bytearray(good)
    for _ in range(source.randrange(1, 4)):
        at = source.randrange(len(bent) + 1)
        match source.randrange(5):
            case 0:
                bent[at : at + 1] = source.randbytes(1)
            case 1:
                del bent[at : at + source.randrange(1, 4)]
            case 2:
                bent[at:at] = source.randbytes(source.randrange(1, 4))
            case 3 if at < len(bent):
                bent[at] ^= 1 << source.randrange(8)
            case 4:
                del bent[at:]
    return bytes(bent)


@pytest.mark.parametrize("event", EVENT_NAMES)
@settings(
    max_examples=size(20, 1_000), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(data=st.data())
def test_any_mix_is_decoded_as_its_messages_are(event: EventName, data: st.DataObject) -> None:
    assert_same_as_one_by_one(event, data.draw(st.lists(messages(event), max_size=12)))


@pytest.mark.parametrize("event", EVENT_NAMES)
@pytest.mark.parametrize("seed", range(4))
def test_bent_messages_by_the_hundred_are_decoded_as_they_are_one_by_one(event: EventName, seed: int) -> None:
    source = random.Random(seed)
    good = [encoder.encode(event, record) for record in load_examples(event) for encoder in ENCODERS]
    frames = [
        source.choice(good) if source.random() < 0.3 else bend(source, source.choice(good))
        for _ in range(400)
    ]
    result = assert_same_as_one_by_one(event, frames)
    assert result.failures
    assert len(result.rows) >= 80


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_an_empty_batch_is_an_empty_table(event: EventName) -> None:
    result = BatchDecoder(SchemaResolver()).decode(event, [])
    assert result.table.schema.equals(arrow_schema(event))
    assert (result.table.num_rows, len(result.rows), result.failures) == (0, 0, [])


@pytest.mark.parametrize("event", EVENT_NAMES)
@pytest.mark.parametrize("encoder", ENCODERS, ids=["single-object", "confluent"])
def test_examples_are_decoded_in_both_framings(event: EventName, encoder: Encoder) -> None:
    frames = [encoder.encode(event, record) for record in load_examples(event)]
    result = assert_same_as_one_by_one(event, frames)
    assert result.failures == []
    times = result.table.column("event_time").to_pylist()
    assert times == [record["event_time"] for record in load_examples(event)]


def test_both_framings_in_one_batch_keep_its_order() -> None:
    frames = [
        ENCODERS[i % 2].encode("scores", {**load_examples("scores")[0], "value": i}) for i in range(100)
    ]
    result = assert_same_as_one_by_one("scores", frames)
    assert result.table.column("value").to_pylist() == list(range(100))
    assert result.rows.dtype == np.int64


def test_columns_are_those_the_rest_of_coalmine_counts_on() -> None:
    schema = arrow_schema("requests")
    entry = pa.struct(
        [pa.field("key", pa.string(), nullable=False), pa.field("value", pa.float64(), nullable=False)]
    )
    assert schema.field("metrics").type == pa.list_(pa.field("item", entry, nullable=False))
    assert schema.field("event_time").type == pa.timestamp("us", tz="UTC")
    assert schema.field("unit_group").type == pa.int32()
    assert schema.field("resolution").type == pa.string()
    assert [schema.field(name).nullable for name in ("request_id", "label", "metrics")] == [
        False,
        True,
        False,
    ]
    assert arrow_schema("dead_letters").field("payload").type == pa.binary()


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_one_column_stands_for_each_field_in_order(event: EventName) -> None:
    assert arrow_schema(event).names == [member["name"] for member in latest(event).parsed["fields"]]


def test_a_key_that_comes_twice_in_a_map_counts_once_with_its_last_value() -> None:
    message = bytearray(frame("feedback", metadata={"a": "1", "b": "2"}))
    at = message.rindex(b"\x02b")
    message[at : at + 2] = b"\x02a"
    many = {f"k{i:02}": "x" for i in range(40)}
    long = bytearray(frame("feedback", metadata=many))
    at = long.rindex(b"\x06k39")
    long[at : at + 4] = b"\x06k07"
    plain = frame("feedback", metadata=many)
    result = assert_same_as_one_by_one("feedback", [plain, bytes(message), plain, bytes(long)])
    assert result.table.column("metadata").to_pylist()[1] == [{"key": "a", "value": "2"}]
    assert len(result.table.column("metadata").to_pylist()[3]) == 39


def test_an_int_beyond_32_bits_does_not_wrap_around() -> None:
    # 2**32 + 2**30 in five bytes; a reader that keeps 32 bits would see 2**30, in five bytes as well.
    good = frame("requests", allocation_epoch=2**30)
    at = good.index(LooseWriter(0, 0).write("int", 2**30))
    for value in (2**32 + 2**30, 2**31, -(2**31) - 1):
        bad = good[:at] + LooseWriter(0, 0).write("long", value) + good[at + 5 :]
        result = assert_same_as_one_by_one("requests", [good, bad, good])
        assert [failure.reason for failure in result.failures] == [
            f"field allocation_epoch: {value} does not fit an int at byte {at}"
        ]


TEXTS = ["a", "ä", "日本語", "🙂", "x" * 70, "", "ä" * 5000]
BAD_TEXTS = [b"\xff", b"a\xc3", b"\xa4b", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc0\xaf", b"\xe6\x97"]


@pytest.mark.parametrize("bad", BAD_TEXTS)
def test_a_text_that_is_not_utf8_is_found_among_any_neighbours(bad: bytes) -> None:
    def scored(text: bytes) -> bytes:
        # A text of the right length in ASCII, then its bytes.
        return frame("scores", rationale="@" * len(text)).replace(b"@" * len(text), text)

    source = random.Random(0)
    texts = [source.choice(TEXTS).encode() for _ in range(600)]
    for at in (0, 299, 300, 599):
        texts[at] = bad
    frames = [scored(text) if text else frame("scores", rationale="") for text in texts]
    result = assert_same_as_one_by_one("scores", frames)
    assert [failure.index for failure in result.failures] == [0, 299, 300, 599]


def test_halves_of_a_character_in_neighbouring_texts_do_not_make_a_whole() -> None:
    whole = "ä".encode()

    def scored(text: bytes) -> bytes:
        return frame("scores", rationale="@").replace(b"\x02@", b"\x02" + text)

    empty = frame("scores", rationale="")
    null = frame("scores", rationale=None)
    for between in ([], [empty], [null, empty, null]):
        frames = [scored(b"a"), scored(whole[:1]), *between, scored(whole[1:]), scored(b"b")]
        result = assert_same_as_one_by_one("scores", frames)
        assert [failure.index for failure in result.failures] == [1, 2 + len(between)]


def test_batches_beyond_one_call_are_decoded_in_parts() -> None:
    frames: list[bytes | None] = [
        ENCODERS[i % 3 // 2].encode("scores", example("scores", value=i)) for i in range(200)
    ]
    frames[50] = None
    frames[60] = frame("scores", rationale="x" * 5000)
    whole = BatchDecoder(SchemaResolver(REGISTRY), ranges={}).decode("scores", frames)
    for most_bytes in (1, 400, 3000, 20_000):
        parts = BatchDecoder(SchemaResolver(REGISTRY), ranges={}, max_call_bytes=most_bytes).decode(
            "scores", frames
        )
        assert parts.table.equals(whole.table)
        assert parts.rows.tolist() == whole.rows.tolist()
        assert parts.failures == whole.failures


def test_messages_beyond_a_length_are_taken_for_empty_ones() -> None:
    good, long = frame("scores"), frame("scores", rationale="x" * 500)
    given = [good, long, None, good]
    decoder = BatchDecoder(SchemaResolver())
    assert decoder.decode("scores", [good, long]).failures == []
    found = decoder.decode("scores", given, most_bytes=len(good))
    expected = decoder.decode("scores", [good, b"", None, good])
    assert (found.rows.tolist(), found.failures) == ([0, 3], expected.failures)
    assert found.table.equals(expected.table)
    assert given[1] == long


def test_messages_written_by_hand_in_another_layout_are_accepted_in_bulk() -> None:
    schema = latest("requests")
    record = Decoder(SchemaResolver()).decode_plain("requests", frame("requests"))
    record = {**record, "metrics": {f"m{i}": float(i) for i in range(30)}}
    frames = [
        single_object_header(schema) + LooseWriter(seed, 0.5).write(schema.parsed, record)
        for seed in range(300)
    ]
    result = BatchDecoder(SchemaResolver()).decode("requests", frames)
    assert result.failures == []
    assert rows_as_records("requests", result.table) == [record] * 300


def test_a_map_longer_than_the_vectorised_scan_follows_is_reported_all_the_same() -> None:
    schema = latest("feedback")
    record = Decoder(SchemaResolver()).decode_plain("feedback", frame("feedback"))
    record = {**record, "metadata": {f"key-{i}": str(i) for i in range(2000)}}
    out = BytesIO(single_object_header(schema))
    out.seek(0, 2)
    out.write(LooseWriter(1, 0.5).write(schema.parsed, record))
    result = assert_same_as_one_by_one("feedback", [frame("feedback"), out.getvalue(), None])
    assert [failure.reason for failure in result.failures[:1]] == ["metadata has more than 100 entries: 2000"]


def test_the_decoded_table_does_not_depend_on_what_was_decoded_before() -> None:
    decoder = BatchDecoder(SchemaResolver(REGISTRY), ranges={})
    frames: list[bytes | None] = [frame("requests"), None, b"rubbish", frame("requests", version="")]
    first: Any = decoder.decode("requests", frames)
    decoder.decode("requests", [frame("requests", input_text="x" * 10_000)] * 50)
    again = decoder.decode("requests", frames)
    assert again.table.equals(first.table)
    assert again.failures == first.failures
