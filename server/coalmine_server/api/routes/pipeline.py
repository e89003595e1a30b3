"""How the pipeline is: ingest, audit, dead letters."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from coalmine_registry.roles import Role
from coalmine_server.api.access import needs
from coalmine_server.api.parameters import Asked, Wanted, documented
from coalmine_server.api.problems import NOT_FOUND, Problem, ProblemError
from coalmine_server.api.representation import represented
from coalmine_server.services.models import (
    AuditReport,
    DeadLetterDetail,
    DeadLetterRow,
    DeadLetters,
    DeadLettersChanged,
    IngestStatus,
    RebuildStatus,
)
from coalmine_server.services.questions import DeadLetterSelection, DeadLetterStatus

router = APIRouter(prefix="/v1", tags=["pipeline"])

_UUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


@router.get("/ingest", responses=documented(IngestStatus))
def ingest(asked: Asked) -> IngestStatus:
    """How the collector is: lag, positions, counts, losses, sizes."""
    return asked.ingest()


@router.get("/audit", responses=documented(AuditReport))
def audit(
    asked: Asked,
    deep: Annotated[bool, Query(description="Count rollups and cells anew and compare.")] = False,
) -> AuditReport:
    """Checks that everything adds up. Reads much; `ok` says whether it does, the status is 200 either way."""
    return asked.audit(deep=deep)


@router.post(
    "/rebuild",
    status_code=202,
    responses=documented(RebuildStatus, success=202),
    dependencies=[needs(Role.ADMIN)],
)
def start_rebuild(asked: Asked) -> RebuildStatus:
    """Counts rollups and experiment cells anew from raw rows, beside everything else; watch it by GET."""
    return asked.start_rebuild()


@router.get("/rebuild", responses=documented(RebuildStatus))
def rebuild_status(asked: Asked) -> RebuildStatus:
    """How the rebuild is coming on."""
    return asked.rebuild_status()


@router.get("/dead-letters", responses=documented(DeadLetters, arrow=True))
def dead_letters(
    *,
    asked: Asked,
    wanted: Wanted,
    status: Annotated[DeadLetterStatus | None, Query(description="Only these.")] = None,
    event: Annotated[str | None, Query(min_length=1, description="Only those sent as this event.")] = None,
    stage: Annotated[str | None, Query(min_length=1, description="Only those that failed there.")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Most rows to return.")] = 100,
    before: Annotated[str | None, Query(pattern=_UUID, description="See `next_before`.")] = None,
) -> Response:
    """Messages that could not be stored, newest first."""
    answer = asked.dead_letters(DeadLetterSelection(status, event, stage), limit, before)
    more = {} if answer.next_before is None else {"next_before": answer.next_before}
    return represented(answer, DeadLetterRow, answer.items, wanted, more)


@router.get(
    "/dead-letters/{dead_letter_id}",
    responses={**documented(DeadLetterDetail), 404: {"model": Problem, "description": "There is none."}},
)
def dead_letter(
    asked: Asked, dead_letter_id: Annotated[str, Path(pattern=_UUID, description="Its id.")]
) -> DeadLetterDetail:
    """One dead letter with its bytes."""
    found = asked.dead_letter(dead_letter_id)
    if found is None:
        raise ProblemError(NOT_FOUND, f"there is no dead letter {dead_letter_id}")
    return found


class DeadLetterChoice(BaseModel):
    """Which open dead letters: some by id, or all that fit."""

    model_config = ConfigDict(extra="forbid")

    ids: list[Annotated[str, Field(pattern=_UUID)]] | None = Field(
        default=None, max_length=100_000, description="Only these."
    )
    event: str | None = Field(default=None, description="Only those sent as this event.")
    stage: str | None = Field(default=None, description="Only those that failed there.")
    all: bool = Field(default=False, description="All of them; needed when nothing narrows the choice.")

    @model_validator(mode="after")
    def _says_which(self) -> "DeadLetterChoice":
        if not self.all and self.ids is None and self.event is None and self.stage is None:
            raise ValueError('say which: ids, event, stage, or "all": true')
        return self

    def selection(self) -> DeadLetterSelection:
        """The choice as the store takes it."""
        ids = None if self.ids is None else tuple(self.ids)
        return DeadLetterSelection("open", self.event, self.stage, ids)


@router.post(
    "/dead-letters/replay", responses=documented(DeadLettersChanged), dependencies=[needs(Role.ADMIN)]
)
def replay(asked: Asked, choice: DeadLetterChoice) -> DeadLettersChanged:
    """Tries to store open dead letters again, after whatever made them fail was repaired."""
    return asked.change_dead_letters("replay", choice.selection())


@router.post(
    "/dead-letters/discard", responses=documented(DeadLettersChanged), dependencies=[needs(Role.ADMIN)]
)
def discard(asked: Asked, choice: DeadLetterChoice) -> DeadLettersChanged:
    """Gives up open dead letters. They stay visible as discarded, and the books still balance."""
    return asked.change_dead_letters("discard", choice.selection())
