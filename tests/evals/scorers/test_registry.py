"""Scorers by name."""

import asyncio
import re
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from coalmine_evals.records import Output, Score
from coalmine_evals.results.datasets import Case
from coalmine_evals.scorers import custom
from coalmine_evals.scorers.registry import BUILT_IN, JUDGES, known_scorers, scorer_of
from coalmine_evals.scorers.scoring import scored
from coalmine_schemas.errors import Terminal
from coalmine_schemas.prompts.errors import InvalidPrompt
from tests.evals.scorers.strangers import Shouting
from tests.support.scoring import case_of, value


@pytest.fixture
def _strangers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entry points as an installed package would bring them."""
    points = {
        name: EntryPoint(name, f"tests.evals.scorers.strangers:{attribute}", custom.GROUP)
        for name, attribute in {
            "shouting": "Shouting",
            "counting": "counting",
            "vague": "Vague",
            "missing": "NotThere",
            "broken": "broken",
            "outside": "Outside",
            "slow": "Slow",
        }.items()
    }
    monkeypatch.setattr(custom, "_found", lambda: points)


def test_a_name_that_is_not_known_is_answered_with_the_nearest() -> None:
    with pytest.raises(InvalidPrompt, match="did you mean numeric_answer"):
        scorer_of("numeric_answr", {})
    with pytest.raises(InvalidPrompt, match="scorers are exact, contains, regex"):
        scorer_of("zzzz", {})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ignore_cas": True}, "a key of settings is 'ignore_cas': did you mean ignore_case?"),
        ({"ignore_case": "yes"}, "settings.ignore_case is 'yes': input should be a valid boolean"),
        ({"of": "some"}, "settings.of is 'some': input should be 'all' or 'any'"),
        ({"expected": float("nan")}, "give what JSON can say"),
        ({"expected": object()}, "settings is "),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidPrompt, match=re.escape(message)):
        scorer_of("contains", settings)


def test_every_scorer_is_listed_with_its_version_and_every_setting_with_what_it_does() -> None:
    listed = {each.name: each for each in known_scorers() if each.origin == "coalmine"}
    assert set(listed) == {*BUILT_IN, *JUDGES}
    for name, each in listed.items():
        assert each.version is None if name in JUDGES else re.fullmatch(rf"{name}@\d+", each.version or "")
        assert each.description
        assert all(setting.description for setting in each.settings), name
    (of,) = (each for each in listed["contains"].settings if each.name == "of")
    assert (of.default, of.required) == ("all", False)


@pytest.mark.usefixtures("_strangers")
def test_another_packages_scorer_is_made_with_its_settings_whatever_it_is() -> None:
    assert value("shouting", "HELP!", least=2) == 0.5
    assert value("counting", "a b c", most=6) == 0.5
    assert value("vague", "x") is None
    assert scorer_of("shouting", {}).name == "shouting@3"
    assert isinstance(scorer_of("shouting", {}), custom.Custom)
    assert {each.name for each in known_scorers()} >= {"shouting", "counting"}
    assert Shouting().least == 1


@pytest.mark.usefixtures("_strangers")
@pytest.mark.parametrize(
    ("name", "settings", "error", "message"),
    [
        ("shouting", {"leest": 2}, InvalidPrompt, "did you mean least"),
        ("shouting", {"least": "two"}, InvalidPrompt, "settings.least is 'two'"),
        ("counting", {"leest": 2}, InvalidPrompt, "counting does not take it"),
        ("missing", {}, custom.BrokenScorer, "missing of an installed package"),
        ("broken", {}, custom.BrokenScorer, "ZeroDivisionError"),
    ],
)
def test_another_packages_mistake_is_told_by_its_name(
    name: str, settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        scorer_of(name, settings)


@pytest.mark.usefixtures("_strangers")
@pytest.mark.parametrize(
    ("name", "output", "why"),
    [
        ("shouting", Output(None, error="timeout: no answer within 60 s"), "timeout: no answer within 60 s"),
        ("shouting", Output("fail"), "shouting@3 failed: ValueError: not this one"),
        ("outside", Output("x"), "outside@1 gave 1.5: scores lie from 0 to 1"),
        ("slow", Output("x"), "slow@1 gave no score within 0.01 s"),
        ("vague", Output("x"), "vague@1 gave no score"),
    ],
)
def test_a_scorer_that_fails_is_an_answer_without_a_score(name: str, output: Output, why: str) -> None:
    found = asyncio.run(scored(scorer_of(name), case_of(), output, time_limit_s=0.01))
    assert found == Score(None, {"unscored": why})


def test_what_no_other_answer_can_escape_ends_the_run() -> None:
    class Refused:
        name = "refused@1"

        async def score(self, case: Case, output: str) -> Score:
            raise Terminal("no key")

    with pytest.raises(Terminal, match="no key"):
        asyncio.run(scored(Refused(), case_of(), Output("x")))


def test_an_answer_of_any_length_or_kind_is_scored() -> None:
    settings: dict[str, dict[str, Any]] = {
        "must_never": {"lists": ["secrets", "personal_data"], "phrases": ["x"], "patterns": ["x"]},
        "refusal": {"want": "answer"},
        "json_schema": {"any_json": True},
        "sentence_count": {"minimum": 1},
    }
    odd = (
        "",
        "\x00",
        "\ud800",
        "\u202e\u200b",
        "a" * 300_000,
        "1." * 150_000,
        '{"' * 150_000,
        "! " * 100_000,
    )
    for name in BUILT_IN:
        if name in ("bleu_chrf", "embedding_similarity"):
            continue
        scorer = scorer_of(name, settings.get(name, {}))
        for output in odd:
            found = asyncio.run(scored(scorer, case_of("1"), Output(output)))
            assert found.value is not None, (name, output[:10], found)
