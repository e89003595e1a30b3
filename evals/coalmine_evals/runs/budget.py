"""What a run may cost, and has cost."""

import asyncio
from types import TracebackType
from typing import Self

from coalmine_schemas.errors import Terminal


class BudgetSpent(Terminal):
    """The next answer might cost more than is left."""


class Budget:
    """Counts what answers cost, and lets none begin that could cost more than is left. For one event loop.

    Args:
        limit_nano_usd: What may be spent; None for any amount.
    """

    def __init__(self, limit_nano_usd: int | None = None) -> None:
        self.limit_nano_usd = limit_nano_usd
        self.spent_nano_usd = 0
        self.unpriced = 0
        """Answers whose price is not known."""
        self._reserved = 0
        self._largest: int | None = None
        self._changed = asyncio.Condition()

    async def admit(self, expected_nano_usd: int) -> "Admission":
        """Waits until an answer fits into what is left.

        The first answer is asked for alone; from then on none is expected to cost less than any before it.

        Args:
            expected_nano_usd: About the most that the answer can cost.

        Raises:
            BudgetSpent: It does not, whatever those cost that are under way.
        """
        if self.limit_nano_usd is None:
            return Admission(self, 0)
        async with self._changed:
            while True:
                at_most = max(expected_nano_usd, self._largest or 0)
                fits = self.spent_nano_usd + self._reserved + at_most <= self.limit_nano_usd
                if fits and (self._largest is not None or self._reserved == 0):
                    break
                if self._reserved == 0:
                    spent = f"${self.spent_nano_usd / 1e9:.4f} of ${self.limit_nano_usd / 1e9:.4f}"
                    raise BudgetSpent(f"{spent} are spent, and the next answer may cost ${at_most / 1e9:.4f}")
                await self._changed.wait()
            self._reserved += max(at_most, 1)
        return Admission(self, max(at_most, 1))

    async def settle(self, reserved_nano_usd: int, cost_nano_usd: int | None) -> None:
        """Counts what an answer has cost in place of what it could."""
        if cost_nano_usd is None:
            self.unpriced += 1
        self.spent_nano_usd += cost_nano_usd or 0
        self._largest = max(self._largest or 0, cost_nano_usd or 0)
        if self.limit_nano_usd is not None:
            async with self._changed:
                self._reserved -= reserved_nano_usd
                self._changed.notify_all()


class Admission:
    """Leave to ask for one answer; its cost is told before the block ends, and is 0 if it is not."""

    def __init__(self, budget: Budget, at_most_nano_usd: int) -> None:
        self._budget, self._at_most = budget, at_most_nano_usd
        self.cost_nano_usd: int | None = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._budget.settle(self._at_most, self.cost_nano_usd)
