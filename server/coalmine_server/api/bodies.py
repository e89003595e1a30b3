"""Bodies of requests to the prompt registry."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from coalmine_registry.records import Evidence
from coalmine_registry.roles import Role
from coalmine_server.services.moment_parameter import Moment

Json = dict[str, Any]

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]{0,99}$"
PromptName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
# Not shorter than one: the registry says what is wrong with `1.3`, and what is near.
VersionText = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Variant = Annotated[str, StringConstraints(min_length=1, max_length=100)]
SourceText = Annotated[str | None, StringConstraints(min_length=1, max_length=500)]
Reason = Annotated[str | None, Field(max_length=2000, description="Reason, for the audit log.")]
Expected = Annotated[
    int | None,
    Field(
        ge=0,
        le=2**53,
        description="Revision that the caller has seen, 0 for none; 409 if the current one differs. Omit it "
        "to change any revision. `If-Match` does the same with 412.",
    ),
]


Override = Annotated[
    bool,
    Field(
        description="True to change it although a rollout steers it. Needs an approver and a reason; both go "
        "into the audit log, and the rollout stops steering."
    ),
]


class Body(BaseModel):
    """Base of all bodies: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceBody(Body):
    """Where a version came from."""

    repository: SourceText = Field(
        default=None, description="URL of the git repository; user and password are left out."
    )
    commit: SourceText = Field(default=None, description="Hash of the commit that wrote the version.")
    author: SourceText = Field(default=None, description="Author of that commit.")
    pull_request: SourceText = Field(default=None, description="URL or number of its pull request.")


class VersionBody(Body):
    """A version to register."""

    version: VersionText = Field(
        description="Semantic version to register, never used before.", examples=["1.2.0"]
    )
    content: Json = Field(
        description="`template` or `messages`; variables, model, parameters, output_schema, metadata.",
        examples=[{"template": "Answer {{ question }}", "variables": {"question": {"type": "string"}}}],
    )
    source: SourceBody | None = Field(
        default=None, description="Where it came from; of a version registered again, the first stays."
    )


class EvidenceBody(Body):
    """Why a version may be served."""

    kind: str = Field(
        pattern=r"^[a-z][a-z0-9_-]{0,63}$",
        description="Kind of evidence, a word in lower case.",
        examples=["eval_run", "readout"],
    )
    reference: str = Field(
        min_length=1,
        max_length=500,
        description="Id of recorded evidence, name of an experiment, or the text of a `note`.",
    )
    summary: str = Field(default="", max_length=2000, description="What the evidence says, for people.")


class PromotionBody(Body):
    """A version to serve by default."""

    prompt: PromptName = Field(description="Name of the prompt in the registry.")
    version: VersionText = Field(description="Version to serve by default.")
    environment: str = Field(
        min_length=1,
        max_length=100,
        description="Environment that should serve the version.",
        examples=["prod"],
    )
    evidence: list[EvidenceBody] = Field(
        default=[], max_length=50, description="Evidence that the version may be served."
    )
    reason: Reason = None
    expected_revision: Expected = None
    override: Override = False


class ReasonBody(Body):
    """A reason."""

    reason: Reason = None


class ReasonedBody(Body):
    """A reason, without which it is not done."""

    reason: str = Field(min_length=1, max_length=1000, description="Reason, kept with what was done.")


class SilenceBody(Body):
    """What to silence, until when, and why."""

    matchers: dict[str, Annotated[str, Field(min_length=1, max_length=500)]] = Field(
        min_length=1,
        max_length=20,
        description="`rule` and labels, all of which an alert has to have; a value may end in `*`.",
        examples=[{"rule": "quality_drift", "prompt": "summarize"}],
    )
    until: Annotated[Moment, Field(examples=["2026-12-27T08:00:00Z"])] = Field(
        description="When it ends by itself, within 30 days."
    )
    reason: str = Field(min_length=1, max_length=1000, description="Reason, shown wherever the alerts are.")


