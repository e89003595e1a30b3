"""Names of the topics the events travel on."""

from typing import get_args

from coalmine_schemas.events import EventName

DEFAULT_PREFIX = "coalmine."
"""Prefix of every topic unless configured otherwise."""

EVENT_NAMES: tuple[EventName, ...] = get_args(EventName)
"""All events, in the order of the design."""

_SUFFIX: dict[EventName, str] = {name: name.replace("_", "-") for name in EVENT_NAMES}


def topic_name(event: EventName, prefix: str = DEFAULT_PREFIX) -> str:
    """The topic an event travels on, for example `coalmine.dead-letters`."""
    return prefix + _SUFFIX[event]
