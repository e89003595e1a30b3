"""Rows of alerts and transitions, to and from results."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import Row

from coalmine_alerts.results.alerts import Alert, Cause, Silence, Transition
from coalmine_alerts.results.story import Story

_Value = TypeVar("_Value")

MOST_BOUND: Final = 500
"""Values bound in one statement."""


def pieces(values: Sequence[_Value]) -> Iterator[Sequence[_Value]]:
    """Splits values so that one statement can bind each piece."""
    return (values[start : start + MOST_BOUND] for start in range(0, len(values), MOST_BOUND))


def alert_of(row: Row[Any]) -> Alert:
    """Returns a stored alert."""
    values = {name: getattr(row, name) for name in _names(Alert)}
    return Alert(**{**values, "cause": Cause(**row.cause), "story": story_of(row.story)})


def alert_values(alert: Alert) -> dict[str, Any]:
    """Returns an alert as its table holds it."""
    values = {name: getattr(alert, name) for name in _names(Alert)}
    return {
        **values,
        "labels": dict(alert.labels),
        "cause": {"kind": alert.cause.kind, "id": alert.cause.id},
        "story": story_json(alert.story),
    }


def transition_of(row: Row[Any]) -> Transition:
    """Returns a stored transition."""
    return Transition(**{name: getattr(row, name) for name in _names(Transition)})


def transition_values(transition: Transition) -> dict[str, Any]:
    """Returns a transition as its table holds it."""
    return {name: getattr(transition, name) for name in _names(Transition)}


def silence_of(row: Row[Any]) -> Silence:
    """Returns a stored silence."""
    return Silence(**{name: getattr(row, name) for name in _names(Silence)})


def story_of(stored: Mapping[str, Any]) -> Story:
    """Returns a stored story."""
    return _stories().validate_python(stored)


def story_json(story: Story) -> dict[str, Any]:
    """Returns a story as JSON."""
    stored: dict[str, Any] = _stories().dump_python(story, mode="json", exclude_defaults=True)
    return stored


@cache
def _stories() -> TypeAdapter[Story]:
    return TypeAdapter(Story)


@cache
def _names(cls: type) -> tuple[str, ...]:
    return tuple(each.name for each in fields(cls))
