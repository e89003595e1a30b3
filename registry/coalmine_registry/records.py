"""What the registry answers: frozen values, one class per thing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Generic, Literal, TypeVar

from coalmine_registry.classify import Classification
from coalmine_schemas.events import Deployment
from coalmine_schemas.prompts import Arm, Experiment, PromptContent, Rule, Serve, ServeVersion

ENVIRONMENTS: Final = ("dev", "staging", "prod")
"""From the loosest to the strictest."""

VersionStatus = Literal["active", "retired", "archived"]
PromotionStatus = Literal["pending", "applied", "rejected", "stale"]
ExperimentStatus = Literal["running", "stopped"]

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[_Item]):
    """A part of a long list."""

    items: tuple[_Item, ...]
    next_cursor: str | None
    """Give it to get the next part; None after the last one."""


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One immutable version of a prompt."""

    name: str
    version: str
    content: PromptContent
    digest: str
    """`sha256:<hex>` of the content."""
    author: str
    """Subject who registered it first."""
    created_at: datetime
    status: VersionStatus
    classification: Classification | None
    """How it differs from the version before it; None for a first one."""

    @property
    def reference(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True)
class Registered:
    """What registering a version did."""

    record: VersionRecord
    created: bool
    """False when the same version with the same content was there already."""
    classification: Classification | None


@dataclass(frozen=True, slots=True)
class Proposal:
    """What registering a version would do."""

    name: str
    version: str
    created: bool
    """False when the same version with the same content is there already."""
    classification: Classification | None


@dataclass(frozen=True, slots=True)
class PromptSummary:
    """One prompt."""

    name: str
    latest: str
    """Highest version by precedence, whatever its status."""
    versions: int
    """How many there are."""
    created_at: datetime
    updated_at: datetime
    """When its newest version was registered."""
    serving: Mapping[str, str]
    """Version that each environment serves by default, where it serves the prompt."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a version may be served: a run of evals, a readout of an experiment."""

    kind: str
    """E.g. `eval_run`, `readout`."""
    reference: str
    """Where it is found: an id or an address."""
    summary: str = ""
    """What it says, for people."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What an environment demands before it serves a version."""

    environment: str
    required_evidence: tuple[str, ...]
    """Kinds of evidence; `served_in:staging` is given by having served the version there."""
    revision: int
    """Counts changes of the policy, from 0."""
    needs_approval: bool
    """Whether somebody other than the author has to agree."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """A request to serve a version in an environment, and what became of it."""

    id: str
    status: PromotionStatus
    """`stale`: the deployment had changed before it was approved."""
    prompt: str
    version: str
    environment: str
    evidence: tuple[Evidence, ...]
    reason: str | None
    expected_revision: int | None
    requested_by: str
    requested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision_reason: str | None
    revision: int | None
    """Revision of the deployment that it made, once applied."""


@dataclass(frozen=True, slots=True)
class DeploymentRecord:
    """What one environment serves of one prompt."""

    environment: str
    prompt: str
    revision: int
    """Counts changes, from 1."""
    version: str
    """Default version; where an experiment stands in its place, the one it returns to."""
    default: Serve
    rules: tuple[Rule, ...]
    experiments: Mapping[str, Experiment]
    """Running experiments by name."""
    changed_at: datetime
    changed_by: str


@dataclass(frozen=True, slots=True)
class DeploymentRevision:
    """One change of what an environment serves of a prompt."""

    action: str
    """What was done, e.g. `promote`."""
    reason: str | None
    deployment: DeploymentRecord
    """As it was from then on."""


@dataclass(frozen=True, slots=True)
class ServedVersion:
    """A version that an environment serves, or served before."""

    version: str
    first_revision: int
    """Revision of the deployment that first served it."""
    first_served_at: datetime
    serving: bool
    """Whether it is served now, as default, by a rule or as an arm."""


@dataclass(frozen=True, slots=True)
class AllocationEpoch:
    """Weights of an experiment from one change to the next."""

    allocation_epoch: int
    arms: tuple[Arm, ...]
    started_at: datetime
    started_by: str


@dataclass(frozen=True, slots=True)
class ExperimentRecord:
    """One experiment."""

    name: str
    environment: str
    prompt: str
    rule: str | None
    """Rule in whose place it stands; None for the default."""
    salt: str
    status: ExperimentStatus
    arms: tuple[Arm, ...]
    """Treatments first, control last; as of the latest epoch."""
    allocation_epoch: int
    epochs: tuple[AllocationEpoch, ...]
    """Oldest first."""
    replaced: ServeVersion
    """What was served in its place before it began."""
    started_at: datetime
    started_by: str
    stopped_at: datetime | None
    stopped_by: str | None
    kept: str | None
    """Arm that took its place when it stopped; None where `replaced` did."""


@dataclass(frozen=True, slots=True)
class HygieneCandidate:
    """A version that nobody seems to need."""

    name: str
    version: str
    created_at: datetime
    last_used_at: datetime | None
    """None: never, as far as is known."""
    newer_versions: int
    """How many active versions of the prompt rank above it."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing somebody did. Never changed, never deleted."""

    id: int
    at: datetime
    actor: str
    token_id: str
    action: str
    """E.g. `register`, `promote`, `rollback`, `token.create`."""
    prompt: str | None = None
    version: str | None = None
    environment: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """An event that still has to be sent."""

    id: int
    event: Deployment


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """What is kept of a token; never the token itself."""

    id: str
    subject: str
    role: str
    created_at: datetime
    created_by: str
    revoked_at: datetime | None = field(default=None)
