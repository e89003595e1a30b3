"""Searches with somebody's regular expression, in bounded time."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import regex

from coalmine_schemas.prompts.errors import InvalidPrompt

_TIME_LIMIT_S: Final = 0.2
"""For one answer. The library looks at the clock rarely, so that it may be a second."""
_LONGEST: Final = 2_000
"""Characters of a pattern: compiling takes time, too, and nothing limits that."""
_GIVEN_UP: Final = 3
"""Answers on which a pattern may take too long before it is not tried any more."""


class TookTooLong(Exception):
    """A pattern took too long on this answer, or on several before."""


@dataclass(slots=True)
class Pattern:
    """A regular expression in the syntax of Python's `re` (and of the library `regex`)."""

    source: str
    _compiled: "regex.Pattern[str]"
    _too_long: int = field(default=0, compare=False)

    def search(self, text: str) -> "regex.Match[str] | None":
        """The first match.

        Raises:
            TookTooLong: It cannot be said.
        """
        if self._too_long >= _GIVEN_UP:
            raise TookTooLong(f"{self.source} took too long on {_GIVEN_UP} answers before")
        try:
            return self._compiled.search(text, timeout=_TIME_LIMIT_S)
        except TimeoutError:
            self._too_long += 1
            raise TookTooLong(f"{self.source} took too long: write it without nested repeats") from None


@lru_cache(maxsize=1024)
def pattern_of(source: str, where: str, *, flags: tuple[str, ...] = ()) -> Pattern:
    """Compiles a pattern; the same one is compiled once.

    Args:
        source: The regular expression.
        where: What to call it in the error.
        flags: Names of flags: `ignorecase`, `multiline`, `dotall`.

    Raises:
        InvalidPrompt: It is none, or too long.
    """
    if len(source) > _LONGEST:
        raise InvalidPrompt(where, source, f"give at most {_LONGEST:,} characters")
    bits = 0
    for flag in flags:
        bits |= getattr(regex, flag.upper())
    try:
        return Pattern(source, regex.compile(source, bits))
    except (regex.error, RecursionError, OverflowError) as error:
        raise InvalidPrompt(where, source, f"it is no regular expression: {error}") from None
