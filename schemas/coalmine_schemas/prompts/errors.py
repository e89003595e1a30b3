"""What can go wrong with prompts, part of the tree in `coalmine_schemas.errors`.

::

    InvalidParameter
    ├── InvalidPrompt            name, version or content cannot be taken; says which field, value, remedy
    │   └── InvalidTemplate          a template is not valid, or does what a template may not do
    ├── InvalidSnapshot          what should describe an environment does not
    ├── UnknownPrompt            the environment does not serve the prompt
    ├── UnknownEnvironment       nothing is known of the environment: neither live nor on disk nor shipped
    └── RenderError              a template could not be rendered with the values it was given
        ├── MissingVariables         values that have to be given were not; names all of them
        ├── InvalidVariable          a value has another type than the prompt declares
        └── RenderLimitExceeded      output too long, or too much work
"""

from collections.abc import Sequence
from typing import Any, Self, TypeVar

from coalmine_schemas.errors import InvalidParameter


class InvalidPrompt(InvalidParameter):
    """A prompt's name, version or content cannot be taken.

    Args:
        field: What is wrong, e.g. `variables.question.type`.
        value: What it was, or the telling part of it.
        remedy: What to write instead.
    """

    def __init__(self, field: str, value: object, remedy: str) -> None:
        self.field = field
        self.value = short(value)
        self.remedy = remedy
        self.line: int | None = None
        """Line of the text in which it was found, from 1; of the template where `field` is one."""
        super().__init__(field, self.value, remedy)

    def __str__(self) -> str:
        return f"{self.field} is {self.value}: {self.remedy}"

    def within(self, field: str) -> Self:
        """The same error, seen from where the field stands."""
        return _again(type(self), f"{field}.{self.field}", self.value, self.remedy).at_line(self.line)

    def at_line(self, line: int | None) -> Self:
        """The same error, which now says in which line it is."""
        self.line = line
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self.field, self.value, self.remedy), {"line": self.line}


class InvalidTemplate(InvalidPrompt):
    """A template cannot be read, or does what a template of a prompt may not do."""


class InvalidSnapshot(InvalidParameter):
    """What should describe an environment does not."""


class UnknownPrompt(InvalidParameter):
    """The environment does not serve the prompt; the message says what to do about it."""


class UnknownEnvironment(InvalidParameter):
    """Nothing is known about the environment; the message says what was tried and what to do about it."""


class RenderError(InvalidParameter):
    """A template could not be rendered with the values it was given."""


class MissingVariables(RenderError):
    """Values that have to be given were not.

    Args:
        names: All of them.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        super().__init__(self.names)

    def __str__(self) -> str:
        return f"missing variables: {', '.join(self.names)}; give each a value, e.g. {self.names[0]}=..."


class InvalidVariable(RenderError):
    """A value has another type than the prompt declares."""


class RenderLimitExceeded(RenderError):
    """Rendering would take more output or work than a prompt may."""


_LONGEST = 80


def short(value: object) -> str:
    """A value as an error shows it: readable, and never long.

    Cut before it is written out: what is refused may be huge.
    """
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST else value[:_LONGEST] + "...")
    if value is None or isinstance(value, bool | float):
        return repr(value)
    if isinstance(value, int):
        return (
            repr(value) if value.bit_length() <= 4 * _LONGEST else f"an integer of {value.bit_length()} bits"
        )
    return f"a {type(value).__name__}"


_Error = TypeVar("_Error", bound=InvalidPrompt)


def _again(kind: type[_Error], field: str, value: str, remedy: str) -> _Error:
    """Rebuilds the error; `value` is already as it is shown."""
    error = kind(field, "", remedy)
    error.value = value
    error.args = (field, value, remedy)
    return error
