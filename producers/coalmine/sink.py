"""Where calls and feedback end up: the client's inside, which outlives the client object itself."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from coalmine.call import Call, FollowCall
from coalmine.mistakes import Mistakes, shown
from coalmine.pipeline import Pipeline
from coalmine.reactions import Unusable
from coalmine.texts import Draft
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.events import PromptFeedback, PromptScore


class Sink:
    """Passes finished events to the pipeline and notes what goes wrong; raises in strict mode only.

    Args:
        pipeline: Takes events.
        mistakes: Counts problems and names them.
        wants_text: Whether texts are captured.
        wants_output: Whether that of an answer is needed, if only for its numbers.
        check: In strict mode, raises if something is wrong with an event.
    """

    __slots__ = ("_check", "_mistakes", "_pipeline", "follow", "wants_output", "wants_text")

    def __init__(
        self,
        pipeline: Pipeline,
        mistakes: Mistakes,
        *,
        wants_text: bool,
        wants_output: bool,
        check: Callable[[Draft], object] | None,
    ) -> None:
        self._pipeline = pipeline
        self._mistakes = mistakes
        self._check = check
        self.follow: FollowCall | None = None
        """Told of each call as it begins."""
        self.wants_text = wants_text
        self.wants_output = wants_output

    @property
    def generation(self) -> int:
        """Changes in a forked child."""
        return self._pipeline.generation

    def finish(self, call: Call, *, quietly: bool) -> None:
        """Queues the event of a call that ended."""
        try:
            self.offer(call)
        except InvalidParameter:
            if not quietly:
                raise

    def leave(self, call: Call) -> None:
        """Queues the event of a call from a finalizer."""
        self._pipeline.leave(call)

    def offer(self, draft: Draft, *, wait_s: float | None = None) -> bool:
        """Queues an event; False when it was dropped.

        Raises:
            InvalidParameter: In strict mode, when something is wrong with the event, or the client is closed.
        """
        if self._check is not None:
            self._check_strictly(draft)
        try:
            return self._pipeline.offer(draft, wait_s=wait_s)
        except Exception as error:  # noqa: BLE001 - whatever this is, it is not the service's
            self._mistakes.counters.refuse("internal")
            self._mistakes.log.report("internal", "an event was lost: %s", type(error).__name__)
            return False

    def react(
        self,
        what: str,
        make: Callable[[], PromptFeedback | PromptScore],
        *,
        wait_s: float | None = None,
    ) -> bool:
        """Makes an event and queues it; False when that cannot be, or it was dropped.

        Args:
            what: What the service called, for the log.
            make: Makes the event.
            wait_s: As for `offer`.

        Raises:
            InvalidParameter: In strict mode, as `offer`, and when the event cannot be made.
        """
        try:
            event = make()
        except Unusable as error:
            argument, reason = error.args
            message = "%s(): %s %s; nothing was sent"
            self._mistakes.refuse(f"{what} {argument}", message, what, argument, reason)
            return False
        except Exception as error:  # noqa: BLE001 - e.g. an argument that cannot be made a text
            self._mistakes.refuse(what, "%s(): an argument is unusable (%s)", what, type(error).__name__)
            return False
        return self.offer(event, wait_s=wait_s)

    def unknown_reply(self, reply: object) -> None:
        """Counts a reply of an unknown shape."""
        kind = f"{type(reply).__module__}.{type(reply).__qualname__}"
        message = "record() does not know the reply %s; its event goes without tokens"
        self._mistakes.report("unknown_reply", "record", message, kind)

    def misuse(self, what: str) -> None:
        """Notes that a call was used in a way that has no effect; `what` says it in words."""
        self._mistakes.report("misuse", what, "%s", what)

    def usable(
        self, started_at: datetime | None, segments: Mapping[str, str] | None
    ) -> tuple[datetime | None, Mapping[str, str] | None]:
        """What of these arguments of a call can be used; the rest is noted and left out."""
        given: Any = started_at
        if given is not None and not (isinstance(given, datetime) and given.tzinfo):
            self._left_out("started_at", given, "a datetime with a time zone")
            started_at = None
        given = segments
        if given is not None and not isinstance(given, Mapping):
            self._left_out("segments", given, "a mapping of names to texts")
            segments = None
        return started_at, segments

    def _left_out(self, argument: str, value: object, wanted: str) -> None:
        message = "call(): %s is %s and was left out: give %s"
        self._mistakes.report("bad_value", f"call {argument}", message, argument, shown(value), wanted)

    def failed(self, what: str, error: BaseException) -> None:
        """Notes an error that was caught and cost no event."""
        if isinstance(error, InvalidParameter):  # what strict mode raised
            raise error
        self._mistakes.report("internal", what, "%s failed: %s", what, type(error).__name__)

    def _check_strictly(self, draft: Draft) -> None:
        try:
            if self._pipeline.is_closing:
                raise InvalidParameter("an event was made after close(): keep the client open")
            if self._check is not None:
                self._check(draft)
        except InvalidParameter:
            self._mistakes.counters.refuse("invalid")
            raise
