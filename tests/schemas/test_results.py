"""Results are described in OpenAPI by the docstrings of their fields, inherited and nested ones included."""

from dataclasses import FrozenInstanceError, dataclass

import pytest
from pydantic import TypeAdapter

from coalmine_schemas.results import Page, descriptions, result


@dataclass(frozen=True)
class Named:
    __slots__ = ()

    name: str
    """Name of the thing."""


@dataclass(frozen=True)
class Counted:
    __slots__ = ()

    n: int
    """How many."""
    undescribed: int


@result
class Part:
    """A part."""

    value: float | None
    """Null if unknown."""


@result
class Row(Counted, Named):
    """A row."""

    parts: list[Part]
    """Its parts."""


ROW = Row("a", 1, 2, [Part(None)])


def test_a_result_is_frozen_and_has_slots_only() -> None:
    assert not hasattr(ROW, "__dict__")
    with pytest.raises(FrozenInstanceError):
        ROW.name = "b"  # type: ignore[misc]


def test_every_docstring_describes_its_field() -> None:
    assert descriptions(Row) == {"name": "Name of the thing.", "n": "How many.", "parts": "Its parts."}
    schema = TypeAdapter(Row).json_schema()
    assert [(name, each.get("description")) for name, each in schema["properties"].items()] == [
        ("name", "Name of the thing."),
        ("n", "How many."),
        ("undescribed", None),
        ("parts", "Its parts."),
    ]
    assert schema["$defs"]["Part"]["properties"]["value"]["description"] == "Null if unknown."


def test_a_page_of_rows_describes_both_and_is_read_back() -> None:
    page = Page([ROW], "next")
    adapter = TypeAdapter(Page[Row])
    schema = adapter.json_schema()
    assert schema["properties"]["next_cursor"]["description"].startswith("Pass it as `cursor`")
    assert schema["$defs"]["Row"]["properties"]["n"]["description"] == "How many."
    assert adapter.validate_json(adapter.dump_json(page)) == page


def test_a_class_without_source_has_no_descriptions() -> None:
    assert descriptions(int) == {}
