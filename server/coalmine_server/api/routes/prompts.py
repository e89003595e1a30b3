"""Prompts and their versions: registered once, never changed, retired when they are not needed any more."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from coalmine_registry.defaults import IDLE_DAYS, KEEP_NEWEST, PAGE_SIZE
from coalmine_registry.provenance import VersionSource
from coalmine_registry.records import (
    Diff,
    Hygiene,
    PromptSummary,
    Registered,
    VersionRecord,
)
from coalmine_schemas.prompts import PromptContent
from coalmine_schemas.results import Page
from coalmine_server.api.bodies import ReasonBody, VersionBody
from coalmine_server.api.parameters import Cursor, Limit
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry import (
    Approver,
    Asked,
    Author,
    LastUsed,
    PromptPath,
    Reader,
    RegistryRoute,
    VersionPath,
    lane,
    tag,
)

router = APIRouter(prefix="/v1", tags=["prompts"], route_class=RegistryRoute)


@router.get("/prompts", responses=problem_responses())
def prompts(
    registry: Asked, _actor: Reader, limit: Limit = PAGE_SIZE, cursor: Cursor = None
) -> Page[PromptSummary]:
    """All prompts by name."""
    return registry.prompts(limit, cursor)


@router.get("/prompts/{name}", responses=problem_responses(404))
def prompt(registry: Asked, _actor: Reader, name: PromptPath) -> PromptSummary:
    """One prompt: the number of its versions, and which one each environment serves."""
    return registry.prompt(name)


@router.get("/prompts/{name}/versions", responses=problem_responses(404))
def prompt_versions(
    registry: Asked, _actor: Reader, name: PromptPath, limit: Limit = PAGE_SIZE, cursor: Cursor = None
) -> Page[VersionRecord]:
    """All versions, highest first by semantic precedence."""
    return registry.versions(name, limit, cursor)


@router.post(
    "/prompts/{name}/versions",
    status_code=201,
    responses={
        200: {"model": Registered, "description": "The same version was registered before, or `dry_run`."},
        **problem_responses(409),
    },
)
@lane("heavy")
def register_version(
    *,
    registry: Asked,
    actor: Author,
    name: PromptPath,
    body: VersionBody,
    response: Response,
    dry_run: Annotated[bool, Query(description="Check everything, write nothing.")] = False,
) -> Registered:
    """Registers a version. Sending the same content again changes nothing; other content is refused."""
    content = PromptContent.from_json(body.content)
    if dry_run:
        found = registry.classify(name, body.version, content)
    else:
        source = None if body.source is None else VersionSource(**body.source.model_dump())
        found = registry.register(actor, name, body.version, content, source)
    response.status_code = 201 if found.created and not dry_run else 200
    tag(response, found.digest)
    return found


@router.get("/prompts/{name}/versions/{version}", responses=problem_responses(404))
def prompt_version(
    registry: Asked, _actor: Reader, name: PromptPath, version: VersionPath, response: Response
) -> VersionRecord:
    """One version with its content. Retired ones stay readable."""
    found = registry.version(name, version)
    tag(response, found.digest)
    return found


@router.get("/prompts/{name}/diff", responses=problem_responses(404))
@lane("heavy")
def diff(
    registry: Asked,
    _actor: Reader,
    name: PromptPath,
    a: Annotated[str, Query(min_length=1, max_length=100, description="The old version.")],
    b: Annotated[str, Query(min_length=1, max_length=100, description="The new version.")],
) -> Diff:
    """What changed from version `a` to version `b`, and the version bump that needs."""
    return registry.diff(name, a, b)


@router.post("/prompts/{name}/versions/{version}/retire", responses=problem_responses(404, 409))
def retire_version(
    registry: Asked, actor: Approver, name: PromptPath, version: VersionPath, body: ReasonBody
) -> VersionRecord:
    """Retires a version: it cannot be served any more. It stays readable."""
    return registry.retire(actor, name, version, body.reason)


@router.post("/prompts/{name}/versions/{version}/archive", responses=problem_responses(404, 409))
def archive_version(
    registry: Asked, actor: Approver, name: PromptPath, version: VersionPath, body: ReasonBody
) -> VersionRecord:
    """Archives a retired version. It stays readable."""
    return registry.archive(actor, name, version, body.reason)


@router.get("/hygiene", responses=problem_responses())
def hygiene(
    request: Request,
    registry: Asked,
    _actor: Reader,
    keep_newest: Annotated[
        int, Query(ge=0, le=1000, description="Number of the newest active versions of each prompt to keep.")
    ] = KEEP_NEWEST,
    idle_days: Annotated[
        int, Query(ge=0, le=36_500, description="Days without a call after which a version is unused.")
    ] = IDLE_DAYS,
) -> Hygiene:
    """Versions that could be retired: not served, not used, and not among the newest."""
    last_used: LastUsed = request.app.state.last_used
    return registry.hygiene(last_used(), keep_newest, idle_days)
