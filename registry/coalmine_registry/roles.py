"""Who acts, and what a role allows."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from coalmine_registry.errors import Forbidden


class Role(StrEnum):
    """What a token allows; each role allows all that the ones before it do."""

    READER = "reader"
    """Looks at everything."""
    AUTHOR = "author"
    """Registers versions, asks for promotions."""
    APPROVER = "approver"
    """Decides what is served, never about a version of its own."""
    ADMIN = "admin"
    """Makes tokens, sets policies."""

    def allows(self, needed: "Role") -> bool:
        """Whether this role is enough where `needed` is asked for."""
        order = tuple(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who acts, known by a token."""

    subject: str
    """Name of the person or program. Who wrote a version is told by it."""
    role: Role
    token_id: str
    """The token they came with; for the audit."""

    @classmethod
    def of_system(cls) -> Self:
        """Coalmine itself, e.g. when a server makes its first token."""
        return cls("system", Role.ADMIN, "system")

    def require(self, needed: Role, action: str) -> None:
        """Refuses an actor whose role does not suffice.

        Args:
            needed: Role the action needs.
            action: What was to be done, e.g. `register versions`.

        Raises:
            Forbidden: It does not.
        """
        if not self.role.allows(needed):
            raise Forbidden(
                f"{self.subject} is {self.role} and may not {action}: that takes the role {needed}; ask an "
                "admin for a token of that role"
            )

    def is_any_of(self, subjects: frozenset[str]) -> bool:
        """Whether the actor is one of them. `Ann` and `ann` are the same person."""
        return self.subject.casefold() in {subject.casefold() for subject in subjects}
