"""From parsed JSON to the dataclasses of `answers`, by their own field types."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

_Answer = TypeVar("_Answer")


class UnreadableAnswer(ValueError):
    """A field is missing, or is not what it should be."""


def read_answer(kind: type[_Answer], document: object, where: str = "the answer") -> _Answer:
    """The document as that dataclass. Fields it does not have are ignored: a newer server may send more.

    Raises:
        UnreadableAnswer: A field is missing, or is not what it should be.
    """
    if not isinstance(document, Mapping):
        raise UnreadableAnswer(f"{where} is not an object")
    values: dict[str, Any] = {}
    for name, hint in _fields(cast("Any", kind)):
        if name not in document:
            raise UnreadableAnswer(f"{where} has no {name}")
        values[name] = _value(document[name], hint, f"{where}.{name}")
    return kind(**values)


@cache
def _fields(kind: type) -> tuple[tuple[str, Any], ...]:
    hints = get_type_hints(kind)
    return tuple((field.name, hints[field.name]) for field in fields(cast("Any", kind)))


def _value(value: Any, hint: Any, where: str) -> Any:  # noqa: ANN401 - any JSON value, any type
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if value is None:
            return None
        [hint] = [argument for argument in arguments if argument is not NoneType]
        return _value(value, hint, where)
    if origin is tuple and isinstance(value, list):
        return tuple(_value(item, arguments[0], f"{where}[{index}]") for index, item in enumerate(value))
    if origin is dict and isinstance(value, Mapping):
        return {key: _value(item, arguments[1], f"{where}[{key!r}]") for key, item in value.items()}
    if origin is Literal and value in arguments:
        return value
    if origin is None:
        return _plain(value, hint, where)
    raise UnreadableAnswer(f"{where} is {value!r:.80}")


def _plain(value: Any, kind: type, where: str) -> Any:  # noqa: ANN401 - any JSON value
    """A value of one of JSON's own types, or of those that JSON writes as text."""
    if kind is datetime and isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise UnreadableAnswer(f"{where} is no time: {value!r:.80}") from error
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    if kind is Decimal and isinstance(value, str):
        try:
            return Decimal(value)
        except InvalidOperation as error:
            raise UnreadableAnswer(f"{where} is no number: {value!r:.80}") from error
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind in (str, int, float, bool) and type(value) is kind:
        return value
    if hasattr(kind, "__dataclass_fields__"):
        return read_answer(kind, value, where)
    raise UnreadableAnswer(f"{where} is {value!r:.80}")
