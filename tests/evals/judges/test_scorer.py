"""Scores of judges: several samples, a verdict from its field only, both orders of a pair."""

import asyncio
import json

import pytest

from coalmine_evals.judges.addressed import signs_of_address
from coalmine_evals.judges.attacks import ATTACKS
from coalmine_evals.judges.family import family_of, shared_family
from coalmine_evals.judges.pairs import LlmJudgePairs, position_consistency
from coalmine_evals.judges.scorer import LlmJudge
from coalmine_evals.records import Score
from coalmine_schemas.errors import CoalmineError
from coalmine_schemas.prompts.json_values import JsonValue
from tests.evals.judges.fake import FakeModels, Reply, case, judged, verdict

_FAITHFUL = {"judge": "judge-faithfulness@1.0.0"}


def _score(reply: Reply, settings: dict[str, JsonValue] | None = None, output: str = "In Leipzig.") -> Score:
    scorer = LlmJudge.of(settings or dict(_FAITHFUL)).with_models(FakeModels(reply))
    return asyncio.run(scorer.score(case(), output))


def test_the_score_is_the_mean_of_three_samples_with_their_spread() -> None:
    verdicts = ["faithful", "faithful", "unfaithful"]
    score = _score(lambda _, repeat: verdict(verdicts[repeat], reasoning=f"as in {repeat}"))
    assert score.value == pytest.approx(2 / 3)
    assert score.cost_nano_usd == 30
    assert score.details["verdicts"] == verdicts
    assert score.details["spread"] == pytest.approx(0.4714)
    assert score.details["reasoning"] == "as in 0"


@pytest.mark.parametrize(
    "text",
    [
        "The verdict is faithful.",
        "faithful",
        "```json\n" + verdict("faithful") + "\n```",
        "Sure: " + verdict("faithful"),
        verdict("faithful") + verdict("faithful"),
        verdict("Faithful"),
        verdict("faithful | partly"),
        json.dumps({"reasoning": "x", "verdict": "faithful"}),
        json.dumps({"reasoning": "x", "addresses_judge": False, "verdict": "faithful", "score": 1}),
        json.dumps({"reasoning": "x", "addresses_judge": False, "verdict": ["faithful"]}),
        json.dumps({"reasoning": {"verdict": "faithful"}, "addresses_judge": False, "verdict": None}),
        '{"reasoning": "x", "addresses_judge": false, "verdict": "unfaithful", "verdict": "faithful"}',
        json.dumps([verdict("faithful")]),
        "[" * 100_000,
        "",
        None,
    ],
)
def test_a_verdict_anywhere_but_in_its_field_is_none(text: str | None) -> None:
    score = _score(lambda *_: text)
    assert score.value is None
    assert len(score.details["failures"]) == 3  # type: ignore[arg-type]


def test_a_number_is_not_its_text_nor_true() -> None:
    settings: dict[str, JsonValue] = {"judge": "judge-tone@1.0.0"}
    assert _score(lambda *_: verdict(5), settings).value == 1
    assert _score(lambda *_: verdict("5"), settings).value is None
    assert _score(lambda *_: verdict(True), settings).value is None
    assert _score(lambda *_: verdict(2), settings).value == 0.25


def test_fewer_than_half_of_the_samples_are_no_score() -> None:
    assert _score(lambda _, repeat: verdict("faithful") if repeat else None).value == 1
    assert _score(lambda _, repeat: None if repeat else verdict("faithful")).value is None
    two: dict[str, JsonValue] = {**_FAITHFUL, "samples": 2}
    assert _score(lambda _, repeat: None if repeat else verdict("faithful"), two).value is None


def test_the_judge_sees_what_it_shows_and_the_inputs_that_are_named() -> None:
    models = FakeModels(lambda *_: verdict("faithful"))
    scorer = LlmJudge.of({**_FAITHFUL, "inputs": ["context"]}).with_models(models)
    asyncio.run(scorer.score(case(expected="never shown", context="c", question="q"), "out"))
    assert judged(models.asked[0][0]) == {"input": {"context": "c"}, "answer": "out"}
    right = LlmJudge.of({"judge": "judge-correctness@1.0.0"}).with_models(models)
    asyncio.run(right.score(case(expected={"a": 1}, question="q"), "out"))
    assert judged(models.asked[-1][0]) == {"input": {"question": "q"}, "expected": {"a": 1}, "answer": "out"}


def test_a_text_that_is_too_long_has_no_score_and_costs_nothing() -> None:
    models = FakeModels(lambda *_: verdict("faithful"))
    score = asyncio.run(LlmJudge.of(_FAITHFUL).with_models(models).score(case(), "x" * 300_000))
    assert score.value is None
    assert not models.asked


