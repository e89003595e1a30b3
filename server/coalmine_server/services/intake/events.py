"""From the JSON of an event to its frame, or to what is wrong with it. Nothing is stored here.

The rules are those of the client and of the collector (`coalmine_schemas.rules`): what passes here passes
there, and a bad event is answered to its sender and not found later among the dead letters.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from coalmine.reactions import Unusable, checked_feedback
from coalmine.texts import TEXT_FIELDS
from coalmine_schemas.codec import Encoder, SingleObjectFraming
from coalmine_schemas.errors import InvalidParameter, nearest
from coalmine_schemas.events import EventName, PromptFeedback, PromptRequest, PromptScore
from coalmine_schemas.identifiers import derived_uuid7, uuid7
from coalmine_schemas.limits import ID_CHARS, shortened
from coalmine_schemas.outcomes import outcome_of
from coalmine_schemas.ranges import DEFAULT_RANGES, Range
from coalmine_schemas.results import result
from coalmine_schemas.rules import UUID_PATTERN, first_problem, fitted
from coalmine_schemas.spool_blocks import SpoolRecord

MAX_EVENTS: Final = 500
"""Events of one body."""
MAX_FRAME_BYTES: Final = 1_000_000
"""The largest event, as for the client."""

_FIELD_CHARS: Final = 64
_DETAIL_CHARS: Final = 300
"""Of what is told of an event, whose names and values its sender chose."""
_OWN: Final = {"unit_group"}
"""Fields that are computed, whoever sends the event."""

_WORDS: Final = {
    "missing": "is missing: give it",
    "uuid_parsing": "is not a UUID",
    "datetime_from_date_parsing": "is not a time: give one such as 2026-11-29T09:30:00Z",
    "datetime_parsing": "is not a time: give one such as 2026-11-29T09:30:00Z",
    "timezone_naive": "has no time zone: give one such as 2026-11-29T09:30:00Z",
}


@result
class EventProblem:
    """What is wrong with one event of a batch. It was not stored; the others were."""

    index: int
    """Place of the event in the batch, from 0."""
    field: str
    """The field that is wrong; empty if it is the event as a whole."""
    detail: str
    """What is wrong with it, and what to give in its place."""


@result
class EventsTaken:
    """What became of a batch of events."""

    accepted: int
    """Events that are safe now. One that was sent before, by its id, counts once in every figure."""
    without_texts: int
    """Of these, those whose texts were left out: `capture_text` is off here, or they were too large."""
    errors: list[EventProblem]
    """The others, each with what to change. Sending the same again gives the same answer."""


@dataclass(slots=True)
class Reading:
    """What reading a batch gave."""

    records: list[SpoolRecord] = field(default_factory=list)
    """The good events, framed."""
    problems: list[EventProblem] = field(default_factory=list)
    """The others."""
    without_texts: int = 0
    """Good events that lost their texts."""
    apps: dict[str, int] = field(default_factory=dict)
    """Good events by app."""


@dataclass(frozen=True, slots=True)
class _Kind:
    event: EventName
    make: TypeAdapter[Any]
    names: frozenset[str]
    id_field: str
    may_be_empty: frozenset[str]
    """Fields that languages without null send as an empty text when there is nothing to say."""
    numbers: frozenset[str]
    """Fields that are numbers."""


def _kind(event: EventName, cls: type, id_field: str, without: frozenset[str] = frozenset()) -> _Kind:
    names = frozenset(each.name for each in fields(cls)) - _OWN - without
    optional = {each.name for each in fields(cls) if each.default is None}
    numbers = {each.name for each in fields(cls) if {int, float} & {each.type, *get_args(each.type)}}
    may_be_empty = frozenset(_DEFAULTED | optional - numbers)
    return _Kind(event, TypeAdapter(cls), names, id_field, may_be_empty, frozenset(numbers - _YES_OR_NO))


_DEFAULTED: Final = {
    *("event_time", "unit_id", "request_model", "resolution", "outcome", "cost_source", "source"),
    *("metrics", "segments", "request_parameters", "other_usage", "metadata"),
}
"""Fields for which null means the default."""

_YES_OR_NO: Final = {"value"}
"""A score may be: true is 1, as among `metrics`."""

_WHOSE: Final = frozenset({"unit_id", "session_id", "prompt"})
"""What only a late outcome says."""
_OF_CALLS: Final = frozenset({"request_id", "source", "scorer", "rationale"})
"""What only a score of a call says."""


KINDS: Final[Mapping[str, _Kind]] = {
    "request": _kind("requests", PromptRequest, "request_id"),
    "feedback": _kind("feedback", PromptFeedback, "feedback_id"),
    "score": _kind("scores", PromptScore, "score_id", _WHOSE),
    "outcome": _kind("scores", PromptScore, "score_id", _OF_CALLS),
}
"""By the word in `type`."""

KindName = Literal["request", "feedback", "score", "outcome"]


class _Bad(Exception):
    def __init__(self, field: str, detail: str) -> None:
        super().__init__(field, detail)
        self.field = field
        self.detail = detail


@dataclass(frozen=True, slots=True)
class EventScope:
    """The prompts whose events a sender may send."""

    patterns: tuple[str, ...]
    """As its token has them."""
    sees: Callable[[str], bool]
    """True for the name of such a prompt."""
    prompts_of: Callable[[Sequence[UUID]], Mapping[UUID, str]]
    """Returns the prompts of those requests that are stored."""
    sees_experiment: Callable[[str], bool]
    """True for the name of an experiment of such a prompt."""


class EventReader:
    """Reads batches. May be used by several threads.

    Args:
        environment: Of events that name none.
        capture_text: Whether texts of inputs, outputs, comments, corrections and rationales are kept.
        ranges: Declared ranges of metrics and scores, which the collector keeps to.
    """

    def __init__(
        self, *, environment: str, capture_text: bool, ranges: Mapping[str, Range] = DEFAULT_RANGES
    ) -> None:
        self._environment = environment
        self.capture_text = capture_text
        self._ranges = ranges

    def read(
        self,
        events: Sequence[object],
        *,
        app: str,
        environment: str | None = None,
        scope: EventScope | None = None,
        prompt_of: Callable[[str], str | None] = lambda _experiment: None,
    ) -> Reading:
        """Reads a batch; a bad event costs no other.

        Args:
            events: Each with `type` and the fields of its event.
            app: App of events that name none.
            environment: Environment of events that name none, if another than the server's.
            scope: The prompts whose events the sender may send; None for all.
            prompt_of: Returns the prompt of an experiment; None if that is unknown.
        """
        reading = Reading()
        owners = {} if scope is None else _owners(events, scope)
        encoder = Encoder(SingleObjectFraming())
        for index, given in enumerate(events):
            try:
                if not isinstance(given, Mapping):
                    raise _Bad("", "is not an object: give one with `type` and the fields of its event")
                if scope is not None:
                    _check_scope(given, scope, owners)
                _check_experiment(given, prompt_of)
                self._read(encoder, given, reading, app, environment or self._environment)
            except _Bad as bad:
                field = shortened(_plain(bad.field), _FIELD_CHARS)
                detail = shortened(_plain(bad.detail), _DETAIL_CHARS)
                reading.problems.append(EventProblem(index, field, detail))
            except RecursionError:
                reading.problems.append(EventProblem(index, "", "is nested too deeply: give its fields only"))
        return reading

    def _read(
        self, encoder: Encoder, given: Mapping[str, Any], reading: Reading, app: str, environment: str
    ) -> None:
        values = dict(given)
        kind = _kind_of(values.pop("type", None))
        event = _event(kind, values, app, environment)
        record = _record(event)
        had_texts = self._drop_texts(event, record)
        problem = first_problem(kind.event, record)
        if problem is not None:
            record = fitted(kind.event, record)  # as the client does: a long name costs no event
            problem = first_problem(kind.event, record)
        if problem is not None:
            raise _Bad(*_split(problem))
        self._check_ranges(record)
        try:
            frame = encoder.encode(kind.event, record)
            if len(frame) > MAX_FRAME_BYTES:
                record.update(_no_texts(event, record))
                had_texts, frame = True, encoder.encode(kind.event, record)
        except InvalidParameter as error:
            cause = type(error.__cause__).__name__
            what = (
                "has a number beyond 64 bits: give a smaller one"
                if cause == "OverflowError"
                else f"cannot be encoded ({cause}): give plain text"
            )
            raise _Bad("", what) from error
        if len(frame) > MAX_FRAME_BYTES:
            raise _Bad("", f"the event has {len(frame):,} bytes: send at most {MAX_FRAME_BYTES:,}")
        key = record["unit_id"] if kind.event == "requests" else record["request_id"]
        reading.records.append(
            SpoolRecord(kind.event, shortened(key, ID_CHARS).encode(), frame, time.time_ns() // 1000)
        )
        reading.without_texts += had_texts
        reading.apps[record["app"]] = reading.apps.get(record["app"], 0) + 1

    def _check_ranges(self, record: Mapping[str, Any]) -> None:
        for name, value in record.get("metrics", {}).items():
            if (problem := self._beyond(name, value)) is not None:
                raise _Bad(f"metrics.{name}", problem)
        if "value" in record and (problem := self._beyond(record["name"], record["value"])) is not None:
            raise _Bad("value", f"{record['name']} {problem}")

    def _beyond(self, name: str, value: float) -> str | None:
        declared = self._ranges.get(name)
        return None if declared is None else declared.beyond(value)

    def _drop_texts(self, event: Any, record: dict[str, Any]) -> bool:  # noqa: ANN401 - any of the three
        """Leaves texts out unless they are captured. Returns True if there were any."""
        if self.capture_text or not any(record[name] for name in TEXT_FIELDS[type(event)]):
            return False
        record.update(_no_texts(event, record))
        return True


def _owners(events: Sequence[object], scope: EventScope) -> Mapping[UUID, str]:
    """The prompts of the stored requests that events are about."""
    ids = {
        UUID(given["request_id"])
        for given in events
        if isinstance(given, Mapping)
        and isinstance(given.get("request_id"), str)
        and UUID_PATTERN.fullmatch(given["request_id"])
    }
    return scope.prompts_of(sorted(ids))


def _check_scope(given: Mapping[str, Any], scope: EventScope, owners: Mapping[UUID, str]) -> None:
    """Refuses an event of another prompt. A reaction may come before its request: then nobody knows yet."""
    prompt, request_id = given.get("prompt"), given.get("request_id")
    # An outcome that names no prompt counts for whichever its unit called last.
    is_of_any = given.get("type") == "outcome" and not prompt
    if is_of_any or (isinstance(prompt, str) and not scope.sees(prompt)):
        raise _Bad("prompt", f"is not one of {', '.join(scope.patterns)}, which the token is for")
    experiment = given.get("experiment")
    # Readouts add up all requests that name the experiment.
    if isinstance(experiment, str) and experiment and not scope.sees_experiment(experiment):
        raise _Bad("experiment", f"is of none of {', '.join(scope.patterns)}, which the token is for")
    if isinstance(request_id, str) and UUID_PATTERN.fullmatch(request_id):
        owner = owners.get(UUID(request_id))
        if owner is not None and not scope.sees(owner):
            raise _Bad("request_id", f"is of none of {', '.join(scope.patterns)}, which the token is for")


def _check_experiment(given: Mapping[str, Any], prompt_of: Callable[[str], str | None]) -> None:
    """Refuses a call that names an experiment of another prompt: it would count in that one's readout."""
    prompt, experiment = given.get("prompt"), given.get("experiment")
    if isinstance(prompt, str) and isinstance(experiment, str) and experiment:
        owner = prompt_of(experiment)
        if owner is not None and owner != prompt:
            raise _Bad("experiment", f"is one of the prompt {owner}: give the one that chose the version")


