"""Clients of the producing side, made from the settings of the server and the command."""

from coalmine import Coalmine
from coalmine_server.services.kafka import kafka_security_config
from coalmine_server.settings import Settings


def make_client(settings: Settings, app: str, environment: str) -> Coalmine:
    """A client that waits when its queue is full: it loses nothing, however fast events are played."""
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
        topic_prefix=kafka.topic_prefix,
        capture_text=settings.capture_text,
        on_full="wait",
    )
