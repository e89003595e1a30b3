"""Suites: what versions of a prompt have to pass."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from coalmine_evals.suites.read import suite_of
from coalmine_evals.suites.storage import find_suite, list_suites, put_suite
from coalmine_evals.suites.suite import PushedSuite
from coalmine_registry.defaults import PAGE_SIZE
from coalmine_schemas.results import Page
from coalmine_server.api.eval_bodies import SuiteBody
from coalmine_server.api.parameters import Cursor, Limit, Owned
from coalmine_server.api.problems import problem_responses
from coalmine_server.api.registry import Author, Reader, RegistryRoute

router = APIRouter(prefix="/v1/suites", tags=["evaluations"], route_class=RegistryRoute)

SuitePath = Annotated[str, Path(min_length=1, max_length=100, description="Name of the suite.")]


@router.get("", responses=problem_responses())
def suites(
    *,
    owned: Owned,
    _actor: Reader,
    prompt: Annotated[
        str | None, Query(min_length=1, max_length=100, description="Only suites of this prompt.")
    ] = None,
    limit: Limit = PAGE_SIZE,
    cursor: Cursor = None,
) -> Page[PushedSuite]:
    """The newest suite of each name, by name."""
    return list_suites(owned.evaluations.database, prompt=prompt, limit=limit, cursor=cursor)


@router.get("/{name}", responses=problem_responses(404))
def suite(
    owned: Owned,
    _actor: Reader,
    name: SuitePath,
    digest: Annotated[
        str | None,
        Query(min_length=1, max_length=64, description="Of an earlier one; the newest if omitted."),
    ] = None,
) -> PushedSuite:
    """One suite."""
    return find_suite(owned.evaluations.database, name, digest)


@router.put("/{name}", responses=problem_responses(404))
def push_suite(owned: Owned, actor: Author, name: SuitePath, body: SuiteBody) -> PushedSuite:
    """Keeps a suite whose dataset is here; its name stands for it from now on."""
    evaluations = owned.evaluations
    found = suite_of(name, body.suite, "suite")
    return put_suite(evaluations.database, found, actor=actor.subject, now=evaluations.clock())
