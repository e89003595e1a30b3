"""Datasets in the database: what a name holds now, and what it held before."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, func, insert, select, update

from coalmine_evals.datasets.case import read_case
from coalmine_evals.datasets.jsonl import digest_of, lines_of
from coalmine_evals.results.datasets import Case, Dataset
from coalmine_evals.storage.dataset_tables import (
    dataset_cases,
    dataset_contents,
    dataset_imports,
    dataset_proposals,
)
from coalmine_registry.defaults import PAGE_SIZE
from coalmine_registry.errors import Invalid, NotFound
from coalmine_registry.operations.pages import cursor_key, page_of
from coalmine_registry.storage.database import Database
from coalmine_schemas.errors import nearest
from coalmine_schemas.prompts import check_prompt_name
from coalmine_schemas.results import Page

_SHORTEST_DIGEST: Final = 6
_AT_ONCE: Final = 500
"""Values of one statement."""
_HEX: Final = frozenset("0123456789abcdef")


def put_dataset(
    database: Database, name: str, cases: Sequence[Case], *, actor: str, now: datetime
) -> Dataset:
    """Keeps cases under a name, which has them from now on. The same cases again change nothing.

    Raises:
        InvalidPrompt: The name is none.
        Invalid: There is no case, or two have the same id.
    """
    check_prompt_name(name)
    _check(cases)
    return database.write(lambda connection: _put(connection, name, cases, actor, now))


def add_case(connection: Connection, name: str, case: Case, *, actor: str, now: datetime) -> Dataset:
    """Adds a case to what a name holds; makes the dataset if there is none.

    Raises:
        Invalid: It has a case of that id.
    """
    row = connection.execute(_newest(name)).first()
    before = [] if row is None else _cases_of(connection, row.digest)
    cases = [*before, case]
    _check(cases)
    return _put(connection, name, cases, actor, now)


def list_datasets(database: Database, *, cursor: str | None = None, limit: int = PAGE_SIZE) -> Page[Dataset]:
    """Lists what each name holds now, by name.

    Raises:
        Invalid: `cursor` or `limit` is not valid.
    """
    newest = select(func.max(dataset_imports.c.id)).group_by(dataset_imports.c.name)
    query = _SELECT.where(dataset_imports.c.id.in_(newest)).order_by(dataset_imports.c.name)
    if (after := cursor_key(cursor, str)) is not None:
        query = query.where(dataset_imports.c.name > after)
    return database.read(
        lambda connection: page_of(connection, query, limit, _dataset_of, lambda row: (row.name,))
    )


def dataset_history(
    database: Database, name: str, *, cursor: str | None = None, limit: int = PAGE_SIZE
) -> Page[Dataset]:
    """Lists what a name held, the latest first.

    Raises:
        Invalid: `cursor` or `limit` is not valid.
        NotFound: There is no such name.
    """
    find_dataset(database, name)
    query = _of_name(name)
    if (before := cursor_key(cursor, int)) is not None:
        query = query.where(dataset_imports.c.id < before)
    return database.read(
        lambda connection: page_of(connection, query, limit, _dataset_of, lambda row: (row.id,))
    )


def find_dataset(database: Database, name: str, digest: str | None = None) -> Dataset:
    """Returns what a name holds.

    Args:
        database: Of evaluations.
        name: Of the dataset.
        digest: Of what it held once, or the beginning of it; None: what it holds now.

    Raises:
        NotFound: There is no such name, or it never held that.
        Invalid: The digest is none, or several begin so.
    """
    if digest is not None and (len(digest) < _SHORTEST_DIGEST or not _HEX.issuperset(digest)):
        raise Invalid("digest", digest, f"give {_SHORTEST_DIGEST} to 64 hexadecimal digits of one")

    def read(connection: Connection) -> Dataset:
        query = _of_name(name)
        if digest is None:
            row = connection.execute(query.limit(1)).first()
        else:
            rows = connection.execute(query.where(dataset_imports.c.digest.startswith(digest))).all()
            if len({each.digest for each in rows}) > 1:
                raise Invalid("digest", digest, "several begin so: give more of its digits")
            row = rows[0] if rows else None
        if row is not None:
            return _dataset_of(row)
        names = connection.execute(select(dataset_imports.c.name).distinct()).scalars().all()
        if name in names:
            raise NotFound(
                f"the dataset {name} never held {digest}: `coalmine dataset show {name} --history` lists "
                "what it held"
            )
        near = nearest(name, names)
        hint = f"did you mean {near}?" if near else "`coalmine dataset import` makes one"
        raise NotFound(f"there is no dataset {name}: {hint}")

    return database.read(read)


def cases_of(database: Database, digest: str) -> list[Case]:
    """Returns all cases of a content, in their order, without those that were forgotten."""
    return database.read(lambda connection: _cases_of(connection, digest))


def page_of_cases(
    database: Database, digest: str, *, cursor: str | None = None, limit: int = PAGE_SIZE
) -> Page[Case]:
    """Lists cases of a content, in their order.

    Raises:
        Invalid: `cursor` or `limit` is not valid.
    """
    query = _kept(digest)
    if (after := cursor_key(cursor, int)) is not None:
        query = query.where(dataset_cases.c.position > after)
    return database.read(
        lambda connection: page_of(connection, query, limit, _case_of, lambda row: (row.position,))
    )


def forget_requests(database: Database, request_ids: Sequence[str]) -> int:
    """Takes what came from production requests out of all datasets and proposals.

    The digest of a content stays its name, though a case of it is gone.

    Returns:
        How many cases and proposals there were.
    """

    def write(connection: Connection) -> int:
        rows = 0
        for first in range(0, len(request_ids), _AT_ONCE):
            ids = request_ids[first : first + _AT_ONCE]
            of_cases = dataset_cases.c.source.in_(map(source_of, ids)) & dataset_cases.c.body.is_not(None)
            rows += connection.execute(update(dataset_cases).where(of_cases).values(body=None)).rowcount
            waiting = dataset_proposals.c.request_id.in_(ids) & dataset_proposals.c.body.is_not(None)
            emptied = update(dataset_proposals).where(waiting).values(body=None, state="forgotten")
            rows += connection.execute(emptied).rowcount
        return rows

    return database.write(write)


def source_of(request_id: str) -> str:
    """The `source` of a case that came from a production request."""
    return f"request:{request_id}"


def _check(cases: Sequence[Case]) -> None:
    if not cases:
        raise Invalid("cases", "an empty list", "give one at least")
    twice = next((id_ for id_, count in Counter(each.id for each in cases).items() if count > 1), None)
    if twice is not None:
        raise Invalid("the id of a case", twice, "another case has it, too: give each an id of its own")


def _put(connection: Connection, name: str, cases: Sequence[Case], actor: str, now: datetime) -> Dataset:
    digest = digest_of(cases)
    known = connection.execute(
        select(dataset_contents.c.digest).where(dataset_contents.c.digest == digest)
    ).first()
    if known is None:
        _insert(connection, digest, cases)
    row = connection.execute(_newest(name)).first()
    if row is None or row.digest != digest:
        connection.execute(
            insert(dataset_imports).values(name=name, digest=digest, imported_at=now, imported_by=actor)
        )
        row = connection.execute(_newest(name)).one()
    return _dataset_of(row)


def _insert(connection: Connection, digest: str, cases: Sequence[Case]) -> None:
    capabilities = Counter(capability for each in cases for capability in each.capabilities)
    connection.execute(
        insert(dataset_contents).values(
            digest=digest,
            cases=len(cases),
            clusters=len({each.cluster for each in cases}),
            must_pass=sum(each.must_pass for each in cases),
            capabilities=dict(sorted(capabilities.items())),
        )
    )
    rows = [
        {"digest": digest, "position": position, "source": case.source, "body": line}
        for position, (case, line) in enumerate(zip(cases, lines_of(cases), strict=True))
    ]
    connection.execute(insert(dataset_cases), rows)


_FORGOTTEN: Final = (
    select(func.count())
    .where(dataset_cases.c.digest == dataset_contents.c.digest, dataset_cases.c.body.is_(None))
    .scalar_subquery()
)
_SELECT: Final = select(dataset_imports, dataset_contents, _FORGOTTEN.label("forgotten")).join_from(
    dataset_imports, dataset_contents
)


def _of_name(name: str) -> Select[Any]:
    return _SELECT.where(dataset_imports.c.name == name).order_by(dataset_imports.c.id.desc())


def _newest(name: str) -> Select[Any]:
    return _of_name(name).limit(1)


def _kept(digest: str) -> Select[Any]:
    of_content = (dataset_cases.c.digest == digest) & dataset_cases.c.body.is_not(None)
    return select(dataset_cases).where(of_content).order_by(dataset_cases.c.position)


def _cases_of(connection: Connection, digest: str) -> list[Case]:
    rows: Iterable[Row[Any]] = connection.execute(_kept(digest))
    return [_case_of(row) for row in rows]


def _case_of(row: Row[Any]) -> Case:
    return read_case(json.loads(row.body))


def _dataset_of(row: Row[Any]) -> Dataset:
    return Dataset(
        name=row.name,
        digest=row.digest,
        cases=row.cases,
        clusters=row.clusters,
        must_pass=row.must_pass,
        capabilities=row.capabilities,
        imported_at=row.imported_at,
        imported_by=row.imported_by,
        forgotten=row.forgotten,
    )
