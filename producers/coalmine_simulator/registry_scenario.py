"""One service whose prompts come from a registry: nothing happens in it but what the registry does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from coalmine_simulator.config import SimulationConfig
from coalmine_simulator.errors import InvalidConfig
from coalmine_simulator.services import refund_stable, serve_only, support_refund
from coalmine_simulator.users import Population

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["registry_scenario"]

DEFAULT_USERS = 1000


def registry_scenario(
    prompts: Sequence[str], environment: str = "prod", users: int = DEFAULT_USERS
) -> SimulationConfig:
    """Users of prompts whose versions a registry serves.

    All versions behave alike; give a simulation as a file to have them differ.

    Args:
        prompts: Names of the prompts.
        environment: Where the service runs.
        users: How many users it has.

    Raises:
        InvalidConfig: No prompt is named, one is named twice, or there are no users.
    """
    if not prompts:
        raise InvalidConfig("prompts", list(prompts), "the name of at least one prompt")
    stable = refund_stable()
    profile = support_refund(serve_only(stable.version), stable, weight=1.0)
    return SimulationConfig(
        prompts=tuple(replace(profile, name=name, environment=environment) for name in prompts),
        population=Population(users=users),
    )
