"""Versions of prompts: registered once, read for ever."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from coalmine_registry.classify import classify
from coalmine_registry.prompt_files.diff import diff_lines
from coalmine_schemas.prompts import PromptContent, reference_to
from coalmine_server.api.bodies import ReasonBody, VersionBody
from coalmine_server.api.parameters import (
    Approver,
    Asked,
    Author,
    Cursor,
    Limit,
    PromptPath,
    Reader,
    RegistryRoute,
    VersionPath,
    part_of,
    tag,
)
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry_answers import (
    ClassificationAnswer,
    DiffAnswer,
    DiffLineAnswer,
    Listed,
    RegisteredAnswer,
    VersionAnswer,
    classification,
)

router = APIRouter(prefix="/v1/prompts/{name}", tags=["prompts"], route_class=RegistryRoute)


@router.get("/versions", responses=problem_responses(404))
def prompt_versions(
    registry: Asked, _actor: Reader, name: PromptPath, limit: Limit = 100, cursor: Cursor = None
) -> Listed[VersionAnswer]:
    """All versions, highest first by semantic precedence."""
    found = registry.versions(name)
    items, next_cursor = part_of(found, [each.version for each in found], limit, cursor)
    return Listed(items=[VersionAnswer.of(each) for each in items], next_cursor=next_cursor)


@router.post(
    "/versions",
    status_code=201,
    responses={
        200: {"model": RegisteredAnswer, "description": "Exactly this was there already, or `dry_run`."},
        **problem_responses(409),
    },
)
def register_version(
    *,
    registry: Asked,
    actor: Author,
    name: PromptPath,
    body: VersionBody,
    response: Response,
    dry_run: Annotated[bool, Query(description="Check everything, write nothing.")] = False,
) -> RegisteredAnswer:
    """Registers a version. The same content again changes nothing; another content is refused."""
    content = PromptContent.from_json(body.content)
    if dry_run:
        proposal = registry.classify(name, body.version, content)
        created, found = proposal.created, proposal.classification
    else:
        registered = registry.register(actor, name, body.version, content)
        created, found = registered.created, registered.classification
    response.status_code = 201 if created and not dry_run else 200
    tag(response, content.digest())
    return RegisteredAnswer(
        created=created,
        dry_run=dry_run,
        name=name,
        version=body.version,
        digest=content.digest(),
        classification=classification(found),
    )


@router.get("/versions/{version}", responses=problem_responses(404))
def prompt_version(
    registry: Asked, _actor: Reader, name: PromptPath, version: VersionPath, response: Response
) -> VersionAnswer:
    """One version with its content. Retired ones stay readable."""
    record = registry.version(name, version)
    tag(response, record.digest)
    return VersionAnswer.of(record)


@router.get("/diff", responses=problem_responses(404))
def diff(
    registry: Asked,
    _actor: Reader,
    name: PromptPath,
    a: Annotated[str, Query(min_length=1, max_length=100, description="The old version.")],
    b: Annotated[str, Query(min_length=1, max_length=100, description="The new version.")],
) -> DiffAnswer:
    """What changed from version `a` to version `b`, and how large a step that is."""
    old, new = registry.version(name, a), registry.version(name, b)
    lines = diff_lines(reference_to(name, a), old.content, reference_to(name, b), new.content)
    return DiffAnswer(
        name=name,
        a=a,
        b=b,
        classification=ClassificationAnswer.model_validate(classify(a, old.content, new.content)),
        lines=[DiffLineAnswer.model_validate(each) for each in lines],
    )


@router.post("/versions/{version}/retire", responses=problem_responses(404, 409))
def retire_version(
    registry: Asked, actor: Approver, name: PromptPath, version: VersionPath, body: ReasonBody
) -> VersionAnswer:
    """Lets a version be served nowhere any more. It stays readable."""
    return VersionAnswer.of(registry.retire(actor, name, version, body.reason))


@router.post("/versions/{version}/archive", responses=problem_responses(404, 409))
def archive_version(
    registry: Asked, actor: Approver, name: PromptPath, version: VersionPath, body: ReasonBody
) -> VersionAnswer:
    """Puts a retired version away, out of lists of what could be served. It stays readable."""
    return VersionAnswer.of(registry.archive(actor, name, version, body.reason))