def test_names_are_series() -> None:
    plain = LlmJudge.of({"rubric": "It is short."})
    assert plain.name.startswith("judge-rubric@1.0.0+")
    assert plain.name.endswith("#gpt-5.4-mini-2026-03-17")
    assert LlmJudge.of({"rubric": "It is long."}).name != plain.name
    other = LlmJudge.of({**_FAITHFUL, "model": "claude-sonnet-5"})
    assert other.name == "judge-faithfulness@1.0.0#claude-sonnet-5"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "needs a rubric"),
        ({"judge": "judge-faithful@1.0.0"}, "did you mean judge-faithfulness"),
        ({"judge": "judge-faithfulness"}, "name an exact version"),
        ({"judge": "judge-pair@1.0.0"}, "use it with the scorer llm_judge_pairs"),
        ({**_FAITHFUL, "model": "gpt-4o"}, "name a snapshot"),
        ({**_FAITHFUL, "samples": 0}, "greater than or equal to 1"),
        ({**_FAITHFUL, "sample": 3}, "sample"),
    ],
)
def test_mistakes_in_settings_are_named(settings: dict[str, JsonValue], said: str) -> None:
    with pytest.raises(CoalmineError, match=said):
        _ = LlmJudge.of(settings).name


def _pair(reply: Reply, candidate: str = "good", baseline: str = "bad") -> Score:
    scorer = LlmJudgePairs.of({"samples": 1}).with_models(FakeModels(reply))
    return asyncio.run(scorer.compare(case(), candidate, baseline))


def test_a_pair_is_judged_in_both_orders_and_a_disagreement_is_a_tie() -> None:
    def prefers_good(request, _):  # type: ignore[no-untyped-def]
        return verdict("first" if judged(request)["first"] == "good" else "second")

    won = _pair(prefers_good)
    lost = _pair(prefers_good, "bad", "good")
    assert (won.value, lost.value) == (1, 0)
    assert won.details["consistent"] is True
    assert won.cost_nano_usd == 20
    first = _pair(lambda *_: verdict("first"))
    assert (first.value, first.details["consistent"]) == (0.5, False)
    tie = _pair(lambda *_: verdict("tie"))
    assert (tie.value, tie.details["consistent"]) == (0.5, True)
    half = _pair(lambda request, _: verdict("first") if judged(request)["first"] == "good" else None)
    assert half.value is None
    assert position_consistency([won.details, first.details, half.details]) == 0.5


def test_equal_answers_are_a_tie_that_costs_nothing() -> None:
    score = _pair(lambda *_: verdict("first"), "same", "same")
    assert (score.value, score.cost_nano_usd) == (0.5, 0)
    assert position_consistency([score.details]) is None


def test_an_answer_alone_is_compared_with_the_expected_one() -> None:
    scorer = LlmJudgePairs.of({"samples": 1}).with_models(FakeModels(lambda *_: verdict("tie")))
    assert asyncio.run(scorer.score(case(expected="right"), "out")).value == 0.5
    assert asyncio.run(scorer.score(case(expected=7), "out")).value is None


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("openai/gpt-4o-mini-2024-07-18", "GPT"),
        ("o3-mini", "GPT"),
        ("anthropic.claude-opus-4-6-v1:0", "Claude"),
        ("gemma-3-27b", "Gemini"),
        ("deepseek-r1-distill-qwen-32b", "DeepSeek"),
        ("Meta-Llama-3.1-8B", "Llama"),
        ("mixtral-8x7b", "Mistral"),
        ("my-own-model", None),
    ],
)
def test_families(model: str, family: str | None) -> None:
    assert family_of(model) == family


def test_a_shared_family_is_found_and_an_unknown_one_is_not() -> None:
    assert shared_family("gpt-5.4-mini-2026-03-17", ["claude-sonnet-5", "gpt-4o"]) == "GPT"
    assert shared_family("gpt-5.4-mini-2026-03-17", ["claude-sonnet-5"]) is None
    assert shared_family("x", ["y"]) is None


def test_there_are_forty_attacks_of_every_kind_and_names_are_unique() -> None:
    assert len(ATTACKS) >= 40
    assert len({each.name for each in ATTACKS}) == len(ATTACKS)
    assert len({each.apply("a", "v") for each in ATTACKS}) == len(ATTACKS)


def test_most_attacks_show_and_plain_answers_do_not() -> None:
    seen = [attack.name for attack in ATTACKS if signs_of_address(attack.apply("In Leipzig.", "right"))]
    assert len(seen) >= 25, seen
    plain = [
        "Your parcel left Leipzig on Tuesday. You can follow it under the link in your e-mail.",
        "To ignore case, pass re.IGNORECASE. The score of the match was 3 to 1.",
        "The first answer would be 18, since 3 * 6 = 18.",
        "As a teacher you may grade the essays; the highest grade is an A.",
        "Größe: 38. Farbe: blau 👩‍👩‍👧‍👦 ❤️",
        "def grade(score: int) -> str: ...",
    ]
    assert [text for text in plain if signs_of_address(text)] == []
