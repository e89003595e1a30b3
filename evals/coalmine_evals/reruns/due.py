"""What the server runs by itself: new versions, models that change or will end, what was long ago."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from coalmine_evals.reruns.flags import flags_of
from coalmine_evals.reruns.jobs import Jobs, Wanted
from coalmine_evals.results.models import Cause
from coalmine_evals.runs.evidence import served_by_default
from coalmine_evals.suites.storage import list_suites, suites_of
from coalmine_evals.suites.suite import PushedSuite
from coalmine_registry.errors import NotFound
from coalmine_registry.records import VersionRecord
from coalmine_registry.registry import Registry
from coalmine_registry.storage.database import Database

NEW_FOR: Final = timedelta(days=7)
"""A version is run by itself if it was registered within this time."""
_PAGE: Final = 1_000


class Answering(NamedTuple):
    """A model that answers for a version in production."""

    prompt: str
    version: str
    model: str
    replacement: str | None = None
    """What its provider proposes in its place, where it will soon be gone."""


def prompts_with_suites(database: Database) -> dict[str, list[PushedSuite]]:
    """Returns the newest suites by prompt, those whose cases decide."""
    found: dict[str, list[PushedSuite]] = {}
    cursor = None
    while True:
        page = list_suites(database, limit=_PAGE, cursor=cursor)
        for each in page.items:
            if each.suite.split == "test":
                found.setdefault(each.suite.prompt, []).append(each)
        if (cursor := page.next_cursor) is None:
            return found


def due(
    database: Database,
    registry: Registry,
    *,
    now: datetime,
    every: timedelta | None,
    answering: Iterable[Answering],
) -> list[Wanted]:
    """Returns what has to be run; what was run already is left out when it is asked for.

    Args:
        database: Of evaluations.
        registry: Of versions.
        now: The time.
        every: How often what is served is run again; None: never.
        answering: The models that answer in production.
    """
    suites = prompts_with_suites(database)
    found: list[Wanted] = []
    for prompt, pushed in suites.items():
        found += _new(registry, prompt, pushed, now)
        if every is not None:
            found += _old(database, registry, prompt, pushed, now - every)
    found += _models(database, registry, suites, answering)
    return found


def served_with(
    database: Database, registry: Registry, models: Sequence[str], prompts: Sequence[str] | None
) -> tuple[list[Wanted], tuple[str, ...]]:
    """Returns jobs that try models on all that is served, and the prompts that have no suite.

    Args:
        database: Of evaluations.
        registry: Of versions.
        models: To try.
        prompts: Only these; None: all that are served.

    Raises:
        NotFound: A prompt that is named is not there.
    """
    names = prompts if prompts is not None else _all_prompts(registry)
    found: list[Wanted] = []
    without = []
    for name in names:
        registry.prompt(name)
        about = served_by_default(registry, name)
        if about is None:
            continue
        pushed = [each for each in suites_of(database, name) if each.suite.split == "test"]
        if not pushed:
            without.append(name)
        for suite in pushed:
            own = about.content.get("model") or suite.suite.model
            found += [_wanted("asked", about, suite, model=each) for each in models if each != own]
    return found, tuple(without)


def _new(registry: Registry, prompt: str, pushed: Sequence[PushedSuite], now: datetime) -> list[Wanted]:
    try:
        newest = registry.version(prompt, registry.prompt(prompt).latest)
    except NotFound:
        return []
    if newest.status != "active" or newest.created_at < now - NEW_FOR:
        return []
    return [_wanted("registered", newest, each) for each in pushed]


def _old(
    database: Database, registry: Registry, prompt: str, pushed: Sequence[PushedSuite], before: datetime
) -> list[Wanted]:
    about = served_by_default(registry, prompt)
    if about is None:
        return []
    jobs = Jobs(database)
    return [
        _wanted("scheduled", about, each)
        for each in pushed
        if (last := jobs.last_at(about.digest, each.digest)) is None or last < before
    ]


def _models(
    database: Database,
    registry: Registry,
    suites: Mapping[str, Sequence[PushedSuite]],
    answering: Iterable[Answering],
) -> list[Wanted]:
    seen = [each for each in answering if each.prompt in suites]
    known = {(flag.digest, flag.model) for flag in flags_of(database, {each.prompt for each in seen})}
    run_before = {digest for digest, _ in known}
    found = []
    for each in seen:
        try:
            about = registry.version(each.prompt, each.version)
        except NotFound:
            continue
        for suite in suites[each.prompt]:
            # Nothing is known to have changed of what was never run.
            if about.digest in run_before and (about.digest, each.model) not in known:
                found.append(_wanted("model_seen", about, suite, seen=each.model))
            if each.replacement is not None and (about.digest, each.replacement) not in known:
                found.append(_wanted("deprecated", about, suite, model=each.replacement))
    return found


def _all_prompts(registry: Registry) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = registry.prompts(limit=_PAGE, cursor=cursor)
        found += [each.name for each in page.items]
        if (cursor := page.next_cursor) is None:
            return found


def _wanted(
    cause: Cause,
    about: VersionRecord,
    pushed: PushedSuite,
    *,
    model: str | None = None,
    seen: str | None = None,
) -> Wanted:
    return Wanted(
        cause=cause,
        prompt=about.name,
        version=about.version,
        digest=about.digest,
        suite=pushed.suite.name,
        suite_digest=pushed.digest,
        model=model,
        seen=seen,
    )
