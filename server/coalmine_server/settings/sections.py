"""The sections of `coalmine.toml`. Each is handed, whole and frozen, to the one part that needs it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Section(BaseModel):
    """A table of `coalmine.toml`: frozen, and closed to unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True
    )


class KafkaSettings(Section):
    """Where events come from in production. Without `bootstrap_servers` the spool is read."""

    bootstrap_servers: str | None = None
    """Brokers to start from, `host:port,host:port`."""
    group_id: str = Field(default="coalmine-collector", min_length=1)
    """Consumer group of the collector. Its offsets at the broker are for lag tools; ours are in DuckDB."""
    topic_prefix: str = "coalmine."
    """Put before every topic name, `coalmine.` giving `coalmine.requests`."""
    partitions: int = Field(default=6, ge=1)
    """Partitions of a topic that does not exist yet and is created at start."""
    replication_factor: int | None = Field(default=None, ge=1)
    """Replicas of a topic that is created at start; the broker's own default if unset."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How to speak to the brokers."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """How to log in to the brokers."""
    sasl_username: str | None = None
    """Who logs in to the brokers."""
    sasl_password: SecretStr | None = None
    """The password for it."""
    ssl_ca_location: Path | None = None
    """File of the certificate authority that signed the brokers' certificates."""


class SchemaSettings(Section):
    """The schema registry. Without one, frames carry Avro fingerprints."""

    registry_url: str | None = None
    """Base URL of a registry that speaks Confluent's API."""


class SpoolSettings(Section):
    """The directory of event files that producers fall back to, and the source when there is no Kafka."""

    dir: Path | None = None
    """Directory; `<home>/spool` if unset."""


class ServerSettings(Section):
    """The HTTP API."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on. Every route but health needs a token, whatever the address."""
    port: int = Field(default=8321, ge=0, le=65535)
    """Port to listen on; 0 takes a free one."""
    url: str | None = None
    """Where commands and dashboards find the server; by default the one of this `home`."""
    shutdown_timeout_s: float = Field(default=20.0, gt=0)
    """How long a stop may take: finishing the batch at hand, committing it, answering open requests."""
    failed_logins_per_minute: int = Field(default=60, ge=1)
    """Wrong tokens that one address may try; then it has to wait, but for tokens that were good before."""
    query_threads: int = Field(default=4, ge=1, le=64)
    """Queries that run at the same time. Each may take memory up to the store's limit together."""


class RegistrySettings(Section):
    """Where prompt versions and tokens are kept."""

    url: SecretStr | None = None
    """`postgresql+psycopg://user:password@host/database`; the file `<home>/registry.db` if unset."""


class LogSettings(Section):
    """What the server and the command write to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least important lines that are written."""
    format: Literal["auto", "json", "console"] = "auto"
    """`auto` is `console` on a terminal and `json` elsewhere."""


class DashboardSettings(Section):
    """The Streamlit pages."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on."""
    port: int = Field(default=8501, ge=0, le=65535)
    """Port to listen on."""


Days = Annotated[int, Field(ge=0)] | Literal["forever"]
"""Whole days beside today, or `forever`."""


class IngestSettings(Section):
    """The collector. Small batches show events at once; large ones are cheaper while catching up."""

    live_messages: int = Field(default=20_000, ge=1)
    """Most messages in a batch while the collector keeps up. A full batch means that it fell behind."""
    live_wait_s: float = Field(default=0.2, gt=0, le=10)
    """A batch gathers messages for at least this long while the collector keeps up."""
    catch_up_messages: int = Field(default=100_000, ge=1)
    """Most messages in a batch while it catches up. Memory grows with it."""
    retry_max_s: float = Field(default=10.0, gt=0)
    """Longest pause before something that failed for a passing reason is tried again."""


class StoreSection(Section):
    """DuckDB and the Parquet segments."""

    memory_limit_mb: int = Field(default=384, ge=64)
    """Memory DuckDB may use, in MiB; what does not fit is worked on in `home`."""
    threads: int = Field(default=2, ge=1)
    """Threads DuckDB may use."""
    seal_rows: int = Field(default=200_000, ge=1)
    """An event's hot table becomes a segment once it holds this many rows."""
    seal_age_s: float = Field(default=300.0, gt=0)
    """It becomes one, too, once its oldest row is this old."""
    merge_rows: int = Field(default=4_000_000, ge=1)
    """Small segments of a day are merged into segments of at most this many rows."""
    clock_tolerance_s: float = Field(default=300.0, ge=0)
    """Events that are further in the future are stored as they say and counted as ahead of the clock."""


class RetentionSettings(Section):
    """How long things are kept. Rollups and experiment cells outlive the raw events."""

    raw_days: Days = 30
    """Raw events."""
    rollup_days: Days = "forever"
    """Rollups."""
    dead_letter_days: Days = 90
    """Dead letters."""
    minute_days: int = Field(default=7, ge=0)
    """Rollups per minute; older ones become hours."""
    hour_days: int = Field(default=90, ge=0)
    """Rollups per hour; older ones become days."""
    file_grace_s: float = Field(default=900.0, ge=0)
    """A retired segment's file stays this long, because a running query may still read it."""
