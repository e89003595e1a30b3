"""Both encodings say the same, and neither a broken nor a hostile body costs more than itself."""

import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from coalmine_server.services.otlp import (
    TooManySpans,
    Unreadable,
    plain_body,
    spans_of_json,
    spans_of_protobuf,
)
from coalmine_server.services.otlp.body import MAX_BODY_BYTES
from coalmine_server.services.otlp.spans import (
    MAX_ATTRIBUTES,
    MAX_SPAN_BYTES,
    MAX_SPANS,
    BadSpan,
    Span,
    SpanEvent,
    Value,
)
from tests.support.data.spans import CHAT, START_NS, as_json, as_protobuf, span

Decode = Callable[[bytes], Iterator[Span | BadSpan]]
DECODERS = pytest.mark.parametrize("decode", [spans_of_json, spans_of_protobuf])
ALL_KINDS: dict[str, Value] = {
    "text": "Köln",
    "flag": False,
    "count": 2**40,
    "share": 0.25,
    "list": ["a", "b"],
    "map": {"role": "user", "parts": [{"content": "hi"}]},
    "nothing": None,
}
SPANS = [
    span(name="chat gpt-4o-mini"),
    span(
        {**CHAT, **ALL_KINDS},
        failed=True,
        events=(SpanEvent("said", START_NS, {"a": 1}),),
        scope="",
        resource={},
    ),
]


def test_both_encodings_say_the_same() -> None:
    assert list(spans_of_json(as_json(SPANS))) == SPANS
    assert list(spans_of_protobuf(as_protobuf(SPANS))) == SPANS


@DECODERS
def test_an_empty_body_has_no_spans(decode: Decode) -> None:
    assert list(decode(b"{}" if decode is spans_of_json else b"")) == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"{",
        b'{"resourceSpans": [], "resourceSpans": []}',
        b'{"resourceSpans": [], "a": NaN}',
        b'{"resourceSpans": 3}',
        b'{"resourceSpans": [3]}',
        b'{"resourceSpans": [{"scopeSpans": {}}]}',
        b'{"resourceSpans": [{"resource": []}]}',
        b'{"resourceSpans": [{"scopeSpans": [{"scope": {"name": 1}}]}]}',
        b'{"a": ' + b"[" * 200_000,
        b'{"a": ' + b"1" * 5_000 + b"}",
    ],
)
def test_what_is_no_request_in_json_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable, match="ExportTraceServiceRequest in JSON"):
        list(spans_of_json(body))


@pytest.mark.parametrize(
    "body",
    [
        as_json(SPANS),
        b"\x0a\x7f",  # more bytes announced than there are
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # a number that does not end
        b"\x0b",  # a wire type that is gone
        b"\x0a\x02\x0a\x7f",
        b"\x09\x01",
        as_protobuf(SPANS)[:-3],
    ],
)
def test_what_is_no_request_in_protobuf_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable, match="in protobuf"):
        list(spans_of_protobuf(body))


def test_a_broken_span_costs_no_other() -> None:
    document: Any = json.loads(as_json([*SPANS, *SPANS]))
    broken = document["resourceSpans"][1]["scopeSpans"][0]["spans"]
    broken[0]["startTimeUnixNano"] = "soon"
    found = list(spans_of_json(json.dumps(document).encode()))
    assert [isinstance(each, BadSpan) for each in found] == [False, True, False, False]
    assert "startTimeUnixNano" in str(found[1])
    # Field 7 is a start of eight bytes; here it is a text.
    bad = b"\x3a\x01x\xff"
    whole = as_protobuf(SPANS[:1])
    body = whole + _wrapped(_wrapped(_wrapped(bad, 2), 2), 1) + whole
    assert [isinstance(each, BadSpan) for each in spans_of_protobuf(body)] == [False, True, False]


@pytest.mark.parametrize("kind", [b"doubleValue", b"intValue"])
def test_a_number_of_hundreds_of_digits_costs_its_span_only(kind: bytes) -> None:
    value = b'{"%s": 1%s}' % (kind, b"0" * 400)
    broken = as_json([span({"a": "here"}), span()]).replace(b'{"stringValue": "here"}', value)
    first, second = spans_of_json(broken)
    assert isinstance(first, BadSpan)
    assert "Value" in first.reason
    assert second == span()


@DECODERS
def test_as_many_spans_as_are_read_may_each_be_of_another_service(decode: Decode) -> None:
    spans = [span({}, resource={"service.name": f"s{number}"}) for number in range(MAX_SPANS)]
    encode = as_json if decode is spans_of_json else as_protobuf
    assert sum(1 for _ in decode(encode(spans))) == MAX_SPANS


@DECODERS
def test_a_scope_of_very_many_spans_is_refused(decode: Decode) -> None:
    if decode is spans_of_json:
        body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{}] * (MAX_SPANS + 1)}]}]}).encode()
    else:
        body = _wrapped(_wrapped(_wrapped(b"", 2) * (MAX_SPANS + 1), 2), 1)
    with pytest.raises(TooManySpans, match="10,000 spans"):
        list(decode(body))


