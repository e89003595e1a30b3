"""Which models answered lately, where, for which prompts, and since when."""

from collections.abc import Sequence
from datetime import datetime

from coalmine_consumers.queries.cover import floor
from coalmine_consumers.results import ModelUse
from coalmine_consumers.sql import statement
from coalmine_consumers.store.reader import Reader

MOST_PROMPTS = 20
"""Prompts of a model that are named: those with the most requests."""


def model_use(
    reader: Reader, since: datetime, *, limit: int, among: Sequence[str] | None = None
) -> list[ModelUse]:
    """Returns the models that answered since the day of a moment, by environment, the most used first.

    Args:
        reader: Of the store.
        since: The moment; its whole day (UTC) counts.
        limit: Maximum number of rows.
        among: Only for prompts that match one of these patterns; None for all.
    """
    patterns = None if among is None else [*among]
    parameters = {"since": floor(since, "day"), "most": MOST_PROMPTS, "limit": limit, "among": patterns}
    return [ModelUse(**row) for row in reader.rows(statement("model_use", __package__), parameters)]
