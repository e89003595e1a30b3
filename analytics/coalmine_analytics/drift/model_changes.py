"""Changes of the answering model: a new one behind the same name is the likeliest cause of drift."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from coalmine_analytics.results.drift import ModelChange
from coalmine_consumers.drift import AnsweringModel

NEAR = timedelta(days=2)
"""A model that came this close to when a drift may have begun is named as its likely cause."""


def model_changes(models: Sequence[AnsweringModel], reference_until: datetime) -> tuple[ModelChange, ...]:
    """Models that answered for the first time after the reference, oldest first.

    Each is reported once, at its first answer. A model that was itself requested only after the reference is
    left out: it did not change silently.
    """
    before: dict[str, list[str]] = {}
    for each in models:
        if each.first_event_time < reference_until:
            before.setdefault(each.request_model, []).append(each.response_model)
    changes = [
        ModelChange(
            request_model=each.request_model,
            response_model=each.response_model,
            first_seen=each.first_event_time,
            requests=each.requests,
            share_lately=each.share_lately,
            before=tuple(before[each.request_model]),
        )
        for each in models
        if each.first_event_time >= reference_until and each.request_model in before
    ]
    return tuple(sorted(changes, key=lambda change: change.first_seen))


def likely_causes(
    changes: Sequence[ModelChange], earliest: datetime, latest: datetime
) -> tuple[ModelChange, ...]:
    """Return the changes at about the time a drift began."""
    return tuple(change for change in changes if earliest - NEAR <= change.first_seen <= latest + NEAR)
