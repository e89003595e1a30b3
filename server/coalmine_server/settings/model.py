"""All settings of Coalmine: one frozen object, built once by the entry point and passed on in parts."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from coalmine_schemas.discovery import DEFAULT_HOME, expanded
from coalmine_server.settings.oidc import OidcSettings
from coalmine_server.settings.readout import DriftSettings, ReadoutSettings
from coalmine_server.settings.sections import (
    AlertsSettings,
    AnswersSettings,
    DashboardSettings,
    EvalsSettings,
    EventsSettings,
    IngestSettings,
    KafkaSettings,
    LogSettings,
    PricingSettings,
    RegistrySettings,
    RetentionSettings,
    RolloutSettings,
    SchemaSettings,
    ServerSettings,
    SparkSettings,
    SpoolSettings,
    StoreSection,
)

ENV_PREFIX = "COALMINE_"


class Settings(BaseModel):
    """The merged settings of `coalmine.toml`, the environment and the command line."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    home: Path = Path(DEFAULT_HOME)
    """Directory of the store, the spool, the registry and local credentials."""
    app: str | None = None
    """Name of the application that produces events (read by the client)."""
    environment: str = Field(default="prod", min_length=1)
    """Environment that the application runs in (read by the client)."""
    capture_text: bool = False
    """True to include input and output texts in events (read by the client)."""
    token: SecretStr | None = None
    """Bearer token for a remote server; servers of this `home` accept its local credentials."""
    kafka: KafkaSettings = KafkaSettings()
    """Kafka."""
    # An alias, because the bare name is a method of pydantic's models.
    schema_: SchemaSettings = Field(default=SchemaSettings(), alias="schema")
    """The schema registry."""
    spool: SpoolSettings = SpoolSettings()
    """The spool."""
    spark: SparkSettings = SparkSettings()
    """Spark."""
    server: ServerSettings = ServerSettings()
    """The HTTP API."""
    oidc: OidcSettings = OidcSettings()
    """Sign-on by an identity provider."""
    registry: RegistrySettings = RegistrySettings()
    """The prompt registry."""
    ingest: IngestSettings = IngestSettings()
    """The collector."""
    events: EventsSettings = EventsSettings()
    """Events over HTTP."""
    pricing: PricingSettings = PricingSettings()
    """Prices."""
    store: StoreSection = StoreSection()
    """The store."""
    retention: RetentionSettings = RetentionSettings()
    """How long data is kept."""
    rollouts: RolloutSettings = RolloutSettings()
    """Rollouts."""
    alerts: AlertsSettings = AlertsSettings()
    """Alerts."""
    evals: EvalsSettings = EvalsSettings()
    """Evaluations."""
    answers: AnswersSettings = AnswersSettings()
    """A replica of answers."""
    log: LogSettings = LogSettings()
    """Logs."""
    dashboard: DashboardSettings = DashboardSettings()
    """The dashboards."""
    readout: ReadoutSettings = ReadoutSettings()
    """Readouts of experiments."""
    drift: DriftSettings = DriftSettings()
    """Drift of unchanged versions."""

    @field_validator("home")
    @classmethod
    def _home_is_absolute(cls, home: Path) -> Path:
        return expanded(home)

    @property
    def spool_dir(self) -> Path:
        """The directory of the spool."""
        return expanded(self.spool.dir or self.home / "spool")

    @property
    def pricing_file(self) -> Path | None:
        """The file of own prices; None if there is none."""
        usual = self.home / "pricing.toml"
        return self.pricing.file or (usual if usual.is_file() else None)

    @property
    def store_dir(self) -> Path:
        """The directory of the DuckDB file and the segments."""
        return self.home / "store"

    @property
    def registry_file(self) -> Path:
        """The database of the prompt registry, unless `registry.url` is set."""
        return self.home / "registry.db"

    @property
    def alerts_file(self) -> Path | None:
        """The file of rules, channels and owners; None if there is none."""
        usual = self.home / "alerts.yaml"
        return self.alerts.file or (usual if usual.is_file() else None)

    @property
    def alerts_database(self) -> Path:
        """The database of alerts."""
        return self.home / "alerts.db"

    @property
    def production_file(self) -> Path | None:
        """The file of what is scored and reviewed of production; None if there is none."""
        usual = self.home / "evals.yaml"
        return usual if usual.is_file() else None

    @property
    def evals_database(self) -> Path:
        """The database of evaluations."""
        return self.home / "evals.db"

    @property
    def evals_cache(self) -> Path:
        """The file of answers of models that were paid for; it may be deleted at any time."""
        return self.home / "evals-cache.db"
