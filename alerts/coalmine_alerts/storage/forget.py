"""Takes what users wrote out of alerts, and out of what is kept of messages about them."""

from collections.abc import Collection, Iterator
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Text, cast, select, update

from coalmine_alerts.storage.tables import alerts, messages
from coalmine_registry.storage.database import Database

_QUOTE: Final = "rich_text_quote"
"""The type of Slack blocks with users' words; they name no request."""


def forget_requests(database: Database, request_ids: Collection[str]) -> int:
    """Takes excerpts of requests out of alerts, and all that users said out of messages that were sent.

    Returns:
        How many alerts and messages had some.
    """
    wanted = frozenset(request_ids)
    if not wanted:
        return 0

    def write(connection: Connection) -> int:
        changed = 0
        for fingerprint, story in connection.execute(
            select(alerts.c.fingerprint, alerts.c.story).where(_has(alerts.c.story, '"excerpts"'))
        ).all():
            kept = [each for each in story["excerpts"] if each["request_id"] not in wanted]
            if len(kept) < len(story["excerpts"]):
                values = {"story": {**story, "excerpts": kept}}
                connection.execute(update(alerts).where(alerts.c.fingerprint == fingerprint).values(**values))
                changed += 1
        for number, body in connection.execute(
            select(messages.c.id, messages.c.body).where(_has(messages.c.body, f'"{_QUOTE}"'))
        ).all():
            values = {"body": _without_quotes(body)}
            connection.execute(update(messages).where(messages.c.id == number).values(**values))
            changed += 1
        return changed

    return database.write(write)


def _has(column: Any, words: str) -> ColumnElement[bool]:  # noqa: ANN401 - a column of JSON
    return cast(column, Text).contains(words)


def _without_quotes(found: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(found, dict):
        return {name: _without_quotes(value) for name, value in found.items()}
    if isinstance(found, list):
        return list(_unquoted(found))
    return found


def _unquoted(found: list[Any]) -> Iterator[Any]:
    for each in found:
        if not (isinstance(each, dict) and each.get("type") == _QUOTE):
            yield _without_quotes(each)
