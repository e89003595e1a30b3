"""Where calls and feedback end up: the client's inside, which outlives the client object itself."""

from coalmine.call import Call
from coalmine.pipeline import Pipeline
from coalmine.stats import Counters
from coalmine.texts import Draft
from coalmine_schemas.limited_log import RateLimitedLogger


class Sink:
    """Passes finished events to the pipeline and notes what goes wrong on the way. Never raises.

    Args:
        pipeline: Takes events.
        counters: Counts problems.
        log: Names them.
        wants_text: Whether texts of inputs and outputs are captured.
    """

    __slots__ = ("_counters", "_log", "_pipeline", "wants_text")

    def __init__(
        self, pipeline: Pipeline, *, counters: Counters, log: RateLimitedLogger, wants_text: bool
    ) -> None:
        self._pipeline = pipeline
        self._counters = counters
        self._log = log
        self.wants_text = wants_text

    @property
    def generation(self) -> int:
        """Changes in a forked child."""
        return self._pipeline.generation

    def finish(self, call: Call) -> None:
        """Queues the event of a call that ended."""
        self.offer(call)

    def offer(self, draft: Draft, *, wait_s: float | None = None) -> bool:
        """Queues an event; False when it was dropped."""
        try:
            return self._pipeline.offer(draft, wait_s=wait_s)
        except Exception as error:  # noqa: BLE001 - whatever this is, it is not the service's
            self.lost("queue", error)
            return False

    def lost(self, what: str, error: BaseException) -> None:
        """Notes an event that could not even be queued."""
        self._counters.refuse("internal")
        self._log.report("internal", "%s: an event was lost: %s", what, type(error).__name__)

    def unknown_reply(self, reply: object) -> None:
        """Counts a reply of an unknown shape."""
        self._counters.problem("unknown_reply")
        kind = f"{type(reply).__module__}.{type(reply).__qualname__}"
        message = "record() does not know the reply %s; its event goes without tokens"
        self._log.report("unknown_reply", message, kind)

    def misuse(self, what: str) -> None:
        """Notes that a call was used in a way that has no effect."""
        self._counters.problem("misuse")
        self._log.report("misuse", "%s; ignored", what)

    def failed(self, what: str, error: BaseException) -> None:
        """Notes an error that was caught and cost no event."""
        self._counters.problem("internal")
        self._log.report("internal", "%s failed: %s", what, type(error).__name__)
