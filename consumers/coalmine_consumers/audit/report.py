"""What an audit finds, as values."""

from dataclasses import dataclass


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
