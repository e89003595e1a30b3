"""Versions of prompts: registered once, never changed."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Row, select, tuple_

from coalmine_registry.classify import Change, Classification, classify
from coalmine_registry.errors import Conflict, NotFound
from coalmine_registry.operations import audit
from coalmine_registry.operations.inputs import page_limit, text_cursor
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.records import Page, PromptSummary, Proposal, Registered, VersionRecord
from coalmine_registry.roles import Actor, Role
from coalmine_registry.semantic_version import baseline, newest_first, without_build
from coalmine_registry.storage.tables import deployments, prompts, versions
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

_AT_ONCE: Final = 200
"""Versions asked for in one query; SQLite limits the number of values bound."""


def propose(transaction: Transaction, name: str, version: str, content: PromptContent) -> Proposal:
    """What registering the version would do; checks everything and writes nothing.

    Raises:
        InvalidPrompt: Name, version or a template cannot be taken.
        Conflict: The version exists with another content, or includes one that was retired.
        BumpTooSmall: The change needs a larger step of the version.
    """
    check_prompt_name(name)
    check_version(version)
    if _registered(transaction, name, version, content):
        return Proposal(name, version, False, version_record(transaction, name, version).classification)
    included = contents_with_includes(transaction, content.includes())
    check_template(content, included.__getitem__)
    _check_active(transaction, name, version, included)
    return Proposal(name, version, True, _classification(transaction, name, version, content))


def register(
    transaction: Transaction, actor: Actor, name: str, version: str, content: PromptContent
) -> Registered:
    """Adds a version whose templates `propose` has checked.

    Raises:
        Forbidden: The actor is no author.
        Conflict: The version exists with another content, or includes one that was retired.
        BumpTooSmall: The change needs a larger step of the version.
    """
    actor.require(Role.AUTHOR, "register versions")
    if _registered(transaction, name, version, content):
        record = version_record(transaction, name, version)
        return Registered(record, False, record.classification)
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
        },
    )
    audit.record(
        transaction,
        actor,
        "register",
        prompt=name,
        version=version,
        after={"digest": content.digest(), "classification": _classification_json(classification)},
    )
    return Registered(version_record(transaction, name, version), True, classification)


def version_record(transaction: Transaction, name: str, version: str) -> VersionRecord:
    """One version.

    Raises:
        NotFound: There is none.
    """
    row = None
    if _could_exist(name, version):
        query = select(versions).where(versions.c.prompt == name, versions.c.version == version)
        row = transaction.one(query)
    if row is None:
        raise NotFound(f"there is no version {version:.100} of a prompt {name:.100}: push it first")
    return _record(transaction, row)


def version_records(transaction: Transaction, name: str) -> list[VersionRecord]:
    """All versions of a prompt, highest first by precedence.

    Raises:
        NotFound: There is no such prompt.
    """
    found: dict[str, VersionRecord] = {}
    if _could_exist(name):
        rows = transaction.all(select(versions).where(versions.c.prompt == name))
        found = {row.version: _record(transaction, row) for row in rows}
    if not found:
        raise NotFound(f"there is no prompt {name:.100}: push a version of it first")
    return [found[version] for version in newest_first(found)]


def prompt_page(transaction: Transaction, limit: int, cursor: str | None) -> Page[PromptSummary]:
    """Prompts by name.

    Raises:
        Invalid: `limit` or `cursor` is none.
    """
    query = select(prompts.c.name, prompts.c.created_at).order_by(prompts.c.name)
    after = text_cursor(cursor)
    if after is not None:
        query = query.where(prompts.c.name > after)
    found = transaction.all(query.limit(page_limit(limit) + 1))
    rows = found[:limit]
    names = [row.name for row in rows]
    known: dict[str, list[Any]] = {name: [] for name in names}
    facts = select(versions.c.prompt, versions.c.version, versions.c.created_at)
    for row in transaction.all(facts.where(versions.c.prompt.in_(names))):
        known[row.prompt].append(row)
    serving: dict[str, dict[str, str]] = {name: {} for name in names}
    pointers = select(deployments.c.environment, deployments.c.prompt, deployments.c.defaults)
    for row in transaction.all(pointers.where(deployments.c.prompt.in_(names))):
        serving[row.prompt][row.environment] = row.defaults[-1]
    items = tuple(
        PromptSummary(
            row.name,
            newest_first(each.version for each in known[row.name])[0],
            len(known[row.name]),
            row.created_at,
            max(each.created_at for each in known[row.name]),
            serving[row.name],
        )
        for row in rows
    )
    return Page(items, items[-1].name if len(found) > limit else None)


def contents_with_includes(transaction: Transaction, references: Iterable[str]) -> dict[str, PromptContent]:
    """Contents by `name@version`: those asked for, and all that they include, as far as they exist."""
    found: dict[str, PromptContent] = {}
    wanted = set(references)
    while wanted:
        added = _contents(transaction, wanted)
        found.update(added)
        wanted = {each for content in added.values() for each in content.includes()} - found.keys()
    return found


def statuses(transaction: Transaction, references: Iterable[str]) -> dict[str, str]:
    """Status by `name@version`, of those that exist."""
    columns = (versions.c.prompt, versions.c.version, versions.c.status)
    return {
        reference_to(row.prompt, row.version): row.status
        for row in _rows(transaction, select(*columns), references)
    }


def check_servable(transaction: Transaction, name: str, version: str) -> None:
    """Refuses a version that may not be served.

    Raises:
        NotFound: There is none.
        Conflict: It, or a version that it includes, is retired.
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


def _record(transaction: Transaction, row: Row[Any]) -> VersionRecord:
    return VersionRecord(
        name=row.prompt,
        version=row.version,
        content=_content(transaction, row),
        digest=row.digest,
        author=row.author,
        created_at=row.created_at,
        status=row.status,
        classification=_classification_from(row.classification),
    )


def _could_exist(name: str, version: str = "1.0.0") -> bool:
    try:
        check_prompt_name(name)
        check_version(version)
    except InvalidPrompt:
        return False
    return True


def _registered(transaction: Transaction, name: str, version: str, content: PromptContent) -> bool:
    """Whether just this is registered already.

    Raises:
        Conflict: The version is, with another content; or one that differs in build metadata only.
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
            "take a higher version"
        )
    if row.digest != content.digest():
        raise Conflict(
            f"{name}@{version} is registered with another content (by {row.author}, {row.digest[:19]}...): "
            "versions are never changed; register yours under a new version"
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
    others = [
        row.version for row in transaction.all(select(versions.c.version).where(versions.c.prompt == name))
    ]
    previous = baseline(version, others)
    if previous is None:
        return None
    old = version_record(transaction, name, previous).content
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
    """Variables that included prompts declare."""
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
