"""Backups of the home."""

import shutil

from fastapi import APIRouter

from coalmine_registry.roles import Role
from coalmine_schemas.identifiers import uuid7
from coalmine_server.api.auth import needs
from coalmine_server.api.parameters import Owned
from coalmine_server.api.plain_json import PlainJsonRoute
from coalmine_server.api.problems import problem_responses
from coalmine_server.results import Backup

router = APIRouter(prefix="/v1", tags=["operations"], route_class=PlainJsonRoute)


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
