"""Identifiers: time-ordered UUIDs and the hash group of a randomisation unit."""

import hashlib
import os
import threading
import time
from collections.abc import Callable

_COUNTER_BITS = 42
_TAIL_BITS = 32
_VERSION_7 = 0x7 << 76
_VARIANT_RFC = 0x2 << 62
_ENTROPY_SIZE = 4096


class _Generator:
    """State behind `uuid7`: last time and counter, and random bytes bought in bulk.

    Layout (RFC 9562, section 6.2, method 1): 48 bits of milliseconds, then a counter of 42 bits that is
    seeded at random each millisecond with its top bit clear (room for 2 * 10**12 identifiers before it
    could run over), then 32 random bits. A clock that steps back keeps the last time and counts on.

    Args:
        clock_ns: Nanoseconds since 1970-01-01 UTC.
    """

    def __init__(self, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._clock_ns = clock_ns
        self._lock = threading.RLock()  # a signal may be handled in the midst of it, and its handler need one
        self._time_ms = 0
        self._counter = 0
        self._entropy = b""
        self._at = 0

    def _random(self, size: int) -> int:
        # os.urandom costs a system call (about 0.5 us); one for 4 KiB serves hundreds of identifiers.
        start = self._at
        if start + size > len(self._entropy):
            self._entropy = os.urandom(_ENTROPY_SIZE)
            start = 0
        self._at = end = start + size
        return int.from_bytes(self._entropy[start:end], "big")

    def next(self) -> int:
        now_ms = self._clock_ns() // 1_000_000
        with self._lock:
            if now_ms > self._time_ms:
                self._time_ms = now_ms
                self._counter = self._random(6) >> 7  # 41 bits: the counter's top bit stays clear
            else:
                self._counter += 1
                if self._counter >> _COUNTER_BITS:
                    self._time_ms += 1
                    self._counter = self._random(6) >> 7
            time_ms, counter, tail = self._time_ms, self._counter, self._random(4)
        return (
            (time_ms << 80)
            | _VERSION_7
            | ((counter >> 30) << 64)
            | _VARIANT_RFC
            | ((counter & 0x3FFF_FFFF) << _TAIL_BITS)
            | tail
        )


_generator = _Generator()


def _renew_after_fork() -> None:
    # A child must share neither the bought random bytes nor a lock some other thread held at the fork.
    global _generator  # noqa: PLW0603 - the one place that replaces it
    _generator = _Generator()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_after_fork)


def uuid7() -> str:
    """A new UUIDv7 (RFC 9562) as text.

    Strictly increasing within a process, in every thread and across steps of the clock; safe after fork.
    """
    text = f"{_generator.next():032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def derived_uuid7(time_ms: int, *parts: str) -> str:
    """The UUIDv7 of a time and of texts: the same ones give the same identifier, in every process.

    Args:
        time_ms: Milliseconds since 1970-01-01 UTC; what does not fit into 48 bits is cut.
        parts: What tells the thing from others of that time.
    """
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
    tail = int.from_bytes(digest[:10], "big")
    number = ((time_ms & 0xFFFF_FFFF_FFFF) << 80) | _VERSION_7 | ((tail >> 62 & 0xFFF) << 64) | _VARIANT_RFC
    text = f"{number | (tail & ((1 << 62) - 1)):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def unit_group(unit_id: str) -> int:
    """Hash group of a randomisation unit, 0 to 255: first byte of SHA-256 of its UTF-8 text."""
    return hashlib.sha256(unit_id.encode()).digest()[0]
