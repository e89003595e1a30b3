"""One call to a model, from the moment it begins until its event is queued."""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Protocol, Self

from coalmine.current_span import mark_current_span
from coalmine.error_names import error_name
from coalmine.input_length import input_length
from coalmine.mistakes import Place
from coalmine.replies import ReplyFacts, is_first_token, merge, read_reply
from coalmine.served import Served
from coalmine.values import captured_text, microseconds

_NOTHING: Final = ReplyFacts()
_COUNTS: Final = ("input_tokens", "cached_input_tokens", "output_tokens")
_NO_COUNTS: Final = (None,) * len(_COUNTS)
_CANCELLED: Final = frozenset(
    {"GeneratorExit", "CancelledError", "Cancelled", "GreenletExit", "KeyboardInterrupt", "SystemExit"}
)
"""Exceptions of a caller who closes the stream, is cancelled or ends; by name: event loops load slowly."""


FollowCall = Callable[["Call"], Callable[[dict[str, Any]], None]]
"""Called as a call begins; what it returns is called with the call's record, on the client's thread."""


class CallSink(Protocol):
    """What a call needs of the client that made it. No method raises, or blocks unless asked to wait."""

    @property
    def wants_text(self) -> bool:
        """Whether texts are captured."""

    @property
    def wants_output(self) -> bool:
        """Whether that of an answer is needed, if only for its numbers."""

    @property
    def generation(self) -> int:
        """Changes in a forked child, so that a call that began before the fork ends once."""

    @property
    def follow(self) -> FollowCall | None:
        """Told of each call as it begins, if anything is."""

    def finish(self, call: "Call", *, quietly: bool) -> None:
        """Queues the call's event; `quietly` where an error of the service's own is on its way."""

    def leave(self, call: "Call") -> None:
        """The same from a finalizer: it waits for nothing, and takes no lock that its thread may hold."""

    def unknown_reply(self, reply: object) -> None:
        """Notes that `record` did not know a reply's shape."""

    def misuse(self, what: str) -> None:
        """Notes that the service used a call in a way that has no effect."""

    def failed(self, what: str, error: BaseException) -> None:
        """Notes a bug of ours that was caught."""


