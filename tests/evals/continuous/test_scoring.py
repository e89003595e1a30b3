"""What judges of production cost: asked of a server that stands in for the API."""

import asyncio
import threading

from coalmine_evals.continuous.paid import Priced
from coalmine_evals.continuous.requests import Texts
from coalmine_evals.continuous.scoring import Verdict, score_all
from coalmine_evals.judges.scorer import LlmJudge
from coalmine_evals.providers.open import Access, OpenModels
from coalmine_schemas.prices import PriceTable
from coalmine_schemas.prompts.json_values import JsonValue
from tests.evals.judges.fake import verdict
from tests.support.servers.llm import Asked, LlmServer, Reply, chat, llm_server

_TONE: dict[str, JsonValue] = {"judge": "judge-tone@1.0.0", "model": "gpt-4o-mini-2024-07-18"}


def _scored(server: LlmServer, settings: dict[str, JsonValue], timeout_s: float = 60.0) -> Verdict:
    async def work() -> Verdict:
        models = OpenModels({"openai": Access(server.url, "sk-test")}, PriceTable())
        judge = LlmJudge.of(settings).with_models(Priced(models, PriceTable()))
        texts = {"one": Texts("Where is it?", "There.")}
        try:
            return (await score_all(judge, texts, threading.Event(), timeout_s))["one"]
        finally:
            await models.close()

    return asyncio.run(work())


def test_a_judge_that_was_too_slow_has_cost_what_it_answered() -> None:
    def slow_once(asked: Asked) -> Reply:
        return Reply(chat(verdict(5)), after_s=20.0 if asked.number == 3 else 0.0)

    with llm_server(slow_once) as server:
        found = _scored(server, _TONE, timeout_s=3.0)
    assert found.value is None
    assert "no score within 3 s" in str(found.reason)
    assert found.cost_nano_usd == 2 * 21_000


def test_a_judge_that_is_refused_in_the_middle_has_cost_what_it_answered() -> None:
    def refused(asked: Asked) -> Reply:
        return Reply(chat(verdict(5))) if asked.number < 3 else Reply({"error": "key"}, 401, after_s=1.0)

    with llm_server(refused) as server:
        found = _scored(server, _TONE)
    assert (found.value, found.cost_nano_usd) == (None, 2 * 21_000)
    assert "OPENAI_API_KEY" in str(found.reason)


def test_within_a_budget_no_judge_is_asked_whose_price_is_not_known() -> None:
    with llm_server(lambda _: Reply(chat(verdict(5)))) as server:
        found = _scored(server, {"judge": "judge-tone@1.0.0", "model": "our-own-2026-01-01"})
        assert server.asked == []
        assert found.value is None
        assert "no price is known for our-own-2026-01-01" in str(found.reason)
        assert _scored(server, _TONE).value == 1.0
