"""The bytes of a body, decompressed within bounds."""

import zlib
from typing import Final

from coalmine_server.services.otlp.spans import TooManySpans, Unreadable

MAX_BODY_BYTES: Final = 8 * 1024 * 1024
"""Of a body, compressed or not; the same as for any body of the API."""
_GZIP: Final = 16 + zlib.MAX_WBITS


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
    if encoding != "gzip":
        raise Unreadable(f"the content encoding {encoding[:40]!r} is unknown: send gzip or none")
    unpack = zlib.decompressobj(_GZIP)
    try:
        plain = unpack.decompress(body, MAX_BODY_BYTES + 1)
    except zlib.error as error:
        raise Unreadable("the body is not in gzip, though its content encoding says so") from error
    if len(plain) > MAX_BODY_BYTES:
        raise TooManySpans(
            f"a body has at most {MAX_BODY_BYTES:,} bytes once decompressed: "
            "set a smaller batch size in the exporter"
        )
    if not unpack.eof:
        raise Unreadable("the body's gzip ends early: send all of it")
    return plain
