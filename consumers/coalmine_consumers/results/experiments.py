"""Experiments, as their requests tell of them."""

from coalmine_schemas.results import result


@result
class ExperimentRow:
    """One experiment that had requests."""

    experiment: str
    """Name of the experiment."""
    requests: int
    """Requests in all arms and epochs."""
    epochs: list[int]
    """Allocation epochs, ascending; 0 stands for requests that do not say."""
    arms: list[str]
    """Arms that had requests, sorted."""
