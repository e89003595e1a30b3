"""Leases: one of several contenders holds one at a time, whatever happens to it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection

from coalmine_registry.errors import LeaseLost
from coalmine_registry.leases import LASTS_S, Holder, Lease, owner
from coalmine_registry.registry import Registry
from coalmine_registry.storage import Database
from coalmine_schemas.errors import Transient


class Clock:
    """Monotonic seconds that move only when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def registry(address: str) -> Iterator[Registry]:
    with Registry.open(address) as opened:
        yield opened


def contender(registry: Registry, name: str, clock: Clock) -> Lease:
    return Lease(registry, "measures", Holder(name, f"http://{name}"), clock=clock)


def waits(lease: Lease, clock: Clock) -> bool:
    """Looks for longer than a lease lasts. Returns True if it has it then."""
    for _ in range(int(LASTS_S)):
        clock.now_s += 1
        lease.hold()
    clock.now_s += 1
    return lease.hold()


def test_one_holds_it_and_others_know_where(registry: Registry) -> None:
    clock = Clock()
    one, two = contender(registry, "one", clock), contender(registry, "two", clock)
    assert (one.acting, owner(registry, "measures")) == (False, None)
    assert one.hold()
    assert not two.hold()
    assert (one.acting, two.acting) == (True, False)
    assert owner(registry, "measures") == Holder("one", "http://one")
    clock.now_s += LASTS_S - 1
    assert one.hold()
    clock.now_s += LASTS_S - 1
    assert not two.hold()  # it has grown meanwhile


def test_it_is_taken_over_once_it_was_not_renewed_and_the_old_holder_is_refused(registry: Registry) -> None:
    clock = Clock()
    one, two = contender(registry, "one", clock), contender(registry, "two", clock)
    assert one.hold()
    assert not two.hold()
    registry.transact(one.check)
    assert waits(two, clock)
    assert not one.acting  # by its own clock, before anybody else can act
    with pytest.raises(LeaseLost, match="measures"):
        registry.transact(one.check)
    registry.transact(two.check)
    assert not one.hold()
    assert one.lost_to == Holder("two", "http://two")
    clock.now_s += 10 * LASTS_S
    assert not one.hold()  # it is not asked for again: whoever lost it ends
    assert (one.acting, two.hold(), two.acting) == (False, True, True)


def test_the_same_holder_begins_again_at_once_and_its_predecessor_is_refused(registry: Registry) -> None:
    clock = Clock()
    before, after = contender(registry, "home", clock), contender(registry, "home", clock)
    assert before.hold()
    assert after.hold()
    with pytest.raises(LeaseLost):
        registry.transact(before.check)
    assert not before.hold()
    assert after.hold()


def test_who_releases_it_lets_the_next_one_in_at_once(registry: Registry) -> None:
    clock = Clock()
    one, two = contender(registry, "one", clock), contender(registry, "two", clock)
    assert one.hold()
    assert not two.hold()
    one.release()
    assert (one.acting, owner(registry, "measures")) == (False, None)
    assert two.hold()
    one.release()  # it has nothing to let go
    assert two.hold()


def test_who_could_not_look_for_a_while_does_not_take_it_for_abandoned(registry: Registry) -> None:
    clock = Clock()
    one, two = contender(registry, "one", clock), contender(registry, "two", clock)
    assert one.hold()
    assert not two.hold()
    clock.now_s += 10 * LASTS_S  # the database was away, or both slept
    assert not two.hold()
    assert one.hold()
    assert one.acting
    assert waits(two, clock)


class Away(Database):
    """A database that can be away."""

    away = False

    def write(self, work: Callable[[Connection], Any]) -> Any:
        if self.away:
            raise Transient("away")
        return super().write(work)


@pytest.mark.parametrize("wanted", [False, True], ids=["alone", "wanted"])
def test_while_the_database_is_away_a_holder_goes_on_unless_somebody_waits(
    address: str, *, wanted: bool
) -> None:
    clock, database = Clock(), Away(address)
    registry = Registry(database)
    one, two = contender(registry, "one", clock), contender(registry, "two", clock)
    assert one.hold()
    if wanted:
        assert not two.hold()
        assert one.hold()  # which tells it
    database.away = True
    for _ in range(10):
        clock.now_s += 3
        with pytest.raises(Transient):
            one.hold()
    assert one.acting is not wanted
    clock.now_s += LASTS_S  # it slept: then it cannot know
    assert not one.acting
    database.away = False
    assert one.hold()  # nobody took it
    assert one.acting
    registry.close()
