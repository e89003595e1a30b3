"""What the store says about thumbs and money, now and on the days before."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from coalmine_alerts.facts import BadRating, DaySpend, HourSpend, Place, Ratings, Stretch
from coalmine_alerts.reading.traffic import last_hour
from coalmine_consumers.queries.cover import floor
from coalmine_consumers.sql import Source, statement

DAYS_BEFORE: Final = 14
"""Days of which the same hour is what is usual."""
STRETCHES_H: Final = (4, 24)
"""Longer stretches than the last hour, with the hour that has begun: they find what is rated more seldom."""
_LAST_HOURS: Final = 2
"""The last hour is in two of the clock's."""
_NEW_DAYS: Final = 2
"""What has been so for a day or two is not usual yet, where a week before them is known."""
_WEEK: Final = 7
_NONE: Final = (0, 0, 0)
BAD_FOR: Final = timedelta(minutes=20)
"""Bad ratings of the last minutes are read one by one."""
MOST_BAD: Final = 200
_ASKED: Final = timedelta(days=2)
"""Requests that a rating is looked for among."""
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_NANO: Final = 1e-9
_PACKAGE: Final = "coalmine_alerts"
_TOP_PROMPTS: Final = 5


def read_ratings(source: Source, now: datetime) -> list[Ratings]:
    """Returns thumbs for the prompts that had requests lately, and bad ratings one by one."""
    hour = floor(now, "hour")
    by_stretch: dict[Place, dict[int, dict[int, tuple[int, int, int]]]] = {}
    asked = {
        "hour": hour,
        "since": hour - (_NEW_DAYS + DAYS_BEFORE + 1) * _DAY,
        "lengths": [_LAST_HOURS, *STRETCHES_H],
    }
    for row in source.rows(statement("thumbs_by_stretch", _PACKAGE), asked):
        place = Place(row["environment"], row["prompt"])
        days = by_stretch.setdefault(place, {}).setdefault(row["length"], {})
        days[row["days_ago"]] = (row["down"], row["rated"], row["requests"])
    bad: dict[Place, list[BadRating]] = {}
    parameters = {"since": now - BAD_FOR, "now": now, "asked": now - _ASKED, "limit": MOST_BAD}
    for row in source.rows(statement("bad_ratings", _PACKAGE), parameters):
        segments = {each["key"]: each["value"] for each in row.pop("segments") or ()}
        rating = BadRating(**row, segments=segments)
        bad.setdefault(Place(rating.environment, rating.prompt), []).append(rating)
    lately = {
        Place(row["environment"], row["prompt"]): (row["down"], row["rated"], row["requests"])
        for row in source.rows(statement("thumbs_lately", _PACKAGE), {**last_hour(source, now), "now": now})
    }
    found = []
    for place in sorted({*lately, *bad, *by_stretch}):
        of = by_stretch.get(place, {})
        stretches = [Stretch(1, *lately.get(place, _NONE), _usual(of.get(_LAST_HOURS, {})))]
        stretches += [
            Stretch(hours, *of[hours].get(0, _NONE), _usual(of[hours]))
            for hours in STRETCHES_H
            if hours in of
        ]
        found.append(Ratings(place, stretches, tuple(bad.get(place, ()))))
    return found


def _usual(days: Mapping[int, tuple[int, int, int]]) -> tuple[tuple[int, int, int], ...]:
    older = tuple(counts for days_ago, counts in days.items() if days_ago > _NEW_DAYS)
    return older if len(older) >= _WEEK else tuple(counts for days_ago, counts in days.items() if days_ago)


def read_hours(source: Source, now: datetime) -> list[HourSpend]:
    """Returns what applications spent in the last full hour, and usually do in it."""
    hour = floor(now, "hour") - _HOUR
    parameters = {
        "since": hour - DAYS_BEFORE * _DAY,
        "until": hour + _HOUR,
        "hour_of_day": hour.hour,
    }
    found: dict[tuple[str, str], dict[datetime, float | None]] = {}
    for row in source.rows(statement("hour_spend", _PACKAGE), parameters):
        nano = row["nano_usd"]
        of_app = found.setdefault((row["environment"], row["app"]), {})
        of_app[row["hour"]] = None if nano is None else nano * _NANO
    return [
        HourSpend(
            environment=environment,
            app=app,
            hour=hour,
            usd=spent.get(hour),
            usual_usd=tuple(usd for at, usd in spent.items() if at < hour and usd is not None),
            prompts=_most(source, environment, app, hour) if spent.get(hour) else (),
        )
        for (environment, app), spent in found.items()
    ]


def _most(source: Source, environment: str, app: str, hour: datetime) -> tuple[tuple[str, float], ...]:
    parameters = {"environment": environment, "app": app, "hour": hour, "limit": _TOP_PROMPTS}
    rows = source.rows(statement("hour_spend_by_prompt", _PACKAGE), parameters)
    return tuple((row["prompt"], row["nano_usd"] * _NANO) for row in rows)


def read_days(source: Source, now: datetime) -> list[DaySpend]:
    """Returns what was spent on each day of this month and the one before."""
    today = floor(now, "day")
    since = (today.replace(day=1) - _DAY).replace(day=1)
    parameters = {"since": since, "today": today, "now": now}
    return [
        DaySpend(
            day=row["day"],
            environment=row["environment"],
            prompt=row["prompt"],
            app=row["app"],
            usd=None if row["nano_usd"] is None else row["nano_usd"] * _NANO,
            unpriced=row["unpriced"],
        )
        for row in source.rows(statement("day_spend", _PACKAGE), parameters)
    ]
