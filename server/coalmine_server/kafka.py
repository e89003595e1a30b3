"""From settings to the clients of Kafka: how to log in, and the producing client of commands."""

from typing import TYPE_CHECKING

from coalmine_server.settings import KafkaSettings, Settings

if TYPE_CHECKING:
    from coalmine import Coalmine


def kafka_security_config(settings: KafkaSettings) -> dict[str, str | int | bool]:
    """How to log in to the brokers, as librdkafka's settings. Holds the password: do not log it."""
    password = settings.sasl_password
    config = {
        "security.protocol": settings.security_protocol,
        "sasl.mechanism": settings.sasl_mechanism,
        "sasl.username": settings.sasl_username,
        "sasl.password": None if password is None else password.get_secret_value(),
        "ssl.ca.location": None if settings.ssl_ca_location is None else str(settings.ssl_ca_location),
    }
    return {name: value for name, value in config.items() if value is not None}


def make_client(settings: Settings, app: str, environment: str) -> "Coalmine":
    """A producing client that waits when its queue is full: it loses nothing, however fast events come."""
    from coalmine import Coalmine  # noqa: PLC0415 - what only wants to log in needs no client

    kafka = settings.kafka
    servers = kafka.bootstrap_servers
    return Coalmine(
        app,
        environment,
        home=settings.home,
        spool_dir=settings.spool_dir,
        server_url=settings.server.url,
        token=None if settings.token is None else settings.token.get_secret_value(),
        kafka_bootstrap_servers=servers,
        kafka_config=None if servers is None else kafka_security_config(kafka),
        schema_registry_url=settings.schema_.registry_url,
        topic_prefix=settings.kafka.topic_prefix,
        capture_text=settings.capture_text,
        on_full="wait",
    )
