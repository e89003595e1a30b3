"""Scorers of lengths."""

import pytest

from coalmine_evals.scorers.registry import scorer_of
from coalmine_schemas.prompts.errors import InvalidPrompt
from tests.support.scoring import score, value


@pytest.mark.parametrize(
    ("count", "credit"), [(0, 0.0), (1, 0.5), (2, 1.0), (3, 1.0), (4, 0.75), (6, 0.5), (12, 0.25)]
)
def test_a_number_of_sentences_near_the_range_has_partial_credit(count: int, credit: float) -> None:
    assert value("sentence_count", "It is so. " * count, minimum=2, maximum=3) == pytest.approx(credit)
    assert value("sentence_count", "It is so. " * count, minimum=2, maximum=3, partial=False) == (credit == 1)


def test_a_case_may_expect_its_own_number_of_sentences() -> None:
    assert value("sentence_count", "One. Two.", 2) == 1.0
    assert value("sentence_count", "One. Two.", [3, 4]) == pytest.approx(2 / 3)
    assert value("sentence_count", "One. Two.", {"length": 2}, field="length") == 1.0
    assert value("sentence_count", "One. Two.", maximum=1) == 0.5
    assert value("sentence_count", "", maximum=1) == 1.0
    assert value("sentence_count", "One.", 0) == 0.0
    for not_said in (None, "two", [1, 2, 3], [3, 2], [-1, 2], 1.5):
        assert value("sentence_count", "One.", not_said) is None


def test_a_length_is_compared_with_what_is_expected_or_an_input() -> None:
    assert value("length_ratio", "abcd", "ab") == 1.0
    assert value("length_ratio", "abcdefgh", "ab") == 0.5
    assert value("length_ratio", "a", "abcd") == 0.5
    assert value("length_ratio", "a", ["abcd", "a"]) == 1.0
    assert (
        value("length_ratio", "one two", variables={"text": "a b c d"}, variable="text", unit="words") == 1.0
    )
    assert score("length_ratio", "one", variables={}, variable="text").details == {
        "unscored": "the case has no variable text"
    }


@pytest.mark.parametrize(
    ("scorer", "settings"),
    [
        ("sentence_count", {"minimum": 3, "maximum": 2}),
        ("sentence_count", {"minimum": -1}),
        ("length_ratio", {"minimum": 2.5}),
    ],
)
def test_a_range_that_nothing_lies_in_is_refused(scorer: str, settings: dict[str, int]) -> None:
    with pytest.raises(InvalidPrompt, match=r"settings\.(minimum|maximum) is "):
        scorer_of(scorer, settings)
