from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coalmine_consumers.aggregation.histograms import (
    GAMMA,
    RELATIVE_ERROR,
    ZERO_BUCKET,
    bucket_of,
    quantiles,
    value_of,
)

SHAPES: dict[str, Callable[[np.random.Generator, int], np.ndarray[Any, np.dtype[np.float64]]]] = {
    "uniform": lambda r, n: r.uniform(0, 1000, n),
    "narrow": lambda r, n: r.normal(500, 1e-3, n),
    "normal": lambda r, n: np.abs(r.normal(0, 50, n)),
    "lognormal": lambda r, n: r.lognormal(6, 1, n),
    "wild lognormal": lambda r, n: r.lognormal(0, 12, n),
    "exponential": lambda r, n: r.exponential(300, n),
    "pareto": lambda r, n: r.pareto(0.7, n),
    "zipf": lambda r, n: r.zipf(1.3, n).astype(np.float64),
    "poisson": lambda r, n: r.poisson(2, n).astype(np.float64),
    "two humps": lambda r, n: np.where(r.random(n) < 0.9, r.normal(100, 5, n), r.normal(30_000, 500, n)),
    "mostly zero": lambda r, n: np.where(r.random(n) < 0.8, 0.0, r.lognormal(3, 1, n)),
    "constant": lambda r, n: np.full(n, 42.0),
    "tiny": lambda r, n: r.uniform(1e-300, 1e-290, n),
    "huge": lambda r, n: r.uniform(1e300, 1e308, n),
    "powers of gamma": lambda r, n: GAMMA ** r.integers(-50, 400, n).astype(np.float64),
}
SLACK = 1e-9  # a value on the border of two buckets may fall into either, by rounding


def within_bound(found: float, exact: float) -> bool:
    return abs(found - exact) <= (RELATIVE_ERROR + SLACK) * abs(exact)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [1, 2, 3, 10, 997, 20_000])
def test_quantiles_are_within_one_percent_of_numpys_for_every_shape(shape: str, n: int) -> None:
    values = SHAPES[shape](np.random.default_rng(n), n)
    at = [0.0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 1.0]
    found = quantiles(bucket_of(values), np.ones(n, np.int64), at)
    for q, value in zip(at, found, strict=True):
        assert value is not None
        # The mean of two doubles may exceed what a double holds, which is numpy's trouble, not ours.
        low, high = (float(np.quantile(values, q, method=method)) for method in ("lower", "higher"))
        exact = low + (high - low) * (q * (n - 1) - np.floor(q * (n - 1)))
        assert within_bound(value, exact), (q, value, exact)


@given(st.lists(st.floats(min_value=0, max_value=1.7e308, allow_subnormal=True), min_size=1))
def test_a_bucket_answers_within_one_percent_for_any_value(values: list[float]) -> None:
    array = np.array(values)
    for value, answer in zip(values, value_of(bucket_of(array)), strict=True):
        # Below the normal range doubles are too far apart for one percent of anything.
        assert within_bound(float(answer), value) or value < 1e-305


@given(
    st.lists(st.floats(min_value=0, max_value=1e12), min_size=1),
    st.lists(st.floats(min_value=0, max_value=1e12), min_size=1),
    st.floats(min_value=0, max_value=1),
)
def test_adding_counts_is_the_histogram_of_both(left: list[float], right: list[float], q: float) -> None:
    both = bucket_of(np.array(left + right))
    distinct, counts = np.unique(both, return_counts=True)
    parts = [np.unique(bucket_of(np.array(part)), return_counts=True) for part in (left, right)]
    added = quantiles(
        np.concatenate([buckets for buckets, _ in parts]),
        np.concatenate([counts for _, counts in parts]),
        [q],
    )
    assert added == quantiles(distinct, counts, [q])


def test_zero_has_a_bucket_of_its_own_below_all_others() -> None:
    buckets = bucket_of(np.array([0.0, 5e-324, 1.0]))
    assert buckets[0] == ZERO_BUCKET < buckets[1] < buckets[2] == 0
    assert list(value_of(buckets[:1])) == [0.0]


def test_whole_numbers_are_bucketed_like_floats() -> None:
    amounts = np.array([0, 1, 999, 2**62], np.int64)
    assert list(bucket_of(amounts)) == list(bucket_of(amounts.astype(np.float64)))


def test_no_values_have_no_quantile() -> None:
    empty = np.empty(0, np.int32)
    assert quantiles(empty, np.empty(0, np.int64), [0.5, 0.9]) == [None, None]
