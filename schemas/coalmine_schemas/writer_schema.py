"""The schema a message was written with, vetted: anybody may register one, so it is not trusted.

What we refuse could be made to cost us far more than its bytes: recursive schemas (unbounded depth), arrays
of items without bytes (unbounded memory), and schemas of huge expanded size. The catalogue needs none.
"""

import json
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from fastavro.schema import SchemaParseException, UnknownType, parse_schema

from coalmine_schemas.catalogue import Schema
from coalmine_schemas.errors import UnknownSchema

MAX_SCHEMA_SIZE_BYTES = 1 << 20
"""Text of a writer schema beyond this is refused."""
MAX_EXPANDED_NODES = 10_000
"""Types in a writer schema, named ones counted at each use; beyond this it is refused."""
MAX_DEPTH = 32
"""Levels of nesting beyond which a writer schema is refused."""

_PRIMITIVE_MIN_SIZE = {
    "null": 0,
    "boolean": 1,
    "int": 1,
    "long": 1,
    "float": 4,
    "double": 8,
    "bytes": 1,
    "string": 1,
}

Node = dict[str, Any] | list[Any] | str
"""An Avro type as parsed JSON."""


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """A vetted schema of a record, ready for reading payloads."""

    ref: str
    """How failures name it, as `Header.schema_ref`."""
    document: dict[str, Any] = field(repr=False)
    """The schema as JSON, named types written out where first used."""
    names: dict[str, dict[str, Any]] = field(repr=False)
    """Full name of each named type to its definition."""
    plain: dict[str, Any] = field(repr=False)
    """For fastavro, without logical types: values come as they are on the wire."""

    @property
    def name(self) -> str:
        """Name of the record without its namespace, which is what Avro resolution compares."""
        return str(self.document["name"]).rpartition(".")[2]


def published_writer(schema: Schema) -> WriterSchema:
    """A published schema as the writer's."""
    return vet_writer_schema(schema.json, f"fingerprint:{schema.fingerprint.hex()}")


def vet_writer_schema(text: str, ref: str) -> WriterSchema:
    """Parse a writer schema and refuse what would be unsafe to read by.

    Raises:
        UnknownSchema: It is not an Avro record, or one that we refuse; says which.
    """
    if len(text) > MAX_SCHEMA_SIZE_BYTES:
        raise UnknownSchema(f"writer schema of {len(text)} characters is too large", ref)
    try:
        document = json.loads(text)
        parsed = cast(Any, parse_schema(document, _write_hint=False, _ignore_default_error=True))
    except (
        ValueError,
        RecursionError,
        SchemaParseException,
        UnknownType,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:
        raise UnknownSchema(
            f"writer schema is not valid Avro: {type(error).__name__}: {error}"[:500], ref
        ) from error
    if not isinstance(parsed, dict) or parsed.get("type") != "record":
        raise UnknownSchema("writer schema is not a record", ref)
    names: dict[str, dict[str, Any]] = {}
    _Vetting(ref, names).visit(parsed, ())
    # A writer's defaults mean nothing to its readers, and other tools let wrong ones pass.
    plain = parse_schema(without_logical_types(parsed), _ignore_default_error=True)
    return WriterSchema(ref, parsed, names, cast(dict[str, Any], plain))


def without_logical_types(node: Any) -> Any:  # noqa: ANN401 - a piece of JSON
    """A copy of a schema that reads and writes the values on the wire."""
    if isinstance(node, list):
        return [without_logical_types(item) for item in node]
    if isinstance(node, dict):
        return {
            key: value if key in {"default", "symbols"} else without_logical_types(value)
            for key, value in node.items()
            if key != "logicalType" and not key.startswith("__")
        }
    return node


@cache
def plain_reader(schema: Schema) -> dict[str, Any]:
    """A published schema as the reader's, for fastavro, without logical types."""
    return cast(dict[str, Any], parse_schema(without_logical_types(deepcopy(json.loads(schema.json)))))


class _Vetting:
    """One walk over a schema that adds up its expanded size and finds what we refuse."""

    def __init__(self, ref: str, names: dict[str, dict[str, Any]]) -> None:
        self._ref = ref
        self._names = names
        self._sizes: dict[str, tuple[int, int]] = {}
        self._open: set[str] = set()

    def visit(self, node: Node, path: tuple[str, ...]) -> tuple[int, int]:
        """Expanded node count and least encoded size in bytes of a type."""
        if len(path) > MAX_DEPTH:
            raise self._refuse(f"nested more than {MAX_DEPTH} levels deep", path)
        if isinstance(node, str):
            return self._visit_name(node, path)
        if isinstance(node, list):
            branches = [self.visit(branch, (*path, "|")) for branch in node]
            return self._total(
                1 + sum(n for n, _ in branches), 1 + min((s for _, s in branches), default=0), path
            )
        kind = node["type"]
        if kind in {"record", "error", "enum", "fixed"}:
            return self._visit_definition(node, path)
        if kind == "map":
            return self.visit(node["values"], (*path, "{}"))[0] + 1, 1
        if kind == "array":
            count, size = self.visit(node["items"], (*path, "[]"))
            if size == 0:
                raise self._refuse("array of items without bytes", path)
            return count + 1, 1
        return self.visit(kind, path)

    def _visit_name(self, name: str, path: tuple[str, ...]) -> tuple[int, int]:
        if name in _PRIMITIVE_MIN_SIZE:
            return 1, _PRIMITIVE_MIN_SIZE[name]
        if name in self._open:
            raise self._refuse(f"recursive type {name}", path)
        return self._sizes[name]

    def _visit_definition(self, node: dict[str, Any], path: tuple[str, ...]) -> tuple[int, int]:
        name = str(node["name"])
        self._names[name] = node
        self._open.add(name)
        count, size = 1, 0
        if node["type"] == "enum":
            size = 1
        elif node["type"] == "fixed":
            size = int(node["size"])
        else:
            for member in node["fields"]:
                more, least = self.visit(member["type"], (*path, str(member["name"])))
                count, size = self._total(count + more, size + least, path)
        self._open.discard(name)
        self._sizes[name] = count, size
        return count, size

    def _total(self, count: int, size: int, path: tuple[str, ...]) -> tuple[int, int]:
        if count > MAX_EXPANDED_NODES:
            raise self._refuse(f"more than {MAX_EXPANDED_NODES} types", path)
        return count, size

    def _refuse(self, what: str, path: tuple[str, ...]) -> UnknownSchema:
        where = f" at {'.'.join(path)}" if path else ""
        return UnknownSchema(f"writer schema refused: {what}{where}", self._ref)
