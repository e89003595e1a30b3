"""Writes Avro in every way the specification allows, not only the shortest; independent of fastavro."""

import random
import struct
from typing import Any


def varint(value: int, extra: int = 0) -> bytes:
    """A zigzag varint, `extra` bytes longer than it must be (10 in all at most)."""
    left = (value << 1) ^ (value >> 63)
    left &= 2**64 - 1
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    out.append(left)
    for _ in range(min(extra, 10 - len(out))):
        out[-1] |= 0x80
        out.append(0)
    return bytes(out)


class LooseWriter:
    """Writes values of a schema, at random longer than necessary.

    Args:
        seed: Chooses how.
        looseness: Chance, at each number and block, of not writing it in the shortest way.
    """

    def __init__(self, seed: int, looseness: float) -> None:
        self._random = random.Random(seed)
        self._looseness = looseness

    def _loose(self) -> bool:
        return self._random.random() < self._looseness

    def _long(self, value: int) -> bytes:
        return varint(value, self._random.randrange(1, 4) if self._loose() else 0)

    def write(self, node: Any, value: Any) -> bytes:
        """The bytes of a value."""
        if isinstance(node, list):
            index = next(i for i, branch in enumerate(node) if (branch == "null") == (value is None))
            return self._long(index) + (b"" if value is None else self.write(node[index], value))
        kind = node["type"] if isinstance(node, dict) else node
        if kind == "record":
            return b"".join(self.write(member["type"], value[member["name"]]) for member in node["fields"])
        if kind == "map":
            items = [self.write("string", key) + self.write(node["values"], v) for key, v in value.items()]
            return self._blocks(items)
        if kind == "array":
            return self._blocks([self.write(node["items"], item) for item in value])
        if kind == "enum":
            return self._long(node["symbols"].index(value))
        if kind == "boolean":
            return bytes([value])
        if kind in {"int", "long"}:
            return self._long(value)
        if kind == "double":
            return struct.pack("<d", value)
        data: bytes = value.encode() if kind == "string" else value
        return self._long(len(data)) + data

    def _blocks(self, items: list[bytes]) -> bytes:
        out = b""
        while items:
            size = self._random.randrange(1, len(items) + 1) if self._loose() else len(items)
            block, items = b"".join(items[:size]), items[size:]
            if self._loose():
                out += self._long(-size) + self._long(len(block)) + block
            else:
                out += self._long(size) + block
        return out + self._long(0)
