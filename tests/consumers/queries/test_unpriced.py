"""Calls without a cost are counted by model, apart from those that say no tokens."""

from typing import Any

from coalmine_consumers.queries import Filters, unpriced, versions
from coalmine_consumers.results import UnpricedRow
from coalmine_consumers.store import Store
from tests.support.data.store_feed import Feed, request


def test_models_with_unpriced_calls_are_listed_with_what_is_missing(store: Store) -> None:
    tokens: dict[str, Any] = {"input_tokens": 10, "output_tokens": 1}
    rows = [
        *(request(number, **tokens, cost_nano_usd=3_500_000) for number in range(2)),
        *(request(number, **tokens, request_model="my-llama") for number in range(2, 7)),
        *(request(number, request_model="my-llama") for number in range(7, 9)),
        request(9, request_model="my-llama", error_type="TimeoutError"),
        request(10, **tokens, request_model="other", prompt="greet"),
    ]
    store.commit(Feed().batch(rows))
    llama = UnpricedRow(
        model="my-llama", requests=8, errors=1, priced_requests=0, without_usage=3, without_price=5
    )
    other = UnpricedRow(
        model="other", requests=1, errors=0, priced_requests=0, without_usage=0, without_price=1
    )
    reader = store.reader()
    assert unpriced(reader, Filters(), limit=10) == [llama, other]
    assert unpriced(reader, Filters(), limit=1) == [llama]
    assert unpriced(reader, Filters(prompt="greet"), limit=10) == [other]
    assert unpriced(reader, Filters(prompt="nothing"), limit=10) == []
    (row,) = versions(reader, Filters(prompt="refund")).items
    assert (row.requests, row.priced_requests) == (10, 2)
    assert (row.cost_usd, row.cost_usd_per_request) == (0.007, 0.0035)


def test_calls_whose_cost_was_stated_without_tokens_do_not_lack_them(store: Store) -> None:
    stated = [request(number, cost_nano_usd=9, cost_source="gateway") for number in range(3)]
    store.commit(Feed().batch([*stated, request(3), request(4)]))
    (row,) = unpriced(store.reader(), Filters(), limit=10)
    assert (row.requests, row.priced_requests, row.without_usage, row.without_price) == (5, 3, 2, 0)
