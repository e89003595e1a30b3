"""What users say: bad ratings, told at once in batches, and a rate of them above usual."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import ClassVar, Final

from scipy.special import pdtrc

from coalmine_alerts.facts import BadRating, Facts, Ratings
from coalmine_alerts.poisson import Above, above
from coalmine_alerts.records import Finding
from coalmine_alerts.results.story import Excerpt, Story
from coalmine_alerts.rules.base import DefaultRule, of_prompt
from coalmine_alerts.rules.words import details, listed, percent, runbook, title, view
from coalmine_alerts.timing import Timing

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_MOST_EXCERPTS: Final = 5
_FURTHEST: Final = 10_000


@dataclass(frozen=True, slots=True)
class FeedbackNegative(DefaultRule):
    """Somebody rated an answer down, or corrected it."""

    name: ClassVar[str] = "feedback_negative"
    timing: ClassVar[Timing] = Timing(info="at_once", group_wait=timedelta(seconds=10))
    needs: ClassVar = frozenset(("feedback",))
    summary: ClassVar[str] = (
        "an answer was rated down or corrected: a message in ten minutes at most, one a day where many are"
    )

    every: timedelta = timedelta(minutes=10)
    """One message of a prompt in so long, at most."""
    busy: int = 3
    """Bad ratings in an hour, from which on a prompt has one message a day: nobody reads each of them."""

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each prompt with bad ratings, told once in each stretch of time."""
        for ratings in facts.ratings:
            if not ratings.bad:
                continue
            is_busy = ratings.down >= self.busy
            length = _HOUR if is_busy else self.every
            begin = _begin_of(ratings.bad[0].at, _DAY if is_busy else self.every)
            batch = [each for each in ratings.bad if is_busy or each.at >= begin - self.every]
            count = ratings.down if is_busy else len(batch)
            yield Finding(
                rule=self.name,
                labels=ratings.place._asdict(),
                condition=True,
                severity="info",
                cause=of_prompt(ratings.place),
                story=_story(self.name, facts, ratings, batch, count=count, length=length),
                since=batch[-1].at,
                value=float(count),
                notice=f"{begin:%Y-%m-%dT%H:%MZ}",
            )


