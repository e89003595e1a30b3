from datetime import UTC, datetime

import pytest

from coalmine_rollouts.windows import window


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment", "is_open"),
    [
        ("Mon-Fri 09:00-17:00 Europe/Berlin", "2026-03-10T08:00", True),  # 09:00 there
        ("Mon-Fri 09:00-17:00 Europe/Berlin", "2026-03-10T16:00", False),
        ("Mon-Fri 09:00-17:00 Europe/Berlin", "2026-07-10T15:00", False),  # summer: 17:00 there
        ("Mon-Fri 09:00-17:00 Europe/Berlin", "2026-03-14T10:00", False),
        ("Sat-Mon 00:00-12:00 UTC", "2026-03-15T03:00", True),
        ("Mon,Wed 22:00-04:00 UTC", "2026-03-12T03:59", True),  # of the night before
        ("Mon,Wed 22:00-04:00 UTC", "2026-03-12T22:00", False),
    ],
)
def test_windows_are_open_by_the_clock_of_their_zone(text: str, moment: str, is_open: bool) -> None:
    assert window(text).is_open(at(moment)) is is_open


@pytest.mark.parametrize(
    ("moment", "words"),
    [
        ("2026-03-13T17:00", "Mon 09:00 Europe/Berlin"),
        ("2026-03-10T03:00", "Tue 09:00 Europe/Berlin"),
        ("2026-03-10T09:00", "Wed 09:00 Europe/Berlin"),
    ],
)
def test_it_says_when_it_opens_next(moment: str, words: str) -> None:
    assert window("Mon-Fri 09:00-17:00 Europe/Berlin").next_words(at(moment)) == words
