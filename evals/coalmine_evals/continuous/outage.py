"""Whether scores fail to come, so that rollouts which are judged by them have to hold."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from coalmine_evals.continuous.storage import ScoringState

_MANY: Final = 20
"""Requests without a score, one after another, that are an outage however fast they came."""
_SOME: Final = 3
"""The same where it has lasted as long as a score may take."""


def after(
    state: ScoringState, causes: Sequence[str | None], now: datetime, *, rate: float, raised_for: str | None
) -> ScoringState:
    """Returns how scoring goes after some requests.

    Args:
        state: Before them.
        causes: Of each why it has no score, oldest first; None if it has one.
        now: When they were done.
        rate: At which they were taken.
        raised_for: Rollout for which that rate is raised.
    """
    state = replace(state, rate=rate, raised_for=raised_for, changed_at=now)
    for cause in causes:
        if cause is None:
            state = replace(state, scored_at=now, missed=0, missed_since=None, cause=None)
        else:
            since = state.missed_since or now
            state = replace(state, missed=state.missed + 1, missed_since=since, cause=cause)
    return state


def is_down(state: ScoringState, now: datetime, deadline_s: float) -> bool:
    """Returns True if scores fail to come."""
    if state.missed_since is None:
        return False
    lasted = now - state.missed_since >= timedelta(seconds=deadline_s)
    return state.missed >= _MANY or (state.missed >= _SOME and lasted)


def words(state: ScoringState) -> str:
    """Says why scores fail to come, and since when."""
    assert state.missed_since is not None
    since = f"{state.missed_since:%Y-%m-%d %H:%M} UTC"
    return f"none of {state.missed:,} requests since {since} could be scored: {state.cause}"
