"""Which models are in use, and when their providers take them off."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from coalmine_alerts.results.models import CalendarModel
from coalmine_consumers import queries
from coalmine_consumers.store import Reader

if TYPE_CHECKING:
    from coalmine_alerts.configuration.records import Configuration

LATELY: Final = timedelta(days=30)


def model_calendar(
    reader: Reader,
    configuration: "Configuration",
    now: datetime,
    *,
    limit: int,
    among: Sequence[str] | None = None,
) -> list[CalendarModel]:
    """Returns the models in use, those that end first before those of which no end is known.

    Args:
        reader: Of the store.
        configuration: Of alerts; it adds to the ends that are known as of this release.
        now: The time.
        limit: Maximum number of rows.
        among: Only for prompts that match one of these patterns; None for all.
    """
    from coalmine_alerts.rules.models import ModelDeprecated, shipped_deprecations  # noqa: PLC0415 - all rules

    configured = next((each.rule for each in configuration.rules if each.name == ModelDeprecated.name), None)
    ends = {
        each.model: each for each in (shipped_deprecations() if configured is None else configured.models)
    }
    rows = [
        CalendarModel(
            **asdict(use),
            ends=None if (end := ends.get(use.model)) is None else end.ends,
            provider=None if end is None else end.provider,
            replacement=None if end is None else end.replacement,
        )
        for use in queries.model_use(reader, now - LATELY, limit=limit, among=among)
    ]
    return sorted(rows, key=lambda row: (row.ends is None, row.ends, -row.requests))
