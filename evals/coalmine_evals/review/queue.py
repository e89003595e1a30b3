"""Hands items to people, and keeps what they answer: the first answer about a request is its score."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert

from coalmine_consumers.store.reader import Reader
from coalmine_evals.continuous.outbox import stored_event
from coalmine_evals.continuous.requests import texts_of
from coalmine_evals.results.review import ReviewAnswer, ReviewQuestion, ReviewTask
from coalmine_evals.review.plan import RANDOM, Question, ReviewPlan
from coalmine_evals.storage.tables import review_answers, review_claims, review_items
from coalmine_registry.errors import Conflict, Invalid, NotFound
from coalmine_registry.storage.database import Database
from coalmine_schemas.errors import nearest
from coalmine_schemas.identifiers import uuid7

CLAIM: Final = timedelta(minutes=30)
"""How long an item is one person's alone."""
FLAGGED: Final = "_flagged"
"""What the name of a score ends in if a flag chose the request: such scores say nothing of all requests."""

_GONE: Final = "its texts are no longer stored"


class Reviews:
    """The queues. Any thread may use it.

    Args:
        database: Of evaluations.
        reader: Of the store.
        plans: The queues.
        clock: Returns the current time, with a time zone.
    """

    def __init__(
        self,
        database: Database,
        reader: Reader,
        plans: Sequence[ReviewPlan],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._reader = reader
        self._plans = {each.name: each for each in plans}
        self._clock = clock

    def plan(self, queue: str) -> ReviewPlan:
        """Returns one queue.

        Raises:
            NotFound: There is none of this name.
        """
        if queue not in self._plans:
            near = nearest(queue, self._plans)
            known = ", ".join(self._plans) or "none: evals.yaml names them under `review`"
            remedy = f"did you mean {near}?" if near else f"queues are {known}"
            raise NotFound(f'no queue is called "{queue}": {remedy}')
        return self._plans[queue]

    def next_task(self, queue: str, reviewer: str) -> ReviewTask | None:
        """Hands out the item that has waited longest, for this person alone for a while; None without any.

        Raises:
            NotFound: There is no such queue.
        """
        plan = self.plan(queue)
        while True:
            now = self._clock()
            claim = partial(_claim, queue=queue, reviewer=reviewer, now=now, until=now + CLAIM)
            claimed = self._database.write(claim)
            if claimed is None:
                return None
            row, waiting = claimed
            texts = texts_of(self._reader, [row.request_id]).get(row.request_id)
            if texts is not None:
                return ReviewTask(
                    item=row.id,
                    queue=queue,
                    prompt=row.prompt,
                    input_text=texts.input_text,
                    output_text=texts.output_text,
                    questions=tuple(map(question_of, plan.questions)),
                    until=now + CLAIM,
                    waiting=waiting,
                )
            self._database.write(partial(_skip, item=row.id, reason=_GONE))

    def submit(
        self, item: int, reviewer: str, answers: Mapping[str, str], comment: str | None = None
    ) -> list[ReviewAnswer]:
        """Keeps one person's answers to all questions about an item.

        Args:
            item: Its number.
            reviewer: Who answers.
            answers: By question.
            comment: Why, in words; kept with the score as its rationale.

        Raises:
            NotFound: There is no such item, or its queue is gone.
            Invalid: A question or an answer is not one of the queue's, or is missing.
            Conflict: The person has answered before, or enough others have.
        """
        now = self._clock()
        return self._database.write(lambda c: self._submit(c, item, reviewer, answers, comment, now))

    def skip(self, item: int, reason: str) -> None:
        """Takes an item out of its queue that nobody can answer for.

        Raises:
            NotFound: There is no such item.
            Conflict: Somebody has answered.
        """

        def work(connection: Connection) -> None:
            if _read_item(connection, item).answered:
                raise Conflict(f"item {item} has an answer: it is done, or waits for a second person")
            _skip(connection, item, reason)

        self._database.write(work)

    def _submit(  # noqa: PLR0917 - as its caller has them
        self,
        connection: Connection,
        item: int,
        reviewer: str,
        answers: Mapping[str, str],
        comment: str | None,
        now: datetime,
    ) -> list[ReviewAnswer]:
        row = _read_item(connection, item)
        plan = self.plan(row.queue)
        worth = _worth(plan, answers)
        table = review_answers
        before = connection.execute(select(table.c.reviewer).where(table.c.item == item).distinct()).scalars()
        if reviewer in {*before}:
            raise Conflict(f"{reviewer} has answered item {item} before; answers are not changed")
        if row.answered >= row.wanted:
            raise Conflict(f"item {item} has all of its answers; `coalmine review next` gives another one")
        turn = row.answered + 1
        suffix = "" if row.why == RANDOM else FLAGGED
        for question, value in worth.items():
            event = None
            if turn == 1:
                event = stored_event(
                    score_id=uuid7(),
                    request_id=row.request_id,
                    event_time=now,
                    name=f"{question}{suffix}",
                    value=value,
                    source="human",
                    scorer=f"review/{row.queue}",
                    rationale=comment,
                )
            values = {"item": item, "reviewer": reviewer, "question": question}
            values |= {"answer": answers[question], "value": value, "turn": turn, "at": now, "event": event}
            connection.execute(insert(table).values(values))
        connection.execute(
            update(review_items).where(review_items.c.id == item).values(answered=turn, skipped=None)
        )
        connection.execute(
            delete(review_claims).where(
                (review_claims.c.item == item) & (review_claims.c.reviewer == reviewer)
            )
        )
        return [
            ReviewAnswer(
                item=item,
                request_id=row.request_id,
                reviewer=reviewer,
                question=question,
                answer=answers[question],
                value=value,
                counts=turn == 1,
                at=now,
            )
            for question, value in worth.items()
        ]


def question_of(question: Question) -> ReviewQuestion:
    """The question as the API has it."""
    return ReviewQuestion(name=question.name, ask=question.ask, answers=question.answers)


def _worth(plan: ReviewPlan, answers: Mapping[str, str]) -> dict[str, float]:
    """The score of each answer, in the order of the questions."""
    names = {each.name for each in plan.questions}
    for name in answers:
        if name not in names:
            near = nearest(name, names)
            raise Invalid("question", name, f"did you mean {near}?" if near else f"give {', '.join(names)}")
    worth = {}
    for each in plan.questions:
        answer = answers.get(each.name)
        if answer is None or answer not in each.answers:
            raise Invalid(each.name, answer, f"answer {', '.join(each.answers)}: {each.ask}")
        worth[each.name] = each.answers[answer]
    return worth


def _claim(
    connection: Connection, queue: str, reviewer: str, now: datetime, until: datetime
) -> tuple[Row[Any], int] | None:
    """The next item for a person, and how many wait for them; it is theirs until then."""
    items, claims, answers = review_items, review_claims, review_answers
    connection.execute(delete(claims).where(claims.c.until <= now))
    others = (
        select(func.count())
        .where((claims.c.item == items.c.id) & (claims.c.reviewer != reviewer))
        .scalar_subquery()
    )
    own = select(answers.c.id).where((answers.c.item == items.c.id) & (answers.c.reviewer == reviewer))
    waits = (
        (items.c.queue == queue)
        & items.c.skipped.is_(None)
        & (items.c.answered + others < items.c.wanted)
        & ~own.exists()
    )
    # What they hold already comes first: asking again is no way to choose.
    mine = (claims.c.item == items.c.id) & (claims.c.reviewer == reviewer)
    held = select(claims.c.item).where(mine).exists()
    row = connection.execute(select(items).where(waits).order_by(held.desc(), items.c.id).limit(1)).first()
    if row is None:
        return None
    waiting = connection.execute(select(func.count()).select_from(items).where(waits)).scalar_one()
    claim = insert(claims).values(item=row.id, reviewer=reviewer, until=until)
    keys = ["item", "reviewer"]
    connection.execute(claim.on_conflict_do_update(index_elements=keys, set_={"until": until}))
    return row, int(waiting)


def _read_item(connection: Connection, item: int) -> Row[Any]:
    row = connection.execute(select(review_items).where(review_items.c.id == item)).first()
    if row is None:
        raise NotFound(f"there is no item {item}: `coalmine review next` gives one")
    return row


def _skip(connection: Connection, item: int, reason: str) -> None:
    connection.execute(update(review_items).where(review_items.c.id == item).values(skipped=reason))
