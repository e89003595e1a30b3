"""What the registry returns: frozen values, served by the HTTP API as they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from coalmine_registry.classify import Classification
from coalmine_registry.experiment_plan import ExperimentPlan
from coalmine_registry.provenance import VersionSource
from coalmine_registry.roles import Role
from coalmine_schemas.events import AlertTransition, Deployment, EventName, PromptScore, RolloutTransition
from coalmine_schemas.prompts import Arm, Experiment, Rule, Serve
from coalmine_schemas.results import result

ENVIRONMENTS: Final = ("dev", "staging", "prod")
"""From the loosest to the strictest."""

VersionStatus = Literal["active", "retired", "archived"]
PromotionStatus = Literal["pending", "applied", "rejected", "stale", "unchanged"]
ExperimentStatus = Literal["running", "stopped"]
LineKind = Literal["file", "place", "same", "added", "removed"]


@result
class VersionRecord:
    """One version of a prompt. Only its status ever changes."""

    name: str
    """Name of the prompt in the registry."""
    version: str
    """Semantic version, unique within the prompt."""
    digest: str
    """Digest of the content: `sha256:<hex>`."""
    author: str
    """Subject of the token that registered the version."""
    created_at: datetime
    """When the version was registered."""
    status: VersionStatus
    """Only active versions can be served; retired and archived ones stay readable."""
    classification: Classification | None
    """Changes against the previous version; null for the first version of a prompt."""
    source: VersionSource | None
    """Where it came from, as the one who registered it first said; null if that was not said."""
    content: dict[str, Any]
    """The prompt itself: template or messages, variables, model, parameters, output schema, metadata."""

    @property
    def reference(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


@result
class Registered:
    """Outcome of registering a version, or with `dry_run` of what registering it would do."""

    created: bool
    """False if this version with this content was registered before."""
    dry_run: bool
    """True if everything was checked and nothing was written."""
    name: str
    """Name of the prompt in the registry."""
    version: str
    """Semantic version that was sent."""
    digest: str
    """`sha256:<hex>` of the content that was sent."""
    classification: Classification | None
    """Changes against the previous version; null for the first version of a prompt."""


@result
class PromptSummary:
    """One prompt with its versions in numbers and what serves it."""

    name: str
    """Name of the prompt in the registry."""
    latest: str
    """Highest version by semantic precedence, whatever its status."""
    versions: int
    """Number of versions, retired and archived ones included."""
    created_at: datetime
    """When the first version was registered."""
    updated_at: datetime
    """When the newest version was registered."""
    serving: Mapping[str, str]
    """Default version by environment, for the environments that serve the prompt."""


@result
class Evidence:
    """Why a version may be served: a run of evals, the readout of an experiment."""

    kind: str
    """Kind of evidence, e.g. `eval_run` or `readout`."""
    reference: str
    """Id or URL of the evidence."""
    summary: str
    """What the evidence says, for people."""


@result
class Policy:
    """What an environment requires before it serves a version."""

    environment: str
    """Environment that the policy is for: dev, staging or prod."""
    required_evidence: tuple[str, ...]
    """Kinds of evidence that a promotion needs; having served in staging satisfies `served_in:staging`."""
    revision: int
    """Number of changes of the policy so far, from 0."""
    needs_approval: bool
    """True if a person other than the author has to approve."""
    requires_suite: bool
    """True if a prompt needs a suite of evaluations, whose runs alone are evidence of kind `eval_run`."""
    evidence_max_age_days: int | None
    """Age in days from which recorded evidence counts no more; null if it counts for ever."""


@result
class Promotion:
    """A request to serve a version by default in an environment, and its outcome."""

    id: str
    """Id of the promotion, for approving or rejecting it."""
    status: PromotionStatus
    """`stale` means that the deployment changed between the request and its approval; `unchanged`, that the
    version was the default already: such a request is not stored."""
    prompt: str
    """Name of the prompt in the registry."""
    version: str
    """Version to serve by default."""
    environment: str
    """Environment that should serve the version."""
    evidence: tuple[Evidence, ...]
    """Evidence attached to the request."""
    reason: str | None
    """Reason given with the request."""
    expected_revision: int | None
    """Revision of the deployment that the requester had seen; null if not stated."""
    requested_by: str
    """Subject of the token that made the request."""
    requested_at: datetime
    """When the request was made."""
    decided_by: str | None
    """Subject of the token that approved or rejected it; null while it is pending."""
    decided_at: datetime | None
    """When it was approved or rejected; null while it is pending."""
    decision_reason: str | None
    """Reason given with the decision."""
    revision: int | None
    """Revision of the deployment that the promotion created, or found; null unless applied or unchanged."""


@result
class DeploymentRecord:
    """What one environment serves of one prompt."""

    environment: str
    """Environment that serves the prompt: dev, staging or prod."""
    prompt: str
    """Name of the prompt in the registry."""
    revision: int
    """Number of changes of this deployment, from 1; pass it as `expected_revision` of the next change."""
    version: str
    """Default version; while an experiment replaces the default, the version it returns to."""
    default: Serve
    """What is served where no rule matches: a version or an experiment."""
    rules: tuple[Rule, ...]
    """Targeting rules in order; the first that matches decides."""
    experiments: Mapping[str, Experiment]
    """Experiments that run here, by name."""
    offered: tuple[str, ...]
    """Versions that services may prefer for a user; they are assigned to nobody."""
    changed_at: datetime
    """When the deployment last changed."""
    changed_by: str
    """Subject of the token that made the last change."""


@result
class ServedVersion:
    """A version that an environment serves now or served before."""

    version: str
    """Semantic version of the prompt."""
    first_revision: int
    """First revision of the deployment that served it."""
    first_served_at: datetime
    """When the environment first served it."""
    serving: bool
    """True if it is served now, by default, by a rule or in an experiment."""


@result
class AllocationEpoch:
    """A period in which the weights of an experiment stayed the same."""

    allocation_epoch: int
    """Number of the epoch, from 1; each change of weights starts the next."""
    arms: tuple[Arm, ...]
    """Arms of this epoch: treatments first, control last."""
    started_at: datetime
    """When these weights took effect."""
    started_by: str
    """Subject of the token that set these weights."""


@result
class ExperimentRecord:
    """One experiment and the history of its weights."""

    name: str
    """Name of the experiment; never used again for another one."""
    environment: str
    """Environment in which it runs or ran."""
    prompt: str
    """Name of the prompt whose versions it compares."""
    rule: str | None
    """Targeting rule whose version it replaces; null if it replaces the default."""
    replaced: str
    """Version it replaced, which returns when it stops without keeping an arm."""
    salt: str
    """Random text that decides, with the unit id, which arm a unit gets; fixed for the experiment's life."""
    plan: ExperimentPlan
    """How it is judged, fixed when it started."""
    status: ExperimentStatus
    """Whether it is running or was stopped."""
    allocation_epoch: int
    """Number of the latest epoch."""
    arms: tuple[Arm, ...]
    """Arms of the latest epoch: treatments first, control last."""
    epochs: tuple[AllocationEpoch, ...]
    """Every allocation epoch, the oldest first."""
    started_at: datetime
    """When the experiment was started."""
    started_by: str
    """Subject of the token that started it."""
    stopped_at: datetime | None
    """When it was stopped; null while it runs."""
    stopped_by: str | None
    """Subject of the token that stopped it; null while it runs."""
    kept: str | None
    """Arm whose version stayed when it stopped; null if the replaced version returned."""


