"""The sections of `coalmine.toml`. Each is passed, frozen, to the one part that needs it."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator

from coalmine_schemas.limits import LEAST_KEY_CHARS


class Section(BaseModel):
    """A table of `coalmine.toml`: frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def _checked_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, half of an IPv6 address
        usable = False
    if not usable or not value.isprintable() or " " in value:
        raise ValueError("write http://HOST:PORT or https://HOST")
    return value


Url = Annotated[str, AfterValidator(_checked_url)]
"""Address of something that speaks HTTP."""


class KafkaSettings(Section):
    """Kafka, the source of events in production. Without `bootstrap_servers` the spool is read."""

    bootstrap_servers: str | None = None
    """Initial brokers, `host:port,host:port`."""
    group_id: str = Field(default="coalmine-collector", min_length=1)
    """Consumer group of the collector. Its committed offsets are for lag tools; positions are in DuckDB."""
    topic_prefix: str = "coalmine."
    """Prefix of every topic name: with `coalmine.`, requests go to `coalmine.requests`."""
    partitions: int = Field(default=6, ge=1)
    """Number of partitions of a topic that is created at start because it does not exist."""
    replication_factor: int | None = Field(default=None, ge=1)
    """Replication factor of a topic that is created at start; the broker's default if unset."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """Protocol of connections to the brokers."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    """SASL mechanism for logins at the brokers."""
    sasl_username: str | None = None
    """User name for SASL."""
    sasl_password: SecretStr | None = None
    """Password for SASL."""
    ssl_ca_location: Path | None = None
    """File with the certificate of the authority that signed the brokers' certificates."""
    ssl_certificate_location: Path | None = None
    """File with our certificate, for brokers that ask for one (PEM)."""
    ssl_key_location: Path | None = None
    """File with its private key (PEM)."""
    ssl_key_password: SecretStr | None = None
    """Password of that file."""


class SchemaSettings(Section):
    """The schema registry. Without one, frames carry Avro fingerprints."""

    registry_url: str | None = None
    """Base URL of a schema registry with Confluent's API."""
    registry_username: str | None = None
    """User name for HTTP basic authentication at the registry."""
    registry_password: SecretStr | None = None
    """Password for it."""
    registry_ca_location: Path | None = None
    """File with the certificate of the authority that signed the registry's certificate."""


class SpoolSettings(Section):
    """The directory of event files that producers fall back to, and the source when there is no Kafka."""

    dir: Path | None = None
    """Directory of the spool; `<home>/spool` if unset."""


class SparkSettings(Section):
    """Batches that Spark makes in place of the collector."""

    dir: Path | None = None
    """Folder that `coalmine spark` writes batches to and the server imports them from, instead of reading
    Kafka itself; the collector reads if unset."""


class ServerSettings(Section):
    """The HTTP API."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on. Every route except health needs a token, on any address."""
    port: int = Field(default=8321, ge=0, le=65535)
    """Port to listen on; 0 picks a free one."""
    url: Url | None = None
    """URL of the server for commands and dashboards; the server of this `home` if unset."""
    advertised_url: Url | None = None
    """URL of this server for other machines: what servers on the same registry say where to ask instead of
    them; the address it listens on if unset."""
    shutdown_timeout_s: float = Field(default=20.0, gt=0)
    """Time limit for stopping: finishing and committing the current batch, answering open requests."""
    failed_logins_per_minute: int = Field(default=60, ge=1)
    """Invalid tokens allowed per address; beyond that none is looked up. Valid ones are always accepted."""
    trusted_proxies: str = ""
    """Addresses of proxies whose `X-Forwarded-For` is believed, `10.0.0.7,10.1.0.0/16`; nobody's if empty."""
    max_connections: int = Field(default=4096, ge=1)
    """Open connections at most. 4,096 of the files that it may open are kept from them, or half of few."""
    query_threads: int = Field(default=4, ge=1, le=64)
    """Queries that run at the same time. Together they use at most the store's memory limit."""

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, value: str) -> str:
        for each in proxies(value):
            ipaddress.ip_network(each)
        return value


