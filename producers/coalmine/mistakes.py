"""What a service does wrong with its client: counted, and said with the place in the service's code."""

import sys
from types import CodeType
from typing import Final

from coalmine.stats import Counters, ProblemKind
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.limited_log import RateLimitedLogger

NOT_THE_SERVICE: Final = {
    *("asyncio", "coalmine", "contextlib", "threading"),
    *("anthropic", "anyio", "google", "langchain", "langchain_core", "litellm", "openai"),
    *("pydantic_ai", "pydantic_graph"),
}
"""Packages through which a service calls the client; by name, as a service may be installed beside them.
`agents` might be the service's own: its integration adds it."""
_KEPT_ERRORS: Final = 10

Place = tuple[CodeType, int]
"""Code of the service, and the instruction in it; no frame, which would keep the service's objects alive."""


def place_of_caller() -> Place | None:
    """Where the service called the client, for a third of a microsecond; `in_words` takes longer."""
    frame = sys._getframe(1)
    while frame.f_globals.get("__name__", "").partition(".")[0] in NOT_THE_SERVICE:
        if frame.f_back is None:
            return None  # the client's own thread
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


def in_words(place: Place | None) -> str:
    """A place as `FILE:LINE`; whole events, made by the thousand, come without one."""
    if place is None:
        return "an event given as a whole"
    code, instruction = place
    lines = (line for start, end, line in code.co_lines() if start <= instruction < end)
    return f"{code.co_filename}:{next(lines, None) or code.co_firstlineno}"


def shown(value: object) -> str:
    """A value as a log line may show it: a number as it is, of anything else only the type."""
    return repr(value) if isinstance(value, int | float) else f"a value of type {type(value).__name__}"


class Mistake(InvalidParameter):
    """What strict mode raises: says what is wrong, and where."""


class Mistakes:
    """Says what a service does wrong: one warning per kind and place, or an exception.

    Args:
        counters: Counts them.
        log: Takes the warnings, and limits how often each kind is repeated.
        strict: Raise instead.
    """

    def __init__(self, counters: Counters, log: RateLimitedLogger, *, strict: bool = False) -> None:
        self.counters = counters
        self.log = log
        self.strict = strict
        self._kept: list[str] = []

    def report(
        self, problem: ProblemKind, kind: str, message: str, *args: object, place: Place | None = None
    ) -> None:
        """Counts and says a mistake that costs no event.

        Args:
            problem: What to count.
            kind: What is said once; one of a bounded set.
            message: With %-placeholders for `args`. Holds no text of a user and no secret.
            args: Values for the placeholders.
            place: Where, unless it is where the client is being called now.

        Raises:
            InvalidParameter: In strict mode.
        """
        self.counters.problem(problem)
        self._say(kind, message, args, place)

    def refuse(self, kind: str, message: str, *args: object, place: Place | None = None) -> None:
        """The same for one that costs its event, before that was queued."""
        self.counters.refuse("invalid")
        self._say(kind, message, args, place)

    def drop(self, kind: str, message: str, *args: object, place: Place | None = None) -> None:
        """The same for one that costs its event, after that was taken out of the queue."""
        self.counters.drop("invalid")
        self._say(kind, message, args, place)

    def raise_kept(self) -> None:
        """In strict mode, raises what was found on the client's own thread.

        Raises:
            InvalidParameter: Something was.
        """
        kept, self._kept = self._kept, []
        if kept:
            raise InvalidParameter("; ".join(kept))

    def _say(self, kind: str, message: str, args: tuple[object, ...], place: Place | None) -> None:
        here = place_of_caller()
        where = in_words(place or here)
        if not self.strict:
            self.log.report(f"mistake: {kind} {where}", f"{message} (%s)", *args, where)
        elif here is not None:
            raise Mistake(f"{message} (%s)" % (*args, where))
        elif len(self._kept) < _KEPT_ERRORS:
            self._kept.append(f"{message} (%s)" % (*args, where))
