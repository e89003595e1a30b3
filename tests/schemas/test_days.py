"""Days as people write them."""

from datetime import date

import pytest

from coalmine_schemas.days import Days
from coalmine_schemas.errors import InvalidParameter


@pytest.mark.parametrize(
    ("given", "first", "count", "written"),
    [
        ("2026-12-24", date(2026, 12, 24), 1, "2026-12-24"),
        (date(2026, 12, 24), date(2026, 12, 24), 1, "2026-12-24"),
        ("2026-12-31/2027-01-02", date(2026, 12, 31), 3, "2026-12-31/2027-01-02"),
        (" 2026-12-24/2026-12-24 ", date(2026, 12, 24), 1, "2026-12-24"),
    ],
)
def test_one_day_or_some(given: object, first: date, count: int, written: str) -> None:
    days = Days.parse(given)
    assert (next(iter(days)), len(list(days)), str(days)) == (first, count, written)
    assert Days.parse(str(days)) == days


@pytest.mark.parametrize(
    "given",
    [
        "",
        "/",
        "24.12.",
        "2026-13-01",
        "2026-12-24/",
        "2027-01-02/2026-12-31",
        "2026-01-01/2027-12-31",
        7,
    ],
)
def test_what_is_no_day_is_refused_with_what_to_write(given: object) -> None:
    with pytest.raises(InvalidParameter, match="is no day: write 2026-12-24, or"):
        Days.parse(given)
