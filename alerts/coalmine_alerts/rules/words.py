"""Figures, tables and links of stories."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode

from coalmine_alerts.facts import VersionPlace
from coalmine_alerts.results.story import StoryLink
from coalmine_analytics.results.explain import Explanation
from coalmine_schemas.plain_number import plain_number

_SPAN: Final = (
    (timedelta(minutes=15), "15m"),
    (timedelta(hours=1), "1h"),
    (timedelta(hours=6), "6h"),
    (timedelta(hours=24), "24h"),
    (timedelta(days=7), "7d"),
    (timedelta(days=30), "30d"),
)
"""Time ranges of the dashboard."""
_MOST_VALUES: Final = 3
LONGEST_TITLE: Final = 150


def title(*parts: str | None) -> str:
    """Joins the parts of a title, cut to what a message has room for."""
    text = " · ".join(part for part in parts if part)
    return text if len(text) <= LONGEST_TITLE else text[: LONGEST_TITLE - 1] + "…"


def percent(share: float, *, sign: bool = False) -> str:
    """Writes a share as per cent, with two significant digits below ten."""
    value = share * 100
    places = 0 if abs(value) >= 9.95 else 1 if abs(value) >= 0.095 or value == 0 else 2
    return f"{value:{'+' if sign else ''}.{places}f} %"


def usd(amount: float) -> str:
    """Writes an amount of money: cents where it is at least a dollar."""
    return f"${amount:,.2f}" if abs(amount) >= 1 else f"${plain_number(amount)}"


def value_words(value: float | None, unit: str) -> str:
    """Writes a value of a metric in its unit."""
    if value is None:
        return "not known"
    match unit:
        case "share":
            return percent(value)
        case "USD":
            return usd(value)
        case "":
            return plain_number(value)
        case _:
            return f"{plain_number(value)} {unit}"


def change_words(before: float | None, shift: float | None, unit: str) -> str:
    """Writes a change: in points of a share, relative to what was before in everything else."""
    if shift is None:
        return "not known"
    if unit == "share":
        return f"{shift * 100:+.2g} points"
    return percent(shift / abs(before), sign=True) if before else plain_number(shift, sign=True)


def interval_words(before: float | None, lower: float | None, upper: float | None, unit: str) -> str:
    """Writes the interval of a change."""
    if lower is None or upper is None:
        return "not known"
    if lower <= 0 <= upper:
        return "no change shown"
    return f"{change_words(before, lower, unit)} to {change_words(before, upper, unit)}"


def in_words(length: timedelta) -> str:
    """Writes a length of time: `40 min`, `3 h`, `2 d 4 h`."""
    minutes = round(length.total_seconds() / 60)
    if minutes < 1:
        return f"{max(round(length.total_seconds()), 0)} s"
    if minutes < 90:
        return f"{minutes} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 48 else f"{hours // 24} d" + (f" {hours % 24} h" if hours % 24 else "")


def listed(names: Sequence[str], most: int = 5) -> str:
    """Lists names, and counts those there is no room for."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def view(
    page: str = "prompt",
    *,
    since: datetime | None = None,
    now: datetime | None = None,
    text: str = "Open",
    **shown: str | None,
) -> StoryLink:
    """Links to a page of the dashboard that shows these, over a time that contains `since`."""
    span = None
    if since is not None and now is not None:
        span = next((key for length, key in _SPAN if now - since <= length), "all")
    found = {**shown, "time": span}
    query = urlencode({name: value for name, value in found.items() if value is not None})
    return StoryLink(text, f"/{page}?{query}" if query else f"/{page}")


def view_of(key: VersionPlace, since: datetime | None, now: datetime) -> StoryLink:
    """Links to the prompt of a version where it is served."""
    return view(prompt=key.prompt, environment=key.environment, since=since, now=now)


def runbook(rule: str) -> StoryLink:
    """Links to what to do about an alert of a rule."""
    return StoryLink("Runbook", f"/runbooks/{rule.replace('_', '-')}")


def where(key: VersionPlace) -> str:
    """Names a version and its environment: `summarize 1.1.0 (prod)`."""
    return f"{key.prompt} {key.version} ({key.environment})"


def causes(found: Explanation | None) -> str | None:
    """Splits a change into its parts: `model -4.6 %, traffic mix -0.5 %`."""
    if found is None:
        return None
    whole = change_words(found.a.value, found.change, found.unit)
    parts = ", ".join(
        f"{part.part} {change_words(found.a.value, part.contribution, found.unit)}"
        f"{'' if part.clear else ' (not clear)'}"
        for part in found.parts
    )
    return f"of {whole}: {parts}"


def worst(found: Explanation | None) -> str | None:
    """Names the values of segments that moved most: `lang=de -11 % (412 calls)`."""
    if found is None:
        return None
    moved = [each for each in found.moved if each.verdict == "moved" and each.dimension != "version"]
    words = [
        f"{each.dimension}={each.value or '(none)'} {change_words(each.a_value, each.effect, found.unit)} "
        f"({each.b_requests:,} calls)"
        for each in moved[:_MOST_VALUES]
    ]
    return " · ".join(words) or None


def details(**found: str | None) -> tuple[tuple[str, str], ...]:
    """Labels and texts, those that there are; an underscore in a label is a space."""
    return tuple((label.replace("_", " "), text) for label, text in found.items() if text)
