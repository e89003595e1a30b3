"""What can go wrong, as classes that answer what the caller should do.

::

    CoalmineError
    ├── Transient            try the same thing again later
    │   └── RegistryUnavailable      the schema registry did not answer, or not now
    ├── Terminal             stop: retrying cannot help until something is changed
    │   ├── RegistryRefused          the schema registry refuses: credentials, address, subject
    │   └── CatalogueError           a published schema was changed, or a new one does not fit
    ├── InvalidMessage       dead-letter this one message and go on
    │   ├── InvalidFrame             stage frame: no frame we know
    │   ├── UnknownSchema            stage frame: the schema the frame names is unknown
    │   ├── InvalidPayload           stage decode: the bytes do not match their schema
    │   └── InvalidValue             stage validate: readable, but a value breaks the event's rules
    └── InvalidParameter     a bug in the calling code: wrong argument

Every error keeps its constructor's arguments in `args`, so it survives pickling whole.
"""

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from typing import Literal


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name most similar to `name`, if any is close: what an error suggests.

    Of several that are as similar, the one with the longest piece of `name`: 1.0.0 for 1.0, not 1.1.0.
    """
    names = list(known)
    longer = [each for each in names if name and each.startswith(name)]

    def distance(each: str) -> tuple[float, int, str]:
        compared = SequenceMatcher(None, each, name)
        return -compared.ratio(), -compared.find_longest_match().size, each

    return min(longer or get_close_matches(name, names, n=len(names) or 1), key=distance, default=None)


FailureStage = Literal["frame", "decode", "validate"]
"""Step of consuming at which a message failed; symbols of the Avro enum `Stage` beside `unknown`."""


class CoalmineError(Exception):
    """Base of every error raised by Coalmine."""


class Transient(CoalmineError):
    """Trying the same thing again later may succeed."""


class RegistryUnavailable(Transient):
    """The schema registry could not be reached or could not answer now."""


class Terminal(CoalmineError):
    """Retrying cannot help until something is changed."""


class RegistryRefused(Terminal):
    """The schema registry answered, and the answer is no.

    Args:
        reason: What it said, in words.
        status: HTTP status of the answer.
        error_code: Confluent's `error_code`, where the answer had one.
    """

    def __init__(self, reason: str, status: int, error_code: int | None = None) -> None:
        super().__init__(reason, status, error_code)
        self.reason = reason
        self.status = status
        self.error_code = error_code

    def __str__(self) -> str:
        return self.reason


class CatalogueError(Terminal):
    """A published schema was changed, or a new version is not fully compatible."""


class InvalidMessage(CoalmineError):
    """One message cannot be consumed; the others can.

    Args:
        stage: Step that failed.
        reason: Why, precisely enough to act on.
        schema_ref: Schema the frame named (`fingerprint:<hex>` or `id:<number>`); None if none.
    """

    def __init__(self, stage: FailureStage, reason: str, schema_ref: str | None = None) -> None:
        super().__init__(stage, reason, schema_ref)
        self.stage: FailureStage = stage
        self.reason = reason
        self.schema_ref = schema_ref

    def __str__(self) -> str:
        return f"{self.stage}: {self.reason}"


class _StagedInvalidMessage(InvalidMessage):
    """An InvalidMessage whose class fixes the stage."""

    _stage: FailureStage

    def __init__(self, reason: str, schema_ref: str | None = None) -> None:
        super().__init__(self._stage, reason, schema_ref)
        self.args = (reason, schema_ref)  # what this class's own constructor takes, for pickling


class InvalidFrame(_StagedInvalidMessage):
    """The bytes carry no frame we know."""

    _stage = "frame"


class UnknownSchema(_StagedInvalidMessage):
    """Neither the catalogue nor the schema registry knows the schema the frame names, or we refuse it."""

    _stage = "frame"


class InvalidPayload(_StagedInvalidMessage):
    """The payload does not match the schema it was written with, or that cannot be read as ours."""

    _stage = "decode"


class InvalidValue(_StagedInvalidMessage):
    """The event can be read, but a value breaks the event's rules."""

    _stage = "validate"


class InvalidParameter(CoalmineError):
    """An argument is out of range: a bug in the calling code."""
