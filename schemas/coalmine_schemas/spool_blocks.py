"""Spool blocks as bytes: the Avro container layout that `spool_format` puts into files.

Pure functions from records to bytes and back; no file is opened here.
"""

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.types import Schema

SYNC_BYTES: Final = 16
"""Length of the marker that ends each block of a file."""

_MAGIC: Final = b"Obj\x01"
_RECORD: Final[dict[str, Any]] = {
    "type": "record",
    "name": "SpoolRecord",
    "namespace": "coalmine.spool",
    "owner": "coalmine",
    "doc": "One framed event on its way to Kafka or to the collector.",
    "fields": [
        {"name": "topic", "type": "string", "doc": "Event name without topic prefix, e.g. requests."},
        {"name": "key", "type": ["null", "bytes"], "default": None, "doc": "Kafka message key, UTF-8."},
        {"name": "value", "type": "bytes", "doc": "The event, framed as its Kafka message would be."},
        {
            "name": "produced_at",
            "type": {"type": "long", "logicalType": "timestamp-micros"},
            "doc": "When the event was handed to the client, microseconds since 1970 UTC.",
        },
    ],
}
_RECORD_JSON: Final = json.dumps(_RECORD, separators=(",", ":"))


def _without_logical_types(schema: dict[str, Any]) -> dict[str, Any]:
    """The same binary layout with plain longs, which decode to int rather than datetime."""
    fields = [
        {**field, "type": field["type"]["type"]}
        if isinstance(field["type"], dict) and "logicalType" in field["type"]
        else field
        for field in schema["fields"]
    ]
    return {**schema, "fields": fields}


# A block's body is a row of records. An Avro array is a count, the same row, and a zero; reading
# and writing a block as an array keeps the per-record loop inside fastavro's compiled code.
_BLOCK: Final = parse_schema({"type": "array", "items": _without_logical_types(_RECORD)})
_HEADER: Final = parse_schema(
    {
        "type": "record",
        "name": "Header",
        "namespace": "org.apache.avro.file",
        "fields": [
            {"name": "magic", "type": {"type": "fixed", "name": "Magic", "size": 4}},
            {"name": "meta", "type": {"type": "map", "values": "bytes"}},
            {"name": "sync", "type": {"type": "fixed", "name": "Sync", "size": SYNC_BYTES}},
        ],
    }
)


class SpoolRecord(NamedTuple):
    """One framed event in the spool. A named tuple, since readers make millions of them."""

    topic: str
    """Event name without topic prefix, e.g. `requests`."""
    key: bytes | None
    """Kafka message key."""
    value: bytes
    """The framed event."""
    produced_at_us: int
    """When the event was handed to the client, microseconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Block:
    """Where one whole block stands in a file's bytes."""

    start: int
    """Its first byte, which belongs to the record count."""
    count: int
    """Records in it, at least 1."""
    body_start: int
    """First byte of the first record."""
    body_end: int
    """Byte after the last record."""


def encode_header(sync: bytes) -> bytes:
    """What a file begins with: magic, schema, codec, and the marker that ends each of its blocks."""
    buffer = io.BytesIO()
    meta = {"avro.schema": _RECORD_JSON.encode(), "avro.codec": b"null"}
    schemaless_writer(buffer, _HEADER, {"magic": _MAGIC, "meta": meta, "sync": sync})
    return buffer.getvalue()


def encode_block(records: Sequence[SpoolRecord], sync: bytes) -> bytes:
    """The records as one block: count, length, records, marker."""
    # By hand, since this runs in services: fastavro takes five times as long.
    parts: list[bytes] = []
    for topic, key, value, produced_at_us in records:
        name = topic.encode()
        parts += (_varint(len(name)), name)
        parts += (b"\0",) if key is None else (b"\x02", _varint(len(key)), key)
        parts += (_varint(len(value)), value, _varint(produced_at_us))
    body = b"".join(parts)
    return b"".join((_varint(len(records)), _varint(len(body)), body, sync))


def decode_block(data: bytes, block: Block, writer_schema: Schema) -> list[SpoolRecord]:
    """The records of one block.

    Args:
        data: The file's bytes.
        block: Where the block is, from `Layout`.
        writer_schema: `Layout.writer_schema` of the same file.

    Raises:
        Exception: Nearly any kind, when the bytes are damaged.
    """
    array = _varint(block.count) + data[block.body_start : block.body_end] + b"\0"
    buffer = io.BytesIO(array)
    rows: Any = schemaless_reader(buffer, writer_schema, None if writer_schema is _BLOCK else _BLOCK)
    if len(rows) != block.count or buffer.tell() != len(array):
        raise ValueError("the block's length and its records disagree")
    return [SpoolRecord(row["topic"], row["key"], row["value"], row["produced_at"]) for row in rows]


class Layout:
    """Where the whole blocks of a file are; decodes no record.

    Attributes:
        blocks: The whole blocks, in order.
        end: The byte after the last whole block (0 when even the header is torn).
        reason: Why reading stopped before the end of the data, or None when it did not.
        writer_schema: The array schema blocks are decoded with.
    """

    __slots__ = ("blocks", "end", "reason", "writer_schema")

    def __init__(self, data: bytes) -> None:
        self.blocks: list[Block] = []
        self.end = 0
        self.reason: str | None = None
        self.writer_schema: Schema = _BLOCK
        try:
            sync = self._read_header(data)
        except Exception as error:  # noqa: BLE001 - any bytes may stand where a header should
            self.reason = f"no readable header ({error!r})"
            return
        while self.end < len(data):
            self.reason = self._read_block(data, sync)
            if self.reason is not None:
                break

    def _read_header(self, data: bytes) -> bytes:
        buffer = io.BytesIO(data)
        header: Any = schemaless_reader(buffer, _HEADER, None)
        if header["magic"] != _MAGIC:
            raise ValueError("not an Avro container file")
        codec = header["meta"].get("avro.codec", b"null")
        if codec != b"null":
            raise ValueError(f"codec {codec!r} is not used in a spool")
        schema = header["meta"]["avro.schema"].decode()
        if schema != _RECORD_JSON:
            # Another version of the envelope; Avro's resolution rules bridge it.
            self.writer_schema = parse_schema(
                {"type": "array", "items": _without_logical_types(json.loads(schema))}
            )
        self.end = buffer.tell()
        sync: bytes = header["sync"]
        return sync

    def _read_block(self, data: bytes, sync: bytes) -> str | None:
        """Notes the block that begins at `end`; returns what is wrong with it, if anything."""
        try:
            count, position = _read_varint(data, self.end)
            size, body_start = _read_varint(data, position)
        except IndexError:
            return "torn block"
        except OverflowError:
            return "impossible block length"
        body_end = body_start + size
        after = body_end + SYNC_BYTES
        if count <= 0 or size <= 0:
            return "impossible block length"
        if after > len(data):
            return "torn block"
        if data[body_end:after] != sync:
            return "wrong sync marker"
        self.blocks.append(Block(self.end, count, body_start, body_end))
        self.end = after
        return None


def _varint(value: int) -> bytes:
    """A non-negative number as an Avro long (zigzag, base 128)."""
    value <<= 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position
        shift += 7
        if shift > 63:
            raise OverflowError("an Avro long has at most ten bytes")