def proxies(trusted: str) -> list[str]:
    """The single addresses and networks of `trusted_proxies`."""
    return [each.strip() for each in trusted.split(",") if each.strip()]


class RegistrySettings(Section):
    """The database of prompt versions and tokens."""

    url: SecretStr | None = None
    """`postgresql+psycopg://user:password@host/database`; the file `<home>/registry.db` if unset."""


class RolloutSettings(Section):
    """Rollouts."""

    most_at_once: int = Field(default=5, ge=1, le=1_000)
    """Rollouts that may hold places in one environment at the same time; others wait or are refused."""
    ping_url: Url | None = None
    """URL that is asked once a minute while rollouts are decided about, of a service that raises an alarm
    when it hears nothing; none if unset."""


class AlertsSettings(Section):
    """Alerts. Rules, channels and owners are in a file of their own."""

    file: Path | None = None
    """File of rules, channels and owners; `<home>/alerts.yaml`, if there is one, if unset."""
    dashboard_url: Url | None = None
    """URL of the dashboard that messages link to; that of this machine if unset."""
    evaluate_every_s: float = Field(default=10.0, ge=1, le=300)
    """How often rules are evaluated."""
    slack_webhook_url: SecretStr | None = None
    """URL of an incoming webhook of Slack. If the file names no channels, everything goes there."""
    slack_bot_token: SecretStr | None = None
    """Token of a Slack bot (`xoxb-...`): messages that change as their alerts do."""
    slack_app_token: SecretStr | None = None
    """Token of a Slack app (`xapp-...`) for buttons, over Socket Mode."""
    slack_users: dict[str, str] = Field(default={})
    """Who presses buttons: a Slack member's id to the subject of that person's token. Others may only
    acknowledge."""
    pagerduty_routing_key: SecretStr | None = None
    """Integration key of a PagerDuty service, Events API v2."""
    webhook_secret: SecretStr | None = None
    """What our own webhooks are signed with."""


class EvalsSettings(Section):
    """Evaluations. Keys are sent to the provider alone, and are in no log and no answer."""

    openai_api_key: SecretStr | None = None
    """Key of OpenAI, or of what speaks its API at `openai_base_url`; `OPENAI_API_KEY` if unset."""
    openai_base_url: Url | None = None
    """Base URL of that API; `OPENAI_BASE_URL`, else OpenAI's own, if unset."""
    anthropic_api_key: SecretStr | None = None
    """Key of Anthropic; `ANTHROPIC_API_KEY` if unset."""
    anthropic_base_url: Url | None = None
    """Base URL of Anthropic's API; `ANTHROPIC_BASE_URL`, else Anthropic's own, if unset."""
    run_by_itself: bool = True
    """True: the server runs the suites of a prompt when a version is registered, another model answers, or
    `rerun_every_days` have passed. It needs keys, and suites that were pushed."""
    budget_usd_per_day: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    """What runs that the server begins by itself may cost in a day (UTC)."""
    rerun_every_days: int = Field(default=30, ge=0)
    """How often what is served by default is run again, as providers change models in silence; 0: never."""


class AnswersSettings(Section):
    """A replica of answers, `coalmine serve answers`."""

    renew_every_s: float = Field(default=15.0, ge=1, le=3600)
    """How often it asks the owner of the store for a new snapshot; none is made while nothing changes."""


class LogSettings(Section):
    """Log lines that the server and the command write to standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe level that is written."""
    format: Literal["auto", "json", "console"] = "auto"
    """`auto` is `console` on a terminal and `json` elsewhere."""


class DashboardSettings(Section):
    """The Streamlit pages."""

    host: str = Field(default="127.0.0.1", min_length=1)
    """Address to listen on."""
    port: int = Field(default=8501, ge=0, le=65535)
    """Port to listen on."""
    answers_url: Url | None = None
    """URL of a replica (`coalmine serve answers`) that pages ask, with the viewer's token; what people do
    goes to the server. The server if unset."""