@result
class HygieneCandidate:
    """An unused version that could be retired."""

    name: str
    """Name of the prompt in the registry."""
    version: str
    """Semantic version that could be retired."""
    created_at: datetime
    """When the version was registered."""
    last_used_at: datetime | None
    """Last call that used the version; null if no call is known."""
    newer_versions: int
    """Number of active versions of the prompt that rank higher."""


@result
class Hygiene:
    """Versions that could be retired."""

    traffic_known: bool
    """False if this server has no traffic data, so that listed versions may be in use."""
    items: list[HygieneCandidate]
    """The unused versions, longest unused first."""


@result
class DiffLine:
    """One line of a unified diff."""

    kind: LineKind
    """`file` for the two header lines, `place` for line numbers, `same`, `added` or `removed`."""
    text: str
    """The line with its sign in front: a space, `+` or `-`."""


@result
class Diff:
    """Differences between two versions of a prompt."""

    name: str
    """Name of the prompt in the registry."""
    a: str
    """The old version, which `b` is compared with."""
    b: str
    """The new version, compared with `a`."""
    classification: Classification
    """What changed from `a` to `b`, and the version bump that needs."""
    lines: list[DiffLine]
    """Unified diff of both versions as files; empty if they are the same."""
    source_a: VersionSource | None
    """Where `a` came from; null if that was not said."""
    source_b: VersionSource | None
    """Where `b` came from; null if that was not said."""


@result
class AuditEntry:
    """One action in the audit log. Entries are never changed or deleted."""

    id: int
    """Number of the entry; later entries have higher numbers."""
    at: datetime
    """When the action happened, in UTC."""
    actor: str
    """Subject of the token that acted."""
    token_id: str
    """Id of the token that acted."""
    action: str
    """What was done, e.g. `register`, `promote`, `rollback` or `create_token`."""
    prompt: str | None
    """Prompt that the action was about, if any."""
    version: str | None
    """Version that the action was about, if any."""
    environment: str | None
    """Environment that the action was about, if any."""
    before: dict[str, Any] | None
    """State before the action; its shape depends on the action."""
    after: dict[str, Any] | None
    """State after the action; its shape depends on the action."""
    reason: str | None
    """Reason given with the action."""


@result
class Caller:
    """Who asks, as the token says."""

    subject: str
    """Person or program that uses the token."""
    role: Role
    """What the token allows."""
    environment: str | None
    """The one environment that a service may ask about; null for all."""
    prompts: tuple[str, ...] | None = None
    """Patterns of the prompts that the token is for; null for all."""


@result
class TokenRecord:
    """A bearer token, without its text."""

    id: str
    """Id of the token, for revoking it."""
    subject: str
    """Person or program that uses the token."""
    role: Role
    """What the token allows: each role allows everything that the roles before it allow."""
    environment: str | None
    """The environment that a service's token is for; null for other roles."""
    prompts: tuple[str, ...] | None
    """Patterns of the prompts that the token is for; null for all."""
    created_at: datetime
    """When the token was created."""
    created_by: str
    """Subject of the token that created it."""
    revoked_at: datetime | None
    """When the token was revoked; null while it is valid."""


@result
class NewToken(TokenRecord):
    """A token that was just created."""

    # pydantic reads the docstrings of a class's own fields only.
    id: str
    """Id of the token, for revoking it."""
    subject: str
    """Person or program that uses the token."""
    role: Role
    """What the token allows: each role allows everything that the roles before it allow."""
    environment: str | None
    """The environment that a service's token is for; null for other roles."""
    prompts: tuple[str, ...] | None
    """Patterns of the prompts that the token is for; null for all."""
    created_at: datetime
    """When the token was created."""
    created_by: str
    """Subject of the token that created it."""
    revoked_at: datetime | None
    """Null: the token is valid."""
    token: str = field(repr=False)
    """Text of the token. Only its hash is kept, so it cannot be shown again."""


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """An event that has not been sent yet."""

    id: int
    name: EventName
    event: Deployment | RolloutTransition | AlertTransition | PromptScore
