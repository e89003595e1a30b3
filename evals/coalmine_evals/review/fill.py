"""Puts production requests into the queues of people: a random part, and what a flag is raised for."""

import hashlib
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.sqlite import insert

from coalmine_consumers.sql import statement
from coalmine_consumers.store.reader import Reader
from coalmine_evals.continuous import storage
from coalmine_evals.continuous.requests import fresh_requests, newest_batch
from coalmine_evals.review.plan import RANDOM, Flag, ReviewPlan
from coalmine_evals.storage.tables import review_items
from coalmine_registry.storage.database import Database

NAME: Final = "review"

_BUCKETS: Final = 2**32
_LOOK_BACK: Final = timedelta(days=1)
"""Requests that came longer ago are not put into a queue after a time without a server."""
_COMPARED: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def fill(database: Database, reader: Reader, plans: Sequence[ReviewPlan], now: datetime) -> int:
    """Puts what was stored since the last time into the queues. Returns how many items came in.

    The first time ever begins with what comes after it.
    """
    newest = newest_batch(reader)
    known = database.read(lambda connection: storage.progress_of(connection, NAME))
    seen = newest if known is None else min(known[0], newest)
    items: list[dict[str, Any]] = []
    if newest > seen and plans:
        items += _random(reader, plans, seen, newest, now)
        items += _flagged(reader, plans, seen, newest, now)

    def keep(connection: Connection) -> int:
        storage.keep_progress(connection, NAME, newest, now)
        return _add(connection, plans, items)

    return database.write(keep)


def _random(
    reader: Reader, plans: Sequence[ReviewPlan], seen: int, newest: int, now: datetime
) -> Iterator[dict[str, Any]]:
    requests = fresh_requests(
        reader,
        after=seen,
        upto=newest,
        since=now - _LOOK_BACK,
        environments=_environments(plans),
        rate=max(each.random for each in plans),
    )
    for each in requests:
        for plan in plans:
            taken = each.bucket < plan.random * _BUCKETS
            if taken and each.has_text and plan.covers(each.environment, each.prompt):
                row = {"request_id": each.request_id, "environment": each.environment}
                row |= {"prompt": each.prompt, "version": each.version}
                yield _item(plan, row, RANDOM, plan.random, now)


def _flagged(
    reader: Reader, plans: Sequence[ReviewPlan], seen: int, newest: int, now: datetime
) -> Iterator[dict[str, Any]]:
    parameters = {"after": seen, "upto": newest, "environments": _environments(plans)}
    for row in reader.rows(statement("reactions_to_requests", __package__), parameters):
        for plan in plans:
            if plan.covers(row["environment"], row["prompt"]):
                raised = next((each for each in plan.flags if _is_raised(each, row)), None)
                if raised is not None:
                    yield _item(plan, row, raised.text, None, now)


def _is_raised(flag: Flag, said: Mapping[str, Any]) -> bool:
    if flag.name != said["name"]:
        return False
    extreme = said["smallest"] if flag.compared in ("<", "<=") else said["largest"]
    return _COMPARED[flag.compared](extreme, flag.limit)


def _item(
    plan: ReviewPlan, row: Mapping[str, Any], why: str, probability: float | None, now: datetime
) -> dict[str, Any]:
    # Another hash than the one that takes requests: two people for a part of what was taken.
    digest = hashlib.sha256(f"{plan.name} {row['request_id']}".encode()).digest()
    doubled = int.from_bytes(digest[:4]) < plan.double * _BUCKETS
    return {
        "queue": plan.name,
        "request_id": row["request_id"],
        "environment": row["environment"],
        "prompt": row["prompt"],
        "version": row["version"],
        "why": why,
        "probability": probability,
        "wanted": 2 if doubled else 1,
        "answered": 0,
        "queued_at": now,
    }


def _add(connection: Connection, plans: Sequence[ReviewPlan], items: Sequence[Mapping[str, Any]]) -> int:
    """Adds items: what is random first, and flagged ones only while few wait."""
    table, added = review_items, 0
    for plan in plans:
        lacks = (table.c.answered < table.c.wanted) & table.c.skipped.is_(None)
        room = plan.most_waiting - int(
            connection.execute(select(func.count()).where((table.c.queue == plan.name) & lacks)).scalar_one()
        )
        for each in items:
            if each["queue"] != plan.name or (each["probability"] is None and room <= 0):
                continue
            made = connection.execute(insert(table).values(each).on_conflict_do_nothing()).rowcount
            added, room = added + made, room - made
    return added


def _environments(plans: Sequence[ReviewPlan]) -> list[str]:
    return sorted({name for each in plans for name in each.environments})
