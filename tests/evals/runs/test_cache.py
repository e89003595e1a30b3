"""The cache: what makes an answer another one, what is kept for how long, and how much of it."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coalmine_evals.providers.provider import Message, Request
from coalmine_evals.records import Output
from coalmine_evals.runs.budget import Budget
from coalmine_evals.runs.cache import MOST_DAYS, AnswerCache, cache_key
from coalmine_evals.runs.paid_once import PaidOnce, Purse
from coalmine_registry.errors import DatabaseUnavailable
from coalmine_schemas.prices import PriceTable

_NOW = datetime.now(UTC)
_REQUEST = Request("m", (Message("user", "hello"),), {"temperature": 0})


class Fake:
    """Counts how often it is asked."""

    def __init__(self, name: str = "openai", address: str = "https://a/v1") -> None:
        self.name, self.address, self.asked = name, address, 0

    async def answer(self, request: Request, *, repeat: int = 0) -> Output:
        self.asked += 1
        text = None if request.model == "broken" else f"{self.asked}"
        await asyncio.sleep(0)
        return Output(text, None if text else "broken", cost_nano_usd=5 if text else None, answered_at=_NOW)


def with_cache(path: Path, work: Callable[[AnswerCache], Awaitable[None]], **settings: Any) -> None:
    async def bounded() -> None:
        cache = AnswerCache(path, **settings)
        try:
            await work(cache)
        finally:
            await cache.close()

    asyncio.run(bounded())


def test_everything_that_decides_an_answer_is_in_its_key() -> None:
    others = [
        (Fake(name="anthropic"), _REQUEST, 0),
        (Fake(address="https://b/v1"), _REQUEST, 0),
        (Fake(), replace(_REQUEST, model="n"), 0),
        (Fake(), replace(_REQUEST, messages=(Message("system", "hello"),)), 0),
        (Fake(), replace(_REQUEST, parameters={"temperature": 1}), 0),
        (Fake(), replace(_REQUEST, response_schema={}), 0),
        (Fake(), _REQUEST, 1),
    ]
    keys = {cache_key(*each) for each in [(Fake(), _REQUEST, 0), *others]}
    assert len(keys) == 1 + len(others)
    same = replace(_REQUEST, parameters={"temperature": 0}, messages=(Message("user", "hello"),))
    assert cache_key(Fake(), same, 0) == cache_key(Fake(), _REQUEST, 0)


def test_an_answer_comes_back_as_it_was_and_cached(tmp_path: Path) -> None:
    output = Output("hé", None, "m-1", 1, 2, 3, 4.5, _NOW)

    async def work(cache: AnswerCache) -> None:
        await cache.put("k", output)
        assert cache.get("k") == replace(output, cached=True)
        assert cache.get("k", _NOW) is not None
        assert cache.get("k", _NOW + timedelta(seconds=1)) is None
        await cache.put("error", Output(None, "timeout"))
        assert cache.get("error") is None

    with_cache(tmp_path / "cache.db", work)


def test_old_answers_make_room_for_new_ones(tmp_path: Path) -> None:
    async def fill(cache: AnswerCache) -> None:
        for n in range(20):
            await cache.put(f"k{n:02}", Output("x" * 800, answered_at=_NOW + timedelta(seconds=n)))

    async def look(cache: AnswerCache) -> None:
        assert [n for n in range(20) if cache.get(f"k{n:02}")] == list(range(11, 20))

    with_cache(tmp_path / "cache.db", fill, most_bytes=10_000)
    with_cache(tmp_path / "cache.db", look)


def test_no_answer_is_kept_for_ever(tmp_path: Path) -> None:
    async def fill(cache: AnswerCache) -> None:
        await cache.put("k", Output("x", answered_at=_NOW))

    async def look(cache: AnswerCache) -> None:
        assert cache.get("k") is None

    with_cache(tmp_path / "cache.db", fill)
    with_cache(tmp_path / "cache.db", look, now=_NOW + timedelta(days=MOST_DAYS, seconds=1))


def test_who_waits_for_a_write_that_fails_is_told(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"

    async def work(cache: AnswerCache) -> None:
        with sqlite3.connect(path) as connection:
            connection.execute("DROP TABLE answers")
        connection.close()
        with pytest.raises(DatabaseUnavailable, match="no such table"):
            await cache.put("k", Output("x", answered_at=_NOW))

    with_cache(path, work)


def test_the_same_request_is_sent_once_even_at_the_same_time(tmp_path: Path) -> None:
    fake = Fake()

    async def work(cache: AnswerCache) -> None:
        budget = Budget()
        paid = PaidOnce(fake, Purse(cache, budget, PriceTable()))
        outputs = await asyncio.gather(
            *(paid.answer(_REQUEST) for _ in range(5)), paid.answer(_REQUEST, repeat=1)
        )
        assert sorted(each.text or "" for each in outputs) == ["1"] * 5 + ["2"]
        assert sorted(each.cached for each in outputs) == [False] * 2 + [True] * 4
        assert paid.known(_REQUEST, 0)
        assert not paid.known(_REQUEST, 2)
        assert (budget.spent_nano_usd, fake.asked) == (10, 2)
        broken = replace(_REQUEST, model="broken")
        assert (await paid.answer(broken)).error == (await paid.answer(broken)).error == "broken"
        assert (budget.spent_nano_usd, fake.asked) == (10, 4)

    with_cache(tmp_path / "cache.db", work)


def test_who_waits_for_the_same_answer_asks_again_if_whoever_asked_gives_up(tmp_path: Path) -> None:
    async def work(cache: AnswerCache) -> None:
        paid = PaidOnce(Fake(), Purse(cache, Budget(), PriceTable()))
        first = asyncio.create_task(paid.answer(_REQUEST))
        others = [asyncio.create_task(paid.answer(_REQUEST)) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        assert len({each.text for each in await asyncio.gather(*others)}) == 1
        assert first.cancelled()

    with_cache(tmp_path / "cache.db", work)
