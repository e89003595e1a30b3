"""Thumbs from whoever has a signed link, without a token: a page, a script for other pages, and the vote."""

import time
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response

from coalmine_schemas.feedback_link import LINK_PATH
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.results import result
from coalmine_server.api.feedback_page import THUMBS_SCRIPT, said_page, vote_page
from coalmine_server.api.problems import FORBIDDEN, NOT_FOUND, ProblemError, problem_responses
from coalmine_server.api.routes.events import EventParts, in_thread, room_or_problem
from coalmine_server.services.intake.links import FeedbackLinks

SCRIPT_PATH: Final = "/feedback/thumbs.js"
OPEN_PATHS: Final = frozenset({LINK_PATH, SCRIPT_PATH})
"""What is answered without a token: links carry their own proof."""

router = APIRouter(tags=["events"])

App = Annotated[str, Query(min_length=1, max_length=200, description="The service, as the link says.")]
RequestId = Annotated[
    str,
    Query(
        pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$",
        description="The call, as the link says.",
    ),
]
Expires = Annotated[
    int, Query(ge=0, le=2**40, description="When the link ends, in seconds since 1970, as the link says.")
]
Signature = Annotated[str, Query(min_length=43, max_length=43, description="The link's signature.")]


@result
class Vote:
    """A vote that was stored."""

    thumbs: Literal["up", "down"]
    """What was voted."""
    request_id: str
    """The call that it is about."""


@router.get(LINK_PATH, include_in_schema=False)
async def feedback_page(
    request: Request, app: App, request_id: RequestId, expires: Expires, signature: Signature
) -> Response:
    """The page that a link opens: two buttons. It stores nothing."""
    problem = _links(request).problem(app, request_id, expires, signature, time.time())
    if problem is not None:
        return HTMLResponse(said_page("This link does not work", problem), FORBIDDEN.status)
    return HTMLResponse(vote_page(request.url.query))


@router.get(SCRIPT_PATH, include_in_schema=False)
async def thumbs_script(request: Request) -> Response:
    """The script that draws thumbs into a page of others."""
    _links(request)
    return Response(THUMBS_SCRIPT, media_type="text/javascript")


@router.post(LINK_PATH, responses=problem_responses(404))
async def vote(
    request: Request,
    response: Response,
    app: App,
    request_id: RequestId,
    *,
    expires: Expires,
    signature: Signature,
    thumbs: Annotated[Literal["up", "down"], Query(description="The vote.")],
    click: Annotated[
        str,
        Query(
            pattern="^[0-9A-Za-z]{0,32}$",
            description="Tells a retry: the same vote with the same click counts once. Without it each is a "
            "vote of its own.",
        ),
    ] = "",
) -> Vote:
    """Stores a thumb by a signed link, which takes the place of a token.

    The last vote on a call counts. A browser's script may send it from pages whose origin
    `events.feedback_link_origins` names. 429 and 503 mean that it may be sent again after `Retry-After`.
    """
    links = _links(request)
    origin = request.headers.get("origin")
    if not links.allows(origin, request.headers.get("host", "")):
        raise ProblemError(
            FORBIDDEN, f"pages of {origin!s:.100} may not vote: name them in events.feedback_link_origins"
        )
    headers = (
        {"Access-Control-Allow-Origin": str(origin), "Vary": "Origin"} if origin in links.origins else {}
    )
    problem = links.problem(app, request_id, expires, signature, time.time())
    if problem is not None:
        raise ProblemError(FORBIDDEN, problem)
    parts: EventParts = request.app.state.events
    request_id = request_id.lower()
    event = {
        "type": "feedback",
        "request_id": request_id,
        "app": app,
        "thumbs": thumbs,
        "metadata": {"source": "link", **({"click": click} if click else {})},
        # Up, down and up again by the buttons of the page are three votes, the last of which counts.
        **({} if click else {"feedback_id": uuid7()}),
    }

    def work() -> None:
        reading = parts.reader.read([event], app=app)
        with room_or_problem():
            links.limits.spend({f"the link of {request_id}": 1})
            parts.limits.spend({f"app {app}": 1})
            parts.intake.take(reading.records)

    await in_thread(work)
    response.headers.update(headers)
    if "text/html" in request.headers.get("accept", ""):
        page = said_page("Thank you", "Your answer was stored. You may go back and change it.")
        return HTMLResponse(page, headers=headers)  # type: ignore[return-value]
    return Vote(thumbs, request_id)


def _links(request: Request) -> FeedbackLinks:
    parts: EventParts | None = request.app.state.events
    if parts is None or parts.links is None:
        raise ProblemError(NOT_FOUND, "feedback links are off here: set events.feedback_link_key")
    return parts.links
