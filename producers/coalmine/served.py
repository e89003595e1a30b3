"""Which version of a prompt a call uses, and how it was chosen."""

from dataclasses import dataclass
from functools import lru_cache

from coalmine_schemas.events import ResolutionName


@dataclass(frozen=True, slots=True)
class Served:
    """What was served for one call: the one value a call learns from whoever chose the version."""

    version: str
    """Version of the prompt."""
    variant: str | None = None
    """Arm of the experiment."""
    experiment: str | None = None
    """Experiment that chose the version."""
    allocation_epoch: int | None = None
    """Counter of the experiment's allocations."""
    resolution: ResolutionName = "fixed"
    """Source of the choice."""
    label: str | None = None
    """What was asked for instead of a version, e.g. `latest`."""


@lru_cache(maxsize=4096)
def fixed_version(
    version: str,
    *,
    variant: str | None = None,
    experiment: str | None = None,
    allocation_epoch: int | None = None,
    resolution: ResolutionName = "fixed",
    label: str | None = None,
) -> Served:
    """The choice made by the service's own code. Remembered, since a service makes the same few choices."""
    return Served(version, variant, experiment, allocation_epoch, resolution, label)
