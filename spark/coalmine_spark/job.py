"""What a Spark job is told: one file of JSON, so that passwords are in no command line."""

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from coalmine_schemas.atomic_file import write_atomically
from coalmine_schemas.ranges import DEFAULT_RANGES, Range

DUPLICATES_WITHIN_S: Final = 600.0
"""How long Spark remembers ids, unless told otherwise: longer than a producer tries to deliver."""


@dataclass(frozen=True, slots=True)
class SchemaRegistryLogin:
    """Where schema ids are looked up."""

    url: str
    username: str | None = None
    password: str | None = None
    ca_location: Path | None = None


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """A price of one's own; see `coalmine_schemas.own_prices`."""

    model: str
    provider: str | None
    prices: dict[str, Decimal]
    service_tier: str | None = None


@dataclass(frozen=True, slots=True)
class Decoding:
    """What tasks need to know to decode and price as the collector does."""

    topic_prefix: str = "coalmine."
    schema_registry: SchemaRegistryLogin | None = None
    ranges: dict[str, Range] = field(default_factory=lambda: dict(DEFAULT_RANGES))
    own_prices: list[ModelPrice] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Job:
    """All of it."""

    folder: Path
    """The folder of prepared batches: a path that every worker and the server have."""
    bootstrap_servers: str
    decoding: Decoding
    security: dict[str, str] = field(default_factory=dict)
    """How to log in to the brokers, as librdkafka's settings."""
    trigger_s: float = 10.0
    """How often a batch begins."""
    max_events: int = 2_000_000
    """Messages of one batch, at most."""
    tasks: int = 2
    """Tasks that divide a batch once repeated events are dropped: as many as there are cores."""
    duplicates_within_s: float = DUPLICATES_WITHIN_S
    """How long ids are remembered. What is repeated later, the server finds: the same numbers, more work."""
    max_waiting: int = 8
    """Batches that may wait for the server before the job waits for it."""
    once: bool = False
    """True: end when everything that is there now is read."""


_JOB, _DECODING = TypeAdapter(Job), TypeAdapter(Decoding)


def write_job(path: Path, job: Job) -> None:
    """Writes it for its owner alone."""
    write_atomically(path, _JOB.dump_json(job))


def read_job(path: Path) -> Job:
    """Reads what `write_job` wrote."""
    return _JOB.validate_json(path.read_bytes())


def decoding_as_json(decoding: Decoding) -> str:
    """As tasks get it."""
    return _DECODING.dump_json(decoding).decode()


def decoding_of_json(text: str) -> Decoding:
    """The other way round."""
    return _DECODING.validate_json(text)
