"""The public keys of an issuer: found by discovery, kept, and looked up again when it rotates them.

An unknown key has them looked up again, but not more often than each `PAUSE_S`: who makes up ids of keys
makes us ask no more often. While the issuer is away the keys that are there stay good for `OLDEST_S`.
"""

import json
import math
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx2
import structlog

from coalmine_schemas.safe_text import printable
from coalmine_server.settings.oidc import is_safe_url

Jwk = dict[str, Any]
"""A public key as the issuer has it (RFC 7517)."""
FRESH_S: Final = 300.0
"""How long keys are used before the issuer is asked again: what it has withdrawn is worthless afterwards."""
OLDEST_S: Final = 3600.0
"""How long they are used while it does not answer."""
PAUSE_S: Final = 10.0
"""Between two questions to the issuer, whatever tokens come."""
TIMEOUT_S: Final = 5.0
"""For a connection, and for each part that is read."""
LONGEST_S: Final = 10.0
"""For an answer as a whole, if its parts come one after the other."""
_LARGEST_BYTES: Final = 1_000_000
_DISCOVERY: Final = "/.well-known/openid-configuration"
_FEW: Final = 400
"""Characters of a reason."""

_log = structlog.stdlib.get_logger("coalmine.sign_on")


class IssuerAway(Exception):
    """The issuer's keys cannot be had now; the text says why. Tokens can be tried again."""


class UnknownKey(Exception):
    """The issuer has no such key."""


class IssuerKeys:
    """The keys of one issuer. Thread-safe."""

    def __init__(
        self,
        issuer: str,
        clock: Callable[[], float] = time.monotonic,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Prepares; nothing is asked before the first token comes.

        Args:
            issuer: Its URL.
            clock: In seconds.
            transport: How to ask; over the network if omitted.
        """
        self._issuer = issuer
        self._clock = clock
        self._transport = transport
        self._lock = threading.Lock()
        self._keys: Mapping[str | None, Jwk] = {}
        self._found_at = self._asked_at = -math.inf
        self._trouble: str | None = None

    def key(self, key_id: str | None, *, may_ask: bool = True) -> Jwk:
        """Returns a key; waits for the issuer if it has to be asked.

        Args:
            key_id: As the token says; None for the only one.
            may_ask: False to have nobody asked for a key that is not known. Known ones are looked up again
                all the same once they are no longer fresh.

        Raises:
            UnknownKey: The issuer has no such key, or was asked a moment ago.
            IssuerAway: It does not answer as it should, and there are no keys that are new enough.
        """
        found = self._keys.get(key_id)
        if found is not None and self._age_s() < FRESH_S:
            return found
        if may_ask or found is not None:
            # One asks. The others wait for what it learns, unless the key they know may still be used.
            waits = found is None or self._age_s() >= OLDEST_S
            if self._lock.acquire(blocking=waits):
                try:
                    if self._keys.get(key_id) is None or self._age_s() >= FRESH_S:
                        self._ask()
                finally:
                    self._lock.release()
            found = self._keys.get(key_id)
        if self._age_s() >= OLDEST_S:
            raise IssuerAway(self._trouble or "its keys have not been asked for yet")
        if found is None:
            raise UnknownKey(f"the issuer has no key {printable(str(key_id))!r:.60}")
        return found

    def _age_s(self) -> float:
        return self._clock() - self._found_at

    def _ask(self) -> None:
        """Looks the keys up, unless that was tried a moment ago."""
        now = self._clock()
        if now - self._asked_at < PAUSE_S:
            return
        self._asked_at = now
        try:
            self._keys = self._look_up()
        except IssuerAway as error:
            if self._trouble is None:
                _log.warning("the identity provider does not answer", issuer=self._issuer, reason=str(error))
            self._trouble = str(error)
        else:
            self._trouble = None
            self._found_at = self._clock()

    def _look_up(self) -> dict[str | None, Jwk]:
        try:
            client = httpx2.Client(
                transport=self._transport,
                timeout=TIMEOUT_S,
                follow_redirects=False,
                headers={"Accept": "application/json"},
            )
        except (httpx2.InvalidURL, ValueError, ImportError, OSError) as error:
            # Not the message, which may quote a password.
            raise self._away(
                f"cannot be asked ({type(error).__name__}): look at the proxies and certificates that the "
                "environment names"
            ) from error
        with client:
            described = self._read(client, self._issuer.rstrip("/") + _DISCOVERY)
            if described.get("issuer") != self._issuer:
                raise self._away(f"says that it is {printable(str(described.get('issuer')))!r:.200}")
            where = described.get("jwks_uri")
            if not isinstance(where, str) or not is_safe_url(where):
                raise self._away("names no safe address of its keys (jwks_uri)")
            return self._usable(self._read(client, where))

    def _usable(self, document: Mapping[str, Any]) -> dict[str | None, Jwk]:
        """Keys that signatures can be checked with, by id; a single one also where a token names none."""
        from jwt import PyJWK  # noqa: PLC0415 - an extra, which only this needs
        from jwt.exceptions import PyJWTError  # noqa: PLC0415

        found: dict[str | None, Jwk] = {}
        listed = document.get("keys")
        for each in listed if isinstance(listed, list) else []:
            # A secret that anybody can read signs nothing.
            if not isinstance(each, dict) or each.get("kty") == "oct" or each.get("use") not in (None, "sig"):
                continue
            if not isinstance(each.get("kid"), str | None):
                continue
            try:
                PyJWK(each)
            except (PyJWTError, ValueError, TypeError):  # of a kind that we do not know
                continue
            found[each.get("kid")] = each
        if not found:
            raise self._away("has no key that signatures can be checked with")
        if len(found) == 1:
            found[None] = next(iter(found.values()))
        return found

    def _read(self, client: httpx2.Client, url: str) -> dict[str, Any]:
        body = bytearray()
        give_up_at = time.monotonic() + LONGEST_S
        try:
            with client.stream("GET", url) as response:
                if response.status_code != 200:
                    raise self._away(f"answered {response.status_code} at {url}")
                for chunk in response.iter_bytes():
                    body += chunk
                    if time.monotonic() > give_up_at:
                        raise self._away(f"took more than {LONGEST_S:g} s at {url}")
                    if len(body) > _LARGEST_BYTES:
                        raise self._away(f"answered with more than {_LARGEST_BYTES:,} bytes at {url}")
            found = json.loads(body)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise self._away(f"cannot be reached ({type(error).__name__})") from error
        except (ValueError, RecursionError) as error:
            raise self._away(f"answered with what is no JSON at {url}") from error
        if not isinstance(found, dict):
            raise self._away(f"answered with no JSON object at {url}")
        return found

    def _away(self, what: str) -> IssuerAway:
        return IssuerAway(f"{self._issuer} {what}"[:_FEW])