@DECODERS
def test_a_body_of_very_many_spans_is_refused(decode: Decode) -> None:
    one = (as_json if decode is spans_of_json else as_protobuf)([span({})])
    if decode is spans_of_json:
        (inner,) = json.loads(one)["resourceSpans"]
        body = json.dumps({"resourceSpans": [inner] * (MAX_SPANS + 1)}).encode()
    else:
        body = one * (MAX_SPANS + 1)
    with pytest.raises(TooManySpans, match="10,000 spans"):
        list(decode(body))


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_eight_mebibytes_of_empty_messages_take_little_memory(depth: int) -> None:
    body = b"\x0a\x00" if depth == 1 else b"\x12\x00"
    body *= MAX_BODY_BYTES // 2 - 20
    for level in range(depth - 1, 0, -1):
        body = _wrapped(body, 1 if level == 1 else 2)
    tracemalloc.start()
    with pytest.raises(TooManySpans):
        list(spans_of_protobuf(body))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 1024 * 1024


def test_a_span_that_is_too_large_is_named() -> None:
    long = span({"text": "x" * MAX_SPAN_BYTES})
    first, second = spans_of_protobuf(as_protobuf([long, span()]))
    assert isinstance(first, BadSpan)
    assert "too large" in first.reason
    assert second == span()
    with pytest.raises(Unreadable, match="resource"):
        list(spans_of_protobuf(as_protobuf([span(resource={"text": "x" * MAX_SPAN_BYTES})])))


@DECODERS
def test_of_very_many_attributes_the_first_are_read(decode: Decode) -> None:
    many = span({f"a{number}": number for number in range(2 * MAX_ATTRIBUTES)})
    encode = as_json if decode is spans_of_json else as_protobuf
    (found,) = decode(encode([many]))
    assert isinstance(found, Span)
    assert len(found.attributes) == MAX_ATTRIBUTES


@DECODERS
def test_attributes_nested_without_end_are_refused(decode: Decode) -> None:
    if decode is spans_of_json:
        inner = b'{"arrayValue":{"values":[' * 300 + b"{}" + b"]}}" * 300
        body = (
            b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"key":"a","value":%s}]}]}]}]}'
            % inner
        )
    else:
        value = b""
        for _ in range(300):
            value = _wrapped(_wrapped(value, 1), 5)
        body = _wrapped(_wrapped(_wrapped(_wrapped(_wrapped(value, 2), 9), 2), 2), 1)
    (found,) = decode(body)
    assert isinstance(found, BadSpan)


def test_a_body_in_gzip_is_unpacked() -> None:
    assert plain_body(gzip.compress(b"spans"), "gzip") == b"spans"
    assert plain_body(gzip.compress(b""), " GZIP ") == b""
    assert plain_body(gzip.compress(b"spans"), "x-gzip") == b"spans"
    assert plain_body(b"spans", "") == plain_body(b"spans", "identity") == b"spans"
    whole = b"x" * MAX_BODY_BYTES
    assert plain_body(gzip.compress(whole), "gzip") == whole


def test_a_body_in_several_members_of_gzip_is_unpacked_whole() -> None:
    members = gzip.compress(b"some ") + gzip.compress(b"") + gzip.compress(b"spans")
    assert plain_body(members, "gzip") == b"some spans"
    with pytest.raises(Unreadable, match="64 members"):
        plain_body(gzip.compress(b"") * 400_000, "gzip")  # copied each time, it would take minutes
    half = gzip.compress(b"x" * (MAX_BODY_BYTES // 2 + 1))
    with pytest.raises(TooManySpans):
        plain_body(half + half, "gzip")


def test_a_gzip_bomb_takes_no_more_memory_than_a_body_may_have() -> None:
    bomb = gzip.compress(b"\x00" * (64 * MAX_BODY_BYTES), compresslevel=9)
    tracemalloc.start()
    with pytest.raises(TooManySpans, match="8,388,608 bytes once decompressed"):
        plain_body(bomb, "gzip")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * MAX_BODY_BYTES


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"spans", "gzip"), (gzip.compress(b"spans", mtime=0)[:-4], "gzip"), (b"", "gzip"), (b"spans", "br")]
    + [(gzip.compress(b"spans", mtime=0) + rest, "gzip") for rest in (b"junk", b"\x1f\x8b")],
)
def test_a_body_that_is_not_in_its_encoding_is_unreadable(body: bytes, encoding: str) -> None:
    with pytest.raises(Unreadable):
        plain_body(body, encoding)


def _wrapped(content: bytes, field: int) -> bytes:
    """A message with one field that has a length."""
    out, size = bytearray([field << 3 | 2]), len(content)
    while size > 0x7F:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*out, size]) + content
