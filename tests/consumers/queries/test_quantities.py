"""Quantities by one or two dimensions say what plain SQL over raw rows says."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from coalmine_consumers.queries import Dimensions, Filters, quantities, versions
from coalmine_consumers.results import QuantityRow
from coalmine_consumers.store import Store
from coalmine_schemas.errors import InvalidParameter
from tests.support.data.store_feed import START, Feed, Row, feedback, request, score

DIMENSIONS = ("prompt", "version", "model", "environment", "app", "segment:tier")
COLUMNS = {
    "model": "coalesce(response_model, request_model)",
    "app": "requests.app",
    "segment:tier": "coalesce(list_filter(segments, lambda each: each.key = 'tier')[1].value, '')",
}
PLAIN = """
SELECT
    {first} AS first, {second} AS second, count(*) AS requests, count(error_type) AS errors,
    sum(cost_nano_usd)::BIGINT AS cost, avg(latency_ms) AS latency, quantile_cont(latency_ms, 0.95) AS p95,
    count(*) FILTER (thumbs = 'up') AS up, avg(scores.value) AS quality
FROM requests LEFT JOIN feedback USING (request_id) LEFT JOIN scores USING (request_id)
WHERE {where} GROUP BY ALL
"""


def rows(count: int, seed: int = 3) -> tuple[list[Row], list[Row], list[Row]]:
    """Calls of every combination of dimensions, some with a thumb and a score."""
    random = np.random.default_rng(seed)

    def one(*of: str | None) -> Any:
        return of[random.integers(len(of))]

    calls = [
        request(
            number,
            START + timedelta(minutes=int(random.integers(3_000))),
            prompt=one("refund", "greet"),
            version=one("1.0.0", "1.1.0"),
            environment=one("prod", "dev"),
            app=one("support", "mail"),
            response_model=one("gpt-4o", "claude", None),
            cost_nano_usd=int(random.integers(10**6)) if random.random() < 0.8 else None,
            latency_ms=float(random.lognormal(5, 1)),
            error_type=one("timeout", None, None),
            segments=[
                {"key": key, "value": value}
                for key, value in (("tier", one("free", "enterprise", None)), ("lang", one("de", "en")))
                if value is not None
            ],
        )
        for number in range(count)
    ]
    given = [feedback(number, call, thumbs=one("up", "down")) for number, call in enumerate(calls[::3])]
    scores = [score(number, call, float(random.random())) for number, call in enumerate(calls[::4])]
    return calls, given, scores


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Only read, so made once."""
    calls, given, scores = rows(600)
    feed = Feed()
    with closing(Store.open(tmp_path_factory.mktemp("several"))) as store:
        store.commit(feed.batch(calls[:400], given, scores))
        store.commit(feed.batch(calls[400:]))
        yield store


def value(row: QuantityRow, name: str) -> object:
    return getattr(row, name.partition(":")[0])


def check(
    store: Store, by: Sequence[str], where: str, filters: Filters, segments: Sequence[str] = ()
) -> None:
    """Every row against plain SQL."""
    first, second = (COLUMNS.get(name, name) for name in by)
    plain = PLAIN.format(first=first, second=second, where=where)
    expected = {(each["first"], each["second"]): each for each in store.reader().rows(plain)}
    assert expected
    found = quantities(store.reader(), filters, Dimensions.parse(by, segments)).items
    if "version" in by:  # of its prompt
        assert all(row.prompt is not None for row in found)
    by_key: dict[tuple[object, object], list[QuantityRow]] = {}
    for row in found:
        by_key.setdefault((value(row, by[0]), value(row, by[1])), []).append(row)
    assert set(by_key) == set(expected)
    for key, same in by_key.items():
        plainly = expected[key]
        assert sum(row.requests for row in same) == plainly["requests"]
        assert sum(row.errors for row in same) == plainly["errors"]
        assert sum(row.cost_nano_usd or 0 for row in same) == plainly["cost"]
        assert sum(row.thumbs_up for row in same) == plainly["up"]
        if len(same) == 1:
            (row,) = same
            assert row.latency_ms_mean == pytest.approx(plainly["latency"])
            assert row.latency_ms_p95 == pytest.approx(plainly["p95"], rel=0.01)
            assert row.quality_mean == pytest.approx(plainly["quality"])


@pytest.mark.parametrize("by", list(combinations(DIMENSIONS, 2)))
def test_any_two_dimensions_say_what_plain_sql_says(several: Store, by: tuple[str, str]) -> None:
    check(several, by, "TRUE", Filters())


def test_which_version_is_cheaper_for_enterprise_users_lately_by_model(several: Store) -> None:
    since = START + timedelta(hours=24)
    where = f"""prompt = 'refund' AND requests.event_time >= '{since.isoformat()}'
        AND list_contains(segments, {{'key': 'tier', 'value': 'enterprise'}})"""
    filters = Filters(prompt="refund", since=since)
    check(several, ("version", "model"), where, filters, ["tier=enterprise"])
    short = quantities(several.reader(), filters, Dimensions.parse(["model"], ["tier=enterprise"])).items
    both = Dimensions.parse(["model", "version"], ["tier=enterprise"])
    assert short == quantities(several.reader(), filters, both).items  # a version is told apart by itself


