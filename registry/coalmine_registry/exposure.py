"""Who is shown a version: its share of an audience. Pure, without storage."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from coalmine_registry.deployment_state import DeploymentState
from coalmine_schemas.prompts import Serve, ServeVersion

_TOLERANCE: Final = 1e-9
"""Weights are sums of floats."""

When = Mapping[str, tuple[str, ...]]
"""Values by segment, as a rule names them; empty for everybody."""

_ASKING: Final[When] = {"": ("preferred",)}
"""Users who ask for a version that is offered: a part of everybody, and no rule names such a segment."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Users whom a rule matches, and none of the rules before it; the default's are matched by no rule."""

    when: When
    excluded: tuple[When, ...] = ()

    def holds(self, other: "Audience") -> bool:
        """Returns True if everybody in the other audience is certainly in this one, too."""
        return _implies(other.when, self.when) and all(
            disjoint(other.when, each) or any(_implies(each, left_out) for left_out in other.excluded)
            for each in self.excluded
        )

    def to_json(self) -> dict[str, Any]:
        """The audience as JSON."""
        return {"when": _json(self.when), "excluded": [_json(each) for each in self.excluded]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Reads what `to_json` wrote."""
        return cls(_when(value["when"]), tuple(_when(each) for each in value["excluded"]))


@dataclass(frozen=True, slots=True)
class Exposure:
    """What share of an audience is shown something."""

    audience: Audience
    share: float

    def is_within(self, others: Iterable["Exposure"]) -> bool:
        """Returns True if one of the others shows it to at least as many."""
        return any(
            each.share >= self.share - _TOLERANCE and each.audience.holds(self.audience) for each in others
        )


def exposures(state: DeploymentState | None) -> Iterator[tuple[str, Exposure]]:
    """Yields each version that is shown to somebody, once for each place that shows it."""
    if state is None:
        return
    before: tuple[When, ...] = ()
    for when, serve in (*((rule.when, rule.serve) for rule in state.rules), ({}, state.default)):
        audience = Audience(when, before)
        for version, share in _shares(state, serve):
            if share > 0:
                yield version, Exposure(audience, share)
        before = (*before, when)
    asking = Audience(_ASKING)
    for version in state.offered:
        yield version, Exposure(asking, 1.0)


def _shares(state: DeploymentState, serve: Serve) -> list[tuple[str, float]]:
    if isinstance(serve, ServeVersion):
        return [(serve.version, 1.0)]
    return [(arm.version, arm.weight) for arm in state.experiments[serve.experiment].arms]


def _implies(narrow: When, wide: When) -> bool:
    """Returns True if whoever matches the first matches the second."""
    return all(segment in narrow and set(narrow[segment]) <= set(values) for segment, values in wide.items())


def disjoint(one: When, other: When) -> bool:
    """Returns True if nobody can match both."""
    return any(segment in one and not set(one[segment]) & set(values) for segment, values in other.items())


def _json(when: When) -> dict[str, list[str]]:
    return {segment: list(values) for segment, values in when.items()}


def _when(value: Mapping[str, Any]) -> When:
    return {segment: tuple(values) for segment, values in value.items()}