class MarkBody(Body):
    """What somebody thinks of an alert."""

    useful: bool = Field(description="True if it was useful, false if it was noise.")


class RuleTestBody(Body):
    """A rule to try on the past."""

    rule: str = Field(min_length=1, max_length=100, description="Name of the rule.")
    since: Annotated[Moment, Field(examples=["14d"])] = Field(description="Begin; ISO 8601, or how long ago.")
    until: Moment | None = Field(default=None, description="End; now if omitted.")
    variants: list[dict[str, str]] = Field(
        default=[{}],
        min_length=1,
        max_length=5,
        description="Thresholds by name, as the file would have them; `{}`: as configured.",
        examples=[[{}, {"tolerance": "5%"}]],
    )


class FreezeBody(Body):
    """What to freeze, and why."""

    environment: str | None = Field(
        default=None, max_length=100, description="Environment to freeze; every one if omitted."
    )
    prompt: PromptName | None = Field(default=None, description="Prompt to freeze; every one if omitted.")
    reason: str = Field(min_length=1, max_length=2000, description="Reason, shown to whoever is refused.")
    starts_at: Moment | None = Field(default=None, description="When it begins; now if omitted.")
    until: Annotated[Moment, Field(examples=["2026-12-27T08:00:00Z"])] | None = Field(
        default=None, description="When it ends by itself; until somebody ends it if omitted."
    )


class PanicBody(Body):
    """Why everything goes back."""

    reason: str = Field(min_length=1, max_length=2000, description="Reason, for the audit log.")
    environment: str | None = Field(
        default=None, max_length=100, description="Only this environment; every one if omitted."
    )


class CheckedEvidenceBody(Body):
    """The outcome of a check of one version."""

    kind: str = Field(
        pattern=r"^[a-z][a-z0-9_-]{0,63}$", description="What was checked.", examples=["eval_run"]
    )
    prompt: PromptName = Field(description="Name of the prompt in the registry.")
    version: VersionText = Field(description="Version that was checked.")
    passed: bool = Field(description="True if the version passed.")
    summary: str = Field(
        min_length=1, max_length=2000, description="What was found, for people.", examples=["212 of 214 pass"]
    )
    url: str | None = Field(default=None, max_length=2000, description="Where the details are.")


RowVersion = Annotated[
    int | None,
    Field(
        ge=0,
        le=2**53,
        description="`row_version` that the caller has seen; 409 if the rollout has changed since. Going "
        "back is never refused for it.",
    ),
]


class RolloutTerms(Body):
    """What to roll out where, and how: what a request and a file of configuration say alike."""

    prompt: PromptName = Field(description="Name of the prompt in the registry.")
    version: VersionText = Field(description="Version to roll out.")
    plan: str | Json | None = Field(
        default=None,
        description="Name of a template, or a plan. If omitted, `rollout` in the metadata of the version, "
        "else `canary-standard`.",
        examples=["canary-standard", {"rollout": "canary-fast", "bake": {"time": "1h"}}],
    )
    environment: str | None = Field(
        default=None, max_length=100, description="Environment; that of the plan, else prod, if omitted."
    )
    rule: str | None = Field(
        default=None, max_length=100, description="Targeting rule whose version it replaces; else the plan's."
    )
    if_taken: Literal["queue", "replace"] | None = Field(
        default=None,
        description="If another rollout holds the place: wait for it, or take its place; refused if omitted.",
    )
    advise: bool = Field(default=False, description="Decide and tell, but change nothing after the start.")
    evidence: list[EvidenceBody] = Field(
        default=[], max_length=50, description="Evidence that the version may be served."
    )
    start_at: Moment | None = Field(default=None, description="Not before this; at once if omitted.")
    reason: Reason = None


class RolloutBody(RolloutTerms):
    """A version to roll out."""

    expected_revision: Expected = None


