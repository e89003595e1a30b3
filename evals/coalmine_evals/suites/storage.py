"""Suites in the database, so that a server can run them and a policy can ask for them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, func, insert, select

from coalmine_evals.datasets.storage import find_dataset
from coalmine_evals.storage.dataset_tables import suites
from coalmine_evals.suites.read import suite_of
from coalmine_evals.suites.suite import PushedSuite, Suite
from coalmine_registry.defaults import PAGE_SIZE
from coalmine_registry.errors import Invalid, NotFound
from coalmine_registry.operations.pages import cursor_key, page_of
from coalmine_registry.storage.database import Database
from coalmine_schemas.errors import nearest
from coalmine_schemas.results import Page

_NEWEST: Final = suites.c.id.in_(select(func.max(suites.c.id)).group_by(suites.c.name))


def put_suite(database: Database, suite: Suite, *, actor: str, now: datetime) -> PushedSuite:
    """Keeps a suite, which its name stands for from now on. The same suite again changes nothing.

    Raises:
        Invalid: It does not say which cases.
        NotFound: Its cases are not kept here.
    """
    if suite.dataset_digest is None:
        raise Invalid("dataset_digest", None, "`coalmine suite check --fix` writes it")
    find_dataset(database, suite.dataset, suite.dataset_digest)
    digest = suite.digest()

    def write(connection: Connection) -> PushedSuite:
        row = connection.execute(_of_name(suite.name).limit(1)).first()
        if row is None or row.digest != digest:
            values = {"name": suite.name, "digest": digest, "prompt": suite.prompt, "body": suite.to_json()}
            connection.execute(insert(suites).values(**values, pushed_at=now, pushed_by=actor))
            row = connection.execute(_of_name(suite.name).limit(1)).one()
        return _pushed(row)

    return database.write(write)


def list_suites(
    database: Database, *, prompt: str | None = None, cursor: str | None = None, limit: int = PAGE_SIZE
) -> Page[PushedSuite]:
    """Lists the newest suite of each name, by name.

    Args:
        database: Of evaluations.
        prompt: Only suites of this prompt; None: all.
        cursor: `next_cursor` of the page before.
        limit: Maximum number of suites.

    Raises:
        Invalid: `cursor` or `limit` is not valid.
    """
    query = select(suites).where(_NEWEST).order_by(suites.c.name)
    if prompt is not None:
        query = query.where(suites.c.prompt == prompt)
    if (after := cursor_key(cursor, str)) is not None:
        query = query.where(suites.c.name > after)
    return database.read(
        lambda connection: page_of(connection, query, limit, _pushed, lambda row: (row.name,))
    )


def suites_of(database: Database, prompt: str) -> Sequence[PushedSuite]:
    """Returns the newest suites of a prompt, by name: what its versions have to pass."""
    query = select(suites).where(_NEWEST & (suites.c.prompt == prompt)).order_by(suites.c.name)
    return database.read(lambda connection: [_pushed(row) for row in connection.execute(query)])


def find_suite(database: Database, name: str, digest: str | None = None) -> PushedSuite:
    """Returns a suite.

    Args:
        database: Of evaluations.
        name: Of the suite.
        digest: Of an earlier one; None: the newest.

    Raises:
        NotFound: There is none.
    """

    def read(connection: Connection) -> PushedSuite:
        query = _of_name(name)
        if digest is not None:
            query = query.where(suites.c.digest == digest)
        row = connection.execute(query.limit(1)).first()
        if row is not None:
            return _pushed(row)
        names = connection.execute(select(suites.c.name).distinct()).scalars().all()
        if name in names:
            raise NotFound(f"the suite {name} never was {digest}: leave the digest out for the newest one")
        near = nearest(name, names)
        hint = f"did you mean {near}?" if near else "`coalmine suite push` brings it here"
        raise NotFound(f"there is no suite {name}: {hint}")

    return database.read(read)


def _of_name(name: str) -> Select[Any]:
    return select(suites).where(suites.c.name == name).order_by(suites.c.id.desc())


def _pushed(row: Row[Any]) -> PushedSuite:
    return PushedSuite(
        suite=suite_of(row.name, row.body, row.name),
        digest=row.digest,
        pushed_at=row.pushed_at,
        pushed_by=row.pushed_by,
    )
