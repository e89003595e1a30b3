"""Answers that were paid for once, in a SQLite file that may be deleted at any time.

The key is everything that decides an answer: who is asked, where, the whole request, and the number of the
repeat. Old answers make room for new ones.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    select,
)
from sqlalchemy.dialects.sqlite import insert

from coalmine_evals.providers.provider import Provider, Request
from coalmine_evals.records import Output
from coalmine_evals.runs.writer import GroupWriter
from coalmine_registry.storage.columns import UtcTime
from coalmine_registry.storage.own_file import open_file
from coalmine_schemas.prompts.json_values import canonical_json

VERSION: Final = 1
MOST_BYTES: Final = 1_000_000_000
"""Of answers; a little more on disk."""
MOST_DAYS: Final = 90
"""Answers may hold what people wrote: they are not kept for ever."""
_CHECK_EVERY: Final = 1_000
_KEEP: Final = 0.9
"""Share of the room that is kept when it is full, so that this is not done at every answer."""
_ROW_BYTES: Final = 200

_metadata: Final = MetaData()
_answers: Final = Table(
    "answers",
    _metadata,
    Column("key", String(64), primary_key=True),
    Column("text", Text, nullable=False),
    Column("response_model", Text),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Column("cost_nano_usd", Integer),
    Column("latency_ms", Float),
    Column("answered_at", UtcTime, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Index("ix_answers_answered_at", "answered_at"),
)
_FIELDS: Final = tuple(each.name for each in _answers.columns if each.name not in ("key", "size_bytes"))
_INSERT: Final = insert(_answers)
_UPSERT: Final = _INSERT.on_conflict_do_update(
    index_elements=["key"],
    set_={each.name: _INSERT.excluded[each.name] for each in _answers.columns if each.name != "key"},
)


def cache_key(provider: Provider, request: Request, repeat: int) -> str:
    """Returns the key of an answer, 64 hexadecimal digits."""
    asked = canonical_json([provider.name, provider.address, request.to_json(), repeat])
    return hashlib.sha256(asked).hexdigest()


class AnswerCache:
    """Keeps answers by key. For one event loop; several processes may share the file.

    Args:
        path: The file; made if there is none.
        most_bytes: Size of all answers, beyond which the oldest are deleted.
        now: The time.

    Raises:
        DatabaseUnavailable: The file cannot be used now.
        DatabaseTooNew: A newer version of Coalmine has used it.
    """

    def __init__(self, path: Path, *, most_bytes: int = MOST_BYTES, now: datetime | None = None) -> None:
        self._database = open_file(path, "cache of answers", _metadata, VERSION)
        self._writer = GroupWriter(self._database, self._write)
        self._most_bytes = most_bytes
        self._put = 0
        oldest = (now or datetime.now(UTC)) - timedelta(days=MOST_DAYS)
        self._database.write(
            lambda each: each.execute(delete(_answers).where(_answers.c.answered_at < oldest))
        )

    def get(self, key: str, since: datetime | None = None) -> Output | None:
        """Returns an answer; None if it has to be asked for.

        Args:
            key: As `cache_key` makes it.
            since: Leave out what was answered before; None for answers of any age.
        """
        query = select(*(_answers.c[name] for name in _FIELDS)).where(_answers.c.key == key)
        if since is not None:
            query = query.where(_answers.c.answered_at >= since)
        row = self._database.read(lambda each: each.execute(query).first())
        return None if row is None else Output(**row._asdict(), cached=True)

    async def put(self, key: str, output: Output) -> None:
        """Keeps an answer, and returns when it is on disk. One with an error is none, and is not kept."""
        if output.text is None:
            return
        row: dict[str, Any] = {name: getattr(output, name) for name in _FIELDS}
        row["answered_at"] = row["answered_at"] or datetime.now(UTC)
        row["size_bytes"] = _ROW_BYTES + len(output.text.encode("utf-8", "replace"))
        await self._writer.write({"key": key, **row})

    async def close(self) -> None:
        """Finishes what is being written, and closes the file."""
        await self._writer.settle()
        if self._put:
            await asyncio.to_thread(self._database.write, self._make_room)
        self._database.close()

    def _write(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        connection.execute(_UPSERT, rows)
        before, self._put = self._put, self._put + len(rows)
        if before // _CHECK_EVERY != self._put // _CHECK_EVERY:
            self._make_room(connection)

    def _make_room(self, connection: Connection) -> None:
        total = connection.execute(select(func.coalesce(func.sum(_answers.c.size_bytes), 0))).scalar_one()
        if total <= self._most_bytes:
            return
        newest_first = _answers.c.answered_at.desc(), _answers.c.key
        running = func.sum(_answers.c.size_bytes).over(order_by=newest_first)
        ranked = select(_answers.c.key, running.label("size")).subquery()
        gone = select(ranked.c.key).where(ranked.c.size > self._most_bytes * _KEEP)
        connection.execute(delete(_answers).where(_answers.c.key.in_(gone)))
