"""People answer questions about requests: who is given them, what becomes of answers, how far they agree."""

from dataclasses import replace

import pytest

from coalmine_evals.continuous.outbox import ScoreOutbox
from coalmine_evals.results.review import ReviewTask
from coalmine_evals.review.fill import fill
from coalmine_evals.review.plan import RANDOM, Flag, Question, ReviewPlan
from coalmine_evals.review.queue import CLAIM, Reviews
from coalmine_evals.review.reading import agreements, answers, items, queues
from coalmine_registry.errors import Conflict, Invalid, NotFound
from coalmine_schemas.events import PromptScore
from tests.support.data.store_feed import feedback, score
from tests.support.doubles.production import Production

CORRECT = Question("correct", "Is the answer right?", {"yes": 1.0, "partly": 0.5, "no": 0.0})
EVERY = ReviewPlan("support", (CORRECT,), random=1.0, double=0.0)
FLAGS = (
    Flag("faithful < 0.8", "faithful", "<", 0.8),
    Flag("thumbs = down", "thumbs", "<=", 0.0),
    Flag("disagreement > 0.4", "disagreement", ">", 0.4),
)
FLAGGED = replace(EVERY, random=0.0, flags=FLAGS)
YES = {"correct": "yes"}


def filled(production: Production, plan: ReviewPlan) -> int:
    return fill(production.database, production.store.reader(), [plan], production.now())


def begun(production: Production, plan: ReviewPlan) -> Reviews:
    filled(production, plan)
    return Reviews(production.database, production.store.reader(), [plan], clock=production.now)


def task(reviews: Reviews, reviewer: str) -> ReviewTask:
    found = reviews.next_task("support", reviewer)
    assert found is not None
    return found


def events(production: Production) -> list[PromptScore]:
    found = [entry.event for entry in ScoreOutbox(production.database).outbox_pending(100)]
    assert all(isinstance(each, PromptScore) for each in found)
    return found  # type: ignore[return-value]


def test_an_answer_about_a_random_request_is_a_score_by_a_person(production: Production) -> None:
    reviews = begun(production, EVERY)
    (row,) = production.requests(1)
    assert filled(production, EVERY) == 1
    assert filled(production, EVERY) == 0
    given = task(reviews, "ann")
    assert (given.input_text, given.output_text) == ("Where is it?", "There.")
    (answer,) = reviews.submit(given.item, "ann", {"correct": "partly"}, "half of it")
    assert (answer.value, answer.counts) == (0.5, True)
    (event,) = events(production)
    assert (event.request_id, event.name, event.value) == (row["request_id"], "correct", 0.5)
    assert (event.source, event.scorer, event.rationale) == ("human", "review/support", "half of it")
    assert reviews.next_task("support", "ann") is None
    (queue,) = queues(production.database, [EVERY])
    assert (queue.waiting, queue.answered) == (0, 1)


def test_two_people_get_different_items_and_one_person_the_same_until_it_is_answered(
    production: Production,
) -> None:
    reviews = begun(production, EVERY)
    production.requests(2)
    filled(production, EVERY)
    first, second = task(reviews, "ann"), task(reviews, "ben")
    assert first.item != second.item
    assert task(reviews, "ann").item == first.item
    assert reviews.next_task("support", "cas") is None
    production.ahead += CLAIM
    assert task(reviews, "cas").item == first.item, "whoever went away does not keep it"


def test_two_people_answer_for_some_and_the_first_answer_is_the_score(production: Production) -> None:
    both = replace(EVERY, double=1.0)
    reviews = begun(production, both)
    production.requests(1)
    filled(production, both)
    given = task(reviews, "ann")
    assert task(reviews, "ben").item == given.item
    assert reviews.next_task("support", "cas") is None
    reviews.submit(given.item, "ben", YES)
    with pytest.raises(Conflict, match="answered item"):
        reviews.submit(given.item, "ben", YES)
    assert reviews.next_task("support", "ben") is None
    reviews.submit(given.item, "ann", {"correct": "no"})
    with pytest.raises(Conflict, match="all of its answers"):
        reviews.submit(given.item, "cas", YES)
    assert [each.value for each in events(production)] == [1.0]
    assert [each.counts for each in answers(production.database).items] == [False, True]


