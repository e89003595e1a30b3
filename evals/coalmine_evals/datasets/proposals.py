"""Cases that production suggests: requests with bad feedback, redacted, until a person says what is right."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, Row, insert, select, update

from coalmine_consumers.sql import Source, statement
from coalmine_evals.datasets.case import read_case
from coalmine_evals.datasets.recover import variables_of
from coalmine_evals.datasets.storage import add_case, source_of
from coalmine_evals.results.datasets import Case, Dataset, Proposal, Proposed, ProposedCase
from coalmine_evals.storage.dataset_tables import dataset_proposals as table
from coalmine_registry.defaults import PAGE_SIZE
from coalmine_registry.errors import Conflict, Invalid, NotFound
from coalmine_registry.operations.pages import cursor_key, page_of
from coalmine_registry.storage.database import Database
from coalmine_schemas.prompts import check_prompt_name
from coalmine_schemas.prompts.content import PromptContent
from coalmine_schemas.redaction import redact
from coalmine_schemas.results import Page

_ASKED_BEFORE: Final = timedelta(days=30)
"""Feedback comes at most so long after its request."""
_LONGEST_TEXT: Final = 100_000
_ID_DIGITS: Final = 12
_CAPTURE: Final = (
    "requests without their texts cannot become cases: switch `capture_text` on in the service "
    "(COALMINE_CAPTURE_TEXT=true), once it may keep them"
)
CHANGES: Final = ("id", "variables", "expected", "capabilities", "cluster", "split", "must_pass")
"""What who confirms may say otherwise."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which requests to propose."""

    prompt: str
    environment: str | None
    since: datetime
    until: datetime
    limit: int
    segments: Collection[str] = ()
    """Keys of segments that become capabilities."""


def propose(
    database: Database,
    source: Source,
    dataset: str,
    wanted: Wanted,
    *,
    content_of: Callable[[str], PromptContent | None],
    actor: str,
) -> Proposed:
    """Proposes requests with bad feedback for a dataset, each once.

    Args:
        database: Of evaluations.
        source: The store.
        dataset: Name of the dataset, which need not exist yet.
        wanted: Which requests.
        content_of: Returns what a version of the prompt is; None if it is not known.
        actor: Who asked.

    Raises:
        InvalidPrompt: `dataset` is no name.
    """
    check_prompt_name(dataset, "dataset")
    ids = select(table.c.request_id).where(table.c.dataset == dataset, table.c.prompt == wanted.prompt)
    known = database.read(lambda connection: list(connection.execute(ids).scalars()))
    parameters = {
        "prompt": wanted.prompt,
        "environment": wanted.environment,
        "since": wanted.since,
        "until": wanted.until,
        "asked": wanted.since - _ASKED_BEFORE,
        "limit": wanted.limit,
        "known": known,
    }
    found = source.rows(statement("bad_requests", "coalmine_evals"), parameters)
    values = [
        _proposed(dataset, row, wanted, content_of(row["version"]), actor)
        for row in found
        if row["input_text"]
    ]

    def write(connection: Connection) -> int:
        there = set(connection.execute(ids).scalars())
        new = [each for each in values if each["request_id"] not in there]
        if new:
            connection.execute(insert(table), new)
        return len(new)

    proposed = database.write(write)
    without = len(found) - len(values)
    advice = None
    if without:
        advice = _CAPTURE
    elif not found:
        advice = (
            "no new feedback is bad: services send thumbs, ratings and corrections with client.feedback()"
        )
    return Proposed(proposed=proposed, known=len(known), without_text=without, advice=advice)


def propose_request(
    database: Database,
    source: Source,
    dataset: str,
    request_id: UUID,
    *,
    content_of: Callable[[str, str], PromptContent | None],
    segments: Collection[str] = (),
    actor: str,
    now: datetime,
) -> Proposal:
    """Proposes one request for a dataset, whatever was said of it; one that was proposed before is returned.

    Args:
        database: Of evaluations.
        source: The store.
        dataset: Name of the dataset, which need not exist yet.
        request_id: Which request.
        content_of: Returns what a version of a prompt is; None if it is not known.
        segments: Keys of segments that become capabilities.
        actor: Who asked.
        now: When.

    Raises:
        InvalidPrompt: `dataset` is no name.
        NotFound: The request is not stored.
        Conflict: Its text is not.
    """
    check_prompt_name(dataset, "dataset")
    rows = source.rows(statement("proposed_request", "coalmine_evals"), {"request_id": request_id})
    if not rows:
        raise NotFound(f"no request {request_id} is stored: it may be older than raw events are kept")
    (row,) = rows
    known = select(table.c.id).where(table.c.dataset == dataset, table.c.request_id == row["request_id"])

    def write(connection: Connection) -> Proposal:
        proposal = connection.execute(known).scalar()
        if proposal is None:
            if not row["input_text"]:
                raise Conflict(_CAPTURE)
            content = content_of(row["prompt"], row["version"])
            wanted = Wanted(row["prompt"], row["environment"], now, now, 1, segments)
            made = connection.execute(insert(table), _proposed(dataset, row, wanted, content, actor))
            (proposal,) = made.inserted_primary_key or (None,)
        assert isinstance(proposal, int)
        return _read(connection, dataset, proposal)

    return database.write(write)


def list_proposals(
    database: Database,
    dataset: str,
    *,
    state: str | None = "waiting",
    cursor: str | None = None,
    limit: int = PAGE_SIZE,
) -> Page[Proposal]:
    """Lists proposals for a dataset, in the order in which they were made.

    Raises:
        Invalid: `cursor` or `limit` is not valid.
    """
    query = select(table).where(table.c.dataset == dataset).order_by(table.c.id)
    if state is not None:
        query = query.where(table.c.state == state)
    if (after := cursor_key(cursor, int)) is not None:
        query = query.where(table.c.id > after)
    return database.read(
        lambda connection: page_of(connection, query, limit, _proposal_of, lambda row: (row.id,))
    )