Days = Annotated[int, Field(ge=0)] | Literal["forever"]
"""Whole days in addition to today, or `forever`."""


class PricingSettings(Section):
    """Prices of one's own."""

    file: Path | None = None
    """File of own prices, which win over the list; `<home>/pricing.toml`, if there is one, if unset."""


class IngestSettings(Section):
    """The collector. Small batches make events visible sooner; large ones cost less while catching up."""

    live_messages: int = Field(default=20_000, ge=1)
    """Maximum messages per batch while the collector keeps up. A full batch means that it fell behind."""
    live_wait_s: float = Field(default=0.2, gt=0, le=10)
    """Minimum time to collect messages for a batch while the collector keeps up."""
    catch_up_messages: int = Field(default=100_000, ge=1)
    """Maximum messages per batch while it catches up. Larger batches use more memory."""
    retry_max_s: float = Field(default=10.0, gt=0)
    """Longest pause before a transient failure is retried."""


class EventsSettings(Section):
    """Events that come over HTTP, from what does not use the client."""

    per_minute: int = Field(default=60_000, ge=1)
    """Events that an app, and a token, may send in a minute, and at once."""
    feedback_link_key: SecretStr | None = Field(default=None, min_length=LEAST_KEY_CHARS)
    """Secret that feedback links are signed with, the same in services that make them; no links if unset."""
    feedback_link_url: Url | None = None
    """URL under which people reach the server, for links that commands make; `server.url` if unset."""
    feedback_link_origins: str = ""
    """Origins of pages whose scripts may send thumbs, `https://a.example.com,https://b.example.com`."""

    @field_validator("feedback_link_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        for each in proxies(value):
            parts = urlsplit(each)
            if parts.scheme not in ("http", "https") or each != f"{parts.scheme}://{parts.netloc}":
                raise ValueError(f"{each} is no origin: write scheme and host, https://app.example.com")
        return value


class StoreSection(Section):
    """DuckDB and the Parquet segment files."""

    memory_limit_mb: int = Field(default=384, ge=64)
    """Memory limit of DuckDB in MiB; beyond it, DuckDB spills to disk in `home`."""
    threads: int = Field(default=2, ge=1)
    """Number of threads of DuckDB."""
    seal_rows: int = Field(default=200_000, ge=1)
    """Number of rows at which an event's hot table is written to a segment file."""
    seal_age_s: float = Field(default=300.0, gt=0)
    """Age of the oldest row at which a hot table is written to a segment file."""
    merge_rows: int = Field(default=4_000_000, ge=1)
    """Maximum rows of a segment file when small ones of the same day are merged."""
    names_per_day: int = Field(default=5_000, ge=1)
    """New names of a kind (prompts, versions, models, metrics ...) in a day; more are stored as `(other)`."""
    names_per_app: int = Field(default=1_000, ge=1)
    """Of these, those that events of one app bring, so that one does not use up what the day has for all."""
    clock_tolerance_s: float = Field(default=300.0, ge=0)
    """Events further in the future than this are stored unchanged and counted as ahead of the clock."""


class RetentionSettings(Section):
    """How long data is kept. Rollups and experiment cells outlive the raw events."""

    raw_days: Days = 30
    """How long raw events are kept."""
    rollup_days: Days = "forever"
    """How long rollups are kept."""
    dead_letter_days: Days = 90
    """How long dead letters are kept."""
    minute_days: int = Field(default=7, ge=0)
    """How long rollups per minute are kept; older ones are merged into hours."""
    hour_days: int = Field(default=90, ge=0)
    """How long rollups per hour are kept; older ones are merged into days."""
    file_grace_s: float = Field(default=900.0, ge=0)
    """How long the file of a retired segment stays, because running queries may still read it."""
