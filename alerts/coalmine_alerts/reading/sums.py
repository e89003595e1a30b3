"""What the store says about thumbs and money, now and on the days before."""

from datetime import datetime, timedelta
from typing import Final

from coalmine_alerts.facts import BadRating, DaySpend, HourSpend, Place, Ratings
from coalmine_alerts.reading.traffic import last_hour
from coalmine_consumers.queries.cover import floor
from coalmine_consumers.sql import Source, statement

DAYS_BEFORE: Final = 14
"""Days of which the same hour is what is usual."""
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
    """Returns thumbs for the prompts that had requests in the last hour, and bad ratings one by one."""
    recent = last_hour(source, now)
    hours = sorted({floor(now - _HOUR, "hour").hour, now.hour})
    today = floor(now, "day")
    before = {
        "since": floor(now - _HOUR, "day") - DAYS_BEFORE * _DAY,
        "until": min(today, floor(now - _HOUR, "day")),
        "hours": hours,
    }
    usual: dict[Place, list[tuple[int, int, int]]] = {}
    for row in source.rows(statement("thumbs_before", _PACKAGE), before):
        place = Place(row["environment"], row["prompt"])
        usual.setdefault(place, []).append((row["down"], row["rated"], row["requests"]))
    bad: dict[Place, list[BadRating]] = {}
    parameters = {"since": now - BAD_FOR, "now": now, "asked": now - _ASKED, "limit": MOST_BAD}
    for row in source.rows(statement("bad_ratings", _PACKAGE), parameters):
        segments = {each["key"]: each["value"] for each in row.pop("segments") or ()}
        rating = BadRating(**row, segments=segments)
        bad.setdefault(Place(rating.environment, rating.prompt), []).append(rating)
    lately = {
        Place(row["environment"], row["prompt"]): (row["down"], row["rated"], row["requests"])
        for row in source.rows(statement("thumbs_lately", _PACKAGE), {**recent, "now": now})
    }
    return [
        Ratings(place, *lately.get(place, (0, 0, 0)), tuple(usual.get(place, ())), tuple(bad.get(place, ())))
        for place in sorted({*lately, *bad, *usual})
    ]


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
            usd=row["nano_usd"] * _NANO,
        )
        for row in source.rows(statement("day_spend", _PACKAGE), parameters)
    ]
