"""Values beyond the declared range of their name."""

from typing import Any

import pytest

from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.events import EventName
from coalmine_schemas.ranges import DEFAULT_RANGES, Range
from coalmine_schemas.resolver import SchemaResolver
from tests.support.data.example_events import frame

STARS = {**DEFAULT_RANGES, "stars": Range(-2, 10)}


def scored(name: str, value: float) -> tuple[EventName, dict[str, Any]]:
    return "scores", {"name": name, "value": value}


def measured(**metrics: float) -> tuple[EventName, dict[str, Any]]:
    return "requests", {"metrics": metrics}


@pytest.mark.parametrize("trail", [b"", b"x"], ids=["all at once", "beside a bad one"])
@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (scored("quality", 1e15), "quality is 1e+15, beyond its range from 0 to 1"),
        (scored("quality", -1e-9), "quality is -1e-09, beyond its range from 0 to 1"),
        (scored("quality", 1.0000001), "quality is 1.0000001, beyond its range from 0 to 1"),
        (scored("stars", 10.5), "stars is 10.5, beyond its range from -2 to 10"),
        (measured(other=1e15, quality=7.3), "quality is 7.3, beyond its range from 0 to 1"),
        (measured(stars=-3), "stars is -3, beyond its range from -2 to 10"),
    ],
)
def test_a_value_beyond_its_range_is_no_row(
    given: tuple[EventName, dict[str, Any]], reason: str, trail: bytes
) -> None:
    event, values = given
    good = frame(event)
    decoder = BatchDecoder(SchemaResolver(), ranges=STARS)
    result = decoder.decode(event, [good, frame(event, **values), good, *([good + trail] if trail else [])])
    assert result.rows.tolist() == [0, 2]
    failure = result.failures[0]
    assert (failure.index, failure.stage, failure.reason) == (1, "validate", reason)
    assert failure.schema_ref is not None


@pytest.mark.parametrize(
    "given",
    [
        scored("quality", 0.0),
        scored("quality", 1.0),
        scored("stars", 10.0),
        scored("other", -1e14),
        scored("quality ", 7.3),
        measured(other=1e15, quality=0.0),
        measured(),
    ],
)
def test_values_within_their_range_and_names_without_one_pass(
    given: tuple[EventName, dict[str, Any]],
) -> None:
    event, values = given
    result = BatchDecoder(SchemaResolver(), ranges=STARS).decode(event, [frame(event, **values)])
    assert (len(result.failures), result.table.num_rows) == (0, 1)
