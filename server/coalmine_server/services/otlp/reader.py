"""From the spans of one body to events, and to what is answered of the others."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from coalmine_schemas.limits import shortened
from coalmine_server.services.intake import EventReader, EventScope, Reading
from coalmine_server.services.otlp import names
from coalmine_server.services.otlp.calls import OWN_SCOPE, NoPrompt, is_call, request_id_of, request_of
from coalmine_server.services.otlp.evaluations import evaluations_of, has_evaluations
from coalmine_server.services.otlp.spans import MAX_SPANS, BadSpan, Span, TooManySpans

SpanOutcome = Literal["stored", "ignored", "no_prompt", "invalid"]
"""What became of a span: `ignored` is no call to a model, or one that the client has sent itself."""

MAX_EVENTS: Final = 2 * MAX_SPANS
"""Calls, evaluations and feedback of one body: a span may tell of a thousand."""
_MOST_REASONS: Final = 10
_REASON_CHARS: Final = 300


@dataclass(slots=True)
class Traces:
    """What reading the spans of a body gave."""

    reading: Reading
    """The events to store."""
    outcomes: Counter[SpanOutcome] = field(default_factory=Counter)
    """Spans by what became of them."""
    reasons: Counter[str] = field(default_factory=Counter)
    """How often something was not taken, by why."""

    @property
    def rejected(self) -> int:
        """Spans that were to be stored and were not."""
        return self.outcomes["no_prompt"] + self.outcomes["invalid"]

    @property
    def message(self) -> str:
        """What the sender should change; empty if nothing."""
        told = [f"{n:,} x {reason}" for reason, n in self.reasons.most_common(_MOST_REASONS)]
        more = len(self.reasons) - len(told)
        return "; ".join([*told, f"and {more:,} other reasons"] if more > 0 else told)


def read_traces(
    spans: Iterable[Span | BadSpan],
    reader: EventReader,
    *,
    app: str,
    environment: str | None,
    scope: EventScope | None = None,
    prompt_of: Callable[[str], str | None] = lambda _experiment: None,
) -> Traces:
    """Reads the spans of a body; a bad one costs no other.

    Args:
        spans: As a decoder yields them.
        reader: Checks and frames the events.
        app: App of spans whose resource names no service.
        environment: Environment of spans whose resource names none, if another than the server's.
        scope: The prompts whose events the sender may send; None for all.
        prompt_of: Returns the prompt of an experiment; None if that is unknown.

    Raises:
        Unreadable: The body is not what its content type says.
        TooManySpans: It has more spans, or more is said of them, than is read.
    """
    events: list[dict[str, Any]] = []
    owners: list[int | None] = []
    outcomes: dict[int, SpanOutcome] = {}
    reasons: Counter[str] = Counter()
    for index, span in enumerate(spans):
        try:
            if isinstance(span, BadSpan):
                raise span
            found = _events_of(span)
        except BadSpan as bad:
            outcomes[index] = "no_prompt" if isinstance(bad, NoPrompt) else "invalid"
            reasons[_told(bad.reason)] += 1
            continue
        if len(events) + len(found) > MAX_EVENTS:
            raise TooManySpans(
                f"the spans of a body have at most {MAX_EVENTS:,} calls and evaluations: "
                "set a smaller batch size in the exporter"
            )
        # What is stored of it is known once the events were checked.
        outcomes[index] = "invalid" if found else "ignored"
        events += found
        # Of a call its request decides: without it what is said of its answer has nothing to stand beside.
        decides = 1 if found and found[0]["type"] == "request" else len(found)
        owners += [index if number < decides else None for number in range(len(found))]
    reading = reader.read(events, app=app, environment=environment, scope=scope, prompt_of=prompt_of)
    bad_events = {problem.index for problem in reading.problems}
    for number, owner in enumerate(owners):
        if owner is not None and number not in bad_events:
            outcomes[owner] = "stored"
    for problem in reading.problems:
        reasons[_told(f"{problem.field} {problem.detail}".strip())] += 1
    return Traces(reading, Counter(outcomes.values()), reasons)


def _events_of(span: Span) -> list[dict[str, Any]]:
    """The events that a span tells of; none if it is no call and says nothing of one.

    Raises:
        BadSpan: It tells of a call, but cannot be used.
    """
    call = span.scope != OWN_SCOPE and is_call(span.attributes)
    if call:
        request = request_of(span)
        return [request, *evaluations_of(span, request["request_id"])]
    if not has_evaluations(span):
        return []
    own = names.text(span.attributes, (names.REQUEST_ID,))
    if own is not None or span.scope == OWN_SCOPE:
        return list(evaluations_of(span, own or request_id_of(span)))
    found = list(evaluations_of(span, None))
    if any(each.get("request_id") is None for each in found):
        raise BadSpan(
            f"an evaluation is not on the span of its call: set {names.REQUEST_ID} on it to the call's id"
        )
    return found


def _told(reason: str) -> str:
    return shortened(reason, _REASON_CHARS)
