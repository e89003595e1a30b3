"""Experiments as events describe them."""

from coalmine_schemas.results import result


@result
class ExperimentRow:
    """One experiment, as its requests describe it."""

    experiment: str
    """Name of the experiment."""
    requests: int
    """Requests of any of its arms."""
    epochs: list[int]
    """Allocation epochs, ascending; 0 stands for requests that name none."""
    arms: list[str]
    """Names of its arms, sorted."""