def _no_texts(event: Any, record: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    left: dict[str, Any] = dict.fromkeys(TEXT_FIELDS[type(event)])
    if record.get("correction") is not None:
        left["correction"] = ""  # that there was one counts
    return left


def _kind_of(name: object) -> _Kind:
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise _Bad("type", f"is {str(name)[:40]!r}: give one of {', '.join(KINDS)}")
    return kind


def _event(kind: _Kind, values: dict[str, Any], app: str, environment: str) -> Any:  # noqa: ANN401
    for name in values:
        if name not in kind.names:
            meant = nearest(name, kind.names)
            raise _Bad(name[:64], "is no field of this event" + (f": did you mean {meant}?" if meant else ""))
    values = {
        name: None if value == "" and name in kind.may_be_empty else value for name, value in values.items()
    }
    values["app"] = values.get("app") or app
    if kind is KINDS["outcome"]:
        values = _with_own_id(values)
    request_id = values.get("request_id")
    if not isinstance(request_id, str) or not UUID_PATTERN.fullmatch(request_id):
        what = "is missing" if request_id is None else "is not a UUID"
        remedy = "give the call's id, the same in a retry: an id counts once"
        raise _Bad("request_id", f"{what}: {remedy}")
    if kind.event == "requests":
        values["environment"] = values.get("environment") or environment
    elif values.get(kind.id_field) is None:
        # A retry has the same fields, and so the same id.
        time_ms = int(request_id.replace("-", "")[:12], 16)  # of a call's UUIDv7: when it was made
        values[kind.id_field] = derived_uuid7(time_ms, kind.event, repr(sorted(values.items())))
    values = {name: value for name, value in values.items() if value is not None or name not in _DEFAULTED}
    if kind.event != "requests" and "event_time" not in values:
        values["event_time"] = time.time()
    if kind.event == "scores":
        values.setdefault("source", "unknown")
    _refuse_booleans(kind, values)
    try:
        event = kind.make.validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if isinstance(first.get("ctx", {}).get("error"), UnicodeError):
            raise _Bad("", "holds half a character: give plain text") from error
        where = ".".join(str(part) for part in first["loc"])
        raise _Bad(where, _WORDS.get(first["type"], first["msg"].removeprefix("Value error, "))) from error
    if event.event_time.tzinfo is None:
        raise _Bad("event_time", _WORDS["timezone_naive"])
    return _with_something_said(event)


def _refuse_booleans(kind: _Kind, values: Mapping[str, Any]) -> None:
    """Refuses true where a number is wanted: it would count as 1 token, or 1 ms."""
    other = values.get("other_usage")
    given = {name: value for name, value in values.items() if name in kind.numbers}
    if isinstance(other, Mapping):
        given |= {f"other_usage.{name}": count for name, count in other.items()}
    for name, value in given.items():
        if isinstance(value, bool):
            raise _Bad(name, f"is {str(value).lower()}: give a number")


def _with_something_said(event: Any) -> Any:  # noqa: ANN401 - any of the three
    if isinstance(event, PromptFeedback):
        try:
            checked_feedback(event)
        except Unusable as error:
            raise _Bad("", "the feedback says nothing: give thumbs, rating, comment or correction") from error
    return event


def _with_own_id(outcome: dict[str, Any]) -> dict[str, Any]:
    """An outcome with its own id in place of a call's. A retry has the same, if it says when that was."""
    if not outcome.get("unit_id") and not outcome.get("session_id"):
        raise _Bad("unit_id", "is missing, and session_id: give the one that the calls have")
    given = outcome.get("score_id")
    if given is None:
        when = outcome.get("event_time")
        texts = ("outcome", repr(sorted(outcome.items())))
        given = uuid7() if when is None else derived_uuid7(_time_ms(when), *texts)
    elif not isinstance(given, str) or not UUID_PATTERN.fullmatch(given):
        raise _Bad("score_id", "is not a UUID: give the outcome's id, the same in a retry: an id counts once")
    whose = {name: outcome[name] or None for name in _WHOSE if name in outcome}
    return outcome | whose | {"score_id": given, "request_id": given}


def _time_ms(when: object) -> int:
    """Of a time as events have it; what is none is refused later."""
    try:
        return int(_TIME.validate_python(when).timestamp() * 1000)
    except (ValidationError, OverflowError):
        return 0


_TIME: Final = TypeAdapter(datetime)


def _record(event: Any) -> dict[str, Any]:  # noqa: ANN401
    record: dict[str, Any] = event.to_record()
    if isinstance(event, PromptRequest):
        if record["outcome"] == "unknown":
            record["outcome"] = outcome_of(event.finish_reason, event.error_type)
        if record["cost_nano_usd"] is None:
            record["cost_source"] = "unknown"
        elif record["cost_source"] == "unknown":
            record["cost_source"] = "service"
    return record


def _plain(text: str) -> str:
    """What is told of an event, as an answer may hold it."""
    return text.encode("utf-8", "replace").decode()


def _split(problem: str) -> tuple[str, str]:
    """The field that a rule's words begin with, and the rest."""
    name, _, rest = problem.partition(" ")
    return name, rest