def test_what_a_flag_chose_is_a_series_of_its_own(production: Production) -> None:
    reviews = begun(production, FLAGGED)
    low, down, split, fine = production.requests(4)
    judged = [
        {**score(number, split, value, "tone"), "source": "judge"} for number, value in ((5, 0.1), (6, 0.9))
    ]
    production.reactions(
        feedback=[
            feedback(1, down, thumbs="down", rating=None, comment=None),
            feedback(2, fine, thumbs="up"),
        ],
        scores=[score(3, low, 0.3, "faithful"), score(4, fine, 0.9, "faithful"), *judged],
    )
    assert filled(production, FLAGGED) == 3
    found = {each.request_id: each.why for each in items(production.database).items}
    assert found == {
        low["request_id"]: "faithful < 0.8",
        down["request_id"]: "thumbs = down",
        split["request_id"]: "disagreement > 0.4",
    }
    reviews.submit(task(reviews, "ann").item, "ann", YES)
    assert [each.name for each in events(production)] == ["correct_flagged"]
    (agreed,) = agreements(production.database, [FLAGGED])
    assert (agreed.random_items, agreed.random_mean) == (0, None)


def test_the_random_part_is_a_share_that_flags_do_not_change(production: Production) -> None:
    plan = replace(FLAGGED, random=0.2, most_waiting=1)
    begun(production, plan)
    rows = production.requests(300)
    production.reactions(scores=[score(number, row, 0.1, "faithful") for number, row in enumerate(rows, 1)])
    filled(production, plan)
    found = items(production.database, limit=500).items
    random = [each for each in found if each.why == RANDOM]
    assert abs(len(random) / 300 - 0.2) < 0.1
    assert len(found) == len(random), "flags find no room"


def test_agreement_of_two_people_is_beyond_chance(production: Production) -> None:
    both = replace(EVERY, double=1.0)
    reviews = begun(production, both)
    production.requests(10)
    filled(production, both)
    for number in range(10):
        usual = {"correct": "yes" if number % 2 else "no"}
        item = task(reviews, "ann").item
        reviews.submit(item, "ann", usual)
        reviews.submit(item, "ben", YES if number == 0 else usual)
    (found,) = agreements(production.database, [both])
    assert (found.items, found.random_items, found.random_mean) == (10, 10, 0.5)
    # 9 of 10 alike, .5 by chance: (.9 - .5) / .5
    assert found.agreement == pytest.approx(0.9)
    assert found.kappa == pytest.approx(0.8)
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower < 0.8 < found.upper


def test_requests_without_texts_are_in_no_queue(production: Production) -> None:
    begun(production, EVERY)
    production.requests(3, output_text=None)
    assert filled(production, EVERY) == 0


def test_answers_are_those_of_the_queue_and_all_questions_have_one(production: Production) -> None:
    reviews = begun(production, EVERY)
    production.requests(1)
    filled(production, EVERY)
    item = task(reviews, "ann").item
    with pytest.raises(Invalid, match="did you mean correct"):
        reviews.submit(item, "ann", {"corect": "yes"})
    with pytest.raises(Invalid, match="answer yes, partly, no"):
        reviews.submit(item, "ann", {"correct": "maybe"})
    with pytest.raises(Invalid, match="answer yes, partly, no"):
        reviews.submit(item, "ann", {})
    with pytest.raises(NotFound, match="no item 99"):
        reviews.submit(99, "ann", YES)
    with pytest.raises(NotFound, match="did you mean support"):
        reviews.next_task("suport", "ann")
    assert events(production) == []


def test_an_item_that_nobody_can_answer_for_is_left_out(production: Production) -> None:
    reviews = begun(production, EVERY)
    production.requests(1)
    filled(production, EVERY)
    reviews.skip(task(reviews, "ann").item, "in a language that nobody here reads")
    assert reviews.next_task("support", "ann") is None
