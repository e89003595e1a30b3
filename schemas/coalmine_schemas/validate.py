"""Checks the rules of `rules.py` on columns. Good columns cost a look at their least and greatest value."""

from functools import singledispatch
from typing import Any

import numpy as np
import pyarrow as pa

from coalmine_schemas.events import EventName
from coalmine_schemas.limits import ID_CHARS, MAX_NUMBER, NAME_CHARS, NAMES_PER_EVENT
from coalmine_schemas.rules import RULES, Instant, Items, Length, Number, Numbers, Rule, Texts, Uuid
from coalmine_schemas.vectorised.columns import (
    BoolArray,
    IntArray,
    numbers,
    offsets,
    rows_of,
    text_bytes,
    valid_rows,
)

_NONE: IntArray = np.empty(0, np.int64)
_UUID_SIZE = 36
_HYPHENS = (8, 13, 18, 23)
_HEX = b"0123456789abcdefABCDEF"


def broken_rules(event: EventName, batch: pa.RecordBatch) -> dict[int, str]:
    """Rows of a canonical batch that break a rule, each with the first it breaks, in words.

    The same rows and words as `rules.first_problem` gives record by record.
    """
    broken: dict[int, str] = {}
    for rule in RULES[event]:
        column = batch.column(batch.schema.get_field_index(rule.field))
        for row in _suspects(rule, column).tolist():
            if row not in broken:
                problem = _problem(rule, column[row])
                if problem is not None:
                    broken[row] = problem
    return broken


def _problem(rule: Rule, scalar: Any) -> str | None:  # noqa: ANN401 - a pyarrow.Scalar
    if not scalar.is_valid:
        return None
    if isinstance(rule, Instant):
        return rule.problem(scalar.value)  # as a number: Python has no datetime for what breaks this rule
    value = scalar.as_py()
    if isinstance(rule, Numbers | Texts):
        value = {item["key"]: item["value"] for item in value}
    return rule.problem(value)


@singledispatch
def _suspects(rule: Rule, column: pa.Array) -> IntArray:
    """Rows that may break a rule, ascending; none of those left out does."""
    raise NotImplementedError(type(rule))


@_suspects.register
def _(rule: Length, column: pa.Array) -> IntArray:
    sizes = np.diff(offsets(column))  # bytes, of which a text has at least as many as characters
    return np.flatnonzero((sizes < rule.least) | (sizes > rule.most))


@_suspects.register
def _(_rule: Uuid, column: pa.Array) -> IntArray:
    begins = offsets(column)
    data = text_bytes(column)[begins[0] : begins[-1]]
    if (np.diff(begins) == _UUID_SIZE).all():
        texts = data.reshape(-1, _UUID_SIZE)
        # All 36 characters are hexadecimal or hyphens, of which there are as many as have their places.
        rest = data.tobytes().translate(None, _HEX)
        if rest == b"-" * (4 * len(texts)) and all((texts[:, at] == ord("-")).all() for at in _HYPHENS):
            return _NONE
    return np.arange(len(column))


@_suspects.register
def _(rule: Number, column: pa.Array) -> IntArray:
    values = numbers(column, column.type.to_pandas_dtype())
    return _outside(values, rule.low, rule.high, valid_rows(column))


@_suspects.register
def _(rule: Instant, column: pa.Array) -> IntArray:
    return _outside(numbers(column, np.int64), *rule.bounds_us, valid_rows(column))


@_suspects.register
def _(_rule: Numbers, column: pa.Array) -> IntArray:
    values = numbers(column.values.field(1), np.float64)
    return _suspect_maps(column, _outside(values, -MAX_NUMBER, MAX_NUMBER, None))


@_suspects.register
def _(_rule: Texts, column: pa.Array) -> IntArray:
    return _suspect_maps(column, np.flatnonzero(np.diff(offsets(column.values.field(1))) > ID_CHARS))


@_suspects.register
def _(_rule: Items, column: pa.Array) -> IntArray:
    return np.flatnonzero(np.diff(offsets(column)))  # deployments: a few a day


def _suspect_maps(column: pa.Array, bad_values: IntArray) -> IntArray:
    """Rows with many entries, a long key or a bad value."""
    many = np.flatnonzero(np.diff(offsets(column)) > NAMES_PER_EVENT)
    long = np.flatnonzero(np.diff(offsets(column.values.field(0))) > NAME_CHARS)
    if not (len(many) or len(long) or len(bad_values)):
        return _NONE
    return np.unique(np.concatenate([many, rows_of(np.concatenate([long, bad_values]), column)]))


def _outside(values: Any, low: float, high: float, valid: BoolArray | None) -> IntArray:  # noqa: ANN401 - any dtype
    if not len(values):
        return _NONE
    least, greatest = values.min(), values.max()
    # Comparisons with NaN are false, and the least of an array with a NaN is NaN.
    if least >= low and greatest <= high and np.isfinite(least) and np.isfinite(greatest):
        return _NONE
    bad = ~(np.isfinite(values) & (values >= low) & (values <= high))
    return np.flatnonzero(bad if valid is None else bad & valid)
