"""What users say: bad ratings, told at once in batches, and a rate of them above usual."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import ClassVar, Final

from scipy.special import pdtrc

from coalmine_alerts.facts import BadRating, Facts, Ratings, Stretch
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
            last_hour = ratings.stretches[0]
            is_busy = last_hour.down >= self.busy
            length = _HOUR if is_busy else self.every
            begin = _begin_of(ratings.bad[0].at, _DAY if is_busy else self.every)
            batch = [each for each in ratings.bad if is_busy or each.at >= begin - self.every]
            count = last_hour.down if is_busy else len(batch)
            yield Finding(
                rule=self.name,
                labels=ratings.place._asdict(),
                condition=True,
                severity="info",
                cause=of_prompt(ratings.place),
                story=_story(self.name, facts, ratings, last_hour, batch, count=count, length=length),
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
    """At each look, for an hour; stretches share it, and each has as many times more as it has hours, since
    a week has fewer of them. Looks share ratings, so in a week it is about 1 in 1,000."""
    least: int = 5
    """Bad ratings in a stretch, at least."""
    times_usual: float = 1.5
    """Less than so many times the usual is not told, however sure it is."""
    recovered_after: int = 30
    """Requests that say that it is as usual again."""

    def __call__(self, facts: Facts) -> Iterator[Finding]:
        """One finding for each prompt with thumbs on the days before."""
        for ratings in facts.ratings:
            known = [(each, found) for each in ratings.stretches if (found := usual_of(each)) is not None]
            last_hour, usual = ratings.stretches[0], 0.0
            if last_hour.requests:
                if not known:
                    continue
                usual = known[0][1].usual
            # A longer stretch counts while the one before it says that it goes on.
            worse = [
                (each, found)
                for (shorter, before), (each, found) in pairwise([*known[:1], *known])
                if self._is_told(ratings, each, found) and shorter.down > before.usual
            ]
            told = min(worse, key=lambda pair: pair[1].p)[0] if worse else last_hour
            length = told.hours * _HOUR
            batch = list(ratings.bad)
            story = _story(self.name, facts, ratings, told, batch, count=told.down, length=length)
            yield Finding(
                rule=self.name,
                labels=ratings.place._asdict(),
                condition=bool(worse) if last_hour.requests else None,
                severity="warning",
                cause=of_prompt(ratings.place),
                story=story,
                since=facts.now - length if worse else None,
                value=float(last_hour.down),
                is_worse_than=partial(self._is_above, last_hour.down),
                recovered=last_hour.requests >= self.recovered_after and last_hour.down <= 1.2 * usual + 1,
            )

    def chance(self, ratings: Ratings, stretch: Stretch) -> float:
        """The error chance of a stretch at each look."""
        return self.error_chance * stretch.hours / len(ratings.stretches)

    def _is_told(self, ratings: Ratings, stretch: Stretch, found: Above) -> bool:
        return (
            found.p <= self.chance(ratings, stretch)
            and stretch.down >= self.least
            and stretch.down >= self.times_usual * found.usual
        )

    def _is_above(self, down: int, accepted: float) -> bool:
        """Whether so many are more than chance makes of as many as were accepted."""
        chance = float(pdtrc(down - 1, accepted) if down > 0 else 1.0)
        return chance <= self.error_chance and down >= self.times_usual * accepted


def usual_of(stretch: Stretch) -> Above | None:
    """Compares the thumbs down of a stretch with the same hours before."""
    before = [(down, requests) for down, _, requests in stretch.usual]
    return above(stretch.down, stretch.requests, before)


def _story(
    rule: str,
    facts: Facts,
    ratings: Ratings,
    stretch: Stretch,
    batch: list[BadRating],
    *,
    count: int,
    length: timedelta,
) -> Story:
    prompt, environment = ratings.place.prompt, ratings.place.environment
    versions = sorted({each.version for each in batch})
    found = usual_of(stretch)
    minutes = round(length.total_seconds() / 60)
    span = f"{minutes} minutes" if length < _HOUR else _hours(stretch.hours)
    ratings_words = "1 bad rating" if count == 1 else f"{count:,} bad ratings"
    shown = " ".join((prompt, *versions)) if len(versions) <= 2 else prompt
    last_week = _share(sum(each[0] for each in stretch.usual), sum(each[1] for each in stretch.usual))
    rated = _share(stretch.down, stretch.rated)
    sure = "Too few days are known to say what is usual"
    usual = "not known"
    if found is not None:
        usual = f"{found.usual:.1f} in {_hours(stretch.hours)}"
        chance = FeedbackAboveUsual().chance(ratings, stretch)
        vary = f", which vary {found.dispersion:.1f} times as much as chance" if found.dispersion > 1 else ""
        said = f"more than usual, chance of error {1e6 * chance:.1g} in a million at a look"
        said = said if found.p <= chance else _more(stretch, chance)
        sure = f"Poisson test against the same hours of {len(stretch.usual)} days{vary}: {said}"
    return Story(
        title=title(f"{ratings_words} in {span}", shown, environment),
        summary=f"{ratings_words} for {shown} ({environment}) in {span}; usual for this time: {usual}.",
        details=details(
            Now=None if rated is None else f"{rated} of {stretch.rated:,} rated in {_hours(stretch.hours)}",
            Usually=last_week,
            Models=listed(sorted({each.model for each in batch})) or None,
        ),
        could=("make a test case of it", "look at the requests"),
        sure=sure,
        links=(
            view(
                "requests",
                prompt=prompt,
                environment=environment,
                since=facts.now - max(length, _HOUR),
                now=facts.now,
            ),
            *(view("requests", request=each.request_id, text="Request") for each in batch[:1]),
            runbook(rule),
        ),
        excerpts=tuple(_excerpt(each) for each in batch[:_MOST_EXCERPTS]),
        icon="👎",
    )


def _more(stretch: Stretch, chance: float) -> str:
    """How many more ratings, of which as many are bad, would show that it is more than usual."""
    if not stretch.rated or not stretch.down:
        return "not more than usual"
    before = [(down, rated) for down, rated, _ in stretch.usual]
    times = 1.0
    while times * stretch.rated < _FURTHEST:
        times *= 1.25
        found = above(round(times * stretch.down), round(times * stretch.rated), before)
        if found is not None and found.p <= chance:
            more = round((times - 1) * stretch.rated)
            return f"not enough to call it more than usual yet: about {more:,} more ratings would tell"
    return "not more than usual"


def _hours(count: int) -> str:
    return "an hour" if count == 1 else f"{count} hours"


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
