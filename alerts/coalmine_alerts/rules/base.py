"""What all rules have in common: which facts they need, and findings about a prompt."""

from dataclasses import dataclass
from typing import ClassVar

from coalmine_alerts.facts import Facts, Place, Source, VersionPlace
from coalmine_alerts.results.alerts import Cause, Severity
from coalmine_alerts.timing import Timing


@dataclass(frozen=True, slots=True)
class DefaultRule:
    """Base of the rules that are shipped. Their fields are the thresholds."""

    name: ClassVar[str]
    timing: ClassVar[Timing] = Timing()
    needs: ClassVar[frozenset[Source]]
    """What has to be read for it."""
    summary: ClassVar[str]
    """What it tells, for lists of rules."""
    on: ClassVar[bool] = True
    """Whether it is evaluated unless the configuration says otherwise."""


def of_prompt(place: Place | VersionPlace) -> Cause:
    """Returns the cause of what is about one prompt."""
    return Cause(kind="prompt", id=place.prompt)


def page_if_out(facts: Facts) -> Severity:
    """Returns `page` while a rollout shows a version to somebody: it would not see harm."""
    return "page" if facts.rollout_out() is not None else "warning"
