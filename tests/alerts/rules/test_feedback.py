"""Bad ratings: told in batches, and urgently when there are more than usual."""

from datetime import timedelta

import pytest

from coalmine_alerts.facts import BadRating, Place, Ratings, Stretch
from coalmine_alerts.poisson import above
from coalmine_alerts.rules.feedback import FeedbackAboveUsual, FeedbackNegative
from tests.support.data.alert_facts import NOW, facts, findings, one

PLACE = Place("prod", "refund")
USUAL = ((1, 20, 500),) * 14
MINUTE = timedelta(minutes=1)


def bad(minutes_ago: float, **given: object) -> BadRating:
    values = {
        "at": NOW - timedelta(minutes=minutes_ago),
        "request_id": "01kb3",
        "environment": "prod",
        "prompt": "refund",
        "version": "1.0.0",
        "model": "gpt-4o",
        "question": "money back?",
        "answer": "of course",
        "comment": "there is none",
        "correction": None,
        "segments": {"plan": "consumer"},
        **given,
    }
    return BadRating(**values)  # type: ignore[arg-type]


def ratings(down: int = 1, *rows: BadRating, usual: object = USUAL, requests: int = 500) -> Ratings:
    return Ratings(PLACE, [Stretch(1, down, 20, requests, usual)], rows)  # type: ignore[arg-type]


def test_one_bad_rating_is_told_and_none_is_not() -> None:
    told = one(FeedbackNegative()(facts(ratings=[ratings(1, bad(1))])))
    assert (told.severity, told.condition, told.value) == ("info", True, 1.0)
    assert told.story.title == "1 bad rating in 10 minutes · refund 1.0.0 · prod"
    assert "usual for this time: 1.0 in an hour" in told.story.summary
    (excerpt,) = told.story.excerpts
    assert (excerpt.comment, excerpt.labels) == ("there is none", ("gpt-4o", "plan=consumer"))
    assert findings(FeedbackNegative()(facts(ratings=[ratings(1)]))) == []


def test_there_is_one_message_in_ten_minutes_and_later_ratings_make_the_next() -> None:
    first = one(FeedbackNegative()(facts(ratings=[ratings(1, bad(9))])))
    same = one(FeedbackNegative()(facts(ratings=[ratings(1, bad(11), bad(14), bad(19))])))
    assert first.notice == "2026-03-20T15:10Z"  # it is 15:20
    assert same.notice == "2026-03-20T15:00Z"
    assert same.value == 3.0


def test_a_prompt_with_many_bad_ratings_has_one_message_a_day() -> None:
    notices = set()
    for down in (3, 30, 67):
        told = one(FeedbackNegative()(facts(ratings=[ratings(down, bad(1), bad(4))])))
        assert told.value == down
        assert told.story.title == f"{down} bad ratings in an hour · refund 1.0.0 · prod"
        notices.add(told.notice)
    assert notices == {"2026-03-20T00:00Z"}
    assert one(FeedbackNegative()(facts(ratings=[ratings(2, bad(1))]))).notice == "2026-03-20T15:10Z"


def test_texts_are_only_in_the_excerpts() -> None:
    story = one(FeedbackNegative()(facts(ratings=[ratings(1, bad(1))]))).story
    said = " ".join((story.title, story.summary, str(story.details), str(story.sure)))
    for text in ("money back?", "of course", "there is none"):
        assert text not in said


@pytest.mark.parametrize(
    ("down", "requests", "condition"),
    [(1, 500, False), (4, 100, False), (9, 500, False), (14, 500, True), (14, 5_000, False), (0, 0, None)],
)
def test_more_than_usual_is_told_when_chance_does_not_explain_it(
    down: int, requests: int, condition: bool | None
) -> None:
    found = findings(FeedbackAboveUsual()(facts(ratings=[ratings(down, requests=requests)])))
    assert [each.condition for each in found] == [condition]


def test_days_that_vary_much_make_the_same_count_less_of_a_surprise() -> None:
    wild = tuple((0 if day % 2 else 14, 20, 500) for day in range(14))
    assert one(FeedbackAboveUsual()(facts(ratings=[ratings(14, usual=wild)]))).condition is False


def test_nothing_is_usual_after_two_days() -> None:
    assert findings(FeedbackAboveUsual()(facts(ratings=[ratings(50, usual=USUAL[:2])]))) == []


def stretched(last_hour: int, four_hours: int, day: int) -> Ratings:
    """1 is usual in an hour, 4 in four, 24 in a day."""
    counts = ((1, last_hour), (4, four_hours), (24, day))
    stretches = [Stretch(h, down, 20 * h, 500 * h, ((h, 20 * h, 500 * h),) * 14) for h, down in counts]
    return Ratings(PLACE, stretches)


@pytest.mark.parametrize(
    ("counts", "hours"),
    [
        ((2, 8, 48), None),
        ((14, 17, 37), 1),
        ((6, 22, 42), 4),
        ((3, 12, 66), 24),
        ((1, 22, 66), 24),
        ((1, 4, 66), None),
    ],
    ids=["chance", "an hour", "some hours", "a day", "a day, less lately", "a day, and over"],
)
def test_what_is_rated_seldom_is_found_over_more_hours(
    counts: tuple[int, int, int], hours: int | None
) -> None:
    told = one(FeedbackAboveUsual()(facts(ratings=[stretched(*counts)])))
    assert told.condition is (hours is not None)
    if hours is not None:
        assert told.since == NOW - timedelta(hours=hours)
        assert f"{counts[(1, 4, 24).index(hours)]} bad ratings in" in told.story.title
    assert told.value == counts[0]


def test_it_recovers_on_evidence_only() -> None:
    quiet = one(FeedbackAboveUsual()(facts(ratings=[ratings(0, requests=29)])))
    assert (quiet.condition, quiet.recovered) == (False, False)
    assert one(FeedbackAboveUsual()(facts(ratings=[ratings(1, requests=500)]))).recovered is True


def test_the_test_is_the_binomial_one_of_two_poisson_counts() -> None:
    # From scipy: binomtest(9, 9 + 14, 1 / 15, alternative="greater").pvalue
    found = above(9, 500, [(1, 500)] * 14)
    assert found is not None
    assert (found.usual, found.dispersion) == (1.0, 1.0)
    assert found.p == pytest.approx(8.973887e-06, rel=1e-6)
