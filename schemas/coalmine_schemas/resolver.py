"""From the header of a frame to the schema it was written with."""

from collections import OrderedDict
from typing import Protocol

from coalmine_schemas.catalogue import by_fingerprint
from coalmine_schemas.errors import UnknownSchema
from coalmine_schemas.framing import Confluent, Header
from coalmine_schemas.writer_schema import WriterSchema, published_writer, vet_writer_schema

_MAX_REMEMBERED = 1_000


class SchemaSource(Protocol):
    """What a resolver needs of a schema registry; `SchemaRegistryClient` is one."""

    def schema_by_id(self, schema_id: int) -> str:
        """The schema with this id, as JSON.

        Raises:
            UnknownSchema: It is unknown.
            RegistryUnavailable: Ask again later.
            RegistryRefused: Do not ask again.
        """
        ...


class SchemaResolver:
    """Finds writer schemas: in the catalogue by fingerprint, in the schema registry by id.

    Args:
        registry: Asked for the ids of Confluent frames; without one, such frames cannot be read.
    """

    def __init__(self, registry: SchemaSource | None = None) -> None:
        self._registry = registry
        self._found: OrderedDict[Header, WriterSchema] = OrderedDict()

    def writer_schema(self, header: Header) -> WriterSchema:
        """The vetted schema a frame with this header was written with. May block on the registry.

        Raises:
            UnknownSchema: It is unknown, or one we refuse to read by.
            RegistryUnavailable: The registry does not answer; try the whole batch again.
            RegistryRefused: The registry does not want us.
        """
        found = self._found.get(header)
        if found is None:
            found = self._found[header] = self._find(header)
            if len(self._found) > _MAX_REMEMBERED:
                self._found.popitem(last=False)
        return found

    def _find(self, header: Header) -> WriterSchema:
        ref = header.schema_ref
        if isinstance(header, Confluent):
            if self._registry is None:
                raise UnknownSchema(f"no schema registry is configured to look up id {header.schema_id}", ref)
            return vet_writer_schema(self._registry.schema_by_id(header.schema_id), ref)
        schema = by_fingerprint(header.fingerprint)
        if schema is None:
            raise UnknownSchema(f"no published schema has fingerprint {header.fingerprint.hex()}", ref)
        return published_writer(schema)
