"""Events from what does not use the client: any language, and OpenTelemetry."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Request
from pydantic import Field, WithJsonSchema

from coalmine_consumers.queries import request_prompts
from coalmine_registry.roles import Actor, Role
from coalmine_server.api.auth import needs
from coalmine_server.api.bodies import Body
from coalmine_server.api.parameters import owned_store
from coalmine_server.api.plain_json import PlainJsonRoute
from coalmine_server.api.problems import (
    FORBIDDEN,
    INVALID_REQUEST,
    FieldProblem,
    ProblemError,
    ProblemKind,
    problem_responses,
)
from coalmine_server.api.prompt_scope.owners import owner_of
from coalmine_server.services.intake import (
    EventLimits,
    EventReader,
    EventScope,
    EventsTaken,
    Intake,
    IntakeUnavailable,
    Reading,
    TooManyEvents,
)
from coalmine_server.services.intake.events import MAX_EVENTS
from coalmine_server.services.intake.links import FeedbackLinks
from coalmine_server.services.intake.safe import RETRY_AFTER_S

Answer = TypeVar("Answer")

router = APIRouter(prefix="/v1", tags=["events"], route_class=PlainJsonRoute)


def _sender(actor: Annotated[Actor, needs(Role.INGEST)]) -> Actor:
    """Everybody but readers: a token that dashboards and notebooks hold must not poison what is measured."""
    if actor.role is Role.READER:
        raise ProblemError(
            FORBIDDEN,
            f"this takes the role ingest; the token of {actor.subject} has reader, which changes nothing: "
            "ask an admin for another",
        )
    return actor


Sender = Annotated[Actor, Depends(_sender)]

TOO_MANY_EVENTS: Final = ProblemKind("too-many-events", "Too many events at a time", 429)
INTAKE_UNAVAILABLE: Final = ProblemKind("intake-unavailable", "Events cannot be stored now", 503)

# Threads of their own: neither long queries nor a burst of events keep the other waiting.
_threads: Final = CapacityLimiter(16)


@dataclass(frozen=True, slots=True)
class EventParts:
    """What the routes of events work with."""

    reader: EventReader
    limits: EventLimits
    intake: Intake
    links: FeedbackLinks | None = None
    """Votes by signed links; None where there is no key for them."""


class EventsBody(Body):
    """Events to store."""

    # One that is no object is an error of that event.
    events: list[Annotated[Any, WithJsonSchema({"type": "object", "additionalProperties": True})]] = Field(
        min_length=1,
        max_length=MAX_EVENTS,
        description="Each has `type` (`request`, `feedback`, `score` or `outcome`), `request_id` (a UUID, "
        "the same in a retry) and the fields of that event. A request needs `prompt`, `version` and "
        "`latency_ms`, too; a score `name` and `value`; feedback one of `thumbs`, `rating`, `comment` "
        "and `correction`. A late outcome has no `request_id` but the `unit_id` or `session_id` of the "
        "calls, `name` and `value`, and perhaps `prompt`; in a retry it counts once if it has "
        "`event_time`. `app` is the token's subject unless given, `event_time` now.",
        examples=[
            [
                {
                    "type": "feedback",
                    "request_id": "01a2226c-8b0f-7606-a212-c3f940cf2282",
                    "thumbs": "up",
                }
            ]
        ],
    )


@router.post("/events", responses=problem_responses(413))
async def send_events(request: Request, actor: Sender, body: EventsBody) -> EventsTaken:
    """Stores requests, feedback, scores and late outcomes: what the client does for Python, for all others.

    The answer comes once the events are safe. A bad one costs no other: `errors` names each. 422 means that
    none was good, 429 and 503 that the same batch may be sent again after `Retry-After`; what was stored
    already counts once.
    """
    parts: EventParts = request.app.state.events

    def work() -> EventsTaken:
        scope = scope_of(request, actor)
        reading = parts.reader.read(
            body.events,
            app=actor.subject,
            environment=actor.environment,
            scope=scope,
            prompt_of=request.app.state.experiment_prompts,
        )
        store(parts, actor, reading)
        return EventsTaken(len(reading.records), reading.without_texts, reading.problems)

    taken = await in_thread(work)
    if not taken.accepted:
        named = [
            FieldProblem(name=f"events.{p.index}.{p.field}".rstrip("."), detail=p.detail)
            for p in taken.errors
        ]
        detail = f"none of the {len(named)} events is valid; {named[0].name} {named[0].detail}"
        raise ProblemError(INVALID_REQUEST, detail, named[:20])
    return taken


def scope_of(request: Request, actor: Actor) -> EventScope | None:
    """Returns whose events a token may send; None for all."""
    if actor.prompts is None:
        return None

    @cache  # the events of a batch name few
    def sees_experiment(name: str) -> bool:
        prompt = owner_of(request.app.state, "experiment", name)
        return prompt is not None and actor.sees(prompt)

    return EventScope(
        actor.prompts,
        actor.sees,
        lambda ids: request_prompts(owned_store(request).store.reader(), ids),
        sees_experiment,
    )


async def in_thread(work: Callable[[], Answer]) -> Answer:
    """Does what takes a while beside the event loop."""
    return await to_thread.run_sync(work, limiter=_threads)


def store(parts: EventParts, actor: Actor, reading: Reading) -> None:
    """Makes the good events of a batch safe.

    Raises:
        ProblemError: The app or the token sends too many (429), or they cannot be stored now (503).
    """
    # Who sends for some prompts could otherwise name any app, and spend what its own services may send.
    apps = reading.apps if actor.prompts is None else {}
    with room_or_problem():
        parts.limits.spend(
            {
                f"token {actor.subject}": len(reading.records),
                **{f"app {app}": number for app, number in apps.items()},
            }
        )
        parts.intake.take(reading.records)


@contextmanager
def room_or_problem() -> Iterator[None]:
    """Says when to come back, where there is no room for events.

    Raises:
        ProblemError: Too many were sent (429), or they cannot be stored now (503).
    """
    try:
        yield
    except TooManyEvents as error:
        detail = (
            f"{error.name} sends more events than it may (events.per_minute): wait {error.retry_after_s} s"
        )
        raise ProblemError(TOO_MANY_EVENTS, detail, retry_after_s=error.retry_after_s) from error
    except IntakeUnavailable as error:
        detail = f"{error.reason}: send them again in {RETRY_AFTER_S} s; what has an id or a time counts once"
        raise ProblemError(INTAKE_UNAVAILABLE, detail, retry_after_s=RETRY_AFTER_S) from error
