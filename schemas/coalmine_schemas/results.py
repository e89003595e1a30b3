"""Results: frozen dataclasses, made where they are computed and served by the API as they are."""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Generic, TypeVar, dataclass_transform

Item = TypeVar("Item")
Class = TypeVar("Class", bound=type)


@dataclass_transform(frozen_default=True)
def result(cls: Class) -> Class:
    """Class decorator: a frozen, slotted dataclass whose field docstrings describe it in OpenAPI.

    pydantic reads the schema's descriptions through `__pydantic_config__`; nothing here imports pydantic. Its
    own `use_attribute_docstrings` would leave out inherited fields.
    """
    cls.__pydantic_config__ = {"json_schema_extra": _describe}  # type: ignore[attr-defined]
    return dataclass(frozen=True, slots=True)(cls)  # type: ignore[return-value]


@cache
def descriptions(cls: type) -> Mapping[str, str]:
    """Returns the docstring of each field of a class that has one, inherited fields included."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        found |= _docstrings(base.__module__).get(base.__qualname__, {})
    return found


def _describe(schema: dict[str, Any], cls: type) -> None:
    for name, text in descriptions(cls).items():
        if name in schema.get("properties", {}):
            schema["properties"][name].setdefault("description", text)


@cache
def _docstrings(module: str) -> dict[str, dict[str, str]]:
    """Field docstrings by class, for the classes at the top of a module."""
    try:
        source = inspect.getsource(sys.modules[module])
    except (KeyError, OSError, TypeError):  # a module without source, such as `builtins`
        return {}
    return {
        node.name: dict(_fields(node)) for node in ast.parse(source).body if isinstance(node, ast.ClassDef)
    }


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, following in pairwise(node.body):
        if (
            isinstance(field, ast.AnnAssign)
            and isinstance(field.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            yield field.target.id, inspect.cleandoc(following.value.value)


@result
class Page(Generic[Item]):
    """One page of a list."""

    items: list[Item]
    """The rows of this page."""
    next_cursor: str | None
    """Pass it as `cursor` to get the next page; null on the last page."""
