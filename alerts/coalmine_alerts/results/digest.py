"""What a week brought: what shipped and what it did, what needs a person, what could be tidied."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from coalmine_analytics.results.verdicts import Role, Verdict
from coalmine_schemas.results import result

Outcome = Literal["better", "not worse", "rolled back", "stopped", "no answer", "undecided"]
"""`better`: at least one guardrail is shown to be better, and none worse. `no answer`: time or traffic ran
out first. `stopped`: by a person, or by a newer version."""


@result
class ShippedEffect:
    """One metric of a version against the one before it, as the rollout's last look measured it."""

    metric: str
    unit: str
    role: Role
    """What depends on it."""
    verdict: Verdict
    """What is shown of it, as in the readout."""
    control_value: float | None
    """Of the version before, in `unit`."""
    value: float | None
    """Of the version, in `unit`."""
    effect: float | None
    """The version's value minus the other's."""
    lower: float | None
    """Lower end of the effect's confidence sequence."""
    upper: float | None
    """Upper end of it."""
    units: int
    """Users, or whatever the units are, that met the version."""
    control_units: int


@result
class Shipped:
    """A rollout that ended."""

    rollout: str
    environment: str
    prompt: str
    before: str
    version: str
    outcome: Outcome
    changes: tuple[str, ...]
    """In words, what is shown first: `quality +3.1 %`."""
    effects: tuple[ShippedEffect, ...]
    """Every metric of the last look."""
    ended_at: datetime
    lead_time_s: float | None
    """From registration to everybody; null if it did not get there."""
    exposed_share: float | None
    """Of the units, those that met a version that was taken back."""
    out_s: float | None
    """How long it was shown to somebody."""


@result
class Duty:
    """Something that waits for a person, or could be tidied."""

    text: str
    path: str
    """Below the dashboard's URL."""


@result
class Digest:
    """A week of one environment, or of all."""

    week: str
    """ISO week: `2026-W47`."""
    since: datetime
    until: datetime
    environment: str | None
    """Null: all of them."""
    shipped: tuple[Shipped, ...]
    """Rollouts that ended, newest last."""
    median_lead_time_s: float | None
    changed_by_hand: int
    """Times that a person changed what is served, past all rollouts."""
    duties: tuple[Duty, ...]
    tidying: tuple[Duty, ...]
    alerts_told: int
    alerts_held_back: int
    """They fired, and nobody was told: silenced, or part of something that was told."""
    alerts_open: int
    useful: int
    """Alerts that somebody called useful."""
    noise: Mapping[str, int]
    """Alerts that somebody called noise, by rule."""
