"""Similarity of embeddings, asked of a server that stands in for the API."""

import asyncio
from typing import Any

import pytest

from coalmine_evals.providers.http import HttpSettings
from coalmine_evals.providers.open import Access, OpenModels
from coalmine_evals.providers.provider import AsksModels, ProviderRefused
from coalmine_evals.records import Output, Score
from coalmine_evals.scorers.registry import scorer_of
from coalmine_evals.scorers.scoring import scored
from coalmine_schemas.prices import PriceTable
from coalmine_schemas.prompts.errors import InvalidPrompt
from tests.support.scoring import case_of
from tests.support.servers.llm import Asked, Reply, llm_server

_VECTORS: dict[str, list[float]] = {
    "red": [2.0, 0.0],
    "crimson": [3.0, 4.0],
    "blue": [0.0, 5.0],
    "not red": [-1.0, 0.0],
    "long": [1.0, 0.0, 0.0],
    "nothing": [0.0, 0.0],
}


def _answer(asked: Asked) -> Reply:
    if asked.body["input"] == "refused":
        return Reply({"error": {"message": "too long"}}, status=400)
    return Reply(
        {
            "object": "list",
            "data": [{"object": "embedding", "index": 0, "embedding": _VECTORS[asked.body["input"]]}],
            "model": "text-embedding-3-small",
            "usage": {"prompt_tokens": 1_000, "total_tokens": 1_000},
        }
    )


def _scored(output: str, wanted: Any, **settings: str) -> tuple[Score, list[Asked]]:
    async def work(url: str) -> Score:
        access = {"openai": Access(url, "sk-test"), "anthropic": Access(url, "sk-test")}
        models = OpenModels(access, PriceTable(), HttpSettings())
        scorer = scorer_of("embedding_similarity", {"model": "text-embedding-3-small", **settings})
        assert isinstance(scorer, AsksModels)
        try:
            return await scored(scorer.with_models(models), case_of(wanted), Output(output))
        finally:
            await models.close()

    with llm_server(_answer) as server:
        return asyncio.run(work(server.url)), server.asked


def test_the_score_is_the_cosine_to_the_nearest_text_and_it_has_a_cost() -> None:
    score, asked = _scored("red", ["blue", "crimson"])
    assert score.value == pytest.approx(0.6)
    assert score.details == {"cosine": 0.6, "nearest": "crimson"}
    assert score.cost_nano_usd == 3 * 1_000 * 20
    assert {each.path for each in asked} == {"/v1/embeddings"}
    assert asked[0].body == {"model": "text-embedding-3-small", "input": "red"}


def test_a_direction_that_is_opposite_or_empty_is_0() -> None:
    assert _scored("not red", "red")[0].value == 0.0
    assert _scored("", "red") == (Score(0.0, {"why": "the answer is empty"}), [])


@pytest.mark.parametrize(
    ("output", "wanted", "why"),
    [
        (
            "red",
            None,
            "the case does not say what is expected: give it `expected`, from another column by --map",
        ),
        ("long", "red", "the embeddings differ in length"),
        ("nothing", "red", "the embedding is not a direction"),
        ("refused", "red", "refused: HTTP 400: too long"),
    ],
)
def test_without_embeddings_that_can_be_compared_there_is_no_score(
    output: str, wanted: str | None, why: str
) -> None:
    assert _scored(output, wanted)[0] == Score(None, {"unscored": why})


def test_an_api_without_embeddings_ends_the_run() -> None:
    with pytest.raises(ProviderRefused, match="anthropic has no embeddings"):
        _scored("red", "red", provider="anthropic")


def test_the_model_has_to_be_said_and_is_part_of_the_name() -> None:
    with pytest.raises(InvalidPrompt, match=r"settings\.model is None: it has to be given"):
        scorer_of("embedding_similarity")
    scorer = scorer_of("embedding_similarity", {"model": "small"})
    assert asyncio.run(scorer.score(case_of("x"), "x")).value is None
    assert isinstance(scorer, AsksModels)
    assert scorer.with_models(OpenModels({}, PriceTable())).name == "embedding_similarity@1#small"
