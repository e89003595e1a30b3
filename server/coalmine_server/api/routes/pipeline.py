"""The pipeline: ingest, audit, rebuild, dead letters."""

from typing import Annotated, Literal

from fastapi import Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from coalmine_consumers import queries
from coalmine_consumers.collector.decode import Stage
from coalmine_consumers.dead_letters import DeadLetterFilter, get_dead_letter, list_dead_letters
from coalmine_consumers.raw import IngestedEvent
from coalmine_consumers.results import (
    AuditReport,
    DeadLetterDetail,
    DeadLetterRow,
    DeadLettersChanged,
    DeadLetterStatus,
    IngestStatus,
    RebuildStatus,
    SegmentRow,
)
from coalmine_registry.roles import Role
from coalmine_schemas.results import Page
from coalmine_server.api.auth import needs
from coalmine_server.api.later_routes import LaterRouter
from coalmine_server.api.parameters import Cursor, Limit, Owned, SeriesLimit
from coalmine_server.api.plain_json import PlainJsonRoute
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.representation import ARROW_TOO, Wanted, represented
from coalmine_server.errors import NotFound
from coalmine_server.services.pipeline import audited, discarded, ingest_status, replayed

router = LaterRouter(prefix="/v1", tags=["pipeline"], route_class=PlainJsonRoute)

SentAs = Literal[IngestedEvent, "deployments", "unroutable"]
"""What a dead letter may have been sent as."""

_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


@router.get("/ingest", responses=problem_responses())
def ingest(owned: Owned) -> IngestStatus:
    """Collector status: lag, positions, counts, losses, sizes."""
    return ingest_status(owned)


@router.get("/segments", response_model=Page[SegmentRow], responses={**problem_responses(406), **ARROW_TOO})
def segments(
    *,
    owned: Owned,
    wanted: Wanted,
    event: Annotated[IngestedEvent | None, Query(description="Only files of this event.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """The Parquet files that hold raw rows. Rows that came last are not in one yet.

    A file that is no longer listed stays readable for 15 minutes.
    """
    page = queries.segment_files(owned.store.reader(), event, limit=limit, cursor=cursor)
    return represented(page, Page[SegmentRow], page.items, SegmentRow, wanted)


@router.get("/audit", responses=problem_responses())
def audit(
    owned: Owned,
    deep: Annotated[bool, Query(description="Recount rollups and cells from raw rows, and compare.")] = False,
) -> AuditReport:
    """Checks that everything adds up. Reads much; the status is 200 either way, and `ok` has the verdict."""
    return audited(owned, deep=deep)


@router.post("/rebuild", status_code=202, responses=problem_responses(), dependencies=[needs(Role.ADMIN)])
def start_rebuild(owned: Owned) -> RebuildStatus:
    """Starts to recount rollups and experiment cells from raw rows, in the background; GET shows progress."""
    return owned.rebuild.start(owned.store)


@router.get("/rebuild", responses=problem_responses())
def rebuild_status(owned: Owned) -> RebuildStatus:
    """Progress of the rebuild."""
    return owned.rebuild.status


@router.get(
    "/dead-letters", response_model=Page[DeadLetterRow], responses={**problem_responses(406), **ARROW_TOO}
)
def dead_letters(
    *,
    owned: Owned,
    wanted: Wanted,
    status: Annotated[
        DeadLetterStatus | Literal["any"], Query(description="Only dead letters with this status.")
    ] = "open",
    event: Annotated[SentAs | None, Query(description="Only those sent as this event.")] = None,
    stage: Annotated[Stage | None, Query(description="Only those that failed there.")] = None,
    limit: SeriesLimit = 100,
    cursor: Cursor = None,
) -> Response:
    """Messages that could not be stored, newest first."""
    chosen = DeadLetterFilter(status=None if status == "any" else status, event=event, stage=stage)
    page = list_dead_letters(owned.store.reader(), chosen, limit=limit, cursor=cursor)
    return represented(page, Page[DeadLetterRow], page.items, DeadLetterRow, wanted)


@router.get(
    "/dead-letters/{dead_letter_id}", responses=problem_responses(404), dependencies=[needs(Role.ADMIN)]
)
def dead_letter(
    owned: Owned, dead_letter_id: Annotated[str, Path(pattern=_UUID, description="Id of the dead letter.")]
) -> DeadLetterDetail:
    """One dead letter with its bytes, which may hold whatever its sender wrote."""
    found = get_dead_letter(owned.store.reader(), dead_letter_id)
    if found is None:
        raise NotFound(f"no dead letter {dead_letter_id}", "`coalmine dead-letters list` shows their ids")
    return found


class DeadLetterChoice(BaseModel):
    """Which open dead letters: some by id, or all that match."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Annotated[str, Field(pattern=_UUID)]] | None = Field(
        default=None, max_length=100_000, description="Only the dead letters with these ids."
    )
    event: SentAs | None = Field(default=None, description="Only those sent as this event.")
    stage: Stage | None = Field(default=None, description="Only those that failed at this stage.")
    all: bool = Field(default=False, description="All of them; required if nothing else narrows the choice.")

    @model_validator(mode="after")
    def _says_which(self) -> "DeadLetterChoice":
        if not self.all and self.ids is None and self.event is None and self.stage is None:
            raise ValueError('say which: ids, event, stage, or "all": true')
        return self

    def filter(self) -> DeadLetterFilter:
        """The choice as the store takes it."""
        ids = None if self.ids is None else tuple(self.ids)
        return DeadLetterFilter(status="open", event=self.event, stage=self.stage, ids=ids)


@router.post("/dead-letters/replay", responses=problem_responses(), dependencies=[needs(Role.ADMIN)])
def replay(owned: Owned, body: DeadLetterChoice) -> DeadLettersChanged:
    """Tries to store open dead letters again, once whatever made them fail is fixed."""
    return replayed(owned, body.filter())


@router.post("/dead-letters/discard", responses=problem_responses(), dependencies=[needs(Role.ADMIN)])
def discard(owned: Owned, body: DeadLetterChoice) -> DeadLettersChanged:
    """Gives up open dead letters. They remain visible as discarded, and the audit still balances."""
    return discarded(owned, body.filter())