@pytest.mark.parametrize("by", ["prompt", "version", "model", "environment", "app", "segment:tier"])
def test_one_dimension_adds_up_to_all(several: Store, by: str) -> None:
    found = quantities(several.reader(), Filters(), Dimensions.parse([by])).items
    assert sum(row.requests for row in found) == 600
    assert {row.version for row in found} == ({None} if by == "prompt" else {"1.0.0", "1.1.0"})


def test_rollups_and_raw_calls_agree(several: Store) -> None:
    """The same rows whether a segment that every call has is asked for or none."""
    by = Dimensions.parse(["version", "app"])
    assert not by.of_calls
    every = quantities(several.reader(), Filters(), by).items
    parts = [
        quantities(several.reader(), Filters(), Dimensions.parse(["version", "app"], [f"lang={lang}"])).items
        for lang in ("de", "en")
    ]
    for place, row in enumerate(every):
        assert row.requests == parts[0][place].requests + parts[1][place].requests
        assert row.cost_nano_usd == sum(part[place].cost_nano_usd or 0 for part in parts)
    (plain,) = versions(several.reader(), Filters(prompt="refund", version="1.0.0", app="mail")).items
    same = [row for row in every if (row.prompt, row.version, row.app) == ("refund", "1.0.0", "mail")]
    assert [(row.requests, row.latency_ms_p95, row.quality_mean) for row in same] == [
        (plain.requests, plain.latency_ms_p95, plain.quality_mean)
    ]


def test_who_preferred_a_version_is_a_row_of_its_own(store: Store) -> None:
    store.commit(Feed().batch([request(1, variant="preferred"), request(2), request(3)]))
    for by in (["version", "app"], ["version", "segment:tier"]):
        found = quantities(store.reader(), Filters(), Dimensions.parse(by))
        assert [(row.preferred, row.requests) for row in found.items] == [(False, 2), (True, 1)]
    found = quantities(store.reader(), Filters(), Dimensions.parse(["app", "segment:tier"]))
    assert [(row.segment, row.preferred, row.requests) for row in found.items] == [("", False, 3)]


def test_calls_can_be_of_two_segments_or_of_none(several: Store) -> None:
    def requests(*segments: str) -> int:
        found = quantities(several.reader(), Filters(), Dimensions.parse(["prompt"], segments)).items
        return sum(row.requests for row in found)

    both = requests("tier=free", "lang=de")
    assert 0 < both < requests("tier=free")
    assert both + requests("tier=free", "lang=en") == requests("tier=free")
    assert requests("tier=") + requests("tier=free") + requests("tier=enterprise") == 600
    assert requests("tier=it's {odd}") == 0


def test_pages_follow_each_other(several: Store) -> None:
    for by in (["version", "model"], ["environment", "segment:tier"]):
        dimensions = Dimensions.parse(by)
        whole = quantities(several.reader(), Filters(), dimensions).items
        got: list[QuantityRow] = []
        cursor = None
        while True:
            page = quantities(several.reader(), Filters(), dimensions, limit=4, cursor=cursor)
            got += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
        assert got == whole


def test_a_period_with_too_many_raw_calls_is_refused_before_any_is_read(several: Store) -> None:
    by = Dimensions.parse(["segment:tier"])
    with pytest.raises(InvalidParameter, match=r"about 600 raw calls.*may read 599.*later `since`"):
        quantities(several.reader(), Filters(), by, most_calls=599)
    assert quantities(several.reader(), Filters(since=START + timedelta(days=1)), by, most_calls=599).items


def test_nothing_is_no_rows(store: Store) -> None:
    for by in (["app", "model"], ["segment:tier"]):
        assert quantities(store.reader(), Filters(), Dimensions.parse(by)).items == []
        empty = Filters(since=START, until=START)
        assert quantities(store.reader(), empty, Dimensions.parse(by)).items == []


@pytest.mark.parametrize(
    ("by", "segments", "named"),
    [
        (["tier"], [], "segment:tier"),
        (["segment:"], [], "segment:KEY"),
        (["app", "app"], [], "each once"),
        (["app", "model", "prompt"], [], "one or two"),
        (["segment:a", "segment:b"], [], "only one"),
        ([], ["tier"], "KEY=VALUE"),
        ([], ["=x"], "KEY=VALUE"),
        ([], ["a=1", "a=2"], "twice"),
    ],
)
def test_what_cannot_be_asked_is_refused(by: list[str], segments: list[str], named: str) -> None:
    with pytest.raises(InvalidParameter, match=named):
        Dimensions.parse(by, segments)
