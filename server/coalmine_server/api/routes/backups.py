"""Backups of the home, snapshots of its store, and users that are forgotten in it."""

import shutil
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from coalmine_consumers.results import Forgotten
from coalmine_registry.roles import Role
from coalmine_schemas.identifiers import uuid7
from coalmine_server.api.auth import needs
from coalmine_server.api.parameters import Owned
from coalmine_server.api.plain_json import PlainJsonRoute
from coalmine_server.api.problems import problem_responses
from coalmine_server.results import Backup, StoreSnapshot

router = APIRouter(prefix="/v1", tags=["operations"], route_class=PlainJsonRoute)


class ForgetQuestion(BaseModel):
    """Which users to forget."""

    model_config = ConfigDict(extra="forbid")

    unit_ids: list[Annotated[str, Field(min_length=1, max_length=500)]] = Field(
        min_length=1,
        max_length=100,
        description="Identifiers of units, as they are stored: where services hash them, the hashes.",
    )


class SnapshotQuestion(BaseModel):
    """Which snapshot the caller has."""

    model_config = ConfigDict(extra="forbid")

    known: str | None = Field(
        default=None, max_length=100, description="Id of the snapshot that the caller has, if it has one."
    )


@router.post("/forget", responses=problem_responses(403), dependencies=[needs(Role.ADMIN)])
def forget(owned: Owned, body: ForgetQuestion) -> Forgotten:
    """Forgets users: their identifiers, texts, comments and dataset cases go; rows and numbers stay.

    It reads every file of raw rows, and writes those anew in which they are. The answer is the proof: it
    counts what was taken and what is left, and names nobody.
    """
    from coalmine_server.services.forget import forgotten  # noqa: PLC0415 - DuckDB

    return forgotten(owned, body.unit_ids)


@router.post("/backups", responses=problem_responses(403), dependencies=[needs(Role.ADMIN)])
def backups(owned: Owned) -> Backup:
    """Makes a consistent backup of store, registry, alerts, evaluations, spool and settings.

    It is written into a new folder of the server's home, which whoever asks moves away. It has secrets of the
    settings in it, and texts where they are stored.
    """
    from coalmine_server.services.backup import make_backup  # noqa: PLC0415 - SQLAlchemy

    folder = owned.settings.home / "backups" / str(uuid7())
    try:
        return make_backup(owned, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@router.post("/snapshots", responses=problem_responses(403), dependencies=[needs(Role.ADMIN)])
def snapshots(owned: Owned, body: SnapshotQuestion) -> StoreSnapshot:
    """Makes a copy of the store as of now, for a replica of answers, while ingest goes on.

    It is written into a folder of the server's home; whoever opens it holds its lock, and what nobody holds
    is deleted. Nothing is made while the store is as the known one.
    """
    return owned.snapshots.take(owned.store, body.known)
