"""How every Kafka producer is configured, and how every client logs in."""

from collections.abc import Mapping
from typing import Any, Final

SECURITY: Final[Mapping[str, str]] = {
    "security_protocol": "security.protocol",
    "sasl_mechanism": "sasl.mechanism",
    "sasl_username": "sasl.username",
    "sasl_password": "sasl.password",
    "ssl_ca_location": "ssl.ca.location",
    "ssl_certificate_location": "ssl.certificate.location",
    "ssl_key_location": "ssl.key.location",
    "ssl_key_password": "ssl.key.password",
}
"""Our names of how to log in, and librdkafka's. Variables: `COALMINE_KAFKA_` and our name in capitals."""


def producer_config(
    bootstrap_servers: str,
    *,
    client_id: str,
    delivery_timeout_s: float,
    max_message_bytes: int,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns librdkafka's settings for a producer. They may hold a password: do not log them.

    Args:
        bootstrap_servers: Brokers, `host:port,...`.
        client_id: Name in the broker's logs and quotas.
        delivery_timeout_s: How long librdkafka tries to deliver a message.
        max_message_bytes: Largest event; not above what the topic takes.
        extra: Further settings, e.g. for TLS and SASL, which win.
    """
    return {
        "bootstrap.servers": bootstrap_servers,
        "client.id": client_id,
        # A retry neither repeats nor reorders messages; implies acks=all.
        "enable.idempotence": True,
        # Events of one service share most of their bytes.
        "compression.type": "zstd",
        # Larger batches compress better, and nobody waits for an event.
        "linger.ms": 20,
        "delivery.timeout.ms": int(delivery_timeout_s * 1000),
        # The default, 1 GiB, is more than a service should lose to a broker that is away.
        "queue.buffering.max.kbytes": 64 * 1024,
        # Room for the key and for what surrounds an event.
        "message.max.bytes": max_message_bytes + 16 * 1024,
        # The default waits up to 10 s between attempts; a broker that restarts should find us sooner.
        "reconnect.backoff.max.ms": 2000,
        # The same partition for the same key as Java's producers choose.
        "partitioner": "murmur2_random",
        # Brokers close idle connections all the time.
        "log.connection.close": False,
        **(extra or {}),
    }
