from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import pytest

from coalmine_dashboards.api.reading import UnreadableAnswer, read_answer


@dataclass(frozen=True)
class Inner:
    n: int


@dataclass(frozen=True)
class Outer:
    name: str
    share: float
    amount: Decimal | None
    at: datetime
    inner: Inner
    several: tuple[Inner, ...]
    by_name: dict[str, tuple[str, ...]]
    step: Literal["minute", "hour"]


GOOD: dict[str, Any] = {
    "name": "x",
    "share": 1,
    "amount": "0.000000001",
    "at": "2026-03-01T12:00:00Z",
    "inner": {"n": 1},
    "several": [{"n": 2}, {"n": 3}],
    "by_name": {"a": ["1", "2"]},
    "step": "hour",
}


def test_a_document_becomes_its_dataclass_exactly() -> None:
    answer = read_answer(Outer, GOOD)
    assert answer == Outer(
        name="x",
        share=1.0,
        amount=Decimal("1E-9"),
        at=datetime(2026, 3, 1, 12, tzinfo=UTC),
        inner=Inner(1),
        several=(Inner(2), Inner(3)),
        by_name={"a": ("1", "2")},
        step="hour",
    )


def test_what_a_newer_server_says_besides_is_ignored() -> None:
    assert read_answer(Outer, {**GOOD, "new": 1}) == read_answer(Outer, GOOD)


def test_null_is_none_where_it_may_be() -> None:
    assert read_answer(Outer, {**GOOD, "amount": None}).amount is None


def test_a_time_without_a_zone_is_utc() -> None:
    assert read_answer(Outer, {**GOOD, "at": "2026-03-01T12:00:00"}).at.tzinfo is UTC


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": None}, "the answer.name is None"),
        ({"name": 5}, "the answer.name is 5"),
        ({"share": "1"}, "the answer.share is '1'"),
        ({"share": True}, "the answer.share is True"),
        ({"amount": "much"}, "the answer.amount is no number"),
        ({"amount": 5}, "the answer.amount is 5"),
        ({"at": "noon"}, "the answer.at is no time"),
        ({"inner": []}, "the answer.inner is not an object"),
        ({"inner": {}}, "the answer.inner has no n"),
        ({"several": [{"n": 2}, {"n": 2.5}]}, r"the answer.several\[1\].n is 2.5"),
        ({"several": {}}, "the answer.several is {}"),
        ({"by_name": {"a": [1]}}, r"the answer.by_name\['a'\]\[0\] is 1"),
        ({"step": "week"}, "the answer.step is 'week'"),
    ],
)
def test_a_field_that_is_not_what_it_should_be_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UnreadableAnswer, match=message):
        read_answer(Outer, {**GOOD, **change})


def test_a_missing_field_is_named() -> None:
    document = {name: value for name, value in GOOD.items() if name != "at"}
    with pytest.raises(UnreadableAnswer, match="the answer has no at"):
        read_answer(Outer, document)


@pytest.mark.parametrize("document", [None, [], "text", 5])
def test_what_is_no_object_is_no_answer(document: object) -> None:
    with pytest.raises(UnreadableAnswer, match="not an object"):
        read_answer(Outer, document)
