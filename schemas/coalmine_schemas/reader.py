"""Reads payloads of one event written with one writer schema, exactly and one at a time."""

from io import BytesIO
from typing import Any, cast

from fastavro import schemaless_reader
from fastavro.read import SchemaResolutionError

from coalmine_schemas.catalogue import Schema
from coalmine_schemas.errors import InvalidPayload
from coalmine_schemas.payload import MalformedPayload, structure_of
from coalmine_schemas.writer_schema import WriterSchema, plain_reader


class PayloadReader:
    """Checks the structure strictly, then has fastavro resolve the writer's schema to ours.

    Args:
        reader: Our schema of the event.
        writer: The schema the payloads were written with.

    Raises:
        InvalidPayload: No payload of this writer can be this event.
    """

    def __init__(self, reader: Schema, writer: WriterSchema) -> None:
        check_same_event(reader, writer)
        self._writer = writer
        self._walk = structure_of(writer)
        self._plain_reader = plain_reader(reader)

    def read(self, frame: bytes, start: int) -> dict[str, Any]:
        """The record in a frame whose payload begins at `start`; times as microseconds.

        Raises:
            InvalidPayload: The bytes do not match the writer's schema, continue after its end, or cannot be
                read as ours.
        """
        ref = self._writer.ref
        try:
            end = self._walk(frame, start)
        except MalformedPayload as problem:
            raise InvalidPayload(str(problem), ref) from problem
        if end != len(frame):
            raise InvalidPayload(f"{len(frame) - end} bytes after the end of the record", ref)
        try:
            record = schemaless_reader(BytesIO(frame[start:]), self._writer.plain, self._plain_reader)
        except (
            SchemaResolutionError,
            ValueError,
            TypeError,
            LookupError,
            ArithmeticError,
            EOFError,
        ) as error:
            reason = f"cannot be read with our schema: {type(error).__name__}: {error}"
            raise InvalidPayload(reason[:500], ref) from error
        return cast(dict[str, Any], record)


def check_same_event(reader: Schema, writer: WriterSchema) -> None:
    """Refuse a writer schema that is another event's, or that means other things by the same numbers.

    Raises:
        InvalidPayload: It is; says why.
    """
    wanted = reader.record_name.rpartition(".")[2]
    if writer.name != wanted:
        raise InvalidPayload(f"written as {writer.name}, but this topic carries {wanted}", writer.ref)
    ours = {member["name"]: _logical_type(member["type"]) for member in reader.parsed["fields"]}
    for member in writer.document["fields"]:
        theirs = _logical_type(member["type"])
        # A plain number is taken for what we say it is; milliseconds must not be taken for microseconds.
        if theirs is not None and theirs != ours.get(member["name"], theirs):
            raise InvalidPayload(
                f"field {member['name']} is {theirs}, not {ours[member['name']] or 'a plain value'}",
                writer.ref,
            )


def _logical_type(node: Any) -> str | None:  # noqa: ANN401 - an Avro type as JSON
    if isinstance(node, list):
        return next((found for branch in node if (found := _logical_type(branch)) is not None), None)
    return node.get("logicalType") if isinstance(node, dict) else None
