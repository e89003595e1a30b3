"""Calls one by one: what people said of them, and all that is known of one."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Request

from coalmine_consumers import queries
from coalmine_consumers.results import CallContext, FeedbackRow, Opinion, StoredCall
from coalmine_registry.defaults import PAGE_SIZE
from coalmine_registry.roles import Role
from coalmine_schemas.results import Page
from coalmine_server.api.auth import actor_of
from coalmine_server.api.later_routes import LaterRouter
from coalmine_server.api.parameters import Cursor, Limit, Owned
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.routes.measures import Chosen
from coalmine_server.errors import NotFound

router = LaterRouter(prefix="/v1", tags=["measures"])

CallPath = Annotated[UUID, Path(description="Id of the call.")]


@router.get("/feedback", responses=problem_responses())
def feedback(
    *,
    request: Request,
    owned: Owned,
    chosen: Chosen,
    opinion: Annotated[
        Opinion,
        Query(
            description="`negative`: thumbs down, ratings of 1 or less, and corrections; `positive`: others."
        ),
    ] = "any",
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> Page[FeedbackRow]:
    """Feedback on stored calls: negative first, then the newest.

    `since` and `until` are those of the feedback. Texts and identifiers of users are for admins only.
    """
    reader = owned.store.reader()
    return queries.feedback(reader, chosen, opinion, limit=limit, cursor=cursor, private=_sees_texts(request))


@router.get("/requests/{request_id}", responses=problem_responses(404))
def stored_call(request: Request, owned: Owned, request_id: CallPath) -> StoredCall:
    """One call with feedback and scores, from raw rows; texts and identifiers of users for admins only."""
    return _stored(owned, request_id, private=_sees_texts(request))


@router.get("/requests/{request_id}/context", responses=problem_responses(404))
def call_context(owned: Owned, request_id: CallPath) -> CallContext:
    """How usual a call was among those of its version, and why its version was served."""
    return queries.call_context(owned.store.reader(), _stored(owned, request_id, private=False))


def _sees_texts(request: Request) -> bool:
    return actor_of(request).role.allows(Role.ADMIN)


def _stored(owned: Owned, request_id: UUID, *, private: bool) -> StoredCall:
    found = queries.stored_call(owned.store.reader(), request_id, private=private)
    if found is None:
        days = owned.settings.retention.raw_days
        raise NotFound(
            f"no call {request_id} is stored",
            f"its event may be on its way, or older than raw events are kept (retention.raw_days: {days})",
        )
    return found
