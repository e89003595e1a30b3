"""Reads fields of JSON objects, and reports the one that is wrong."""

from collections.abc import Iterable, Mapping
from typing import Any

from coalmine_schemas.errors import nearest
from coalmine_schemas.prompts.errors import InvalidPrompt


def object_of(value: object, field: str) -> Mapping[str, Any]:
    """The value, if it is an object.

    Raises:
        InvalidPrompt: It is not valid.
    """
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return value
    raise InvalidPrompt(field, value, "give a mapping of names to values")


def list_of(value: object, field: str) -> list[Any] | tuple[Any, ...]:
    """The value, if it is a list.

    Raises:
        InvalidPrompt: It is not valid.
    """
    if isinstance(value, list | tuple):
        return value
    raise InvalidPrompt(field, value, "give a list")


def refuse_unknown(found: Mapping[str, Any], known: Iterable[str], field: str) -> None:
    """Rejects unknown keys, and names the nearest known one.

    Raises:
        InvalidPrompt: There is one.
    """
    known = tuple(known)
    for key in found:
        if key not in known:
            near = nearest(key, known)
            hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
            raise InvalidPrompt(f"a key of {field}" if field else "a key", key, hint)


def text(found: Mapping[str, Any], key: str, field: str, default: str | None = None) -> str:
    """A text of the object; `default`, if given, when it is missing.

    Raises:
        InvalidPrompt: It is not text, or missing without a default.
    """
    value = found.get(key, default)
    if isinstance(value, str):
        return value
    raise InvalidPrompt(_path(field, key), value, "give a text")


def optional_text(found: Mapping[str, Any], key: str, field: str) -> str | None:
    """A text of the object, or None.

    Raises:
        InvalidPrompt: It is something else.
    """
    return None if found.get(key) is None else text(found, key, field)


def optional_bool(found: Mapping[str, Any], key: str, field: str, *, default: bool) -> bool:
    """A boolean of the object, or the default.

    Raises:
        InvalidPrompt: It is something else.
    """
    value = found.get(key, default)
    if isinstance(value, bool):
        return value
    raise InvalidPrompt(_path(field, key), value, "give true or false")


def integer(found: Mapping[str, Any], key: str, field: str, *, at_least: int) -> int:
    """An integer of the object.

    Raises:
        InvalidPrompt: It is not a whole number, or too small.
    """
    value = found.get(key)
    if isinstance(value, int) and not isinstance(value, bool) and value >= at_least:
        return value
    raise InvalidPrompt(_path(field, key), value, f"give an integer of at least {at_least}")


def _path(field: str, key: str) -> str:
    return f"{field}.{key}" if field else key
