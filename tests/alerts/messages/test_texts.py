"""Texts of stories in pieces: moments, code, and what is cut."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_alerts.messages.figures import points, sparkline
from coalmine_alerts.messages.texts import Code, Moment, cut, duration, flat, pieces, size
from coalmine_alerts.results.story import StoryChart, moment
from coalmine_schemas.redaction import redact

NOW = datetime(2026, 11, 26, 12, 14, tzinfo=UTC)


def test_moments_and_code_are_pieces_of_their_own() -> None:
    text = f"since {moment(NOW)} as `gpt-4o`."
    assert [*pieces(text, 100)] == ["since ", Moment(NOW), " as ", Code("gpt-4o"), "."]
    assert flat(text, 100, NOW) == "since 12:14 UTC as `gpt-4o`."
    assert flat(text, 100, NOW + timedelta(days=1)) == "since 26 Nov 12:14 UTC as `gpt-4o`."
    assert flat(text, 100, NOW + timedelta(days=40)) == "since 2026-11-26 12:14 UTC as `gpt-4o`."


@given(text=st.text(), limit=st.integers(1, 50))
def test_what_is_cut_is_no_longer_than_it_may_be_and_says_so(text: str, limit: int) -> None:
    short = cut(text, limit)
    assert size(short) <= limit
    assert short == text or short.endswith("…")


@given(text=st.text("ab`\x02\x031 😀", max_size=200), limit=st.integers(1, 60))
def test_pieces_are_cut_too(text: str, limit: int) -> None:
    drawn = "".join(
        piece if isinstance(piece, str) else getattr(piece, "text", "") for piece in pieces(text, limit)
    )
    assert size(drawn) <= limit + 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 s"),
        (38.9, "38 s"),
        (60, "1 min"),
        (23_400, "6 h 30 min"),
        (7_200, "2 h"),
        (266_400, "3 d 2 h"),
    ],
)
def test_durations_are_told_in_one_or_two_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("order 8812345 is late", "order 88█████ is late"),
        ("call +49 (0)170 123-4567 now", "call +49█████ now"),
        ("card 4111 1111 1111 1111", "card 41█████"),
        ("jo.doe+x@mail.example.com said", "█████ said"),
        ("key sk-proj-abcdefghijklmnop", "key █████"),
        ("Bearer abcdefghijklmnop", "********"),
        ("IBAN DE89 3704 0044 0532 0130 00.", "IBAN █████."),
        ("from 10.20.30.40", "from █████"),
        ("see https://x.example/reset?token=abc", "see https://x.example/reset?█████"),
        ("version 1.2.0 took 2.31 s at 10:30", "version 1.2.0 took 2.31 s at 10:30"),
        ("what? a = b", "what? a = b"),
    ],
)
def test_what_names_a_person_is_masked(text: str, kept: str) -> None:
    assert redact(text) == kept


@pytest.mark.parametrize(
    "text", ["1" * 200_000, "a@" * 100_000, "a." * 100_000, "?" * 200_000, "DE89 " * 40_000, "sk-" * 70_000]
)
def test_redaction_takes_time_in_proportion_to_the_text(text: str) -> None:
    # Quadratic, each would take hours.
    assert isinstance(redact(text), str)


def test_a_chart_has_only_what_is_known_of_every_line() -> None:
    nan = float("nan")
    chart = StoryChart(
        "t",
        ("1", "2", "3", "4"),
        (("a", (1.0, None, 3.0, 4.0)), ("b", (nan, 2.0, 3.0, 4.5)), ("c", (None,) * 4)),
        "y",
    )
    assert points(chart) == (["3", "4"], [("a", [3.0, 4.0]), ("b", [3.0, 4.5])])
    assert sparkline(chart) == "t (3 to 4): a ▁▆ 3 → 4; b ▁█ 3 → 4.5"
    assert points(StoryChart("t", ("1", "2"), (("a", (None, 1.0)),), "y")) is None
    assert points(StoryChart("t", (), (("a", ()),), "y")) is None


def test_names_of_a_chart_differ_even_where_they_begin_alike() -> None:
    chart = StoryChart("t", ("x" * 30, "x" * 40), (("n" * 30, (1.0, 2.0)), ("n" * 31, (2.0, 1.0))), "y")
    found = points(chart)
    assert found is not None
    names, series = found
    assert len({*names}) == 2
    assert len({name for name, _ in series}) == 2
