"""The first bytes of a dead letter, as far as they can be understood."""

from dataclasses import dataclass

from coalmine_consumers.results import FrameKind
from coalmine_schemas.catalogue import by_fingerprint
from coalmine_schemas.framing import FrameError, SingleObject, parse_header


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What a frame says of itself."""

    kind: FrameKind
    """`none` if the bytes are no frame."""
    schema_ref: str | None
    """Schema it names: `fingerprint:...` or `id:...`."""
    published_as: str | None
    """That schema in our catalogue, "<event> version <n>"; None if unknown, or known to a registry only."""
    body_bytes: int
    """Bytes after the header."""
    problem: str | None
    """Why the bytes are no frame, or None."""


def describe(payload: bytes) -> FrameHeader:
    """Read the header of a dead letter. Never raises: that the bytes are wrong is why they are here."""
    try:
        header = parse_header(payload)
    except FrameError as error:
        return FrameHeader("none", None, None, len(payload), error.reason)
    body_bytes = len(payload) - header.size
    if not isinstance(header, SingleObject):
        return FrameHeader("confluent", header.schema_ref, None, body_bytes, None)
    schema = by_fingerprint(header.fingerprint)
    published_as = None if schema is None else f"{schema.event} version {schema.version}"
    return FrameHeader("single_object", header.schema_ref, published_as, body_bytes, None)
