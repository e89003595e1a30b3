"""How much one rendering may do: steps and output, counted, so that no template hangs a service."""

from collections.abc import Mapping
from typing import Any, Final

from jinja2 import Undefined
from jinja2.runtime import Context

from coalmine_schemas.prompts.errors import RenderError, RenderLimitExceeded, short

MAX_OUTPUT_CHARS: Final = 1_000_000
"""Longest rendered prompt, all messages together; also the longest text in between."""
MAX_STEPS: Final = 200_000
"""Iterations, operations and items looked at in one rendering: some tenths of a second at worst."""
MAX_INTEGER_BITS: Final = 1024
"""Largest integer."""
_CHARS_PER_STEP_BITS: Final = 6
_ITEMS_PER_STEP_BITS: Final = 2


class Budget:
    """What is left of one rendering's steps and output."""

    __slots__ = ("chars", "steps")

    def __init__(self) -> None:
        self.steps = MAX_STEPS
        self.chars = MAX_OUTPUT_CHARS

    def spend(self, steps: int) -> None:
        """Takes steps.

        Raises:
            RenderLimitExceeded: There are not that many left.
        """
        self.steps -= steps
        if self.steps < 0:
            raise RenderLimitExceeded(
                f"rendering takes more than {MAX_STEPS} steps: loop over fewer items, or prepare them before"
            )

    def write(self, chars: int) -> None:
        """Takes characters of output.

        Raises:
            RenderLimitExceeded: There are not that many left.
        """
        self.chars -= chars
        if self.chars < 0:
            raise RenderLimitExceeded(
                f"the output is longer than {MAX_OUTPUT_CHARS} characters: shorten the values"
            )

    def allow_text(self, chars: int) -> None:
        """Refuses a text before it is made.

        Raises:
            RenderLimitExceeded: It would be too long.
        """
        if chars > MAX_OUTPUT_CHARS:
            raise RenderLimitExceeded(f"a text would be longer than {MAX_OUTPUT_CHARS} characters")
        self.spend(1 + (chars >> _CHARS_PER_STEP_BITS))

    def weigh(self, value: object) -> None:
        """Takes as many steps as it costs to go through a value, which must be one that JSON can hold.

        An item that stands in several places counts in each.

        Raises:
            RenderLimitExceeded: It costs too much.
            RenderError: A part of it is not text, a number, boolean, None, list or mapping.
        """
        kind = type(value)
        if kind is str:
            self.allow_text(len(value))  # type: ignore[arg-type]
        elif kind in _SMALL:
            self.steps -= 1
        else:
            self._weigh_all(value)

    def _weigh_all(self, value: object) -> None:
        waiting = [value]
        seen = 0
        while waiting:
            item: Any = waiting.pop()
            kind = type(item)  # by far the fastest way to tell; all else is looked at more closely
            if kind is str:
                self.allow_text(len(item))
            elif kind is dict:
                waiting.extend(item)
                waiting.extend(item.values())
            elif kind is list or kind is tuple:
                waiting.extend(item)
            elif kind not in _SMALL:
                self._weigh_other(item, waiting)
            seen += 1
            if seen & 1023 == 0:  # not later: a value that contains itself never ends
                self.spend(1024 >> _ITEMS_PER_STEP_BITS)
        self.spend(1 + ((seen & 1023) >> _ITEMS_PER_STEP_BITS))

    def _weigh_other(self, item: object, waiting: list[object]) -> None:
        if isinstance(item, int):
            if item.bit_length() > MAX_INTEGER_BITS:
                raise RenderLimitExceeded(f"an integer has more than {MAX_INTEGER_BITS} bits")
        elif isinstance(item, str):
            self.allow_text(len(item))
        elif isinstance(item, Mapping):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list | tuple):
            waiting.extend(item)
        elif isinstance(item, Undefined):
            str(item)  # raises, saying what is not defined
        elif not isinstance(item, float):
            raise RenderError(f"{short(item)} is nothing a template may use: give what JSON can say")


_SMALL: Final = frozenset({float, bool, type(None)})


class RenderContext(Context):
    """Values of one rendering, with the budget that every operation draws on."""

    budget: Budget
