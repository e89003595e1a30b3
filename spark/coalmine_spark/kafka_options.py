"""How to log in to brokers, for the JVM: librdkafka's settings as those of Spark's Kafka source."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

_PLAIN: Final = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM: Final = "org.apache.kafka.common.security.scram.ScramLoginModule"


def kafka_options(bootstrap_servers: str, security: Mapping[str, str]) -> dict[str, str]:
    """Options of Spark's Kafka source.

    Args:
        bootstrap_servers: Brokers, `host:port,...`.
        security: How to log in, as librdkafka's settings. What is returned holds the password, too.
    """
    options = {
        "kafka.bootstrap.servers": bootstrap_servers,
        "kafka.isolation.level": "read_committed",
        # Each client would load a telemetry library: a second for nothing.
        "kafka.enable.metrics.push": "false",
        # What the broker deleted unread ends the query; the next one tells the server what was lost.
        "failOnDataLoss": "true",
    }
    if "security.protocol" in security:
        options["kafka.security.protocol"] = security["security.protocol"]
    if (mechanism := security.get("sasl.mechanism")) is not None:
        options["kafka.sasl.mechanism"] = mechanism
        module = _PLAIN if mechanism == "PLAIN" else _SCRAM
        name, password = (_quoted(security.get(f"sasl.{key}", "")) for key in ("username", "password"))
        options["kafka.sasl.jaas.config"] = f"{module} required username={name} password={password};"
    if (authority := security.get("ssl.ca.location")) is not None:
        options["kafka.ssl.truststore.type"] = "PEM"
        options["kafka.ssl.truststore.certificates"] = Path(authority).read_text()
    if (certificate := security.get("ssl.certificate.location")) is not None:
        options["kafka.ssl.keystore.type"] = "PEM"
        options["kafka.ssl.keystore.certificate.chain"] = Path(certificate).read_text()
        options["kafka.ssl.keystore.key"] = Path(security["ssl.key.location"]).read_text()
        if "ssl.key.password" in security:
            options["kafka.ssl.key.password"] = security["ssl.key.password"]
    return options


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
