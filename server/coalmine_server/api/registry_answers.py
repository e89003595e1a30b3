"""What the registry's routes answer, made from its records by attribute."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import ConfigDict, Field

from coalmine_registry.records import (
    DeploymentRecord,
    Page,
    PromotionStatus,
    VersionRecord,
    VersionStatus,
)
from coalmine_registry.roles import Role
from coalmine_schemas.prompts import PromptContent, ServedPrompt
from coalmine_server.services.models.base import Answer

Item = TypeVar("Item")
Json = dict[str, Any]


class Listed(Answer, Generic[Item]):
    """A part of a list."""

    # Pydantic looks for docstrings where a generic model is named, and stumbles over what stands there.
    model_config = ConfigDict(use_attribute_docstrings=False)

    items: list[Item] = Field(description="This part.")
    next_cursor: str | None = Field(description="Give it as `cursor` for what follows; null at the end.")


class ChangeAnswer(Answer):
    """A change between two versions."""

    what: str
    """What changed."""
    needs: str
    """Step of the version that it needs: patch, minor or major."""


class ClassificationAnswer(Answer):
    """How a version differs from the one it is compared with."""

    previous: str
    """Version it is compared with."""
    level: str
    """Largest step that any change needs: none, patch, minor or major."""
    reasons: list[ChangeAnswer]
    """Largest first."""


class VersionAnswer(Answer):
    """One version of a prompt. It never changes, but for its status."""

    name: str
    """The prompt."""
    version: str
    """Semantic version."""
    digest: str
    """`sha256:<hex>` of the content."""
    author: str
    """Who registered it."""
    created_at: datetime
    """When."""
    status: VersionStatus
    """active, retired or archived."""
    classification: ClassificationAnswer | None
    """Null for a first version."""
    content: Json
    """Templates, variables, model, parameters, output schema, metadata."""

    @classmethod
    def of(cls, record: VersionRecord) -> Self:
        """From a record."""
        return cls(
            name=record.name,
            version=record.version,
            digest=record.digest,
            author=record.author,
            created_at=record.created_at,
            status=record.status,
            classification=classification(record.classification),
            content=plain(record.content),
        )


class RegisteredAnswer(Answer):
    """What became of a registration, or with `dry_run` what would."""

    created: bool
    """False when exactly this was there already."""
    dry_run: bool
    """Whether nothing was written."""
    name: str
    """The prompt."""
    version: str
    """The version."""
    digest: str
    """Of its content."""
    classification: ClassificationAnswer | None
    """Null for a first version."""


class PromptAnswer(Answer):
    """One prompt."""

    name: str
    """Its name."""
    latest: str
    """Highest version by precedence, whatever its status."""
    versions: int
    """How many there are."""
    created_at: datetime
    """When its first version was registered."""
    updated_at: datetime
    """When its newest version was registered."""
    serving: dict[str, str]
    """Default version of each environment that serves it."""


class DiffLineAnswer(Answer):
    """One line of a diff."""

    kind: str
    """file, place, same, added or removed."""
    text: str
    """The line with its sign."""


class DiffAnswer(Answer):
    """What changed between two versions."""

    name: str
    """The prompt."""
    a: str
    """The old version."""
    b: str
    """The new version."""
    classification: ClassificationAnswer
    """Which step of the version the changes need."""
    lines: list[DiffLineAnswer]
    """The unified diff of both as files; empty where they say the same."""


class EvidenceAnswer(Answer):
    """Why a version may be served."""

    kind: str
    """Its kind."""
    reference: str
    """Where it is found."""
    summary: str
    """What it says."""


class PromotionAnswer(Answer):
    """A request to serve a version, and what became of it."""

    id: str
    """Its id."""
    status: PromotionStatus
    """pending, applied, rejected, or stale: the deployment had changed before it was approved."""
    prompt: str
    """The prompt."""
    version: str
    """The version."""
    environment: str
    """Where to serve it."""
    evidence: list[EvidenceAnswer]
    """What was attached."""
    reason: str | None
    """Why it was asked for."""
    expected_revision: int | None
    """Revision of the deployment that was seen."""
    requested_by: str
    """Who asked."""
    requested_at: datetime
    """When."""
    decided_by: str | None
    """Who decided."""
    decided_at: datetime | None
    """When."""
    decision_reason: str | None
    """Why it was decided so."""
    revision: int | None
    """Revision of the deployment that it made."""


class DeploymentAnswer(Answer):
    """How an environment serves a prompt."""

    environment: str
    """The environment."""
    prompt: str
    """The prompt."""
    revision: int
    """Counts changes, from 1; `expected_revision` of the next change."""
    version: str
    """Default version; with an experiment in its place, the one that comes back."""
    default: Json
    """What is served where no rule matches: a version or an experiment."""
    rules: list[Json]
    """The first that matches wins."""
    experiments: Json
    """Those that run, by name."""
    changed_at: datetime
    """When it was changed last."""
    changed_by: str
    """By whom."""

    @classmethod
    def of(cls, record: DeploymentRecord) -> Self:
        """From a record."""
        prompt = ServedPrompt(record.revision, record.default, record.rules, record.experiments)
        served: Json = dict(prompt.to_json())
        return cls(
            environment=record.environment,
            prompt=record.prompt,
            revision=record.revision,
            version=record.version,
            default=served["default"],
            rules=served["rules"],
            experiments=served["experiments"],
            changed_at=record.changed_at,
            changed_by=record.changed_by,
        )


class ServedVersionAnswer(Answer):
    """A version that an environment serves, or served before."""

    version: str
    """The version."""
    first_revision: int
    """Revision of the deployment that first served it."""
    first_served_at: datetime
    """When."""
    serving: bool
    """Whether it is served now."""


class ArmAnswer(Answer):
    """One arm."""

    variant: str
    """Its name."""
    version: str
    """Version it serves."""
    weight: float
    """Share of units, from 0 to 1."""


class EpochAnswer(Answer):
    """Weights from one change to the next."""

    allocation_epoch: int
    """Counts changes of weights, from 1."""
    arms: list[ArmAnswer]
    """Treatments first, control last."""
    started_at: datetime
    """Since when."""
    started_by: str
    """By whom."""


class ExperimentAnswer(Answer):
    """An experiment."""

    name: str
    """Its name."""
    environment: str
    """Where it runs."""
    prompt: str
    """The prompt."""
    rule: str | None
    """Rule in whose place it stands; null for the default."""
    salt: str
    """Its own for its whole life; assignment follows from it."""
    status: Literal["running", "stopped"]
    """running or stopped."""
    allocation_epoch: int
    """The latest."""
    arms: list[ArmAnswer]
    """Treatments first, control last."""
    epochs: list[EpochAnswer]
    """Oldest first."""
    started_at: datetime
    """When it began."""
    started_by: str
    """Who started it."""
    stopped_at: datetime | None
    """When it ended."""
    stopped_by: str | None
    """Who stopped it."""
    kept: str | None
    """Arm whose version went on; null where what was served before came back."""


class PolicyAnswer(Answer):
    """What an environment wants of promotions."""

    environment: str
    """The environment."""
    required_evidence: list[str]
    """Kinds of evidence."""
    revision: int
    """Counts changes of the policy, from 0."""
    needs_approval: bool
    """Whether somebody other than the author has to agree."""


class HygieneCandidateAnswer(Answer):
    """A version that nobody seems to need."""

    name: str
    """The prompt."""
    version: str
    """The version."""
    created_at: datetime
    """When it was registered."""
    last_used_at: datetime | None
    """When it was last called, as far as is known."""
    newer_versions: int
    """How many active versions rank above it."""


class HygieneAnswer(Answer):
    """Versions that could be retired."""

    traffic_known: bool
    """Whether this server knows the traffic; if not, only the newest and the served ones are left out."""
    items: list[HygieneCandidateAnswer]
    """By prompt, then by version."""


class AuditEntryAnswer(Answer):
    """One thing that somebody did."""

    id: int
    """Counts up."""
    at: datetime
    """When."""
    actor: str
    """Who."""
    token_id: str
    """With which token."""
    action: str
    """What, e.g. promote."""
    prompt: str | None
    """Of which prompt."""
    version: str | None
    """Of which version."""
    environment: str | None
    """In which environment."""
    before: Json | None
    """What it was."""
    after: Json | None
    """What it became."""
    reason: str | None
    """Why."""


class TokenAnswer(Answer):
    """A token; never its text."""

    id: str
    """Its id, for revoking it."""
    subject: str
    """Who uses it."""
    role: Role
    """What it allows."""
    created_at: datetime
    """When it was made."""
    created_by: str
    """By whom."""
    revoked_at: datetime | None
    """Since when it is worthless; null while it is good."""


class NewTokenAnswer(TokenAnswer):
    """A token just made."""

    token: str
    """Its text. It is kept as a hash only and cannot be shown again."""


def classification(found: object) -> ClassificationAnswer | None:
    """A classification, if there is one."""
    return None if found is None else ClassificationAnswer.model_validate(found)


def plain(content: PromptContent) -> Json:
    """A content as JSON."""
    return dict(content.to_json())


def page_of(page: Page[Any], items: list[Item]) -> Mapping[str, Any]:
    """The fields of a `Listed` answer."""
    return {"items": items, "next_cursor": page.next_cursor}
