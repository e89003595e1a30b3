"""Both framings through a real schema registry."""

import json
import uuid
from collections.abc import Iterator
from io import SEEK_END, BytesIO
from urllib.parse import urlsplit

import pytest
from fastavro import parse_schema, schemaless_writer

from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.catalogue import latest
from coalmine_schemas.codec import ConfluentFraming, Decoder, Encoder
from coalmine_schemas.errors import RegistryRefused, RegistryUnavailable, UnknownSchema
from coalmine_schemas.events import EventName
from coalmine_schemas.framing import Confluent, confluent_header, parse_header
from coalmine_schemas.registry_client import SchemaRegistryClient
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.topics import EVENT_NAMES
from tests.support.data.example_events import example, load_examples
from tests.support.servers.round_robin import RoundRobin
from tests.support.servers.schema_registry import SchemaRegistry


@pytest.fixture
def prefix() -> str:
    """Subjects of this test's own."""
    return f"{uuid.uuid4().hex}."


@pytest.fixture
def client(schema_registry: SchemaRegistry) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient(schema_registry.url) as client:
        yield client


@pytest.mark.parametrize("event", EVENT_NAMES)
def test_events_go_through_a_real_registry(
    schema_registry: SchemaRegistry, client: SchemaRegistryClient, prefix: str, event: EventName
) -> None:
    writer = Encoder(ConfluentFraming(client, prefix))
    frames = [writer.encode(event, record) for record in load_examples(event)]
    assert isinstance(parse_header(frames[0]), Confluent)
    with SchemaRegistryClient(schema_registry.url) as another:
        reader = SchemaResolver(another)
        assert [Decoder(reader).decode(event, frame) for frame in frames] == load_examples(event)
        result = BatchDecoder(reader).decode(event, frames)
    assert result.failures == []
    assert result.table.num_rows == len(frames)


def test_the_same_schema_gets_the_same_id_again(schema_registry: SchemaRegistry, prefix: str) -> None:
    ids = set()
    for _ in range(3):
        with SchemaRegistryClient(schema_registry.url) as client:
            ids.add(client.register(f"{prefix}scores-value", latest("scores").json))
    assert len(ids) == 1


def test_a_newer_writer_is_read_through_the_registry(client: SchemaRegistryClient, prefix: str) -> None:
    document = json.loads(latest("scores").json)
    document["fields"].insert(0, {"name": "region", "type": ["null", "string"], "default": None})
    schema_id = client.register(f"{prefix}scores-value", json.dumps(document))
    out = BytesIO(confluent_header(schema_id))
    out.seek(0, SEEK_END)
    schemaless_writer(out, parse_schema(document), {**example("scores"), "region": "eu"})
    result = BatchDecoder(SchemaResolver(client)).decode("scores", [out.getvalue()])
    assert result.failures == []
    assert result.table.column("score_id").to_pylist() == [example("scores")["score_id"]]


def test_an_unknown_id_is_known_to_be_unknown(client: SchemaRegistryClient) -> None:
    with pytest.raises(UnknownSchema, match="has no schema 2000000000"):
        client.schema_by_id(2_000_000_000)
    result = BatchDecoder(SchemaResolver(client)).decode("scores", [confluent_header(2_000_000_001) + b"x"])
    assert [(f.stage, f.schema_ref) for f in result.failures] == [("frame", "id:2000000001")]


def test_a_wrong_path_is_no_unknown_id(schema_registry: SchemaRegistry) -> None:
    with (
        SchemaRegistryClient(f"{schema_registry.url}/nonsense") as lost,
        pytest.raises(RegistryRefused),
    ):
        lost.schema_by_id(1)


def test_nonsense_is_not_registered(client: SchemaRegistryClient, prefix: str) -> None:
    with pytest.raises(RegistryRefused):
        client.register(f"{prefix}scores-value", "{nonsense")


def test_a_registry_that_goes_away_is_transient_and_known_ids_live_on(
    schema_registry: SchemaRegistry, prefix: str
) -> None:
    with (
        RoundRobin([schema_registry.url]) as way,
        SchemaRegistryClient(way.url + urlsplit(schema_registry.url).path, timeout_s=2.0) as client,
    ):
        frame = Encoder(ConfluentFraming(client, prefix)).encode("scores", example("scores"))
        decoder = BatchDecoder(SchemaResolver(client))
        assert decoder.decode("scores", [frame]).failures == []
        way.close()
        assert decoder.decode("scores", [frame]).failures == []
        with pytest.raises(RegistryUnavailable):
            decoder.decode("scores", [frame, confluent_header(999) + b"x"])
