"""From a poll to what is stored: every message is a row or a dead letter, and says where it was."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from coalmine_consumers.aggregation.coded_names import coded_names
from coalmine_consumers.collector.decode import decode_batch
from coalmine_consumers.collector.pricing import Pricer
from coalmine_consumers.raw import (
    Gap,
    Origin,
    RawBatch,
    RawColumn,
    TopicPartition,
    UnroutableMessage,
)
from coalmine_schemas.batch import BatchDecoder, arrow_schema
from coalmine_schemas.codec import Encoder, SingleObjectFraming
from coalmine_schemas.resolver import SchemaResolver
from tests.support.data.event_factory import EventFactory

ENCODER = Encoder(SingleObjectFraming())
FACTORY = EventFactory()
GOOD = [ENCODER.encode("requests", FACTORY.request(number)) for number in range(20)]
DECODER = BatchDecoder(SchemaResolver())


class NoPricer:
    def price_requests(self, table: pa.Table) -> pa.Table:
        return table


def column(values: Sequence[bytes | None], topic: str = "coalmine.requests") -> RawColumn:
    return RawColumn(
        values, lambda index: Origin(topic, "4", 100 + index, 1_700_000_000_123, b"key %d" % index)
    )


def raw(**columns: RawColumn) -> RawBatch:
    where = TopicPartition("coalmine.requests", "4")
    return RawBatch(columns=columns, starts={where: 100}, positions={where: 120})  # type: ignore[arg-type]


def test_good_messages_become_rows_in_order_in_the_canonical_schema() -> None:
    scores = [ENCODER.encode("scores", FACTORY.score(number)) for number in range(3)]
    batch = decode_batch(raw(requests=column(GOOD), scores=column(scores)), DECODER, NoPricer())
    requests, schema = batch.tables["requests"], arrow_schema("requests")
    assert requests.column_names == schema.names
    for field in schema:  # names are coded
        kind = requests[field.name].type
        assert (kind.value_type if pa.types.is_dictionary(kind) else kind) == field.type
    assert batch.tables["requests"]["request_id"].to_pylist() == [FACTORY.request_id(n) for n in range(20)]
    assert batch.tables["scores"].num_rows == 3
    assert batch.consumed == {"requests": 20, "scores": 3}
    assert batch.dead_letters == []


def test_a_bad_message_costs_one_dead_letter_that_knows_where_it_was() -> None:
    values: list[bytes | None] = [*GOOD[:3], b"rubbish", *GOOD[3:5], GOOD[5] + b"\0", None, *GOOD[6:8]]
    before = datetime.now(UTC)
    batch = decode_batch(raw(requests=column(values)), DECODER, NoPricer())
    assert batch.tables["requests"].num_rows == 7
    frame, trailing, tombstone = batch.dead_letters
    assert (frame.source_topic, frame.source_partition, frame.source_offset) == (
        "coalmine.requests",
        "4",
        103,
    )
    assert frame.source_timestamp == datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)
    assert (frame.event, frame.stage, frame.payload, frame.key) == ("requests", "frame", b"rubbish", b"key 3")
    assert frame.schema_ref is None
    assert before <= frame.failed_at <= datetime.now(UTC)
    assert (trailing.source_offset, trailing.payload) == (106, GOOD[5] + b"\0")
    assert str(trailing.schema_ref).startswith("fingerprint:")
    assert (tombstone.source_offset, tombstone.payload) == (107, b"")
    assert len({letter.dead_letter_id for letter in batch.dead_letters}) == 3


def test_messages_of_no_known_event_are_dead_letters_too() -> None:
    origin = Origin("spool", "some.avro", 7, None, None)
    poll = RawBatch(
        {}, {}, {}, unroutable=[UnroutableMessage(b"x", origin, "the collector keeps no event 'y'")]
    )
    batch = decode_batch(poll, DECODER, NoPricer())
    assert batch.consumed == {"unroutable": 1}
    (letter,) = batch.dead_letters
    assert (letter.event, letter.stage, letter.source_topic, letter.source_offset) == (
        "unroutable",
        "frame",
        "spool",
        7,
    )
    assert letter.source_timestamp is None


def test_requests_without_a_cost_are_priced() -> None:
    record = FACTORY.request(1) | {
        "cost_nano_usd": None,
        "provider": "openai",
        "response_model": "gpt-4o-mini",
        "input_tokens": 1000,
        "cached_input_tokens": 0,
        "output_tokens": 100,
    }
    batch = decode_batch(raw(requests=column([ENCODER.encode("requests", record)])), DECODER, Pricer())
    assert batch.tables["requests"]["cost_nano_usd"].to_pylist() == [210_000]


def test_names_of_requests_are_coded_once_for_all_that_follows() -> None:
    requests = decode_batch(raw(requests=column(GOOD)), DECODER, NoPricer()).tables["requests"]
    for name in ("prompt", "experiment", "response_model"):
        assert pa.types.is_dictionary(requests[name].type)
    assert coded_names(requests).equals(requests)


def test_positions_gaps_and_retired_partitions_pass_through() -> None:
    where, gone = TopicPartition("spool", "a.avro"), TopicPartition("spool", "b.avro")
    gap = Gap("spool", "a.avro", 3, 4, datetime.now(UTC), "damaged")
    batch = decode_batch(
        RawBatch({}, {where: 3}, {where: 4}, gaps=[gap], retired=[gone]), DECODER, NoPricer()
    )
    assert (batch.starts, batch.positions, batch.gaps, batch.retired) == (
        {where: 3},
        {where: 4},
        [gap],
        [gone],
    )
    assert batch.tables == {}
    assert batch.consumed == {}


def test_timestamps_beyond_the_calendar_are_left_out() -> None:
    for timestamp_ms in (2**62, -(2**62)):
        strange = RawColumn([b"x"], lambda index, at=timestamp_ms: Origin("t", "0", 0, at, None))  # type: ignore[misc]
        (letter,) = decode_batch(raw(requests=strange), DECODER, NoPricer()).dead_letters
        assert letter.source_timestamp is None


@given(st.lists(st.one_of(st.sampled_from(GOOD), st.binary(max_size=40), st.none()), max_size=30))
def test_every_message_is_a_row_or_a_dead_letter(values: list[bytes | None]) -> None:
    batch = decode_batch(raw(requests=column(values)), DECODER, NoPricer())
    rows = batch.tables["requests"].num_rows if "requests" in batch.tables else 0
    assert rows + len(batch.dead_letters) == len(values) == batch.consumed.get("requests", 0)
    assert rows == sum(value in GOOD for value in values)
    for letter in batch.dead_letters:
        assert letter.payload == (values[letter.source_offset - 100] or b"")
