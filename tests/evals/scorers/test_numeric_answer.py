"""The number of an answer."""

import asyncio
import gzip
import json
from fractions import Fraction

import pytest

from coalmine_evals.scorers.numbers import final_number
from coalmine_evals.scorers.registry import scorer_of
from coalmine_schemas.prompts.errors import InvalidPrompt
from tests.support.repository.tree import ROOT
from tests.support.scoring import case_of, score, value

_RECORDED = ROOT.parent / "shared" / "data" / "gsm8k_model_solutions.jsonl.gz"
_PUBLISHED = {"6b_finetuning": 286, "6b_verification": 515, "175b_finetuning": 458, "175b_verification": 742}


@pytest.mark.skipif(not _RECORDED.exists(), reason=f"needs {_RECORDED.name}, which is not in the repository")
@pytest.mark.parametrize("version", _PUBLISHED)
def test_recorded_answers_are_right_where_their_publishers_say_so(version: str) -> None:
    with gzip.open(_RECORDED, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    scorer = scorer_of("numeric_answer")

    async def values() -> list[float | None]:
        return [
            (await scorer.score(case_of(row["ground_truth"]), row[version]["solution"])).value for row in rows
        ]

    scored = asyncio.run(values())
    assert [bool(each) for each in scored] == [row[version]["is_correct"] for row in rows]
    assert (len(scored), sum(each or 0 for each in scored)) == (1_319, _PUBLISHED[version])


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("She makes 9 * 2 = <<9*2=18>>18 dollars.\nA: 18", 18),
        ("so 5 and 6\n#### 18", 18),
        ("#### 1,000.50", "1000.5"),
        ("####-5", -5),
        ("A: $1,450,000", 1_450_000),
        ("A: 18.0", 18),
        ("A: 18.", 18),
        ("A: -$5", -5),
        ("A: $-5", -5),
        ("A: \u22125", -5),
        ("A: 50%", 50),
        ("A: .5", "1/2"),
        ("A: 3/4", "3/4"),
        ("A: 1.5e3", 1500),
        ("A: 1\u202f000 EUR", 1000),
        ("A: 12,34,567", 1234567),
        ("A: 0", 0),
        ("It was 7 first.\nA: 0 dollars", 0),
        ("A: 18 (out of 20)", 18),
        ("A: 6 * 3 = 18 apples", 18),
        ("A: x = 5", 5),
        ("A: She makes $18 every day", 18),
        ("A: She makes 3 * 6 dollars, 18 in all", 18),
        ("**Answer:** 18", 18),
        ("**Final Answer: 18**", 18),
        ("Answer:\n\n**18**", 18),
        ("Answer: let us think.\n3 and 4\nmake 7", 7),
        ("The answer is 18, which is 2 more than 16.", 18),
        ("the final answer is: $18", 18),
        (r"So \boxed{18} for 3 people", 18),
        (r"\boxed{\text{18}}", 18),
        (r"\[ \boxed{-1{,}5} \]", -1),
        ("A: 3\nA: 4", 4),
        ("Plan A: 30 dollars. Plan B: 20 dollars.", 20),
        ("Plan A: 30 dollars and 45", 45),
        ("They pay 3 dollars, that is 18", 18),
        ("between 3-5", 5),
        ("x=-5", -5),
        ("1, 2,3", 3),
        ("CO2 is worth 7 in H2O", 7),
        ("version 1.2.3", "1.2"),
        ("on 1/5/2024", 2024),
        ("on 1/5", "1/5"),
        ("\u5171\u670918\u4e2a", 18),
        ("\u0661\u0668", 18),
        ("no number here", None),
        ("", None),
        ("A: unknown", None),
        ("We count 5 and 6.\nA: it cannot be said", None),
        ("9" * 5_000, None),
    ],
)
def test_the_number_of_a_text(text: str, number: object) -> None:
    assert final_number(text) == (None if number is None else Fraction(str(number)))


@pytest.mark.parametrize("expected", [18, 18.0, "18", "#### 18", ["17", "18"], "so it is\nA: 18"])
def test_what_is_expected_may_be_a_number_or_a_text_or_several(expected: object) -> None:
    assert value("numeric_answer", "A: 18.00", expected) == 1.0
    assert value("numeric_answer", "A: 19", expected) == 0.0


def test_an_answer_without_a_number_is_wrong_and_a_case_without_one_has_no_score() -> None:
    assert value("numeric_answer", "I do not know", 18) == 0.0
    assert value("numeric_answer", "18", "eighteen") is None
    assert value("numeric_answer", "18", None) is None


def test_tolerances_are_absolute_or_relative_and_the_ends_belong_to_them() -> None:
    assert value("numeric_answer", "10.5", 10, tolerance=0.5) == 1.0
    assert value("numeric_answer", "10.51", 10, tolerance=0.5) == 0.0
    assert value("numeric_answer", "110", 100, relative_tolerance=0.125) == 1.0
    assert value("numeric_answer", "-110", -100, relative_tolerance=0.125) == 1.0
    assert value("numeric_answer", "0.3333", "1/3") == 0.0
    with pytest.raises(InvalidPrompt, match=r"settings\.tolerance is -1\.0: give 0 or more"):
        scorer_of("numeric_answer", {"tolerance": -1})


def test_the_details_say_what_was_found_and_what_was_expected() -> None:
    assert score("numeric_answer", "A: 1,000.50", "A: 7").details == {"found": "1000.5", "expected": "7"}
