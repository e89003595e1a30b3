"""What a rule would have told in the past: the same rules and states, with the clock of then."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from coalmine_alerts.configuration.records import default_configuration
from coalmine_alerts.reading.reader import Sources
from coalmine_alerts.replay import replay
from coalmine_alerts.results.replay import Replay
from coalmine_consumers.store import Store
from coalmine_schemas.errors import InvalidParameter
from tests.support.data.rollout_case import BROKEN, Rig
from tests.support.data.store_feed import START, Feed, request

HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Six days with an hour that costs two dollars; on the last it costs thirty, then nothing happens."""
    store = Store.open(tmp_path / "store")
    rows = [
        request(
            day * 100 + number,
            START + timedelta(days=day, minutes=5 * number),
            cost_nano_usd=3_000_000_000 if day == 5 else 200_000_000,
        )
        for day in range(6)
        for number in range(10)
    ]
    store.commit(Feed().batch(rows))
    yield store
    store.close()


LAST = START + timedelta(days=5)


def run(store: Store, rule: str = "cost_jump", *variants: dict[str, str], hours: float = 4) -> list[Replay]:
    return replay(
        Sources(store=store),
        default_configuration(),
        rule,
        since=LAST,
        until=LAST + hours * HOUR,
        variants=variants or ({},),
    )


def test_it_tells_when_how_long_and_in_how_many_messages(store: Store) -> None:
    (found,) = run(store)
    (firing,) = found.firings
    assert firing.labels == {"environment": "prod", "app": "support"}
    assert firing.fired_at == LAST + HOUR
    assert firing.value == pytest.approx(30.0)
    assert "15.0 times as much as usual" in firing.summary
    assert found.messages == 1
    assert firing.resolved_at is None  # it is quiet, but nothing says that it is well
    assert found.share_firing == pytest.approx(3 / 4, abs=0.03)
    assert found.evaluations == 4 * 12 + 1


def test_thresholds_are_compared(store: Store) -> None:
    as_it_is, larger, for_long = run(
        store, "cost_jump", {}, {"least_usd": "50"}, {"for": "2h", "times_usual": "2"}
    )
    assert [len(each.firings) for each in (as_it_is, larger, for_long)] == [1, 0, 0]
    assert [each.messages for each in (as_it_is, larger)] == [1, 0]
    assert for_long.settings == {"for": "2h", "times_usual": "2"}


@pytest.mark.parametrize(
    ("rule", "variant", "words"),
    [
        ("cost_jmp", {}, "did you mean cost_jump"),
        ("cost_jump", {"times": "2"}, "times_usual"),
        ("cost_jump", {"times_usual": "x"}, "give a number above 0"),
    ],
)
def test_mistakes_are_named(store: Store, rule: str, variant: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidParameter, match=words):
        run(store, rule, variant)


def test_a_time_has_bounds(store: Store) -> None:
    with pytest.raises(InvalidParameter, match="at most 90 days"):
        run(store, hours=91 * 24)
    with pytest.raises(InvalidParameter):
        run(store, hours=0)


def test_what_rollouts_decided_is_told_again(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.serve("1.0.0", treatment="1.1.0").behaviours = {"1.1.0": BROKEN}
        since = rig.clock.now
        rollout = rig.start()
        rig.until("rolled_back", rollout.id, within=30)
        sources = Sources(store=rig.store, registry=rig.registry)
        (found,) = replay(
            sources, default_configuration(), "rollout_decision", since=since, until=since + HOUR
        )
    assert [each.summary.split(":")[0] for each in found.firings][-1] == "Rolled back"
    assert found.messages == 1  # one for a rollout, which changes
