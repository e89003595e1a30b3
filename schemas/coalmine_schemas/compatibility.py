"""Avro compatibility: can data written with one schema be read with another?

Follows "Schema Resolution" of the Avro 1.12 specification, and is stricter in one point: logical types must
be the same, because resolution would take milliseconds for microseconds without a word.
"""

from typing import Any, cast

from fastavro.schema import parse_schema

_PROMOTIONS = {
    ("int", "long"),
    ("int", "float"),
    ("int", "double"),
    ("long", "float"),
    ("long", "double"),
    ("float", "double"),
    ("string", "bytes"),
    ("bytes", "string"),
}
"""From the writer's primitive to the reader's."""

Document = dict[str, Any]
"""A schema as JSON."""


def full_incompatibilities(older: Document, newer: Document) -> list[str]:
    """What keeps two versions from reading each other's data, in words; empty if nothing does."""
    backward = [f"new readers of old data: {problem}" for problem in incompatibilities(newer, older)]
    forward = [f"old readers of new data: {problem}" for problem in incompatibilities(older, newer)]
    return backward + forward


def incompatibilities(reader: Document, writer: Document) -> list[str]:
    """What keeps `reader` from reading everything `writer` writes, in words, each with its place."""
    comparison = _Comparison(_definitions(reader), _definitions(writer))
    return comparison.problems(parse_schema(reader), parse_schema(writer), "")


def _definitions(document: Document) -> dict[str, Document]:
    definitions: dict[str, Document] = {}
    parse_schema(document, cast(Any, definitions))
    return definitions


class _Comparison:
    def __init__(self, reader_types: dict[str, Document], writer_types: dict[str, Document]) -> None:
        self._reader_types = reader_types
        self._writer_types = writer_types
        self._under_way: set[tuple[str, str]] = set()

    def problems(self, reader: Any, writer: Any, at: str) -> list[str]:  # noqa: ANN401 - Avro types as JSON
        """What keeps `reader` from reading `writer`, below the place `at`."""
        if isinstance(writer, list):
            return [problem for branch in writer for problem in self.problems(reader, branch, at)]
        if isinstance(reader, list):
            taken = any(not self.problems(branch, writer, at) for branch in reader)
            return [] if taken else [f"{at or 'schema'}: no branch of the union takes {_kind(writer)}"]
        reader, writer = self._defined(reader, self._reader_types), self._defined(writer, self._writer_types)
        kinds = _kind(writer), _kind(reader)
        if _logical_type(reader) != _logical_type(writer):
            return [f"{at or 'schema'}: logical type {_logical_type(writer)} became {_logical_type(reader)}"]
        if kinds[0] != kinds[1]:
            can = kinds in _PROMOTIONS
            return [] if can else [f"{at or 'schema'}: {kinds[0]} cannot be read as {kinds[1]}"]
        return self._same_kind(kinds[0], reader, writer, at)

    def _same_kind(self, kind: str, reader: Any, writer: Any, at: str) -> list[str]:  # noqa: ANN401
        if kind == "array":
            return self.problems(reader["items"], writer["items"], f"{at}[]")
        if kind == "map":
            return self.problems(reader["values"], writer["values"], f"{at}{{}}")
        if kind not in {"record", "enum", "fixed"}:
            return []
        if _simple_name(writer) != _simple_name(reader) and _simple_name(writer) not in _aliases(reader):
            return [f"{at or 'schema'}: {writer['name']} was renamed to {reader['name']} without an alias"]
        compare = {"record": self._record_problems, "enum": _enum_problems, "fixed": _fixed_problems}[kind]
        return compare(reader, writer, at)

    def _record_problems(self, reader: Document, writer: Document, at: str) -> list[str]:
        pair = reader["name"], writer["name"]
        if pair in self._under_way:
            return []
        self._under_way.add(pair)
        written = {field["name"]: field for field in writer["fields"]}
        problems = []
        for field in reader["fields"]:
            place = f"{at}.{field['name']}".lstrip(".")
            names = [field["name"], *field.get("aliases", [])]
            match = next((written[name] for name in names if name in written), None)
            if match is not None:
                problems += self.problems(field["type"], match["type"], place)
            elif "default" not in field:
                problems.append(f"{place}: not written, and has no default")
        self._under_way.discard(pair)
        return problems

    @staticmethod
    def _defined(node: Any, types: dict[str, Document]) -> Any:  # noqa: ANN401
        return types.get(node, node) if isinstance(node, str) else node


def _enum_problems(reader: Document, writer: Document, at: str) -> list[str]:
    unknown = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
    if not unknown or reader.get("default") is not None:
        return []
    return [f"{at or 'schema'}: symbol {unknown[0]} is unknown, and the enum has no default"]


def _fixed_problems(reader: Document, writer: Document, at: str) -> list[str]:
    same = reader["size"] == writer["size"]
    return [] if same else [f"{at or 'schema'}: size {writer['size']} became {reader['size']}"]


def _kind(node: Any) -> str:  # noqa: ANN401
    kind = node["type"] if isinstance(node, dict) else node
    return kind if isinstance(kind, str) else _kind(kind)


def _logical_type(node: Any) -> str | None:  # noqa: ANN401
    return node.get("logicalType") if isinstance(node, dict) else None


def _simple_name(node: Document) -> str:
    return str(node["name"]).rpartition(".")[2]


def _aliases(node: Document) -> set[str]:
    return {str(alias).rpartition(".")[2] for alias in node.get("aliases", [])}
