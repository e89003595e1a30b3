"""What an audit finds."""

from coalmine_schemas.results import result


@result
class AuditIdentity:
    """What became of every message read: read = stored + duplicates + dead-lettered."""

    read: int
    """Messages read from Kafka or the spool. What a service lost before that is in nobody's books."""
    stored: int
    """Events stored as rows, including those that retention has since removed."""
    duplicates: int
    """Events that arrived again."""
    dead_lettered: int
    """Messages that cannot be decoded as events, and were not replayed since."""
    waiting: int
    """Messages in the source that are not committed yet; not part of `read`."""
    expired: int
    """How many of the stored ones retention has removed."""
    lost: int
    """Messages that were deleted before they could be read; not part of `read`."""
    recreated: int
    """How often a partition's topic was deleted and created again; what was unread is lost, uncounted."""
    balanced: bool
    """True if nothing appeared or disappeared."""

    def __str__(self) -> str:
        sign = "=" if self.balanced else "≠"
        return (
            f"read {self.read:,} {sign} stored {self.stored:,} + duplicates {self.duplicates:,} "
            f"+ dead-lettered {self.dead_lettered:,}; {self.waiting:,} waiting"
        )


@result
class AuditCheck:
    """One comparison of two figures that must agree."""

    name: str
    """Name of the check."""
    ok: bool
    """True if the figures agree."""
    expected: int
    """The figure that is taken as given."""
    found: int
    """The figure compared with it."""
    explanation: str
    """What was compared, in a sentence."""


@result
class AuditReport:
    """Result of an audit."""

    ok: bool
    """True if every check passed."""
    summary: str
    """The identity in one line."""
    identity: AuditIdentity
    """What became of every message read."""
    checks: tuple[AuditCheck, ...]
    """All comparisons made."""
    missing: tuple[str, ...]
    """What is missing or inconsistent, one sentence each, causes before their consequences."""
    unattributed_feedback: int
    """Feedback whose request has not arrived."""
    unattributed_scores: int
    """Scores whose request has not arrived."""
