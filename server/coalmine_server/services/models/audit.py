"""Whether everything adds up."""

from coalmine_server.services.models.base import Answer


class AuditIdentity(Answer):
    """Where every message that was produced is now: the other figures down to `spooled` add up to it."""

    produced: int
    """Messages that reached Kafka or the spool."""
    stored: int
    """Events stored as rows, those that retention has removed since included."""
    duplicates: int
    """Events that came again."""
    dead_lettered: int
    """Messages that cannot be events."""
    spooled: int
    """Messages that wait in the source."""
    expired: int
    """How many of the stored ones retention has removed."""
    lost: int
    """Messages that were gone before they could be read; no part of `produced`."""
    balanced: bool
    """Whether nothing appeared or disappeared."""


class AuditCheck(Answer):
    """One comparison of two figures that must agree."""

    name: str
    ok: bool
    expected: int
    found: int
    explanation: str
    """What was compared, in a sentence."""


class AuditReport(Answer):
    """Whether everything adds up."""

    ok: bool
    """Whether it does."""
    summary: str
    """The identity in one line."""
    identity: AuditIdentity
    checks: list[AuditCheck]
    missing: list[str]
    """What is missing or contradicts itself, one sentence each, the most telling first."""
    unattributed_feedback: int
    """Feedback whose request has not come."""
    unattributed_scores: int
    """Scores whose request has not come."""
