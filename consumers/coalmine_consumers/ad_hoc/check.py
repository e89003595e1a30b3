"""Which statements analysts may run: one SELECT over known tables.

DuckDB's own parser says what a statement reads, in the process that is to run it: some 10,000 characters take
it minutes and gigabytes. That comes before the sandbox, which has no files but those
of the store: a statement may not name these either, since they hold columns that not everybody sees, nor ask
for the sandbox's own catalogue and settings, which name them.
"""

import json
import re
from typing import Any, Final

from coalmine_consumers.ad_hoc.process import TOO_COMPLICATED
from coalmine_consumers.ad_hoc.tables import TABLES
from coalmine_schemas.errors import InvalidParameter, nearest

LONGEST_STATEMENT: Final = 20_000
"""Characters of a statement."""
_DEEPEST_TREE: Final = 800
"""Nodes of the syntax tree within each other; some Pythons read no deeper JSON, others ten times as deep."""

_FUNCTIONS: Final = frozenset({"unnest", "range", "generate_series", "json_each", "json_tree", "repeat"})
"""Table functions that read nothing but their arguments."""
_PLAIN: Final = re.compile(r"\w+")
"""A name that cannot be a file's: DuckDB reads `'x.parquet'` as a table."""
_FORBIDDEN: Final = frozenset(
    {
        "current_setting",
        "format_type",
        "get_block_size",
        "getvariable",
        "json_serialize_plan",
        "pg_get_constraintdef",
        "pg_get_viewdef",
        "write_log",
    }
)
"""Functions that read the catalogue or the settings."""


def check_length(statement: str) -> None:
    """Raises InvalidParameter if a statement is too long."""
    if len(statement) > LONGEST_STATEMENT:
        raise InvalidParameter(f"sql: {len(statement):,} characters, and {LONGEST_STATEMENT:,} at most")


def tables_of(tree: str) -> set[str]:
    """Returns the tables that a statement reads.

    Args:
        tree: The statement's syntax tree, as `json_serialize_sql` of DuckDB writes it.

    Raises:
        InvalidParameter: It is not one SELECT, or names a table, function or file that is not for analysts.
    """
    try:
        found: Any = json.loads(tree)
    except RecursionError:
        raise InvalidParameter(f"sql: {TOO_COMPLICATED}") from None
    if found["error"]:
        message = str(found.get("error_message", ""))
        if "Only SELECT" in message:
            message = "only SELECT is allowed: the store is read-only here"
        raise InvalidParameter(f"sql: {message}")
    if len(found["statements"]) != 1:
        raise InvalidParameter(f"sql: {len(found['statements'])} statements: give one")
    return _tables(found["statements"][0])


def _tables(statement: Any) -> set[str]:  # noqa: ANN401 - JSON
    """Walks the syntax tree; a name of a WITH stands for a table only where it is seen."""
    tables: set[str] = set()
    waiting: list[tuple[Any, frozenset[str], int]] = [(statement, frozenset(), 1)]
    while waiting:
        node, named, depth = waiting.pop()
        if depth > _DEEPEST_TREE:
            raise InvalidParameter(f"sql: {TOO_COMPLICATED}")
        if isinstance(node, list):
            waiting += ((each, named, depth + 1) for each in node)
        elif isinstance(node, dict):
            for entry in (node.get("cte_map") or {}).get("map", ()):
                waiting.append((entry["value"], named, depth + 1))
                named |= {_plain(entry["key"])}
            if (name := _read(node, named)) is not None:
                tables.add(name)
            # Only the second half of a recursive query sees itself: the first one reads a table of that name.
            itself = {_plain(node["cte_name"])} if node.get("type") == "RECURSIVE_CTE_NODE" else set()
            waiting += (
                (each, named | itself if key == "right" else named, depth + 1)
                for key, each in node.items()
                if key != "cte_map"
            )
    return tables


def _plain(name: str) -> str:
    if not _PLAIN.fullmatch(name):
        raise InvalidParameter(f"sql: the name {name!r} of a WITH: use letters, digits and underscores")
    return name.lower()


def _read(node: dict[str, Any], named: frozenset[str]) -> str | None:
    """The table that a node of the syntax tree reads, if it does."""
    match node.get("type"):
        case "BASE_TABLE":
            name, schema = str(node["table_name"]).lower(), str(node.get("schema_name") or "").lower()
            if node.get("catalog_name") or schema not in ("", "main"):
                raise InvalidParameter(f"sql: {name}: name tables without a schema: {', '.join(TABLES)}")
            if name in named and not schema:
                return None
            if name not in TABLES:
                close = nearest(name, TABLES)
                hint = f"did you mean {close}?" if close else f"known: {', '.join(TABLES)}"
                raise InvalidParameter(f"sql: no table {name}; {hint}")
            return name
        case "TABLE_FUNCTION":
            name = str(node["function"].get("function_name", "")).lower()
            if name not in _FUNCTIONS:
                raise InvalidParameter(
                    f"sql: the table function {name}() is not allowed: read {', '.join(TABLES)}"
                )
        case "FUNCTION" if (name := str(node.get("function_name", "")).lower()) in _FORBIDDEN:
            raise InvalidParameter(f"sql: the function {name}() is not allowed: leave it out")
        case "SHOW_REF" if node.get("query") is None:
            raise InvalidParameter(f"sql: use DESCRIBE and one of {', '.join(TABLES)}")
        case _:
            pass
    return None
