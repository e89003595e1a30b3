"""Answers to SQL of analysts."""

from typing import Any

from coalmine_schemas.results import result


@result
class SqlColumn:
    """One column of an answer."""

    name: str
    """Name that the statement gives it."""
    type: str
    """Type of its values, in Arrow's words."""


@result
class SqlAnswer:
    """The rows that a statement returns."""

    columns: list[SqlColumn]
    """Columns, in order."""
    rows: list[list[Any]]
    """One list of values for each row: times in UTC as ISO 8601, whole numbers of any size, bytes as hex."""
    complete: bool
    """False where there are more rows than the limit."""
    private: bool
    """True where texts and identifiers of users are shown."""
