"""Evidence that was recorded: what a run of evals, or anything else, found out about a content."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, or_, select

from coalmine_registry.errors import Conflict, NotFound
from coalmine_registry.operations import audit
from coalmine_registry.operations.inputs import is_storable, kind_to_record, summary_given, web_address
from coalmine_registry.operations.pages import cursor_key, page_of
from coalmine_registry.operations.transaction import Transaction
from coalmine_registry.operations.versions import version_names, version_record
from coalmine_registry.provenance import CheckedEvidence
from coalmine_registry.records import Evidence, Policy, VersionRecord
from coalmine_registry.roles import Actor, Role
from coalmine_registry.storage.rollout_tables import checked_evidence
from coalmine_schemas.identifiers import uuid7
from coalmine_schemas.results import Page

EVAL_RUN: Final = "eval_run"
"""The kind of evidence that a run of a suite is."""


@dataclass(frozen=True, slots=True)
class EvalRunOf:
    """A run of a suite that the caller has judged."""

    id: str
    digest: str
    """Digest of the content that answered."""
    answered_at: datetime
    """When its oldest answer was made."""


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
    run: EvalRunOf | None = None,
) -> CheckedEvidence:
    """Records what was found out about the content of a version. It is never changed.

    What is recorded without a run is the word of the actor, and counts for no policy that requires a suite.

    Args:
        transaction: Where to do it.
        actor: Who found it out.
        kind: Kind of evidence, e.g. `eval_run`.
        prompt: The prompt.
        version: The version.
        passed: Whether it speaks for the version.
        summary: What was found, for people.
        url: Where more about it stands.
        run: The run of a suite that it is; None if it is none.

    Raises:
        Forbidden: The actor is not an author.
        NotFound: The version does not exist.
        Conflict: The run is of another content, or is evidence already.
        Invalid: The kind is not recorded, or the summary or the address cannot be stored.
    """
    actor.require(Role.AUTHOR, "record evidence")
    about = version_record(transaction, prompt, version)
    if run is not None:
        _check_run(transaction, run, about)
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
        run=None if run is None else run.id,
        checked_at=transaction.now if run is None else min(run.answered_at, transaction.now),
    )
    transaction.insert(checked_evidence, asdict(made))
    audit.record(
        transaction,
        actor,
        "record_evidence",
        prompt=prompt,
        version=version,
        after={
            "evidence": made.id,
            "kind": kind,
            "passed": made.passed,
            "digest": about.digest,
            "run": made.run,
        },
    )
    return made


def found(transaction: Transaction, evidence_id: str) -> CheckedEvidence:
    """Returns evidence that was recorded, by its id or by that of the run that it is.

    Raises:
        NotFound: There is none of that id.
    """
    row = _row(transaction, evidence_id)
    if row is None:
        raise NotFound(f"no evidence {evidence_id!r:.100}: record it first")
    return _evidence(row)


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
        _evidence,
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


def why_not_counted(transaction: Transaction, evidence: Evidence, required: Policy) -> str | None:
    """Returns why an environment does not count evidence that is true; None if it does."""
    about = found(transaction, evidence.reference)
    if about.kind == EVAL_RUN and about.run is None and required.requires_suite:
        return (
            f"{evidence.reference} is what {about.recorded_by} recorded, and {required.environment} counts "
            "runs of a suite only: `coalmine evals run`"
        )
    days = required.evidence_max_age_days
    if days is not None and transaction.now - about.checked_at > timedelta(days=days):
        return (
            f"{evidence.reference} is of {about.checked_at:%Y-%m-%d}, and {required.environment} counts what "
            f"is at most {days} days old: check it again"
        )
    return None


def _check_run(transaction: Transaction, run: EvalRunOf, about: VersionRecord) -> None:
    if run.digest != about.digest:
        raise Conflict(
            f"run {run.id} is of content {run.digest}, and {about.reference} is {about.digest}: "
            "run the suite on that version"
        )
    if _row(transaction, run.id) is not None:
        raise Conflict(f"run {run.id} is evidence already")


def _evidence(row: Row[Any]) -> CheckedEvidence:
    return CheckedEvidence(**{**row._mapping, "checked_at": row.checked_at or row.recorded_at})


def _row(transaction: Transaction, reference: str) -> Row[Any] | None:
    if not is_storable(reference):
        return None
    table = checked_evidence
    return transaction.one(select(table).where(or_(table.c.id == reference, table.c.run == reference)))
