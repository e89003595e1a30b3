"""Runs and their answers in the database of evaluations."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, Select, func, select, tuple_, update
from sqlalchemy.dialects.sqlite import insert

from coalmine_evals.results.runs import Answer, EvalRun
from coalmine_evals.runs.answers import KeptAnswer, SideName, kept_answer
from coalmine_evals.runs.writer import GroupWriter
from coalmine_evals.storage.tables import eval_answers, eval_runs
from coalmine_registry.errors import Invalid, NotFound
from coalmine_registry.operations.pages import cursor_key, invalid_cursor, page_of
from coalmine_registry.storage.database import Database
from coalmine_schemas.errors import InvalidParameter
from coalmine_schemas.paging import decode_cursor
from coalmine_schemas.prompts.json_values import JsonObject
from coalmine_schemas.results import Page

_SILENT: Final = timedelta(minutes=15)
"""A run that has kept no answer for so long does not run any more: its process was killed."""
_INSERT: Final = insert(eval_answers)
_UPSERT: Final = _INSERT.on_conflict_do_update(
    index_elements=["run_id", "place", "side", "repeat"],
    set_={
        name: _INSERT.excluded[name] for name in ("case", "output", "scores", "details", "scoring_nano_usd")
    },
)


class RunStore:
    """Keeps runs and their answers. Thread-safe but for `keep`, which is for one event loop.

    Args:
        database: That of evaluations.
        clock: The time.
    """

    def __init__(self, database: Database, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._clock = clock
        self._writer = GroupWriter(database, self._write)

    @property
    def database(self) -> Database:
        """That of evaluations."""
        return self._database

    def put(self, run: EvalRun, plan: JsonObject | None = None) -> None:
        """Keeps a run, or what has changed of it.

        Args:
            run: The run.
            plan: What it takes to go on with it; needed the first time.
        """
        values = {
            "suite": run.suite,
            "prompt": run.candidate.prompt,
            "candidate_digest": run.candidate.digest,
            "state": run.state,
            "outcome": None if run.gate is None else run.gate.outcome,
            "started_at": run.started_at,
            "alive_at": self._clock(),
            "document": _runs().dump_python(run, mode="json"),
        }
        if plan is not None:
            values["plan"] = plan
            statement: Any = insert(eval_runs).values(id=run.id, **values)
            statement = statement.on_conflict_do_update(index_elements=["id"], set_=values)
        else:
            statement = update(eval_runs).where(eval_runs.c.id == run.id).values(**values)
        self._database.write(lambda each: each.execute(statement))

    async def keep(self, run: str, answer: KeptAnswer) -> None:
        """Keeps an answer, and returns when it is on disk."""
        await self._writer.write({"run_id": run, **answer.values()})

    def _write(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        connection.execute(_UPSERT, rows)
        runs = {row["run_id"] for row in rows}
        connection.execute(update(eval_runs).where(eval_runs.c.id.in_(runs)).values(alive_at=self._clock()))

    def put_answers(self, run: str, answers: list[KeptAnswer]) -> None:
        """Keeps answers of a run that was made elsewhere."""
        rows = [{"run_id": run, **each.values()} for each in answers]
        if rows:
            self._database.write(
                lambda each: each.execute(insert(eval_answers).on_conflict_do_nothing(), rows)
            )

    def run(self, run: str) -> EvalRun:
        """Returns a run.

        Raises:
            NotFound: There is none.
        """
        found = self._row(run)
        return self._run_of(found)

    def plan(self, run: str) -> JsonObject:
        """Returns what it takes to go on with a run.

        Raises:
            NotFound: There is none.
        """
        plan: JsonObject = self._row(run).plan
        return plan

    def kept(self, run: str) -> list[KeptAnswer]:
        """Returns all answers of a run."""
        query = select(eval_answers).where(eval_answers.c.run_id == run)
        return self._database.read(lambda each: [kept_answer(row) for row in each.execute(query)])

    def runs(
        self,
        *,
        limit: int,
        cursor: str | None = None,
        prompt: str | None = None,
        suite: str | None = None,
        digest: str | None = None,
    ) -> Page[EvalRun]:
        """Returns runs, the newest first.

        Args:
            limit: Maximum number of runs.
            cursor: Where the previous page ended.
            prompt: Only of this prompt.
            suite: Only of this suite.
            digest: Only with this candidate.

        Raises:
            Invalid: The limit or the cursor is not valid.
        """
        query = select(eval_runs).order_by(eval_runs.c.id.desc())
        if (before := cursor_key(cursor, str)) is not None:
            query = query.where(eval_runs.c.id < before)
        for column, value in (("prompt", prompt), ("suite", suite), ("candidate_digest", digest)):
            if value is not None:
                query = query.where(eval_runs.c[column] == value)
        return self._database.read(
            lambda each: page_of(each, query, limit, self._run_of, lambda row: (row.id,))
        )

    def answers(
        self,
        run: str,
        *,
        limit: int,
        cursor: str | None = None,
        side: SideName | None = None,
        case: str | None = None,
    ) -> Page[Answer]:
        """Returns answers of a run, case by case.

        Args:
            run: The run.
            limit: Maximum number of answers.
            cursor: Where the previous page ended.
            side: Only of this side.
            case: Only to this case.

        Raises:
            NotFound: There is no such run.
            Invalid: The limit or the cursor is not valid.
        """
        self._row(run)
        key = eval_answers.c.place, eval_answers.c.side, eval_answers.c.repeat
        query: Select[Any] = select(eval_answers).where(eval_answers.c.run_id == run).order_by(*key)
        if cursor is not None:
            query = query.where(tuple_(*key) > tuple_(*_answer_key(cursor)))
        if side is not None:
            query = query.where(eval_answers.c.side == side)
        if case is not None:
            query = query.where(eval_answers.c.case == case)
        return self._database.read(
            lambda each: page_of(
                each, query, limit, _answer_of, lambda row: (row.place, row.side, row.repeat)
            )
        )

    def _row(self, run: str) -> Row[Any]:
        row = self._database.read(
            lambda each: each.execute(select(eval_runs).where(eval_runs.c.id == run)).first()
        )
        if row is None:
            newest = select(func.max(eval_runs.c.id))
            last = self._database.read(lambda each: each.execute(newest).scalar_one())
            hint = f"the newest is {last}" if last else "there are none yet: `coalmine evals run`"
            raise NotFound(f"there is no run {run!r}: {hint}")
        return row

    def _run_of(self, row: Row[Any]) -> EvalRun:
        document = dict(row.document)
        if row.state == "running" and self._clock() - row.alive_at > _SILENT:
            document["state"] = "interrupted"
        return _runs().validate_python(document)


def _answer_key(cursor: str) -> tuple[int, str, int]:
    try:
        place, side, repeat = decode_cursor(cursor, [int, str, int])
    except InvalidParameter as error:
        raise invalid_cursor(cursor) from error
    if not isinstance(place, int) or not isinstance(repeat, int) or side not in ("candidate", "baseline"):
        raise Invalid("cursor", cursor, "pass the `next_cursor` of the previous page")
    return place, str(side), repeat


def _answer_of(row: Row[Any]) -> Answer:
    return Answer(
        case=row.case,
        side=row.side,
        repeat=row.repeat,
        text=row.output["text"],
        error=row.output["error"],
        scores=row.scores,
        details=row.details,
    )


@cache
def _runs() -> TypeAdapter[EvalRun]:
    return TypeAdapter(EvalRun)
