"""The two kinds of frames are told apart by their first bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_schemas.catalogue import latest
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.framing import (
    Confluent,
    FrameError,
    SingleObject,
    check_present,
    confluent_header,
    parse_header,
    single_object_header,
)
from coalmine_schemas.topics import EVENT_NAMES


@given(st.sampled_from(EVENT_NAMES), st.binary(max_size=20))
def test_a_single_object_frame_names_its_fingerprint(event: str, payload: bytes) -> None:
    schema = latest(event)  # type: ignore[arg-type] # one of the names
    header = parse_header(single_object_header(schema) + payload)
    assert header == SingleObject(schema.fingerprint)
    assert header.size == 10
    assert header.schema_ref == f"fingerprint:{schema.fingerprint.hex()}"


@given(st.integers(0, 2**32 - 1), st.binary(max_size=20))
def test_a_confluent_frame_names_its_id(schema_id: int, payload: bytes) -> None:
    header = parse_header(confluent_header(schema_id) + payload)
    assert header == Confluent(schema_id)
    assert header.size == 5
    assert header.schema_ref == f"id:{schema_id}"


@pytest.mark.parametrize("schema_id", [-1, 2**32])
def test_an_id_that_does_not_fit_is_refused(schema_id: int) -> None:
    with pytest.raises(InvalidParameter):
        confluent_header(schema_id)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "empty message"),
        (b"\xc3", "begins with c3"),
        (b"\xc3\x01", "ends inside the single-object header: 2 of 10 bytes"),
        (b"\xc3\x01" + bytes(7), "ends inside the single-object header: 9 of 10 bytes"),
        (b"\x00", "ends inside the Confluent header: 1 of 5 bytes"),
        (b"\x00\x01\x02\x03", "ends inside the Confluent header: 4 of 5 bytes"),
        (b'{"request_id": 1}', "begins with 7b 22 72 65 71 75 65 73"),
        (b"Obj\x01", "begins with 4f 62 6a 01"),
        (b"\xc3\x02" + bytes(20), "begins with c3 02 00 00"),
    ],
)
def test_anything_else_is_no_frame(frame: bytes, reason: str) -> None:
    with pytest.raises(FrameError) as refused:
        parse_header(frame)
    assert reason in refused.value.reason
    assert refused.value.stage == "frame"
    assert refused.value.schema_ref is None


@given(st.binary(max_size=40))
def test_any_bytes_are_one_kind_or_none(frame: bytes) -> None:
    try:
        header = parse_header(frame)
    except FrameError:
        return
    assert frame.startswith(b"\xc3\x01") == isinstance(header, SingleObject)
    assert frame.startswith(b"\x00") == isinstance(header, Confluent)
    assert len(frame) >= header.size


def test_a_tombstone_is_no_frame() -> None:
    with pytest.raises(FrameError, match="tombstone"):
        check_present(None)
    assert check_present(b"") == b""
