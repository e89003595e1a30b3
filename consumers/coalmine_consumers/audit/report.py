"""What an audit finds: as values, as JSON and as text."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Identity:
    """Where every message that was produced is now; messages of all events."""

    produced: int
    """Messages that reached Kafka or the spool: those read, by stored positions, and those waiting."""
    stored: int
    """Events stored as rows, rows that retention has removed since included."""
    duplicates: int
    """Events that came again."""
    dead_lettered: int
    """Messages nobody could read, and that were not replayed since."""
    spooled: int
    """Messages waiting in the spool or in Kafka."""
    expired: int
    """How many of the stored ones retention has removed."""
    lost: int
    """Positions that were gone before they could be read: recorded gaps. No part of `produced`."""

    @property
    def balanced(self) -> bool:
        """Whether nothing appeared or disappeared."""
        return self.produced == self.stored + self.duplicates + self.dead_lettered + self.spooled

    def __str__(self) -> str:
        sign = "=" if self.balanced else "≠"
        return (
            f"produced {self.produced:,} {sign} stored {self.stored:,} + duplicates {self.duplicates:,} "
            f"+ dead-lettered {self.dead_lettered:,} + spooled {self.spooled:,}"
        )


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison of two things that must agree."""

    name: str
    ok: bool
    expected: int
    found: int
    explanation: str
    """What was compared, in a sentence."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Everything an audit compared, and what is missing."""

    identity: Identity
    checks: tuple[Check, ...]
    missing: tuple[str, ...]
    """What is missing or contradicts itself, one sentence each, the most telling first."""
    unattributed_feedback: int
    """Feedback whose request has not come."""
    unattributed_scores: int

    @property
    def ok(self) -> bool:
        """Whether everything adds up."""
        return self.identity.balanced and not self.missing and all(check.ok for check in self.checks)


def as_json(report: AuditReport) -> dict[str, Any]:
    """The report as values that JSON knows."""
    return {"ok": report.ok} | asdict(report)


def as_text(report: AuditReport) -> str:
    """The report in plain lines, for people."""
    identity = report.identity
    lines = [
        str(identity),
        f"of the stored, {identity.expired:,} have expired; {identity.lost:,} messages were lost unread; "
        f"{report.unattributed_feedback:,} feedback and {report.unattributed_scores:,} scores "
        "have no request",
    ]
    lines += [
        f"{'ok    ' if check.ok else 'FAILED'}  {check.name}: {check.found:,} of {check.expected:,}; "
        f"{check.explanation}"
        for check in report.checks
    ]
    lines += [f"missing: {sentence}" for sentence in report.missing]
    return "\n".join(lines)
