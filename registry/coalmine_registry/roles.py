"""Actors and the roles of their tokens."""

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Self

from coalmine_registry.errors import Forbidden

_SYSTEM = "system"
_ROLLOUT = "rollout:"
"""No token can have such a subject."""


class Role(StrEnum):
    """What a token allows; each role allows everything that the roles before it allow."""

    INGEST = "ingest"
    """Sends events, and reads nothing."""
    SERVICE = "service"
    """Reads what one environment serves, and sends events."""
    READER = "reader"
    """Reads everything but bytes of dead letters and the audit log."""
    AUTHOR = "author"
    """Registers versions, requests promotions, goes back to what served before."""
    APPROVER = "approver"
    """Decides what is served, except for versions of its own; reads the audit log."""
    ADMIN = "admin"
    """Creates tokens, sets policies, reads the bytes of dead letters."""

    def allows(self, needed: "Role") -> bool:
        """Returns True if this role includes another."""
        order = tuple(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Actor:
    """A person or program that acts, identified by a token."""

    subject: str
    """Name of the person or program; authors of versions are identified by it."""
    role: Role
    token_id: str
    """Id of the token, for the audit log."""
    environment: str | None = None
    """The one environment that a service may ask about; None for all."""
    prompts: tuple[str, ...] | None = None
    """Patterns of the prompts that the token is for (`support.*`), as alerts and reviews have them; None for
    all. It reads and changes no others."""

    def sees(self, prompt: str) -> bool:
        """Returns True if the token is for a prompt of this name."""
        return self.prompts is None or any(fnmatchcase(prompt, each) for each in self.prompts)

    @classmethod
    def of_system(cls) -> Self:
        """Returns Coalmine itself, e.g. when a server creates its first token."""
        return cls(_SYSTEM, Role.ADMIN, _SYSTEM)

    @classmethod
    def of_rollout(cls, rollout: str) -> Self:
        """Returns the controller of a rollout, which may only steer the experiment of that name."""
        return cls(f"{_ROLLOUT}{rollout}", Role.APPROVER, f"{_ROLLOUT}{rollout}")

    @property
    def rollout(self) -> str | None:
        """The rollout that it steers; None for anybody else."""
        return self.subject.removeprefix(_ROLLOUT) if self.subject.startswith(_ROLLOUT) else None

    @property
    def is_system(self) -> bool:
        """True for Coalmine itself, which is no person and approves nothing."""
        return self.subject.casefold() == _SYSTEM

    def require(self, needed: Role, action: str, *, rollout: str | None = None) -> None:
        """Checks that the role of the actor allows an action.

        Args:
            needed: Role that the action needs.
            action: The action, e.g. `register versions`.
            rollout: The rollout whose controller may do it, too.

        Raises:
            Forbidden: The role does not allow it, or a controller would do more than steer its rollout.
        """
        if self.rollout not in (None, rollout):
            raise Forbidden(
                f"the controller of {self.rollout} may not {action}: it only steers its own experiment"
            )
        if not self.role.allows(needed):
            raise Forbidden(
                f"{self.subject} is {self.role} and may not {action}: that needs the role {needed}; ask an "
                "admin for a token with that role"
            )

    def is_any_of(self, subjects: frozenset[str]) -> bool:
        """Returns True if the actor is one of them. `Ann` and `ann` are the same person."""
        return any(is_same_person(self.subject, subject) for subject in subjects)


def is_same_person(one: str, other: str) -> bool:
    """Returns True if two subjects are one person: `Ann` and `ann` are."""
    return one.casefold() == other.casefold()