def confirm(
    database: Database,
    dataset: str,
    proposal_id: int,
    changes: Mapping[str, Any],
    *,
    actor: str,
    now: datetime,
) -> Dataset:
    """Makes a proposal a case of its dataset, as a person says.

    Args:
        database: Of evaluations.
        dataset: Its name.
        proposal_id: Which one.
        changes: What the case has otherwise, by name (`CHANGES`). `expected` is the correction unless it is
            said here; it may be None, but has to be said then.
        actor: Who confirms.
        now: When.

    Raises:
        InvalidPrompt: A change is not valid.
        Invalid: Nobody has said what is right; or the dataset has a case of that id.
        NotFound: There is no such proposal.
        Conflict: It is decided.
    """

    def write(connection: Connection) -> Dataset:
        found = _waiting(connection, dataset, proposal_id)
        case = _confirmed(found, changes)
        made = add_case(connection, dataset, case, actor=actor, now=now)
        _decide(connection, proposal_id, state="confirmed", decided_at=now, decided_by=actor)
        return made

    return database.write(write)


def reject(
    database: Database, dataset: str, proposal_id: int, *, actor: str, now: datetime, reason: str | None
) -> Proposal:
    """Says that a proposal becomes no case; its texts are dropped, and it is not proposed again.

    Raises:
        NotFound: There is no such proposal.
        Conflict: It is decided.
    """

    def write(connection: Connection) -> Proposal:
        _waiting(connection, dataset, proposal_id)
        decided = {"decided_at": now, "decided_by": actor, "reason": reason}
        _decide(connection, proposal_id, state="rejected", **decided)
        return _read(connection, dataset, proposal_id)

    return database.write(write)


def _confirmed(found: Proposal, changes: Mapping[str, Any]) -> Case:
    proposed = found.case
    assert proposed is not None
    for name in changes:
        if name not in CHANGES:
            raise Invalid("a change", name, f"of a case one may say {', '.join(CHANGES)}")
    if "expected" not in changes and proposed.correction is None:
        raise Invalid("expected", None, "the user gave no correction: say what is right, or null by itself")
    value = {
        "id": f"production-{found.request_id.replace('-', '')[-_ID_DIGITS:]}",
        "variables": proposed.variables,
        "expected": proposed.correction,
        "capabilities": list(proposed.capabilities),
        "cluster": proposed.cluster,
        **changes,
        "source": source_of(found.request_id),
    }
    return read_case(value)


def _proposed(
    dataset: str, row: Mapping[str, Any], wanted: Wanted, content: PromptContent | None, actor: str
) -> dict[str, Any]:
    """A row of the table."""
    return {
        "dataset": dataset,
        "request_id": row["request_id"],
        "state": "waiting",
        "prompt": wanted.prompt,
        "version": row["version"],
        "environment": row["environment"],
        "given_at": row["given_at"],
        "body": asdict(_case_of(row, content, wanted.segments)),
        "proposed_at": wanted.until,
        "proposed_by": actor,
    }


def _case_of(
    row: Mapping[str, Any], content: PromptContent | None, segment_keys: Collection[str]
) -> ProposedCase:
    sent = row["input_text"][:_LONGEST_TEXT]
    variables = None if content is None else variables_of(content, sent)
    segments = {each["key"]: each["value"] for each in row["segments"] or ()}
    session = row["session_id"]
    return ProposedCase(
        variables={name: redact(text) for name, text in (variables or {"input": sent}).items()},
        recovered=variables is not None,
        answer=_redacted(row["output_text"]),
        comment=_redacted(row["comment"]),
        correction=_redacted(row["correction"]),
        capabilities=tuple(f"{key}={segments[key]}" for key in segment_keys if key in segments),
        # The session itself would tell who it was.
        cluster=None if session is None else f"session-{hashlib.sha256(session.encode()).hexdigest()[:16]}",
    )


def _redacted(text: str | None) -> str | None:
    return None if text is None else redact(text[:_LONGEST_TEXT])


def _read(connection: Connection, dataset: str, proposal_id: int) -> Proposal:
    row = connection.execute(
        select(table).where(table.c.id == proposal_id, table.c.dataset == dataset)
    ).first()
    if row is None:
        raise NotFound(
            f"{dataset} has no proposal {proposal_id}: `coalmine dataset proposals {dataset}` lists them"
        )
    return _proposal_of(row)


def _waiting(connection: Connection, dataset: str, proposal_id: int) -> Proposal:
    found = _read(connection, dataset, proposal_id)
    if found.state != "waiting":
        by = "" if found.decided_by is None else f" by {found.decided_by}"
        raise Conflict(
            f"proposal {proposal_id} of {dataset} was {found.state}{by}: nothing is left to decide"
        )
    return found


def _decide(connection: Connection, proposal_id: int, **decided: object) -> None:
    connection.execute(update(table).where(table.c.id == proposal_id).values(body=None, **decided))


def _proposal_of(row: Row[Any]) -> Proposal:
    body = row.body
    case = None
    if body is not None:
        case = ProposedCase(**{**body, "capabilities": tuple(body["capabilities"])})
    names = ("id", "dataset", "request_id", "state", "prompt", "version", "environment", "given_at")
    decided = ("proposed_at", "proposed_by", "decided_at", "decided_by", "reason")
    return Proposal(case=case, **{name: getattr(row, name) for name in (*names, *decided)})
