"""All mistakes of a file that people write, told at once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.prompts.errors import InvalidPrompt

_MOST_TOLD: Final = 100
_MOST_ALIKE: Final = 5
"""A column that is missing is missing in each of thousands of lines."""


class InvalidFile(InvalidParameter):
    """A file has mistakes.

    Args:
        mistakes: Each with its place, the value that stands there, and what to write instead.
    """

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__(tuple(mistakes))
        self.mistakes = tuple(mistakes)

    def __str__(self) -> str:
        return "\n".join(self.mistakes)


class Mistakes:
    """Collects what is wrong.

    Args:
        prefix: What each begins with, e.g. the name of the file.
    """

    def __init__(self, prefix: str = "") -> None:
        self.found: list[str] = []
        self._alike: Counter[tuple[str, str]] = Counter()
        self._prefix = prefix

    @contextmanager
    def noted(self, place: str = "") -> Iterator[None]:
        """Goes on after a mistake in the block, or after several that it collected itself.

        Args:
            place: What to write in front of it.
        """
        try:
            yield
        except InvalidFile as several:
            for each in several.mistakes:
                self.note(f"{place}{each}")
        except InvalidPrompt as mistake:
            kind = (mistake.field, mistake.remedy)
            self._alike[kind] += 1
            if self._alike[kind] <= _MOST_ALIKE:
                self.note(f"{place}{mistake}")

    def note(self, mistake: object) -> None:
        """Notes one mistake."""
        self.found.append(f"{self._prefix}{mistake}")

    def tell(self) -> None:
        """Raises if there are any.

        Raises:
            InvalidFile: There are.
        """
        if (more := len(self.found) - _MOST_TOLD) > 0:
            self.found[_MOST_TOLD:] = [f"... and {more} more mistakes"]
        for (field, remedy), count in self._alike.items():
            if count > _MOST_ALIKE:
                self.found.append(f"... and {count - _MOST_ALIKE:,} more like it: {field}: {remedy}")
        if self.found:
            raise InvalidFile(self.found)
