"""What calls cost is summed by prompt, version, model, app, environment, segment and user."""

from datetime import timedelta
from statistics import stdev

import pytest

from coalmine_consumers.queries import Filters, costliest_models, costs, versions
from coalmine_consumers.results import CostDimension, Costs
from coalmine_consumers.store import Store
from tests.support.data.store_feed import START, Feed, Row, request

HOUR = timedelta(hours=1)
LATER = START + timedelta(days=2)


def usd(found: Costs) -> dict[str | None, float | None]:
    return {row.name: row.cost_usd for row in found.items}


def segments(**values: str) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


CALLS: list[Row] = [
    request(0, cost_nano_usd=3_000_000_000, unit_id="ada", segments=segments(lang="de", plan="pro")),
    request(1, cost_nano_usd=1_000_000_000, unit_id="ada", segments=segments(lang="en")),
    request(2, START + HOUR, cost_nano_usd=2_000_000_000, unit_id="bob", version="1.1.0"),
    request(
        3, START + 2 * HOUR, cost_nano_usd=5_000_000_000, unit_id="cyd", app="mail", request_model="gpt-4o"
    ),
    request(4, START + 2 * HOUR, unit_id="cyd", prompt="greet", environment="dev", error_type="TimeoutError"),
]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("prompt", {"refund": 11.0, "greet": None}),
        ("version", {"1.0.0": 9.0, "1.1.0": 2.0}),
        ("model", {"gpt-4o-mini": 6.0, "gpt-4o": 5.0}),
        ("app", {"support": 6.0, "mail": 5.0}),
        ("environment", {"prod": 11.0, "dev": None}),
        ("segment", {None: 7.0, "de": 3.0, "en": 1.0}),
        ("user", {"cyd": 5.0, "ada": 4.0, "bob": 2.0}),
    ],
)
def test_each_dimension_adds_up_to_the_same(
    store: Store, by: CostDimension, expected: dict[str | None, float | None]
) -> None:
    feed = Feed()
    store.commit(feed.batch(CALLS[:3]))
    store.commit(feed.batch(CALLS[3:]))
    chosen = Filters(prompt="refund") if by == "version" else Filters()
    found = costs(store.reader(), chosen, by, private=True, now=LATER)
    assert usd(found) == expected
    assert list(usd(found)) == list(expected)  # the costliest first
    assert (found.cost_usd, found.priced_requests) == (11.0, 4)
    assert found.requests == (4 if by == "version" else 5)
    assert found.groups == len(expected)
    if by == "model":
        assert costliest_models(store.reader(), chosen, 10) == [*expected]
    assert sum(point.cost_usd for point in found.series) == 11.0
    assert not any(point.others for point in found.series)


def test_a_segment_is_chosen_or_the_most_used_one(store: Store) -> None:
    store.commit(Feed().batch(CALLS))
    found = costs(store.reader(), Filters(), "segment", now=LATER)
    assert (found.segment, found.segment_keys) == ("lang", ["lang", "plan"])
    found = costs(store.reader(), Filters(), "segment", segment="plan", now=LATER)
    assert usd(found) == {None: 8.0, "pro": 3.0}
    found = costs(store.reader(), Filters(prompt="nothing"), "segment", segment="never", now=LATER)
    assert (found.items, found.cost_usd, found.series) == ([], None, [])


def test_users_are_numbered_for_who_may_not_see_them(store: Store) -> None:
    store.commit(Feed().batch(CALLS))
    found = costs(store.reader(), Filters(), "user", now=LATER)
    assert usd(found) == {"#1": 5.0, "#2": 4.0, "#3": 2.0}
    assert {point.name for point in found.series} == {"#1", "#2", "#3"}


def test_raw_rows_are_read_for_some_days_only(store: Store) -> None:
    store.commit(Feed().batch(CALLS))
    asked_later = START + timedelta(days=7, hours=1)
    found = costs(store.reader(), Filters(), "user", private=True, now=asked_later)
    assert usd(found) == {"cyd": 5.0, "bob": 2.0}
    assert found.since == START + HOUR
    found = costs(store.reader(), Filters(until=START + HOUR), "user", private=True, now=asked_later)
    assert usd(found) == {"ada": 4.0}


def test_tokens_are_means_over_the_calls_that_report_them(store: Store) -> None:
    rows = [
        request(0, input_tokens=100, cached_input_tokens=30, output_tokens=10),
        request(1, input_tokens=300, output_tokens=20),
        request(2),
    ]
    store.commit(Feed().batch(rows))
    for by in ("model", "user"):
        found = costs(store.reader(), Filters(), by, private=True, now=LATER).items
        means = [
            (
                row.input_tokens_per_request,
                row.cached_input_tokens_per_request,
                row.output_tokens_per_request,
            )
            for row in found
        ]
        one = [(200.0, 15.0, 15.0)]
        each = [(100.0, 30.0, 10.0), (300.0, None, 20.0), (None, None, None)]
        assert means == (one if by == "model" else each)


def test_what_calls_vary_by_is_that_of_the_calls_themselves(store: Store) -> None:
    feed = Feed()
    spent = [10_000_000_000_000 + 1_000 * (number * 37 % 101) for number in range(60)]
    for start in (0, 20, 40):
        rows = [
            request(number, START + number * HOUR / 7, cost_nano_usd=spent[number])
            for number in range(start, start + 20)
        ]
        store.commit(feed.batch(rows))
    for by in ("prompt", "segment"):
        (row,) = costs(store.reader(), Filters(), by, now=LATER).items
        assert row.cost_usd_per_request_sd == pytest.approx(stdev(spent) / 1e9, rel=1e-3)
        assert row.cost_nano_usd == sum(spent)


def test_few_are_told_apart_over_time_and_the_rest_is_one(store: Store) -> None:
    rows = [
        request(n, START + n % 3 * HOUR, prompt=f"p{n % 12}", cost_nano_usd=(n + 1) * 10**9)
        for n in range(48)
    ]
    store.commit(Feed().batch(rows))
    found = costs(store.reader(), Filters(), "prompt", limit=9, now=LATER)
    assert (len(found.items), found.groups) == (9, 12)
    names = {point.name for point in found.series if not point.others}
    assert names == {row.name for row in found.items[:7]}
    assert sum(point.cost_usd for point in found.series) == found.cost_usd == sum(range(1, 49))
    rest = [point for point in found.series if point.others]
    assert {point.name for point in rest} == {None}
    assert sum(point.cost_usd for point in rest) == found.cost_usd - sum(
        row.cost_usd or 0 for row in found.items[:7]
    )


def test_it_agrees_with_the_measures_of_versions(filled: Store) -> None:
    reader = filled.reader()
    chosen = Filters(since=START + 5 * HOUR, until=START + 40 * HOUR)
    ours = {
        (row.prompt, row.name): (row.requests, row.errors, row.cost_nano_usd, row.models)
        for row in costs(reader, chosen, "version").items
    }
    theirs = {
        (row.prompt, row.version): (row.requests, row.errors, row.cost_nano_usd, row.models)
        for row in versions(reader, chosen).items
        if not row.preferred
    }
    assert ours == theirs