class Call:
    """A call in progress: `with cm.call(...) as call:`, or `async with`.

    Made by `Coalmine.call`. Its event is queued when the block ends, also when it ends by an exception,
    which is passed on untouched. For one task or thread at a time. No method raises.
    """

    __slots__ = (
        "_began_ns",
        "_generation",
        "_sink",
        "_state",
        "cancelled",
        "cost_nano_usd",
        "duration_ns",
        "environment",
        "error_type",
        "facts",
        "filling",
        "first_token_ns",
        "followed_by",
        "given_counts",
        "input_length",
        "input_text",
        "made_at",
        "metrics",
        "output_text",
        "parameters",
        "parent_request_id",
        "prompt",
        "provider",
        "request_id",
        "request_model",
        "segments",
        "served",
        "session_id",
        "started_at",
        "time_ns",
        "trace_id",
        "unit_id",
    )

    def __init__(
        self,
        sink: CallSink,
        request_id: str,
        prompt: str,
        served: Served,
        *,
        model: str | None = None,
        provider: str | None = None,
        parameters: Mapping[str, object] | None = None,
        unit_id: str | None = None,
        session_id: str | None = None,
        segments: Mapping[str, str] | None = None,
        trace_id: str | None = None,
        parent_request_id: str | None = None,
        started_at: datetime | None = None,
        environment: str | None = None,
        made_at: Place | None = None,
    ) -> None:
        self._sink = sink
        self._generation = sink.generation
        self._state = 0
        self._began_ns = 0
        self.request_id = request_id
        """Identity of the call, for feedback and scores; a UUIDv7."""
        self.prompt = prompt
        self.served = served
        """Version that is used, and how it was chosen."""
        self.request_model = model
        self.provider = provider
        # A copy: what a service adds for its request, such as messages, is not for the event, and a version's
        # own parameters are those of all its calls.
        given: Any = parameters or {}
        self.parameters: Mapping[str, Any] = dict(given) if isinstance(given, Mapping) else given
        """Parameters to send to the model, as given to `Coalmine.call`; the event says them, too."""
        self.unit_id = unit_id
        self.session_id = session_id
        self.segments = dict(segments) if segments else None
        self.trace_id = trace_id
        self.parent_request_id = parent_request_id
        self.started_at = started_at
        self.environment = environment
        self.made_at = made_at
        """Where the service began it, for what is noticed when the service is gone."""
        self.time_ns = 0
        self.duration_ns = 0
        self.first_token_ns: int | None = None
        self.facts = _NOTHING
        self.followed_by: Callable[[dict[str, Any]], None] | None = None
        """Called with the record of its event before that is sent."""
        self.given_counts: dict[str, object] | None = None
        self.cancelled = False
        self.cost_nano_usd: int | None = None
        self.error_type: str | None = None
        self.metrics: dict[str, float] | None = None
        self.filling: object = None
        """Stands for the prompt that is filled for it."""
        self.input_length: str | None = None
        self.input_text: str | None = None
        self.output_text: str | None = None

    def __deepcopy__(self, _memo: object) -> Self:
        """The same one: it ends once."""
        return self

    @property
    def model(self) -> str:
        """The model to ask, as given to `Coalmine.call`; empty when none was given."""
        return self.request_model or ""

    @property
    def version(self) -> str:
        """Version of the prompt that is used."""
        return self.served.version

    def __enter__(self) -> Self:
        if self._state:
            self._sink.misuse("a call entered twice is one call: make one for each answer")
            return self
        self._state = 1
        try:
            trace_id = mark_current_span(self.prompt, self.served.version, self.request_id)
            self.trace_id = self.trace_id or trace_id
            if self._sink.follow is not None:
                self.followed_by = self._sink.follow(self)
        except Exception as error:  # noqa: BLE001 - spans may be of any implementation
            self._sink.failed("span()", error)
        self.time_ns = time.time_ns()
        self._began_ns = time.perf_counter_ns()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._ends():
            return
        if exc_type is not None and exc_type.__name__ in _CANCELLED:
            # Whoever reads the answer has had enough of it: no fault of the prompt's.
            self.cancelled = True
        elif exc_type is not None and self.error_type is None:
            self.error_type = exc_type.__qualname__ if exc is None else error_name(exc)
        self._sink.finish(self, quietly=exc_type is not None)

    def abandon(self) -> None:
        """Ends the call as cancelled, unless it has ended; for finalizers, which run anywhere."""
        if self._ends():
            self.cancelled = True
            self._sink.leave(self)

    def _ends(self) -> bool:
        ended_ns = time.perf_counter_ns()
        if self._state != 1 or self._generation != self._sink.generation:
            # A child forked inside the block leaves the event to its parent.
            return False
        self._state = 2
        if self.filling is not None:
            self.input_length = input_length(self.filling)
        self.duration_ns = ended_ns - self._began_ns
        return True

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(exc_type, exc, traceback)

    def record(
        self,
        reply: object = None,
        *,
        input_text: object = None,
        output_text: object = None,
        response_model: str | None = None,
        input_tokens: int | None = None,
        cached_input_tokens: int | None = None,
        output_tokens: int | None = None,
        finish_reason: str | None = None,
        cost_nano_usd: int | None = None,
    ) -> None:
        """Takes what a reply says: tokens, finish reason, the model that answered and, if captured, its text.

        May be called several times: for each piece of a stream, or for one last reply that carries the
        usage. What a later reply says replaces what an earlier one said; arguments win over the reply.

        Args:
            reply: What the provider's client returned: OpenAI chat completion or response, Anthropic
                message, the pieces of their streams, or mappings of the same shapes, as gateways send them,
                too. Of another reply the counts are read if genai-prices can; else it is counted and logged
                at a limited rate. A stream of chat completions has counts only if asked for, with
                `stream_options={"include_usage": True}`.
            input_text: Text sent to the model, or its messages, which are kept as JSON. Kept only if the
                client captures texts.
            output_text: Text received, instead of the reply's own. Kept only if the client captures texts,
                or reads signals from them.
            response_model: Model that answered.
            input_tokens: Tokens read, cached ones included.
            cached_input_tokens: Of those, read from the provider's cache.
            output_tokens: Tokens written.
            finish_reason: Why the model stopped.
            cost_nano_usd: What the call cost, where the service knows better than the price list.
        """
        if self._has_ended("record()"):
            return
        if self._state == 0:
            self._sink.misuse("record() outside of a `with` block, without which a call makes no event")
        try:
            if reply is not None:
                self._read(reply)
            if response_model or finish_reason:
                self.facts = self.facts._replace(
                    response_model=response_model or self.facts.response_model,
                    finish_reason=finish_reason or self.facts.finish_reason,
                )
            counts = (input_tokens, cached_input_tokens, output_tokens)
            if reply is None and counts == _NO_COUNTS:
                others = (input_text, output_text, response_model, finish_reason, cost_nano_usd)
                if all(each is None for each in others):
                    self._sink.misuse("record() was given nothing: pass the reply, or the counts")
            if counts != _NO_COUNTS:
                given = zip(_COUNTS, counts, strict=True)
                self.given_counts = {
                    **(self.given_counts or {}),
                    **{name: count for name, count in given if count is not None},
                }
            if cost_nano_usd is not None:
                self.cost_nano_usd = cost_nano_usd
            if self._sink.wants_text:
                self.input_text = captured_text(input_text) or self.input_text
            if self._sink.wants_output:
                self.output_text = captured_text(output_text) or self.output_text
        except Exception as error:  # noqa: BLE001 - whatever a reply's properties raise stays here
            self._sink.failed("record()", error)

    def metric(self, name: str, value: float) -> None:
        """Adds a named number to the event, e.g. `call.metric("retrieved_documents", 4)`.

        Args:
            name: Name of the metric; `quality` is shown beside cost and latency.
            value: A finite number; others are left out and counted.
        """
        if self._has_ended("metric()"):
            return
        if self.metrics is None:
            self.metrics = {}
        try:
            self.metrics[name] = value
        except Exception as error:  # noqa: BLE001 - whatever the hash of a name raises
            self._sink.failed("metric()", error)

    def first_token(self) -> None:
        """Marks the moment of the first token; later marks do nothing.

        `record` marks it by itself when it is given the pieces of a stream.
        """
        if self.first_token_ns is None and self._state == 1:
            self.first_token_ns = time.perf_counter_ns() - self._began_ns

    def error(self, error_type: str | BaseException) -> None:
        """Marks the call as failed although no exception leaves the block.

        Args:
            error_type: Name of the error, or the exception that was caught. A cancellation is no error.
        """
        if self._has_ended("error()"):
            return
        if isinstance(error_type, BaseException):
            error_type = error_name(error_type)
        given: Any = error_type  # of which some have neither a hash nor a truth, and raise
        if isinstance(given, str) and given in _CANCELLED:
            self.cancelled = True
            return
        says_nothing = given is None or (isinstance(given, str) and not given)
        self.error_type = "error" if says_nothing else given  # an empty text would say that there was none

    def failed(self, what: str, error: BaseException) -> None:
        """Notes that something of it could not be measured; said once for each `what`."""
        self._sink.failed(what, error)

    def _has_ended(self, what: str) -> bool:
        if self._state == 2:
            self._sink.misuse(f"{what} after the call ended is ignored: use it within the `with` block")
        return self._state == 2

    def _read(self, reply: object) -> None:
        facts = read_reply(reply, want_text=self._sink.wants_output)
        if facts is None:
            self._sink.unknown_reply(reply)
            return
        if facts.error_type is not None and self.error_type is None:
            self.error_type = facts.error_type
        if facts.is_piece and self.first_token_ns is None and is_first_token(reply):
            self.first_token()
        self.facts = facts if self.facts is _NOTHING else merge(self.facts, facts)

    def forget_texts(self) -> None:
        """Drops the captured texts."""
        self.input_text = self.output_text = None
        self.facts = self.facts._replace(text=None)

    def start_us(self) -> int:
        """When the call began, microseconds since 1970 UTC."""
        if self.started_at is not None:
            return microseconds(self.started_at.astimezone(UTC))
        return self.time_ns // 1000

    def latency_ms(self) -> float:
        """From the call's start to its end; from `started_at`, if that was given and lies in the past."""
        return (self.duration_ns + self._head_start_ns()) / 1e6

    def time_to_first_token_ms(self) -> float | None:
        """From the call's start to its first token; None when there was no mark."""
        if self.first_token_ns is None:
            return None
        return (self.first_token_ns + self._head_start_ns()) / 1e6

    def _head_start_ns(self) -> int:
        return max(0, self.time_ns - self.start_us() * 1000) if self.started_at is not None else 0
