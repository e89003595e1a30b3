"""What requests say about a rollout: those that chose their version by themselves count for none."""

from dataclasses import replace
from datetime import timedelta

import pytest

from coalmine_rollouts.inputs import TREATMENT, Traffic
from coalmine_rollouts.traffic import PromptTraffic, Seen, traffic_of
from coalmine_schemas.prompts import PREFERRED
from tests.support.data.rollout_inputs import NOW, a_row

SEEN = Seen(
    experiment=None,
    epoch=0,
    arm=None,
    version="1.1.0",
    app="support",
    client_version="1.0",
    resolution="live",
    model="m",
    minute=NOW - timedelta(minutes=1),
    requests=10,
    errors=0,
    latency_ms=1.0,
    last_at=NOW - timedelta(minutes=1),
)


def traffic(state: str, *seen: Seen) -> Traffic:
    """What they say of a rollout of 1.1.0 whose experiment does not run any more."""
    found = PromptTraffic()
    rollout = replace(a_row().rollout, state=state)  # type: ignore[arg-type]
    for each in seen:
        found.add(replace(each, version=rollout.treatment))
    return traffic_of(
        rollout,
        found,
        now=NOW,
        epoch=None,
        watermark=NOW,
        bucket_s=300,
        usual=None,
        missing_metrics={},
        served=frozenset(),
    )


@pytest.mark.parametrize("chosen", [{"arm": PREFERRED}, {"resolution": "fixed"}])
def test_who_chose_the_treatment_is_none_of_the_treated(chosen: dict[str, str]) -> None:
    asked = replace(SEEN, **chosen)  # type: ignore[arg-type]
    assert traffic("baking", SEEN, replace(asked, requests=7)).treatment.requests == 10
    assert [each.app for each in traffic("rolled_back", SEEN).behind] == ["support"]
    assert traffic("rolled_back", asked).behind == ()


def test_an_arm_of_that_name_is_an_arm() -> None:
    arm = replace(SEEN, experiment=a_row().rollout.id, arm=TREATMENT)
    assert traffic("rolled_back", arm).behind
