"""SQL of analysts, and exports."""

import asyncio
import threading
from typing import Annotated, Final

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from coalmine_consumers.ad_hoc import Limits
from coalmine_consumers.results import Export, ExportFormat, SqlAnswer
from coalmine_registry.roles import Role
from coalmine_server.api.auth import actor_of, needs
from coalmine_server.api.parameters import Owned
from coalmine_server.api.plain_json import PlainJsonRoute
from coalmine_server.api.problems import FORBIDDEN, ProblemError, problem_responses
from coalmine_server.moment import MOMENT_HELP
from coalmine_server.services.ad_hoc import answer_sql, exported
from coalmine_server.services.moment_parameter import Moment

router = APIRouter(prefix="/v1", tags=["analysis"], route_class=PlainJsonRoute)

# Of their own: statements that wait for one another must not keep questions about measures waiting.
_threads: Final = CapacityLimiter(4)
_ANSWER: Final = TypeAdapter(SqlAnswer)


class SqlQuestion(BaseModel):
    """A statement, and what it may take."""

    model_config = ConfigDict(extra="forbid")

    sql: Annotated[str, Field(min_length=1, max_length=20_000)] = Field(
        description="One SELECT over tables of the data dictionary, in DuckDB's dialect."
    )
    limit: int = Field(default=10_000, ge=1, le=100_000, description="Maximum number of rows to return.")
    timeout_s: float = Field(default=60.0, gt=0, le=300, description="Seconds that it may take.")
    private: bool = Field(
        default=False,
        description="True to show texts and identifiers of users, which takes an admin. Otherwise texts are "
        "left out, and users have pseudonyms that hold within one answer.",
    )


class ExportQuestion(BaseModel):
    """What to write, and how."""

    model_config = ConfigDict(extra="forbid")

    format: ExportFormat = Field(description="One Parquet or CSV file a table, or one DuckDB database.")
    since: Moment | None = Field(default=None, description=f"Only events at or after this: {MOMENT_HELP}.")
    until: Moment | None = Field(default=None, description=f"Only events before this: {MOMENT_HELP}.")
    private: bool = Field(default=False, description="True to write texts and identifiers of users.")


@router.post("/exports", responses=problem_responses(403), dependencies=[needs(Role.ADMIN)])
def exports(owned: Owned, body: ExportQuestion) -> Export:
    """Writes requests, feedback, scores and rollups of a period into a new folder of the server's home.

    Without texts, and with pseudonyms for users, unless `private`. Whoever asks moves the folder away.
    """
    return exported(owned, body.format, body.since, body.until, private=body.private)


@router.post("/sql", responses=problem_responses(403), response_model=SqlAnswer)
async def sql(owned: Owned, request: Request, body: SqlQuestion) -> Response:
    """Runs one SELECT on a snapshot of the store, within bounds of time, memory and rows.

    It reads no files, and changes nothing. One runs at a time. It ends with the connection of who asks.
    """
    if body.private and not actor_of(request).role.allows(Role.ADMIN):
        raise ProblemError(FORBIDDEN, "private: texts and identifiers of users are for admins: leave it out")
    limits = Limits(timeout_s=body.timeout_s, rows=body.limit)
    gone = threading.Event()

    def work() -> bytes:
        found = answer_sql(owned, body.sql, limits, private=body.private, gone=gone)
        return _ANSWER.dump_json(found)

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()

    watching = asyncio.create_task(watch())
    try:
        found = await to_thread.run_sync(work, limiter=_threads)
    finally:
        watching.cancel()
    return Response(found, media_type="application/json")