class RolloutCommandBody(Body):
    """What a rollout is asked to do."""

    reason: Reason = None
    row_version: RowVersion = None


class RolloutEvidenceBody(RolloutCommandBody):
    """What a rollout lacks to begin."""

    evidence: list[EvidenceBody] = Field(
        min_length=1, max_length=50, description="Evidence that the version may be served."
    )


class ResumeBody(RolloutCommandBody):
    """How a rollout goes on."""

    stage: int | None = Field(
        default=None, ge=0, le=1000, description="Index of the stage to go on from; as it was if omitted."
    )


class ReasonedCommandBody(Body):
    """What a rollout is asked to do against its own rules."""

    reason: str = Field(min_length=1, max_length=2000, description="Reason, for the audit log.")
    row_version: RowVersion = None


class RolloutCheckBody(Body):
    """A plan to check against the traffic that a prompt has."""

    prompt: PromptName = Field(description="Name of the prompt in the registry.")
    version: VersionText = Field(description="Version to roll out.")
    plan: str | Json | None = Field(default=None, description="As for a start.")
    environment: str | None = Field(default=None, max_length=100, description="As for a start.")


class BeginAnewBody(Body):
    """Why the evidence of an experiment until now should not count."""

    reason: str = Field(min_length=1, max_length=2000, description="Reason; the looks keep it.")


class RollbackBody(Body):
    """The version to roll back to."""

    to_version: VersionText | None = Field(
        default=None,
        description="A version that was served there before; the previous default if omitted.",
    )
    reason: Reason = None
    expected_revision: Expected = None


class RuleBody(Body):
    """A targeting rule."""

    name: str = Field(
        min_length=1, max_length=100, description="Name of the rule, unique within the deployment."
    )
    when: dict[str, list[str]] = Field(
        description="Values by segment; all segments have to match, each with any of its values.",
        examples=[{"tier": ["enterprise"]}],
    )
    serve: Json = Field(
        description="What is served to users who match.",
        examples=[{"version": "1.2.0"}, {"experiment": "refund-tone"}],
    )


class RulesBody(Body):
    """All rules of a prompt in an environment; the first that matches wins."""

    rules: list[RuleBody] = Field(
        max_length=200, description="The rules in order; the first that matches decides."
    )
    evidence: list[EvidenceBody] = Field(
        default=[], max_length=50, description="Evidence for versions that are not approved there yet."
    )
    reason: Reason = None
    expected_revision: Expected = None
    override: Override = False


class WithdrawalBody(Body):
    """A version that is offered no longer."""

    version: VersionText = Field(description="Version that users may opt in to.")
    reason: Reason = None
    expected_revision: Expected = None


class OfferBody(WithdrawalBody):
    """A version that services may prefer."""

    evidence: list[EvidenceBody] = Field(
        default=[], max_length=50, description="Evidence, if the version has not served there yet."
    )


class ArmBody(Body):
    """One arm of an experiment."""

    variant: Variant = Field(
        description="Name of the arm, unique within the experiment.", examples=["treatment"]
    )
    version: VersionText = Field(description="Version that units of this arm get.")
    weight: float = Field(ge=0, le=1, description="Share of units that get this arm, from 0 to 1.")


class ExperimentTerms(Body):
    """What an experiment compares, and how it is judged: what a request and a file of configuration say."""

    arms: list[ArmBody] = Field(
        min_length=2, max_length=50, description="Treatments first, control last; weights add up to 1."
    )
    control: Variant | None = Field(
        default=None,
        description="Arm that the others are compared with; the one called control, or the last, if omitted.",
    )
    plan: Json | None = Field(
        default=None,
        description="How it is judged: goals, alpha, limits of rates such as error_rate, "
        "declared segments, and role, direction, margin and tolerance of metrics. "
        "That of the first arm's version (`experiment` in its metadata) if omitted.",
        examples=[{"goals": ["quality"], "metrics": {"cost_per_request_uncached": {"margin": "40%"}}}],
    )
    rule: str | None = Field(
        default=None,
        max_length=100,
        description="Targeting rule whose version it replaces; the default if omitted.",
    )
    evidence: list[EvidenceBody] = Field(
        default=[], max_length=50, description="Evidence for versions that are not approved there yet."
    )
    reason: Reason = None


