"""Versions of prompts: registered once, never changed."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, select, tuple_

from coalmine_registry.classify import Change, Classification, classify
from coalmine_registry.errors import Conflict, NotFound
from coalmine_registry.experiment_plan import CheckMetadata, accept_metadata, plan_of_content
from coalmine_registry.operations import audit
from coalmine_registry.operations.inputs import source_given
from coalmine_registry.operations.pages import cursor_key, invalid_cursor, page_of, page_size
from coalmine_registry.operations.policies import FREE, check_suite
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.prompt_files.diff import diff_lines
from coalmine_registry.provenance import VersionSource
from coalmine_registry.records import ENVIRONMENTS, Diff, PromptSummary, Registered, VersionRecord
from coalmine_registry.roles import Actor, Role
from coalmine_registry.semantic_version import baseline, newest_first, without_build
from coalmine_registry.storage.tables import deployments, prompts, versions
from coalmine_schemas.errors import nearest
from coalmine_schemas.paging import encode_cursor
from coalmine_schemas.prompts import (
    PromptContent,
    Variable,
    check_prompt_name,
    check_version,
    parse_reference,
    reference_to,
)
from coalmine_schemas.prompts.errors import InvalidPrompt
from coalmine_schemas.prompts.templating import check_template
from coalmine_schemas.results import Page

_AT_ONCE: Final = 200
"""Versions asked for in one query; SQLite limits the number of values bound."""


def propose(
    transaction: Transaction,
    name: str,
    version: str,
    content: PromptContent,
    check_metadata: CheckMetadata = accept_metadata,
) -> Registered:
    """Returns what registering the version would do; checks everything and writes nothing.

    Raises:
        InvalidPrompt: Name, version, a template or a plan in the metadata is not valid.
        Conflict: The version exists with another content, or includes one that was retired.
        BumpTooSmall: The change needs a larger version bump.
        SuiteMissing: The policy of dev requires a suite of evaluations.
    """
    check_prompt_name(name)
    check_version(version)
    if _registered(transaction, name, version, content):
        known = version_record(transaction, name, version).classification
        return Registered(False, True, name, version, content.digest(), known)
    included = contents_with_includes(transaction, content.includes())
    check_template(content, included.__getitem__)
    check_suite(transaction, FREE, name)
    plan_of_content(content)
    check_metadata(content.metadata)
    _check_active(transaction, name, version, included)
    classification = _classification(transaction, name, version, content)
    return Registered(True, True, name, version, content.digest(), classification)


def register(
    transaction: Transaction,
    actor: Actor,
    name: str,
    version: str,
    *,
    content: PromptContent,
    source: VersionSource | None,
) -> Registered:
    """Adds a version whose templates `propose` has checked. Registered again, it keeps its first source.

    Raises:
        Forbidden: The actor is not an author.
        Conflict: The version exists with another content, or includes one that was retired.
        BumpTooSmall: The change needs a larger version bump.
        SuiteMissing: The policy of dev requires a suite of evaluations.
        Invalid: The source cannot be stored.
    """
    actor.require(Role.AUTHOR, "register versions")
    told = source_given(source)
    if _registered(transaction, name, version, content):
        known = version_record(transaction, name, version).classification
        return Registered(False, False, name, version, content.digest(), known)
    check_suite(transaction, FREE, name)
    _check_active(transaction, name, version, contents_with_includes(transaction, content.includes()))
    classification = _classification(transaction, name, version, content)
    if transaction.one(select(prompts.c.name).where(prompts.c.name == name)) is None:
        transaction.insert(
            prompts, {"name": name, "created_at": transaction.now, "created_by": actor.subject}
        )
    transaction.insert(
        versions,
        {
            "prompt": name,
            "version": version,
            "precedence": without_build(version),
            "content": content.to_json(),
            "digest": content.digest(),
            "classification": _classification_json(classification),
            "author": actor.subject,
            "created_at": transaction.now,
            "status": "active",
            "source": told,
        },
    )
    audit.record(
        transaction,
        actor,
        "register",
        prompt=name,
        version=version,
        after={
            "digest": content.digest(),
            "classification": _classification_json(classification),
            "source": told,
        },
    )
    return Registered(True, False, name, version, content.digest(), classification)


def version_record(transaction: Transaction, name: str, version: str) -> VersionRecord:
    """Returns one version.

    Raises:
        NotFound: No such version is registered.
    """
    row = None
    if _could_exist(name, version):
        query = select(versions).where(versions.c.prompt == name, versions.c.version == version)
        row = transaction.one(query)
    if row is None:
        known = version_names(transaction, name)
        raise NotFound(f"no version {version:.100} of prompt {name}: {_suggestion(version, known)}")
    return _record(row)


def version_page(transaction: Transaction, name: str, limit: int, cursor: str | None) -> Page[VersionRecord]:
    """Returns a page of the versions of a prompt, highest first by precedence.

    Raises:
        NotFound: No such prompt is registered.
        Invalid: `limit` or `cursor` is not valid.
    """
    # The database cannot order by precedence. A prompt has few versions; only those of the page are read.
    known = newest_first(version_names(transaction, name))
    after = cursor_key(cursor, str)
    if cursor is not None and after not in known:
        raise invalid_cursor(cursor)
    start = 0 if after is None else known.index(after) + 1
    end = start + page_size(limit)
    chosen = known[start:end]
    rows = transaction.all(select(versions).where(versions.c.prompt == name, versions.c.version.in_(chosen)))
    found = {row.version: _record(row) for row in rows}
    return Page([found[each] for each in chosen], encode_cursor(chosen[-1:]) if end < len(known) else None)


def diff(transaction: Transaction, name: str, a: str, b: str) -> Diff:
    """Compares two versions of a prompt.

    Raises:
        NotFound: One of them is not registered.
    """
    records = [version_record(transaction, name, version) for version in (a, b)]
    old, new = (PromptContent.from_json(each.content) for each in records)
    lines = diff_lines(reference_to(name, a), old, reference_to(name, b), new)
    return Diff(name, a, b, classify(a, old, new), lines, *(each.source for each in records))


def prompt_summary(transaction: Transaction, name: str) -> PromptSummary:
    """Returns one prompt.

    Raises:
        NotFound: No such prompt is registered.
    """
    version_names(transaction, name)
    return _summaries(transaction, [name])[0]


def prompt_page(transaction: Transaction, limit: int, cursor: str | None) -> Page[PromptSummary]:
    """Returns a page of prompts by name.

    Raises:
        Invalid: `limit` or `cursor` is not valid.
    """
    query = select(prompts.c.name).order_by(prompts.c.name)
    after = cursor_key(cursor, str)
    if after is not None:
        query = query.where(prompts.c.name > after)
    page = page_of(transaction.connection, query, limit, lambda row: str(row.name), lambda row: (row.name,))
    return Page(_summaries(transaction, page.items), page.next_cursor)


def contents_with_includes(transaction: Transaction, references: Iterable[str]) -> dict[str, PromptContent]:
    """Returns contents by `name@version`: the given ones and all they include, as far as they exist."""
    found: dict[str, PromptContent] = {}
    wanted = set(references)
    while wanted:
        added = _contents(transaction, wanted)
        found.update(added)
        wanted = {each for content in added.values() for each in content.includes()} - found.keys()
    return found


def statuses(transaction: Transaction, references: Iterable[str]) -> dict[str, str]:
    """Returns the status by `name@version`, of those that exist."""
    columns = (versions.c.prompt, versions.c.version, versions.c.status)
    return {
        reference_to(row.prompt, row.version): row.status
        for row in _rows(transaction, select(*columns), references)
    }


def check_servable(transaction: Transaction, name: str, version: str) -> None:
    """Checks that a version may be served.

    Raises:
        NotFound: No such version is registered.
        Conflict: The version, or one that it includes, is retired.
    """
    version_record(transaction, name, version)
    reference = reference_to(name, version)
    for each, status in sorted(
        statuses(transaction, contents_with_includes(transaction, [reference])).items()
    ):
        if status != "active":
            what = each if each == reference else f"{each}, which {reference} includes,"
            raise Conflict(f"{what} is {status} and cannot be served: take another version")


def _contents(transaction: Transaction, references: Iterable[str]) -> dict[str, PromptContent]:
    digests = {
        reference_to(row.prompt, row.version): row.digest
        for row in _rows(
            transaction, select(versions.c.prompt, versions.c.version, versions.c.digest), references
        )
    }
    found: dict[str, PromptContent] = {}
    missing = []
    for reference, digest in digests.items():
        known = transaction.contents.get(digest)
        if known is None:
            missing.append(reference)
        else:
            found[reference] = known
    columns = (versions.c.prompt, versions.c.version, versions.c.digest, versions.c.content)
    for row in _rows(transaction, select(*columns), missing):
        found[reference_to(row.prompt, row.version)] = _content(transaction, row)
    return found


def _content(transaction: Transaction, row: Row[Any]) -> PromptContent:
    return transaction.contents.get_or_make(row.digest, lambda: PromptContent.from_json(row.content))


def _rows(transaction: Transaction, query: Any, references: Iterable[str]) -> list[Row[Any]]:  # noqa: ANN401
    pairs = [parse_reference(reference) for reference in references]
    key = tuple_(versions.c.prompt, versions.c.version)
    return [
        row
        for start in range(0, len(pairs), _AT_ONCE)
        for row in transaction.all(query.where(key.in_(pairs[start : start + _AT_ONCE])))
    ]


def _record(row: Row[Any]) -> VersionRecord:
    return VersionRecord(
        name=row.prompt,
        version=row.version,
        digest=row.digest,
        author=row.author,
        created_at=row.created_at,
        status=row.status,
        classification=_classification_from(row.classification),
        source=None if row.source is None else VersionSource(**row.source),
        content=row.content,
    )


def _summaries(transaction: Transaction, names: Sequence[str]) -> list[PromptSummary]:
    known: dict[str, dict[str, datetime]] = {name: {} for name in names}
    facts = select(versions.c.prompt, versions.c.version, versions.c.created_at)
    for row in transaction.all(facts.where(versions.c.prompt.in_(names))):
        known[row.prompt][row.version] = row.created_at
    serving: dict[str, dict[str, str]] = {name: {} for name in names}
    pointers = select(deployments.c.environment, deployments.c.prompt, deployments.c.defaults)
    for row in transaction.all(pointers.where(deployments.c.prompt.in_(names))):
        serving[row.prompt][row.environment] = row.defaults[-1]
    return [
        PromptSummary(
            name=name,
            latest=newest_first(registered)[0],
            versions=len(registered),
            created_at=min(registered.values()),
            updated_at=max(registered.values()),
            serving={each: serving[name][each] for each in ENVIRONMENTS if each in serving[name]},
        )
        for name, registered in known.items()
    ]


def version_names(transaction: Transaction, name: str) -> list[str]:
    """Returns the versions of a prompt, in no order.

    Raises:
        NotFound: No such prompt is registered.
    """
    found: list[str] = []
    if _could_exist(name):
        found = [
            row.version
            for row in transaction.all(select(versions.c.version).where(versions.c.prompt == name))
        ]
    if not found:
        known = [row.name for row in transaction.all(select(prompts.c.name))]
        raise NotFound(f"no prompt {name!r:.100}: {_suggestion(name, known)}")
    return found


def _suggestion(wanted: str, known: Sequence[str]) -> str:
    near = nearest(wanted, known)
    return f"did you mean {near}?" if near else "push it first"


def _could_exist(name: str, version: str = "1.0.0") -> bool:
    try:
        check_prompt_name(name)
        check_version(version)
    except InvalidPrompt:
        return False
    return True


def _registered(transaction: Transaction, name: str, version: str, content: PromptContent) -> bool:
    """Returns True if this version with this content is registered.

    Raises:
        Conflict: The version has another content, or differs from a registered one in build metadata only.
    """
    columns = (versions.c.version, versions.c.digest, versions.c.author)
    row = transaction.one(
        select(*columns).where(versions.c.prompt == name, versions.c.precedence == without_build(version))
    )
    if row is None:
        return False
    if row.version != version:
        raise Conflict(
            f"{name}@{row.version} is registered and ranks like {version}: build metadata does not count; "
            "choose a higher version"
        )
    if row.digest != content.digest():
        raise Conflict(
            f"{name}@{version} is registered with another content (by {row.author}, {row.digest[:19]}...): "
            "versions are never changed; register yours as a new version"
        )
    return True


def _check_active(
    transaction: Transaction, name: str, version: str, included: Mapping[str, PromptContent]
) -> None:
    for reference, status in sorted(statuses(transaction, included).items()):
        if status != "active":
            raise Conflict(
                f"{name}@{version} includes {reference}, which is {status} and cannot be served: include "
                "another version"
            )


def _classification(
    transaction: Transaction, name: str, version: str, content: PromptContent
) -> Classification | None:
    others = transaction.all(select(versions.c.version).where(versions.c.prompt == name))
    previous = baseline(version, [row.version for row in others])
    if previous is None:
        return None
    old = PromptContent.from_json(version_record(transaction, name, previous).content)
    found = classify(
        previous,
        old,
        content,
        old_inherited=_inherited(transaction, old),
        new_inherited=_inherited(transaction, content),
    )
    found.check(version)
    return found


def _inherited(transaction: Transaction, content: PromptContent) -> dict[str, Variable]:
    """Returns the variables that included prompts declare."""
    found: dict[str, Variable] = {}
    for each in contents_with_includes(transaction, content.includes()).values():
        found.update(each.variables)
    return found


def _classification_json(classification: Classification | None) -> dict[str, Any] | None:
    if classification is None:
        return None
    return {
        "previous": classification.previous,
        "level": classification.level,
        "reasons": [{"change": each.what, "needs": each.needs} for each in classification.reasons],
    }


def _classification_from(value: Any) -> Classification | None:  # noqa: ANN401 - JSON
    if value is None:
        return None
    reasons = tuple(Change(each["change"], each["needs"]) for each in value["reasons"])
    return Classification(value["previous"], value["level"], reasons)
