"""Scores as events: kept with the score until they are published."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, Update, select, update

from coalmine_evals.storage.tables import production_scores, review_answers
from coalmine_registry.records import OutboxEntry
from coalmine_registry.storage.database import Database
from coalmine_schemas.events import PromptScore, ScoreSourceName
from coalmine_schemas.rules import fitted

APP: Final = "coalmine"
"""Who sends the scores."""

_TABLES: Final = (production_scores, review_answers)


def stored_event(
    *,
    score_id: str,
    request_id: str,
    event_time: datetime,
    name: str,
    value: float,
    source: ScoreSourceName,
    scorer: str,
    rationale: str | None = None,
) -> dict[str, Any]:
    """Returns the event of a score as JSON."""
    event = PromptScore(
        score_id=score_id,
        request_id=request_id,
        event_time=event_time,
        app=APP,
        name=name,
        value=value,
        source=source,
        scorer=scorer,
        rationale=rationale,
    )
    return {**fitted("scores", event.to_record()), "event_time": event_time.isoformat()}


class ScoreOutbox:
    """The scores of scorers and of people that are not published yet.

    Args:
        database: Of evaluations.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def data_version(self) -> int | None:
        """Returns a number that is another one after every change. See `Database.data_version`."""
        return self._database.data_version()

    def outbox_pending(self, limit: int) -> list[OutboxEntry]:
        """Returns events that have not been sent yet, oldest first."""
        found: list[OutboxEntry] = []
        for place, table in enumerate(_TABLES):
            query = select(table.c.id, table.c.event).where(table.c.event.is_not(None))
            query = query.order_by(table.c.id).limit(limit - len(found))
            rows = self._database.read(partial(_rows, query=query))
            # One number says which table, too.
            found += [OutboxEntry(row.id * len(_TABLES) + place, "scores", _event(row.event)) for row in rows]
        return found

    def outbox_delivered(self, ids: Sequence[int]) -> None:
        """Forgets events that were sent."""
        for place, table in enumerate(_TABLES):
            own = [each // len(_TABLES) for each in ids if each % len(_TABLES) == place]
            if own:
                statement = update(table).where(table.c.id.in_(own)).values(event=None)
                self._database.write(partial(_changed, statement=statement))


def _rows(connection: Connection, query: Select[Any]) -> Sequence[Row[Any]]:
    return connection.execute(query).all()


def _changed(connection: Connection, statement: Update) -> None:
    connection.execute(statement)


def _event(stored: Mapping[str, Any]) -> PromptScore:
    return PromptScore(**{**stored, "event_time": datetime.fromisoformat(stored["event_time"])})
