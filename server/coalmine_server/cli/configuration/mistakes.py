"""Mistakes of files of configuration, each with its file, its line, the key, and what to write instead."""

import re
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ValidationError

from coalmine_schemas.errors import nearest
from coalmine_schemas.prompts.errors import InvalidPrompt, short

Place = tuple[str | int, ...]
"""Keys and indices that lead to a value."""

_WORDS: Final = {
    "missing": "it is missing: give it",
    "string_type": "give a text; put numbers such as versions in quotes",
    "dict_type": "give a mapping of names to values",
    "model_type": "give a mapping of names to values",
    "list_type": "give a list",
}
"""What is said in place of pydantic's own text."""
_QUOTES: Final = "'\""


def mistakes_of(path: Path, text: str, model: type[BaseModel], error: ValidationError) -> list[str]:
    """Returns `FILE:LINE: KEY is VALUE: what to write instead`, one for each mistake."""
    return [_told(path, text, model, each) for each in error.errors()]


def mistake_at(path: Path, text: str, error: InvalidPrompt) -> str:
    """Returns `FILE:LINE: KEY is VALUE: what to write instead` for what a part's own reader found."""
    if error.line is not None:
        return f"{path}:{error.line}: {str(error).replace('front matter', path.name, 1)}"
    if error.field == "front matter":  # a key that may not be so, or the file as a whole
        key = error.value.strip(_QUOTES)
        what = "a key" if key in text else path.name
        return f"{at(path, text, (key,))}: {what} is {error.value}: {error.remedy}"
    field = error.field.removeprefix("a key of ")
    parts: Place = tuple(int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", field))
    if field != error.field:
        parts = (*parts, error.value.strip(_QUOTES))
    return f"{at(path, text, parts)}: {error}"


def at(path: Path, text: str, place: Place) -> str:
    """Returns `FILE:LINE` of a value; of what holds it, where it is missing."""
    return f"{path}:{_line_of(text, place)}"


def _told(path: Path, text: str, model: type[BaseModel], error: Any) -> str:  # noqa: ANN401 - pydantic's
    # Of a union pydantic adds which of its kinds it tried: no key of the file.
    place: Place = tuple(each for each in error["loc"] if each not in ("str", "dict[str,any]", "[key]"))
    where = f"{at(path, text, place)}: "
    if error["type"] == "extra_forbidden":
        known = sorted(_keys_at(model, place[:-1]))
        near = nearest(str(place[-1]), known)
        within = _dotted(place[:-1])
        of = f" of {within}" if within else ""
        return f"{where}unknown key {short(place[-1])}{of}: " + (
            f"did you mean {near}?" if near else f"known are {', '.join(known)}"
        )
    name = _dotted(place) or path.name
    said = _WORDS.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        return f"{where}{name}: {said}"
    return f"{where}{name} is {short(error['input'])}: {said}"


def _dotted(place: Sequence[str | int]) -> str:
    text = ""
    for each in place:
        text += f"[{each}]" if isinstance(each, int) else f".{each}" if text else each
    return text


def _keys_at(model: type[BaseModel], place: Place) -> set[str]:
    """Names of the keys that a place of a model has."""
    found = {model}
    for step in place:
        inner: set[type[BaseModel]] = set()
        for each in found:
            if isinstance(step, str) and step in each.model_fields:
                inner |= set(_models_in(each.model_fields[step].annotation))
        found = inner or found  # an index, or a name in a mapping, leads to no other model
    return {name for each in found for name in each.model_fields}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for each in typing.get_args(annotation):
        yield from _models_in(each)


def _line_of(text: str, place: Place) -> int:
    """The line of the deepest part of a place that stands in the file, from 1."""
    line = 1
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):  # which is the mistake that is told
        return line
    for step in place:
        match node:
            case yaml.MappingNode():
                pair = next((each for each in node.value if each[0].value == str(step)), None)
                if pair is None:
                    return line
                line, node = pair[0].start_mark.line + 1, pair[1]
            case yaml.SequenceNode() if isinstance(step, int) and step < len(node.value):
                node = node.value[step]
                line = node.start_mark.line + 1
            case _:
                return line
    return line
