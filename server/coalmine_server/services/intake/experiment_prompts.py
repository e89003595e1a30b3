"""Which prompt an experiment is of: readouts add up whatever names the experiment."""

from typing import TYPE_CHECKING, Final

from coalmine_registry.errors import NotFound
from coalmine_schemas.errors import Transient

if TYPE_CHECKING:  # SQLAlchemy
    from coalmine_registry.registry import Registry

_MOST_KNOWN: Final = 10_000


class ExperimentPrompts:
    """Prompts of experiments, remembered, for they never change. May be used by several threads.

    Args:
        registry: Knows the experiments.
    """

    def __init__(self, registry: "Registry") -> None:
        self._registry = registry
        self._known: dict[str, str] = {}

    def __call__(self, experiment: str) -> str | None:
        """Returns the prompt; None if the registry has no such experiment, or does not respond now."""
        found = self._known.get(experiment)
        if found is None:
            try:
                found = self._registry.experiment(experiment).prompt
            except (NotFound, Transient):  # events are taken while the registry is away
                return None
            if len(self._known) < _MOST_KNOWN:
                self._known[experiment] = found
        return found
