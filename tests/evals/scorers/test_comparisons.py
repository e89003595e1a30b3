"""Scorers that compare an answer with a text."""

import pytest

from coalmine_evals.scorers.registry import scorer_of
from coalmine_schemas.prompts.errors import InvalidPrompt
from tests.support.scoring import score, value


def test_exact_takes_spaces_around_an_answer_away_and_nothing_else() -> None:
    assert value("exact", " yes\n", "yes") == 1.0
    assert value("exact", "Yes", "yes") == 0.0
    assert value("exact", "Yes", "yes", ignore_case=True) == 1.0
    assert value("exact", "Yes.", "yes", ignore_punctuation=True) == 1.0
    assert value("exact", "no", ["yes", "no"]) == 1.0
    assert value("exact", "18", 18) == 1.0
    assert value("exact", "true", True) == 1.0


def test_exact_compares_an_expected_object_as_json() -> None:
    assert value("exact", '{"b": [1, 2], "a": "x"}', {"a": "x", "b": [1, 2]}) == 1.0
    assert value("exact", '```json\n{"a": 1}\n```', {"a": 1}) == 1.0
    assert value("exact", '{"a": 2}', {"a": 1}) == 0.0
    assert value("exact", "a is 1", {"a": 1}) == 0.0
    assert value("exact", '```json\r\n{"a": 1}\r\n```', {"a": 1}) == 1.0


@pytest.mark.parametrize(
    ("answer", "expected", "right"),
    [
        ('{"a": 1.0}', {"a": 1}, 1.0),
        ('{"a": [1e0, -0.0]}', {"a": [1, 0]}, 1.0),
        ('{"a": 12345678901234567891}', {"a": 12345678901234567890}, 0.0),
        ('{"a": true}', {"a": 1}, 0.0),
        ('{"a": 0}', {"a": False}, 0.0),
        ('{"a": [1]}', {"a": [1, 1]}, 0.0),
        ('{"a": null}', {"b": None}, 0.0),
        ('{"a": 1e400}', {"a": 1}, 0.0),
        ('{"a": "\\ud800"}', {"a": "x"}, 0.0),
    ],
)
def test_exact_compares_the_values_of_json_and_not_how_they_are_written(
    answer: str, expected: object, right: float
) -> None:
    assert value("exact", answer, expected) == right


def test_contains_takes_all_of_several_or_any() -> None:
    assert value("contains", "red and blue", ["red", "blue"]) == 1.0
    assert value("contains", "red", ["red", "blue"]) == 0.0
    assert value("contains", "red", ["red", "blue"], of="any") == 1.0
    assert value("contains", "RED", "red") == 0.0
    assert value("contains", "RED", "red", ignore_case=True) == 1.0
    assert score("contains", "red", ["red", "blue"]).details == {"missing": ["blue"]}


def test_contains_can_ask_for_the_opposite() -> None:
    assert value("contains", "green", ["red", "blue"], absent=True) == 1.0
    assert value("contains", "red", ["red", "blue"], absent=True) == 0.0
    assert value("contains", "red", ["red", "blue"], absent=True, of="any") == 1.0
    assert value("contains", "red blue", ["red", "blue"], absent=True, of="any") == 0.0


def test_a_setting_goes_before_what_the_case_expects_and_a_field_is_a_part_of_that() -> None:
    assert value("contains", "red", "blue", expected="red") == 1.0
    assert value("contains", "red", {"colour": {"main": "red"}}, field="colour.main") == 1.0
    nothing = score("contains", "red", {"colour": {}}, field="colour.main")
    assert nothing.value is None
    assert nothing.details == {"unscored": "the case's expected has no colour.main"}


@pytest.mark.parametrize(
    "scorer", ["exact", "contains", "key_facts", "token_overlap", "rouge", "length_ratio"]
)
@pytest.mark.parametrize("expected", [None, "", " ", []])
def test_a_case_that_expects_nothing_has_no_score(scorer: str, expected: object) -> None:
    assert value(scorer, "answer", expected) is None


def test_a_regular_expression_is_searched_or_matches_the_whole_answer() -> None:
    assert value("regex", "order AB-12 is on its way", pattern=r"[A-Z]{2}-\d+") == 1.0
    assert value("regex", "order AB-12 is on its way", pattern=r"[A-Z]{2}-\d+", whole=True) == 0.0
    assert value("regex", " AB-12\n", pattern=r"[A-Z]{2}-\d+|x", whole=True) == 1.0
    assert value("regex", "ab-12", r"[A-Z]{2}-\d+") == 0.0
    assert value("regex", "ab-12", r"[A-Z]{2}-\d+", flags=["ignorecase"]) == 1.0
    assert value("regex", "ab", ["x", "b"]) == 1.0
    assert value("regex", "ab", "c", absent=True) == 1.0
    assert value("regex", "ab", "(") is None


def test_key_facts_are_worth_their_share() -> None:
    facts = ["30 days", ["free of charge", "no cost"], "Berlin"]
    assert value("key_facts", "Within 30 days, at no cost.", facts) == pytest.approx(2 / 3)
    assert score("key_facts", "Within 30 days.", facts).details["missing"] == ["free of charge", "Berlin"]
    assert value("key_facts", "130 days", ["30 days"]) == 0.0
    assert value("key_facts", "It is 1,800.", ["1800"]) == 1.0
    assert value("key_facts", "BERLIN!", "berlin") == 1.0
    assert value("key_facts", "30 days", facts, need=0.3) == 1.0
    assert value("key_facts", "30 days", facts, need=0.5) == 0.0


def test_token_overlap_is_f1_of_words_and_of_the_nearest_text() -> None:
    assert value("token_overlap", "the red car", "the blue car") == pytest.approx(2 / 3)
    assert value("token_overlap", "the the the", "the car", part="precision") == pytest.approx(1 / 3)
    assert value("token_overlap", "the the the", "the car", part="recall") == pytest.approx(1 / 2)
    assert value("token_overlap", "red", ["blue", "red"]) == 1.0
    assert value("token_overlap", "", "red") == 0.0
    assert value("token_overlap", "!", "?") == 0.0


@pytest.mark.parametrize("pattern", ["(", "[z-a]", "a" * 2_001, "(" * 600 + ")" * 600])
def test_a_pattern_that_is_none_is_told_before_anything_is_scored(pattern: str) -> None:
    with pytest.raises(InvalidPrompt, match=r"settings\.pattern is "):
        scorer_of("regex", {"pattern": pattern})
