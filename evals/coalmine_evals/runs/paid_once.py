"""Providers within a run: an answer is paid for once, and only while the budget lasts."""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime

from coalmine_evals.providers.provider import Models, Provider, Request
from coalmine_evals.records import Output
from coalmine_evals.runs.budget import Budget
from coalmine_evals.runs.cache import AnswerCache, cache_key
from coalmine_evals.runs.cost import largest_nano_usd
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prices import PriceTable


@dataclass(frozen=True, slots=True)
class Purse:
    """What answers are paid from, and where they are kept."""

    cache: AnswerCache
    budget: Budget
    prices: PriceTable
    since: datetime | None = None
    """Answers from before are asked for again; None for those of any age."""


class PaidOnce:
    """A provider whose answers are kept: the same request and repeat are never sent twice.

    Args:
        inner: Who is asked.
        purse: What answers are paid from, and where they are kept.
    """

    def __init__(self, inner: Provider, purse: Purse) -> None:
        self._inner, self._purse = inner, purse
        self._asked: dict[str, asyncio.Task[Output]] = {}

    @property
    def name(self) -> str:
        """That of whoever is asked."""
        return self._inner.name

    @property
    def address(self) -> str:
        """That of whoever is asked."""
        return self._inner.address

    def known(self, request: Request, repeat: int) -> bool:
        """Whether the answer is there already."""
        return self._kept(cache_key(self._inner, request, repeat)) is not None

    async def answer(self, request: Request, *, repeat: int = 0) -> Output:
        """Answers a request; see `Provider`.

        Raises:
            BudgetSpent: The answer might cost more than is left.
        """
        key = cache_key(self._inner, request, repeat)
        while (asked := self._asked.get(key)) is not None:
            try:
                return replace(await asyncio.shield(asked), cached=True)
            except asyncio.CancelledError:
                if not asked.cancelled() or (me := asyncio.current_task()) is None or me.cancelling():
                    raise
                await asyncio.sleep(0)  # whoever asked gave up: it is asked for again
        if (found := self._kept(key)) is not None:
            return found
        task = self._asked[key] = asyncio.create_task(self._ask(key, request, repeat))
        try:
            return await task
        finally:
            del self._asked[key]

    def _kept(self, key: str) -> Output | None:
        return self._purse.cache.get(key, self._purse.since)

    async def _ask(self, key: str, request: Request, repeat: int) -> Output:
        async with await self._purse.budget.admit(self._at_most(request)) as admission:
            output = await self._inner.answer(request, repeat=repeat)
            # One without text may have been paid for, too: a model that thinks up to its limit of tokens.
            failed = output.text is None
            admission.cost_nano_usd = (output.cost_nano_usd or 0) if failed else output.cost_nano_usd
            await self._purse.cache.put(key, output)
        return output

    def _at_most(self, request: Request) -> int:
        if self._purse.budget.limit_nano_usd is None:
            return 0
        return most_nano_usd(request, self._purse.prices)


class RunModels:
    """Who answers within a run; see `Models`."""

    def __init__(self, models: Models, purse: Purse) -> None:
        self._models, self._purse = models, purse
        self._open: dict[tuple[str, str], PaidOnce] = {}

    def of(self, model: str, provider: str | None = None, base_url: str | None = None) -> PaidOnce:
        """Returns who answers; see `Models`."""
        inner = self._models.of(model, provider, base_url)
        if self._purse.budget.limit_nano_usd is not None:
            most_nano_usd(Request(model, ()), self._purse.prices)
        place = (inner.name, inner.address)
        if place not in self._open:
            self._open[place] = PaidOnce(inner, self._purse)
        return self._open[place]


def most_nano_usd(request: Request, prices: PriceTable) -> int:
    """Returns about the most that an answer can cost.

    Raises:
        InvalidParameter: The price of the model is not known.
    """
    found = largest_nano_usd(request, prices)
    if found is None:
        raise InvalidParameter(
            f"no price is known for {request.model}, so no budget can be kept: give one in pricing.toml, "
            "or run without a budget"
        )
    return found
