"""Query parameters that several routes share, and what they become."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request
from pydantic import BeforeValidator

from coalmine_schemas.errors import InvalidParameter
from coalmine_server.api.negotiation import ARROW_MEDIA_TYPE, Representation, representation
from coalmine_server.api.problems import Problem
from coalmine_server.moment import MOMENT_HELP, parse_moment
from coalmine_server.services.models import Answer
from coalmine_server.services.questions import Answers, Page, Selection


def _moment(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return parse_moment(text, datetime.now(UTC))
    except InvalidParameter as error:
        raise ValueError(str(error)) from None


Moment = Annotated[datetime, BeforeValidator(_moment, json_schema_input_type=str)]

Name = Annotated[str | None, Query(min_length=1, max_length=500)]


def selection(
    *,
    prompt: Annotated[str | None, Query(min_length=1, description="Only this prompt.")] = None,
    version: Annotated[str | None, Query(min_length=1, description="Only this version.")] = None,
    environment: Annotated[str | None, Query(min_length=1, description="Only this environment.")] = None,
    app: Annotated[str | None, Query(min_length=1, description="Only this application.")] = None,
    since: Annotated[
        Moment | None, Query(description=f"Calls that began at or after this: {MOMENT_HELP}.")
    ] = None,
    until: Annotated[
        Moment | None, Query(description=f"Calls that began before this: {MOMENT_HELP}.")
    ] = None,
) -> Selection:
    """Which requests a question is about."""
    if since is not None and until is not None and since >= until:
        raise InvalidParameter("since has to lie before until")
    return Selection(
        prompt=prompt, version=version, environment=environment, app=app, since=since, until=until
    )


MAX_LIMIT = 100_000


def page(
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Most rows to return.")] = 10_000,
    offset: Annotated[int, Query(ge=0, description="Rows to leave out; see `next_offset`.")] = 0,
) -> Page:
    """Which part of a long list."""
    return Page(limit=limit, offset=offset)


def wanted(accept: Annotated[str | None, Header(include_in_schema=False)] = None) -> Representation:
    """JSON or Arrow."""
    return representation(accept)


def answers(request: Request) -> Answers:
    """Who answers: the store of this process, while it has one."""
    found: Answers = request.app.state.serving.answers()
    return found


Chosen = Annotated[Selection, Depends(selection)]
Paged = Annotated[Page, Depends(page)]
Wanted = Annotated[Representation, Depends(wanted)]
Asked = Annotated[Answers, Depends(answers)]


def documented(
    model: type[Answer], *, arrow: bool = False, success: int = 200
) -> dict[int | str, dict[str, Any]]:
    """What a route may answer, for OpenAPI."""
    problem = {"model": Problem}
    content = {ARROW_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}} if arrow else {}
    return {
        success: {"model": model, "content": content},
        401: {**problem, "description": "No token, or none that is known."},
        403: {**problem, "description": "The token does not allow it."},
        422: {**problem, "description": "A parameter is wrong."},
        429: {**problem, "description": "Too many wrong tokens came from this address."},
        503: {**problem, "description": "A standby, or not ready yet."},
    }
