"""Queries answer from rollups what a person would compute from raw rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from coalmine_consumers.queries import Filters, versions
from coalmine_consumers.store import Store
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.limits import NAME_CHARS
from coalmine_schemas.paging import encode_cursor
from coalmine_schemas.results import Page
from tests.support.data.store_feed import START, Feed, feedback, request, score

DAY = timedelta(days=1)


def raw(store: Store) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    reader = store.reader()
    tables = (reader.table(f"SELECT * FROM {event}") for event in ("requests", "feedback", "scores"))
    requests, given, scores = (pl.DataFrame(pl.from_arrow(table)) for table in tables)
    return requests, given, scores


def recomputed(store: Store, filters: Filters) -> dict[tuple[str, str], dict[str, Any]]:
    """Every figure from raw rows, by polars and numpy."""
    requests, given, scores = raw(store)
    for name, value in filters.parameters().items():
        if value is not None:
            requests = requests.filter(pl.col(name) == value)
    if filters.since is not None:
        requests = requests.filter(pl.col("event_time") >= filters.since)
    if filters.until is not None:
        requests = requests.filter(pl.col("event_time") < filters.until)
    answers = {}
    for (prompt, version), mine in requests.group_by("prompt", "version"):
        ids = mine["request_id"].implode()
        reactions = given.filter(pl.col("request_id").is_in(ids))
        quality = scores.filter(pl.col("request_id").is_in(ids) & (pl.col("name") == "quality"))["value"]
        answers[str(prompt), str(version)] = figures(mine, reactions, quality)
    return answers


def figures(mine: pl.DataFrame, reactions: pl.DataFrame, quality: pl.Series) -> dict[str, Any]:
    cost = mine["cost_nano_usd"].drop_nulls()
    paid = int(cost.sum())
    latency = mine["latency_ms"].to_numpy()
    first_token = mine["time_to_first_token_ms"].drop_nulls().to_numpy()
    up, down = (int((reactions["thumbs"] == thumb).sum()) for thumb in ("up", "down"))
    errors = mine.height - mine["error_type"].null_count()
    models = mine.select(pl.coalesce("response_model", "request_model"))["response_model"]
    return {
        "requests": mine.height,
        "errors": errors,
        "error_rate": errors / mine.height,
        "input_tokens": mine["input_tokens"].sum(),
        "output_tokens": mine["output_tokens"].sum(),
        "cached_input_tokens": mine["cached_input_tokens"].sum(),
        "cost_usd": paid / 1e9,
        "cost_nano_usd": paid,
        "cost_usd_per_request": paid / len(cost) / 1e9,
        "priced_requests": len(cost),
        "latency_ms_mean": latency.mean(),
        "latency_ms_p50": np.quantile(latency, 0.5),
        "latency_ms_p95": np.quantile(latency, 0.95),
        "time_to_first_token_ms_p50": np.quantile(first_token, 0.5),
        "time_to_first_token_ms_p95": np.quantile(first_token, 0.95),
        "quality_mean": quality.mean() if len(quality) else None,
        "quality_n": len(quality),
        "feedback": reactions.height,
        "thumbs_up": up,
        "thumbs_down": down,
        "thumbs_up_rate": up / (up + down) if up + down else None,
        "environments": sorted(mine["environment"].unique()),
        "models": sorted(models.unique()),
        "variants": sorted(mine["variant"].drop_nulls().unique()),
        "first_event_time": mine["event_time"].min(),
        "last_event_time": mine["event_time"].max(),
    }


FILTERS = {
    "everything": Filters(),
    "one prompt": Filters(prompt="refund"),
    "one version of one prompt": Filters(prompt="greet", version="1.1.0"),
    "one environment": Filters(environment="staging"),
    "one app": Filters(app="support"),
    "nothing of another app": Filters(app="search"),
    "from a minute on": Filters(since=START + timedelta(hours=3, minutes=17)),
    "up to a minute": Filters(until=START + timedelta(hours=20, minutes=1)),
    "some minutes": Filters(since=START + timedelta(minutes=7), until=START + timedelta(minutes=52)),
    "a day": Filters(since=START.replace(hour=0), until=START.replace(hour=0) + DAY),
    "days and ends": Filters(
        since=START + timedelta(minutes=90), until=START + 2 * DAY + timedelta(minutes=5)
    ),
    "environment and time": Filters(environment="prod", since=START + DAY),
    "before everything": Filters(until=START - DAY),
    "an empty stretch": Filters(since=START + DAY, until=START),
}


@pytest.mark.parametrize("name", FILTERS)
def test_versions_say_what_raw_rows_say(filled: Store, name: str) -> None:
    expected = recomputed(filled, FILTERS[name])
    found = versions(filled.reader(), FILTERS[name]).items
    assert [(row.prompt, row.version) for row in found] == sorted(expected)
    assert expected or name in ("nothing of another app", "before everything", "an empty stretch")
    for row in found:
        for field, value in expected[row.prompt, row.version].items():
            mine: Any = getattr(row, field)
            if field.endswith(("p50", "p95")):
                assert mine == pytest.approx(value, rel=0.01)
            elif isinstance(value, float):
                assert mine == pytest.approx(value, rel=1e-12)
            else:
                assert mine == value, field


def test_what_is_not_known_is_null_and_not_zero(store: Store) -> None:
    store.commit(Feed().batch([request(1, latency_ms=0.0)]))
    (row,) = versions(store.reader()).items
    assert (row.requests, row.errors, row.error_rate) == (1, 0, 0.0)
    assert (row.input_tokens, row.output_tokens, row.cached_input_tokens) == (None, None, None)
    assert (row.cost_usd, row.cost_usd_per_request) == (None, None)
    assert (row.latency_ms_mean, row.latency_ms_p50, row.latency_ms_p95) == (0.0, 0.0, 0.0)
    assert (row.time_to_first_token_ms_p50, row.time_to_first_token_ms_p95) == (None, None)
    assert (row.quality_mean, row.thumbs_up_rate) == (None, None)
    assert (row.feedback, row.thumbs_up, row.thumbs_down) == (0, 0, 0)


@pytest.mark.parametrize("by_model", [False, True])
def test_who_preferred_a_version_is_a_row_of_its_own(store: Store, by_model: bool) -> None:
    chosen = request(1, variant="preferred", cost_nano_usd=7, latency_ms=1.0)
    others = [request(number, variant="control", experiment="tone", cost_nano_usd=1) for number in (2, 3)]
    rows = [chosen, *others, request(4, version="0.9.0")]
    scores = [score(5, chosen, 1.0), score(6, others[0], 0.5)]
    store.commit(Feed().batch(rows, [], scores))
    found = versions(store.reader(), by_model=by_model).items
    shown = [(row.version, row.preferred, row.requests, row.cost_nano_usd, row.quality_mean) for row in found]
    assert shown == [
        ("0.9.0", False, 1, None, None),
        ("1.0.0", False, 2, 2, 0.5),
        ("1.0.0", True, 1, 7, 1.0),
    ]
    assert (found[1].variants, found[2].variants) == (["control"], ["preferred"])
    assert found[2].latency_ms_p50 == pytest.approx(1.0, rel=0.01)


def test_a_known_zero_is_zero(store: Store) -> None:
    known = request(1, input_tokens=0, output_tokens=0, cached_input_tokens=0, cost_nano_usd=0)
    store.commit(Feed().batch([known], [feedback(2, known, thumbs="down")], [score(3, known, 0.0)]))
    (row,) = versions(store.reader()).items
    assert (row.input_tokens, row.output_tokens, row.cached_input_tokens) == (0, 0, 0)
    assert (row.cost_usd, row.cost_nano_usd, row.cost_usd_per_request) == (0.0, 0, 0.0)
    assert (row.quality_mean, row.thumbs_up_rate) == (0.0, 0.0)


def test_money_is_exact_in_nano_dollars(store: Store) -> None:
    rows = [request(number, cost_nano_usd=2**63 - 1) for number in range(3)] + [request(9, cost_nano_usd=1)]
    store.commit(Feed().batch(rows))
    (row,) = versions(store.reader()).items
    assert (row.cost_usd, row.cost_nano_usd) == (27670116110.564327422, 27_670_116_110_564_327_422)
    store.commit(Feed(offset=4).batch([request(77, version="1.0.1", cost_nano_usd=1)]))
    assert versions(store.reader()).items[1].cost_usd == 1e-9


def test_versions_come_by_prompt_and_precedence(store: Store) -> None:
    names = [
        "1.9.0",
        "1.10.0",
        "1.10.0-rc.1",
        "1.10.0-rc.10",
        "1.10.0-rc.2",
        "2024-01-01",
        "10.0.0",
        "latest",
    ]
    rows = [
        request(number, prompt=prompt, version=version)
        for number, (prompt, version) in enumerate((prompt, name) for prompt in ("b", "a") for name in names)
    ]
    store.commit(Feed().batch(rows))
    expected = [
        "1.9.0",
        "1.10.0-rc.1",
        "1.10.0-rc.2",
        "1.10.0-rc.10",
        "1.10.0",
        "10.0.0",
        "2024-01-01",
        "latest",
    ]
    found = [(row.prompt, row.version) for row in versions(store.reader()).items]
    assert found == [(prompt, version) for prompt in ("a", "b") for version in expected]


def test_feedback_counts_when_its_request_was_made(store: Store) -> None:
    asked = request(1, START)
    late = feedback(2, asked, START + timedelta(days=40), thumbs="up")
    store.commit(Feed().batch([asked], [late]))
    (row,) = versions(store.reader(), Filters(until=START + timedelta(minutes=1))).items
    assert (row.feedback, row.thumbs_up_rate) == (1, 1.0)
    assert versions(store.reader(), Filters(since=START + timedelta(days=1))).items == []


def test_ends_are_widened_where_minutes_have_aged_away(store: Store) -> None:
    store.commit(
        Feed().batch([request(number, START + timedelta(minutes=20 * number)) for number in range(6)])
    )
    with store.transaction() as connection:
        connection.execute(
            "INSERT INTO rollup_kept_from VALUES ('minute', $kept)", {"kept": START.replace(hour=0) + DAY}
        ).fetchall()
        connection.execute("DELETE FROM rollups WHERE resolution = 'minute'").fetchall()
    since = START + timedelta(minutes=70)
    assert versions(store.reader(), Filters(since=since)).items[0].requests == 3


def test_an_empty_store_has_no_versions(store: Store) -> None:
    assert versions(store.reader()) == Page([], None)


def test_times_are_utc(filled: Store) -> None:
    first = versions(filled.reader()).items[0].first_event_time
    assert first is not None
    assert first.astimezone(UTC) >= datetime(2026, 3, 10, tzinfo=UTC)


NAMES = [("a", "1.9.0"), ("a", "1.10.0-rc.1"), ("a", "1.10.0"), ("a", "latest"), ("b", "1.0.0")]


LONG = [(length * letter, "1.0.0") for letter in "pqr" for length in (120, NAME_CHARS)] + [("z", "1.0.0")]


@pytest.mark.parametrize("names", [NAMES, LONG])
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6])
def test_pages_hold_every_version_once_in_order(
    store: Store, limit: int, names: list[tuple[str, str]]
) -> None:
    rows = [request(n, prompt=prompt, version=version) for n, (prompt, version) in enumerate(names)]
    store.commit(Feed().batch(rows))
    reader = store.reader()
    everything = versions(reader)
    assert ([(row.prompt, row.version) for row in everything.items], everything.next_cursor) == (names, None)
    found = []
    cursor = None
    for _ in range(-(-len(names) // limit)):
        page = versions(reader, limit=limit, cursor=cursor)
        assert 0 < len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
    assert cursor is None
    assert found == everything.items


def test_a_version_that_appears_between_two_pages_moves_none(store: Store) -> None:
    feed = Feed()
    store.commit(feed.batch([request(n, version=version) for n, version in enumerate(("1.0.0", "1.10.0"))]))
    first = versions(store.reader(), limit=1)
    store.commit(feed.batch([request(8, version="0.9.0"), request(9, version="1.2.0")]))
    rest = versions(store.reader(), cursor=first.next_cursor)
    assert [row.version for row in [*first.items, *rest.items]] == ["1.0.0", "1.2.0", "1.10.0"]


@pytest.mark.parametrize("cursor", ["", "?", encode_cursor(["a"]), encode_cursor(["a", 1])])
def test_a_cursor_of_another_list_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(InvalidParameter, match="leave it out for the first page"):
        versions(store.reader(), cursor=cursor)
