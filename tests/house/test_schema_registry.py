"""The tests' schema registry speaks the part of Confluent's API that our clients use."""

import httpx2

from tests.support.servers.schema_registry import SchemaRegistry

_STRING = '{"type":"string"}'


def _register(registry: SchemaRegistry, subject: str, schema: str) -> int:
    reply = httpx2.post(f"{registry.url}/subjects/{subject}/versions", json={"schema": schema}, timeout=30)
    reply.raise_for_status()
    return int(reply.json()["id"])


def test_a_schema_is_registered_once_and_found_by_its_id(
    schema_registry: SchemaRegistry, topic_prefix: str
) -> None:
    subject = f"{topic_prefix}requests-value"
    schema_id = _register(schema_registry, subject, _STRING)
    assert _register(schema_registry, subject, _STRING) == schema_id
    reply = httpx2.get(f"{schema_registry.url}/schemas/ids/{schema_id}", timeout=30)
    assert reply.json()["schema"] == _STRING


def test_an_unknown_id_is_not_found_with_confluents_error_code(schema_registry: SchemaRegistry) -> None:
    reply = httpx2.get(f"{schema_registry.url}/schemas/ids/987654", timeout=30)
    assert reply.status_code == 404
    assert reply.json()["error_code"] == 40403
