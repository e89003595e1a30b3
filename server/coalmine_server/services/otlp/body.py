"""The bytes of a body, decompressed within bounds."""

import zlib
from typing import Final

from coalmine_server.services.otlp.spans import TooManySpans, Unreadable

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
"""Of a body, compressed or not; the same as for any body of the API."""
_GZIP: Final = 16 + zlib.MAX_WBITS
_MOST_MEMBERS: Final = 64
"""Of one body in gzip (RFC 1952, 2.2): what follows each is copied."""


def plain_body(body: bytes, encoding: str) -> bytes:
    """Returns the bytes of a body. Not more than `MAX_BODY_BYTES` are ever made of it.

    Args:
        body: As it came.
        encoding: Its `Content-Encoding`; empty for none.

    Raises:
        Unreadable: The encoding is another than gzip, or the bytes are not in it.
        TooManySpans: The body is too large once it is decompressed.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):  # one and the same: RFC 9110, 8.4.1.3
        raise Unreadable(f"the content encoding {encoding[:40]!r} is unknown: send gzip or none")
    plain, rest, members = b"", body, 0
    while rest or not members:
        members += 1
        if members > _MOST_MEMBERS:
            raise Unreadable(f"the body's gzip has more than {_MOST_MEMBERS} members: send one")
        more, rest = _member(rest, MAX_BODY_BYTES - len(plain))
        plain += more
    return plain


def _member(body: bytes, most: int) -> tuple[bytes, bytes]:
    """What the first member of gzip holds, at most so many bytes, and what follows it."""
    unpack = zlib.decompressobj(_GZIP)
    try:
        plain = unpack.decompress(body, most + 1)
    except zlib.error as error:
        raise Unreadable("the body is not in gzip, though its content encoding says so") from error
    if len(plain) > most:
        raise TooManySpans(
            f"a body has at most {MAX_BODY_BYTES:,} bytes once decompressed: "
            "set a smaller batch size in the exporter"
        )
    if not unpack.eof:
        raise Unreadable("the body's gzip ends early: send all of it")
    return plain, unpack.unused_data
