"""Checks tokens against the registry, and throttles clients that present invalid ones."""

import hashlib
import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from coalmine_registry.roles import Actor
from coalmine_registry.tokens import Tokens

REMEMBERED_S: Final = 0.2
"""How long a good token is not looked up again: a thousand clients that ask at once cost one look each, and a
token that another process revokes is worthless this much later."""
MOST_REMEMBERED: Final = 10_000


class Verifier:
    """Looks tokens up. Thread-safe."""

    def __init__(self, tokens: Tokens, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens = tokens
        self._clock = clock
        self._lock = threading.Lock()
        self._remembered: OrderedDict[bytes, tuple[Actor, float]] = OrderedDict()
        self._generation = 0

    @staticmethod
    def digest(token: str) -> bytes:
        """What tokens are remembered by; they themselves stay in no memory of ours."""
        return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()

    def remembered(self, digest: bytes) -> Actor | None:
        """Who it is, if the token was good a moment ago. Never waits."""
        with self._lock:
            actor, until = self._remembered.get(digest, (None, 0.0))
        return actor if self._clock() < until else None

    def verify(self, token: str) -> Actor | None:
        """Returns the actor of a token; None if it is unknown or was revoked. Asks the database.

        Raises:
            Transient: The database does not answer.
        """
        digest, asked_at, generation = self.digest(token), self._clock(), self._generation
        actor = self._tokens.verify(token)
        with self._lock:
            if actor is None:
                self._remembered.pop(digest, None)
            elif generation == self._generation:
                self._remembered[digest] = (actor, asked_at + REMEMBERED_S)
                self._remembered.move_to_end(digest)
                while len(self._remembered) > MOST_REMEMBERED:
                    self._remembered.popitem(last=False)
        return actor

    def forget(self) -> None:
        """Looks every token up again, because one was revoked."""
        with self._lock:
            self._generation += 1
            self._remembered.clear()


MOST_ADDRESSES: Final = 10_000
"""Addresses, and tokens that were good, that are remembered; the oldest are forgotten first."""


class FailedLogins:
    """Counts failures by address, as a token bucket each. Thread-safe.

    An address that failed too often is refused before its token is looked at, or guessing would go on at full
    speed. Only tokens that were good from there before pass: somebody else's failures behind the same address
    lock no running service out, and those from other addresses nobody at all.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Starts with nobody having failed.

        Args:
            per_minute: Failures that an address may have at once, and again each minute.
            clock: Tells the time in seconds.
        """
        self._per_minute = float(per_minute)
        self._clock = clock
        self._lock = threading.Lock()
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._good: OrderedDict[tuple[str, bytes], None] = OrderedDict()

    def retry_after_s(self, address: str, token_digest: bytes) -> int | None:
        """None if the token may be looked at, else after how many seconds.

        Args:
            address: Who asks, an IP address.
            token_digest: Hash of the token presented.
        """
        network = _network(address)
        with self._lock:
            spent, _ = self._left(network)
            if spent + 1.0 <= self._per_minute or (network, token_digest) in self._good:
                return None
            return max(1, math.ceil((spent + 1.0 - self._per_minute) * 60.0 / self._per_minute))

    def failed(self, address: str) -> None:
        """Notes that a token was none."""
        network = _network(address)
        with self._lock:
            spent, now = self._left(network)
            self._spent[network] = (min(spent + 1.0, self._per_minute), now)
            _remember(self._spent, network)

    def succeeded(self, address: str, token_digest: bytes) -> None:
        """Notes that a token was good."""
        key = (_network(address), token_digest)
        with self._lock:
            self._good[key] = None
            _remember(self._good, key)

    def __len__(self) -> int:
        return len(self._spent) + len(self._good)

    def _left(self, network: str) -> tuple[float, float]:
        now = self._clock()
        spent, then = self._spent.get(network, (0.0, now))
        return max(0.0, spent - (now - then) * self._per_minute / 60.0), now


def _remember(book: OrderedDict, key: object) -> None:  # type: ignore[type-arg]
    book.move_to_end(key)
    while len(book) > MOST_ADDRESSES:
        book.popitem(last=False)


def _network(address: str) -> str:
    """What one person has: an IPv4 address, or a whole /64 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped is not None else str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
