"""How a rule's alerts behave in time: one record per rule."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

OnNoData = Literal["keep", "alert", "ok"]
"""What an alert becomes when its rule says nothing for a while.

`keep`: what it was, with one note if it fires. `alert`: people are told so. `ok`: it is over.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How the alerts of one rule behave in time. Defaults suit a rule about state; notices need none."""

    for_: timedelta = timedelta(0)
    """The condition must have held at all evaluations for so long before it fires. Zero for what a sequential
    test has proven: waiting adds nothing to its error chance."""
    keep_firing_for: timedelta = timedelta(minutes=10)
    """The condition must not have held for so long, at two evaluations at least, before it is resolved."""
    latch: bool = False
    """True: only evidence of recovery (`Finding.recovered`), the end of the thing (`Finding.ended`) or a
    person who accepts it resolves it."""
    on_no_data: OnNoData = "keep"
    no_data_after: timedelta = timedelta(minutes=30)
    metric: bool = False
    """True: it measures what is served, so that an `Inhibition` without names of rules holds it back."""
    group_wait: timedelta = timedelta(seconds=30)
    """How long the first message of a group waits for more alerts; a page never waits."""
    group_interval: timedelta = timedelta(minutes=5)
    """How long after a message of a group the next one comes at the earliest; a page never waits."""
    info: Literal["at_once", "digest"] = "digest"
    """When alerts and notices of severity `info` are told: as warnings are, or in the daily digest."""
    repeat_page_every: timedelta = timedelta(hours=1)
    """A page is told again so often, until somebody acknowledges it."""
    update_every: timedelta | None = None
    """How often a message is brought up to date while the alert fires; None: when something happens."""
