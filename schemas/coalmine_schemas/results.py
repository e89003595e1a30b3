"""Results: frozen dataclasses, made where they are computed and served by the API as they are."""

from dataclasses import dataclass
from typing import Generic, TypeVar, dataclass_transform

Item = TypeVar("Item")
Class = TypeVar("Class", bound=type)


@dataclass_transform(frozen_default=True)
def result(cls: Class) -> Class:
    """Class decorator: a frozen, slotted dataclass whose field docstrings describe it in OpenAPI.

    pydantic reads them from the source; nothing here imports pydantic.
    """
    cls.__pydantic_config__ = {"use_attribute_docstrings": True}  # type: ignore[attr-defined]
    return dataclass(frozen=True, slots=True)(cls)  # type: ignore[return-value]


@result
class Page(Generic[Item]):
    """One page of a list."""

    items: list[Item]
    """The rows of this page."""
    next_cursor: str | None
    """Pass it as `cursor` to get the next page; null on the last page."""
