"""Simulations as TOML files: the fields of the configuration's dataclasses under the same names.

A file may begin with `scenario = "demo"` and change parts of it: the tables `traffic` and
`population` are merged into the scenario's, `prompts` and `incidents` replace its whole lists.
A key that no dataclass has is an error that names the nearest one there is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from coalmine_schemas.errors import nearest
from coalmine_simulator.config import SimulationConfig
from coalmine_simulator.errors import InvalidConfig
from coalmine_simulator.incidents import Incident
from coalmine_simulator.profiles import PromptProfile
from coalmine_simulator.scenarios import scenario
from coalmine_simulator.traffic import Traffic
from coalmine_simulator.users import Population

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load_config", "parse_config"]

_Value = TypeVar("_Value")


def load_config(path: Path, story_s: float = 6 * 3600.0) -> SimulationConfig:
    """Read a simulation from a TOML file.

    Args:
        path: The file.
        story_s: Length of the story if the file names a built-in scenario; its own `story_s` wins.

    Raises:
        InvalidConfig: The file is not TOML, or a value in it cannot be; says which.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfig(str(path), str(error), "a file in TOML") from error
    except OSError as error:
        raise InvalidConfig(str(path), error.strerror, "a file that can be read") from error
    try:
        return parse_config(table, story_s)
    except InvalidConfig as error:
        raise InvalidConfig(f"{path}: {error.key}", error.value, error.expected) from error


def parse_config(table: Mapping[str, object], story_s: float = 6 * 3600.0) -> SimulationConfig:
    """The configuration in a TOML document.

    Raises:
        InvalidConfig: A key is unknown, missing or has a value that cannot be.
    """
    _refuse_unknown(table, ("scenario", "story_s", "traffic", "population", "prompts", "incidents"), "")
    base: SimulationConfig | None = None
    if "scenario" in table:
        length = _convert(table.get("story_s", story_s), float, "story_s")
        base = scenario(str(table["scenario"]), cast("float", length))
    elif "prompts" not in table:
        raise InvalidConfig("prompts", None, "at least one [[prompts]] table, or scenario = 'demo'")
    prompts = base.prompts if base else ()
    if "prompts" in table:
        prompts = _rows(table["prompts"], PromptProfile, "prompts")
    incidents = base.incidents if base else ()
    if "incidents" in table:
        incidents = _rows(table["incidents"], Incident, "incidents")
    traffic = base.traffic if base else Traffic()
    population = base.population if base else Population()
    return SimulationConfig(
        prompts=prompts,
        traffic=_dataclass(_table(table, "traffic"), Traffic, "traffic", traffic),
        population=_dataclass(_table(table, "population"), Population, "population", population),
        incidents=incidents,
    )


def _table(table: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = table.get(key, {})
    if not isinstance(found, Mapping):
        raise InvalidConfig(key, found, f"a table, written [{key}]")
    return found


def _rows(value: object, kind: type[_Value], where: str) -> tuple[_Value, ...]:
    if not isinstance(value, list):
        raise InvalidConfig(where, value, "a list")
    return tuple(
        cast("_Value", _convert(entry, kind, f"{where}[{index}]")) for index, entry in enumerate(value)
    )


def _dataclass(
    table: Mapping[str, object], kind: type[_Value], where: str, base: _Value | None = None
) -> _Value:
    """A dataclass of that kind from a table; what the table leaves out comes from `base`."""
    known = fields(cast("Any", kind))
    _refuse_unknown(table, tuple(field.name for field in known), where)
    hints = get_type_hints(kind)
    given: dict[str, Any] = {}
    for field in known:
        place = f"{where}.{field.name}" if where else field.name
        if field.name in table:
            given[field.name] = _convert(table[field.name], hints[field.name], place)
        elif base is not None:
            given[field.name] = getattr(base, field.name)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise InvalidConfig(place, None, "a value: it has no default")
    try:
        return kind(**given)
    except InvalidConfig as error:
        raise error.within(where) if where else error from error


def _convert(value: object, kind: Any, where: str) -> object:  # noqa: ANN401 - any type expression
    """The value as that type, where TOML's types leave a choice; an error where they do not fit."""
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        return _convert_union(value, kind, where)
    if origin is tuple:
        return _rows(value, get_args(kind)[0], where)
    if origin is Literal:
        if value not in get_args(kind):
            raise InvalidConfig(where, value, f"one of {', '.join(map(str, get_args(kind)))}")
        return value
    if is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise InvalidConfig(where, value, "a table")
        return _dataclass(value, cast("type[object]", kind), where)
    # bool is an int to Python, but nobody means `users = true`.
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    names = {float: "a number", int: "a whole number", str: "a text in quotes"}
    raise InvalidConfig(where, value, names.get(kind, str(kind)))


def _convert_union(value: object, kind: Any, where: str) -> object:  # noqa: ANN401 - any type expression
    choices = [choice for choice in get_args(kind) if choice is not NoneType]
    if len(choices) == 1:
        return _convert(value, choices[0], where)
    # Several dataclasses: the one that has all the given keys, e.g. {mean = 30} or {median = 20, sigma = 1}.
    if isinstance(value, Mapping):
        for choice in choices:
            if set(value) <= {field.name for field in fields(choice)}:
                return _convert(value, choice, where)
    shapes = " or ".join("{" + ", ".join(field.name for field in fields(choice)) + "}" for choice in choices)
    raise InvalidConfig(where, value, f"a table {shapes}")


def _refuse_unknown(table: Mapping[str, object], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            near = nearest(key, known)
            hint = f"{near!r}, or nothing" if near else f"one of {', '.join(known)}"
            raise InvalidConfig(f"{where}.{key}" if where else key, table[key], f"a known key: {hint}")
