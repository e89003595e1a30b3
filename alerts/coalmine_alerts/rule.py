"""What a rule is: a pure function from what is known to what it says."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from coalmine_alerts.records import Finding, Inhibition
from coalmine_alerts.timing import Timing

Facts_contra = TypeVar("Facts_contra", contravariant=True)

Answer = Finding | Inhibition
"""What a rule may yield."""


class Rule(Protocol[Facts_contra]):
    """Says what is so. The same facts give the same answers: rules read no clock and keep nothing.

    A thing about which it yields no finding counts as "no data", never as well. What it yields before it
    raises is taken; that it raises becomes an alert of its own.
    """

    @property
    def name(self) -> str:
        """Name of the rule; each `Finding.rule` is the same."""
        ...

    @property
    def timing(self) -> Timing:
        """How its alerts behave in time."""
        ...

    def __call__(self, facts: Facts_contra) -> Iterable[Answer]:
        """Says what is so."""
        ...
