"""Evidence that was recorded: what a run of evals, or anything else, found out about a content."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, select

from coalmine_registry.errors import NotFound
from coalmine_registry.operations import audit
from coalmine_registry.operations.inputs import is_storable, kind_to_record, summary_given, web_address
from coalmine_registry.operations.pages import cursor_key, page_of
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.operations.versions import version_names, version_record
from coalmine_registry.provenance import CheckedEvidence
from coalmine_registry.records import Evidence
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.rollout_tables import checked_evidence
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.results import Page


def record(
    transaction: Transaction,
    actor: Actor,
    kind: str,
    prompt: str,
    version: str,
    *,
    passed: bool,
    summary: str,
    url: str | None,
) -> CheckedEvidence:
    """Records what was found out about the content of a version. It is never changed.

    Args:
        transaction: Where to do it.
        actor: Who found it out.
        kind: Kind of evidence, e.g. `eval_run`.
        prompt: The prompt.
        version: The version.
        passed: Whether it speaks for the version.
        summary: What was found, for people.
        url: Where more about it stands.

    Raises:
        Forbidden: The actor is not an author.
        NotFound: The version does not exist.
        Invalid: The kind is not recorded, or the summary or the address cannot be stored.
    """
    actor.require(Role.AUTHOR, "record evidence")
    about = version_record(transaction, prompt, version)
    made = CheckedEvidence(
        id=uuid7(),
        kind=kind_to_record(kind),
        prompt=prompt,
        version=version,
        digest=about.digest,
        passed=passed is True,
        summary=summary_given("summary", summary),
        url=None if url is None else web_address("url", url),
        recorded_by=actor.subject,
        recorded_at=transaction.now,
    )
    transaction.insert(checked_evidence, asdict(made))
    audit.record(
        transaction,
        actor,
        "record_evidence",
        prompt=prompt,
        version=version,
        after={"evidence": made.id, "kind": kind, "passed": made.passed, "digest": about.digest},
    )
    return made


def found(transaction: Transaction, evidence_id: str) -> CheckedEvidence:
    """Returns evidence that was recorded.

    Raises:
        NotFound: There is none of that id.
    """
    row = _row(transaction, evidence_id)
    if row is None:
        raise NotFound(f"no evidence {evidence_id!r:.100}: record it first")
    return CheckedEvidence(**row._mapping)


def page(
    transaction: Transaction, prompt: str, version: str | None, limit: int, cursor: str | None
) -> Page[CheckedEvidence]:
    """Returns a page of what was recorded about a prompt, newest first.

    Raises:
        NotFound: The prompt or the version does not exist.
        Invalid: `limit` or `cursor` is not valid.
    """
    table = checked_evidence
    version_names(transaction, prompt)
    query = select(table).where(table.c.prompt == prompt).order_by(table.c.id.desc())
    before = cursor_key(cursor, str)
    if before is not None:
        query = query.where(table.c.id < before)
    if version is not None:
        version_record(transaction, prompt, version)
        query = query.where(table.c.version == version)
    return page_of(
        transaction.connection,
        query,
        limit,
        lambda row: CheckedEvidence(**row._mapping),
        lambda row: (row.id,),
    )


def why_none(transaction: Transaction, prompt: str, version: str, evidence: Evidence) -> str | None:
    """Returns why evidence that has to be recorded does not speak for a version; None if it does."""
    row = _row(transaction, evidence.reference)
    if row is None:
        return "nothing was recorded under that id"
    if row.kind != evidence.kind:
        return f"what was recorded under that id is of kind {row.kind}"
    if row.digest != version_record(transaction, prompt, version).digest:
        return f"it is about {row.prompt}@{row.version}, whose content is not that of {prompt}@{version}"
    return None if row.passed else "it did not pass"


def _row(transaction: Transaction, evidence_id: str) -> Row[Any] | None:
    if not is_storable(evidence_id):
        return None
    return transaction.one(select(checked_evidence).where(checked_evidence.c.id == evidence_id))
