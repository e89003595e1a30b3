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
BOOK_S: Final = 1.0
"""How long the list of valid tokens is used before it is read again: guesses cost one query a second."""


class Verifier:
    """Looks tokens up. Thread-safe."""

    def __init__(self, tokens: Tokens, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens = tokens
        self._clock = clock
        self._lock = threading.Lock()
        self._remembered: OrderedDict[bytes, tuple[Actor, float]] = OrderedDict()
        self.generation = 0
        """Another number whenever a token was made or revoked."""
        self._reading = threading.Lock()
        self._book: frozenset[str] = frozenset()
        self._book_until = -math.inf

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
        digest, asked_at, generation = self.digest(token), self._clock(), self.generation
        actor = self.remembered(digest)  # a thousand may ask at once
        if actor is not None:
            return actor
        actor = self._tokens.verify(token)
        with self._lock:
            if actor is None:
                self._remembered.pop(digest, None)
            elif generation == self.generation:
                self._remembered[digest] = (actor, asked_at + REMEMBERED_S)
                self._remembered.move_to_end(digest)
                while len(self._remembered) > MOST_REMEMBERED:
                    self._remembered.popitem(last=False)
        return actor

    def may_be_valid(self, token: str) -> bool:
        """Whether the book of valid tokens has this one; read again once it is `BOOK_S` old.

        Raises:
            Transient: The database does not answer.
        """
        with self._reading:  # one reads, however many ask
            if self._clock() >= self._book_until:
                self._book = self._tokens.valid_digests()
                self._book_until = self._clock() + BOOK_S
            return self.digest(token).hex() in self._book

    def forget(self) -> None:
        """Looks every token up again, because one was made or revoked."""
        with self._lock:
            self.generation += 1
            self._remembered.clear()
            self._book_until = -math.inf


MOST_ADDRESSES: Final = 10_000
"""Addresses that are remembered; the oldest are forgotten first."""


class FailedLogins:
    """Counts failures by address, as a token bucket each. Thread-safe.

    From an address that failed too often only tokens that are in the book of valid ones are looked up, or
    guessing would go on at full speed: nobody's failures lock a service out, behind whichever address.
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

    def retry_after_s(self, address: str) -> int | None:
        """None if a token from this IP address may be looked at, else after how many seconds."""
        with self._lock:
            spent, _ = self._left(_network(address))
        if spent + 1.0 <= self._per_minute:
            return None
        return max(1, math.ceil((spent + 1.0 - self._per_minute) * 60.0 / self._per_minute))

    def failed(self, address: str) -> None:
        """Notes that a token was none."""
        network = _network(address)
        with self._lock:
            spent, now = self._left(network)
            self._spent[network] = (min(spent + 1.0, self._per_minute), now)
            self._spent.move_to_end(network)
            while len(self._spent) > MOST_ADDRESSES:
                self._spent.popitem(last=False)

    def __len__(self) -> int:
        return len(self._spent)

    def _left(self, network: str) -> tuple[float, float]:
        now = self._clock()
        spent, then = self._spent.get(network, (0.0, now))
        return max(0.0, spent - (now - then) * self._per_minute / 60.0), now


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
