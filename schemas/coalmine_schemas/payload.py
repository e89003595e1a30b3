"""Reads a payload's structure strictly by the Avro specification, and reports exactly what is wrong.

Libraries are more lenient than they should be (fastavro takes branch -1 of a union for the last one, and any
varint for an `int`) and name neither field nor place. This walk builds no values, so it stays small.
"""

from collections.abc import Callable
from typing import Any

from coalmine_schemas.writer_schema import Node, WriterSchema

Walk = Callable[[bytes, int], int]
"""Goes over one encoded value: takes the bytes and where it begins, returns where it ends."""

_MAX_VARINT_SIZE = 10
_INT_LIMIT = 1 << 31


class MalformedPayload(Exception):
    """The bytes do not match the schema."""

    def __init__(self, reason: str, at: int) -> None:
        super().__init__(reason, at)
        self._reason = reason
        self._at = at
        self.path: list[str] = []
        """Names of the fields around the place, innermost first."""

    def __str__(self) -> str:
        field = ".".join(reversed(self.path))
        return f"{f'field {field}: ' if field else ''}{self._reason} at byte {self._at}"


def structure_of(writer: WriterSchema) -> Walk:
    """The walk over payloads of a writer schema.

    The returned function raises `MalformedPayload`. It ends in time proportional to the payload, because no
    vetted schema has items without bytes.
    """
    return _Compiler(writer.names).walk(writer.document)


def _read_long(data: bytes, at: int) -> tuple[int, int]:
    """A zigzag varint and where it ends. Bits beyond the 64th are dropped, as Java's reader does."""
    start = at
    shift = value = 0
    while True:
        if at >= len(data):
            raise MalformedPayload("payload ends inside a number", start)
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            value &= 0xFFFF_FFFF_FFFF_FFFF
            return (value >> 1) ^ -(value & 1), at
        shift += 7
        if at - start == _MAX_VARINT_SIZE:
            raise MalformedPayload("number of more than 10 bytes", start)


def _null(_data: bytes, at: int) -> int:
    return at


def _boolean(data: bytes, at: int) -> int:
    if at >= len(data):
        raise MalformedPayload("payload ends before a boolean", at)
    if data[at] > 1:
        raise MalformedPayload(f"{data[at]} is not a boolean", at)
    return at + 1


def _int(data: bytes, at: int) -> int:
    value, end = _read_long(data, at)
    if not -_INT_LIMIT <= value < _INT_LIMIT:
        raise MalformedPayload(f"{value} does not fit an int", at)
    return end


def _long(data: bytes, at: int) -> int:
    return _read_long(data, at)[1]


def _of_size(size: int, name: str) -> Walk:
    def walk(data: bytes, at: int) -> int:
        if at + size > len(data):
            raise MalformedPayload(f"payload ends inside a {name}", at)
        return at + size

    return walk


def _bytes(data: bytes, at: int) -> int:
    size, start = _read_long(data, at)
    if size < 0:
        raise MalformedPayload(f"negative length {size}", at)
    if start + size > len(data):
        raise MalformedPayload(f"length {size} goes {start + size - len(data)} bytes past the end", at)
    return start + size


def _string(data: bytes, at: int) -> int:
    end = _bytes(data, at)
    start = _read_long(data, at)[1]
    try:
        data[start:end].decode()
    except UnicodeDecodeError as error:
        raise MalformedPayload(f"not UTF-8: {error.reason}", start + error.start) from error
    return end


_PRIMITIVES: dict[str, Walk] = {
    "null": _null,
    "boolean": _boolean,
    "int": _int,
    "long": _long,
    "float": _of_size(4, "float"),
    "double": _of_size(8, "double"),
    "bytes": _bytes,
    "string": _string,
}


def _enum(symbols: int) -> Walk:
    def walk(data: bytes, at: int) -> int:
        index, end = _read_long(data, at)
        if not 0 <= index < symbols:
            raise MalformedPayload(f"symbol {index} of {symbols}", at)
        return end

    return walk


def _union(branches: list[Walk]) -> Walk:
    def walk(data: bytes, at: int) -> int:
        index, end = _read_long(data, at)
        if not 0 <= index < len(branches):
            raise MalformedPayload(f"branch {index} of a union of {len(branches)}", at)
        return branches[index](data, end)

    return walk


def _blocks(item: Walk) -> Walk:
    def walk(data: bytes, at: int) -> int:
        while True:
            count, at = _read_long(data, at)
            if count == 0:
                return at
            if count < 0:
                # The block's size follows, for readers that skip it; nobody checks it against the items.
                count = -count
                at = _read_long(data, at)[1]
            for _ in range(count):
                at = item(data, at)

    return walk


def _record(members: list[tuple[str, Walk]]) -> Walk:
    def walk(data: bytes, at: int) -> int:
        name = ""
        try:
            for name, member in members:  # noqa: B007 - read in the handler
                at = member(data, at)
        except MalformedPayload as problem:
            problem.path.append(name)
            raise
        return at

    return walk


class _Compiler:
    """Turns a schema into functions, one per type; a named type is compiled once."""

    def __init__(self, names: dict[str, dict[str, Any]]) -> None:
        self._names = names
        self._done: dict[str, Walk] = {}

    def walk(self, node: Node) -> Walk:
        if isinstance(node, str):
            return _PRIMITIVES[node] if node in _PRIMITIVES else self._named(self._names[node])
        if isinstance(node, list):
            return _union([self.walk(branch) for branch in node])
        kind = node["type"]
        if kind == "array":
            return _blocks(self.walk(node["items"]))
        if kind == "map":
            value = self.walk(node["values"])
            return _blocks(lambda data, at: value(data, _string(data, at)))
        if kind in {"record", "error", "enum", "fixed"}:
            return self._named(node)
        return self.walk(kind)

    def _named(self, node: dict[str, Any]) -> Walk:
        name = node["name"]
        if name not in self._done:
            self._done[name] = self._define(node)
        return self._done[name]

    def _define(self, node: dict[str, Any]) -> Walk:
        if node["type"] == "enum":
            return _enum(len(node["symbols"]))
        if node["type"] == "fixed":
            return _of_size(int(node["size"]), "fixed")
        return _record([(str(member["name"]), self.walk(member["type"])) for member in node["fields"]])
