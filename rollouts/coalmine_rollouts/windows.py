"""Windows of time in which a rollout may go on: `Mon-Fri 09:00-17:00 Europe/Berlin`."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from coalmine_schemas.prompts.errors import InvalidPrompt

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY: Final = "|".join(_DAYS)
_WINDOW: Final = re.compile(
    rf"(?P<days>(?:{_DAY})(?:-(?:{_DAY}))?(?:,(?:{_DAY})(?:-(?:{_DAY}))?)*)"
    r" +(?P<begin>\d\d:\d\d) *- *(?P<end>\d\d:\d\d) +(?P<zone>\S+)"
)
_LONGEST: Final = 200


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of some days of the week."""

    days: frozenset[int]
    """0 is Monday."""
    begin: time
    end: time
    """Exclusive; not after `begin`: it ends on the next day."""
    zone: ZoneInfo

    def is_open(self, at: datetime) -> bool:
        """Returns True if the moment lies in it."""
        there = at.astimezone(self.zone)
        now = there.time()
        if self.begin < self.end:
            return there.weekday() in self.days and self.begin <= now < self.end
        yesterday = (there.weekday() - 1) % 7
        return (there.weekday() in self.days and now >= self.begin) or (
            yesterday in self.days and now < self.end
        )

    def opens_after(self, at: datetime) -> datetime:
        """Returns the next moment at which it opens."""
        there = at.astimezone(self.zone)
        for days in range(9):
            day = there.date() + timedelta(days=days)
            opens = datetime.combine(day, self.begin, self.zone)
            if opens > there and day.weekday() in self.days:
                return opens
        raise AssertionError("a week has every day")

    def next_words(self, at: datetime) -> str:
        """When it opens next, for people."""
        opens = self.opens_after(at)
        return f"{_DAYS[opens.weekday()]} {opens:%H:%M} {self.zone.key}"


def read_window(text: object, field: str) -> str:
    """Checks a window.

    Raises:
        InvalidPrompt: It is none.
    """
    remedy = "write days, hours and a time zone: Mon-Fri 09:00-17:00 Europe/Berlin"
    if not isinstance(text, str) or len(text) > _LONGEST or not (found := _WINDOW.fullmatch(text.strip())):
        raise InvalidPrompt(field, text, remedy)
    try:
        window(text.strip())
    except (ZoneInfoNotFoundError, OSError, ValueError):  # a folder, a name that is too long
        raise InvalidPrompt(
            field, text, f"{found['zone']!r:.60} or the hours are not known: {remedy}"
        ) from None
    return text.strip()


@lru_cache(maxsize=100)
def window(text: str) -> Window:
    """Returns the window of a text that `read_window` has accepted."""
    found = _WINDOW.fullmatch(text)
    assert found is not None
    days: set[int] = set()
    for part in found["days"].split(","):
        first, _, last = part.partition("-")
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        days |= {(begin + each) % 7 for each in range((end - begin) % 7 + 1)}
    begin_at, end_at = (time.fromisoformat(found[which]) for which in ("begin", "end"))
    return Window(frozenset(days), begin_at, end_at, ZoneInfo(found["zone"]))
