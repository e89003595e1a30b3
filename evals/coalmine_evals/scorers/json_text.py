"""Finds the JSON value in an answer."""

import json
from collections.abc import Mapping
from typing import Final, Never

import regex

from coalmine_schemas.prompts.json_values import JsonValue

_FENCED: Final = regex.compile(r"```[\w+-]*[ \t]*\r?\n(.*?)\n?[ \t]*```", regex.DOTALL)


class NotJson(Exception):
    """A text is no JSON; the message says where it stops being so."""


def json_of(text: str, *, fenced: bool = True) -> JsonValue:
    """The JSON value that a text is.

    Args:
        text: Nothing but JSON, or JSON within three backticks with words around it.
        fenced: Whether the latter is allowed; the last one counts then.

    Raises:
        NotJson: It is none.
    """
    inside = _FENCED.findall(text) if fenced else []
    try:
        value: JsonValue = json.loads(inside[-1] if inside else text, parse_constant=_refuse)
    except RecursionError:
        raise NotJson("it nests too deep") from None
    except ValueError as error:  # an integer of more than 4,300 digits, too
        raise NotJson(f"it is not JSON: {error}") from None
    return value


def same_json(one: JsonValue, other: JsonValue) -> bool:
    """Whether two values are the same in JSON: it has one kind of number, and objects have no order."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same_json(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same_json, one, other))
    return isinstance(one, bool) is isinstance(other, bool) and one == other


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is not a number of JSON")
