"""Who comes with a token, asked of the registry and remembered for a moment."""

import hashlib
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
        """Who comes with a token; None for one that is none, or was revoked. Asks the database.

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
