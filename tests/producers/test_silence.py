"""How long Kafka may acknowledge nothing."""

from coalmine.emitters.silence import CONNECT_PATIENCE_S, PATIENCE_S, Silence


class _World:
    def __init__(self) -> None:
        self.now = 0.0
        self.silence = Silence(lambda: self.now)

    def too_long_after_s(self, *, step_s: float = 0.05, waiting: bool = True, at_most_s: float = 60) -> float:
        began = self.now
        while self.now < began + at_most_s:
            self.now += step_s
            if self.silence.lasts_too_long(waiting=waiting):
                return round(self.now - began, 1)
        return float("inf")

    def acknowledged(self, *, for_s: float) -> None:
        until = self.now + for_s
        while self.now < until:
            self.now += 0.05
            self.silence.broken()
            assert not self.silence.lasts_too_long(waiting=True)


def test_a_second_is_too_long_and_three_before_the_first_acknowledgement() -> None:
    world = _World()
    assert CONNECT_PATIENCE_S <= world.too_long_after_s() <= CONNECT_PATIENCE_S + 0.2
    assert CONNECT_PATIENCE_S <= world.too_long_after_s() <= CONNECT_PATIENCE_S + 0.2
    world.acknowledged(for_s=20)
    assert PATIENCE_S <= world.too_long_after_s() <= PATIENCE_S + 0.2


def test_where_nothing_waits_there_is_nothing_to_hear() -> None:
    world = _World()
    world.acknowledged(for_s=1)
    assert world.too_long_after_s(waiting=False) == float("inf")
    assert world.too_long_after_s() >= PATIENCE_S


def test_a_suspended_process_has_not_listened() -> None:
    world = _World()
    world.acknowledged(for_s=20)
    world.now += 3600
    assert not world.silence.lasts_too_long(waiting=True)
    world.silence.broken()
    assert world.too_long_after_s() >= PATIENCE_S


def test_a_broker_slower_than_the_patience_is_waited_for_and_one_that_goes_away_later_is_not() -> None:
    world = _World()
    world.acknowledged(for_s=1)
    patience = []
    for _ in range(6):
        patience.append(world.too_long_after_s())
        world.acknowledged(for_s=0.1)
    assert patience == sorted(patience)
    assert 4 <= patience[-1] <= 9
    for _ in range(4):
        world.acknowledged(for_s=60)
        patience.append(world.too_long_after_s())
    assert patience[-1] <= PATIENCE_S + 0.2
