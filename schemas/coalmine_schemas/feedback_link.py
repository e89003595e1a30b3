"""Signed links by which somebody without a token may say what they thought of one call.

A link names the app, the call and when it ends, with an HMAC-SHA-256 of the three under a key that the
service and the server share. It allows nothing else, and nothing is stored to make it.

References:
    RFC 2104 (HMAC)
"""

import hmac
from base64 import urlsafe_b64encode
from typing import Final
from urllib.parse import urlencode

from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.limits import LEAST_KEY_CHARS
from coalmine_schemas.rules import UUID_PATTERN

LINK_PATH: Final = "/feedback/link"
"""Where the server answers links."""
LONGEST_DAYS: Final = 366.0
"""Later than this nothing is known of most calls any more."""
_PURPOSE: Final = "coalmine feedback link 1"


def signature_of(key: str, app: str, request_id: str, expires: int) -> str:
    """The signature of a link, URL-safe.

    Args:
        key: The shared secret.
        app: Name of the service that made the call.
        request_id: The call.
        expires: When the link ends, in seconds since 1970.
    """
    text = f"{_PURPOSE}\n{request_id.lower()}\n{expires}\n{app}"
    digest = hmac.digest(key.encode(), text.encode("utf-8", "surrogatepass"), "sha256")
    return urlsafe_b64encode(digest).decode().rstrip("=")


def is_signed(key: str, app: str, request_id: str, expires: int, signature: str) -> bool:
    """Returns True if this signature is of this link; takes as long for a wrong one as for the right one."""
    expected = signature_of(key, app, request_id, expires)
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass"))


def feedback_link(url: str, key: str, app: str, request_id: str, *, now_s: float, days: float) -> str:
    """Makes a link.

    Args:
        url: Where people reach the server, `https://feedback.example.com`.
        key: The shared secret, at least 32 characters.
        app: Name of the service that made the call.
        request_id: The call's `request_id`.
        now_s: The time, in seconds since 1970.
        days: How long the link is good, at most 366.

    Raises:
        InvalidParameter: One of them is unusable.
    """
    check_key(key)
    if not UUID_PATTERN.fullmatch(request_id):
        raise InvalidParameter("request_id of a feedback link is not a UUID: give the call's request_id")
    if not 0 < days <= LONGEST_DAYS:
        raise InvalidParameter(
            f"days of a feedback link must be above 0, at most {LONGEST_DAYS:g}, not {days!r}"
        )
    expires = int(now_s + days * 86_400)
    query = {
        "app": app,
        "request_id": request_id.lower(),
        "expires": expires,
        "signature": signature_of(key, app, request_id, expires),
    }
    return f"{url.rstrip('/')}{LINK_PATH}?{urlencode(query)}"


def check_key(key: str) -> str:
    """The key, if it is long enough not to be guessed.

    Raises:
        InvalidParameter: It is not.
    """
    if len(key) < LEAST_KEY_CHARS:
        raise InvalidParameter(
            f"the key of feedback links has {len(key)} characters: give at least {LEAST_KEY_CHARS}, "
            "e.g. from `openssl rand -hex 32`"
        )
    return key
