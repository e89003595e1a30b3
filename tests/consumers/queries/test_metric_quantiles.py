import numpy as np
import pytest

from coalmine_consumers.queries import Filters, quantiles
from coalmine_consumers.results import QuantileMetric, Quantiles
from coalmine_consumers.store import Store
from coalmine_schemas.errors import InvalidParameter

METRICS: list[QuantileMetric] = ["latency_ms", "time_to_first_token_ms", "cost_nano_usd"]
AT = (0.0, 0.01, 0.5, 0.9, 0.99, 1.0)


@pytest.mark.parametrize("metric", METRICS)
def test_quantiles_are_within_one_percent_of_those_of_raw_rows(filled: Store, metric: QuantileMetric) -> None:
    found = quantiles(filled.reader(), metric, AT, Filters(environment="prod")).items
    raw = filled.reader().table(
        f"SELECT prompt, version, {metric} AS value FROM requests "
        f"WHERE environment = 'prod' AND {metric} IS NOT NULL"
    )
    assert {(row.prompt, row.version) for row in found} == set(
        zip(raw["prompt"].to_pylist(), raw["version"].to_pylist(), strict=True)
    )
    for row in found:
        mine = [
            each["value"]
            for each in raw.to_pylist()
            if (each["prompt"], each["version"]) == (row.prompt, row.version)
        ]
        assert row.n == len(mine)
        for quantile, exact in zip(row.quantiles, np.quantile(mine, AT), strict=True):
            assert quantile.value == pytest.approx(exact, rel=0.01 + 1e-9)


def test_only_what_has_a_histogram_has_quantiles(filled: Store) -> None:
    with pytest.raises(InvalidParameter):
        quantiles(filled.reader(), "rating")  # type: ignore[arg-type]
    with pytest.raises(InvalidParameter):
        quantiles(filled.reader(), "latency_ms", [1.5])


def test_quantiles_of_nothing_are_no_rows(store: Store) -> None:
    assert quantiles(store.reader(), "latency_ms") == Quantiles("latency_ms", [])
