"""How much one rendering may do: steps, processor time and output, so that no template hangs a service."""

import time
from collections.abc import Mapping
from typing import Any, Final

from jinja2 import Undefined
from jinja2.runtime import Context

from coalmine_schemas.prompts.errors import RenderError, RenderLimitExceeded, short

MAX_OUTPUT_CHARS: Final = 1_000_000
"""Longest rendered prompt, all messages together; also the longest text in between."""
MAX_STEPS: Final = 200_000
"""Iterations, operations and items looked at in one rendering: some tenths of a second at worst."""
MAX_CPU_S: Final = 2.0
"""Processor time of one rendering, the last resort: steps end it long before."""
MAX_INTEGER_BITS: Final = 256
"""Largest integer."""
MAX_DEPTH: Final = 32
"""How deep lists and mappings may nest in each other."""
_LARGEST: Final = (1 << MAX_INTEGER_BITS) - 1
_CHARS_PER_STEP_BITS: Final = 6
_ITEMS_PER_STEP_BITS: Final = 2
_COMPARED_PER_STEP_BITS: Final = 9
_STEPS_PER_LOOK: Final = 4096
# Small renderings never ask for the time.
_LONGEST_SEARCHED_NAIVELY: Final = 100
# CPython looks for a longer text in linear time, unless both are short.
_KEY_BITS: Final = 60
# Integers above 2^61 - 1 can be chosen so that thousands of them have one hash.


class Budget:
    """What is left of one rendering's steps, processor time and output."""

    __slots__ = ("_began_s", "_later", "chars", "steps")

    def __init__(self) -> None:
        self.steps = _STEPS_PER_LOOK
        """Left until the next look at the clock."""
        self._later = MAX_STEPS - _STEPS_PER_LOOK
        self._began_s: float | None = None
        self.chars = MAX_OUTPUT_CHARS

    @property
    def remaining(self) -> int:
        """Steps that are left in all."""
        return self.steps + self._later

    def spend(self, steps: int) -> None:
        """Takes steps.

        Raises:
            RenderLimitExceeded: There are not that many left, or it took too long.
        """
        self.steps -= steps
        if self.steps < 0:
            self._look()

    def _look(self) -> None:
        left = self.remaining
        if left < 0:
            raise RenderLimitExceeded(
                f"rendering takes more than {MAX_STEPS} steps: loop over fewer items, or prepare them before"
            )
        now_s = time.thread_time()
        if self._began_s is None:
            self._began_s = now_s
        if now_s - self._began_s > MAX_CPU_S:
            raise RenderLimitExceeded(
                f"rendering takes more than {MAX_CPU_S:g} s of processor time: prepare values before"
            )
        self.steps = min(left, _STEPS_PER_LOOK)
        self._later = left - self.steps

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
        self.spend(1 + (max(chars, 0) >> _CHARS_PER_STEP_BITS))

    def search(self, chars: int, wanted_chars: int, *, backwards: bool = False) -> None:
        """Takes what it costs at worst to look for a text in another.

        Raises:
            RenderLimitExceeded: It costs too much.
        """
        compared = wanted_chars if backwards else min(wanted_chars, _LONGEST_SEARCHED_NAIVELY)
        self.spend(1 + (chars * compared >> _COMPARED_PER_STEP_BITS))

    def sort(self, value: Any) -> None:  # noqa: ANN401
        """Takes what it costs to sort the items of a value: each is compared several times.

        Raises:
            RenderLimitExceeded: It costs too much.
        """
        before = self.remaining
        self.weigh(value)
        if hasattr(value, "__len__"):
            self.spend((before - self.remaining) * len(value).bit_length())

    def weigh(self, value: object) -> None:
        """Takes as many steps as it costs to go through a value, which must be one that JSON can hold.

        An item that stands in several places counts in each.

        Raises:
            RenderLimitExceeded: It costs too much, nests too deep, or has an integer that is too large.
            RenderError: A part of it is not text, a number, boolean, None, list or mapping.
        """
        kind = type(value)
        if kind is str:
            self.allow_text(len(value))  # type: ignore[arg-type]
        elif kind in _SMALL or (kind is int and -_LARGEST <= value <= _LARGEST):  # type: ignore[operator]
            self.steps -= 1
        else:
            self._weigh_levels(value)

    def _weigh_levels(self, value: object) -> None:
        """Level by level, so that the depth is known; each container is paid for before it is opened."""
        level: list[Any] = [value]
        depth = -1
        while level:
            depth += 1
            if depth > MAX_DEPTH:
                raise RenderLimitExceeded(f"a value nests more than {MAX_DEPTH} levels deep: flatten it")
            below: list[Any] = []
            chars = 0
            for item in level:
                kind = type(item)  # by far the fastest way to tell; all else is looked at more closely
                if kind is str:
                    chars += len(item)
                elif kind not in _SMALL and not (kind is int and -_LARGEST <= item <= _LARGEST):
                    self._weigh_one(item, below)
            self.allow_text(chars)
            level = below

    def _weigh_one(self, item: Any, below: list[Any]) -> None:  # noqa: ANN401
        if isinstance(item, list | tuple):
            self.spend(1 + (len(item) >> _ITEMS_PER_STEP_BITS))
            below.extend(item)
        elif isinstance(item, Mapping):
            self.spend(1 + (len(item) >> (_ITEMS_PER_STEP_BITS - 1)))
            if set(map(type, item)) - {str}:
                for key in item:
                    check_key(key)
            below.extend(item)
            below.extend(item.values())
        elif isinstance(item, int):
            if abs(item) > _LARGEST:
                raise RenderLimitExceeded(f"an integer has more than {MAX_INTEGER_BITS} bits")
        elif isinstance(item, str):
            self.allow_text(len(item))
        elif isinstance(item, Undefined):
            str(item)  # raises, saying what is not defined
        elif not isinstance(item, float):
            raise RenderError(f"{short(item)} is nothing a template may use: give what JSON can say")


def check_key(key: object) -> None:
    """Rejects what JSON cannot have as a key, and integers that make lookups slow.

    Raises:
        RenderError: It is one.
    """
    if type(key) is str or isinstance(key, str | float | bool | None):
        return
    if not isinstance(key, int) or key.bit_length() > _KEY_BITS:
        raise RenderError(f"{short(key)} is no key of a mapping: use a text")


_SMALL: Final = frozenset({float, bool, type(None)})


class RenderContext(Context):
    """Values of one rendering, with the budget that every operation draws on."""

    budget: Budget
