"""Moments in requests and options."""

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_schemas.errors import InvalidParameter
from coalmine_server.moment import parse_moment

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("1h", NOW - timedelta(hours=1)),
        (" 7d ", NOW - timedelta(days=7)),
        ("2w", NOW - timedelta(weeks=2)),
        ("2026-02-28", datetime(2026, 2, 28, tzinfo=UTC)),
        ("2026-02-28T10:00", datetime(2026, 2, 28, 10, tzinfo=UTC)),
        ("2026-02-28T10:00:00Z", datetime(2026, 2, 28, 10, tzinfo=UTC)),
        ("2026-02-28T10:00:00+02:00", datetime(2026, 2, 28, 8, tzinfo=UTC)),
        ("2026-02-28T10:00:00 02:00", datetime(2026, 2, 28, 8, tzinfo=UTC)),
    ],
)
def test_a_moment_is_iso_or_relative(text: str, expected: datetime) -> None:
    assert parse_moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "1", "h", "-1h", "1.5h", "2026-13-01", "999999999w", "٣h"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter, match="is not a time"):
        parse_moment(text, NOW)


@given(
    st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2100, 1, 1)),  # noqa: DTZ001
    st.integers(min_value=-23, max_value=23),
)
def test_every_iso_moment_comes_back_in_utc(naive: datetime, offset_h: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(hours=offset_h)))
    parsed = parse_moment(moment.isoformat(), NOW)
    assert parsed == moment
    assert parsed.tzinfo is UTC


@given(st.text(max_size=30))
def test_no_text_is_a_fault(text: str) -> None:
    with contextlib.suppress(InvalidParameter):
        assert parse_moment(text, NOW).tzinfo is not None
