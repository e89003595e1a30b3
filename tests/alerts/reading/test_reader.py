"""Facts of a real store and registry, judged by the rules."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from coalmine_alerts.facts import Facts, Health
from coalmine_alerts.reading.reader import FactReader, Sources
from coalmine_alerts.records import Finding
from coalmine_alerts.rules.drift import DRIFT_RULES
from coalmine_alerts.rules.ingest import IngestStale, SourceUnavailable
from coalmine_alerts.rules.limits import KillLimit
from coalmine_alerts.rules.rollouts import RollbackIncomplete, RolloutDecided, RolloutHeld
from coalmine_analytics.drift import DriftPlan, Drifts
from coalmine_consumers.drift import ReferencePolicy
from coalmine_consumers.store import Store
from tests.support.data.alert_facts import findings, one
from tests.support.data.registry_case import BOB
from tests.support.data.rollout_case import BROKEN, Application, Rig
from tests.support.data.store_feed import START, Feed, Row, request

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(tmp_path / "store")
    yield store
    store.close()


def calls(
    since: datetime,
    length: timedelta,
    *,
    per_hour: int,
    seed: int = 1,
    quality: float = 0.8,
    **values: object,
) -> list[Row]:
    random = np.random.default_rng(seed)
    count = int(per_hour * length / HOUR)
    at = np.sort(random.uniform(0, length.total_seconds(), count))
    return [
        request(
            seed * 1_000_000 + number,
            since + timedelta(seconds=float(second)),
            unit_id=f"user-{random.integers(0, 500)}",
            metrics=[("quality", float(random.normal(quality, 0.05)))],
            latency_ms=float(random.lognormal(6, 0.3)),
            **values,
        )
        for number, second in enumerate(at)
    ]


def test_a_rollout_that_took_itself_back_is_told_and_who_does_not_follow(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        application = rig.serve("1.0.0", treatment="1.1.0")
        application.behaviours = {"1.1.0": BROKEN}
        rollout = rig.start()
        facts = FactReader(Sources(store=rig.store, registry=rig.registry))
        rig.tick()
        assert facts(rig.clock.now).failed == {}
        assert one(RolloutDecided()(facts(rig.clock.now))).story.icon == "🚀"
        stays = Application(frozen_at=rig.registry.snapshot("prod").prompts["support-refund"], app="billing")
        ran_at = rig.clock.now
        rig.until("rolled_back", rollout.id, within=30)
        (then,) = FactReader(Sources(store=rig.store, registry=rig.registry), explains=False)(ran_at).rollouts
        assert (then.rollout.state, then.rollout.ended_at, then.takes_back) == ("running", None, True)
        told = one(RolloutDecided()(facts(rig.clock.now)))
        assert "Rolled back" in told.story.title
        assert "Nobody has to do anything now" in told.story.summary
        assert told.story.table is not None
        assert told.story.diff is not None
        assert findings(RollbackIncomplete()(facts(rig.clock.now))) == []
        rig.applications["support-refund"].append(stays)
        rig.minutes(4, step=3)
        late = one(RollbackIncomplete()(facts(rig.clock.now)))
        assert late.condition is True
        assert "billing still serves it" in late.story.summary
        stays.sends = False
        rig.minutes(2, step=3)
        assert one(RollbackIncomplete()(facts(rig.clock.now))).condition is False
        rig.registry.promote(BOB, "support-refund", "1.1.0", "prod")
        assert findings(RollbackIncomplete()(facts(rig.clock.now))) == []


def test_a_rollout_that_is_paused_because_somebody_set_its_weights_is_told(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.serve("1.0.0", treatment="1.1.0")
        rollout = rig.start()
        rig.tick()
        facts = FactReader(Sources(store=rig.store, registry=rig.registry))
        ran_at = rig.clock.now
        assert one(RolloutHeld()(facts(ran_at))).condition is False
        rig.registry.set_weights(BOB, rollout.id, {"treatment": 0.3}, override=True, reason="a demo")
        rig.minutes(1)
        told = one(RolloutHeld()(facts(rig.clock.now)))
        assert told.condition is True
        assert one(RolloutHeld()(facts(ran_at))).condition is False
        assert "gave the treatment 30% instead of" in told.story.summary


def test_when_a_rollout_was_paused_is_read_though_its_decision_is_old(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.serve("1.0.0", treatment="1.1.0")
        rollout = rig.start()
        rig.tick()
        rig.rollouts.pause(BOB, rollout.id, reason="a demo")
        rig.tick()
        facts = FactReader(Sources(store=rig.store, registry=rig.registry))
        paused_at = rig.clock.now
        assert one(RolloutHeld()(facts(paused_at))).condition is False
        told = one(RolloutHeld()(facts(paused_at + timedelta(days=2))))
        assert (told.condition, told.since) == (True, paused_at)


def test_a_version_that_everybody_gets_breaks_its_limit_and_recovers(store: Store) -> None:
    feed = Feed()
    well = calls(START, 2 * HOUR, per_hour=300)
    store.commit(feed.batch(well))
    facts = FactReader(Sources(store=store), ("traffic", "limits", "rollouts"))
    now = START + 2 * HOUR
    rule = KillLimit()
    assert one(rule(facts(now))).condition is False
    store.commit(feed.batch(calls(now, 10 * MINUTE, per_hour=600, seed=2, error_type="timeout")))
    now += 10 * MINUTE
    told = one(rule(facts(now)))
    assert (told.condition, told.value) == (True, 1.0)
    assert told.story.title == "100 % of calls fail · refund 1.0.0 · prod"
    # Nothing is known in a silent quarter of an hour; then it is well again.
    assert one(rule(facts(now + 15 * MINUTE))).condition is None
    store.commit(feed.batch(calls(now + 15 * MINUTE, 10 * MINUTE, per_hour=300, seed=3)))
    told = one(rule(facts(now + 25 * MINUTE)))
    assert (told.condition, told.recovered) == (False, True)


def test_a_single_client_that_tries_again_breaks_no_limit(store: Store) -> None:
    rows = calls(START, HOUR, per_hour=300)
    again = [
        request(
            900_000 + number, START + 50 * MINUTE + timedelta(seconds=number), unit_id="robot", error_type="x"
        )
        for number in range(500)
    ]
    store.commit(Feed().batch([*rows, *again]))
    told = one(KillLimit()(FactReader(Sources(store=store))(START + HOUR)))
    assert told.value is not None
    assert told.value > 0.2
    assert told.condition is False


def test_quality_that_fell_is_told_and_the_same_without_a_fall_is_not(store: Store) -> None:
    feed = Feed()
    fall = START + 84 * HOUR
    store.commit(feed.batch(calls(START, fall - START, per_hour=40)))
    store.commit(feed.batch(calls(fall, 20 * HOUR, per_hour=40, seed=2, quality=0.6)))
    now = fall + 20 * HOUR
    plan = DriftPlan(reference=ReferencePolicy(days=2, min_days=2, min_requests=200))
    drifts = Drifts(store, plan, clock=lambda: now)
    facts = FactReader(Sources(store=store, drifts=drifts), ("traffic", "drift"))
    read = facts(now)
    told = {each.labels["metric"]: each for rule in DRIFT_RULES for each in findings(rule(read))}
    assert told["quality"].condition is True
    assert told["latency_ms"].condition is False
    story = told["quality"].story
    assert story.title.startswith("Quality fell 2")
    assert dict(story.details)["Why"].startswith("of -2")
    chart = story.chart
    assert chart is not None
    assert len(chart.labels) == len(chart.series[0][1]) == 20
    known_points = [value for value in chart.series[0][1] if value is not None]
    assert known_points[0] == pytest.approx(0.8, abs=0.05)
    assert known_points[-1] == pytest.approx(0.6, abs=0.05)
    # Asked again within the hour, nothing is read: the answer is the same object.
    again = facts(now + MINUTE)
    assert again.drifts[0] is read.drifts[0]
    # As it was, by the sums that are kept: before, nothing had fallen.
    then = FactReader(Sources(store=store, drift_plan=plan), ("traffic", "drift"))
    assert _quality(then(fall)).condition is False
    assert _quality(then(now)).condition is True


def _quality(read: Facts) -> Finding:
    (found,) = [
        each for rule in DRIFT_RULES for each in findings(rule(read)) if each.labels["metric"] == "quality"
    ]
    return found


def test_ingest_is_stale_when_nothing_comes_at_a_time_when_something_always_did(store: Store) -> None:
    last = START + timedelta(days=3)
    rows = calls(START - HOUR, 74 * HOUR, per_hour=120)
    store.commit(Feed().batch([row for row in rows if row["event_time"] < last]))
    facts = FactReader(Sources(store=store), frozenset(("ingest",)))
    assert one(IngestStale()(facts(last + 4 * MINUTE))).condition is False
    told = one(IngestStale()(facts(last + 30 * MINUTE)))
    assert told.condition is True
    assert "No request came for 30 min; on each of the days before at least" in told.story.summary


def test_a_night_without_requests_is_not_stale(store: Store) -> None:
    rows = [
        each
        for day in range(4)
        for each in calls(START + timedelta(days=day), 8 * HOUR, per_hour=60, seed=day + 1)
    ]
    store.commit(Feed().batch(rows))
    night = START + timedelta(days=3, hours=14)
    read = FactReader(Sources(store=store), frozenset(("ingest",)))(night)
    assert read.ingest.expected_since == 0.0


def test_what_cannot_be_read_leaves_the_rest_readable(tmp_path: Path) -> None:
    with Rig(tmp_path) as rig:
        rig.serve("1.0.0")
        rig.minutes(2)

        def broken() -> Health:
            raise OSError("no such disk")

        facts = FactReader(Sources(store=rig.store, registry=rig.registry, health=broken))
        read = facts(rig.clock.now)
        assert read.failed == {"ingest": "OSError: no such disk"}
        assert [each.key.version for each in read.served] == ["1.0.0"]
        said = [each.labels["source"] for each in findings(SourceUnavailable()(read)) if each.condition]
        assert said == ["ingest"]
