"""Errors of the registry. Classes say what the caller should do.

CoalmineError                      (coalmine_schemas.errors)
├── Transient                      the same call may succeed a moment later
│   ├── RegistryBusy               others kept writing for too long; nothing was changed
│   └── DatabaseUnavailable        the database does not answer, or refuses to write now
├── Terminal
│   ├── DatabaseTooNew             a newer Coalmine has migrated it: upgrade this one
│   ├── DatabaseDamaged            the file is no database, or damaged: restore it
│   └── DatabaseMisconfigured      the address of the database is none
├── InvalidParameter
│   ├── Invalid                    a value cannot be taken; says which field, the value, the remedy
│   └── InvalidPrompt              (coalmine_schemas.prompts) the same, for names, versions and contents
└── Refused                        readable and allowed in principle, but not now or not by this actor
    ├── NotFound                   there is no such thing
    ├── Forbidden                  this actor may not do it
    ├── Conflict                   it contradicts what is there
    │   ├── StaleRevision          somebody changed it since the caller looked; look again
    │   ├── BumpTooSmall           the change needs a larger step of the version
    │   └── EvidenceMissing        the environment demands evidence that was not attached
"""

from collections.abc import Sequence

from coalmine_schemas.errors import CoalmineError, InvalidParameter, Terminal, Transient
from coalmine_schemas.prompts.errors import short


class RegistryBusy(Transient):
    """Others kept writing for longer than we wait. Nothing was changed."""


class DatabaseUnavailable(Transient):
    """The database does not answer, or cannot write now: unreachable, disk full, read-only."""


class DatabaseTooNew(Terminal):
    """The database was migrated by a newer Coalmine than this one."""


class DatabaseDamaged(Terminal):
    """The file is no database, or is damaged."""


class DatabaseMisconfigured(Terminal):
    """The address of the database is none we can use."""


class Invalid(InvalidParameter):
    """A value cannot be taken.

    Args:
        field: What is wrong, e.g. `arms[0].weight`.
        value: What it was.
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
    """The registry understood, and says no."""


class NotFound(Refused):
    """There is no such thing; the message names it."""


class Forbidden(Refused):
    """This actor may not do it; the message says who may."""


class Conflict(Refused):
    """It contradicts what is there; the message says what is, and what to do about it."""


class StaleRevision(Conflict):
    """Somebody changed it since the caller looked.

    Args:
        what: What was to be changed, e.g. `support-refund in prod`.
        expected: Revision the caller had seen.
        actual: Revision it has.
    """

    def __init__(self, what: str, expected: int, actual: int) -> None:
        super().__init__(what, expected, actual)
        self.what = what
        self.expected = expected
        self.actual = actual

    def __str__(self) -> str:
        return (
            f"{self.what} is at revision {self.actual}, not {self.expected}: somebody changed it; look again "
            "before you decide"
        )


class BumpTooSmall(Conflict):
    """The change needs a larger step of the version than the one taken.

    Args:
        version: The version that was to be registered.
        previous: The version it is compared with.
        step: The step taken: `patch` or `minor`.
        needed: The step needed: `minor` or `major`.
        reasons: Which change needs which step, e.g. `variable question was removed: major`.
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
            f"from {self.previous} to {self.version} is a {self.step} step, but the change needs a "
            f"{self.needed} one ({'; '.join(self.reasons)}); register it under a larger version"
        )


class EvidenceMissing(Conflict):
    """The environment demands evidence that was not attached.

    Args:
        environment: Where the version was to be served.
        missing: What is missing, e.g. `eval_run` or `served_in:staging`.
    """

    def __init__(self, environment: str, missing: Sequence[str]) -> None:
        super().__init__(environment, tuple(missing))
        self.environment = environment
        self.missing = tuple(missing)

    def __str__(self) -> str:
        return (
            f"{self.environment} requires evidence that is missing: {', '.join(self.missing)}; attach it to "
            "the request (`served_in:...` is given by serving the version there first)"
        )
