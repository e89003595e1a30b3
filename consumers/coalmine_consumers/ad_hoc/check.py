"""Which statements analysts may run: one SELECT over known tables.

DuckDB's own parser says what a statement reads. That comes before the sandbox, which has no files but those
of the store: a statement may not name these either, since they hold columns that not everybody sees.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import duckdb

from coalmine_consumers.ad_hoc.tables import TABLES
from coalmine_schemas.errors import InvalidParameter, nearest

LONGEST_STATEMENT: Final = 20_000
"""Characters of a statement."""

_FUNCTIONS: Final = frozenset({"unnest", "range", "generate_series", "json_each", "json_tree", "repeat"})
"""Table functions that read nothing but their arguments."""
_PLAIN: Final = re.compile(r"\w+")
"""A name that cannot be a file's: DuckDB reads `'x.parquet'` as a table."""


def tables_of(statement: str) -> set[str]:
    """Returns the tables that a statement reads.

    Raises:
        InvalidParameter: It is not one SELECT, or names a table, function or file that is not for analysts.
    """
    if len(statement) > LONGEST_STATEMENT:
        raise InvalidParameter(f"sql: {len(statement):,} characters, and {LONGEST_STATEMENT:,} at most")
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as parser:
        found = parser.execute("SELECT json_serialize_sql(?::VARCHAR)", [statement]).fetchone()
    tree: Any = json.loads(found[0]) if found else {"error": True, "error_message": "nothing to run"}
    if tree["error"]:
        message = str(tree.get("error_message", ""))
        if "Only SELECT" in message:
            message = "only SELECT is allowed: the store is read-only here"
        raise InvalidParameter(f"sql: {message}")
    if len(tree["statements"]) != 1:
        raise InvalidParameter(f"sql: {len(tree['statements'])} statements: give one")
    nodes = list(_nodes(tree["statements"][0]))
    named = {entry["key"] for node in nodes for entry in node.get("cte_map", {}).get("map", ())}
    for name in named:
        if not _PLAIN.fullmatch(name):
            raise InvalidParameter(f"sql: the name {name!r} of a WITH: use letters, digits and underscores")
    return {name for node in nodes if (name := _read(node, named)) is not None}


def _read(node: dict[str, Any], named: set[str]) -> str | None:
    """The table that a node of the syntax tree reads, if it does."""
    match node.get("type"):
        case "BASE_TABLE":
            name = str(node["table_name"])
            if node.get("catalog_name") or node.get("schema_name") not in ("", "main"):
                raise InvalidParameter(f"sql: {name}: name tables without a schema: {', '.join(TABLES)}")
            if name in named and not node.get("schema_name"):
                return None
            if name.lower() not in TABLES:
                close = nearest(name.lower(), TABLES)
                hint = f"did you mean {close}?" if close else f"known: {', '.join(TABLES)}"
                raise InvalidParameter(f"sql: no table {name}; {hint}")
            return name.lower()
        case "TABLE_FUNCTION":
            name = str(node["function"].get("function_name", "")).lower()
            if name not in _FUNCTIONS:
                raise InvalidParameter(
                    f"sql: the table function {name}() is not allowed: read {', '.join(TABLES)}"
                )
        case "SHOW_REF" if node.get("query") is None:
            raise InvalidParameter(f"sql: use DESCRIBE and one of {', '.join(TABLES)}")
        case _:
            pass
    return None


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - JSON
    waiting = [tree]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            yield each
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
