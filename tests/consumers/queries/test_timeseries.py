from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from coalmine_consumers.aggregation.resolutions import Resolution
from coalmine_consumers.queries import Filters, timeseries, versions
from coalmine_consumers.queries.timeseries import choose_step
from coalmine_consumers.results import Step, StepChoice
from coalmine_consumers.store import Store
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.paging import encode_cursor
from tests.support.data.store_feed import START, Feed, request

STEPS: dict[Step, timedelta] = {
    "minute": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "hour": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "day": timedelta(days=1),
}


@pytest.mark.parametrize("step", STEPS)
def test_each_bucket_says_what_the_versions_of_its_time_say(filled: Store, step: Step) -> None:
    reader = filled.reader()
    found = timeseries(reader, Filters(environment="prod"), step)
    assert found.step == step
    buckets = sorted({row.bucket_start for row in found.items})
    for bucket in buckets[:: max(1, len(buckets) // 5)]:
        within = Filters(environment="prod", since=bucket, until=bucket + STEPS[step])
        expected = {(row.prompt, row.version): row for row in versions(reader, within).items}
        mine = {(row.prompt, row.version): row for row in found.items if row.bucket_start == bucket}
        assert mine.keys() == expected.keys()
        for key, row in mine.items():
            for name in (
                "requests",
                "errors",
                "cost_usd",
                "latency_ms_mean",
                "latency_ms_p95",
                "quality_mean",
                "quality_n",
            ):
                assert getattr(row, name) == pytest.approx(getattr(expected[key], name)), name


def test_quantiles_that_are_not_asked_for_are_left_out_and_nothing_else(filled: Store) -> None:
    everything = timeseries(filled.reader()).items
    lean = timeseries(filled.reader(), metrics=["latency_ms"]).items
    absent = {"time_to_first_token_ms_p50": None, "time_to_first_token_ms_p95": None}
    assert any(row.time_to_first_token_ms_p95 for row in everything)
    assert lean == [replace(row, **absent) for row in everything]  # type: ignore[arg-type]


@pytest.mark.parametrize("step", STEPS)
def test_all_buckets_together_are_everything(filled: Store, step: Step) -> None:
    found = timeseries(filled.reader(), step=step)
    assert sum(row.requests for row in found.items) == 3200
    order = [(row.bucket_start, row.prompt) for row in found.items]
    assert order == sorted(order)


def test_a_stretch_holds_only_its_buckets(filled: Store) -> None:
    since, until = START + timedelta(minutes=65), START + timedelta(minutes=190)
    found = timeseries(filled.reader(), Filters(since=since, until=until), "hour")
    starts = {row.bucket_start for row in found.items}
    assert starts == {START + timedelta(hours=hours) for hours in (1, 2, 3)}


@pytest.mark.parametrize(
    ("span", "asked", "expected"),
    [
        (timedelta(minutes=0), "auto", "minute"),
        (timedelta(hours=3), "auto", "minute"),
        (timedelta(hours=6), "auto", "5m"),
        (timedelta(hours=24), "auto", "15m"),
        (timedelta(days=7), "auto", "hour"),
        (timedelta(days=30), "auto", "6h"),
        (timedelta(days=46), "auto", "day"),
        (timedelta(days=900), "auto", "day"),
        (timedelta(days=900), "minute", "minute"),
        (timedelta(days=900), "15m", "15m"),
        (timedelta(minutes=5), "day", "day"),
    ],
)
def test_a_step_chosen_by_itself_gives_a_line_that_can_be_drawn(
    span: timedelta, asked: StepChoice, expected: str
) -> None:
    assert choose_step(START, START + span, asked, {}) == expected


def test_a_step_that_is_not_kept_for_the_beginning_becomes_coarser() -> None:
    kept: dict[Resolution, datetime] = {
        "minute": START + timedelta(days=2),
        "hour": START.replace(hour=0),
    }
    asked: list[StepChoice] = ["minute", "15m", "auto"]
    for step in asked:
        assert choose_step(START, START + timedelta(hours=1), step, kept) == "hour"
        assert choose_step(START - timedelta(days=1), START, step, kept) == "day"
        later = START + timedelta(days=3)
        finest = "15m" if step == "15m" else "minute"
        assert choose_step(later, later + timedelta(hours=1), step, kept) == finest


def test_an_empty_store_has_an_empty_series(store: Store) -> None:
    assert timeseries(store.reader()).items == []
    assert timeseries(store.reader(), step="day").step == "day"


def test_a_series_follows_new_batches(store: Store) -> None:
    feed, reader = Feed(), store.reader()
    for minutes in range(3):
        store.commit(feed.batch([request(minutes, START + timedelta(minutes=minutes))]))
        found = timeseries(reader)
        assert [row.bucket_start for row in found.items] == [
            START + timedelta(minutes=each) for each in range(minutes + 1)
        ]


@pytest.mark.parametrize(("step", "limit"), [("day", 1), ("6h", 7), ("hour", 50), ("hour", 1_000)])
def test_pages_hold_every_row_once_in_order(filled: Store, step: Step, limit: int) -> None:
    reader = filled.reader()
    everything = timeseries(reader, Filters(environment="prod"), step)
    assert everything.next_cursor is None
    found = []
    cursor = None
    while True:
        page = timeseries(reader, Filters(environment="prod"), step, limit=limit, cursor=cursor)
        assert page.step == step
        assert 0 < len(page.items) <= limit
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [(row.bucket_start, row.prompt, row.version, row.requests) for row in found] == [
        (row.bucket_start, row.prompt, row.version, row.requests) for row in everything.items
    ]
    for name in ("latency_ms_mean", "latency_ms_p95", "quality_mean", "cost_usd_per_request"):
        means = [getattr(row, name) for row in everything.items]
        assert [getattr(row, name) for row in found] == pytest.approx(means, nan_ok=True)
    assert len(found) > 1


def test_later_pages_keep_the_step_of_the_first(filled: Store) -> None:
    first = timeseries(filled.reader(), limit=1)
    assert timeseries(filled.reader(), step="day", cursor=first.next_cursor).step == first.step != "day"


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "?",
        encode_cursor(["day", 0, "p"]),
        encode_cursor(["week", 0, "p", "1"]),
        encode_cursor(["day", 10**20, "p", "1"]),
    ],
)
def test_a_cursor_of_another_list_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(InvalidParameter, match="leave it out for the first page"):
        timeseries(store.reader(), cursor=cursor)
