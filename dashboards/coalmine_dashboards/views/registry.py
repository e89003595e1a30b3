"""Tables of the registry: promotions, what is served, versions, freezes, what could be retired."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from coalmine_dashboards.formatting import UNKNOWN, count
from coalmine_dashboards.parts.links import anchor
from coalmine_dashboards.parts.tables import Column, Html, Told, Tone, When, dot
from coalmine_registry.freeze_records import FreezeRecord
from coalmine_registry.provenance import CheckedEvidence, VersionSource
from coalmine_registry.records import (
    ENVIRONMENTS,
    Evidence,
    HygieneCandidate,
    Promotion,
    PromotionStatus,
    PromptSummary,
    VersionRecord,
    VersionStatus,
)
from coalmine_rollouts.records import AsShipped, Rollout

_PROMOTIONS: Final[dict[PromotionStatus, Tone]] = {
    "pending": "notice",
    "applied": "good",
    "rejected": "bad",
    "stale": "notice",
    "unchanged": "good",
}
_VERSIONS: Final[dict[VersionStatus, Tone]] = {"active": "good", "retired": "notice", "archived": "notice"}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that waits for a decision of a person."""

    what: str
    """What is asked for."""
    link: Html
    environment: str
    asked_by: str
    asked_at: datetime
    why: str


def waiting(promotions: Sequence[Promotion], rollouts: Sequence[Rollout]) -> list[Waiting]:
    """What waits for a person, the oldest first: promotions, and rollouts that need an approval."""
    asked = [
        Waiting(
            "promotion",
            Html(anchor(f"{each.prompt} {each.version}", "registry", promotion=each.id)),
            each.environment,
            each.requested_by,
            each.requested_at,
            each.reason or UNKNOWN,
        )
        for each in promotions
    ]
    asked += [
        Waiting(
            "rollout",
            Html(anchor(f"{each.prompt} {each.treatment}", "rollouts", rollout=each.id)),
            each.environment,
            each.started_by,
            each.created_at,
            "; ".join(reason.partition(": ")[2] or reason for reason in each.reasons) or UNKNOWN,
        )
        for each in rollouts
        if any(reason.startswith("approval") for reason in each.reasons)
    ]
    return sorted(asked, key=lambda each: each.asked_at)


def waiting_columns(when: When) -> list[Column[Waiting]]:
    """Columns of what waits for a decision."""
    return [
        Column("Version", lambda row: row.link, text=True),
        Column("Asked for", lambda row: row.what, text=True),
        Column("Environment", lambda row: row.environment, text=True),
        Column("By", lambda row: row.asked_by, text=True),
        Column("Since", lambda row: when(row.asked_at), text=True, vital=False),
        Column("Why", lambda row: row.why, text=True, wraps=True),
    ]


def prompt_columns(when: When) -> list[Column[PromptSummary]]:
    """Columns of the prompts and what serves them."""

    def in_environment(environment: str) -> Callable[[PromptSummary], str]:
        return lambda row: row.serving.get(environment, UNKNOWN)

    return [
        Column("Prompt", lambda row: Html(anchor(row.name, "registry", prompt=row.name)), text=True),
        *(
            Column(each, in_environment(each), "Version that it serves by default.", text=True)
            for each in ENVIRONMENTS
        ),
        Column("Latest", lambda row: row.latest, "Highest version.", text=True),
        Column("Versions", lambda row: count(row.versions), vital=False),
        Column("Last version registered", lambda row: when(row.updated_at), text=True, vital=False),
    ]


def promotion_columns(when: When) -> list[Column[Promotion]]:
    """Columns of promotions that were decided."""
    return [
        Column(
            "Version",
            lambda row: Html(anchor(f"{row.prompt} {row.version}", "registry", promotion=row.id)),
            text=True,
        ),
        Column("Environment", lambda row: row.environment, text=True),
        Column("Outcome", lambda row: dot(_PROMOTIONS[row.status], row.status), text=True),
        Column("Asked for by", lambda row: row.requested_by, text=True, vital=False),
        Column("Decided by", lambda row: row.decided_by or UNKNOWN, text=True),
        Column("Decided", lambda row: when(row.decided_at), text=True),
        Column("Why", lambda row: row.decision_reason or row.reason or UNKNOWN, text=True, wraps=True),
    ]


