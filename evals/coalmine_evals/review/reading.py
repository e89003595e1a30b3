"""Lists what people were asked and answered, and says how far they agree."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, func, select

from coalmine_analytics.agreement import agreement
from coalmine_evals.results.review import ReviewAgreement, ReviewAnswer, ReviewItem, ReviewQueue
from coalmine_evals.review.plan import RANDOM, ReviewPlan
from coalmine_evals.review.queue import question_of
from coalmine_evals.storage.tables import review_answers, review_items
from coalmine_registry.defaults import PAGE_SIZE
from coalmine_registry.operations.pages import cursor_key, page_of
from coalmine_registry.storage.database import Database
from coalmine_schemas.results import Page

_FIRST: Final = 1
_SECOND: Final = 2


def queues(database: Database, plans: Sequence[ReviewPlan]) -> list[ReviewQueue]:
    """Returns all queues, with how many items wait."""
    table = review_items
    done = table.c.answered >= table.c.wanted
    query = select(table.c.queue, done, func.count()).where(table.c.skipped.is_(None))
    rows = database.read(lambda c: c.execute(query.group_by(table.c.queue, done)).all())
    counts = {(queue, bool(is_done)): count for queue, is_done, count in rows}
    return [
        ReviewQueue(
            name=each.name,
            questions=tuple(map(question_of, each.questions)),
            random=each.random,
            double=each.double,
            flags=tuple(flag.text for flag in each.flags),
            waiting=counts.get((each.name, False), 0),
            answered=counts.get((each.name, True), 0),
        )
        for each in plans
    ]


def items(
    database: Database,
    *,
    queue: str | None = None,
    waiting: bool = False,
    limit: int = PAGE_SIZE,
    cursor: str | None = None,
) -> Page[ReviewItem]:
    """Lists items, the latest first.

    Args:
        database: Of evaluations.
        queue: None: of all queues.
        waiting: True: only those that lack an answer.
        limit: Maximum number of items.
        cursor: `next_cursor` of the page before.
    """
    table = review_items
    query = select(table).order_by(table.c.id.desc())
    if queue is not None:
        query = query.where(table.c.queue == queue)
    if waiting:
        query = query.where(table.c.answered < table.c.wanted, table.c.skipped.is_(None))
    if (before := cursor_key(cursor, int)) is not None:
        query = query.where(table.c.id < before)
    return database.read(lambda c: page_of(c, query, limit, _item, lambda row: (row.id,)))


def answers(
    database: Database, *, queue: str | None = None, limit: int = PAGE_SIZE, cursor: str | None = None
) -> Page[ReviewAnswer]:
    """Lists answers, the latest first.

    Args:
        database: Of evaluations.
        queue: None: of all queues.
        limit: Maximum number of answers.
        cursor: `next_cursor` of the page before.
    """
    table = review_answers
    query = select(table, review_items.c.request_id).join(review_items, review_items.c.id == table.c.item)
    query = query.order_by(table.c.id.desc())
    if queue is not None:
        query = query.where(review_items.c.queue == queue)
    if (before := cursor_key(cursor, int)) is not None:
        query = query.where(table.c.id < before)
    return database.read(lambda c: page_of(c, query, limit, _answer, lambda row: (row.id,)))


def agreements(database: Database, plans: Sequence[ReviewPlan]) -> list[ReviewAgreement]:
    """Returns how far two people agree, by queue and question."""
    return database.read(
        lambda c: [_agreement(c, plan.name, each.name) for plan in plans for each in plan.questions]
    )


def _agreement(connection: Connection, queue: str, question: str) -> ReviewAgreement:
    table = review_answers
    query = (
        select(table.c.item, table.c.turn, table.c.value, review_items.c.why)
        .join(review_items, review_items.c.id == table.c.item)
        .where(review_items.c.queue == queue, table.c.question == question)
    )
    first: dict[int, float] = {}
    second: dict[int, float] = {}
    random: list[float] = []
    for row in connection.execute(query):
        if row.turn == _FIRST:
            first[row.item] = row.value
            if row.why == RANDOM:
                random.append(row.value)
        elif row.turn == _SECOND:
            second[row.item] = row.value
    both = sorted(second)
    found = agreement([first[each] for each in both], [second[each] for each in both], both) if both else None
    return ReviewAgreement(
        queue=queue,
        question=question,
        items=len(both),
        agreement=None if found is None else found.agreement,
        kappa=None if found is None else found.kappa,
        lower=None if found is None else found.lower,
        upper=None if found is None else found.upper,
        random_mean=sum(random) / len(random) if random else None,
        random_items=len(random),
    )


def _item(row: Row[Any]) -> ReviewItem:
    return ReviewItem(
        id=row.id,
        queue=row.queue,
        request_id=row.request_id,
        environment=row.environment,
        prompt=row.prompt,
        version=row.version,
        why=row.why,
        wanted=row.wanted,
        answered=row.answered,
        queued_at=row.queued_at,
    )


def _answer(row: Row[Any]) -> ReviewAnswer:
    return ReviewAnswer(
        item=row.item,
        request_id=row.request_id,
        reviewer=row.reviewer,
        question=row.question,
        answer=row.answer,
        value=row.value,
        counts=row.turn == _FIRST,
        at=row.at,
    )
