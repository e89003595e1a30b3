"""Settings of librdkafka that every client of the broker shares."""

from coalmine_server.settings import KafkaSettings


def kafka_client_config(settings: KafkaSettings) -> dict[str, str | int | bool]:
    """How to reach the brokers and log in. Holds the password: do not log it."""
    servers = {} if settings.bootstrap_servers is None else {"bootstrap.servers": settings.bootstrap_servers}
    return {**servers, **kafka_security_config(settings)}


def kafka_security_config(settings: KafkaSettings) -> dict[str, str | int | bool]:
    """How to log in to the brokers. Holds the password: do not log it."""
    password = settings.sasl_password
    config = {
        "security.protocol": settings.security_protocol,
        "sasl.mechanism": settings.sasl_mechanism,
        "sasl.username": settings.sasl_username,
        "sasl.password": None if password is None else password.get_secret_value(),
        "ssl.ca.location": None if settings.ssl_ca_location is None else str(settings.ssl_ca_location),
    }
    return {name: value for name, value in config.items() if value is not None}
