"""From settings to the parts of the pipeline: the one place where their names meet."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from coalmine_consumers.collector.collector import CollectorSettings
from coalmine_consumers.collector.pace import PacePolicy
from coalmine_consumers.collector.pricing import Pricer
from coalmine_consumers.errors import SourceMisconfigured, SourceUnavailable
from coalmine_consumers.maintenance.policy import (
    AgeingPolicy,
    MaintenancePolicy,
    MergePolicy,
    RetentionPolicy,
    SealPolicy,
)
from coalmine_consumers.prepared.source import PreparedSource
from coalmine_consumers.sources import Source
from coalmine_consumers.sources.spool import SpoolSource
from coalmine_consumers.store import Store
from coalmine_schemas.batch import BatchDecoder
from coalmine_schemas.discovery import expanded
from coalmine_schemas.own_prices import read_own_prices
from coalmine_schemas.prices import PriceTable
from coalmine_schemas.resolver import SchemaResolver
from coalmine_schemas.retry import RetryPolicy
from coalmine_server.kafka import kafka_security_config, librdkafka_log, schema_registry
from coalmine_server.settings import (
    IngestSettings,
    KafkaSettings,
    RetentionSettings,
    Settings,
    StoreSection,
)


def source_kind(settings: Settings) -> Literal["kafka", "spool", "spark"]:
    """What events come from; Spark reads Kafka, so without brokers it is the spool."""
    if settings.kafka.bootstrap_servers is None:
        return "spool"
    return "kafka" if settings.spark.dir is None else "spark"


def make_source(settings: Settings, store: Store) -> Source:
    """What Spark prepares, if set; else Kafka if it is configured, with missing topics made; else the spool.

    Raises:
        SourceUnavailable: The broker does not answer now.
        SourceMisconfigured: Waiting will not help.
    """
    servers = settings.kafka.bootstrap_servers
    if servers is None:
        return SpoolSource(settings.spool_dir)
    if settings.spark.dir is not None:
        make_topics(settings.kafka)
        return PreparedSource(expanded(settings.spark.dir), lambda: store.next_ingest_id)
    # They import the Kafka client.
    from coalmine_consumers.sources.kafka_renewal import RenewedKafkaSource  # noqa: PLC0415
    from coalmine_consumers.sources.kafka_settings import (  # noqa: PLC0415
        KafkaSourceSettings,
        store_instance_id,
    )

    make_topics(settings.kafka)
    return RenewedKafkaSource(
        KafkaSourceSettings(
            bootstrap_servers=servers,
            group_id=settings.kafka.group_id,
            topic_prefix=settings.kafka.topic_prefix,
            instance_id=store_instance_id(settings.store_dir),
            extra=kafka_security_config(settings.kafka),
        )
    )


def make_topics(settings: KafkaSettings) -> None:
    """Makes the topics that are missing.

    Raises:
        SourceUnavailable: The broker does not answer now.
        SourceMisconfigured: It refuses.
    """
    from confluent_kafka import KafkaException  # noqa: PLC0415
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415

    from coalmine_consumers.sources.kafka_topics import ensure_topics  # noqa: PLC0415
    from coalmine_schemas.kafka_errors import LastError  # noqa: PLC0415

    last_error = LastError()
    config: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers or "",
        "error_cb": last_error.note,
        **kafka_security_config(settings),
    }
    replicas = -1 if settings.replication_factor is None else settings.replication_factor
    try:
        admin = AdminClient(config, logger=librdkafka_log())
    except KafkaException as error:
        raise SourceMisconfigured(f"Kafka: {error.args[0].str()}") from error
    try:
        ensure_topics(admin, settings.topic_prefix, settings.partitions, replicas)
    except SourceUnavailable as error:
        admin.poll(0)
        if last_error.reason is None:
            raise
        raise SourceUnavailable(f"the broker did not answer: {last_error.reason}") from error


@contextmanager
def decoding(settings: Settings) -> Iterator[BatchDecoder]:
    """Decodes batches, for the length of a block and one thread; asks the schema registry if there is one."""
    registry = schema_registry(settings.schema_)
    if registry is None:
        yield BatchDecoder(SchemaResolver(), ranges=settings.readout.ranges)
        return
    with registry:
        yield BatchDecoder(SchemaResolver(registry), ranges=settings.readout.ranges)


def pricer(settings: Settings) -> Pricer:
    """Prices what clients did not, with the operator's own prices first.

    Raises:
        InvalidParameter: The file of own prices is not valid.
    """
    file = settings.pricing_file
    return Pricer() if file is None else Pricer(read_own_prices(file))


def price_table(settings: Settings) -> PriceTable:
    """Prices what evaluations ask models, with the operator's own prices first; for one thread.

    Raises:
        InvalidParameter: The file of own prices is not valid.
    """
    file = settings.pricing_file
    return PriceTable() if file is None else PriceTable(read_own_prices(file))


def collector_settings(settings: IngestSettings) -> CollectorSettings:
    """How the collector batches and tries again."""
    pace = PacePolicy(
        live_messages=settings.live_messages,
        live_min_wait_s=settings.live_wait_s,
        live_max_wait_s=max(settings.live_wait_s, PacePolicy().live_max_wait_s),
        catch_up_messages=settings.catch_up_messages,
    )
    return CollectorSettings(pace=pace, retry=RetryPolicy(max_s=settings.retry_max_s))


def maintenance_policy(store: StoreSection, retention: RetentionSettings) -> MaintenancePolicy:
    """What housekeeping aims for."""
    return MaintenancePolicy(
        seal=SealPolicy(max_rows=store.seal_rows, max_age_s=store.seal_age_s),
        merge=MergePolicy(target_rows=store.merge_rows),
        retention=RetentionPolicy(
            raw_days=_days(retention.raw_days),
            rollup_days=_days(retention.rollup_days),
            dead_letter_days=_days(retention.dead_letter_days),
            file_grace_s=retention.file_grace_s,
        ),
        ageing=AgeingPolicy(minute_days=retention.minute_days, hour_days=retention.hour_days),
    )


def _days(days: int | Literal["forever"]) -> int | None:
    return None if days == "forever" else days
