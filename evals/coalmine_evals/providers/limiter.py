"""How many requests may be under way at once: more while they succeed, half as many when told off.

Additive increase, multiplicative decrease, as TCP does it: up to the first refusal each success adds one,
which doubles the number in each round; from then on a whole round of successes adds one.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Final

FIRST: Final = 4
"""Requests under way at once, in the beginning."""


class Halted(Exception):
    """No request may begin any more."""


class Limiter:
    """Limits the requests under way to one model with one key. For one event loop.

    Args:
        most: Requests under way at most.
        clock: Seconds, never going back.
    """

    def __init__(self, most: int, clock: Callable[[], float] = monotonic) -> None:
        self._most = most
        self._clock = clock
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._successes = 0
        self._peak = 0
        self._halvings = 0
        self._paused_until = 0.0
        self._halted = asyncio.Event()
        self.under_way = 0
        """Requests that have begun and not ended."""
        self.limit = min(FIRST, most)
        """How many may be."""

    async def begin(self) -> int:
        """Waits until one more request may begin; returns what `end` has to be told.

        Raises:
            Halted: None may begin any more.
        """
        while True:
            if self._halted.is_set():
                raise Halted
            pause_s = self._paused_until - self._clock()
            if pause_s > 0:
                await self.rest(pause_s)
            elif self.under_way < self.limit:
                self.under_way += 1
                self._peak = max(self._peak, self.under_way)
                return self._halvings
            else:
                await self._turn()

    def end(self, began: int, *, succeeded: bool | None, pause_s: float = 0.0) -> None:
        """Tells how a request ended.

        Args:
            began: What `begin` returned.
            succeeded: False if there were too many; None if that does not follow from how it ended.
            pause_s: For how long nothing may begin, as the provider says.
        """
        self.under_way -= 1
        if pause_s > 0:
            self._paused_until = max(self._paused_until, self._clock() + pause_s)
        if succeeded is False and began == self._halvings:
            # Of requests that were under way together, all may be refused: they say it once.
            self.limit = max(1, self.limit // 2)
            self._halvings += 1
            self._successes = 0
            self._peak = self.under_way
        elif succeeded and began == self._halvings:
            self._grow()
        self._wake()

    async def rest(self, pause_s: float) -> None:
        """Waits for a while, or until it is halted."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._halted.wait(), pause_s)

    def halt(self) -> None:
        """Lets no request begin any more; those under way end as they do."""
        self._halted.set()
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)

    def _grow(self) -> None:
        """Allows one more, unless fewer are wanted than may be."""
        self._successes += 1
        round_ends = self._successes >= self.limit
        if self.limit < 2 * self._peak if self._halvings == 0 else round_ends and self.limit <= self._peak:
            self.limit = min(self._most, self.limit + 1)
        if round_ends:
            self._successes, self._peak = 0, self.under_way

    async def _turn(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it had its turn, and another one takes it
                self._wake()
            raise

    def _wake(self) -> None:
        free = self.limit - self.under_way
        while free > 0 and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1