class ExperimentBody(ExperimentTerms):
    """An experiment to start."""

    name: PromptName = Field(
        description="Name of the experiment, never used before.", examples=["refund-tone"]
    )
    expected_revision: Expected = None
    override: Override = False


class StageBody(Body):
    """A stage of a plan that is checked."""

    weight: float = Field(gt=0, lt=1, description="Share of units in the treatment.")
    min_time_h: float = Field(default=0, ge=0, le=8_784, description="Hours it lasts at least.")
    min_units: int = Field(
        default=0, ge=0, le=1_000_000_000, description="Units that each arm has at its end, at least."
    )


class PlanCheckBody(Body):
    """A plan to check before an experiment starts."""

    prompt: PromptName = Field(description="Prompt whose traffic is to be split.")
    environment: str = Field(default="prod", max_length=20, description="Environment of the traffic.")
    stages: list[StageBody] = Field(
        default=[StageBody(weight=0.1, min_time_h=2), StageBody(weight=0.5)],
        min_length=1,
        max_length=20,
        description="In their order; the last lasts until it is decided.",
    )
    plan: Json | None = Field(default=None, description="As for an experiment to start.")
    days: int = Field(default=14, ge=1, le=90, description="Days of traffic that the forecast rests on.")
    longest_h: float = Field(
        default=336, gt=0, le=8_784, description="Hours after which nobody waits any more."
    )


class WeightsBody(Body):
    """New weights of the arms."""

    weights: dict[str, float] = Field(description="Weight by arm; they add up to 1.")
    reason: Reason = None
    expected_revision: Expected = None
    override: Override = False


class StopBody(Body):
    """How to stop an experiment."""

    keep: Variant | None = Field(
        default=None, description="Arm whose version stays; the replaced version returns if omitted."
    )
    reason: Reason = None
    expected_revision: Expected = None
    override: Override = False


class PolicyTerms(Body):
    """What an environment requires: what a request and a file of configuration say alike."""

    required_evidence: list[str] = Field(
        max_length=50,
        description="Kinds of evidence; having served in staging satisfies `served_in:staging`.",
        examples=[["eval_run", "served_in:staging"]],
    )
    requires_suite: bool = Field(
        default=False,
        description="Whether a prompt needs a suite of evaluations, whose runs alone are then evidence of "
        "kind `eval_run`; the policy of dev says so for registering versions, too.",
    )
    evidence_max_age_days: int | None = Field(
        default=None,
        ge=1,
        le=3650,
        description="Age in days from which recorded evidence counts no more; null: never.",
        examples=[30],
    )


class PolicyBody(PolicyTerms):
    """What an environment requires of promotions."""

    expected_revision: Expected = None


class TokenBody(Body):
    """A token to create."""

    subject: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,99}$",
        description="Person or program that will use the token.",
    )
    role: Role = Field(default=Role.READER, description="What the token allows its user to do.")
    environment: str | None = Field(
        default=None, max_length=100, description="The environment of a service, which its role demands."
    )
    prompts: list[Annotated[str, Field(min_length=1, max_length=100)]] | None = Field(
        default=None,
        min_length=1,
        max_length=20,
        description="Patterns of the prompts that the token is for: `*` stands for any letters, `?` for one. "
        "It reads and changes no others. All prompts if omitted.",
        examples=[["support.*"]],
    )


def given(evidence: list[EvidenceBody]) -> tuple[Evidence, ...]:
    """Converts evidence for the registry."""
    return tuple(Evidence(each.kind, each.reference, each.summary) for each in evidence)
