"""Frames: the few bytes in front of a payload that name the schema it was written with.

Two kinds, told apart by their first bytes: Avro single-object encoding (`C3 01` and the schema's fingerprint)
and the Confluent wire format (`00` and the schema's id in a registry).
"""

from dataclasses import dataclass

from coalmine_schemas.catalogue import Schema
from coalmine_schemas.errors import InvalidFrame, InvalidParameter

SINGLE_OBJECT_MAGIC = b"\xc3\x01"
"""First bytes of an Avro single-object frame."""
SINGLE_OBJECT_HEADER_SIZE = 10
"""Magic and 8 bytes of fingerprint."""
CONFLUENT_MAGIC = b"\x00"
"""First byte of a Confluent frame."""
CONFLUENT_HEADER_SIZE = 5
"""Magic and 4 bytes of schema id."""

FrameError = InvalidFrame
"""What `parse_header` raises; the name of this module's idea for the error class of the tree."""


@dataclass(frozen=True, slots=True)
class SingleObject:
    """Header of a single-object frame."""

    fingerprint: bytes
    """CRC-64-AVRO of the writer schema, 8 bytes little-endian."""

    @property
    def schema_ref(self) -> str:
        """How failures and dead letters name the schema: the fingerprint as it stands in the frame."""
        return f"fingerprint:{self.fingerprint.hex()}"

    @property
    def size(self) -> int:
        """Bytes before the payload."""
        return SINGLE_OBJECT_HEADER_SIZE


@dataclass(frozen=True, slots=True)
class Confluent:
    """Header of a Confluent frame."""

    schema_id: int
    """Identity of the writer schema in the schema registry, as an unsigned 32-bit number."""

    @property
    def schema_ref(self) -> str:
        """How failures and dead letters name the schema."""
        return f"id:{self.schema_id}"

    @property
    def size(self) -> int:
        """Bytes before the payload."""
        return CONFLUENT_HEADER_SIZE


Header = SingleObject | Confluent


def single_object_header(schema: Schema) -> bytes:
    """The 10 bytes before a payload written with a published schema."""
    return SINGLE_OBJECT_MAGIC + schema.fingerprint


def confluent_header(schema_id: int) -> bytes:
    """The 5 bytes before a payload written with a schema of the registry.

    Raises:
        InvalidParameter: `schema_id` does not fit 32 bits.
    """
    if not 0 <= schema_id < 1 << 32:
        raise InvalidParameter(f"schema id {schema_id} does not fit 32 bits")
    return CONFLUENT_MAGIC + schema_id.to_bytes(4, "big")


def parse_header(frame: bytes) -> Header:
    """Tell which kind of frame this is and which schema it names.

    Raises:
        FrameError: It is neither kind, or ends inside its header.
    """
    if frame[:2] == SINGLE_OBJECT_MAGIC:
        if len(frame) < SINGLE_OBJECT_HEADER_SIZE:
            raise FrameError(f"ends inside the single-object header: {len(frame)} of 10 bytes")
        return SingleObject(frame[2:SINGLE_OBJECT_HEADER_SIZE])
    if frame[:1] == CONFLUENT_MAGIC:
        if len(frame) < CONFLUENT_HEADER_SIZE:
            raise FrameError(f"ends inside the Confluent header: {len(frame)} of 5 bytes")
        return Confluent(int.from_bytes(frame[1:CONFLUENT_HEADER_SIZE], "big"))
    if not frame:
        raise FrameError("empty message")
    raise FrameError(f"no frame we know: begins with {frame[:8].hex(' ')}")


def check_present(frame: bytes | None) -> bytes:
    """The frame itself, unless it is a tombstone.

    Raises:
        FrameError: The value is missing.
    """
    if frame is None:
        raise FrameError("no value (a tombstone)")
    return frame
