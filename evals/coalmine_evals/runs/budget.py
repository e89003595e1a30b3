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
        self._changed = asyncio.Condition()

    async def admit(self, at_most_nano_usd: int) -> "Admission":
        """Waits until an answer fits into what is left.

        Raises:
            BudgetSpent: It does not, whatever those cost that are under way.
        """
        if self.limit_nano_usd is not None:
            async with self._changed:
                while self.spent_nano_usd + self._reserved + at_most_nano_usd > self.limit_nano_usd:
                    if self._reserved == 0:
                        spent, limit = self.spent_nano_usd / 1e9, self.limit_nano_usd / 1e9
                        raise BudgetSpent(
                            f"${spent:.4f} of ${limit:.4f} are spent, and the next answer may cost "
                            f"${at_most_nano_usd / 1e9:.4f}"
                        )
                    await self._changed.wait()
                self._reserved += at_most_nano_usd
        return Admission(self, at_most_nano_usd)

    async def settle(self, reserved_nano_usd: int, cost_nano_usd: int | None) -> None:
        """Counts what an answer has cost in place of what it could."""
        if cost_nano_usd is None:
            self.unpriced += 1
        self.spent_nano_usd += cost_nano_usd or 0
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
