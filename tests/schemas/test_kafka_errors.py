"""What is kept of a Kafka client's errors."""

from confluent_kafka import KafkaError

from coalmine_schemas.kafka_errors import LastError

DOWN = KafkaError(KafkaError._ALL_BROKERS_DOWN, "1/1 brokers are down")
REFUSED = KafkaError(KafkaError._TRANSPORT, "connection refused")
PASSWORD = KafkaError(KafkaError._AUTHENTICATION, "wrong password")
NAME = KafkaError(KafkaError._RESOLVE, "no such name")


def _kept(*errors: KafkaError) -> str | None:
    last = LastError()
    for error in errors:
        last.note(error)
    return last.reason


def test_the_reason_is_kept_and_not_what_follows_from_it() -> None:
    assert _kept() is None
    assert _kept(DOWN) == "1/1 brokers are down"
    assert _kept(DOWN, REFUSED, DOWN) == "connection refused"
    assert _kept(REFUSED, PASSWORD, REFUSED, DOWN) == "wrong password"
    assert _kept(PASSWORD, NAME) == "no such name"


def test_what_is_over_is_forgotten() -> None:
    last = LastError()
    last.note(PASSWORD)
    last.over()
    assert last.reason is None
    last.note(REFUSED)
    assert last.reason == "connection refused"
