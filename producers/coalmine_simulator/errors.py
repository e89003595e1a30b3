"""What can go wrong before anything is sent.

::

    Terminal (coalmine_schemas.errors)
    └── SimulatorError
        ├── InvalidConfig      a scenario, TOML file or option has a value that cannot be: correct it
        └── InvalidTrace       a trace file cannot be replayed: correct the file; nothing was sent
"""

from __future__ import annotations

from functools import partial

from coalmine_schemas.errors import Terminal

__all__ = ["InvalidConfig", "InvalidTrace", "SimulatorError"]


class SimulatorError(Terminal):
    """Anything the simulator refuses to do."""


class InvalidConfig(SimulatorError, ValueError):
    """A setting has a value that cannot be."""

    def __init__(self, key: str, value: object, expected: str) -> None:
        super().__init__(key, value, expected)
        self.key = key
        """Where the value stands, for example `prompts[0].versions[1].error_rate`."""
        self.value = value
        self.expected = expected
        """What would have been right, and what to do about it."""

    def __str__(self) -> str:
        return f"{self.key} is {self.value!r}; expected {self.expected}"

    def within(self, parent: str) -> InvalidConfig:
        """The same error, seen from the table that holds the value."""
        return InvalidConfig(f"{parent}.{self.key}", self.value, self.expected)


class InvalidTrace(SimulatorError, ValueError):
    """A trace file cannot be replayed. Nothing of it was sent."""

    def __init__(
        self,
        file: str,
        problem: str,
        remedy: str,
        *,
        line: int | None = None,
        column: str | None = None,
        value: str | None = None,
    ) -> None:
        super().__init__(file, problem, remedy, line, column, value)
        self.file = file
        self.problem = problem
        self.remedy = remedy
        self.line = line
        """1-based line in the file, counting the header."""
        self.column = column
        self.value = value

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle whole: keyword arguments would be lost by the default."""
        rebuild = partial(InvalidTrace, line=self.line, column=self.column, value=self.value)
        return (rebuild, (self.file, self.problem, self.remedy))

    def __str__(self) -> str:
        where = self.file
        if self.line is not None:
            where += f", line {self.line}"
        if self.column is not None:
            where += f", column {self.column}"
        shown = "" if self.value is None else f": {_shorten(self.value)!r}"
        return f"{where}{shown}: {self.problem}. {self.remedy}"


def _shorten(text: str, limit: int = 80) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
