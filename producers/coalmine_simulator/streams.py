"""Seeded randomness: one independent stream per purpose.

The simulator needs nothing but the standard library, because numpy is not part of the base install.
Streams are named, so changing how one prompt behaves leaves the arrivals, the users and every other
prompt exactly as they were.
"""

from __future__ import annotations

import random

__all__ = ["Streams"]


class Streams:
    """Hands out one `random.Random` per name, derived from one seed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._streams: dict[str, random.Random] = {}

    def stream(self, name: str) -> random.Random:
        """The stream of that name: always the same object, seeded by the seed and the name."""
        found = self._streams.get(name)
        if found is None:
            # A str seed goes through SHA-512, so it does not depend on the process's hash seed.
            found = random.Random(f"{self._seed}/{name}")  # noqa: S311 - simulation, not cryptography
            self._streams[name] = found
        return found
