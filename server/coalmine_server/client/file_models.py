"""What files of configuration hold: the bodies of the requests that `coalmine apply` makes of them.

One definition for both, so that what a route takes a file takes, too. Names stand in the names of files, and
revisions are those that were read for the plan, so neither is a key.
"""

from typing import Annotated, Literal

from pydantic import Field

from coalmine_registry.records import ENVIRONMENTS
from coalmine_server.api.bodies import (
    Body,
    EvidenceBody,
    ExperimentTerms,
    PolicyTerms,
    PromptName,
    RolloutTerms,
    RuleBody,
    VersionText,
)

__all__ = ["Environment", "EnvironmentFile", "ExperimentFile", "PolicyTerms", "RolloutFile", "ServedTerms"]

Environment = Literal["dev", "staging", "prod"]
assert Environment.__args__ == ENVIRONMENTS  # type: ignore[attr-defined] # a Literal cannot be made of them


class ServedTerms(Body):
    """What an environment serves of one prompt. A key that is left out is not compared."""

    version: VersionText | None = Field(
        default=None,
        description="Version that is served by default. Another than now is asked for as a promotion.",
    )
    rules: list[RuleBody] | None = Field(
        default=None,
        max_length=200,
        description="Targeting rules in order; the first that matches decides. Each serves a version.",
    )
    evidence: list[EvidenceBody] = Field(
        default=[], max_length=50, description="Evidence for the version and for versions of rules."
    )


class EnvironmentFile(Body):
    """`environments/NAME.yaml`. A key that is left out is not compared."""

    policy: PolicyTerms | None = Field(
        default=None, description="What the environment requires; what is left out of it is not required."
    )
    prompts: Annotated[dict[PromptName, ServedTerms], Field(max_length=10_000)] | None = Field(
        default=None, description="What it serves, by prompt."
    )


class ExperimentFile(ExperimentTerms):
    """`experiments/NAME.yaml`: an experiment of that name."""

    environment: Environment = Field(default="prod", description="Environment to run in.")
    prompt: PromptName = Field(description="Prompt whose versions it compares.")


class RolloutFile(RolloutTerms):
    """`rollouts/NAME.yaml`: a rollout; the name of the file is free."""
