"""The budget: the first answer alone, none that might not fit, and all of it again where one cost less."""

import asyncio

import pytest

from coalmine_evals.runs.budget import Admission, Budget, BudgetSpent


def test_the_first_answer_is_asked_for_alone_and_tells_what_the_next_may_cost() -> None:
    async def work() -> None:
        budget = Budget(100)
        first = await budget.admit(1)
        second = asyncio.create_task(budget.admit(1))
        await asyncio.sleep(0.01)
        assert not second.done()
        async with first:
            first.cost_nano_usd = 40
        async with await second as admission:
            admission.cost_nano_usd = 40
        assert budget.spent_nano_usd == 80
        with pytest.raises(BudgetSpent, match=r"\$0\.0000 of \$0\.0000 are spent"):
            await budget.admit(1)

    asyncio.run(work())


def test_what_costs_less_than_it_could_leaves_the_rest() -> None:
    async def work() -> None:
        budget = Budget(100)
        for _ in range(3):
            async with await budget.admit(60) as admission:
                admission.cost_nano_usd = 10
        waiting: list[asyncio.Task[Admission]] = []
        async with await budget.admit(60) as admission:
            waiting.append(asyncio.create_task(budget.admit(60)))
            await asyncio.sleep(0.01)
            assert not waiting[0].done()  # 30 spent, 60 held
            admission.cost_nano_usd = 10
        async with await waiting[0] as admission:
            admission.cost_nano_usd = 60
        assert budget.spent_nano_usd == 100

    asyncio.run(work())


def test_an_answer_that_fails_costs_nothing() -> None:
    async def work() -> None:
        budget = Budget(100)
        with pytest.raises(ZeroDivisionError):
            async with await budget.admit(100):
                raise ZeroDivisionError
        async with await budget.admit(100) as admission:
            admission.cost_nano_usd = None
        assert (budget.spent_nano_usd, budget.unpriced) == (0, 1)

    asyncio.run(work())
