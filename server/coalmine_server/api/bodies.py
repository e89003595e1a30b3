"""What the registry's routes take."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from coalmine_registry.records import Evidence
from coalmine_registry.roles import Role

Json = dict[str, Any]

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,99}$"
PromptName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
VersionText = Annotated[str, StringConstraints(min_length=5, max_length=100)]
Variant = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Reason = Annotated[str | None, Field(max_length=2000, description="Why; kept in the audit log.")]
Expected = Annotated[
    int | None,
    Field(
        ge=0,
        le=2**53,
        description="Revision the caller has seen, 0 for none; refused with 409 if it has another. Left out, "
        "whatever is there is changed. `If-Match` says the same and is refused with 412.",
    ),
]


class Body(BaseModel):
    """Base of all bodies: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class VersionBody(Body):
    """A version to register."""

    version: VersionText = Field(description="Semantic version.", examples=["1.2.0"])
    content: Json = Field(
        description="`template` or `messages`; variables, model, parameters, output_schema, metadata.",
        examples=[{"template": "Answer {{ question }}", "variables": {"question": {"type": "string"}}}],
    )


class EvidenceBody(Body):
    """Why a version may be served."""

    kind: str = Field(
        pattern=r"^[a-z][a-z0-9_-]{0,63}$", description="Its kind.", examples=["eval_run", "readout"]
    )
    reference: str = Field(min_length=1, max_length=500, description="Where it is found: an id, an address.")
    summary: str = Field(default="", max_length=2000, description="What it says, for people.")


class PromotionBody(Body):
    """A version to serve by default."""

    prompt: PromptName = Field(description="The prompt.")
    version: VersionText = Field(description="The version.")
    environment: str = Field(
        min_length=1, max_length=100, description="Where to serve it.", examples=["prod"]
    )
    evidence: list[EvidenceBody] = Field(default=[], max_length=50, description="Why it may be served.")
    reason: Reason = None
    expected_revision: Expected = None


class ReasonBody(Body):
    """Why."""

    reason: Reason = None


class RollbackBody(Body):
    """Where to go back to."""

    to_version: VersionText | None = Field(
        default=None,
        description="A version that served there before; the default before this one if left out.",
    )
    reason: Reason = None
    expected_revision: Expected = None


class RuleBody(Body):
    """A targeting rule."""

    name: str = Field(min_length=1, max_length=100, description="Its name, unique among the rules.")
    when: dict[str, list[str]] = Field(
        description="Values by segment; all segments have to match, each with any of its values.",
        examples=[{"tier": ["enterprise"]}],
    )
    serve: Json = Field(
        description="What is served then.", examples=[{"version": "1.2.0"}, {"experiment": "refund-tone"}]
    )


class RulesBody(Body):
    """All rules of a prompt in an environment; the first that matches wins."""

    rules: list[RuleBody] = Field(max_length=200, description="In order.")
    evidence: list[EvidenceBody] = Field(
        default=[], max_length=50, description="Why versions that were not approved there may be served."
    )
    reason: Reason = None
    expected_revision: Expected = None


class ArmBody(Body):
    """One arm of an experiment."""

    variant: Variant = Field(description="Its name.", examples=["treatment"])
    version: VersionText = Field(description="Version it serves.")
    weight: float = Field(ge=0, le=1, description="Share of units, from 0 to 1.")


class ExperimentBody(Body):
    """An experiment to start."""

    name: PromptName = Field(description="Its name, unique for ever.", examples=["refund-tone"])
    arms: list[ArmBody] = Field(
        min_length=2, max_length=50, description="Treatments first, control last; weights add up to 1."
    )
    rule: str | None = Field(
        default=None, max_length=100, description="Rule in whose place it runs; the default if left out."
    )
    evidence: list[EvidenceBody] = Field(
        default=[], max_length=50, description="Why versions that were not approved there may be served."
    )
    reason: Reason = None
    expected_revision: Expected = None


class WeightsBody(Body):
    """New shares of the arms."""

    weights: dict[str, float] = Field(description="By variant; they add up to 1.")
    reason: Reason = None
    expected_revision: Expected = None


class StopBody(Body):
    """How to end an experiment."""

    keep: Variant | None = Field(
        default=None, description="Variant whose version goes on; what was served before if left out."
    )
    reason: Reason = None
    expected_revision: Expected = None


class PolicyBody(Body):
    """What an environment wants of promotions."""

    required_evidence: list[str] = Field(
        max_length=50,
        description="Kinds of evidence; `served_in:staging` is given by having served there.",
        examples=[["eval_run", "served_in:staging"]],
    )
    expected_revision: Expected = None


class TokenBody(Body):
    """A token to make."""

    subject: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}$", description="Person or program that will use it."
    )
    role: Role = Field(default=Role.READER, description="What it allows.")


def given(evidence: list[EvidenceBody]) -> tuple[Evidence, ...]:
    """Evidence as the registry takes it."""
    return tuple(Evidence(each.kind, each.reference, each.summary) for each in evidence)
