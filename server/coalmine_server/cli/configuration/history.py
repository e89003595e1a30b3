"""What has become of a place already, so that files never undo what people or rollouts did.

A place is what serves a version by default, or by a rule. Files say where it should go, and get it there
once: a version that was served there, asked for and refused, or taken back is not asked for again by itself.
A file cannot say whether it is newer than that.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from coalmine_rollouts.records import TERMINAL
from coalmine_server.cli.configuration.registry_state import Json, RegistryState


@dataclass(frozen=True, slots=True)
class Place:
    """What an environment serves by default, or by a rule."""

    environment: str
    prompt: str
    rule: str | None = None

    def has(self, found: Json) -> bool:
        """True of an experiment or a rollout in this place."""
        return (found["environment"], found["prompt"], found["rule"]) == (
            self.environment,
            self.prompt,
            self.rule,
        )


def live_rollouts(state: RegistryState, place: Place) -> list[Json]:
    """Rollouts that hold the place or wait for it."""
    return [each for each in state.rollouts if place.has(each) and each["state"] not in TERMINAL]


def running_experiment(state: RegistryState, place: Place) -> Json | None:
    """The experiment that replaces what the place serves, that of a rollout included."""
    running = (each for each in state.experiments.values() if each["status"] == "running")
    return next((each for each in running if place.has(each)), None)


def pending_promotion(state: RegistryState, place: Place, version: str) -> Json | None:
    """The request to serve a version by default that waits for an approval."""
    return _promotion(state, place, version, "pending")


def waits_for(promotion: Json) -> str:
    """What steps wait for that would make a pending promotion stale."""
    return f"after promotion {promotion['id']}, which waits for an approval"


def why_left(state: RegistryState, place: Place, wanted: str) -> str | None:
    """Why a version is not asked for in a place that serves another; None if it is."""
    waiting = pending_promotion(state, place, wanted)
    if waiting is not None:
        return f"it waits for an approval: coalmine approve {waiting['id']}"
    for rollout in live_rollouts(state, place):
        return f"rollout {rollout['id']} of {rollout['treatment']} is {rollout['state']} there"
    experiment = running_experiment(state, place)
    if experiment is not None:
        return f"experiment {experiment['name']} runs there: end it first with `coalmine experiment stop`"
    before = next(_before(state, place, wanted), None)
    return None if before is None else f"{before}; {_NEVER_BACK}"


_NEVER_BACK: Final = (
    "files never go back by themselves: write the version that is served, or ask with `coalmine promote`, "
    "`rollback` or `rules`"
)


def _before(state: RegistryState, place: Place, wanted: str) -> Iterator[str]:
    """What is known of a version in a place, the most telling first."""
    for rollout in state.rollouts:
        if place.has(rollout) and rollout["treatment"] == wanted:
            yield f"rollout {rollout['id']} of {wanted} is {rollout['state']}"
    rejected = _promotion(state, place, wanted, "rejected")
    if rejected is not None:
        yield f"promotion {rejected['id']} of {wanted} was rejected by {rejected['decided_by']}"
    applied = _promotion(state, place, wanted, "applied")
    if applied is not None:
        yield f"{wanted} was served before, from {applied['decided_at'][:10]} on"
    for rollout in state.rollouts:
        if place.has(rollout) and rollout["control"] == wanted:
            yield f"{wanted} was served before rollout {rollout['id']}"
    for name, experiment in state.experiments.items():
        if place.has(experiment) and experiment["replaced"] == wanted:
            yield f"{wanted} was served before experiment {name}"


def _promotion(state: RegistryState, place: Place, version: str, status: str) -> Json | None:
    """The newest promotion with this status; rules have none."""
    wanted = (place.environment, place.prompt, version, status)
    for each in state.promotions if place.rule is None else ():
        if (each["environment"], each["prompt"], each["version"], each["status"]) == wanted:
            return each
    return None
