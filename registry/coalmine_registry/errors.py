"""Errors of the registry. Classes say what the caller should do.

CoalmineError                      (coalmine_schemas.errors)
├── Transient                      the same call may succeed later
│   ├── RegistryBusy               other writers held the lock for too long; nothing was changed
│   ├── DatabaseUnavailable        the database does not respond, or cannot write now
│   └── LeaseLost                  another server does this by now; nothing was changed
├── Terminal
│   ├── DatabaseTooNew             a newer version of Coalmine migrated it: upgrade this one
│   ├── DatabaseDamaged            the file is not a database, or damaged: restore it
│   └── DatabaseMisconfigured      not a usable database URL
├── InvalidParameter
│   ├── Invalid                    a value is not valid; has the field, the value, the remedy
│   └── InvalidPrompt              (coalmine_schemas.prompts) the same, for names, versions and contents
└── Refused                        valid, but not possible now or not allowed for this actor
    ├── NotFound                   it does not exist
    ├── Forbidden                  this actor may not do it
    ├── Conflict                   it conflicts with the current state
    │   ├── NameTaken              it was used before; choose another name
    │   ├── StaleRevision          it has changed since the caller looked; look again
    │   ├── BumpTooSmall           the change needs a larger version bump
    │   ├── SuiteMissing           the environment requires a suite of evaluations
    │   └── EvidenceMissing        the environment requires evidence that was not attached
"""

from collections.abc import Sequence

from coalmine_schemas.errors import CoalmineError, InvalidParameter, Terminal, Transient
from coalmine_schemas.prompts.errors import short


class RegistryBusy(Transient):
    """Other writers kept the database locked for longer than we wait. Nothing was changed."""


class DatabaseUnavailable(Transient):
    """The database does not respond, or cannot write now: unreachable, disk full, read-only."""


class LeaseLost(Transient):
    """Another server holds the lease by now, so this one must not go on. Nothing was changed."""


class DatabaseTooNew(Terminal):
    """The database was migrated by a newer version of Coalmine."""


class DatabaseDamaged(Terminal):
    """The file is not a database, or is damaged."""


class DatabaseMisconfigured(Terminal):
    """Not a usable database URL."""


class Invalid(InvalidParameter):
    """A value is not valid.

    Args:
        field: Name of the value, e.g. `arms[0].weight`.
        value: The value.
        remedy: What to give instead.
    """

    def __init__(self, field: str, value: object, remedy: str) -> None:
        super().__init__(field, value, remedy)
        self.field = field
        self.value = short(value)
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.field} is {self.value}: {self.remedy}"


class Refused(CoalmineError):
    """The request is valid, but cannot be carried out."""


class NotFound(Refused):
    """What was asked for does not exist; the message names it."""


class Forbidden(Refused):
    """This actor may not do it; the message says who may."""


class Conflict(Refused):
    """It conflicts with the current state; the message says how, and what to do about it."""


class NameTaken(Conflict):
    """The name was used before and cannot be used again."""


class StaleRevision(Conflict):
    """It has changed since the caller looked.

    Args:
        what: Name of what was to be changed, e.g. `support-refund in prod`.
        expected: Revision that the caller had seen.
        actual: Current revision.
    """

    def __init__(self, what: str, expected: int, actual: int) -> None:
        super().__init__(what, expected, actual)
        self.what = what
        self.expected = expected
        self.actual = actual

    def __str__(self) -> str:
        return (
            f"{self.what} is at revision {self.actual}, not {self.expected}: it has changed in the meantime; "
            "look again before you decide"
        )


class Frozen(Conflict):
    """A freeze stands: what is served may only go back."""


class EvidenceRefused(Conflict):
    """Evidence that was given does not exist, did not pass, or is about something else."""


class Steered(Conflict):
    """A rollout steers the place that was to be changed.

    Args:
        what: The place, e.g. `support-refund in prod`.
        rollout: The rollout.
    """

    def __init__(self, what: str, rollout: str) -> None:
        super().__init__(what, rollout)
        self.what = what
        self.rollout = rollout

    def __str__(self) -> str:
        return (
            f"{self.what} is steered by rollout {self.rollout}: `coalmine rollout abort {self.rollout}`, or "
            "override with a reason"
        )


class BumpTooSmall(Conflict):
    """The change needs a larger version bump.

    Args:
        version: Version that was to be registered.
        previous: Version that it is compared with.
        step: The bump: `patch` or `minor`.
        needed: The bump that the change needs: `minor` or `major`.
        reasons: The bump that each change needs, e.g. `variable question was removed: major`.
    """

    def __init__(self, version: str, previous: str, step: str, needed: str, reasons: Sequence[str]) -> None:
        super().__init__(version, previous, step, needed, tuple(reasons))
        self.version = version
        self.previous = previous
        self.step = step
        self.needed = needed
        self.reasons = tuple(reasons)

    def __str__(self) -> str:
        return (
            f"{self.previous} to {self.version} is a {self.step} bump, but the change needs a {self.needed} "
            f"one ({'; '.join(self.reasons)}); register it as a higher version"
        )


class SuiteMissing(Conflict):
    """The environment requires a suite of evaluations, and the prompt has none.

    Args:
        environment: Environment that requires it.
        prompt: Name of the prompt.
    """

    def __init__(self, environment: str, prompt: str) -> None:
        super().__init__(environment, prompt)
        self.environment = environment
        self.prompt = prompt

    def __str__(self) -> str:
        return (
            f"{self.environment} requires a suite of evaluations, and {self.prompt} has none here: write "
            "evals/NAME.yaml that says what good means, and `coalmine suite push` it"
        )


class EvidenceMissing(Conflict):
    """The environment requires evidence that was not attached.

    Args:
        environment: Environment that should serve the version.
        missing: Kinds that are missing, e.g. `eval_run` or `served_in:staging`.
        doubts: Why evidence of these kinds that was attached does not count.
    """

    def __init__(self, environment: str, missing: Sequence[str], doubts: Sequence[str] = ()) -> None:
        super().__init__(environment, tuple(missing), tuple(doubts))
        self.environment = environment
        self.missing = tuple(missing)
        self.doubts = tuple(doubts)

    def __str__(self) -> str:
        remedy = "attach it to the request (for `served_in:...`, serve the version there first)"
        return (
            f"{self.environment} requires evidence that is missing: {', '.join(self.missing)}; "
            f"{'; '.join(self.doubts) or remedy}"
        )
