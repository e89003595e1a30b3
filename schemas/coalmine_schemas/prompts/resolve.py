"""From what an environment serves to the version one unit gets: what it prefers, rules, then the split."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from coalmine_schemas.errors import nearest
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.prompts.assignment import assignment_point, choose_arm
from coalmine_schemas.prompts.content import PromptContent
from coalmine_schemas.prompts.errors import UnknownPrompt
from coalmine_schemas.prompts.snapshot import Rule, Serve, ServedPrompt, ServeVersion, Snapshot

PREFERRED: Final = "preferred"
"""Variant of requests on a version that was preferred among those offered: no arm of an experiment."""


class Choice(NamedTuple):
    """What one unit is served, and why. A tuple: one is made for every prompt, in a third of the time."""

    version: str
    content: PromptContent
    variant: str | None = None
    """Arm of the experiment, or `preferred`; None where neither chose."""
    experiment: str | None = None
    allocation_epoch: int | None = None
    unit_id: str | None = None
    """Unit that was served; made up where an experiment had to choose and none was given."""


def resolve(
    snapshot: Snapshot,
    prompt: str,
    unit_id: str | None,
    segments: Mapping[str, str] | None,
    prefer: str | None = None,
) -> Choice:
    """What a unit is served.

    Deterministic where a unit is given. Where none is and an experiment has to choose, a new unit is made up:
    the call counts for itself.

    Args:
        snapshot: What the environment serves.
        prompt: Name of the prompt.
        unit_id: Who is served: the user, else the session, else None.
        segments: Named properties that rules look at.
        prefer: Version to serve if the environment offers it; else it changes nothing.

    Raises:
        UnknownPrompt: The environment does not serve the prompt.
    """
    served = snapshot.prompts.get(prompt)
    if served is None:
        raise UnknownPrompt(_unknown(snapshot, prompt))
    if prefer is not None and prefer in served.offered:
        return Choice(prefer, snapshot.contents[f"{prompt}@{prefer}"], PREFERRED, unit_id=unit_id)
    serve = _serve_of(served, segments)
    if isinstance(serve, ServeVersion):
        return Choice(serve.version, snapshot.contents[f"{prompt}@{serve.version}"], unit_id=unit_id)
    experiment = served.experiments[serve.experiment]
    unit_id = unit_id or uuid7()
    arm = choose_arm(experiment.arms, assignment_point(experiment.salt, unit_id))
    return Choice(
        arm.version,
        snapshot.contents[f"{prompt}@{arm.version}"],
        arm.variant,
        serve.experiment,
        experiment.allocation_epoch,
        unit_id,
    )


def _serve_of(served: ServedPrompt, segments: Mapping[str, str] | None) -> Serve:
    for rule in served.rules:
        if matches(rule, segments or {}):
            return rule.serve
    return served.default


def matches(rule: Rule, segments: Mapping[str, str]) -> bool:
    """Returns True if every segment the rule names matches, each with any of its values."""
    for segment, values in rule.when.items():  # noqa: SIM110 - `all` of a generator takes twice as long
        if segments.get(segment) not in values:
            return False
    return True


def _unknown(snapshot: Snapshot, prompt: str) -> str:
    near = nearest(str(prompt), snapshot.prompts)
    hint = f"did you mean {near}? Otherwise promote" if near else "promote"
    return (
        f"environment {snapshot.environment} (revision {snapshot.revision}) serves no prompt {prompt!r}: "
        f"{hint} a version of it there: coalmine promote {prompt} VERSION {snapshot.environment}"
    )