@dataclass(frozen=True, slots=True)
class FeedbackAboveUsual(DefaultRule):
    """More answers are rated down than usual at this hour."""

    name: ClassVar[str] = "feedback_above_usual"
    timing: ClassVar[Timing] = Timing(metric=True)
    needs: ClassVar = frozenset(("feedback",))
    summary: ClassVar[str] = "more answers are rated down than at the same hour of the days before"

    error_chance: float = 1e-6
    """At each look; looks of one hour share their ratings, so in a week it is about 1 in 1,000."""
    least: int = 5
    """Bad ratings in an hour, at least."""
    times_usual: float = 1.5
    """Less than so many times the usual is not told, however sure it is."""
    recovered_after: int = 30
    """Requests that say that it is as usual again."""

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each prompt with thumbs on the days before."""
        for ratings in facts.ratings:
            found = usual_of(ratings)
            if found is None and ratings.requests:
                continue
            times = math.inf if found is None or not found.usual else ratings.down / found.usual
            bad = (
                found is not None
                and found.p <= self.error_chance
                and ratings.down >= self.least
                and times >= self.times_usual
            )
            usual = 0.0 if found is None else found.usual
            story = _story(self.name, facts, ratings, list(ratings.bad), count=ratings.down, length=_HOUR)
            yield Finding(
                rule=self.name,
                labels=ratings.place._asdict(),
                condition=None if found is None else bad,
                severity="warning",
                cause=of_prompt(ratings.place),
                story=story,
                since=facts.now - _HOUR if bad else None,
                value=float(ratings.down),
                is_worse_than=partial(self._is_above, ratings.down),
                recovered=ratings.requests >= self.recovered_after and ratings.down <= 1.2 * usual + 1,
            )

    def _is_above(self, down: int, accepted: float) -> bool:
        """Whether so many are more than chance makes of as many as were accepted."""
        chance = float(pdtrc(down - 1, accepted) if down > 0 else 1.0)
        return chance <= self.error_chance and down >= self.times_usual * accepted


def usual_of(ratings: Ratings) -> Above | None:
    """Compares the thumbs down of the last hour with the same hours before."""
    before = [(down, requests) for down, _, requests in ratings.usual]
    return above(ratings.down, ratings.requests, before)


def _story(
    rule: str, facts: Facts, ratings: Ratings, batch: list[BadRating], *, count: int, length: timedelta
) -> Story:
    prompt, environment = ratings.place.prompt, ratings.place.environment
    versions = sorted({each.version for each in batch})
    found = usual_of(ratings)
    minutes = round(length.total_seconds() / 60)
    span = "an hour" if minutes == 60 else f"{minutes} minutes"
    ratings_words = "1 bad rating" if count == 1 else f"{count:,} bad ratings"
    shown = " ".join((prompt, *versions)) if len(versions) <= 2 else prompt
    last_week = _share(sum(each[0] for each in ratings.usual), sum(each[1] for each in ratings.usual))
    rated = _share(ratings.down, ratings.rated)
    sure = "Too few days are known to say what is usual"
    usual = "not known"
    if found is not None:
        usual = f"{found.usual:.1f} in an hour"
        is_above = found.p <= FeedbackAboveUsual().error_chance
        vary = f", which vary {found.dispersion:.1f} times as much as chance" if found.dispersion > 1 else ""
        said = "more than usual, chance of error 1 in a million at a look" if is_above else _more(ratings)
        sure = f"Poisson test against the same hours of {len(ratings.usual)} days{vary}: {said}"
    return Story(
        title=title(f"{ratings_words} in {span}", shown, environment),
        summary=f"{ratings_words} for {shown} ({environment}) in {span}; usual for this time: {usual}.",
        details=details(
            Now=None if rated is None else f"{rated} of {ratings.rated:,} rated in the last hour",
            Usually=last_week,
            Models=listed(sorted({each.model for each in batch})) or None,
        ),
        could=("make a test case of it", "look at the requests"),
        sure=sure,
        links=(
            view("requests", prompt=prompt, environment=environment, since=facts.now - _HOUR, now=facts.now),
            *(view("requests", request=each.request_id, text="Request") for each in batch[:1]),
            runbook(rule),
        ),
        excerpts=tuple(_excerpt(each) for each in batch[:_MOST_EXCERPTS]),
        icon="👎",
    )


def _more(ratings: Ratings) -> str:
    """How many more ratings, of which as many are bad, would show that it is more than usual."""
    if not ratings.rated or not ratings.down:
        return "not more than usual"
    chance, before = FeedbackAboveUsual().error_chance, [(down, rated) for down, rated, _ in ratings.usual]
    times = 1.0
    while times * ratings.rated < _FURTHEST:
        times *= 1.25
        found = above(round(times * ratings.down), round(times * ratings.rated), before)
        if found is not None and found.p <= chance:
            more = round((times - 1) * ratings.rated)
            return f"not enough to call it more than usual yet: about {more:,} more ratings would tell"
    return "not more than usual"


def _share(down: int, rated: int) -> str | None:
    return f"{percent(down / rated)}" if rated else None


def _excerpt(each: BadRating) -> Excerpt:
    return Excerpt(
        request_id=each.request_id,
        at=each.at,
        question=each.question,
        answer=each.answer,
        comment=each.comment,
        correction=each.correction,
        labels=(each.model, *(f"{name}={value}" for name, value in sorted(each.segments.items()))),
    )


def _begin_of(at: datetime, every: timedelta) -> datetime:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (at - midnight) // every * every


FEEDBACK_RULES: Final = (FeedbackNegative(), FeedbackAboveUsual())
