import random
from collections.abc import Sequence

import pytest

from coalmine_evals.datasets import shingles
from coalmine_evals.datasets.case import read_case
from coalmine_evals.datasets.leakage import leakage_of
from coalmine_evals.datasets.shingles import Shingles, shingles_of, similar
from coalmine_evals.results.datasets import Case, LeakedCase
from coalmine_schemas.prompts.content import Message, PromptContent

QUESTION = "Where is my parcel with the blue shoes I ordered on Monday?"


def case(id_: str, question: object, **values: object) -> Case:
    return read_case({"id": id_, "variables": {"question": question}, **values})


PROMPT = PromptContent(
    messages=(
        Message(
            "system",
            "Be kind. Example:\n\n  Q: where is my parcel,\n with the BLUE shoes I ordered on Monday?",
        ),
        Message("user", "{{ question }}"),
    )
)


def test_a_case_that_the_prompt_shows_is_found_whatever_blanks_and_case_it_has_there() -> None:
    found = leakage_of([case("a", QUESTION), case("b", "Where is my parcel with the red hat?")], PROMPT)
    assert found.shown == (LeakedCase("a", "messages[0].template", "question"),)
    assert found.cases_shown == 1
    assert "1 case of test is in the prompt itself, e.g. a in messages[0].template" in found.warnings[0]


@pytest.mark.parametrize(
    "leaks",
    [
        case("a", QUESTION, split="dev"),  # for writing the prompt
        case("a", "my parcel"),  # too short to say anything
        case("a", {"of": [f"{QUESTION} Please hurry."]}),  # more than what is shown
        case("a", None),
    ],
)
def test_what_is_not_shown_or_may_be_is_no_leak(leaks: Case) -> None:
    assert leakage_of([leaks], PROMPT).shown == ()


def test_an_expected_answer_in_the_prompt_leaks_too() -> None:
    answered = case("a", "Hm?", expected="Where is my parcel with the blue shoes")
    assert leakage_of([answered], PROMPT).shown == (LeakedCase("a", "messages[0].template", "expected"),)


def test_near_duplicates_between_the_splits_and_between_clusters_are_found() -> None:
    long = "the order came late on Tuesday and the box was open so I want my money back for it"
    cases = [
        case("t1", long, cluster="one"),
        case("t2", f"{long} today", cluster="two"),
        case("t3", f"{long} now", cluster="one"),
        case("d1", f"Hello, {long}", split="dev"),
        case("d2", f"Hello, {long}", split="dev"),
        case("t4", "how do I cancel my plan before the end of the month please"),
    ]
    found = leakage_of(cases, None)
    assert {(each.one, each.other) for each in found.shared} == {("t1", "d1"), ("t2", "d1"), ("t3", "d1")}
    assert {(each.one, each.other) for each in found.alike} == {("t1", "t2"), ("t2", "t3")}
    assert found.cases_alike == 3
    assert len(found.warnings) == 2
    assert leakage_of(cases[5:], PROMPT).warnings == ()


def every_pair(sets: Sequence[Shingles], least: float) -> set[tuple[int, int]]:
    return {
        (one, other)
        for other in range(len(sets))
        for one in range(other)
        if (union := sets[one] | sets[other]) and len(sets[one] & sets[other]) / len(union) >= least
    }


@pytest.mark.parametrize("least", [0.5, 0.8, 1.0])
def test_all_pairs_are_found_that_comparing_everything_finds(least: float) -> None:
    draw = random.Random(7)
    texts = [[draw.choice("abcdef") for _ in range(draw.randint(0, 12))] for _ in range(150)]
    texts += [[*each[:-1], "z"] for each in texts[:40] if each]
    sets = [shingles_of(case("a", " ".join(each))) for each in texts]
    found = [(one, other) for one, other, _ in similar(sets, least)]
    assert len(found) == len(set(found))
    assert set(found) == every_pair(sets, least)
    assert len(found) > 20


def test_texts_without_blanks_have_words_too() -> None:
    one, other = case("a", "今天天气很好我们去公园散步"), case("b", "今天天气很好我们去公园散步吧")
    assert len(leakage_of([one, other], None).alike) == 1


def test_the_same_text_many_times_takes_work_in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "please send me the bill for this month again"
    cases = [case(str(at), text) for at in range(5_000)]
    cases += [case("dev", text, split="dev"), case("dev2", f"{text} now", split="dev")]
    monkeypatch.setattr(shingles, "MOST_COMPARED", 1)
    found = leakage_of(cases, PROMPT)
    assert (len(found.alike), found.cases_alike) == (100, 5_000)
    assert found.cases_shared == 5_000


def test_no_more_pairs_are_looked_at_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "please send me the bill for this month again as it went to the old address on Monday"
    cases = [case(str(at), f"{text} {at}") for at in range(50)]
    assert leakage_of(cases, None).cases_alike == 50
    monkeypatch.setattr(shingles, "MOST_COMPARED", 10)
    assert leakage_of(cases, None).cases_alike < 20