def version_columns(serving: Mapping[str, str], when: When) -> list[Column[VersionRecord]]:
    """Columns of the versions of a prompt.

    Args:
        serving: Default version by environment.
        when: Writes a moment.
    """

    def served(row: VersionRecord) -> str:
        return ", ".join(each for each, version in serving.items() if version == row.version) or UNKNOWN

    return [
        Column(
            "Version",
            lambda row: Html(anchor(row.version, "registry", prompt=row.name, version=row.version)),
            text=True,
        ),
        Column("Status", lambda row: dot(_VERSIONS[row.status], row.status), text=True),
        Column("Default in", served, "Environments that serve it by default.", text=True),
        Column("Change", _change, "What callers have to do.", text=True, wraps=True),
        Column("Author", lambda row: row.author, text=True, vital=False),
        Column("Commit", lambda row: commit_of(row.source), text=True, vital=False),
        Column("Registered", lambda row: when(row.created_at), text=True, vital=False),
    ]


def _change(row: VersionRecord) -> str:
    if row.classification is None:
        return "the first"
    reasons = "; ".join(each.what for each in row.classification.reasons[:3])
    more = len(row.classification.reasons) - 3
    return f"{row.classification.level}: {reasons}{f' and {more} more' if more > 0 else ''}".rstrip(": ")


def commit_of(source: VersionSource | None) -> str:
    """The commit, short, and its pull request."""
    if source is None:
        return UNKNOWN
    parts = [(source.commit or "")[:10], source.pull_request or ""]
    return " ".join(filter(None, parts)) or UNKNOWN


def evidence_columns(when: When) -> list[Column[CheckedEvidence]]:
    """Columns of what was found out about a version."""
    return [
        Column("Evidence", lambda row: row.kind, text=True),
        Column("Says", lambda row: dot("good", "passed") if row.passed else dot("bad", "failed"), text=True),
        Column("Summary", lambda row: row.summary, text=True, wraps=True),
        Column("Run", _run, text=True, vital=False),
        Column("By", lambda row: row.recorded_by, text=True, vital=False),
        Column("Checked", lambda row: when(row.checked_at), text=True, vital=False),
    ]


def _run(row: CheckedEvidence) -> str | Html:
    return UNKNOWN if row.run is None else Html(anchor("its run", "evaluations", run=row.run))


def attached_columns() -> list[Column[Evidence]]:
    """Columns of the evidence that came with a request."""
    return [
        Column("Attached", lambda row: row.kind, text=True),
        Column("Summary", lambda row: row.summary or UNKNOWN, text=True, wraps=True),
        Column("Reference", lambda row: row.reference, text=True, wraps=True),
    ]


def freeze_columns(when: When) -> list[Column[FreezeRecord]]:
    """Columns of freezes."""
    return [
        Column("Freeze", lambda row: str(row.id), text=True),
        Column("Of", freeze_of, text=True),
        Column("Why", lambda row: row.reason, text=True, wraps=True),
        Column("By", lambda row: row.frozen_by, text=True),
        Column("From", lambda row: when(row.starts_at), text=True, vital=False),
        Column("Until", lambda row: when(row.until) if row.until else "somebody ends it", text=True),
    ]


def freeze_of(freeze: FreezeRecord) -> str:
    """`support-refund in prod`, `every prompt in prod`, `everything`."""
    if freeze.prompt is None and freeze.environment is None:
        return "everything"
    return f"{freeze.prompt or 'every prompt'} in {freeze.environment or 'every environment'}"


def hygiene_columns(when: When) -> list[Column[HygieneCandidate]]:
    """Columns of versions that could be retired."""
    return [
        Column(
            "Version",
            lambda row: Html(
                anchor(f"{row.name} {row.version}", "registry", prompt=row.name, version=row.version)
            ),
            text=True,
        ),
        Column(
            "Last call", lambda row: when(row.last_used_at) if row.last_used_at else "none known", text=True
        ),
        Column("Newer versions", lambda row: count(row.newer_versions), "Active ones that rank higher."),
        Column("Registered", lambda row: when(row.created_at), text=True, vital=False),
    ]


@dataclass(frozen=True, slots=True)
class Shown:
    """A rollout of a version, and what it was like when it shipped."""

    rollout: Rollout
    shipped: AsShipped | None


def shown_columns(when: When, told: Told) -> list[Column[Shown]]:
    """Columns of rollouts of one version."""
    return [
        Column(
            "Rollout",
            lambda row: Html(anchor(f"instead of {row.rollout.control}", "rollouts", rollout=row.rollout.id)),
            text=True,
        ),
        Column("Environment", lambda row: row.rollout.environment, text=True),
        Column("State", lambda row: row.rollout.state.replace("_", " "), text=True),
        Column("Units", _units, "Of the version, as it completed."),
        Column("Ended", lambda row: when(row.rollout.ended_at), text=True, vital=False),
        Column("Why", lambda row: told("; ".join(row.rollout.reasons) or UNKNOWN), text=True, wraps=True),
    ]


def _units(row: Shown) -> str:
    units = None if row.shipped is None else row.shipped.figures.get("units")
    return count(units) if isinstance(units, int) else UNKNOWN
