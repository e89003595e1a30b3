"""What is to be done so that the registry agrees with the files: values, carried out as they are."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from coalmine_registry.roles import Role

Kind = Literal["prompt", "policy", "version", "rules", "experiment", "rollout", "alerts"]
Action = Literal["create", "change"]
Deployment = tuple[str, str]
"""Environment and prompt: what has one revision."""

NEEDS: Final[Mapping[Kind, Role]] = {
    "prompt": Role.AUTHOR,
    "policy": Role.ADMIN,
    "version": Role.AUTHOR,
    "rules": Role.APPROVER,
    "experiment": Role.APPROVER,
    "rollout": Role.AUTHOR,
}
"""The least role that may ask for it; what it takes beyond that, such as an approval, the registry says."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is another in the files than in the registry."""

    field: str
    before: str | None
    """In the registry; None: it is not there."""
    after: str | None
    """In the files; None: it is removed."""


def told_apart(
    words: Callable[[Any], str],
    before: Any,  # noqa: ANN401 - JSON, or arms
    after: Any,  # noqa: ANN401
) -> tuple[str | None, str | None]:
    """Two values that differ, in words; as JSON where the words are the same."""
    told = None if before is None else words(before), None if after is None else words(after)
    if told[0] == told[1]:
        return json.dumps(before, default=asdict), json.dumps(after, default=asdict)
    return told


@dataclass(frozen=True, slots=True)
class Step:
    """One request that `coalmine apply` makes."""

    action: Action
    kind: Kind
    name: str
    file: str
    """`FILE:LINE` that asks for it."""
    differences: tuple[Difference, ...]
    method: Literal["POST", "PUT"]
    path: str
    body: Mapping[str, Any]
    deployment: Deployment | None = None
    """What it changes: the revision that the plan has seen goes with the request."""


@dataclass(frozen=True, slots=True)
class Said:
    """Something that differs and is left alone, and why."""

    kind: Kind
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All of it."""

    steps: Sequence[Step]
    """In the order in which they hold."""
    left: Sequence[Said]
    """What differs, and what `apply` does not change."""
    not_in_files: Sequence[Said]
    """What the registry has beyond the files; `why` says how a person would remove it."""
    problems: Sequence[str]
    """What has to be mended before anything is applied."""
    notes: Sequence[str]
    """What could not be compared."""
    revisions: Mapping[Deployment, int]
    """Revision of each deployment that the plan has seen; 0: it serves nothing yet."""
    blocked: Mapping[Deployment, str]
    """Deployments whose steps wait, and for what: any change would make a promotion stale."""

    @property
    def agrees(self) -> bool:
        """True if registry and files say the same."""
        return not (self.steps or self.left or self.not_in_files or self.problems)

    def count(self, action: Action) -> int:
        """Returns how many steps do so."""
        return sum(step.action == action for step in self.steps)

    @property
    def removed(self) -> int:
        """How many rules are removed."""
        return sum(
            each.after is None for step in self.steps for each in step.differences if step.kind == "rules"
        )
