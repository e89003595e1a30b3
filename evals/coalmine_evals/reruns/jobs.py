"""Jobs: versions that are to be run, one after the other, whatever happens to the process meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, func, insert, or_, select, update

from coalmine_evals.results.models import Cause, RerunCell
from coalmine_evals.storage.tables import eval_jobs
from coalmine_registry.errors import NotFound
from coalmine_registry.operations.pages import cursor_key, page_of
from coalmine_registry.storage.database import Database
from coalmine_schemas.prompts.json_values import JsonValue
from coalmine_schemas.results import Page

_TRIED_AGAIN_AFTER: Final = timedelta(days=1)
"""What fails: keys expire, and providers have bad hours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be run."""

    cause: Cause
    prompt: str
    version: str
    digest: str
    suite: str
    suite_digest: str
    model: str | None = None
    """In place of the version's own."""
    seen: str | None = None
    """Model that answered in production."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be run now."""

    id: int
    wanted: Wanted
    run: str | None
    """That it goes on with."""
    asked_by: str
    asked_at: datetime


class Jobs:
    """Keeps jobs; thread-safe.

    Args:
        database: Of evaluations.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def ask(self, wanted: Sequence[Wanted], *, batch: str, actor: str, now: datetime) -> int:
        """Adds jobs, those left out that are there already, and returns how many were added.

        What was asked for by a person is added unless the same waits or runs. What a server finds due and
        failed is added again once a day.
        """

        def write(connection: Connection) -> int:
            added = 0
            for each in wanted:
                if _is_there(connection, each, now):
                    continue
                values = {
                    **{name: getattr(each, name) for name in _WANTED},
                    "batch": batch,
                    "state": "waiting",
                    "spent_nano_usd": 0,
                    "asked_by": actor,
                    "asked_at": now,
                }
                connection.execute(insert(eval_jobs).values(values))
                added += 1
            return added

        return self._database.write(write) if wanted else 0

    def next(self) -> Job | None:
        """Returns the job to do now, which runs from now on: what was begun first, then the oldest."""

        def write(connection: Connection) -> Job | None:
            table = eval_jobs.c
            query = (
                select(eval_jobs)
                .where(table.state.in_(("running", "waiting")))
                .order_by(table.state, table.id)  # `running` comes before `waiting`
                .limit(1)
            )
            row = connection.execute(query).first()
            if row is None:
                return None
            connection.execute(update(eval_jobs).where(table.id == row.id).values(state="running"))
            wanted = Wanted(**{name: getattr(row, name) for name in _WANTED})
            return Job(row.id, wanted, row.run, row.asked_by, row.asked_at)

        return self._database.write(write)

    def note(self, job: int, **values: Any) -> None:  # noqa: ANN401 - columns
        """Writes what is known of a job by now."""
        self._database.write(
            lambda each: each.execute(update(eval_jobs).where(eval_jobs.c.id == job).values(values))
        )

    def spent_since(self, since: datetime, job: int | None = None) -> int:
        """Returns what jobs, or one of them, cost that ended or were stopped since then, in nano-dollars."""
        table = eval_jobs.c
        query = select(func.coalesce(func.sum(table.spent_nano_usd), 0)).where(table.ended_at >= since)
        if job is not None:
            query = query.where(table.id == job)
        return int(self._database.read(lambda each: each.execute(query).scalar_one()))

    def last_at(self, digest: str, suite_digest: str) -> datetime | None:
        """Returns when a content was last asked to be run on a suite with its own model; None if never.

        Those that failed do not count.
        """
        table = eval_jobs.c
        query = select(func.max(table.asked_at)).where(
            table.digest == digest,
            table.suite_digest == suite_digest,
            table.model.is_(None),
            table.state != "failed",
        )
        found: datetime | None = self._database.read(lambda each: each.execute(query).scalar_one())
        return found

    def page(
        self, *, batch: str | None = None, prompt: str | None = None, limit: int, cursor: str | None = None
    ) -> Page[RerunCell]:
        """Returns jobs, the newest first.

        Args:
            batch: Only of this batch.
            prompt: Only of this prompt.
            limit: Maximum number of jobs.
            cursor: Where the previous page ended.

        Raises:
            Invalid: The limit or the cursor is not valid.
        """
        query = select(eval_jobs).order_by(eval_jobs.c.id.desc())
        if (before := cursor_key(cursor, int)) is not None:
            query = query.where(eval_jobs.c.id < before)
        for column, value in (("batch", batch), ("prompt", prompt)):
            if value is not None:
                query = query.where(eval_jobs.c[column] == value)
        return self._database.read(lambda each: page_of(each, query, limit, cell_of, lambda row: (row.id,)))

    def batch(self, batch: str) -> tuple[RerunCell, ...]:
        """Returns the jobs of a batch, by prompt and model.

        Raises:
            NotFound: There is none.
        """
        table = eval_jobs.c
        query = select(eval_jobs).where(table.batch == batch).order_by(table.prompt, table.model, table.id)
        found = self._database.read(lambda each: [cell_of(row) for row in each.execute(query)])
        if not found:
            raise NotFound(f"there is no rerun {batch!r:.100}: `coalmine evals rerun` asks for one")
        return tuple(found)

    def ended_since(self, since: datetime, cause: Cause | None = None) -> list[RerunCell]:
        """Returns jobs that ended since then, oldest first."""
        table = eval_jobs.c
        query = select(eval_jobs).where(table.ended_at >= since).order_by(table.id).limit(_MOST)
        if cause is not None:
            query = query.where(table.cause == cause)
        return self._database.read(lambda each: [cell_of(row) for row in each.execute(query)])


_WANTED: Final = tuple(Wanted.__dataclass_fields__)
_MOST: Final = 1_000


def _is_there(connection: Connection, wanted: Wanted, now: datetime) -> bool:
    table = eval_jobs.c
    same = [
        table.digest == wanted.digest,
        table.suite_digest == wanted.suite_digest,
        table.model.is_(None) if wanted.model is None else table.model == wanted.model,
    ]
    is_open = table.state.in_(("waiting", "running"))
    lately = table.asked_at > now - _TRIED_AGAIN_AFTER
    match wanted.cause:
        case "asked":
            same.append(is_open)
        case "scheduled" | "deprecated":
            # Due until it was run: one that fails would be asked for at each look.
            same.append(or_(is_open, lately))
        case "registered" | "model_seen":
            same.append(or_(table.state != "failed", lately))
    if wanted.cause == "model_seen":
        same.append(table.seen == wanted.seen)
    return connection.execute(select(table.id).where(*same).limit(1)).first() is not None


def cell_of(row: Row[Any]) -> RerunCell:
    """Returns a job as it is told."""
    figures: Mapping[str, JsonValue] = row.figures or {}
    values: dict[str, Any] = {
        name: figures.get(name)
        for name in (
            "cost_nano_usd_per_case",
            "baseline_cost_nano_usd_per_case",
            "latency_ms_p50",
            "baseline_latency_ms_p50",
        )
    }
    return RerunCell(
        id=row.id,
        batch=row.batch,
        cause=row.cause,
        prompt=row.prompt,
        version=row.version,
        digest=row.digest,
        suite=row.suite,
        model=row.model,
        seen=row.seen,
        state=row.state,
        outcome=row.outcome,
        said=row.said,
        run=row.run,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        # Of one that goes on it is when it last paid, by which `spent_since` goes.
        ended_at=row.ended_at if row.state in ("done", "failed") else None,
        **values,
    )
