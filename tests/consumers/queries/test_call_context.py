"""How usual a call was among those of its version, and why its version was served."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from coalmine_consumers.queries import call_context, stored_call
from coalmine_consumers.queries.call_context import served_by
from coalmine_consumers.results import CallPlace, DeploymentMark, MarkArm, MarkExperiment, StoredCall
from coalmine_consumers.store import Store
from tests.support.data.store_feed import START, Feed, Row, request


def stored(store: Store, row: Row) -> StoredCall:
    found = stored_call(store.reader(), UUID(row["request_id"]), private=False)
    assert found is not None
    return found


def places(store: Store, row: Row) -> dict[str, CallPlace]:
    return {each.metric: each for each in call_context(store.reader(), stored(store, row)).places}


def test_a_call_has_its_place_among_those_of_its_version_and_environment(store: Store) -> None:
    mine = [
        request(number, latency_ms=10.0 * (number + 1), cost_nano_usd=1_000, output_tokens=number)
        for number in range(100)
    ]
    others = [
        request(200, version="2.0.0", latency_ms=1e6, output_tokens=9_000),
        request(201, environment="staging", latency_ms=1e6, output_tokens=9_000),
    ]
    store.commit(Feed().batch([*mine, *others]))
    found = places(store, mine[89])
    assert found.keys() == {"latency_ms", "cost_nano_usd", "output_tokens"}
    latency, length = found["latency_ms"], found["output_tokens"]
    assert (latency.value, latency.n) == (900.0, 100)
    assert latency.percentile == pytest.approx(0.9, abs=0.02)
    assert latency.median == pytest.approx(505, rel=0.02)
    assert (length.value, length.n, length.percentile, length.median) == (89, 100, 0.895, 49.5)
    assert found["cost_nano_usd"].percentile == 0.5


def test_what_a_call_does_not_say_has_no_place(store: Store) -> None:
    row = request(0)
    store.commit(Feed().batch([row]))
    assert [*places(store, row)] == ["latency_ms"]


def change(revision: int, version: str | None = "1.0.0", *experiments: MarkExperiment) -> DeploymentMark:
    return DeploymentMark(
        event_time=START + timedelta(minutes=revision),
        environment="prod",
        prompt="refund",
        revision=revision,
        version=version,
        experiments=list(experiments),
        action="promote",
        changed_by="dana",
        reason="better",
        rollout=None,
        rollout_decision=None,
    )


def experiment(epoch: int, weight: float) -> MarkExperiment:
    arms = [MarkArm("treatment", "1.1.0", weight), MarkArm("control", "1.0.0", 1 - weight)]
    return MarkExperiment("exp", "staff", epoch, arms)


@pytest.fixture
def call(store: Store) -> Any:
    """Makes a stored call."""

    def made(**values: Any) -> StoredCall:
        row = request(1, resolution="live", **values)
        store.commit(Feed().batch([row]))
        return stored(store, row)

    return made


def test_the_default_is_served_by_the_last_change_that_has_it(call: Any) -> None:
    changes = [change(1), change(2), change(3, "1.1.0")]
    found = served_by(call(), changes)
    assert found is not None
    assert (found.revision, found.newer, found.rule, found.weight) == (2, 1, None, None)


def test_an_arm_is_served_in_its_epoch_with_its_weight(call: Any) -> None:
    arm = {"experiment": "exp", "allocation_epoch": 2, "variant": "treatment", "version": "1.1.0"}
    changes = [
        change(1),
        change(2, "1.0.0", experiment(1, 0.1)),
        change(3, "1.0.0", experiment(2, 0.5)),
        change(4, "1.0.0", experiment(3, 0.9)),
    ]
    found = served_by(call(**arm), changes)
    assert found is not None
    assert (found.revision, found.newer, found.rule, found.weight) == (3, 1, "staff", 0.5)


def test_what_no_change_explains_has_none(call: Any) -> None:
    assert served_by(call(version="9.0.0"), [change(1)]) is None


def test_a_service_that_names_its_version_is_asked_for_no_change(store: Store) -> None:
    row = request(1)
    store.commit(Feed().batch([row]))
    assert served_by(stored(store, row), [change(1)]) is None
