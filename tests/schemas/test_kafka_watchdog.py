"""When a Kafka client is taken for dead, without a broker."""

import socket
import threading

import pytest

from coalmine_schemas.kafka_watchdog import Watchdog, any_takes_connections
from tests.support.servers.ports import free_port


class _World:
    """A clock that goes on when told, and a broker's address that answers when told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.answers = True
        self.lookers: list[threading.Thread] = []
        self.dog = Watchdog("broker:1", takes_connections=self._look, clock=lambda: self.now)

    def _look(self, servers: str) -> bool:
        assert servers == "broker:1"
        self.lookers.append(threading.current_thread())
        return self.answers

    def dead_within(self, seconds: int) -> float | None:
        """Asks every half second; after how many it was dead."""
        began = self.now
        while self.now < began + seconds:
            if self.dog.is_dead():
                return self.now - began
            for thread in threading.enumerate():
                if thread.name == "coalmine-kafka-look":
                    thread.join()
            for thread in self.lookers[-1:]:  # may be alive a moment longer than it is listed
                thread.join()
            self.now += 0.5
        return None


def test_a_client_that_hears_nothing_is_dead_only_while_its_broker_takes_connections() -> None:
    world = _World()
    world.answers = False
    assert world.dead_within(300) is None
    world.answers = True
    assert world.dead_within(300) is not None


def test_a_broker_that_answers_nobody_is_no_reason_for_a_new_client_every_few_seconds() -> None:
    world = _World()
    pauses = [world.dead_within(60) or 0 for _ in range(6)]
    assert pauses[0] <= 6
    assert pauses == sorted(pauses)
    assert 29 <= pauses[-1] <= 32
    world.dog.heard()
    assert (world.dead_within(60) or 99) <= 6


def test_who_hears_something_is_not_dead() -> None:
    world = _World()
    for _ in range(100):
        assert world.dead_within(4) is None
        world.dog.heard()


def test_an_address_is_looked_at_once_a_second_at_most() -> None:
    world = _World()
    world.answers = False
    world.dead_within(60)
    assert len(world.lookers) <= 60


@pytest.mark.parametrize("form", ["{0}", "PLAINTEXT://{0}", "nowhere.invalid:1,{0}", " {0} "])
def test_one_address_that_takes_connections_is_enough(form: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert any_takes_connections(form.format(f"127.0.0.1:{server.getsockname()[1]}"))


@pytest.mark.parametrize(
    "servers", ["", "nowhere.invalid", ":", "a:b:c", "[::1", "127.0.0.1:99999", "127.0.0.1:{0}"]
)
def test_addresses_that_take_no_connections_are_no_errors(servers: str) -> None:
    assert not any_takes_connections(servers.format(free_port()))
