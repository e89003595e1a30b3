from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_dashboards.formatting import (
    UNKNOWN,
    ago,
    count,
    milliseconds,
    moment,
    money,
    percent,
    quality,
    rate,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (count(0), "0"),
        (count(1234567), "1,234,567"),
        (money(Decimal("1234.567")), "$1,234.57"),
        (money(Decimal("1")), "$1.00"),
        (money("much"), "much"),
        (money("1234.567000000"), "$1,234.57"),
        (money(Decimal("0")), "$0"),
        (money(Decimal("0.5")), "$0.500"),
        (money(Decimal("0.0123456")), "$0.0123"),
        (money(0.000298123), "$0.000298"),
        (money(7.5e-9), "$0.00000000750"),
        (milliseconds(0.2), "0 ms"),
        (milliseconds(850.4), "850 ms"),
        (milliseconds(999.6), "1.00 s"),
        (milliseconds(1243), "1.24 s"),
        (milliseconds(3_600_000), "3,600 s"),
        (percent(0.0), "0.0 %"),
        (percent(0.0132), "1.3 %"),
        (percent(1.0), "100.0 %"),
        (percent(0.0001), "<0.1 %"),
        (percent(0.9996), ">99.9 %"),
        (percent(0.997, 0), ">99 %"),
        (quality(0.8014), "0.801"),
        (rate(0.0), "0/s"),
        (rate(6.44), "6.4/s"),
        (rate(1234.6), "1,235/s"),
        (moment(NOON), "2026-03-01 12:00 UTC"),
    ],
)
def test_numbers_read_as_people_write_them(shown: str, expected: str) -> None:
    assert shown == expected


@pytest.mark.parametrize(
    "shown",
    [count(None), money(None), milliseconds(None), percent(None), quality(None), rate(None), moment(None)],
)
def test_an_unknown_value_is_a_dash_and_never_zero(shown: str) -> None:
    assert shown == UNKNOWN


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (timedelta(seconds=0), "0 s ago"),
        (timedelta(seconds=59.9), "59 s ago"),
        (timedelta(seconds=60), "1 min ago"),
        (timedelta(minutes=59), "59 min ago"),
        (timedelta(hours=2), "2 h ago"),
        (timedelta(days=3), "3 d ago"),
        (timedelta(seconds=-5), "0 s ago"),
    ],
)
def test_how_long_ago_is_said_in_the_largest_whole_unit(before: timedelta, expected: str) -> None:
    assert ago(NOON - before, NOON) == expected


def test_what_never_happened_is_never() -> None:
    assert ago(None, NOON) == "never"


@given(st.floats(1e-9, 1e9))
def test_money_keeps_three_significant_digits_or_cents(usd: float) -> None:
    shown = float(money(usd).removeprefix("$").replace(",", ""))
    assert shown == pytest.approx(usd, rel=0.006, abs=0.0051 if usd >= 1 else 0.0)


@given(st.floats(0, 1))
def test_a_share_that_is_not_zero_never_looks_like_zero(share: float) -> None:
    assert (percent(share) == "0.0 %") is (share == 0)


@given(st.floats(0, 1))
def test_a_share_that_is_not_all_never_looks_like_all(share: float) -> None:
    assert (percent(share) == "100.0 %") is (share >= 1 - 1e-9)
