"""What a Kafka client says goes wrong: its lines in our log, and the one reason worth showing."""

from typing import Final

from confluent_kafka import KafkaError

from coalmine_schemas.limited_log import RateLimitedLogger

_TELLING: Final = frozenset({KafkaError._AUTHENTICATION, KafkaError._RESOLVE, KafkaError._SSL})
"""What people can mend: a wrong password, name or certificate. The connection that ends by it follows."""


class LibrdkafkaLog:
    """What a Kafka client is given for a `logger`: passes its lines on at a limited rate, by facility.

    Without one, librdkafka writes to standard error. Its lines wait until the client is polled.
    """

    def __init__(self, log: RateLimitedLogger) -> None:
        self._log = log

    def log(self, level: int, template: str, facility: str, name: str, text: str) -> None:
        """Called by the client, with librdkafka's facility, e.g. FAIL."""
        del template, name
        self._log.log(level, f"librdkafka {facility}", "librdkafka %s: %s", facility, text)


class LastError:
    """Why a client does not reach its brokers: the most telling of the last errors."""

    def __init__(self) -> None:
        self.reason: str | None = None
        """In librdkafka's words; None if nothing is wrong."""
        self._is_telling = False

    def note(self, error: KafkaError) -> None:
        """Takes an error, as `error_cb` is given it."""
        is_telling = error.code() in _TELLING
        if (
            self.reason is None
            or is_telling
            or not (self._is_telling or error.code() == KafkaError._ALL_BROKERS_DOWN)
        ):
            self.reason, self._is_telling = error.str(), is_telling

    def over(self) -> None:
        """A broker answered."""
        self.reason, self._is_telling = None, False
