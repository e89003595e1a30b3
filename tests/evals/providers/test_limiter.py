"""The limiter: grows while requests succeed, is halved once by those that were under way together."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from coalmine_evals.providers.limiter import FIRST, Limiter


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work()

    asyncio.run(bounded())


async def a_round(limiter: Limiter, *, succeeded: bool | None) -> int:
    """As many requests as may be under way, with one more waiting, all end alike; returns how many."""
    turns = [await limiter.begin() for _ in range(limiter.limit)]
    waiting = asyncio.create_task(limiter.begin())
    await asyncio.sleep(0)
    for turn in turns:
        limiter.end(turn, succeeded=succeeded)
    limiter.end(await waiting, succeeded=None)
    assert limiter.under_way == 0
    return len(turns)


def test_each_round_of_successes_doubles_it_up_to_the_most() -> None:
    async def work() -> None:
        limiter = Limiter(30)
        assert [await a_round(limiter, succeeded=True) for _ in range(5)] == [4, 8, 16, 30, 30]

    run(work)


def test_refusals_of_one_round_halve_it_once_and_then_a_round_adds_one() -> None:
    async def work() -> None:
        limiter = Limiter(64)
        for _ in range(2):
            await a_round(limiter, succeeded=True)
        assert await a_round(limiter, succeeded=False) == 16
        assert [await a_round(limiter, succeeded=True) for _ in range(3)] == [8, 9, 10]

    run(work)


def test_one_is_always_allowed() -> None:
    async def work() -> None:
        limiter = Limiter(64)
        for _ in range(6):
            await a_round(limiter, succeeded=False)
        assert limiter.limit == 1

    run(work)


def test_what_is_not_used_does_not_grow() -> None:
    async def work() -> None:
        limiter = Limiter(64)
        for _ in range(100):
            limiter.end(await limiter.begin(), succeeded=True)
        assert limiter.limit == FIRST

    run(work)


def test_nothing_begins_during_a_pause() -> None:
    now = [0.0]

    async def work() -> None:
        limiter = Limiter(8, clock=lambda: now[0])
        limiter.end(await limiter.begin(), succeeded=False, pause_s=0.001)
        next_one = asyncio.create_task(limiter.begin())
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert not next_one.done()
        now[0] = 0.002
        await next_one

    run(work)


def test_who_gives_up_waiting_passes_its_turn_on() -> None:
    async def work() -> None:
        limiter = Limiter(1)
        turn = await limiter.begin()
        first, second = (asyncio.create_task(limiter.begin()) for _ in range(2))
        await asyncio.sleep(0)
        limiter.end(turn, succeeded=True)  # the turn of the first, which is not told of it any more
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        limiter.end(await second, succeeded=True)
        assert limiter.under_way == 0

    run(work)
